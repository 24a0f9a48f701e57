import { ConnectionError, say } from '../../errors.js'
import { type Address, written } from '../address.js'
import { collect, decode } from '../http/body.js'
import { isNode, later } from '../http/client.js'
import { failureOf } from '../http/client-failure.js'
import { chunksOf } from '../http/client-fetch.js'
import { Refusal } from '../http/refusal.js'
import type { Received, Sending, Transport, TransportOptions } from '../http/transport.js'
import { eventsOf, type GraphQLResult, resultOf } from './client-answers.js'

export type { GraphQLResult } from './client-answers.js'

export interface MutateOptions {
  /** Milliseconds. Default: the Client's. */
  timeout?: number | undefined
  headers?: Readonly<Record<string, string>> | undefined
  signal?: AbortSignal | undefined
  /** Which operation of the document. */
  operationName?: string | undefined
}

interface Settings extends Omit<TransportOptions, 'url'> {
  readonly headers: Readonly<Record<string, string>>
  readonly maxMessageBytes: number
  readonly timeout?: number | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
}

/** Asks `/graphql` of a server, over HTTP. Failures are ConnectionErrors, as on other wires. */
export class GraphQLConnection {
  readonly #url: URL
  readonly #settings: Settings
  readonly #send: Transport['send']
  readonly #transport: Transport | undefined

  constructor(address: Address, settings: Settings) {
    this.#url = new URL(`${written(address, 'http')}/graphql`)
    this.#settings = settings
    const { fetch, tls, connectTimeout } = settings
    this.#transport = fetch === undefined && isNode() ? later({ url: this.#url, tls, connectTimeout }) : undefined
    this.#send = this.#transport?.send.bind(this.#transport) ?? ((sending, signal) => sendBy(fetch ?? globalThis.fetch, sending, signal))
  }

  /** @throws ConnectionError, `ERR_REFUSED` with the server's errors as its `cause` where there is no data */
  async mutate(document: string, variables?: object, options: MutateOptions = {}): Promise<GraphQLResult> {
    return this.#ask('application/graphql-response+json, application/json', document, variables, options, (received) => this.#result(received))
  }

  /** What a subscription sends, by server-sent events. */
  async *subscribe(document: string, variables?: object, options: MutateOptions = {}): AsyncGenerator<GraphQLResult, void> {
    const left = new AbortController()
    const stop = (): void => left.abort(options.signal!.reason)
    options.signal?.addEventListener('abort', stop, { once: true })
    if (options.signal?.aborted) stop()
    let begun = false
    try {
      const received = await this.#ask('text/event-stream', document, variables, { ...options, signal: left.signal }, async (received) => received)
      begun = true
      if (!received.header('content-type')?.startsWith('text/event-stream')) {
        yield await this.#result(received)
        return
      }
      for await (const { event, data } of eventsOf(received.chunks(), this.#settings.maxMessageBytes)) {
        if (event === 'complete') return
        if (event === 'next' || event === 'message') yield JSON.parse(data) as GraphQLResult
      }
      throw new ConnectionError('ERR_DISCONNECTED', this.#url.href, 'the stream ended before the subscription was complete')
    } catch (error) {
      throw options.signal?.aborted ? options.signal.reason : this.#failure(error, begun)
    } finally {
      options.signal?.removeEventListener('abort', stop)
      left.abort()
    }
  }

  close(): unknown {
    return this.#transport?.close()
  }

  async #ask<R>(accept: string, query: string, variables: object | undefined, options: MutateOptions, read: (received: Received) => Promise<R>): Promise<R> {
    const { headers, timeout: usual } = this.#settings
    const timeout = options.timeout ?? usual
    const late = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
    const signal = AbortSignal.any([options.signal, late].filter((signal) => signal !== undefined))
    let begun = false
    try {
      const body = JSON.stringify({ query, variables, operationName: options.operationName })
      const all = { 'content-type': 'application/json', accept, ...lowercase(headers), ...lowercase(options.headers) }
      const received = await this.#send({ method: 'POST', url: this.#url, headers: all, body }, signal)
      begun = true
      return await read(received)
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason
      if (late?.aborted) throw new ConnectionError('ERR_TIMEOUT', this.#url.href, `no answer within ${timeout} ms`, { cause: error })
      throw this.#failure(error, begun)
    }
  }

  #failure(error: unknown, begun: boolean): unknown {
    if (!(error instanceof Refusal)) return failureOf(this.#url.href, error, begun)
    return error.status === 413
      ? new ConnectionError('ERR_TOO_LARGE', this.#url.href, `the answer is larger than ${this.#settings.maxMessageBytes} bytes (maxMessageBytes)`)
      : new ConnectionError('ERR_PROTOCOL', this.#url.href, say(error))
  }

  async #result(received: Received): Promise<GraphQLResult> {
    return resultOf(this.#url.href, received.status, decode(await collect(received.chunks(), this.#settings.maxMessageBytes)))
  }
}

/** By a `fetch` of the caller's own. */
async function sendBy(fetch: typeof globalThis.fetch, { method, url, headers, body }: Sending, signal: AbortSignal): Promise<Received> {
  const response = await fetch(url.href, { method, headers: { ...headers }, body: body as BodyInit, signal })
  return { status: response.status, header: (name) => response.headers.get(name) ?? undefined, chunks: () => chunksOf(response.body) }
}

function lowercase(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
