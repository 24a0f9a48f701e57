import { clearInterval, now, setInterval } from '../base/clock.js'

/** What is known of a worker's event loop: how many turns of its timer there were, and how many requests the worker has not answered. */
export type Pulse = Int32Array

export const TURNS = 0
export const REQUESTS = 1

/** A new one, that several threads can see. */
export function pulse(): Pulse {
  return new Int32Array(new SharedArrayBuffer(8))
}

/** Milliseconds between two looks. */
const lookEvery = (after: number): number => Math.min(1000, Math.max(10, after / 5))

/** Says that this event loop runs, now and from now on. */
export function beat(after: number, turned: () => void): void {
  turned()
  const timer = setInterval(turned, lookEvery(after))
  timer.unref?.()
}

/**
 * Hands on that another thread's event loop runs. Where this thread is late itself, the machine is short of time, and nobody is to blame: it says so then, too.
 * @param turned called when the loop has turned since it was looked at last; at once, where it has turned before
 */
export function relay(pulse: Pulse, after: number, turned: () => void): void {
  const every = lookEvery(after)
  let turns = 0
  let last = now()
  const look = (): void => {
    const time = now()
    const late = time - last - every
    last = time
    const seen = Atomics.load(pulse, TURNS)
    if (seen === turns && late <= every) return
    turns = seen
    turned()
  }
  look()
  setInterval(look, every)
}

/**
 * Watches an event loop elsewhere. Its silence counts from its first turn on, while it has requests alone, and only as long as this thread is on time itself: on a
 * machine that is short of time both are late, and nobody is to blame.
 * @param after milliseconds of silence
 * @param silent called once
 * @returns ends it
 */
export function watch(pulse: Pulse, after: number, silent: () => void): () => void {
  const every = lookEvery(after)
  let turns = -1
  let last = now()
  let quiet = 0
  const timer = setInterval(() => {
    const time = now()
    const late = time - last - every
    last = time
    const seen = Atomics.load(pulse, TURNS)
    if (seen !== turns || seen === 0 || pulse[REQUESTS]! <= 0) {
      turns = seen
      quiet = 0
      return
    }
    if (late > every) return
    quiet += every
    if (quiet < after) return
    clearInterval(timer)
    silent()
  }, every)
  timer.unref?.()
  return () => clearInterval(timer)
}

/** Milliseconds between two looks for the process that began this one. */
const PARENT = 100

/** Calls when the process that began this one is gone. */
export function watchParent(parent: number, gone: () => void): void {
  setInterval(() => {
    if (process.ppid !== parent) gone()
  }, PARENT)
}
