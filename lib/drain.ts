import { delay } from 'abort-controller-x'
import type { Background } from './graph/background.js'
import type { Inside } from './request/inside.js'

/** A third of what Kubernetes allows. */
const CLOSE_TIMEOUT = 10_000

/**
 * Waits for what is under way when a Flow closes, and tells it to stop when its time is up.
 * @param timeout milliseconds. Default 10 000
 * @param reason what those are told that are not done in time
 */
export async function drain(inside: Inside, background: Background | undefined, timeout: number | undefined, reason: Error): Promise<void> {
  const timer = new AbortController()
  const late = delay(timer.signal, timeout ?? CLOSE_TIMEOUT).catch(() => {})
  const done = inside.whenEmpty().then(() => background?.whenDone())
  await Promise.race([done, late])
  timer.abort()
  for (const { scope } of inside) scope.abort(reason)
  background?.scope.abort(reason)
}
