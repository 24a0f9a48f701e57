import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { later, overdue } from '../../lib/stream/event-loop.js'
import { numbers } from '../support/source.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'

const compute = (milliseconds: number) => {
  for (const start = performance.now(); performance.now() - start < milliseconds; );
}

/** Asks until the turn is overdue; how long that took. */
const lasts = (): number => {
  const start = performance.now()
  while (!overdue()) if (performance.now() - start > 1000) throw new Error('never overdue')
  return performance.now() - start
}

test('R31: a turn is overdue after some milliseconds of asking, and the next one is not', async () => {
  const times: number[] = []
  // A busy machine may take the whole of a turn away before it is asked about, but not of all of them.
  while (!(times.at(-1)! > 5) && times.length < 200) {
    await turn()
    await turn()
    times.push(overdue() ? 0 : lasts())
    // It stays so until timers had their turn, whoever asks.
    await undefined
    assert.ok(numbers(100).some(() => overdue()))
  }
  assert.ok(times.at(-1)! > 5, `after ${times} ms`)
})

test('R31: steps that become slow in the next turn are noticed at once, in this one soon', async () => {
  const steps = () => {
    let count = 1
    for (; !overdue(); count++) compute(2)
    return count
  }
  await turn()
  await turn()
  lasts()
  await turn()
  assert.ok(steps() <= 8)
  await turn()
  for (let i = 0; i < 1000; i++) overdue()
  assert.ok(steps() <= 40)
})

test('later() runs tasks in order, after timers and sockets had their turn', async () => {
  const ran: string[] = []
  await within(
    1000,
    new Promise<void>((resolve) => {
      later(() => ran.push('a'))
      later(() => ran.push('b'))
      Promise.resolve().then(() => ran.push('microtask'))
      later(resolve)
    }),
  )
  assert.equal(ran, ['microtask', 'a', 'b'])
})

test('R32: of tasks that each use a turn up, none is forgotten', async () => {
  const ran = [0, 0, 0]
  await within(
    5000,
    new Promise<void>((resolve) => {
      const task = (which: number) => () => {
        if (ran[0]! + ran[1]! + ran[2]! >= 12) return resolve()
        ran[which]!++
        lasts()
        compute(12)
        later(task(which))
      }
      for (const which of [0, 1, 2]) later(task(which))
    }),
  )
  assert.equal(ran, [4, 4, 4])
})

test('R31: a timer comes between two turns', async () => {
  let turns = 0
  let fired = false
  setTimeout(() => (fired = true), 1)
  await within(
    5000,
    new Promise<void>((resolve) => {
      const task = () => {
        turns++
        compute(12)
        if (fired) resolve()
        else later(task)
      }
      later(task)
    }),
  )
  assert.ok(turns <= 3, `${turns} turns`)
})

test.run()
