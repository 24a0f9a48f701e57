import { now } from '../base/clock.js'
import type { Request } from '../request/request.js'
import { TimeLeft } from '../stream/deadlines.js'
import { kindOfPlatform, platformCode } from './platform-errors.js'

/** With what a server lets go of a connection: whoever hears it, and has no answer, may ask again, elsewhere. */
export const NOT_BEGUN = 'This server is shutting down. What it has not answered, it has not begun'

/** Milliseconds: a round trip, and little more. Who works longer than that has begun. */
const CROSSED = 100

/**
 * Whether a request that was written then crossed with the end of its connection, on which nothing came back: servers close idle connections when they like.
 * @param written on the clock for durations
 */
export function hasCrossed(written: number): boolean {
  return now() - written < CROSSED
}

/** How often a request goes out again that nobody has looked at. */
const AGAIN = 3

const unseen = new WeakSet<object>()

/** What a request failed at that nobody has looked at. */
export function markUnseen<E extends object>(error: E): E {
  unseen.add(error)
  return error
}

/**
 * Sends what nobody has looked at again, unasked: as it was refused by who was about to go, or written to a connection that had ended.
 * @param wanted whether anybody still waits for it
 */
export async function untilSeen<T>(send: () => Promise<T>, wanted = (): boolean => true): Promise<T> {
  let before: unknown
  for (let times = 0; ; times++) {
    try {
      return await send()
    } catch (error) {
      // Whoever was there went, and nobody came in his place.
      if (times > 0 && isAbsent(error)) throw before
      if (times === AGAIN || !unseen.has(error as object) || !wanted()) throw error
      before = error
    }
  }
}

/**
 * The same for a request, as long as nothing was handed on of what came back.
 * @param timeout milliseconds for all of it, however often it is sent
 */
export function askUntilSeen(request: Request, timeout: number | undefined, ask: (time: TimeLeft | undefined) => Promise<void>): Promise<void> {
  const { emitted } = request
  const time = timeout === undefined ? undefined : new TimeLeft(timeout)
  return untilSeen(
    () => ask(time),
    () => request.emitted === emitted,
  )
}

function isAbsent(error: unknown): boolean {
  const { code } = platformCode(error)
  return code === 'ERR_UNREACHABLE' || kindOfPlatform(code, false) === 'unreachable'
}
