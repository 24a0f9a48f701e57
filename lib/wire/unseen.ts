import { kindOfPlatform, platformCode } from './platform-errors.js'

/** With what a server lets go of a connection: whoever hears it, and has no answer, may ask again, elsewhere. */
export const NOT_BEGUN = 'This server is shutting down. What it has not answered, it has not begun'

/**
 * Milliseconds. Where a connection that had been idle ends so soon after a request was written, and nothing came back, the two crossed each other:
 * servers close idle connections when they like. A round trip, and little more: who works longer than that has begun.
 * An object, for tests that have both ends and what is between them in one process.
 */
export const CROSSED = { within: 100 }

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

function isAbsent(error: unknown): boolean {
  const { code } = platformCode(error)
  return code === 'ERR_UNREACHABLE' || kindOfPlatform(code, false) === 'unreachable'
}
