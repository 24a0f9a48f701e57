// The ten promises of the core operator, one by one.
import '../support/clock.js'
import { getEventListeners } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Coded } from '../../lib/base/errors.js'
import { inFlight } from '../../lib/stream/index.js'
import { fake } from '../support/clock.js'
import { deferred } from '../support/deferred.js'
import { numbers, Source } from '../support/source.js'
import { pending, turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

// Time stands still: on a busy machine, what is under way would step aside for turns that these tests do not wait for. in-flight.load.ts looks at that.
fake.now = () => 1

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const orders = [false, true]
const doors = (count: number) => numbers(count).map(() => deferred<string>())
const done = { done: true, value: undefined }

/** Counts what is between "taken from the source" and "received by the consumer". */
class Gauge {
  inside = 0
  peak = 0

  readonly source = (kind: 'sync' | 'async', count: number): Iterable<number> | AsyncIterable<number> => {
    let read = 0
    const step = (): IteratorResult<number> => {
      if (read < count) return { done: false, value: read++ }
      this.inside--
      return { done: true, value: undefined }
    }
    const take = () => {
      this.peak = Math.max(this.peak, ++this.inside)
    }
    if (kind === 'sync') {
      return {
        [Symbol.iterator]: () => ({
          next: () => {
            take()
            return step()
          },
        }),
      }
    }
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          take()
          if (read % 3 === 0) await undefined
          return step()
        },
      }),
    }
  }

  readonly receive = (result: IteratorResult<unknown>): boolean => {
    if (!result.done) this.inside--
    return !result.done
  }
}

const works: Record<string, (item: number) => unknown> = {
  'at once': (item) => item,
  'in a microtask': async (item) => item,
  'in some microtasks': async (item) => {
    for (let i = 0; i < item % 5; i++) await undefined
  },
  'in a turn': async (item) => {
    if (item % 4 === 0) await turn()
  },
}

const consumers: Record<string, (it: AsyncIterableIterator<unknown>, gauge: Gauge) => Promise<unknown>> = {
  'for await': async (it, gauge) => {
    for await (const value of it) gauge.receive({ done: false, value })
  },
  'for await that pauses': async (it, gauge) => {
    let count = 0
    for await (const value of it) {
      gauge.receive({ done: false, value })
      if (count++ % 7 === 0) await turn()
      else if (count % 3 === 0) await undefined
    }
  },
  '20 waiting next()s': (it, gauge) =>
    Promise.all(
      numbers(20).map(async () => {
        while (gauge.receive(await it.next()));
      }),
    ),
  'next() twice before the first is awaited': async (it, gauge) => {
    for (;;) {
      const [a, b] = [it.next(), it.next()]
      gauge.receive(await a)
      if (!gauge.receive(await b)) return
    }
  },
  'next() 20 times before the first is awaited': async (it, gauge) => {
    for (let open = true; open; ) for (const next of numbers(20).map(() => it.next())) open = gauge.receive(await next)
  },
  'next() after a pause, twice': async (it, gauge) => {
    for (;;) {
      await turn()
      const [a, b] = [it.next(), it.next()]
      gauge.receive(await a)
      if (!gauge.receive(await b)) return
    }
  },
}

for (const [consumer, consume] of Object.entries(consumers)) {
  test(`promise 1, R22, R23, R24: never more than the limit between source and consumer, and the limit is used (${consumer})`, async () => {
    for (const ordered of orders) {
      for (const kind of ['sync', 'async'] as const) {
        for (const [work, fn] of Object.entries(works)) {
          for (const limit of [1, 2, 5, 16]) {
            const gauge = new Gauge()
            await within(5000, consume(inFlight(gauge.source(kind, 60), fn, { limit, ordered }), gauge))
            const where = `limit ${limit}, ${kind} source, work ${work}, ${ordered ? 'ordered' : 'as completed'}`
            assert.ok(gauge.peak <= limit, `${gauge.peak} in flight: ${where}`)
            assert.is(gauge.inside, 0, where)
            // A source that takes time may hold fewer, when nothing behind it does.
            if (kind === 'sync' || work === 'in a turn') assert.is(gauge.peak, limit, where)
          }
        }
      }
    }
  })
}

