import type { NatsDurable } from '../../remote-options.js'

/** Milliseconds after which what a dead worker had is another's. */
const ACK_WAIT = 2000
/** How often a request is begun before nobody tries it any more. */
const ATTEMPTS = 5
/** The most requests that are begun and not answered, over all workers and clients. */
const PREFETCH = 256
/** Milliseconds for which answers that nobody fetched are kept, and dead letters: a day. */
const KEEP = 24 * 60 * 60 * 1000
/** What a queue is told, in full. */
export interface Durability {
  readonly ackWait: number
  readonly attempts: number
  readonly prefetch: number
  readonly keep: number
}

/** With defaults; nothing, where there is no queue. */
export function durability(given: boolean | NatsDurable | undefined): Durability | undefined {
  if (given === undefined || given === false) return undefined
  const { ackWait = ACK_WAIT, attempts = ATTEMPTS, prefetch = PREFETCH, keep = KEEP } = given === true ? {} : given
  return { ackWait, attempts, prefetch, keep }
}
