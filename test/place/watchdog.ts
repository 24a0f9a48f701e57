// Who is silent, and who only seems to be.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pulse, REQUESTS, TURNS, watch } from '../../lib/place/watchdog.js'
import { fake } from '../support/clock.js'

/** Watches for silence of a second, with a clock and a timer that go when they are told to. */
function watching() {
  let time = 0
  let look: (() => void) | undefined
  let every = 0
  fake.now = () => time
  fake.setInterval = (run, milliseconds) => {
    look = run
    every = milliseconds
    return { unref() {} }
  }
  fake.clearInterval = () => {
    look = undefined
  }
  const its = pulse()
  let silent = 0
  const end = watch(its, 1000, () => silent++)
  return {
    its,
    get silent(): number {
      return silent
    },
    /** Looks so often, each so much later than it was to. */
    look(times: number, late = 0): void {
      for (let n = 0; n < times; n++) {
        time += every + late
        look?.()
      }
    },
    [Symbol.dispose]() {
      end()
      fake.now = fake.setInterval = fake.clearInterval = undefined
    },
  }
}

test('places: who has requests and does not turn its event loop is silent after that time, and that is said once', () => {
  using world = watching()
  world.its[REQUESTS] = 1
  world.look(5)
  assert.is(world.silent, 0)
  world.look(20)
  assert.is(world.silent, 1)
})

test('places: who turns now and then is not silent, nor is who has nothing to do', () => {
  using world = watching()
  world.its[REQUESTS] = 1
  for (let n = 0; n < 20; n++) {
    world.look(4)
    world.its[TURNS]!++
  }
  world.its[REQUESTS] = 0
  world.look(100)
  assert.is(world.silent, 0)
  world.its[REQUESTS] = 1
  world.look(20)
  assert.is(world.silent, 1)
})

test('places: a machine that is short of time counts for nobody’s silence', () => {
  using world = watching()
  world.its[REQUESTS] = 1
  world.look(50, 500)
  assert.is(world.silent, 0)
  world.look(20)
  assert.is(world.silent, 1)
})

test.run()