test('promise 1: an item counts from the call of next() on the source, so limit 1 reads when the consumer has received', async () => {
  const source = new Source(numbers(3))
  const it = inFlight(source, (n) => n, { limit: 1 })
  assert.is(source.reads, 0)
  for (const n of numbers(3)) {
    const next = it.next()
    next.then(() => assert.is(source.reads, n + 1))
    await next
    assert.is(source.reads, n + 1)
    await turn()
  }
  assert.equal(await it.next(), done)
})

test('promise 2, R24: with a paused consumer nothing more is read', async () => {
  for (const ordered of orders) {
    const source = new Source(numbers(100))
    const it = inFlight(source, async (n) => n, { limit: 4, ordered })
    await it.next()
    for (let i = 0; i < 5; i++) await turn()
    assert.is(source.reads, 5)
    await it.next()
    await turn()
    assert.is(source.reads, 6)
    await it.return?.()
  }
})

test('promise 2, R20: with a slow source nothing finished waits for it', async () => {
  for (const ordered of orders) {
    const reads = doors(3)
    const it = inFlight(new Source(['a', 'b'], { before: (read) => reads[read]!.promise }), async (item) => item, { limit: 4, ordered })
    const next = it.next()
    reads[0]!.resolve('')
    assert.equal(await within(1000, next), { done: false, value: 'a' })
    const second = it.next()
    assert.ok(await pending(second))
    reads[1]!.resolve('')
    assert.equal(await within(1000, second), { done: false, value: 'b' })
    reads[2]!.resolve('')
    assert.equal(await it.next(), done)
  }
})

test('promise 3, R26, R27: as completed, a fast item overtakes a slow head, also one that never settles', async () => {
  const work = doors(4)
  const it = inFlight(numbers(4), (n) => work[n]!.promise, { limit: 2 })
  const [a, b, c] = [it.next(), it.next(), it.next()]
  work[1]!.resolve('1')
  assert.is((await within(1000, a)).value, '1')
  work[2]!.resolve('2')
  assert.is((await within(1000, b)).value, '2')
  work[3]!.reject(new Error('3'))
  assert.is(
    (
      await within(
        1000,
        c.catch((error) => error),
      )
    ).message,
    '3',
  )
  assert.equal(await within(1000, it.next()), done)
})

test('promise 3, R28: ordered, results come in the order of the items however they finish', async () => {
  const work = doors(5)
  const it = inFlight(numbers(5), (n) => work[n]!.promise, { limit: 5, ordered: true })
  const nexts = numbers(5).map(() => it.next())
  for (const n of [4, 2, 1, 3]) work[n]!.resolve(`${n}`)
  assert.ok(await pending(nexts[0]!))
  work[0]!.resolve('0')
  assert.equal(
    (await within(1000, Promise.all(nexts))).map(({ value }) => value),
    ['0', '1', '2', '3', '4'],
  )
})

test('promise 3, R25: a freed place is refilled at once, not in waves', async () => {
  for (const ordered of orders) {
    const work = doors(20)
    let started = 0
    const it = inFlight(
      numbers(20),
      (n) => {
        started++
        return work[n]!.promise
      },
      { limit: 5, ordered },
    )
    for (let n = 0; n < 10; n++) {
      const next = it.next()
      work[n]!.resolve(`${n}`)
      await within(1000, next)
      await turn()
      assert.is(started, n + 6)
    }
    await it.return?.()
  }
})

