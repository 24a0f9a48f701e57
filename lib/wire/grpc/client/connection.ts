import { clearTimeout, now, setTimeout } from '../../../base/clock.js'
import { ConnectionError, say } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import { isAway } from '../../../base/retry-policy.js'
import type { Request } from '../../../request/request.js'
import { noteMethod } from '../../../request/traced.js'
import { Scope } from '../../../stream/scope.js'
import type { Connection, ToldStatus } from '../../connection.js'
import { deadlineOf, timeGiven, writeHeaders } from '../../context-headers.js'
import { type Message, outgoing, take } from '../../message.js'
import { failure } from '../../outcome.js'
import { decodeInfo, decodeMessage, encodeInTurns } from '../../proto/index.js'
import { untilSeen } from '../../unseen.js'
import { asBuffer, METADATA, METHODS } from '../methods.js'
import type { ClientSettings } from '../options.js'
import type { Calls } from './calls.js'
import { ALONE, discover, type Peer, STREAMS } from './discovery.js'
import { askForEach } from './each.js'
import { isReady } from './readiness.js'
import type { SharedStream } from './stream.js'
import { SharedStreams } from './streams.js'

/** Milliseconds in which somebody of our kind greets; others are asked who they are. */
const GREETING = 150

/** See {@link connect}. */
export class GrpcConnection implements Connection {
  readonly address: string
  readonly #settings: ClientSettings
  readonly #calls: Calls
  readonly #sharedStreams: SharedStreams
  /** Who is there, once that is known. */
  #peer: Peer | undefined
  #meeting: { readonly scope: Scope; readonly met: Promise<void> } | undefined

  constructor(calls: Calls) {
    this.address = calls.address
    this.#settings = calls.settings
    this.#calls = calls
    this.#sharedStreams = new SharedStreams(calls)
    if (calls.settings.unary) this.#peer = ALONE
  }

  /** Connects. @throws ConnectionError when nobody is there */
  async open(): Promise<void> {
    await this.#calls.ready(new Scope())
  }

  /** A connection says nothing of who is let in, so something is asked that is not open to all. */
  async enter(): Promise<void> {
    try {
      await this.#calls.ask(METHODS.info, Buffer.alloc(0), new Scope(), this.#settings.connectTimeout)
    } catch (error) {
      // Who knows no such method, or computes, and so does not answer, has let in who asks.
      if (!(error instanceof ConnectionError) || !/^ERR_(PROTOCOL|TIMEOUT)$/.test(error.code)) throw error
    }
  }

  close(reason?: unknown): void {
    this.#sharedStreams.close(reason)
    this.#calls.close(reason)
  }

  accepts(): boolean {
    return true
  }

  isReady({ signal, timeout = this.#settings.connectTimeout }: { signal?: AbortSignal; timeout?: number } = {}): Promise<boolean> {
    return isReady(this.#calls, signal, timeout)
  }

  async status(live: string): Promise<readonly ToldStatus[]> {
    const bytes = await this.#calls.ask(METHODS.info, Buffer.alloc(0), new Scope(), this.#settings.connectTimeout, { [METADATA.live]: live })
    const { status } = decodeInfo(bytes).jina
    return status === undefined ? [] : [{ address: this.address, status: JSON.parse(status) }]
  }

  async handle(request: Request): Promise<void> {
    if (request.scope.aborted) throw request.scope.reason
    const { timeout } = this.#settings
    take(request, await (timeout === undefined ? this.#ask(request, request.scope) : this.#inTime(request, timeout)))
  }

  /** @param patience ends the wait for a connection */
  #ask(request: Request, patience: Scope): Promise<Message> {
    const { emitted } = request
    const ask = async (): Promise<Message> => {
      try {
        return await this.#askOnce(request, patience)
      } catch (error) {
        // Who comes in its place may be somebody else.
        if (isAway(error) && !this.#settings.unary) {
          this.#peer = undefined
          this.#sharedStreams.unlearn()
        }
        throw error
      }
    }
    return untilSeen(ask, () => !patience.aborted && request.emitted === emitted)
  }

  async #askOnce(request: Request, patience: Scope): Promise<Message> {
    if (patience.aborted) throw patience.reason
    const peer = this.#peer
    if (peer === undefined || peer.until < now()) return this.#askFirst(request, patience)
    const { deadline } = patience
    if (peer.alone) noteMethod(request, peer.generates(request.header.execEndpoint) ? METHODS.document : METHODS.single)
    else noteMethod(request, METHODS.call)
    if (peer.alone) return peer.generates(request.header.execEndpoint) ? askForEach(this.#calls, request, deadline) : this.#askAlone(request, deadline)
    const stream = this.#sharedStreams.find(request)
    return stream === undefined ? this.#onStream(request, patience, (stream) => stream.ask(request, deadline)) : stream.ask(request, deadline)
  }

  /** Nothing is sent on a stream before it is known that it leads to somebody who takes streams. */
  async #askFirst(request: Request, patience: Scope): Promise<Message> {
    this.#meeting ??= { scope: patience, met: this.#meet(request, patience) }
    const { scope, met } = this.#meeting
    try {
      await met
    } catch (error) {
      // Who met them left, and others still want to.
      if (patience.aborted || !scope.aborted) throw error
    }
    return this.#askOnce(request, patience)
  }

  async #meet(request: Request, patience: Scope): Promise<void> {
    try {
      const stream = await this.#onStream(request, patience, (stream) => stream)
      this.#peer = (await stream.greeted(GREETING)) ? STREAMS : await discover(this.#calls)
      if (this.#peer.alone) stream.close(undefined)
      // What became of it meanwhile is what became of the request.
      else await stream.greeted(0)
    } finally {
      this.#meeting = undefined
    }
  }

  /**
   * The stream for the requests of its post.
   * @param use called at once when there is one: a moment later, another request of the same id could have taken it, and a stream has one of each
   */
  async #onStream<T>(request: Request, patience: Scope, use: (stream: SharedStream) => T | Promise<T>): Promise<T> {
    const open = this.#sharedStreams.find(request)
    if (open !== undefined) return use(open)
    const connecting = this.#calls.ready(patience)
    if (connecting !== undefined) await connecting
    const { credentials } = this.#calls
    const brought = credentials && (await this.#calls.brought(credentials, patience, request.identity))
    const own = this.#sharedStreams.find(request)
    return use(own ?? this.#sharedStreams.open(request, brought))
  }

  /** In a call of its own. */
  async #askAlone(request: Request, deadline: Scope['deadline']): Promise<Message> {
    const { model } = this.#settings
    const bytes = asBuffer(await encodeInTurns({ ...outgoing(request), headers: undefined }, { model }))
    publishBytes('client', 'sent', 'grpc', bytes)
    const metadata = { endpoint: request.header.execEndpoint, ...writeHeaders(request) }
    const answer = await this.#calls.ask(METHODS.single, bytes, request.scope, timeGiven(deadline), metadata, request.identity)
    publishBytes('client', 'received', 'grpc', answer)
    try {
      return decodeMessage(answer, { model })
    } catch (cause) {
      throw failure('unimplemented', this.address, `it sent what cannot be read: ${say(cause)}`, { cause })
    }
  }

  /** Fails this request alone when it takes too long. */
  #inTime(request: Request, timeout: number): Promise<Message> {
    const patience = request.scope.child()
    patience.deadline = deadlineOf(timeout, patience.deadline)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const late = new ConnectionError('ERR_TIMEOUT', this.address, `no answer within ${timeout} ms (timeout) for request ${request.id}`)
        patience.abort(late)
        this.#sharedStreams.forget(request, late)
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
