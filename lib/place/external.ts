import { now } from '../base/clock.js'
import { FlowBuildError } from '../base/errors.js'
import { tell } from '../base/incidents.js'
import type { Part } from '../base/lifecycle.js'
import type { Logger } from '../base/logger.js'
import { isAway, isBusy, retriesElsewhere } from '../base/retry-policy.js'
import { Client, type ClientOptions } from '../client/client.js'
import type { AddOptions } from '../flow/options.js'
import { Replicas } from '../handler/replicas.js'
import { Retry, type RetryOptions } from '../handler/retry.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import type { Breaker } from '../stream/breaker.js'
import { RetryBudget } from '../stream/retry-budget.js'
import { addressOf } from '../wire/address.js'
import type { Docarray } from '../wire/docarray.js'
import { isSilent } from '../wire/liveness.js'
import { REMOTE_RULES } from '../wire/option-rules.js'
import type { RemoteOptions } from '../wire/remote-options.js'
import { OWN } from '../wire/said.js'
import { Named } from './named.js'
import { MAX_DEATHS } from './options.js'
import type { Start } from './place.js'
import { StatusPoll } from './status-poll.js'

/** How often somebody looks whether who is away is back. */
const LOOKS = { delay: 100, maxDelay: 1000 }

/**
 * A Client for each address of an executor that runs elsewhere.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for addresses that do not fit together; TypeError, RangeError for what is none
 */
export const start: Start = async ({ name, options }, { logger, docarray }) => {
  const { host, port, protocol } = options
  const hosts = [host ?? []].flat()
  const ports = [port ?? []].flat()
  if (hosts.length === 0 && ports.length === 0) throw new FlowBuildError('ERR_USES_INVALID', `${name} is external, but has neither host nor port`)
  const count = Math.max(hosts.length, ports.length)
  if ((hosts.length > 1 && hosts.length < count) || (ports.length > 1 && ports.length < count))
    throw new FlowBuildError('ERR_USES_INVALID', `${name} has ${hosts.length} hosts and ${ports.length} ports. Give one for all, or one for each`)
  if (options.token !== undefined && options.tokenFile !== undefined)
    throw new FlowBuildError('ERR_USES_INVALID', `${name} has token and tokenFile. Give one of them`)
  const given = Object.fromEntries(Object.keys(REMOTE_RULES).map((name) => [name, options[name as keyof RemoteOptions]])) as RemoteOptions
  // All addresses have one budget: External's.
  const { retryBudget: _, ...told } = given
  const at = (n: number): ClientOptions => {
    const all = { host: hosts[n] ?? hosts[0], port: ports[n] ?? ports[0], protocol, logger, ...told }
    return { ...all, docarray: docarrayOf(name, all, docarray) }
  }
  const clients = Array.from({ length: count }, (_, n) => new Client(at(n)))
  const around = (handler: Handler): External => new External(name, handler, clients, options, logger)
  return { handlers: clients.map(oneOf), parts: [], options, around }
}

/**
 * How documents are written there: as who asks this Flow writes them, unless somebody says otherwise. Another kind has no place for most of their fields.
 * @throws FlowBuildError (`ERR_USES_INVALID`) where that cannot be, and nobody said that it may be lost
 */
function docarrayOf(name: string, told: ClientOptions, flow: Docarray | undefined): Docarray | undefined {
  if (told.docarray !== undefined || flow !== 'v2') return told.docarray
  const { protocol } = addressOf(told)
  if (protocol === 'grpc') return flow
  throw new FlowBuildError(
    'ERR_USES_INVALID',
    `${name} is spoken to over ${protocol}, which has no place for the fields of docarray ≥ 0.30 (docarray: 'v2' of this Flow). Reach it over gRPC, or say docarray: 'v1' there, if what documents of 0.21 do not have may be lost`,
  )
}