test('promise 4, R6, R8: a failing source: everything in flight is delivered, then the error, then the end', async () => {
  for (const ordered of orders) {
    for (const sync of orders) {
      for (const failure of [new Error('the source'), undefined, null]) {
        const work = doors(3)
        const source = new Source(numbers(9), {
          before: (read) => {
            if (read === 3) throw failure
          },
        })
        const it = inFlight(sync ? source.sync : source, (n) => work[n]!.promise, { limit: 5, ordered })
        const nexts = numbers(5).map(() => it.next())
        const settled = Promise.allSettled(nexts)
        await turn()
        assert.is(source.reads, 4)
        for (const door of work) door.resolve('result')
        const results = await within(1000, settled)
        assert.equal(
          results.map((result) => (result.status === 'rejected' ? 'error' : result.value.done ? 'done' : result.value.value)),
          ['result', 'result', 'result', 'error', 'done'],
        )
        assert.is((results[3] as PromiseRejectedResult).reason, failure)
        assert.equal(await it.next(), done)
        assert.equal([source.returns, source.late], [0, 0])
      }
    }
  }
})

test("promise 4: the error of a source wins over an item's later error, and what is in flight still comes", async () => {
  const work = doors(3)
  const broken = new Error('the source')
  const source = new Source(numbers(3), {
    before: (read) => {
      if (read === 3) throw broken
    },
  })
  const it = inFlight(source, (n) => work[n]!.promise, { limit: 5 })
  const nexts = numbers(3).map(() => it.next())
  const settled = Promise.allSettled(nexts)
  await turn()
  work[0]!.reject(new Error('an item'))
  await turn()
  work[2]!.resolve('2')
  work[1]!.resolve('1')
  const results = (await within(1000, settled)) as any[]
  assert.equal(
    results.slice(0, 2).map(({ value }) => value.value),
    ['2', '1'],
  )
  assert.is(results[2].reason, broken)
  assert.equal(await it.next(), done)
})

test('promise 4, R156: ordered, the error of an item stands before that of the source, whoever fails first', async () => {
  for (const first of ['the source', 'the item']) {
    const [work, read] = [doors(3), deferred<void>()]
    const source = new Source(numbers(3), { before: (n) => (n === 3 ? read.promise : undefined) })
    const signals: AbortSignal[] = []
    const it = inFlight(
      source,
      (n, { signal }) => {
        signals.push(signal)
        return work[n]!.promise
      },
      { limit: 5, ordered: true },
    )
    const settled = Promise.allSettled(numbers(3).map(() => it.next()))
    await turn()
    const failures = [() => read.reject(new Error('the source')), () => work[1]!.reject(new Error('the item'))]
    for (const fail of first === 'the source' ? failures : failures.reverse()) {
      fail()
      await turn()
    }
    assert.equal(
      signals.map(({ aborted }) => aborted),
      [false, true, true],
    )
    work[2]!.resolve('2')
    await turn()
    work[0]!.resolve('0')
    const results = (await within(1000, settled)) as any[]
    assert.is(results[0].value.value, '0')
    assert.is(results[1].reason.message, 'the item')
    assert.equal(results[2].value, done)
  }
})

test('promise 5: a failing item: results finished before it come, then its error, then the end', async () => {
  const work = doors(9)
  const source = new Source(numbers(9))
  const failure = new Error('an item')
  const signals: AbortSignal[] = []
  const it = inFlight(
    source,
    (n, { signal }) => {
      signals.push(signal)
      return work[n]!.promise
    },
    { limit: 6 },
  )
  const first = it.next()
  work[0]!.resolve('0')
  await first
  await turn()
  assert.is(signals.length, 7)
  // 2 and 4 finish before 3 fails; 1, 5 and 6 do not.
  work[4]!.resolve('4')
  work[2]!.resolve('2')
  await turn()
  assert.not(signals[1]!.aborted)
  work[3]!.reject(failure)
  await turn()
  assert.is(signals[1]!.reason, failure)
  work[1]!.resolve('1')
  work[5]!.reject(new Error('another item'))
  work[6]!.resolve('6')
  await turn()
  assert.equal([(await it.next()).value, (await it.next()).value], ['4', '2'])
  assert.is(await it.next().catch((error) => error), failure)
  assert.equal(await it.next(), done)
  assert.equal([source.returns, source.reads], [1, 7])
})

