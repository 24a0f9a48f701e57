import type { Request } from './request.js'

/**
 * What handles requests: an Executor, a whole Flow, a Client, and what stands around them. It changes the request it is given, and throws (or
 * rejects with) what went wrong. What has to be opened and closed too is a Part (`base/lifecycle`): who makes it says when.
 */
export interface Handler {
  /** Whether it has anything to do for an endpoint; if not, requests pass it by. */
  accepts(endpoint: string): boolean
  /** The endpoints it has something to do for, where it knows; `/default` is all others. */
  readonly endpoints?: readonly string[] | undefined
  /** Returns nothing when it is done at once, which spares everybody a promise. */
  handle(request: Request): void | Promise<void>
}
