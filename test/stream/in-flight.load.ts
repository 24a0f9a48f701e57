// Many items, many iterators, long times: the operator leaves time to others, and nothing behind.
import { getEventListeners } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inFlight } from '../../lib/stream/index.js'
import { deferred } from '../support/deferred.js'
import { letsOthersIn } from '../support/gap.js'
import { gc, heap } from '../support/gc.js'
import { numbers } from '../support/source.js'
import { pending, turn } from '../support/turn.js'
import { within } from '../support/within.js'

const orders = [false, true]
const MILLION = 1_000_000

function* counting(count: number) {
  for (let i = 0; i < count; i++) yield i
}

async function* countingAsync(count: number) {
  for (let i = 0; i < count; i++) yield i
}

const sum = async (source: AsyncIterable<number>): Promise<number> => {
  let total = 0
  for await (const n of source) total += n
  return total
}

const total = (count: number) => (count * (count - 1)) / 2

test('R29, R60: a million items, each exactly once, in constant memory', async () => {
  for (const ordered of orders) {
    const before = await heap()
    assert.is(await sum(inFlight(counting(MILLION), async (n) => n, { limit: 16, ordered })), total(MILLION))
    const growth = (await heap()) - before
    assert.ok(growth < 8, `${growth} MB`)
  }
})

test('R30: items that are all ready do not grow the stack, at any limit', async () => {
  for (const ordered of orders) {
    for (const limit of [1, 64, Infinity]) {
      for (const fn of [(n: number) => n, async (n: number) => n]) {
        assert.is(await sum(inFlight(counting(50_000), fn, { limit, ordered })), total(50_000))
        assert.is(await sum(inFlight(countingAsync(50_000), fn, { limit, ordered })), total(50_000))
      }
      const it = inFlight(counting(50_000), async (n) => n, { limit, ordered })
      const results = await Promise.all(numbers(50_001).map(() => it.next()))
      assert.is(results[50_000]!.done, true)
    }
  }
})

const busy: Record<string, (limit: number, ordered: boolean) => AsyncIterable<number>> = {
  'an array, ready work': (limit, ordered) => inFlight(numbers(150_000), async (n) => n, { limit, ordered }),
  'a generator, work at once': (limit, ordered) => inFlight(counting(150_000), (n) => n, { limit, ordered }),
  'an async generator': (limit, ordered) => inFlight(countingAsync(80_000), async (n) => n, { limit, ordered }),
  'work that computes': (limit, ordered) =>
    inFlight(
      counting(1000),
      (n) => {
        for (const start = performance.now(); performance.now() - start < 0.1; );
        return n
      },
      { limit, ordered },
    ),
}

for (const [name, work] of Object.entries(busy)) {
  test(`R31: input that is always ready never holds a timer back by 50 ms (${name})`, async () => {
    for (const ordered of orders) {
      for (const limit of [1, 16, Infinity]) await letsOthersIn(0.25, () => sum(work(limit, ordered)))
    }
  })
}

test('R32: two flows in one process get equal shares, also when one was there before', async () => {
  const spin = (n: number) => {
    for (const start = performance.now(); performance.now() - start < 0.05; );
    return n
  }
  for (const fn of [async (n: number) => n, (n: number) => n, spin]) {
    for (const [limit, count] of [
      [16, fn === spin ? 2000 : 100_000],
      // Far more than a whole flight, which comes out at once when it is full.
      [1000, fn === spin ? 16_000 : 100_000],
    ] as const) {
      const shares = [0, 0]
      let counted = false
      const flow = async (which: 0 | 1) => {
        for await (const _ of inFlight(counting(Infinity), fn, { limit })) {
          if (counted && ++shares[which]! + shares[1 - which]! >= count) break
        }
      }
      const first = flow(0)
      await turn()
      counted = true
      await Promise.all([first, flow(1)])
      const share = shares[0]! / (shares[0]! + shares[1]!)
      assert.ok(share > 0.4 && share < 0.6, `${(share * 100).toFixed(0)} % at limit ${limit}`)
    }
  }
})