test('promise 5, R156: ordered, an error stands in its place: all before it is finished and delivered, all behind it is told', async () => {
  const work = doors(9)
  const closing = deferred<void>()
  const source = new Source(numbers(9), { closed: () => closing.promise })
  const signals: AbortSignal[] = []
  const it = inFlight(
    source,
    (n, { signal }) => {
      signals.push(signal)
      return work[n]!.promise
    },
    { limit: 6, ordered: true },
  )
  const aborted = () => signals.map(({ aborted }, n) => (aborted ? n : -1)).filter((n) => n >= 0)
  const nexts = numbers(6).map(() => it.next())
  const settled = Promise.allSettled(nexts)
  await turn()
  const [fourth, third] = [new Error('4'), new Error('3')]
  work[5]!.resolve('5')
  work[4]!.reject(fourth)
  await turn()
  assert.equal(aborted(), [4, 5])
  assert.is(signals[5]!.reason, fourth)
  assert.equal([source.returns, source.reads], [1, 6])
  work[0]!.resolve('0')
  assert.is((await within(1000, nexts[0]!)).value, '0')
  // An error before that one takes its part.
  work[3]!.reject(third)
  await turn()
  assert.equal(aborted(), [3, 4, 5])
  work[2]!.resolve('2')
  await turn()
  work[1]!.resolve('1')
  assert.equal([(await nexts[1]!).value, (await nexts[2]!).value], ['1', '2'])
  assert.ok(await pending(nexts[3]!), 'the source is not closed yet')
  closing.resolve()
  const results = (await within(1000, settled)) as any[]
  assert.is(results[3].reason, third)
  assert.equal([results[4].value, results[5].value, await it.next()], [done, done, done])
  assert.equal([source.returns, source.reads, signals.length], [1, 6, 6])
})

test('promises 6, 8, R156: return() and an abort settle at once while an error waits for an item before it that hangs', async () => {
  for (const end of ['return', 'abort']) {
    const controller = new AbortController()
    const work = doors(3)
    const source = new Source(numbers(9))
    const signals: AbortSignal[] = []
    const it = inFlight(
      source,
      (n, { signal }) => {
        signals.push(signal)
        return work[n]!.promise
      },
      { limit: 3, ordered: true, signal: controller.signal },
    )
    const next = it.next()
    next.catch(() => {})
    await turn()
    work[1]!.reject(new Error('waits'))
    assert.ok(await pending(next))
    assert.not(signals[0]!.aborted)
    if (end === 'return') {
      await within(1000, it.return!())
      assert.equal(await within(1000, next), done)
    } else {
      controller.abort('enough')
      assert.is(
        await within(
          1000,
          next.catch((reason) => reason),
        ),
        'enough',
      )
    }
    assert.ok(signals[0]!.aborted)
    assert.equal([source.returns, getEventListeners(controller.signal, 'abort').length], [1, 0])
    assert.equal(await it.next(), done)
  }
})

test('R156: ordered, thousands that fail from the last to the first: the first says its error', async () => {
  const work = doors(20_000)
  let started = 0
  const fn = (n: number): Promise<string> => {
    started++
    return work[n]!.promise
  }
  const it = inFlight(numbers(20_000), fn, { limit: Infinity, ordered: true })
  const next = it.next()
  next.catch(() => {})
  await until(() => started >= 20_000)
  for (let n = work.length - 1; n >= 0; n--) work[n]!.reject(new Error(`${n}`))
  assert.is(
    (
      await within(
        30_000,
        next.catch((error) => error),
      )
    ).message,
    '0',
  )
})

test('promise 5, R49: two items that fail at once: one error comes out, none is unhandled', async () => {
  for (const ordered of orders) {
    const work = doors(4)
    const it = inFlight(numbers(4), (n) => work[n]!.promise, { limit: 4, ordered })
    const nexts = Promise.allSettled(numbers(6).map(() => it.next()))
    for (const n of numbers(4)) work[n]!.reject(new Error(`${n}`))
    const results = (await within(1000, nexts)) as any[]
    assert.is(results[0].reason.message, '0')
    for (const { value } of results.slice(1)) assert.equal(value, done)
  }
})

