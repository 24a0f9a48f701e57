import { clearInterval, setInterval } from '../base/clock.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Waits for SIGINT, SIGTERM, SIGHUP (the terminal is gone), `signal`, or whoever calls what it puts into `stops`; then for `close`. Listeners are gone when it returns.
 * While it closes, one more of them ends the process at once, as if nobody had listened: shells see 130, 143 or 129.
 */
export async function untilStopped(signal: AbortSignal | undefined, close: () => Promise<void>, stops: Set<() => void>): Promise<void> {
  let resolve!: () => void
  const stopped = new Promise<void>((settle) => {
    resolve = settle
  })
  let stopping = false
  const stop = (): void => {
    stopping = true
    resolve()
  }
  const onSignal = (name: (typeof SIGNALS)[number]): void => {
    if (!stopping) return stop()
    // Not process.exit(), which waits for a write that is stuck.
    for (const name of SIGNALS) process.off(name, onSignal)
    process.kill(process.pid, name)
  }
  // Waiting for a signal alone does not keep a process alive.
  const alive = setInterval(() => {}, 0x7fffffff)
  for (const name of SIGNALS) process.on(name, onSignal)
  stops.add(stop)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  try {
    await stopped
    await close()
  } finally {
    clearInterval(alive)
    for (const name of SIGNALS) process.off(name, onSignal)
    stops.delete(stop)
    signal?.removeEventListener('abort', stop)
  }
}
