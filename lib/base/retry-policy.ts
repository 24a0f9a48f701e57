import { ConnectionError, ExecutorError, isError } from './errors.js'

// What is done about a request that failed, wherever it was asked:
//
//   it moves      to another address, at once and without being counted, as long as there is one that was not asked yet   `isAway`
//   it waits      and is asked again, as often as `retries` says; at the same address, if it has no other                 not `isFinal`
//   it is over    whatever `retries` says                                                                                 `isFinal`
//
// An executor elsewhere that nobody gave `retries` for is asked again only where it could not be reached: what else failed there may have been done.

/** Tries that an executor elsewhere gets, or one at each of its addresses where there are more: as Jina tries a request. */
const TRIES = 3

/** How often a request waits and is tried again where nobody said so. */
export function retriesElsewhere(addresses: number): number {
  return Math.max(0, TRIES - addresses)
}

/** Whether somebody elsewhere cannot be reached, or not now: then nobody has begun with the request, or whoever had is gone. */
export function isAway(error: unknown): error is ConnectionError {
  return isError(error) && error instanceof ConnectionError && (error.code === 'ERR_UNREACHABLE' || error.code === 'ERR_DISCONNECTED')
}

/** An answer that has no meaning will have none next time, and what does not fit will not; who is not let in, or asks for what is too large or not there, is refused again. */
export function isFinal(error: unknown): boolean {
  if (!isError(error)) return false
  if (error instanceof ConnectionError) return error.permanent === true
  return error instanceof ExecutorError && (error.code === 'ERR_EXECUTOR_RESULT' || error.code === 'ERR_EXECUTOR_INPUT')
}

/** The last failure, which names all addresses where nobody could be reached. */
export function allOf(error: unknown, away: ReadonlySet<string>): unknown {
  if (!isAway(error) || away.size === 1) return error
  const { code, address, message, cause } = error
  const others = [...away].filter((other) => other !== address)
  const reason = `${message.slice(address.length + 2)}. Tried in vain, too: ${others.join(', ')}`
  return new ConnectionError(code as ConstructorParameters<typeof ConnectionError>[0], address, reason, { cause })
}
