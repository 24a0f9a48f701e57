// Sources, work, signals and consumers that do what they may, though few do: the operator stays whole.
import '../support/clock.js'
import { getEventListeners } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inFlight } from '../../lib/stream/index.js'
import { fake } from '../support/clock.js'
import { deferred } from '../support/deferred.js'
import { numbers, Source } from '../support/source.js'
import { pending, turn } from '../support/turn.js'
import { within } from '../support/within.js'

// Time stands still: on a busy machine, what is under way would step aside for turns that these tests do not wait for. in-flight.load.ts looks at that.
fake.now = () => 1

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const orders = [false, true]
const done = { done: true, value: undefined }
const thrown = (promise: Promise<unknown>): Promise<any> =>
  within(
    1000,
    promise.then(
      () => assert.unreachable('it should have failed'),
      (error) => error,
    ),
  )
const all = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

// ── sources ──────────────────────────────────────────────────────────────────────────────────────────────

test('R4: a source without return() is left alone', async () => {
  for (const returns of [undefined, null]) {
    const source = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false as const, value: 1 }), return: returns as any }) }
    for await (const _ of inFlight(source, (n) => n, { limit: 2 })) break
    const error = new Error('item')
    assert.is(await thrown(inFlight(source, () => Promise.reject(error), { limit: 2 }).next()), error)
  }
})

test("R5: break fails with what the source throws as it closes, once; after an item's error it is swallowed", async () => {
  for (const sync of orders) {
    const closing = new Error('closing')
    const source = () => {
      const source = new Source(numbers(9), {
        closed: () => {
          throw closing
        },
      })
      return sync ? source.sync : source
    }
    const loop = async () => {
      for await (const _ of inFlight(source(), (n) => n, { limit: 1 })) {
        await turn()
        break
      }
    }
    assert.is(await thrown(loop()), closing)
    const it = inFlight(source(), (n) => n, { limit: 1 })
    await it.next()
    await turn()
    const [first, second] = [it.return!(), it.return!()]
    assert.is(await thrown(first), closing)
    assert.equal(await second, done)
    assert.equal(await it.return!(), done)
    const item = new Error('item')
    const failing = inFlight(source(), () => Promise.reject(item), { limit: 1 })
    assert.is(await thrown(failing.next()), item)
    assert.equal(await failing.next(), done)
    assert.equal(await failing.return!(), done)
  }
})

test('R7: opening that throws, next() that throws at once, getters that throw: a rejection each, then the end', async () => {
  const broken = new Error('broken')
  const fail = (): never => {
    throw broken
  }
  const sources: Record<string, any> = {
    'opening, async': { [Symbol.asyncIterator]: fail },
    'opening, sync': { [Symbol.iterator]: fail },
    'next, async': { [Symbol.asyncIterator]: () => ({ next: fail }) },
    'next, sync': { [Symbol.iterator]: () => ({ next: fail }) },
    done: {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({
          get done() {
            return fail()
          },
        }),
      }),
    },
    value: {
      [Symbol.iterator]: () => ({
        next: () => ({
          done: false,
          get value() {
            return fail()
          },
        }),
      }),
    },
    then: {
      [Symbol.asyncIterator]: () => ({
        next: () => ({
          get then() {
            return fail()
          },
        }),
      }),
    },
  }
  for (const [name, source] of Object.entries(sources)) {
    for (const ordered of orders) {
      const it = inFlight(source, (n) => n, { limit: 3, ordered })
      assert.is(await thrown(it.next()), broken, name)
      assert.equal(await it.next(), done, name)
      assert.equal(await it.return!(), done, name)
    }
  }
})

test('R7: what is no iterator is a TypeError', async () => {
  for (const iterator of [undefined, null, 5, {}, { next: 'text' }]) {
    for (const name of [Symbol.iterator, Symbol.asyncIterator]) {
      const it = inFlight({ [name]: () => iterator } as any, (n) => n, { limit: 3 })
      assert.instance(await thrown(it.next()), TypeError)
      assert.equal(await it.next(), done)
    }
  }
})

