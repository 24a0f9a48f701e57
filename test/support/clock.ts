// The library takes its clock and its timers when it is loaded. So that a test can set them by hand, import this first, for its effect.

const { now } = performance
const { clearInterval, clearTimeout, setInterval, setTimeout } = globalThis

/** The platform's own. */
export const real = { now: () => now.call(performance), clearInterval, clearTimeout, setInterval, setTimeout }

/** What a test puts in their place. */
export const fake: {
  now?: (() => number) | undefined
  setTimeout?: ((run: () => void, milliseconds: number, ...rest: any[]) => unknown) | undefined
  clearTimeout?: ((timer: any) => void) | undefined
  setInterval?: ((run: () => void, milliseconds: number) => unknown) | undefined
  clearInterval?: ((timer: any) => void) | undefined
} = {}

performance.now = () => (fake.now === undefined ? now.call(performance) : fake.now())
globalThis.setTimeout = ((run: () => void, milliseconds: number, ...rest: any[]) =>
  (fake.setTimeout ?? setTimeout)(run, milliseconds, ...rest)) as unknown as typeof setTimeout
globalThis.setInterval = ((run: () => void, milliseconds: number) => (fake.setInterval ?? setInterval)(run, milliseconds)) as unknown as typeof setInterval
globalThis.clearInterval = (timer: any) => (fake.clearInterval ?? clearInterval)(timer)
globalThis.clearTimeout = ((timer: any) => (fake.clearTimeout ?? clearTimeout)(timer)) as typeof clearTimeout
