// Parts of results, handed on ahead of them: when they come, in which order, and who waits for whom.
import '../support/clock.js'
import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Emit, inFlight } from '../../lib/stream/in-flight.js'
import { fake } from '../support/clock.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { numbers, Source } from '../support/source.js'
import { turn as oneTurn, pending } from '../support/turn.js'
import { within } from '../support/within.js'

/** Turns of the event loop, more than one: what was under way for long steps aside for a turn. */
const turn = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await oneTurn()
}

// Time stands still: on a busy machine, what is under way would step aside for turns that these tests do not wait for. in-flight.load.ts looks at that.
fake.now = () => 1

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const orders = [false, true]
const done = { done: true, value: undefined }
const names = (results: readonly IteratorResult<unknown>[]): unknown[] => results.map(({ done, value }) => (done ? 'done' : value))

/** An operator whose work is done by hand: `emits[n]` hands on parts of item n, `doors[n]` ends it. */
function byHand(count: number, { limit = count, ordered = false, signal = undefined as AbortSignal | undefined } = {}) {
  const doors = numbers(count).map(() => deferred<string>())
  const emits: Emit<string>[] = []
  const source = new Source(numbers(count))
  const it = inFlight<number, string>(
    source,
    (n, _work, emit) => {
      emits[n] = emit
      return doors[n]!.promise
    },
    { limit, ordered, signal },
  )
  return { it, doors, emits, source }
}

test('E3: parts come before the result they are of, and as soon as they are there', async () => {
  for (const ordered of orders) {
    const { it, doors, emits } = byHand(1, { ordered })
    const first = it.next()
    await turn()
    const taken = emits[0]!('a')
    assert.equal(await within(1000, first), { done: false, value: 'a' })
    await within(1000, taken)
    const second = it.next()
    assert.ok(await pending(second))
    emits[0]!('b')
    assert.equal(await within(1000, second), { done: false, value: 'b' })
    doors[0]!.resolve('end')
    assert.equal(await within(1000, it.next()), { done: false, value: 'end' })
    assert.equal(await within(1000, it.next()), done)
  }
})

test('P4: who awaits its parts makes the next one no sooner than the last was taken', async () => {
  for (const ordered of orders) {
    const made: number[] = []
    const it = inFlight<number, number>(
      [0],
      async (_item, _work, emit) => {
        for (const n of numbers(5)) {
          made.push(n)
          await emit(n)
        }
        return 5
      },
      { limit: 3, ordered },
    )
    for (const n of numbers(5)) {
      assert.equal(await within(1000, it.next()), { done: false, value: n })
      for (let i = 0; i < 3; i++) await turn()
      assert.is(made.length, Math.min(n + 2, 5))
    }
    assert.equal(names([await it.next(), await it.next()]), [5, 'done'])
  }
})

test('P2: as completed, parts of several items come as they are made; none overtakes another of its item', async () => {
  const { it, doors, emits } = byHand(3)
  const nexts = Promise.all(numbers(9).map(() => it.next()))
  await turn()
  emits[1]!('1a')
  emits[0]!('0a')
  emits[1]!('1b')
  doors[1]!.resolve('1 end')
  await turn()
  emits[2]!('2a')
  emits[0]!('0b')
  doors[2]!.resolve('2 end')
  await turn()
  doors[0]!.resolve('0 end')
  assert.equal(names(await within(1000, nexts)), ['1a', '0a', '1b', '1 end', '2a', '0b', '2 end', '0 end', 'done'])
})

test('P2: in order, parts wait for all items before, and those of the oldest do not', async () => {
  const { it, doors, emits } = byHand(3, { ordered: true })
  const nexts = numbers(9).map(() => it.next())
  const answered: unknown[] = []
  for (const next of nexts) next.then(({ value }) => answered.push(value))
  await turn()
  const waiting = [emits[1]!('1a'), emits[2]!('2a')]
  emits[0]!('0a')
  emits[1]!('1b')
  doors[2]!.resolve('2 end')
  await turn()
  assert.equal(answered, ['0a'])
  // Kept, but not waited for: those before may wait for what these items hold.
  await within(1000, Promise.all(waiting))
  emits[0]!('0b')
  await turn()
  assert.equal(answered, ['0a', '0b'])
  doors[0]!.resolve('0 end')
  await turn()
  assert.equal(answered, ['0a', '0b', '0 end', '1a', '1b'])
  emits[1]!('1c')
  doors[1]!.resolve('1 end')
  assert.equal(names(await within(1000, Promise.all(nexts))).slice(5), ['1c', '1 end', '2a', '2 end'])
})