test('promise 5, R50, R51: a failure while the consumer is busy waits for its next(), and nothing more is started', async () => {
  for (const ordered of orders) {
    const work = doors(9)
    const started: number[] = []
    const source = new Source(numbers(9))
    const it = inFlight(
      source,
      (n) => {
        started.push(n)
        return work[n]!.promise
      },
      { limit: 3, ordered },
    )
    const first = it.next()
    work[0]!.resolve('0')
    await first
    work[1]!.reject(new Error('1'))
    for (let i = 0; i < 3; i++) await turn()
    const count = started.length
    work[2]!.resolve('2')
    await turn()
    assert.is(started.length, count)
    assert.is(await it.next().catch((error) => error.message), '1')
    await turn()
    assert.is(started.length, count)
    assert.equal([source.returns, source.late], [1, 0])
  }
})

test('promise 6, R1, R2, R3: break and a throwing loop close the source once, and wait for it', async () => {
  for (const ordered of orders) {
    for (const thrown of [undefined, new Error('the loop')]) {
      const closing = deferred<void>()
      const source = new Source(numbers(9), { closed: () => closing.promise })
      let over: unknown
      const loop = (async () => {
        for await (const _ of inFlight(source, async (n) => n, { limit: 3, ordered })) {
          await turn()
          if (thrown !== undefined) throw thrown
          break
        }
      })().then(
        () => (over = 'break'),
        (error) => (over = error),
      )
      await turn()
      assert.ok(await pending(loop))
      assert.is(source.returns, 1)
      closing.resolve()
      await within(1000, loop)
      assert.is(over, thrown ?? 'break')
      assert.equal([source.returns, source.late, source.overlaps], [1, 0, 0])
    }
  }
})

test('promise 6, R9, R10, R13: return() settles at once while a next() is pending and the work or the source hangs', async () => {
  for (const ordered of orders) {
    for (const hung of ['work', 'source']) {
      const source = new Source(numbers(9), { before: () => (hung === 'source' ? new Promise(() => {}) : undefined) })
      let told: unknown
      const it = inFlight(
        source,
        (_, { signal }) => {
          signal.addEventListener('abort', () => (told = signal.reason))
          return new Promise(() => {})
        },
        { limit: 3, ordered },
      )
      const next = it.next()
      assert.ok(await pending(next))
      assert.equal(await within(1000, Promise.all([next, it.return?.('bye'), it.next()])), [done, { done: true, value: 'bye' }, done])
      assert.is(source.returns, 1)
      if (hung === 'work') assert.is((told as DOMException).name, 'AbortError')
    }
  }
})

test('216, promise 6: return() does not wait for an async generator that is busy with a read, and closes it behind that', async () => {
  for (const ordered of orders) {
    const read = deferred<void>()
    let isClosed = false
    const source = async function* () {
      try {
        yield 0
        await read.promise
        yield 1
      } finally {
        isClosed = true
      }
    }
    const it = inFlight(source(), (n) => n, { limit: 3, ordered })
    await it.next()
    await turn()
    assert.equal(await within(1000, it.return!('bye')), { done: true, value: 'bye' })
    assert.not(isClosed)
    read.resolve()
    await turn()
    assert.ok(isClosed)
  }
})

test('promise 6, R14: return() twice closes once; the second waits for the same close', async () => {
  const closing = deferred<void>()
  const source = new Source(numbers(9), { closed: () => closing.promise })
  const it = inFlight(source, (n) => n, { limit: 2 })
  await it.next()
  await turn()
  const [a, b] = [it.return!(), it.return!()]
  assert.ok(await pending(b))
  closing.resolve()
  assert.equal(await within(1000, Promise.all([a, b, it.next()])), [done, done, done])
  assert.is(source.returns, 1)
})

