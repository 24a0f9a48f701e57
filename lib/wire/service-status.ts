import { now } from '../base/clock.js'
import type { Limiter } from '../handler/limits.js'
import type { ExecutorStatus, Health, RequestCounts } from '../request/health.js'
import type { BytesState } from '../stream/byte-budget.js'

/** What a service does, and how it is: `sluice` in the answer of `/status`, and of gRPC's `_status`. Counts are since it was opened. */
export interface ServiceStatus {
  /** Milliseconds since this code was loaded. */
  readonly uptime: number
  readonly health: Health
  readonly limits: object
  readonly requests: RequestCounts & { readonly waiting: number; readonly lingering: number }
  /** The same by the wire that they came by. */
  readonly wires: Readonly<Record<string, RequestCounts>>
  /** Those of requests and answers, where they are bounded (`maxBytesInFlight`). */
  readonly bytes?: BytesState | undefined
  readonly executors: readonly ExecutorStatus[]
}

const started = now()

/**
 * Costs what writing it down costs: everything is counted where it happens.
 * @param addresses whether who asks may know where executors elsewhere are
 */
export async function serviceStatus(limiter: Limiter, addresses: boolean): Promise<ServiceStatus> {
  // What it is asked for may take a moment: the numbers are of one.
  const health = await limiter.health()
  const { limits, waiting, lingering, bytes } = limiter.load
  const requests = { inFlight: 0, answered: 0, failed: 0, refused: 0, late: 0, left: 0, waiting, lingering }
  for (const counts of Object.values(limiter.counts)) for (const name of Object.keys(counts) as (keyof RequestCounts)[]) requests[name] += counts[name]
  return {
    uptime: Math.round(now() - started),
    health,
    limits,
    requests,
    bytes,
    wires: limiter.counts,
    executors: limiter.status(addresses),
  }
}
