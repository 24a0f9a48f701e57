import { status as Code, Metadata, type ServiceError } from '@grpc/grpc-js'
import { newId } from '../../../doc/id.js'
import { ConnectionError } from '../../../errors.js'
import type { Request } from '../../../request/request.js'
import { Scope } from '../../../stream/scope.js'
import { type Message, outgoing, take } from '../../message.js'
import { decodeEndpoints, decodeMessage, decodeStatus, encodeMessage } from '../../proto/index.js'
import type { Connection } from '../../wire.js'
import { asBuffer, METADATA, METHODS } from '../methods.js'
import { type ClientSettings, clientSettings, type GrpcConnectOptions } from '../options.js'
import { type Place, placeOf } from './address.js'
import { Channel } from './channel.js'
import { Lane } from './lane.js'
import { troubleOf } from './trouble.js'

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
  return new Client(placeOf(address, settings.tls), settings)
}

const identity = (bytes: Buffer): Buffer => bytes
const EMPTY = Buffer.alloc(0)

class Client implements GrpcConnection {
  readonly address: string
  readonly #settings: ClientSettings
  readonly #channel: Channel
  /** Requests of one post share a scope, and so a stream. */
  readonly #lanes = new WeakMap<Scope, Lane[]>()
  readonly #open = new Set<Lane>()
  #endpoints: Promise<readonly string[] | undefined> | undefined
  #known: ReadonlySet<string> | undefined
  #closed = false

  constructor(place: Place, settings: ClientSettings) {
    this.address = place.address
    this.#settings = settings
    this.#channel = new Channel(place, settings)
  }

  open(): void {}

