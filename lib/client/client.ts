import type { Tags } from '../doc/document.js'
import { ConnectionError } from '../errors.js'
import { callback, check, count, milliseconds, object, type PostOptions, string } from '../options.js'
import type { Peer } from '../peer.js'
import type { Inputs } from '../post/inputs.js'
import { type Post, post } from '../post/post.js'
import type { Request } from '../request/request.js'
import { type Address, type AddressOptions, addressOf, written } from '../wire/address.js'
import { checkDocarray, type Docarray } from '../wire/docarray.js'
import type { GraphQLClient, MutateOptions } from '../wire/graphql/client.js'
import type { ClientTls, Connection } from '../wire/wire.js'
import { Attempts } from './attempts.js'
import type { Profile } from './profiling.js'

/** What a Client can be told. */
export interface ClientOptions extends AddressOptions {
  /** Where the server is: a name or an IP address, which may bring scheme and port, such as `'grpc://my.flow:1234'`. Default `127.0.0.1`. */
  host?: string | undefined
  /** Default 80, or 443 with `tls`, as in Jina. */
  port?: number | undefined
  /** Default `'grpc'`, as in Jina; in browsers, give another: they cannot speak it. */
  protocol?: AddressOptions['protocol']
  /** Speaks TLS, with the platform's authorities, or as told. Default `false`, unless the scheme says so (`grpcs`, `https`, `wss`). */
  tls?: boolean | ClientTls | undefined
  /** Packs what is sent. Default: nothing is packed. */
  compression?: 'gzip' | 'deflate' | undefined
  /** Go with each call: HTTP headers, gRPC metadata. In browsers, WebSockets cannot have any. */
  headers?: Readonly<Record<string, string>> | undefined
  /** gRPC's name for `headers`. */
  metadata?: Readonly<Record<string, string>> | undefined
  /** How often a request is sent, when the server is not there or goes away. Default 1: what was done twice cannot be undone. */
  maxAttempts?: number | undefined
  /** Milliseconds before the second attempt. Default 500, as in Jina; each wait is a random part of it. */
  initialBackoff?: number | undefined
  /** Milliseconds no wait exceeds. Default 2000, as in Jina. */
  maxBackoff?: number | undefined
  /** By what waits grow. Default 1.5, as in Jina. */
  backoffMultiplier?: number | undefined
  /** Milliseconds in which a request must be answered, all attempts included. Default: no end. */
  timeout?: number | undefined
  /** Milliseconds in which a connection must stand. Default 5000. */
  connectTimeout?: number | undefined
  /** Bytes of one answer. Default 100 MiB. */
  maxMessageBytes?: number | undefined
  /** The most requests of one post between its input and its consumer. Default 16; a post's own wins. */
  prefetch?: number | undefined
  /** How documents are written over gRPC: `'v2'` for servers with docarray 0.30 or later. Default `'v1'`, docarray 0.21. */
  docarray?: Docarray | undefined
  /**
   * One like the platform's `fetch`, for HTTP and GraphQL to go through. A page's cookies are not sent; where they should be:
   * `(url, init) => fetch(url, { ...init, credentials: 'include' })`. Default: Node's own client, elsewhere `fetch`.
   */
  fetch?: typeof globalThis.fetch | undefined
}

const RULES: Record<keyof ClientOptions, (name: string, value: any) => void> = {
  host: string,
  port: count,
  protocol: string,
  tls: (name, value) => typeof value === 'boolean' || object(name, value),
  compression: string,
  headers: object,
  metadata: object,
  maxAttempts: count,
  initialBackoff: milliseconds,
  maxBackoff: milliseconds,
  backoffMultiplier: count,
  timeout: milliseconds,
  connectTimeout: milliseconds,
  maxMessageBytes: count,
  prefetch: count,
  docarray: string,
  fetch: callback,
}

/**
 * Posts documents to a Flow that is served elsewhere: by `sluice flow`, by a Gateway, or by Python Jina. Nothing is connected before the
 * first request. What fails on the way is a ConnectionError, the same on every protocol; what an executor fails at, an ExecutorError.
 *
 * @example
 * await using client = new Client('grpc://127.0.0.1:51000')
 * for await (const response of client.post('/index', documents)) console.log(response.docs.length)
 */
export class Client implements Peer, AsyncDisposable {
  readonly address: Address
  readonly #options: ClientOptions
  readonly #attempts: Attempts
  #connection: Connection | undefined
  #connecting: Promise<Connection> | undefined
  #graphql: Promise<GraphQLClient> | undefined

  /**
   * @param host the address, or the options alone
   * @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option, or what is given twice
   */
  constructor(host: string | ClientOptions = {}, options: ClientOptions = {}) {
    const all = typeof host === 'string' ? { ...options, host } : host
    this.#options = check('Client', all, RULES)
    this.address = addressOf(all)
    checkDocarray(all.docarray, [this.address.protocol])
    this.#attempts = new Attempts(written(this.address), all)
  }

