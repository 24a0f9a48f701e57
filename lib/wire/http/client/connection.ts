import type { ConnectionError } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import type { Request } from '../../../request/request.js'
import { Register } from '../../../stream/register.js'
import { Scope } from '../../../stream/scope.js'
import type { ConnectOptions } from '../../connect-options.js'
import type { Connection, ToldStatus } from '../../connection.js'
import { deadlineOf } from '../../context-headers.js'
import { Credentials } from '../../credentials.js'
import { CONNECT_TIMEOUT, MAX_MESSAGE_BYTES } from '../../defaults.js'
import { DELTAS_HEADER } from '../../deltas.js'
import type { Identity } from '../../identity.js'
import { outgoing, take } from '../../message.js'
import { failure, type Kind } from '../../outcome.js'
import { decode } from '../body.js'
import { kindOf } from '../status.js'
import { requestText } from '../write.js'
import { type Answers, readAnswer } from './answers.js'
import { failureOfStatus, refused } from './failures.js'
import { Room } from './room.js'
import { Roundtrip, type Watchable } from './roundtrip.js'
import type { Received, Sending, Transport } from './transport.js'

const REQUEST_ID = /^[\w.-]{1,128}$/

/** Bytes from which packing is worth its while. */
const PACK_FROM = 1024

const PLAIN = { 'content-type': 'application/json', accept: 'application/json' }
const IN_PARTS = { ...PLAIN, accept: 'application/x-ndjson, application/json;q=0.9', [DELTAS_HEADER]: '1' }

/** What says that there is no way to a Flow, for whoever asks for what. */
const NOT_OPEN: readonly Kind[] = ['unauthenticated', 'forbidden', 'unreachable', 'late', 'busy', 'tooMany', 'internal']

/** See {@link connect}. */
export class HttpConnection implements Connection {
  readonly address: string
  readonly #url: URL
  readonly #post: URL
  readonly #options: ConnectOptions
  readonly #transport: Transport
  readonly #limit: number
  readonly #headers: Readonly<Record<string, string>>
  readonly #credentials: Credentials | undefined
  readonly #underWay = new Register<Roundtrip>()
  readonly #room = new Room()