  close(): void {
    this.#closed = true
    for (const lane of this.#open) lane.close(this.#refusal())
    this.#channel.close()
  }

  accepts(endpoint: string): boolean {
    return this.#known === undefined || this.#known.has(endpoint) || this.#known.has('/default')
  }

  discover(): Promise<readonly string[] | undefined> {
    this.#endpoints ??= this.#discovered().catch((error) => {
      this.#endpoints = undefined
      throw error
    })
    return this.#endpoints
  }

  async #discovered(): Promise<readonly string[] | undefined> {
    try {
      const endpoints = decodeEndpoints(await this.#call(METHODS.endpoints, EMPTY, new Scope(), this.#settings.connectTimeout))
      this.#known = new Set(endpoints)
      return endpoints
    } catch (error) {
      // Jina's gateways know the method, and fail at it.
      if (error instanceof ConnectionError && (error.code === 'ERR_PROTOCOL' || error.code === 'ERR_REFUSED')) return undefined
      throw error
    }
  }

  async isReady({ signal, timeout = this.#settings.connectTimeout }: { signal?: AbortSignal; timeout?: number } = {}): Promise<boolean> {
    if (signal?.aborted) return false
    const scope = new Scope()
    const stop = (): void => scope.abort(new DOMException('It takes too long, or is not wanted', 'AbortError'))
    signal?.addEventListener('abort', stop)
    const timer = setTimeout(stop, timeout)
    try {
      return await this.#dryRun(scope)
    } catch {
      return false
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
  }

  async #dryRun(scope: Scope): Promise<boolean> {
    try {
      return decodeStatus(await this.#call(METHODS.dryRun, EMPTY, scope)).code === 'SUCCESS'
    } catch (error) {
      // Executors of Jina know no dry run: they are ready when they say anything.
      if ((error as { cause?: Partial<ServiceError> }).cause?.code !== Code.UNIMPLEMENTED) throw error
      await this.#call(METHODS.info, EMPTY, scope)
      return true
    }
  }

  async handle(request: Request): Promise<void> {
    if (request.scope.aborted) throw request.scope.reason
    const { timeout } = this.#settings
    if (timeout === undefined) return take(request, await this.#ask(request, request.scope))
    take(request, await this.#inTime(request, timeout))
  }

  /** @param patience ends the wait for a connection */
  #ask(request: Request, patience: Scope): Promise<Message> {
    return this.#settings.unary ? this.#askAlone(request) : this.#askAmongOthers(request, patience)
  }

  /** In a stream with the others of its post. */
  async #askAmongOthers(request: Request, patience: Scope): Promise<Message> {
    let lane = this.#laneFor(request)
    if (lane === undefined) {
      if (this.#closed) throw this.#refusal()
      if (!this.#channel.isReady) await this.#channel.ready(patience)
      lane = this.#laneFor(request) ?? this.#openLane(request.scope)
    }
    return lane.ask(request)
  }

  #laneFor(request: Request): Lane | undefined {
    return this.#lanes.get(request.scope)?.find((lane) => lane.takes(request))
  }

  #openLane(scope: Scope): Lane {
    const metadata = this.#metadata()
    const key = newId()
    metadata.set(METADATA.partial, '1')
    metadata.set(METADATA.credit, key)
    const call = this.#channel.client.makeBidiStreamRequest(METHODS.call, identity, identity, metadata)
    const { model } = this.#settings
    const lane: Lane = new Lane(call, scope, {
      address: this.address,
      encode: (message) => encodeMessage(message, { model }),
      decode: (bytes) => decodeMessage(bytes, { model }),
      taken: (requestId, count) => {
        // When it does not come through, the stream does not either, and says so.
        this.#call(METHODS.taken, Buffer.from(`${key} ${requestId} ${count}`), scope).catch(() => {})
      },
    })
    this.#open.add(lane)
    const leave = this.#channel.enter()
    call.on('status', () => {
      leave()
      this.#drop(scope, lane)
    })
    const lanes = this.#lanes.get(scope)
    if (lanes === undefined) this.#lanes.set(scope, [lane])
    else lanes.push(lane)
    return lane
  }

  #drop(scope: Scope, lane: Lane): void {
    this.#open.delete(lane)
    const lanes = this.#lanes.get(scope)
    lanes?.splice(lanes.indexOf(lane), 1)
  }

  /** In a call of its own. */
  async #askAlone(request: Request): Promise<Message> {
    const { model, timeout } = this.#settings
    const { scope, header } = request
    const bytes = asBuffer(encodeMessage(outgoing(request), { model }))
    const answer = await this.#call(METHODS.single, bytes, scope, timeout, { endpoint: header.execEndpoint })
    return decodeMessage(answer, { model })
  }

  async #call(method: string, bytes: Buffer, scope: Scope, timeout?: number, more: Record<string, string> = {}): Promise<Buffer> {
    if (this.#closed) throw this.#refusal()
    const deadline = timeout === undefined ? Infinity : Date.now() + timeout
    if (!this.#channel.isReady) await this.#channel.ready(scope)
    return new Promise((resolve, reject) => {
      let begun = false
      const leave = this.#channel.enter()
      const call = this.#channel.client.makeUnaryRequest(method, identity, identity, bytes, this.#metadata(more), { deadline }, (error, answer) => {
        unwatch()
        leave()
        if (error === null) resolve(answer!)
        else reject(scope.aborted ? scope.reason : troubleOf(this.address, error, begun))
      })
      call.on('metadata', () => {
        begun = true
      })
      const unwatch = scope.watch(() => call.cancel())
    })
  }

  #metadata(more: Record<string, string> = {}): Metadata {
    const metadata = new Metadata()
    for (const [name, value] of Object.entries({ ...this.#settings.headers, ...more })) metadata.set(name, value)
    return metadata
  }

  /** Fails this request alone when it takes too long. */
  #inTime(request: Request, timeout: number): Promise<Message> {
    const patience = request.scope.child()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const late = new ConnectionError('ERR_TIMEOUT', this.address, `no answer within ${timeout} ms (timeout) for request ${request.id}`)
        patience.abort(late)
        for (const lane of this.#lanes.get(request.scope) ?? []) lane.forget(request)
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

  #refusal(): ConnectionError {
    return new ConnectionError('ERR_UNREACHABLE', this.address, 'this connection was closed. Make a new one')
  }
}
