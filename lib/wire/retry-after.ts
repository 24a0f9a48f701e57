import { retryAfter } from '../base/retry-after.js'
import type { Kind } from './outcome.js'

// When to ask again, which whoever is refused is told on every wire:
//
//   HTTP        the headers `retry-after`, in whole seconds, and `sluice-retry-after`, in milliseconds
//   gRPC        `grpc-retry-pushback-ms` behind a call (gRFC A6); of one request of a stream, as in a WebSocket
//   WebSocket   `sluice-retry-after` in the header of the answer
//   GraphQL     `sluice-retry-after` in the `extensions` of the error, and HTTP's headers

/** Its name wherever there are headers or fields: whole milliseconds. */
export const RETRY_AFTER = 'sluice-retry-after'
/** The same behind a call of gRPC. Less than 0, or no number: never. */
export const PUSHBACK = 'grpc-retry-pushback-ms'

/** Milliseconds where nobody knows better: by then a process is started again, or a balancer has seen that this one closes. */
const AGAIN = 1000

/** Milliseconds in which whoever is refused may ask again; undefined for what is no refusal that passes. @param error what may say it */
export function whenAgain(kind: Kind | undefined, error?: unknown): number | undefined {
  const said = retryAfter(error)
  if (kind === 'busy' || kind === 'tooMany' || kind === 'closing') return said ?? AGAIN
  // Of who is behind it: when it is looked at again.
  return kind === 'unreachable' ? said : undefined
}

/** As headers of HTTP. Its own knows no parts of a second, so it says the next. */
export function againHeaders(milliseconds: number | undefined): Record<string, string> {
  if (milliseconds === undefined) return {}
  return { 'retry-after': String(Math.max(1, Math.ceil(milliseconds / 1000))), ...againField(milliseconds) }
}

/** As a field of a message's header. */
export function againField(milliseconds: number): Record<string, string> {
  return { [RETRY_AFTER]: String(Math.ceil(milliseconds)) }
}

/** What was told, by whoever it was: a server of ours, another one, or a proxy. @returns milliseconds */
export function readAgain(get: (name: string) => unknown): number | undefined {
  const own = get(RETRY_AFTER)
  if (own !== undefined && /^\d{1,10}$/.test(String(own))) return retryAfter({ retryAfter: Number(own) })
  const said = get('retry-after')
  return typeof said === 'string' ? retryAfter({ retryAfter: said }) : undefined
}
