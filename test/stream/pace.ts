// How fast those leave who wait in a line.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Pace } from '../../lib/stream/pace.js'
import { fake } from '../support/clock.js'

test('217: how long a line takes is told by how fast it was left lately', () => {
  let time = 1000
  fake.now = () => time
  const pace = new Pace()
  assert.is(pace.until(100), undefined, 'nothing is known yet')
  const leave = (count: number, each: number): void => {
    for (let at = 0; at < count; at++) {
      time += each
      pace.note()
    }
  }
  leave(50, 10)
  assert.is(pace.until(100), 1000)
  leave(5, 10)
  assert.is(pace.until(10), 100, 'as long as too little is known, what was before holds')
  leave(50, 40)
  assert.ok(Math.abs(pace.until(10)! - 400) < 50)
  leave(3, 200)
  assert.ok(Math.abs(pace.until(10)! - 400) < 50, 'so few say nothing yet')
  leave(1, 200)
  assert.is(pace.until(10), 2000)
  time += 2500
  assert.is(pace.until(10), undefined, 'nobody left')
  leave(10, 1000)
  assert.is(pace.until(10), undefined, 'it may have been idle')
  fake.now = undefined
})

test.run()