test('R22, R23: parts take no place of the bound, and make none', async () => {
  for (const ordered of orders) {
    const { it, doors, emits, source } = byHand(9, { limit: 2, ordered })
    const first = it.next()
    await turn()
    assert.is(source.reads, 2)
    const taken: Promise<void>[] = []
    for (const n of numbers(6)) taken.push(emits[0]!(`${n}`))
    await first
    for (let i = 0; i < 5; i++) await it.next()
    await within(1000, Promise.all(taken))
    for (let i = 0; i < 3; i++) await turn()
    assert.is(source.reads, 2, 'six parts were received, and no result')
    doors[0]!.resolve('end')
    await within(1000, it.next())
    await turn()
    assert.is(source.reads, 3)
    await it.return!()
  }
})

test('R22: whatever the parts, never more items inside than the bound, and nothing is lost or out of its order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(4), fc.nat(2), fc.boolean()), { maxLength: 12 }),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 4 }),
      async (items, limit, ordered, atOnce) => {
        let inside = 0
        let peak = 0
        const source = items.map((_, n) => n)
        const it = inFlight<number, string>(
          (async function* () {
            yield* source
          })(),
          async (n, _work, emit) => {
            peak = Math.max(peak, ++inside)
            const [parts, turns, awaits] = items[n]!
            for (const part of numbers(parts)) {
              if (turns > 0) await turn()
              const taken = emit(`${n}/${part}`)
              if (awaits) await taken
            }
            for (let i = turns; i > 0; i--) await turn()
            return `${n}/end`
          },
          { limit, ordered },
        )
        const received: string[] = []
        const read = async (): Promise<void> => {
          for (let over = false; !over; ) {
            // Those who ask several times at once get their answers in the order in which they asked.
            for (const { done, value } of await Promise.all(numbers(atOnce).map(() => it.next()))) {
              if (done) over = true
              else {
                if (value.endsWith('/end')) inside--
                received.push(value)
              }
            }
          }
        }
        await within(5000, read())
        assert.ok(peak <= limit + atOnce - 1, `${peak} of ${limit}`)
        if (atOnce === 1) assert.ok(peak <= limit)
        const own = (n: number): string[] => [...numbers(items[n]![0]).map((part) => `${n}/${part}`), `${n}/end`]
        if (ordered) assert.equal(received, source.flatMap(own))
        else
          for (const n of source)
            assert.equal(
              received.filter((name) => name.startsWith(`${n}/`)),
              own(n),
            )
        assert.is(received.length, source.flatMap(own).length)
      },
    ),
    { numRuns: 120 },
  )
})

test('R11: many next()s at once take parts and results in the order in which they asked', async () => {
  for (const ordered of orders) {
    const it = inFlight<number, string>(
      numbers(2),
      (n, _work, emit) => {
        for (const part of numbers(3)) emit(`${n}${part}`)
        return `${n}!`
      },
      { limit: 2, ordered },
    )
    const answered: number[] = []
    const nexts = numbers(10).map((n) => {
      const next = it.next()
      next.then(() => answered.push(n))
      return next
    })
    assert.equal(names(await within(1000, Promise.all(nexts))), ['00', '01', '02', '0!', '10', '11', '12', '1!', 'done', 'done'])
    assert.equal(answered, numbers(10))
  }
})

test('R18: falsy parts come through as they are, also undefined', async () => {
  const falsy = [undefined, null, '', 0, Number.NaN, false]
  for (const ordered of orders) {
    const it = inFlight<number, unknown>(
      [0],
      async (_n, _work, emit) => {
        for (const part of falsy) await emit(part)
        return undefined
      },
      { limit: 1, ordered },
    )
    assert.equal((await within(1000, collect(it))).items, [...falsy, undefined])
  }
})

test('R8, P8: a failure comes behind the parts its item handed on before', async () => {
  for (const ordered of orders) {
    const { it, doors, emits } = byHand(2, { ordered })
    const first = it.next()
    await turn()
    const taken = ['a', 'b', 'c'].map((part) => emits[0]!(part))
    await first
    doors[0]!.reject(new Error('broken'))
    await within(1000, Promise.all(taken))
    const { items, error } = await within(1000, collect({ [Symbol.asyncIterator]: () => it }))
    assert.equal([...items, error.message], ['b', 'c', 'broken'])
    assert.equal(await it.next(), done)
  }
})

test('R8: a source that fails: parts and results of what is in flight still come, then the error', async () => {
  for (const ordered of orders) {
    const door = deferred<void>()
    const it = inFlight<number, string>(
      new Source(numbers(2), {
        before: (read) => {
          if (read === 2) throw new Error('the source')
        },
      }),
      async (n, _work, emit) => {
        await door.promise
        await emit(`${n}`)
        if (n === 1) throw new Error('an item')
        return `${n}!`
      },
      { limit: 5, ordered },
    )
    const collected = collect(it)
    await turn()
    door.resolve()
    const { items, error } = await within(1000, collected)
    assert.equal(items.toSorted(), ['0', '0!', '1'])
    // When ordered, whose place is first says the error.
    assert.is(error.message, ordered ? 'an item' : 'the source')
  }
})

