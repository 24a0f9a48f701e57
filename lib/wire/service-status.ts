import { clearTimeout, now, setTimeout } from '../base/clock.js'
import type { Limiter } from '../handler/limits.js'
import type { ExecutorStatus, Health, Look, RequestCounts } from '../request/health.js'
import type { BytesState } from '../stream/byte-budget.js'
import { loadChannels } from '../telemetry/channels.js'
import { Numbers, type Times } from './live-numbers.js'
import { OWN } from './said.js'

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
  /** How long they take, where somebody looks on. */
  readonly times?: Times | undefined
}

const started = now()

/**
 * Costs what writing it down costs: everything is counted where it happens.
 * @param look whether who asks may know where executors elsewhere are, and whether those are asked what they say themselves
 */
export async function serviceStatus(limiter: Limiter, look: Look): Promise<ServiceStatus> {
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
    executors: limiter.status(look),
  }
}

/** Milliseconds after the last question until it is not measured any more how long requests take. */
const LEASE = 5000

/** What is measured for those who ask again and again. */
const watched = new WeakMap<Limiter, Watched>()

/**
 * What is told to who asks, over HTTP and gRPC.
 * @param addresses whether it may know where executors elsewhere are
 * @param live given by who looks on, and asks each second or so: how long requests take is told then, too. It is measured from the first question until some
 * seconds after the last. All but {@link OWN} asks executors elsewhere what they say themselves
 */
export async function statusAsked(limiter: Limiter, addresses: boolean, live: string | null | undefined): Promise<ServiceStatus> {
  if (!live) return serviceStatus(limiter, { addresses })
  const times = await timesOf(limiter)
  return { ...(await serviceStatus(limiter, { addresses, afar: live !== OWN })), times }
}

/** Nothing, where there are no channels to hear of them by. */
async function timesOf(limiter: Limiter): Promise<Times | undefined> {
  try {
    await loadChannels()
  } catch {
    return undefined
  }
  let own = watched.get(limiter)
  if (own === undefined) watched.set(limiter, (own = new Watched(limiter, () => watched.delete(limiter))))
  return own.ask()
}

class Watched {
  readonly #numbers: Numbers
  readonly #end: () => void
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(limiter: Limiter, ended: () => void) {
    this.#numbers = new Numbers(limiter, false)
    const unlisten = this.#numbers.listen()
    this.#end = () => {
      unlisten()
      ended()
    }
  }

  ask(): Times {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#end, LEASE)
    ;(this.#timer as { unref?: () => void }).unref?.()
    return this.#numbers.times
  }
}