test('promise 6, R15: never started means never opened', async () => {
  const source = new Source(numbers(9))
  const controller = new AbortController()
  const it = inFlight(source, (n) => n, { limit: 2, signal: controller.signal })
  await turn()
  assert.equal([source.opened, getEventListeners(controller.signal, 'abort').length], [0, 0])
  assert.equal(await it.return!(), done)
  assert.equal(await it.next(), done)
  assert.equal([source.opened, source.reads, source.returns], [0, 0, 0])
})

test('promise 6: `await using` closes', async () => {
  const source = new Source(numbers(9))
  {
    await using it = inFlight(source, (n) => n, { limit: 2 })
    await it.next()
  }
  assert.is(source.returns, 1)
})

test('promise 7, R11, R12: several next()s at once are answered in order, and past the end with done', async () => {
  for (const ordered of orders) {
    for (const sync of orders) {
      const source = new Source(numbers(5))
      const it = inFlight(sync ? source.sync : source, async (n) => n, { limit: 3, ordered })
      const answered: number[] = []
      const nexts = numbers(9).map((n) => {
        const next = it.next()
        next.then(() => answered.push(n))
        return next
      })
      const results = await within(1000, Promise.all(nexts))
      assert.equal(
        results.slice(0, 5),
        numbers(5).map((value) => ({ done: false, value })),
      )
      assert.equal(results.slice(5), [done, done, done, done])
      assert.equal(answered, numbers(9))
    }
  }
})

test('promise 7: next() several times for the last result: the result is answered before the ends', async () => {
  for (const ordered of orders) {
    const work = deferred<string>()
    const it = inFlight(['a'], () => work.promise, { limit: 3, ordered })
    const answered: string[] = []
    const nexts = ['value', 'end', 'second end'].map((name) => it.next().then(() => answered.push(name)))
    await turn()
    work.resolve('a')
    await within(1000, Promise.all(nexts))
    assert.equal(answered, ['value', 'end', 'second end'])
  }
})

test("promise 8, R38, R40: an abort rejects all pending next()s with the signal's own reason, whatever hangs", async () => {
  for (const ordered of orders) {
    for (const reason of ['stop', new Error('stop'), null]) {
      for (const hung of ['work', 'source']) {
        const controller = new AbortController()
        const { signal } = controller
        const source = new Source(numbers(9), { before: () => (hung === 'source' ? new Promise(() => {}) : undefined) })
        let told: AbortSignal | undefined
        const it = inFlight(
          source,
          (_, work) => {
            told = work.signal
            return new Promise(() => {})
          },
          { limit: 3, ordered, signal },
        )
        const nexts = Promise.allSettled([it.next(), it.next()])
        assert.ok(await pending(nexts))
        assert.is(getEventListeners(signal, 'abort').length, 1)
        controller.abort(reason)
        for (const result of await within(1000, nexts)) assert.is((result as PromiseRejectedResult).reason, reason)
        assert.equal(await within(1000, it.next()), done)
        assert.equal([getEventListeners(signal, 'abort').length, source.returns], [0, 1])
        if (hung === 'work') assert.is(told?.reason, reason)
      }
    }
  }
})

test('promise 8, R37: a signal aborted before the start: its reason, and nothing is opened', async () => {
  const source = new Source(numbers(9))
  const it = inFlight(source, (n) => n, { limit: 2, signal: AbortSignal.abort('before') })
  assert.is(await it.next().catch((reason) => reason), 'before')
  assert.equal(await it.next(), done)
  assert.is(source.opened, 0)
})

test('promise 8, R39, R41: an abort while nobody waits closes the source without another next(); the reason comes once, buffered results are dropped', async () => {
  for (const ordered of orders) {
    const controller = new AbortController()
    const source = new Source(numbers(9))
    const it = inFlight(source, async (n) => n, { limit: 3, ordered, signal: controller.signal })
    await it.next()
    await turn()
    const { reads } = source
    controller.abort('first')
    controller.abort('second')
    await turn()
    assert.equal([source.returns, source.reads], [1, reads])
    assert.is(await it.next().catch((reason) => reason), 'first')
    assert.equal(await it.next(), done)
  }
})