test('R19: a result that is no object is a TypeError; a function is an object', async () => {
  for (const result of [undefined, null, 5, 'text', Symbol('symbol')]) {
    for (const name of [Symbol.iterator, Symbol.asyncIterator]) {
      const it = inFlight({ [name]: () => ({ next: () => result }) } as any, (n) => n, { limit: 3 })
      assert.instance(await thrown(it.next()), TypeError)
      assert.equal(await it.next(), done)
    }
  }
  const step = Object.assign(() => {}, { done: true, value: 1 })
  assert.equal(await all(inFlight({ [Symbol.iterator]: () => ({ next: () => step as any }) }, (n) => n, { limit: 3 })), [])
})

test('R9: a `return` getter that throws fails the break, and nothing else', async () => {
  const broken = new Error('getter')
  const source = () => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false as const, value: 1 }),
      get return(): any {
        throw broken
      },
    }),
  })
  const it = inFlight(source(), (n) => n, { limit: 1 })
  await it.next()
  assert.is(await thrown(it.return!()), broken)
  const item = new Error('item')
  const failing = inFlight(source(), () => Promise.reject(item), { limit: 1 })
  assert.is(await thrown(failing.next()), item)
})

test('R16, R17: the result is one iteration, shared by all who iterate it', async () => {
  const it = inFlight(numbers(10), async (n) => n, { limit: 3 })
  assert.is(it[Symbol.asyncIterator](), it)
  const shares = await within(1000, Promise.all([all(it), all(it), all(it)]))
  assert.equal(
    shares.flat().sort((a, b) => a - b),
    numbers(10),
  )
  assert.equal(await all(it), [])
})

test('R18: undefined, null, NaN and empty text are items and results like others', async () => {
  const values = [undefined, null, Number.NaN, '', 0, false]
  for (const ordered of orders) {
    for (const fn of [(value: unknown) => value, async (value: unknown) => value]) {
      for (const limit of [1, 9]) assert.equal(await all(inFlight(values, fn, { limit, ordered })), values)
    }
  }
})

test('R21: an item is handed to the work as it is taken, before the source goes on', async () => {
  const source = function* () {
    const item = { n: 0 }
    for (; item.n < 3; item.n++) yield item
  }
  assert.equal(await all(inFlight(source(), ({ n }) => n, { limit: 3 })), [0, 1, 2])
})

test('R35: next() of the source is never called while it is pending, nor after its end', async () => {
  const source = new Source(numbers(50), { before: (read) => (read % 3 === 0 ? turn() : undefined) })
  const it = inFlight(source, async (n) => n, { limit: 16 })
  await Promise.all(numbers(70).map(() => it.next()))
  assert.equal([source.reads, source.overlaps, source.late, source.returns], [51, 0, 0, 0])
})

test('an iterable of promises is read as for await reads it, and one that waits does not hold up those behind', async () => {
  const head = deferred<number>()
  const it = inFlight([head.promise, Promise.resolve(1), 2], (n) => n * 10, { limit: 3 })
  assert.equal([(await it.next()).value, (await it.next()).value].sort(), [10, 20])
  head.resolve(0)
  assert.equal([(await it.next()).value, (await it.next()).value], [0, undefined])
  const rejected = inFlight([Promise.reject(new Error('item')), Promise.reject(new Error('another'))], (n) => n, { limit: 2 })
  assert.is((await thrown(rejected.next())).message, 'item')
  // An async source may give promises as such.
  const promise = Promise.resolve(5)
  const given: unknown[] = []
  const source: AsyncIterable<unknown> = { [Symbol.asyncIterator]: () => new Source([promise])[Symbol.asyncIterator]() }
  for await (const _ of inFlight(source, (item) => void given.push(item), { limit: 1 }));
  assert.is(given[0], promise)
})

test('R51: a promised item that comes when nobody wants it any more is not started', async () => {
  const late = deferred<number>()
  const started: number[] = []
  const it = inFlight([Promise.resolve(0), late.promise], (n) => started.push(n), { limit: 2 })
  await it.next()
  await it.return!()
  late.resolve(1)
  await turn()
  assert.equal(started, [0])
})

test('an array is read by its own iterator when it has one', async () => {
  class Twice extends Array<number> {
    override *[Symbol.iterator](): ArrayIterator<number> {
      for (let i = 0; i < this.length; i++) yield* [this[i]!, this[i]!]
    }
  }
  assert.equal(await all(inFlight(Twice.from([1, 2]), (n) => n, { limit: 2 })), [...Twice.from([1, 2])])
  const growing = [0]
  assert.equal(await all(inFlight(growing, (n) => (n < 3 ? growing.push(n + 1) : 0), { limit: 1 })), [2, 3, 4, 0])
})

