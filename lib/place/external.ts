import { ConnectionError, FlowBuildError } from '../base/errors.js'
import type { Part } from '../base/lifecycle.js'
import { Client } from '../client/client.js'
import { BACKOFF, backoff } from '../handler/backoff.js'
import { isAway } from '../handler/replica.js'
import type { Handler } from '../request/handler.js'
import { adopt, fork } from '../request/lineage.js'
import type { Header, Request } from '../request/request.js'
import { wait } from '../stream/wait.js'
import { isSilent } from '../wire/liveness.js'
import type { Start } from './place.js'

/** As Jina tries a request, with few replicas. */
const TRIES = 3

/**
 * A Client for each address of an executor that runs elsewhere.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for addresses that do not fit together; TypeError, RangeError for what is none
 */
export const start: Start = async ({ name, options }) => {
  const { host, port, protocol, tls, headers, metadata, compression, maxMessageBytes, docarray, tokenFile, forwardIdentity } = options
  const hosts = [host ?? []].flat()
  const ports = [port ?? []].flat()
  if (hosts.length === 0 && ports.length === 0) throw new FlowBuildError('ERR_USES_INVALID', `${name} is external, but has neither host nor port`)
  const count = Math.max(hosts.length, ports.length)
  if ((hosts.length > 1 && hosts.length < count) || (ports.length > 1 && ports.length < count))
    throw new FlowBuildError('ERR_USES_INVALID', `${name} has ${hosts.length} hosts and ${ports.length} ports. Give one for all, or one for each`)
  if (options.token !== undefined && tokenFile !== undefined) throw new FlowBuildError('ERR_USES_INVALID', `${name} has token and tokenFile. Give one of them`)
  const token = tokenFile === undefined ? options.token : (await import('../wire/tokens.js')).tokenFrom(tokenFile)
  const told = { protocol, tls, headers, metadata, compression, maxMessageBytes, docarray, token, forwardIdentity }
  const clients = Array.from({ length: count }, (_, at) => new Client({ host: hosts[at] ?? hosts[0], port: ports[at] ?? ports[0], ...told }))
  const around = (handler: Handler): External => new External(name, handler, clients)
  return { handlers: clients.map(reachable), parts: [], options, around }
}

/** As one of several: whether it can be reached, a connection tells. */
function reachable(client: Client): Handler & { look(): Promise<unknown> } {
  return { accepts: () => true, handle: (request) => client.handle(request), look: () => client.open() }
}

interface Remote {
  /** Loads what it needs, and connects to nobody. */
  load?(): Promise<void>
  close(): unknown
}

/** An executor that runs elsewhere, at one address or several: who cannot be reached is passed over, and the request goes to another. */
export class External implements Handler, Part {
  readonly #replicas: Handler
  readonly #clients: readonly Remote[]
  /** By those of the posts. */
  readonly #headers = new WeakMap<Header, Header>()

  /** @param replicas chooses among the clients */
  constructor(
    readonly name: string,
    replicas: Handler,
    clients: readonly Remote[],
  ) {
    this.#replicas = replicas
    this.#clients = clients
  }

  /** Connects to nobody: it may come later than the Flow, and go and come back. */
  async open(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.load?.()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  accepts(endpoint: string): boolean {
    return this.#replicas.accepts(endpoint)
  }

  /**
   * What means this executor by the name it has here is settled here: it may have another one there, and what runs there may be a whole Flow.
   * So the pattern does not go along, as in Jina, and parameters go as this executor is to see them.
   */
  async handle(request: Request): Promise<void> {
    const { header } = request
    if (header.isPlain) return this.#try(request)
    let own = this.#headers.get(header)
    if (own === undefined) this.#headers.set(header, (own = header.only(this.name)))
    const sent = fork(request, request.docs, request.scope, own)
    sent.attempt = request.attempt
    try {
      await this.#try(sent)
    } finally {
      // Where it failed, too: documents came back with the failure.
      adopt(request, sent)
    }
  }

  async #try(request: Request): Promise<void> {
    const { attempt, emitted } = request
    const most = Math.max(TRIES, this.#clients.length)
    // Who failed is asked again only when all have; attempts of one request know of each other, executors behind each other do not.
    request.attempt = attempt ?? { tried: new Set(), onStart: undefined }
    try {
      await this.#ask(request, most, emitted)
    } finally {
      request.attempt = attempt
    }
  }

  async #ask(request: Request, most: number, emitted: number): Promise<void> {
    const asked = new Set<string>()
    for (let tries = 1; ; tries++) {
      try {
        return await this.#replicas.handle(request)
      } catch (error) {
        // Documents come back with the answer, so nothing has changed here. What an executor behind the address failed at, being out of reach included, is none.
        if (!isAway(error)) throw error
        asked.add(error.address)
        // Who was found silent was waited for already, and may be at it.
        if (tries === most || (isSilent(error) && tries >= this.#clients.length) || request.scope.aborted || request.emitted > emitted)
          throw allOf(error, asked)
      }
      // All have failed. Who comes back is given time for it, and is not met by everybody at once.
      const rounds = tries / this.#clients.length
      if (Number.isInteger(rounds)) await wait(request.scope, backoff(BACKOFF, rounds - 1))
    }
  }
}

/** The last failure, which names all addresses that were tried. */
function allOf(error: ConnectionError, asked: ReadonlySet<string>): ConnectionError {
  const { code, address, message, cause } = error
  const others = [...asked].filter((other) => other !== address)
  if (others.length === 0) return error
  return new ConnectionError(
    code as ConstructorParameters<typeof ConnectionError>[0],
    address,
    `${message.slice(address.length + 2)}. Tried in vain, too: ${others.join(', ')}`,
    { cause },
  )
}
