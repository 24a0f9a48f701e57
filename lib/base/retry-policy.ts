import { ConnectionError, ExecutorError, isError } from './errors.js'

// What is done about a request that failed, wherever it was asked:
//
//   it moves      to another address, at once and without being counted, as long as there is one that was not asked yet   `isAway`
//   it waits      and is asked again, as often as `retries` says; at the same address, if it has no other                 not `isFinal`
//   it is over    whatever `retries` says                                                                                 `isFinal`
//
// An executor elsewhere that nobody gave `retries` for is asked again only where it could not be reached: what else failed there may have been done.
//
// Elsewhere, what is asked again is taken out of a budget (`stream/retry-budget`), but for what nobody began with who is gone, and moves: whoever has too much to do
// (`isBusy`) is no less busy for that. What the circuit breaker of an address (`stream/breaker`) refused was not asked (`isUnasked`), and costs nothing.

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

/** Whether whoever is there has too much to do now. */
export function isBusy(error: ConnectionError): boolean {
  return error.busy === true
}

/** Whether it took too long, whoever waited. */
export function isLate(error: unknown): boolean {
  const { code } = (isError(error) ? error : {}) as { code?: unknown }
  return code === 'ERR_TIMEOUT' || code === 'ERR_EXECUTOR_TIMEOUT'
}

const unasked = new WeakSet<object>()

/** What a request failed at that was not sent. */
export function markUnasked<E extends object>(error: E): E {
  unasked.add(error)
  return error
}

export function isUnasked(error: unknown): boolean {
  return unasked.has(error as object)
}

/** An answer that has no meaning will have none next time, and what does not fit will not; who is not let in, or asks for what is too large or not there, is refused again. */
export function isFinal(error: unknown): boolean {
  if (!isError(error)) return false
  if (error instanceof ConnectionError) return error.permanent === true
  if (!(error instanceof ExecutorError)) return false
  // Whoever is behind it may have been refused for good.
  return (
    error.code === 'ERR_EXECUTOR_RESULT' || error.code === 'ERR_EXECUTOR_INPUT' || (error.cause as Partial<ConnectionError> | undefined)?.permanent === true
  )
}

/** The last failure, which names all addresses where nobody could be reached. */
export function allOf(error: unknown, away: ReadonlySet<string>): unknown {
  if (!isAway(error) || away.size === 1) return error
  const others = [...away].filter((other) => other !== error.address)
  return adding(error, `. Tried in vain, too: ${others.join(', ')}`)
}

/** The last failure, which says that the budget is spent. */
export function spent(error: unknown): unknown {
  const reason =
    '. It is not sent again, as too much was: retries are bounded by a share of the requests of the last 10 s (retryBudget). See what fails there, or raise it'
  if (isError(error) && error instanceof ConnectionError) return adding(error, reason)
  if (!isError(error) || !(error instanceof ExecutorError)) return error
  return new ExecutorError(error.code as ConstructorParameters<typeof ExecutorError>[0], error.message + reason, error)
}

function adding(error: ConnectionError, more: string): ConnectionError {
  const { code, address, message, cause, requestId } = error
  const told = new ConnectionError(code as ConstructorParameters<typeof ConnectionError>[0], address, message.slice(address.length + 2) + more, {
    ...(cause !== undefined && { cause }),
    ...(requestId !== undefined && { requestId }),
  })
  return like(told, error)
}

/** With what says when, and whether, to ask again. */
function like(error: ConnectionError, { permanent, busy, retryAfter }: ConnectionError): ConnectionError {
  for (const [name, value] of Object.entries({ permanent, busy, retryAfter })) if (value !== undefined) Object.defineProperty(error, name, { value })
  return error
}
