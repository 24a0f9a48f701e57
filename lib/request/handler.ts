import type { Request } from './request.js'

/** What handles requests: it changes the request it is given, and throws (or rejects with) what went wrong. */
export interface Handler {
  /** Whether it has anything to do for an endpoint; if not, requests pass it by. */
  accepts(endpoint: string): boolean
  /** The endpoints it has something to do for, where it knows; `/default` is all others. */
  readonly endpoints?: readonly string[] | undefined
  /** Returns nothing when it is done at once, which spares everybody a promise. */
  handle(request: Request): void | Promise<void>
}

/** Everything that answers requests and has a life of its own: an Executor, a whole Flow, and whatever else will. */
export interface Peer extends Handler {
  open(): unknown
  close(): unknown
}
