// How many retries there may be.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RetryBudget } from '../../lib/stream/retry-budget.js'
import { fake } from '../support/clock.js'

let time = 0
test.before.each(() => {
  time = 1_000_000
  fake.now = () => time
})
test.after.each(() => {
  fake.now = undefined
})

/** How many may be taken now. */
function rest(budget: RetryBudget): number {
  let count = 0
  while (count < 10_000 && budget.take()) count++
  return count
}

test('224: retries are at most a tenth of the requests of the last 10 s, whenever they came', () => {
  const budget = new RetryBudget()
  let retries = 0
  for (let second = 0; second < 30; second++) {
    for (let request = 0; request < 200; request++) {
      budget.count()
      time += 5
      retries += Number(budget.take())
    }
  }
  // As it begins, there are a hundred all the same.
  assert.ok(retries <= 700, `${retries} of 6000`)
  assert.ok(retries >= 590, `${retries} of 6000`)
})

test('224: there are a hundred in 10 s also where few ask, and no more after a rest', () => {
  const budget = new RetryBudget()
  assert.is(rest(budget), 100)
  time += 9000
  assert.is(rest(budget), 0)
  time += 1000
  assert.is(rest(budget), 100)
  time += 60_000
  assert.is(rest(budget), 100)
  time += 5000
  assert.is(rest(budget), 0)
})

test('224: requests count for 10 s', () => {
  for (const [later, left] of [
    [0, 200],
    [8999, 200],
    [10_000, 100],
    [3_600_000, 100],
  ] as const) {
    const budget = new RetryBudget()
    for (let request = 0; request < 2000; request++) budget.count()
    time += later
    assert.is(rest(budget), left, `${later} ms later`)
    time = 1_000_000
  }
})

test('224: another share, and any number', () => {
  const budget = new RetryBudget(0.5)
  for (let request = 0; request < 1000; request++) budget.count()
  assert.is(rest(budget), 500)
  assert.is(rest(new RetryBudget(0)), 100)
  const any = new RetryBudget(Infinity)
  any.count()
  assert.is(rest(any), 10_000)
})

test('224: it is told once that it is spent', () => {
  const told: string[] = []
  const budget = new RetryBudget(0.1, (event, about) => void told.push(`${event} ${JSON.stringify(about)}`))
  rest(budget)
  budget.take()
  assert.equal(told, ['budget.spent {"limit":100}'])
})

test.run()
