import { clearInterval, now, setInterval } from '../base/clock.js'
import { tell } from '../base/incidents.js'
import type { Logger } from '../base/logger.js'
import { node } from '../base/node.js'
import { shortage } from '../base/shortage.js'

/** Milliseconds between looks: an open of a file, which takes some 50 µs of a thread beside. */
const LOOK = 1000

/**
 * Looks now and then whether this process can still open anything. Where it cannot, those who connect are hung up on, and nobody says so: libuv takes them
 * and lets them go, without a word to Node. What stands goes on, and once there are handles again, all is as before.
 * @param onError told when it begins
 * @returns ends it
 */
export async function watchHandles(logger: Logger | undefined, onError: (error: Error) => void): Promise<() => void> {
  const [{ open, close }, { devNull }] = await Promise.all([node('fs'), node('os')])
  let since: number | undefined
  const look = (error: NodeJS.ErrnoException | null, handle: number): void => {
    if (error === null) close(handle, () => {})
    const advice = shortage(error)
    if (advice !== undefined && since === undefined) {
      since = now()
      tell(logger, 'handles.spent', { reason: advice })
      onError(new Error(`whoever connects is hung up on (${error!.code}). ${advice}`, { cause: error }))
    } else if (error === null && since !== undefined) {
      tell(logger, 'handles.back', { milliseconds: Math.round(now() - since) })
      since = undefined
    }
  }
  const timer = setInterval(() => open(devNull, 'r', look), LOOK)
  ;(timer as { unref?: () => void }).unref?.()
  return () => clearInterval(timer)
}