  constructor(url: URL, options: ConnectOptions, transport: Transport) {
    this.#url = url
    this.#post = this.#at('post')
    this.#options = options
    this.#transport = transport
    this.#limit = options.maxMessageBytes ?? MAX_MESSAGE_BYTES
    this.address = url.href.replace(/\/$/, '')
    this.#credentials = Credentials.of(this.address, options)
    const own = Object.fromEntries(Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
    // Packing costs more than it spares on fast networks, so only who asks for it gets it. Browsers decide themselves.
    this.#headers = { 'accept-encoding': options.compression === undefined ? 'identity' : options.compression, ...own }
  }

  accepts(): boolean {
    return true
  }

  /** Asks for the root, which is open to all. @throws ConnectionError when nobody is there, or a proxy says so */
  open(): Promise<void> {
    return this.#hello('')
  }

  /** Asks for what is not open to all. Whoever has nothing there has let in who asks. */
  enter(): Promise<void> {
    return this.#hello('status')
  }

  async #hello(path: string): Promise<void> {
    const { connectTimeout = CONNECT_TIMEOUT } = this.#options
    let heard = false
    const read = async (received: Received): Promise<void> => {
      heard = true
      if (NOT_OPEN.includes(kindOf(received.status))) throw failureOfStatus(this.address, received, `/${path}`, '')
      // So that the connection can be used again; an endless page is left.
      let bytes = 0
      for await (const chunk of received.chunks()) if ((bytes += chunk.length) > 1024 * 1024) return
    }
    try {
      const ask = (): Sending => ({ method: 'GET', url: this.#at(path), headers: this.#headers })
      await this.#exchange(ask, undefined, new Scope(), connectTimeout, read)
    } catch (error) {
      if (heard || (error as Partial<ConnectionError>).code !== 'ERR_TIMEOUT') throw error
      throw failure('unreachable', this.address, `nobody answers there within ${connectTimeout} ms (connectTimeout)`, { cause: error })
    }
  }

  async close(reason?: unknown): Promise<void> {
    for (const call of this.#underWay) call.stop(reason)
    await this.#transport.close()
  }

  async handle(request: Request): Promise<void> {
    const { timeout } = this.#options
    const deadline = deadlineOf(timeout, request.scope.deadline)
    let leave: (() => void) | undefined
    const prepare = (scope: Scope): Sending | Promise<Sending> => {
      const entered = this.#room.enter(scope, deadline, request.tenant)
      const go = (entered: () => void): Sending | Promise<Sending> => {
        leave = entered
        return this.#sendingOf(request, deadline)
      }
      return entered instanceof Promise ? entered.then(go) : go(entered)
    }
    const read = async (received: Received, scope: Scope): Promise<void> => {
      leave!()
      if (received.status !== 200) throw await refused(this.address, request, received, this.#limit)
      const answers: Answers = { request, scope, address: this.address, limit: this.#limit }
      const answer = await readAnswer(received, answers)
      // While a long one was read.
      if (scope.aborted) throw scope.reason
      take(request, answer)
    }
    try {
      await this.#exchange(prepare, request.identity, request.scope, timeout, read)
    } finally {
      leave?.()
    }
  }

  #sendingOf(request: Request, deadline: Scope['deadline']): Sending | Promise<Sending> {
    const message = outgoing(request, deadline)
    const { compression } = this.#options
    // Without partial answers, a line is as cheap as an object.
    const headers: Record<string, string> = Object.assign({}, this.#headers, request.emit === undefined ? PLAIN : IN_PARTS, message.headers)
    if (REQUEST_ID.test(request.id)) headers['x-request-id'] = request.id
    const sending = (body: string | Uint8Array): Sending => {
      publishBytes('client', 'sent', 'http', body)
      return { method: 'POST', url: this.#post, headers, body }
    }
    const pack = (text: string): Sending | Promise<Sending> => {
      if (compression === undefined || text.length < PACK_FROM || typeof CompressionStream !== 'function') return sending(text)
      headers['content-encoding'] = compression
      return packed(text, compression).then(sending)
    }
    const text = requestText(message)
    return typeof text === 'string' ? pack(text) : text.then(pack)
  }

  async status(live: string): Promise<readonly ToldStatus[]> {
    const status = await this.#exchange(
      () => ({ method: 'GET', url: this.#at(`status?live=${live}`), headers: { ...this.#headers, accept: 'application/json' } }),
      undefined,
      new Scope(),
      this.#options.connectTimeout ?? CONNECT_TIMEOUT,
      async (received) => {
        const text = decode(await received.whole(this.#limit))
        return received.status === 200 ? (JSON.parse(text) as { sluice?: unknown } | null)?.sluice : undefined
      },
    )
    return status === undefined ? [] : [{ address: this.address, status }]
  }

  async isReady(options: { signal?: AbortSignal; timeout?: number } = {}): Promise<boolean> {
    const { timeout = this.#options.connectTimeout ?? CONNECT_TIMEOUT, signal } = options
    const ask = async (path: string): Promise<{ status: number; json: any }> =>
      this.#exchange(
        () => ({ method: 'GET', url: this.#at(path), headers: { ...this.#headers, accept: 'application/json' } }),
        undefined,
        watchable(signal),
        timeout,
        async (received) => ({
          status: received.status,
          json: JSON.parse(decode(await received.whole(1024 * 1024)) || 'null'),
        }),
      )
    try {
      const { status, json } = await ask('dry_run')
      // Where it is not offered, another answer has to do.
      if (status === 404) return (await ask('ready')).status === 200
      return status === 200 && (json?.code === 0 || json?.code === 'SUCCESS')
    } catch {
      return false
    }
  }

  #at(path: string): URL {
    return new URL(path, this.#url.href.endsWith('/') ? this.#url : `${this.#url.href}/`)
  }

  /**
   * Sends, and takes what comes back, until it is done, in time, and wanted.
   * @param prepare what to send, once it may be
   * @param identity for whom
   */
  async #exchange<R>(
    prepare: (scope: Scope) => Sending | Promise<Sending>,
    identity: Identity | undefined,
    wanted: Watchable,
    timeout: number | undefined,
    read: (received: Received, scope: Scope) => Promise<R>,
  ): Promise<R> {
    const call = new Roundtrip(this.address, this.#limit, timeout, wanted)
    const { scope } = call
    const leave = this.#underWay.enter(call)
    try {
      const prepared = prepare(scope)
      const sending = prepared instanceof Promise ? await prepared : prepared
      const brought = this.#credentials && (await this.#credentials.headers(identity, scope))
      const all = brought === undefined ? sending : { ...sending, headers: { ...sending.headers, ...brought } }
      if (scope.aborted) throw scope.reason
      return await new Promise<R>((resolve, reject) => {
        // Also when the transport is slow to notice.
        scope.watch(reject)
        const begun = (received: Received): Promise<R> => {
          call.begun = true
          return read(received, scope)
        }
        this.#transport.send(all, scope).then(begun).then(resolve, reject)
      })
    } catch (error) {
      const failed = call.failure(error)
      // What was not read of the answer would hold its connection for ever.
      call.stop(error)
      throw failed
    } finally {
      call.end()
      leave()
    }
  }
}

export function watchable(signal: AbortSignal | undefined): Watchable {
  return {
    watch(abort) {
      const listener = (): void => abort(signal?.reason)
      if (signal?.aborted) listener()
      signal?.addEventListener('abort', listener)
      return () => signal?.removeEventListener('abort', listener)
    },
  }
}

async function packed(text: string, coding: 'gzip' | 'deflate'): Promise<Uint8Array> {
  return new Uint8Array(await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream(coding))).arrayBuffer())
}