test('R42, R61: a hundred thousand short runs under one signal leave no listener, no memory and no warning', async () => {
  let warnings = 0
  const warn = () => warnings++
  process.on('warning', warn)
  const { signal } = new AbortController()
  const run = () => sum(inFlight([1, 2], (n) => n, { limit: 2, signal }))
  for (let i = 0; i < 2000; i++) await run()
  const before = await heap()
  for (let i = 0; i < 100_000; i++) await run()
  const growth = (await heap()) - before
  process.off('warning', warn)
  assert.ok(growth < 8, `${growth} MB`)
  assert.equal([getEventListeners(signal, 'abort').length, warnings], [0, 0])
})

const alive = (refs: WeakRef<object>[]) => refs.filter((ref) => ref.deref() !== undefined).length

test('R62: delivered results and their items can be collected while the iteration goes on', async () => {
  for (const ordered of orders) {
    for (const limit of [4, Infinity]) {
      const refs: WeakRef<object>[] = []
      const kept = <T extends object>(value: T): T => {
        refs.push(new WeakRef(value))
        return value
      }
      const source = function* () {
        for (let n = 0; n < 1000; n++) yield kept({ n })
      }
      const it = inFlight(source(), async ({ n }) => kept({ result: n }), { limit, ordered })
      for (let i = 0; i < 900; i++) await it.next()
      await gc()
      // What is still in flight, what is being read, and what the engine has in its hands.
      const most = limit === Infinity ? 110 : 20
      assert.ok(alive(refs) <= most, `${alive(refs)} of ${refs.length} are alive`)
      await it.return!()
      await gc()
      assert.ok(alive(refs) <= 10, `${alive(refs)} are alive after the end`)
    }
  }
})

test('R63: iterators that were dropped half-way can be collected under a signal that lives on, and their listeners go', async () => {
  const { signal } = new AbortController()
  const refs: WeakRef<object>[] = []
  const start = async (ordered: boolean) => {
    const it = inFlight(counting(100), async (n) => ({ n }), { limit: 4, ordered, signal })
    refs.push(new WeakRef(it))
    await it.next()
  }
  process.setMaxListeners(0)
  for (let i = 0; i < 5; i++) for (const ordered of orders) await start(ordered)
  assert.ok(getEventListeners(signal, 'abort').length >= 1)
  await gc()
  assert.is(alive(refs), 0)
  assert.is(getEventListeners(signal, 'abort').length, 0)
})

test('R38, R63: a collection does not keep an abort from consumers that wait, nor from work in flight', async () => {
  const controller = new AbortController()
  const told: unknown[] = []
  const wait = () => {
    const it = inFlight(
      [1],
      (_, { signal }) => {
        signal.addEventListener('abort', () => told.push(signal.reason))
        return new Promise(() => {})
      },
      { limit: 1, signal: controller.signal },
    )
    return [it.next(), it.next()]
  }
  const nexts = Promise.allSettled(wait())
  await gc()
  assert.ok(await pending(nexts))
  controller.abort('enough')
  for (const result of await within(1000, nexts)) assert.is((result as PromiseRejectedResult).reason, 'enough')
  assert.equal(told, ['enough'])
  assert.is(getEventListeners(controller.signal, 'abort').length, 0)
})

test('R63: the work of a dropped iterator is told that nobody wants it any more', async () => {
  const { signal } = new AbortController()
  const told = deferred<DOMException>()
  await (async () => {
    const it = inFlight(
      [1, 2],
      (n, { signal }) => {
        if (n === 1) return n
        signal.addEventListener('abort', () => told.resolve(signal.reason))
        return new Promise<never>(() => {})
      },
      { limit: 2, signal },
    )
    await it.next()
  })()
  await turn()
  await gc()
  assert.is((await within(1000, told.promise)).name, 'AbortError')
})

test.run()
