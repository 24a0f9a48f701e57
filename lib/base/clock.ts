// Timers and clocks as they were when the library was loaded. A test runner puts fake ones in their place, which do not go by themselves and
// forget what waits when they are taken away: a stream that steps aside for a turn would never come back, in that test nor in any after it.

export const { clearInterval, clearTimeout, setInterval, setTimeout } = globalThis

/** Milliseconds for durations: they only grow, while the clock on the wall can be set back. */
export const now: () => number = /* @__PURE__ */ performance.now.bind(performance)

/** Runs a callback in a coming turn of the event loop. */
export const nextTurn: (run: () => void) => void = globalThis.setImmediate ?? setTimeout

/** Runs a callback when all microtasks have run: Node's, and its kin's. */
export const nextTick = (globalThis as { process?: { nextTick?: (callback: () => void) => void } }).process?.nextTick

/** What the clock on the wall shows at that time, for who asks for it: milliseconds since the epoch. */
export function onWall(time: number): number {
  return Date.now() + time - now()
}
