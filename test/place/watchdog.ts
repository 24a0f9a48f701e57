// Who is silent, and who only seems to be.
import '../support/clock.js'

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pulse, REQUESTS, relay, TURNS, watch } from '../../lib/place/watchdog.js'
import { watchWorker } from '../../lib/place/watched.js'
import { FRAME, frame } from '../../lib/wire/port/frames.js'
import { fake } from '../support/clock.js'

/** Watches for silence of a second, with a clock and a timer that go when they are told to. What is watched has turned once. */
function watching(begin: (silent: () => void, its: ReturnType<typeof pulse>) => () => void = (silent, its) => watch(its, 1000, silent)) {
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
  its[TURNS] = 1
  let silent = 0
  const end = begin(() => silent++, its)
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

test('places: nobody is silent who has not turned yet: it is still being begun', () => {
  using world = watching()
  world.its[TURNS] = 0
  world.its[REQUESTS] = 1
  world.look(100)
  assert.is(world.silent, 0)
})

test('places: what a worker has is what was sent to it and did not come back, whether it began with it or not', () => {
  let watched!: ReturnType<typeof watchWorker>
  using world = watching((silent, its) => {
    watched = watchWorker(its, 1000, silent)
    return watched.end
  })
  watched.sent(Buffer.concat([frame(FRAME.make, 0, new Uint8Array(500)), frame(FRAME.open)]))
  watched.came(Buffer.concat([frame(FRAME.made), frame(FRAME.opened)]))
  world.look(100)
  assert.is(world.silent, 0)
  const calls = Buffer.concat([frame(FRAME.call, 1, new Uint8Array(20)), frame(FRAME.call, 2), frame(FRAME.abort, 2)])
  for (const byte of calls) watched.sent(Uint8Array.of(byte))
  watched.came(Buffer.concat([frame(FRAME.part, 1), frame(FRAME.begun, 0, new Uint8Array(4)), frame(FRAME.refusal, 2)]))
  assert.is(world.its[REQUESTS], 1)
  watched.came(frame(FRAME.answer, 1))
  world.look(100)
  assert.is(world.silent, 0)
  watched.sent(frame(FRAME.call, 3))
  world.look(20)
  assert.is(world.silent, 1)
})

test('places: that a loop turns is handed on; and where who looks is late himself, nobody is to blame', () => {
  let words = 0
  using world = watching((_, its) => {
    relay(its, 1000, () => words++)
    return () => {}
  })
  world.look(1)
  world.its[TURNS]!++
  world.look(3)
  assert.is(words, 2)
  world.look(5)
  assert.is(words, 2)
  world.look(4, 500)
  assert.is(words, 6)
})

test.run()