test('R10, R13: pending parts settle when the consumer leaves, when it is told to stop, and when another item fails', async () => {
  for (const ordered of orders)
    for (const end of ['return', 'abort', 'failure']) {
      const controller = new AbortController()
      const { it, doors, emits } = byHand(3, { ordered, signal: controller.signal })
      const next = it.next()
      await turn()
      emits[0]!('taken')
      await within(1000, next)
      const waiting = Promise.all(numbers(3).map((n) => emits[n]!('waits')))
      assert.ok(await pending(waiting))
      if (end === 'return') await within(1000, it.return!())
      else if (end === 'abort') controller.abort('enough')
      else doors[1]!.reject(new Error('broken'))
      // When ordered, the first item goes on: it is before the one that failed.
      const first = ordered && end === 'failure'
      if (first) {
        assert.equal((await within(1000, it.next())).value, 'waits')
        doors[0]!.resolve('end of the first')
      }
      await within(1000, waiting)
      await turn()
      // Nobody is there to take these.
      await within(1000, Promise.all(numbers(3).map((n) => emits[n]!('too late'))))
      const rest = await within(1000, collect({ [Symbol.asyncIterator]: () => it }))
      assert.not(rest.items.includes('too late'))
      if (end === 'return') assert.equal(rest, { items: [], error: undefined })
      if (end === 'abort') assert.equal(rest, { items: [], error: 'enough' })
      if (end === 'failure') assert.is(rest.error.message, 'broken')
      if (first) assert.equal(rest.items, ['end of the first', 'waits'])
      assert.is(getEventListeners(controller.signal, 'abort').length, 0)
      for (const door of doors) door.resolve('too late')
      await turn()
      assert.equal(await it.next(), done)
    }
})

test('R38: an abort while a part waits: the reason comes, the part does not', async () => {
  for (const ordered of orders) {
    const controller = new AbortController()
    let closed = 0
    const it = inFlight<number, string>(
      [0],
      async (_n, work, emit) => {
        try {
          await emit('a')
          await emit('b')
          assert.ok(work.signal.aborted)
          return 'nobody wants it'
        } finally {
          closed++
        }
      },
      { limit: 1, ordered, signal: controller.signal },
    )
    assert.is((await it.next()).value, 'a')
    await turn()
    controller.abort('enough')
    await turn()
    assert.is(closed, 1)
    assert.is(await it.next().catch((reason) => reason), 'enough')
    assert.equal(await it.next(), done)
  }
})

test('R41: a part when all is over, or in order when its item is, goes nowhere', async () => {
  for (const ordered of orders) {
    const { it, doors, emits } = byHand(1, { ordered })
    const next = it.next()
    await turn()
    doors[0]!.resolve('end')
    assert.is((await next).value, 'end')
    assert.equal(await it.next(), done)
    await within(1000, emits[0]!('too late'))
    assert.equal(await it.next(), done)
  }
  const { it, doors, emits } = byHand(2, { ordered: true })
  const nexts = Promise.all(numbers(3).map(() => it.next()))
  await turn()
  doors[0]!.resolve('0')
  await turn()
  await within(1000, emits[0]!('too late'))
  doors[1]!.resolve('1')
  assert.equal(names(await within(1000, nexts)), ['0', '1', 'done'])
})

test('P4, R60: an endless item and a consumer that leaves: what was made is what was taken, and one', async () => {
  let made = 0
  let closed = 0
  const it = inFlight<number, number>(
    [0],
    async (_n, work, emit) => {
      while (!work.signal.aborted) await emit(made++)
      closed++
      return -1
    },
    { limit: 4 },
  )
  for await (const part of it) if (part === 99) break
  await turn()
  assert.equal([made, closed], [101, 1])
})

test('R31: parts that are always ready let timers have their turn', async () => {
  fake.now = undefined
  let fired = false
  const timer = setTimeout(() => {
    fired = true
  }, 5)
  const it = inFlight<number, number>(
    [0],
    async (_n, _work, emit) => {
      for (let n = 0; !fired && n < 5_000_000; n++) await emit(n)
      return -1
    },
    { limit: 1 },
  )
  const read = async (): Promise<void> => {
    for await (const _ of it);
  }
  await within(10_000, read())
  clearTimeout(timer)
  fake.now = () => 1
  assert.ok(fired)
})

test('R30: 50 000 parts that nobody awaits do not fill the stack', async () => {
  for (const ordered of orders) {
    const it = inFlight<number, number>(
      [0],
      (_n, _work, emit) => {
        for (const n of numbers(50_000)) emit(n)
        return -1
      },
      { limit: 1, ordered },
    )
    assert.is((await within(5000, collect(it))).items.length, 50_001)
  }
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test.run()
