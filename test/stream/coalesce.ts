import '../support/clock.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Coalesce } from '../../lib/stream/coalesce.js'
import { overdue } from '../../lib/stream/event-loop.js'
import { fake, real } from '../support/clock.js'
import { deferred } from '../support/deferred.js'
import { numbers, Source } from '../support/source.js'
import { pending, turn } from '../support/turn.js'
import { within } from '../support/within.js'

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const done = { done: true, value: undefined }
const gather = <T>(source: AsyncIterable<T>, size: number, idle?: number, convert: (item: T) => T = (item) => item) =>
  new Coalesce<T, T[]>(source, size, convert, () => [], idle)
const all = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}
const thrown = (promise: Promise<unknown>): Promise<any> =>
  within(
    1000,
    promise.then(
      () => assert.unreachable('it should have failed'),
      (error) => error,
    ),
  )

test('batches are full but for the last; nothing in, nothing out', async () => {
  assert.equal(await all(gather(new Source(numbers(7)), 3)), [[0, 1, 2], [3, 4, 5], [6]])
  assert.equal(await all(gather(new Source(numbers(6)), 3)), [
    [0, 1, 2],
    [3, 4, 5],
  ])
  assert.equal(await all(gather(new Source([]), 3)), [])
  assert.equal(await all(gather(new Source(numbers(7)), Infinity)), [numbers(7)])
  assert.equal(await all(gather(new Source(numbers(3)), 3, 5000)), [numbers(3)])
})

test('lazy: the source is opened by the first next(), and read no further than the batch', async () => {
  const source = new Source(numbers(9))
  const batches = gather(source, 3)
  assert.is(source.opened, 0)
  assert.equal(await batches.next(), { done: false, value: [0, 1, 2] })
  await turn()
  assert.equal([source.opened, source.reads], [1, 3])
})

test('R8: what the source gave before it failed comes out before the error, then the end', async () => {
  for (const idle of [undefined, 5000]) {
    for (const [failsAt, batches] of [
      [0, []],
      [2, [[0, 1]]],
      [3, [[0, 1, 2]]],
      [4, [[0, 1, 2], [3]]],
    ] as const) {
      const broken = new Error('source')
      const source = new Source(numbers(9), {
        before: (read) => {
          if (read === failsAt) throw broken
        },
      })
      const it = gather(source, 3, idle)
      for (const value of batches) assert.equal(await it.next(), { done: false, value })
      assert.is(await thrown(it.next()), broken)
      assert.equal(await it.next(), done)
      assert.equal(await it.return(), done)
      assert.equal([source.returns, source.late], [0, 0])
    }
  }
})

test('R7: a source that cannot be opened', async () => {
  const broken = new Error('open')
  const it = gather(
    {
      [Symbol.asyncIterator]: () => {
        throw broken
      },
    },
    3,
  )
  assert.is(await thrown(it.next()), broken)
  assert.equal(await it.next(), done)
})

test('R19: a result that is no object is a TypeError', async () => {
  const it = gather({ [Symbol.asyncIterator]: () => ({ next: async () => 5 as any }) }, 3)
  assert.instance(await thrown(it.next()), TypeError)
  assert.equal(await it.next(), done)
})

test('an item that cannot be converted fails the source, which is closed once; what that throws is not the news', async () => {
  for (const closed of [
    () => {},
    () => {
      throw new Error('closing')
    },
  ]) {
    for (const throws of [false, true]) {
      const source = new Source(numbers(9), { closed })
      const iterator = source[Symbol.asyncIterator]()
      const close = iterator.return!
      if (throws) {
        iterator.return = () => {
          close().catch(() => {})
          throw new Error('at once')
        }
      }
      const it = gather({ [Symbol.asyncIterator]: () => iterator }, 3, undefined, (n) => {
        if (n === 4) throw new Error('item')
        return n
      })
      assert.equal(await it.next(), { done: false, value: [0, 1, 2] })
      assert.equal(await it.next(), { done: false, value: [3] })
      await turn()
      assert.is((await thrown(it.next())).message, 'item')
      assert.equal(await it.next(), done)
      assert.equal(await it.return(), done)
      assert.equal([source.returns, source.late], [1, 0])
    }
  }
})

test('R1, R13: return() reaches the source at once, also during a read, and once', async () => {
  for (const idle of [undefined, 60_000]) {
    const read = deferred<void>()
    const source = new Source(numbers(9), { before: (n) => (n === 1 ? read.promise : undefined) })
    const it = gather(source, 3, idle)
    const next = it.next()
    await turn()
    assert.equal(await within(1000, it.return()), done)
    await it.return()
    assert.is(source.returns, 1)
    read.resolve()
    await within(1000, next)
    assert.equal(await it.next(), done)
    assert.equal([source.returns, source.late], [1, 0])
  }
})