test('promise 8, R41, R42: after every exit no listener stays, and an abort has no effect', async () => {
  const exits: Record<string, (it: AsyncIterableIterator<unknown>) => Promise<unknown>> = {
    end: async (it) => {
      for await (const _ of it);
    },
    return: async (it) => {
      await it.next()
      await it.return!()
    },
    'return while a next() waits': async (it) => {
      it.next()
      await it.return!()
    },
    'failing item': async (it) => {
      for await (const n of it) if (n === 'fail') break
    },
  }
  for (const [name, exit] of Object.entries(exits)) {
    for (const ordered of orders) {
      for (const fails of ['', 'item', 'source']) {
        const controller = new AbortController()
        const source = new Source(numbers(9), {
          before: (read) => {
            if (fails === 'source' && read === 5) throw new Error('source')
          },
        })
        const work = async (n: number) => {
          if (fails === 'item' && n === 5) throw new Error('item')
          return n
        }
        const it = inFlight(source, work, { limit: 3, ordered, signal: controller.signal })
        await within(
          1000,
          exit(it).catch(() => {}),
        )
        assert.is(getEventListeners(controller.signal, 'abort').length, 0, `${name} ${fails}`)
        controller.abort('late')
        assert.equal(await it.next(), done)
      }
    }
  }
})

test('promise 9: options and arguments are checked at the call', () => {
  const wrong = (code: string, type: Function, call: () => unknown) =>
    assert.throws(call, (error: unknown) => error instanceof type && (error as Coded).code === code)
  const fn = (n: unknown) => n
  for (const limit of [0, -1, 1.5, Number.NaN, -Infinity]) wrong('ERR_OPTION_RANGE', RangeError, () => inFlight([], fn, { limit }))
  for (const limit of ['4', null, undefined, 4n, {}]) wrong('ERR_OPTION_TYPE', TypeError, () => inFlight([], fn, { limit: limit as any }))
  for (const source of [null, undefined, 5, {}, () => {}]) wrong('ERR_OPTION_TYPE', TypeError, () => inFlight(source as any, fn, { limit: 1 }))
  for (const value of [null, undefined, 'fn', {}]) wrong('ERR_OPTION_TYPE', TypeError, () => inFlight([], value as any, { limit: 1 }))
  for (const ordered of [null, 'yes', 1]) wrong('ERR_OPTION_TYPE', TypeError, () => inFlight([], fn, { limit: 1, ordered: ordered as any }))
  for (const signal of [null, {}, new AbortController()]) wrong('ERR_OPTION_TYPE', TypeError, () => inFlight([], fn, { limit: 1, signal: signal as any }))
  for (const options of [undefined, null]) wrong('ERR_OPTION_TYPE', TypeError, () => inFlight([], fn, options as any))
  inFlight('text', fn, { limit: Infinity, ordered: undefined, signal: undefined })
})

test('promise 10, R57: no rejection is left unhandled, whatever fails', async () => {
  for (const ordered of orders) {
    for (const limit of [1, 4]) {
      const controller = new AbortController()
      const source = () =>
        new Source(numbers(9), {
          before: (read) => {
            if (read === 6) throw new Error('source')
          },
          closed: () => {
            throw new Error('close')
          },
        })
      const fail = async () => {
        throw new Error('item')
      }
      // Nobody comes back for the error.
      await inFlight(source(), async (n) => n, { limit, ordered }).next()
      const it = inFlight(source(), async (n) => (n > 0 ? fail() : n), { limit, ordered, signal: controller.signal })
      await it.next()
      await turn()
      controller.abort()
      await inFlight(source(), fail, { limit, ordered })
        .next()
        .catch(() => {})
      await turn()
    }
  }
  await turn()
  assert.is(unhandled, 0)
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test.run()
