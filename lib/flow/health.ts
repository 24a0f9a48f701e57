import { clearTimeout, now, setTimeout } from '../base/clock.js'
import type { ConnectionError, ExecutorError } from '../base/errors.js'
import { tell } from '../base/incidents.js'
import type { Part } from '../base/lifecycle.js'
import type { Logger } from '../base/logger.js'
import { isLate } from '../base/retry-policy.js'
import { allocate } from '../doc/array.js'
import { DRY_RUN } from '../executor/bindings.js'
import type { Replicas } from '../handler/replicas.js'
import type { WorkerStatus } from '../place/options.js'
import type { Handler } from '../request/handler.js'
import { type ExecutorStatus, type Health, type Healthy, type Look, READY } from '../request/health.js'
import { Header, Request } from '../request/request.js'
import { Scope } from '../stream/scope.js'
import type { Deployment } from './deployment.js'
import type { Plan } from './options.js'

// Whether a Flow is ready: as long as there is an endpoint that it can answer. That is one of which every executor on its way is well, but for those that a request does
// without: who floats, who has a condition (`when`), and who stands behind such ones alone. An executor is not well
//
//   where it is here       when its replicas are stuck: all of them, or one that all are asked for (polling ALL); or its own method for dry runs fails
//   in a worker            when all its threads or processes are unhealthy: each died five times in a row without one answer
//   where it is elsewhere  when a dry run fails at all its addresses: nobody is there, or whoever is says that it is not ready itself; or does not answer within its own `timeout`
//
// Else no answer says nothing: who is busy is not ill, and who is gone without a word is found out by requests.

/** Milliseconds for which an answer holds, so that probes of several kinds cost one. */
const FRESH = 1000
/** Milliseconds that a probe waits for executors to say how they are: those that take longer are as they were. */
const PATIENCE = 500
/** The same of who asks for a dry run: that is how a Flow that uses this one as an executor finds out. */
const LONG_PATIENCE = 2500

/** An executor, and what is known of how it is. */
export class Station {
  /** What it failed at when it was last asked. */
  #failure: string | undefined
  #asking: Promise<void> | undefined

  constructor(
    readonly name: string,
    /** Requests do without it. */
    readonly optional: boolean,
    readonly peer: Handler,
    readonly replicas: Replicas | undefined,
    /** What tries it again, where anything does. */
    readonly tries: { readonly retried: number } | undefined,
    /** Its threads or processes. */
    readonly workers: readonly { readonly state: WorkerStatus['state'] }[] = [],
  ) {}

  status(endpoints: readonly string[], look: Look): ExecutorStatus {
    const { name, replicas, tries } = this
    const reason = endpoints.map((endpoint) => (this.peer.accepts(endpoint) ? this.illness(endpoint) : undefined)).find((illness) => illness !== undefined)
    return {
      name,
      ready: reason === undefined,
      ...(reason !== undefined && { reason }),
      ...(this.optional && { optional: true as const }),
      inFlight: 0,
      waiting: 0,
      ...(tries !== undefined && { retried: tries.retried }),
      ...(replicas?.status(look) ?? { replicas: [] }),
    }
  }

  /** What it suffers from, for requests to an endpoint. */
  illness(endpoint: string): string | undefined {
    if (this.replicas?.isStuck(endpoint)) return 'is stuck'
    if (this.workers.length > 0 && this.workers.every(({ state }) => state === 'unhealthy')) return 'is unhealthy'
    return this.#failure
  }

  /** Asks it, once at a time. Nothing where there is nobody to ask. */
  ask(): Promise<void> | undefined {
    if (!this.peer.accepts(DRY_RUN)) return undefined
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<void> {
    try {
      await this.peer.handle(new Request(new Header(DRY_RUN, {}), allocate(0), new Scope()))
      this.#failure = undefined
    } catch (error) {
      const { cause = error } = error as ExecutorError
      const { code } = cause as Partial<ConnectionError>
      if (code === 'ERR_UNREACHABLE' || code === 'ERR_DISCONNECTED') this.#failure = 'cannot be reached'
      else this.#failure = isLate(error) || isLate(cause) ? 'does not answer in its time' : 'fails at dry runs'
    }
  }
}

/**
 * @param steps in the order in which requests come by
 * @param deployments what stands at each
 * @param endpoints those that the Flow answers, one that stands for all others among them
 */
export function healthOf(steps: Plan['steps'], deployments: readonly Deployment[], endpoints: readonly string[], logger: Logger | undefined): FlowHealth {
  const afloat = new Set<string>()
  const optional = new Set<string>()
  const stations = steps.map(({ name, needs, floating, options }, at) => {
    if (floating || needs.some((need) => afloat.has(need))) afloat.add(name)
    if (afloat.has(name) || options.when !== undefined || needs.every((need) => optional.has(need))) optional.add(name)
    const { peer, parts, replicas, tries } = deployments[at]!
    return new Station(name, optional.has(name), peer, replicas, tries, parts.filter(isWorker))
  })
  return new FlowHealth(stations, endpoints, logger)
}

function isWorker(part: Part): part is Part & { readonly state: WorkerStatus['state'] } {
  return 'state' in part && 'status' in part && 'shardId' in part
}

/** How a Flow is: see above. */
export class FlowHealth implements Omit<Healthy, 'cut'> {
  readonly #stations: readonly Station[]
  readonly #endpoints: readonly string[]
  readonly #logger: Logger | undefined
  #health: Health = READY
  #checked = -Infinity
  /** When it was lost. */
  #lost = 0
  #checking: Promise<Health> | undefined

  /** @param endpoints those that it answers, one that stands for all others among them */
  constructor(stations: readonly Station[], endpoints: readonly string[], logger: Logger | undefined) {
    this.#stations = stations
    this.#endpoints = endpoints
    this.#logger = logger
  }

  status(look: Look): readonly ExecutorStatus[] {
    return this.#stations.map((station) => station.status(this.#endpoints, look))
  }

  health(fresh = false): Health | Promise<Health> {
    if (!fresh && now() - this.#checked < FRESH) return this.#note()
    this.#checking ??= this.#check(fresh ? LONG_PATIENCE : PATIENCE).finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  async #check(patience: number): Promise<Health> {
    const asked = this.#stations.flatMap((station) => (station.optional ? [] : (station.ask() ?? [])))
    if (asked.length > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, patience)
      })
      await Promise.race([Promise.all(asked), late])
      clearTimeout(timer)
    }
    this.#checked = now()
    return this.#note()
  }

  #note(): Health {
    const reason = this.#illness()
    const { ready } = this.#health
    if (reason === undefined) {
      if (!ready) tell(this.#logger, 'health.back', { milliseconds: Math.round(now() - this.#lost) })
      return (this.#health = READY)
    }
    if (ready) {
      this.#lost = now()
      tell(this.#logger, 'health.lost', { reason })
    }
    return (this.#health = { ready: false, reason })
  }

  /** What all endpoints fail at; undefined as long as there is one that does not. */
  #illness(): string | undefined {
    const all = new Set<string>()
    for (const endpoint of this.#endpoints) {
      const ill = this.#stations.flatMap((station) => {
        const illness = station.optional || !station.peer.accepts(endpoint) ? undefined : station.illness(endpoint)
        return illness === undefined ? [] : [`${station.name} ${illness}`]
      })
      if (ill.length === 0) return undefined
      for (const one of ill) all.add(one)
    }
    return [...all].join(', ')
  }
}