// ── work ─────────────────────────────────────────────────────────────────────────────────────────────────

test('work that throws at once fails like work that rejects', async () => {
  for (const ordered of orders) {
    const source = new Source(numbers(9))
    const it = inFlight(
      source.sync,
      (n) => {
        if (n === 2) throw new Error('at once')
        return n
      },
      { limit: 4, ordered },
    )
    assert.equal([(await it.next()).value, (await it.next()).value], [0, 1])
    assert.is((await thrown(it.next())).message, 'at once')
    assert.equal(await it.next(), done)
    assert.is(source.returns, 1)
  }
})

test('promise 5: work that throws at once does not overtake what finished before, and stops all behind at once', async () => {
  for (const ordered of orders) {
    const started: number[] = []
    const it = inFlight(
      numbers(9),
      (n) => {
        started.push(n)
        if (n === 2) throw new Error('at once')
        return Promise.resolve(n)
      },
      { limit: 6, ordered },
    )
    const results = await within(1000, Promise.allSettled([it.next(), it.next(), it.next()]))
    assert.equal(
      results.map((result) => (result.status === 'fulfilled' ? result.value.value : result.reason.message)),
      [0, 1, 'at once'],
    )
    assert.equal(started, [0, 1, 2])
  }
})

test('R18: results that are thenables are awaited, however they behave', async () => {
  const thenables: Record<string, () => any> = {
    'that answers at once': () => ({ then: (done: any) => done(1) }),
    'that answers twice': () => ({
      then: (done: any, failed: any) => {
        done(1)
        done(2)
        failed(new Error('too late'))
      },
    }),
    'that throws after its answer': () => ({
      then: (done: any) => {
        done(1)
        throw new Error('too late')
      },
    }),
    'of thenables': () => ({ then: (done: any) => done({ then: (done: any) => done(1) }) }),
    'that is a function': () => Object.assign(() => {}, { then: (done: any) => done(1) }),
    'that is a promise which makes its own of then()': () =>
      Object.assign(Promise.resolve(1), {
        then: (done: any) => {
          done(2)
          done(3)
        },
      }),
    'of a class of promises': () =>
      new (class extends Promise<number> {
        override then(done: any): any {
          done(1)
          done(1)
        }
      })((resolve) => resolve(1)),
  }
  for (const [name, make] of Object.entries(thenables)) {
    for (const ordered of orders) {
      for (const limit of [1, 3]) assert.equal(await within(1000, all(inFlight(numbers(4), make, { limit, ordered }))), [1, 1, 1, 1], name)
    }
  }
})

test('a result whose `then` cannot be read fails its item', async () => {
  for (const ordered of orders) {
    for (const sync of orders) {
      const source = new Source(numbers(9))
      const broken = new Error('then')
      const it = inFlight(
        sync ? source.sync : source,
        () => ({
          get then() {
            throw broken
          },
        }),
        { limit: 3, ordered },
      )
      assert.is(await thrown(it.next()), broken)
      assert.equal(await within(1000, it.next()), done)
      assert.is(source.returns, 1)
    }
  }
})

test('work may leave, abort and ask for more', async () => {
  for (const ordered of orders) {
    for (const kind of ['array', 'generator', 'async generator'] as const) {
      let closed = 0
      const source = {
        array: () => numbers(9),
        generator: function* () {
          try {
            yield* numbers(9)
          } finally {
            closed++
          }
        },
        'async generator': async function* () {
          try {
            yield* numbers(9)
          } finally {
            closed++
          }
        },
      }
      let started = 0
      const leaving: AsyncIterableIterator<number> = inFlight<number, number>(
        source[kind](),
        (n) => {
          started++
          if (n === 1) void leaving.return!()
          return n
        },
        { limit: 4, ordered },
      )
      const left = await within(1000, all(leaving))
      await turn()
      assert.ok(left.length <= 2)
      assert.is(started, 2)

      const controller = new AbortController()
      started = 0
      const aborting = inFlight(
        source[kind](),
        (n) => {
          started++
          if (n === 1) controller.abort('enough')
          return n
        },
        { limit: 4, ordered, signal: controller.signal },
      )
      assert.is(await thrown(all(aborting)), 'enough')
      await turn()
      assert.is(started, 2)
      assert.is(closed, kind === 'array' ? 0 : 2)

      const more: Promise<unknown>[] = []
      const asking: AsyncIterableIterator<number> = inFlight<number, number>(
        source[kind](),
        (n) => {
          more.push(asking.next())
          return n
        },
        { limit: 4, ordered },
      )
      more.push(asking.next())
      await within(1000, more[0]!)
      const results = await within(
        1000,
        Promise.all([...numbers(9).map(() => asking.next()), turn()]).then(() => Promise.all(more)),
      )
      assert.ok(results.length >= 9)
    }
  }
})

