import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { ConnectionError, say } from '../../../base/errors.js'
import type { Request } from '../../../request/request.js'
import { Scope } from '../../../stream/scope.js'
import { type Message, outgoing, take } from '../../message.js'
import { decodeMessage, encodeInTurns } from '../../proto/index.js'
import type { Connection } from '../../wire.js'
import { asBuffer, METHODS } from '../methods.js'
import { type ClientSettings, clientSettings, type GrpcConnectOptions } from '../options.js'
import { placeOf } from './address.js'
import { Calls } from './calls.js'
import { endpointsOf, isReady } from './readiness.js'
import { Lanes } from './streams.js'
import { wasRefused } from './trouble.js'

/** A connection that can be asked which endpoints there are. */
export interface GrpcConnection extends Connection {
  /** The endpoints of an Executor there; undefined for a Flow, which does not tell. Asked once, then known to `accepts()`. */
  discover(): Promise<readonly string[] | undefined>
}

/**
 * Another Flow or Executor as a peer. Nothing is connected before the first request.
 * @param address such as `grpc://127.0.0.1:51000`, or `grpcs://` for TLS
 * @throws OptionTypeError, OptionRangeError for options
 */
export function connect(address: string, options: GrpcConnectOptions = {}): GrpcConnection {
  const settings = clientSettings(options)
  return new GrpcClient(new Calls(placeOf(address, settings.tls), settings))
}

/** How often a request goes out again that a server did not look at, as it was about to let go of the connection. */
const REFUSALS = 3

class GrpcClient implements GrpcConnection {
  readonly address: string
  readonly #settings: ClientSettings
  readonly #calls: Calls
  readonly #lanes: Lanes
  #endpoints: Promise<readonly string[] | undefined> | undefined
  #known: ReadonlySet<string> | undefined

  constructor(calls: Calls) {
    this.address = calls.address
    this.#settings = calls.settings
    this.#calls = calls
    this.#lanes = new Lanes(calls)
  }

  /** Connects. @throws ConnectionError when nobody is there */
  async open(): Promise<void> {
    await this.#calls.ready(new Scope())
  }

  close(): void {
    this.#lanes.close(this.#calls.refusal())
    this.#calls.close()
  }

  accepts(endpoint: string): boolean {
    return this.#known === undefined || this.#known.has(endpoint) || this.#known.has('/default')
  }

  discover(): Promise<readonly string[] | undefined> {
    this.#endpoints ??= endpointsOf(this.#calls).then(
      (endpoints) => {
        this.#known = endpoints && new Set(endpoints)
        return endpoints
      },
      (error) => {
        this.#endpoints = undefined
        throw error
      },
    )
    return this.#endpoints
  }

  isReady({ signal, timeout = this.#settings.connectTimeout }: { signal?: AbortSignal; timeout?: number } = {}): Promise<boolean> {
    return isReady(this.#calls, signal, timeout)
  }

  async handle(request: Request): Promise<void> {
    if (request.scope.aborted) throw request.scope.reason
    const { timeout } = this.#settings
    take(request, await (timeout === undefined ? this.#ask(request, request.scope) : this.#inTime(request, timeout)))
  }

  /** @param patience ends the wait for a connection */
  async #ask(request: Request, patience: Scope): Promise<Message> {
    const { emitted } = request
    let refused: ConnectionError | undefined
    for (let refusals = 0; ; refusals++) {
      try {
        return await (this.#settings.unary ? this.#askAlone(request) : this.#askAmongOthers(request, patience))
      } catch (error) {
        // It went, and nobody came in its place.
        if (refused !== undefined && error instanceof ConnectionError && error.code === 'ERR_UNREACHABLE') throw refused
        if (!wasRefused(error) || refusals === REFUSALS || patience.aborted || request.emitted > emitted) throw error
        refused = error
      }
    }
  }

  /** In a stream with the others of its post. */
  async #askAmongOthers(request: Request, patience: Scope): Promise<Message> {
    let lane = this.#lanes.find(request)
    if (lane === undefined) {
      const connecting = this.#calls.ready(patience)
      if (connecting !== undefined) await connecting
      const { credentials } = this.#calls
      const brought = credentials && (await this.#calls.brought(credentials, patience, request.identity))
      lane = this.#lanes.find(request) ?? this.#lanes.open(request, brought)
    }
    return lane.ask(request)
  }

  /** In a call of its own. */
  async #askAlone(request: Request): Promise<Message> {
    const { model, timeout } = this.#settings
    const bytes = asBuffer(await encodeInTurns(outgoing(request), { model }))
    const answer = await this.#calls.ask(METHODS.single, bytes, request.scope, timeout, { endpoint: request.header.execEndpoint }, request.identity)
    try {
      return decodeMessage(answer, { model })
    } catch (cause) {
      throw new ConnectionError('ERR_PROTOCOL', this.address, `it sent what cannot be read: ${say(cause)}`, { cause })
    }
  }

  /** Fails this request alone when it takes too long. */
  #inTime(request: Request, timeout: number): Promise<Message> {
    const patience = request.scope.child()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const late = new ConnectionError('ERR_TIMEOUT', this.address, `no answer within ${timeout} ms (timeout) for request ${request.id}`)
        patience.abort(late)
        this.#lanes.forget(request)
        reject(late)
      }, timeout)
      this.#ask(request, patience)
        .then(resolve, reject)
        .finally(() => {
          clearTimeout(timer)
          patience.close()
        })
    })
  }
}