  /** Sends documents to an endpoint of the Flow: as `flow.post()`, with the same options. */
  post<T extends object = Tags>(on: string, inputs?: Inputs<any>, options: PostOptions = {}): Post<T> {
    const { prefetch } = this.#options
    return post<T>(this, on, inputs, options?.prefetch === undefined && prefetch !== undefined ? { ...options, prefetch } : options)
  }

  /** `post('/index', …)` */
  index<T extends object = Tags>(inputs?: Inputs<any>, options?: PostOptions): Post<T> {
    return this.post<T>('/index', inputs, options)
  }

  /** `post('/search', …)` */
  search<T extends object = Tags>(inputs?: Inputs<any>, options?: PostOptions): Post<T> {
    return this.post<T>('/search', inputs, options)
  }

  /** `post('/update', …)` */
  update<T extends object = Tags>(inputs?: Inputs<any>, options?: PostOptions): Post<T> {
    return this.post<T>('/update', inputs, options)
  }

  /** `post('/delete', …)` */
  delete<T extends object = Tags>(inputs?: Inputs<any>, options?: PostOptions): Post<T> {
    return this.post<T>('/delete', inputs, options)
  }

  /**
   * Runs a GraphQL mutation, or query, on the server: whatever the protocol, it goes to `/graphql` over HTTP.
   * @returns its `data`, and its `errors` if it has any and `data` too
   * @throws ConnectionError: `ERR_REFUSED` with the server's errors as its `cause`, where there is no data
   */
  async mutate(document: string, variables?: object, options?: MutateOptions): Promise<{ data: any; errors?: readonly any[] }> {
    return (await this.#overHttp()).mutate(document, variables, options)
  }

  /** Runs a GraphQL subscription on the server, and gives what it sends as it comes. Leaving the loop ends it there. */
  subscribe(document: string, variables?: object, options?: MutateOptions): AsyncIterableIterator<{ data: any; errors?: readonly any[] }> {
    const over = this.#overHttp()
    return (async function* () {
      yield* (await over).subscribe(document, variables, options)
    })()
  }

  /** Whether the Flow answers, all its executors included. Never throws. */
  async isFlowReady(options?: { signal?: AbortSignal; timeout?: number }): Promise<boolean> {
    try {
      return await (await this.#connected()).isReady(options)
    } catch {
      return false
    }
  }

  /** Measures where the time of one small request goes, in milliseconds. */
  async profiling(): Promise<Profile> {
    const { profile } = await import('./profiling.js')
    return profile((on) => this.post(on, { text: '' }))
  }

  accepts(): boolean {
    return true
  }

  handle(request: Request): void | Promise<void> {
    return this.#attempts.run(request, (request) =>
      this.#connection === undefined ? this.#connected().then((connection) => connection.handle(request)) : this.#connection.handle(request),
    )
  }

  /** Connects, which the first request would do. */
  async open(): Promise<this> {
    await (await this.#connected()).open()
    return this
  }

  /** Lets go of the connection. Requests under way fail; the next one connects again. */
  async close(): Promise<void> {
    const connected = [this.#connecting, this.#graphql]
    this.#connection = undefined
    this.#connecting = undefined
    this.#graphql = undefined
    for (const one of connected) await (await one?.catch(() => undefined))?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #connected(): Promise<Connection> {
    this.#connecting ??= this.#connect().then(
      (connection) => {
        this.#connection = connection
        return connection
      },
      (error) => {
        this.#connecting = undefined
        throw error
      },
    )
    return this.#connecting
  }

  async #connect(): Promise<Connection> {
    const { connect } = await wireFor(this.address)
    const { tls, headers, metadata, compression, timeout, connectTimeout, maxMessageBytes, docarray, fetch } = this.#options
    const told = {
      ...{ compression, timeout, connectTimeout, maxMessageBytes },
      tls: typeof tls === 'object' ? tls : undefined,
      headers: { ...metadata, ...headers },
      ...(this.address.protocol === 'http' && { fetch }),
      ...(this.address.protocol === 'grpc' && { docarray }),
    }
    // Wires refuse words they do not know, also with nothing behind them.
    return connect(written(this.address), Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined)))
  }

  #overHttp(): Promise<GraphQLClient> {
    const { headers, metadata, tls, timeout, connectTimeout, maxMessageBytes, fetch } = this.#options
    this.#graphql ??= import('../wire/graphql/client.js').then(
      ({ GraphQLClient }) =>
        new GraphQLClient(this.address, {
          ...{ timeout, connectTimeout, maxMessageBytes, fetch },
          tls: typeof tls === 'object' ? tls : undefined,
          headers: { ...metadata, ...headers },
        }),
    )
    return this.#graphql
  }
}

/** The wire's own room, loaded when somebody speaks it. */
async function wireFor({ protocol, ...address }: Address): Promise<{ connect(address: string, options?: object): Connection }> {
  if (protocol === 'http') return import('../wire/http/client.js')
  if (protocol === 'websocket') return import('../wire/websocket/client/connection.js')
  if (typeof process !== 'object')
    throw new ConnectionError('ERR_PROTOCOL', written({ protocol, ...address }), 'browsers cannot speak gRPC. Use http:// or ws://')
  return import('../wire/grpc/client/connect.js')
}
