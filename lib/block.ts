const SIGNALS = ['SIGINT', 'SIGTERM'] as const
/** As shells report an end by a signal. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

/**
 * Waits for SIGINT, SIGTERM or `signal`, then for `close`. Listeners are gone when it returns.
 * While it closes, one more SIGINT or SIGTERM ends the process at once, with 130 or 143.
 */
export async function untilStopped(signal: AbortSignal | undefined, close: () => Promise<void>): Promise<void> {
  let stop!: () => void
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  let closing = false
  const onSignal = (name: (typeof SIGNALS)[number]): void => {
    if (closing) process.exit(EXIT_CODES[name])
    stop()
  }
  // Waiting for a signal alone does not keep a process alive.
  const alive = setInterval(() => {}, 0x7fffffff)
  for (const name of SIGNALS) process.on(name, onSignal)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  try {
    await stopped
    closing = true
    await close()
  } finally {
    clearInterval(alive)
    for (const name of SIGNALS) process.off(name, onSignal)
    signal?.removeEventListener('abort', stop)
  }
}