test('return() before the start opens nothing, then or later; after the end it closes nothing', async () => {
  const source = new Source(numbers(2))
  const it = gather(source, 3)
  assert.equal(await it.return(), done)
  assert.equal(await it.next(), done)
  assert.is(source.opened, 0)
  const ended = gather(source, 3)
  await ended.next()
  await ended.return()
  assert.equal([source.opened, source.returns], [1, 0])
})

test('R5: return() fails with what the source throws as it closes', async () => {
  const source = new Source(numbers(9), {
    closed: () => {
      throw new Error('closing')
    },
  })
  const it = gather(source, 3)
  await it.next()
  assert.is((await thrown(it.return())).message, 'closing')
})

test('R20: a batch goes out when the source idles, and the read goes on in the next one', async () => {
  const doors = numbers(5).map(() => deferred<void>())
  const source = new Source(numbers(4), { before: (n) => doors[n]!.promise })
  const it = gather(source, 3, 5)
  const first = it.next()
  // An empty batch never goes out.
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(await pending(first))
  doors[0]!.resolve()
  assert.equal(await within(1000, first), { done: false, value: [0] })
  const second = it.next()
  for (const n of [1, 2, 3]) doors[n]!.resolve()
  assert.equal(await within(1000, second), { done: false, value: [1, 2, 3] })
  doors[4]!.resolve()
  assert.equal(await within(1000, it.next()), done)
  assert.equal([source.reads, source.overlaps, source.late], [5, 0, 0])
})

test('R8, R57: a read that outlived its batch and fails is the error of the next one', async () => {
  const read = deferred<void>()
  const it = gather(new Source(numbers(4), { before: (n) => (n === 1 ? read.promise : undefined) }), 3, 1)
  assert.equal(await within(1000, it.next()), { done: false, value: [0] })
  read.reject(new Error('source'))
  await turn()
  assert.is(unhandled, 0)
  assert.is((await thrown(it.next())).message, 'source')
  assert.equal(await it.next(), done)
})

test('R45: no timer stays, whatever the exit', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  await all(gather(new Source(numbers(7)), 3, 60_000))
  const it = gather(new Source(numbers(9), { before: (n) => (n === 1 ? new Promise(() => {}) : undefined) }), 3, 60_000)
  const next = it.next()
  await turn()
  assert.is(timers(), before + 1)
  await it.return()
  await within(1000, next)
  await turn()
  assert.is(timers(), before)
})

test('216: a source that gives some in each turn of the event loop costs no timer', async () => {
  let timers = 0
  fake.setTimeout = (run, milliseconds) => {
    timers++
    return real.setTimeout(run, milliseconds)
  }
  try {
    assert.equal(await all(gather(new Source(numbers(20), { before: (n) => (n % 3 === 0 ? turn() : undefined) }), Infinity, 60_000)), [numbers(20)])
    assert.is(timers, 0)
    // One that is not does.
    await all(gather(new Source(numbers(2), { before: () => new Promise((resolve) => setImmediate(() => turn().then(turn).then(resolve))) }), Infinity, 60_000))
    assert.ok(timers > 0)
  } finally {
    fake.setTimeout = undefined
  }
})

test('R31: a large batch of ready items steps aside for timers', async () => {
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => {
      let n = 0
      return { next: async () => (n < 300_000 ? { done: false, value: n++ } : { done: true, value: undefined }) }
    },
  }
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const { value } = await gather(source, Infinity).next()
  clearInterval(timer)
  assert.is(value.length, 300_000)
  assert.ok(turns > 1)
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test('who asks for a batch while a read that outlived the last one steps aside: the source is read once at a time', async () => {
  const reads: ((step: IteratorResult<number>) => void)[] = []
  let [under, most] = [0, 0]
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        most = Math.max(most, ++under)
        return new Promise((resolve) =>
          reads.push((step) => {
            under--
            resolve(step)
          }),
        )
      },
    }),
  }
  const batches = gather(source, 10, 1)
  const first = batches.next()
  reads.shift()!({ done: false, value: 0 })
  assert.equal(await within(5000, first), { done: false, value: [0] }, 'it idles, and a read is under way')
  await turn()
  // A turn that was used up by others.
  overdue()
  for (const end = performance.now() + 30; performance.now() < end; );
  reads.shift()!({ done: false, value: 1 })
  await Promise.resolve()
  const second = batches.next()
  await turn()
  await turn()
  while (reads.length > 0) reads.shift()!({ done: true, value: undefined })
  assert.equal(await within(5000, second), { done: false, value: [1] })
  assert.is(most, 1)
})

test.run()
