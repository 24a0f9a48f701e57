import type { Request } from './request/request.js'

/**
 * Everything that answers requests: an Executor, a whole Flow, and whatever else will.
 * It changes the request it is given, and throws (or rejects with) what went wrong.
 */
export interface Peer {
  /** Whether it has anything to do for an endpoint; if not, requests pass it by. */
  accepts(endpoint: string): boolean
  /** Returns nothing when it is done at once, which spares everybody a promise. */
  handle(request: Request): void | Promise<void>
  open(): unknown
  close(): unknown
}
