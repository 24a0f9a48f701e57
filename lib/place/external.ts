import { FlowBuildError } from '../base/errors.js'
import { tell } from '../base/incidents.js'
import type { Part } from '../base/lifecycle.js'
import type { Logger } from '../base/logger.js'
import { isAway, retriesElsewhere } from '../base/retry-policy.js'
import { Client, type ClientOptions } from '../client/client.js'
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
import { Named } from './named.js'
import type { Start } from './place.js'

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

/** As one of several: its breaker tells whether it can be reached. */
function oneOf(client: Client): Handler & { readonly breaker: Breaker } {
  return { accepts: () => true, handle: (request) => client.handle(request), breaker: client.breaker as Breaker }
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
    { timeout, attemptTimeout, retries, signal, retryBudget }: RetryOptions & Pick<RemoteOptions, 'retryBudget'> = {},
    logger?: Logger,
  ) {
    const addresses = clients.length
    this.#clients = clients
    this.#retry = new Retry(replicas, {
      ...{ name, timeout, attemptTimeout, signal, addresses },
      retries: retries ?? retriesElsewhere(addresses),
      tells: replicas instanceof Replicas,
      copies: false,
      budget: new RetryBudget(retryBudget, (event, about) => tell(logger, event, { executor: name, ...about })),
      // Who was found silent was waited for already, and may be at it.
      ...(retries === undefined && { passing: (error) => isAway(error) && !isSilent(error) }),
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