/** As one of several: its breaker tells whether it can be reached, and it says what it does itself. */
function oneOf(client: Client): Handler & { readonly breaker: Breaker; readonly poll: StatusPoll } {
  const breaker = client.breaker as Breaker
  return {
    accepts: () => true,
    handle: (request) => client.handle(request),
    breaker,
    poll: new StatusPoll(
      () => client.status(OWN),
      () => breaker.isAway || breaker.state === 'open',
    ),
  }
}

interface Remote {
  /** Loads what it needs, and connects to nobody. */
  load?(): Promise<void>
  close(): unknown
}

/** An executor that runs elsewhere, at one address or several: who cannot be reached is passed over, and the request goes to another. */
export class External implements Handler, Part {
  readonly #retry: Retry
  readonly #clients: readonly Remote[]
  readonly #named: Named

  /**
   * @param replicas chooses among the clients
   * @param told how often it is tried, and for how long, where somebody said so
   */
  constructor(
    readonly name: string,
    replicas: Handler,
    clients: readonly Remote[],
    { timeout, attemptTimeout, retries, signal, retryBudget, readyTimeout, maxDeaths }: RetryOptions & Elsewhere = {},
    logger?: Logger,
  ) {
    const addresses = clients.length
    this.#clients = clients
    const budget = new RetryBudget(retryBudget, (event, about) => tell(logger, event, { executor: name, ...about }))
    const tries = retries ?? retriesElsewhere(addresses)
    // Who was found silent was waited for already, and may be at it.
    const passing = (error: unknown): boolean => retries !== undefined || (isAway(error) && !isSilent(error))
    this.#retry = new Retry(replicas, {
      ...{ name, timeout, attemptTimeout, signal, addresses },
      tells: replicas instanceof Replicas,
      copies: false,
      ...(readyTimeout === undefined ? { retries: tries, budget, passing } : waiting(readyTimeout, maxDeaths, tries, budget, passing)),
    })
    this.#named = new Named(name, this.#retry)
  }

  get retried(): number {
    return this.#retry.retried
  }

  /** Connects to nobody: it may come later than the Flow, and go and come back. */
  async open(): Promise<void> {
    this.#retry.open()
    await Promise.all(this.#clients.map((client) => client.load?.()))
  }

  hurry(): void {
    this.#retry.hurry()
  }

  async close(): Promise<void> {
    this.#retry.close()
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  accepts(endpoint: string): boolean {
    return this.#retry.accepts(endpoint)
  }

  handle(request: Request): Promise<void> {
    return this.#named.handle(request)
  }
}

/** What is said of one elsewhere beside how it is tried again. */
type Elsewhere = Pick<RemoteOptions, 'retryBudget'> & Pick<AddOptions, 'readyTimeout' | 'maxDeaths'>

/**
 * How requests wait for who is away, as they do for a container that a Flow begins itself: no `retries`, and none of their budget, is taken for that.
 * @param passing whether it is tried again for another reason, as often as `retries` says
 */
function waiting(
  readyTimeout: number,
  maxDeaths = MAX_DEATHS,
  retries: NonNullable<RetryOptions['retries']>,
  budget: RetryBudget,
  passing: (error: unknown) => boolean,
): Pick<ConstructorParameters<typeof Retry>[1], 'retries' | 'passing'> {
  const { attempts, ...backoff } = typeof retries === 'number' ? { attempts: retries, ...LOOKS } : retries
  const known = new WeakMap<Request, { readonly until: number; deaths: number; tries: number }>()
  return {
    retries: { attempts: Infinity, ...backoff },
    passing(error, request) {
      let of = known.get(request)
      if (of === undefined) known.set(request, (of = { until: now() + readyTimeout, deaths: 0, tries: 0 }))
      if (!isAway(error) || isBusy(error)) return passing(error) && of.tries++ < attempts && budget.take()
      // Of whom it may be the death: nobody has begun with what could not be sent.
      if (error.code === 'ERR_DISCONNECTED' && ++of.deaths >= maxDeaths) return false
      return now() < of.until
    },
  }
}
