import { abortSignal, callback, check } from '../base/check.js'
import { clearInterval, setInterval } from '../base/clock.js'

/** What asks to stop, and its number. SIGHUP: the terminal is gone. */
export const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const

export type StopSignal = keyof typeof SIGNALS

export const STOP_SIGNALS = Object.keys(SIGNALS) as StopSignal[]

/** How shells report a process that a signal ended. */
export function exitCodeOf(name: StopSignal): number {
  return 128 + SIGNALS[name]
}

/**
 * Ends the process at once, as a signal does that nobody listens to: 130 of SIGINT, 143 of SIGTERM, 129 of SIGHUP. Not by exit() alone, which waits for a file operation that is
 * blocked; but the first process of a container is not ended by a signal of its own.
 */
export function endBy(name: StopSignal): void {
  process.kill(process.pid, name)
  if (process.pid === 1 && process.listenerCount(name) === 0) process.exit(exitCodeOf(name))
}

/**
 * Keeps what is open until somebody stops it, and closes it then.
 * @param wasOpen whether it was when somebody began to wait
 * @param stops puts in what is to be called as it closes
 */
export async function block(
  what: { readonly isOpen: boolean; close(): Promise<void> },
  wasOpen: boolean,
  options: { signal?: AbortSignal; before?: () => unknown },
  stops: Set<() => void>,
): Promise<void> {
  const { signal, before } = check('block()', options, { signal: abortSignal, before: callback })
  if (wasOpen && !what.isOpen) return what.close()
  const close = async (): Promise<void> => {
    try {
      // Where somebody else closes it, it is too late for that.
      if (what.isOpen) await before?.()
    } finally {
      await what.close()
    }
  }
  await untilStopped(signal, close, stops)
}

/**
 * Waits for SIGINT, SIGTERM, SIGHUP (the terminal is gone), `signal`, or whoever calls what it puts into `stops`; then for `close`. Listeners are gone when it returns.
 * While it closes, one more of them ends the process at once, as if nobody had listened: shells see 130, 143 or 129.
 */
async function untilStopped(signal: AbortSignal | undefined, close: () => Promise<void>, stops: Set<() => void>): Promise<void> {
  let resolve!: () => void
  const stopped = new Promise<void>((settle) => {
    resolve = settle
  })
  let stopping = false
  const stop = (): void => {
    stopping = true
    resolve()
  }
  const onSignal = (name: StopSignal): void => {
    if (!stopping) return stop()
    for (const name of STOP_SIGNALS) process.off(name, onSignal)
    endBy(name)
  }
  // Waiting for a signal alone does not keep a process alive.
  const alive = setInterval(() => {}, 0x7fffffff)
  for (const name of STOP_SIGNALS) process.on(name, onSignal)
  stops.add(stop)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  try {
    await stopped
    await close()
  } finally {
    clearInterval(alive)
    for (const name of STOP_SIGNALS) process.off(name, onSignal)
    stops.delete(stop)
    signal?.removeEventListener('abort', stop)
  }
}