// ── the source's code comes back ─────────────────────────────────────────────────────────────────────────

test('a source that leaves or aborts in its own next() is closed after it, and its item is not started', async () => {
  for (const how of ['return', 'abort'] as const) {
    for (const kind of ['sync', 'generator', 'async', 'async generator'] as const) {
      const controller = new AbortController()
      let closed = 0
      let inside = false
      let it!: AsyncIterableIterator<number>
      const started: number[] = []
      const leave = () => (how === 'return' ? void it.return!() : controller.abort('enough'))
      const source = new Source(numbers(9), {
        before: (read) => {
          inside = true
          if (read === 2) leave()
          inside = false
        },
        closed: () => {
          assert.not(inside && kind === 'sync')
          closed++
        },
      })
      const sources = {
        sync: () => source.sync,
        async: () => source,
        generator: function* () {
          try {
            for (const n of numbers(9)) {
              if (n === 2) leave()
              yield n
            }
          } finally {
            closed++
          }
        },
        'async generator': async function* () {
          try {
            for (const n of numbers(9)) {
              if (n === 2) leave()
              yield n
            }
          } finally {
            closed++
          }
        },
      }
      it = inFlight(
        sources[kind](),
        (n) => {
          started.push(n)
          return n
        },
        { limit: 4, signal: controller.signal },
      )
      const results = await within(1000, Promise.allSettled([it.next(), it.next(), it.next(), it.next()]))
      await turn()
      assert.equal(started, [0, 1], `${how} ${kind}`)
      assert.is(closed, 1, `${how} ${kind}`)
      assert.is(getEventListeners(controller.signal, 'abort').length, 0)
      if (how === 'abort') assert.is((results.find((result) => result.status === 'rejected') as PromiseRejectedResult)?.reason, 'enough')
      await within(1000, it.return!())
      assert.is(closed, 1)
    }
  }
})

test('a source that leaves or aborts as it is opened is closed, and not read', async () => {
  for (const how of ['return', 'abort'] as const) {
    for (const sync of orders) {
      const controller = new AbortController()
      const source = new Source(numbers(9))
      let it!: AsyncIterableIterator<number>
      const leave = () => (how === 'return' ? void it.return!() : controller.abort('enough'))
      const opened: any = sync
        ? {
            [Symbol.iterator]: () => {
              leave()
              return source.sync[Symbol.iterator]()
            },
          }
        : {
            [Symbol.asyncIterator]: () => {
              leave()
              return source[Symbol.asyncIterator]()
            },
          }
      it = inFlight<number, number>(opened, (n) => n, { limit: 4, signal: controller.signal })
      const next = it.next()
      if (how === 'abort') assert.is(await thrown(next), 'enough')
      assert.equal(await within(1000, it.next()), done)
      assert.equal([source.opened, source.reads, source.returns], [1, 0, 1])
    }
  }
})

test('a source whose return() comes back here is closed once', async () => {
  let it!: AsyncIterableIterator<number>
  const controller = new AbortController()
  const again: Promise<unknown>[] = []
  const source = new Source(numbers(9), {
    closed: () => {
      again.push(it.next(), it.return!())
      controller.abort('late')
    },
  })
  it = inFlight(source, (n) => n, { limit: 2, signal: controller.signal })
  await it.next()
  await turn()
  assert.equal(await within(1000, it.return!()), done)
  assert.equal(await within(1000, Promise.all(again)), [done, done])
  assert.is(source.returns, 1)
})

test('R9: a source whose return() hangs holds up the break, as in any loop, but not an abort', async () => {
  const controller = new AbortController()
  const source = new Source(numbers(9), { closed: () => new Promise(() => {}) })
  const it = inFlight(source, (n) => n, { limit: 1, signal: controller.signal })
  await it.next()
  await turn()
  assert.ok(await pending(it.return!()))

  const failing = inFlight(new Source(numbers(9), { closed: () => new Promise(() => {}) }), () => Promise.reject(new Error('item')), {
    limit: 1,
    signal: controller.signal,
  })
  const next = failing.next()
  assert.ok(await pending(next))
  controller.abort('enough')
  assert.is(await thrown(next), 'enough')
  assert.equal(await within(1000, failing.return!()), done)
})

test('R9: work that fails while the source hangs comes out at once', async () => {
  for (const ordered of orders) {
    const source = new Source(numbers(9), { before: (read) => (read === 1 ? new Promise(() => {}) : undefined) })
    const work = deferred<void>()
    const it = inFlight(source, () => work.promise, { limit: 3, ordered })
    const next = it.next()
    await turn()
    work.reject(new Error('item'))
    assert.is((await thrown(next)).message, 'item')
    assert.equal(await within(1000, it.next()), done)
    assert.is(source.returns, 1)
  }
})

// ── signals ──────────────────────────────────────────────────────────────────────────────────────────────

test("listeners on the work's signal may ask, leave and abort", async () => {
  for (const ordered of orders) {
    for (const cause of ['item', 'return', 'abort']) {
      for (const reaction of ['next', 'return', 'abort']) {
        const controller = new AbortController()
        const doors = numbers(3).map(() => deferred<number>())
        const source = new Source(numbers(9))
        let reacted: Promise<unknown> | undefined
        const it: AsyncIterableIterator<number> = inFlight<number, number>(
          source,
          (n, { signal }) => {
            signal.onabort = () => {
              if (reaction === 'next') reacted = it.next()
              else if (reaction === 'return') reacted = it.return!()
              else controller.abort('from within')
              reacted?.catch(() => {})
            }
            return doors[n]!.promise
          },
          { limit: 3, ordered, signal: controller.signal },
        )
        const next = it.next()
        next.catch(() => {})
        await turn()
        // When ordered, an item with none before it: the others would be waited for.
        if (cause === 'item') doors[ordered ? 0 : 1]!.reject(new Error('item'))
        else if (cause === 'return') void it.return!()
        else controller.abort('enough')
        const where = `${cause}, then ${reaction}`
        await within(1000, Promise.allSettled([next, reacted]))
        assert.equal(await within(1000, Promise.allSettled([it.next(), it.next()])).then(([, last]) => last), { status: 'fulfilled', value: done }, where)
        assert.equal([source.returns, getEventListeners(controller.signal, 'abort').length], [1, 0], where)
      }
    }
  }
})

test('R41: an abort after a failure leaves the results and the error that are still to come', async () => {
  for (const ordered of orders) {
    const controller = new AbortController()
    const doors = numbers(3).map(() => deferred<number>())
    const it = inFlight(numbers(3), (n) => doors[n]!.promise, { limit: 3, ordered, signal: controller.signal })
    const first = it.next()
    doors[0]!.resolve(0)
    await first
    doors[1]!.resolve(1)
    await turn()
    doors[2]!.reject(new Error('item'))
    await turn()
    controller.abort('late')
    assert.equal(await it.next(), { done: false, value: 1 })
    assert.is((await thrown(it.next())).message, 'item')
    assert.equal(await it.next(), done)
  }
})

test('a consumer that leaves after a failure hears no more of it', async () => {
  const it = inFlight(numbers(3), (n) => (n === 1 ? Promise.reject(new Error('item')) : n), { limit: 3 })
  assert.equal(await it.next(), { done: false, value: 0 })
  await turn()
  assert.equal(await it.return!(), done)
  assert.equal(await it.next(), done)
})

test('R160: promises of a list that are never reached leave no rejection unhandled', async () => {
  const list = [Promise.resolve(0), Promise.reject(new Error('nobody comes here'))]
  for await (const _ of inFlight(list, (n) => n, { limit: 1 })) break
  await turn()
  assert.is(unhandled, 0)
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test.run()
