import { callback, count, milliseconds, patience, type Retries, retries, some, string, word } from '../base/check.js'
import { deprecated } from '../base/deprecated.js'
import { ConnectionError, OptionTypeError, optionRange, optionType } from '../base/errors.js'
import { tell } from '../base/incidents.js'
import { type Logger, log } from '../base/logger.js'
import { checkNamed } from '../base/misspelled.js'
import { isAway } from '../base/retry-policy.js'
import type { Tags } from '../doc/document.js'
import { Retry } from '../handler/retry.js'
import type { Inputs } from '../post/inputs.js'
import { type PostOptions, withDefaults } from '../post/options.js'
import { Post, post } from '../post/post.js'
import { Unread } from '../post/unread.js'
import type { Handler } from '../request/handler.js'
import type { Parameters } from '../request/parameters.js'
import type { Request } from '../request/request.js'
import { CALLS, traceCall } from '../request/traced.js'
import { Breaker, type BreakerStatus } from '../stream/breaker.js'
import { Eventual } from '../stream/eventual.js'
import { RetryBudget } from '../stream/retry-budget.js'
import { Scope } from '../stream/scope.js'
import { type Address, type AddressOptions, addressOf, written } from '../wire/address.js'
import { CLIENT_RULES, headers, headersOver } from '../wire/connect-options.js'
import type { Connection, ToldStatus } from '../wire/connection.js'
import { checkDocarray } from '../wire/docarray.js'
import type { GraphQLConnection, MutateOptions } from '../wire/graphql/client/connection.js'
import { isName } from '../wire/hosts.js'
import { forGood } from '../wire/outcome.js'
import type { RemoteOptions } from '../wire/remote-options.js'
import { certificates, isInFiles, onNode } from '../wire/tls.js'
import type { Profile } from './profiling.js'

/** What a Client can be told. */
export interface ClientOptions extends Omit<RemoteOptions, 'headers' | 'metadata' | 'compression'>, Omit<AddressOptions, 'tls'> {
  /** Where the server is: a name or an IP address, which may bring scheme and port, such as `'grpc://my.flow:1234'`. Default `127.0.0.1`. */
  host?: string | undefined
  /** Default 80, or 443 with `tls`, as in Jina. */
  port?: number | undefined
  /** Jina 2's name for `port`. */
  portExpose?: number | undefined
  /** Packs what is sent. Jina's way to write it is taken, too. Default: none. */
  compression?: 'gzip' | 'deflate' | 'Gzip' | 'Deflate' | undefined
  /** Default `'grpc'`, as in Jina; in browsers, give another: they cannot speak it. */
  protocol?: AddressOptions['protocol']
  /** Go with each call: HTTP headers, gRPC metadata. In browsers, WebSockets cannot have any. */
  headers?: Readonly<Record<string, string>> | Headers | undefined
  /** gRPC's name for `headers`. */
  metadata?: Readonly<Record<string, string>> | Headers | undefined
  /**
   * How often a request is sent again when the server is not there or goes away or, with `attemptTimeout`, does not answer in time. A number, or
   * with its waits. Default 0: what was done twice cannot be undone.
   */
  retries?: number | Retries | undefined
  /** Milliseconds in which a request must be answered, all tries and the waits between them included. Default: no end. */
  timeout?: number | undefined
  /** Milliseconds that one try may take. Default: what `timeout` leaves. */
  attemptTimeout?: number | undefined
  /** @deprecated `retries`: one less, as the first try does not count there. */
  maxAttempts?: number | undefined
  /** @deprecated `retries: { attempts, delay }`. Default 500 where another of these names is given, as in Jina. */
  initialBackoff?: number | undefined
  /** @deprecated `retries: { attempts, maxDelay }`. Default 2000 where another of these names is given, as in Jina. */
  maxBackoff?: number | undefined
  /** @deprecated By what waits grow; with `retries` they double. Default 1.5 where another of these names is given, as in Jina. */
  backoffMultiplier?: number | undefined
  /** The most requests of one post between its input and its consumer. Default 16; a post's own wins. */
  prefetch?: number | undefined
  /** The most documents of one post between its input and its consumer. Default: `prefetch` times the post's `requestSize`; a post's own wins. */
  prefetchDocuments?: number | undefined
  /**
   * One like the platform's `fetch`, for HTTP and GraphQL to go through. A page's cookies are not sent; where they should be:
   * `(url, init) => fetch(url, { ...init, credentials: 'include' })`. Default: Node's own client, elsewhere `fetch`.
   */
  fetch?: typeof globalThis.fetch | undefined
  /**
   * Told, at the level warn, of each request that is sent again, and of what it failed at: `'request.retried'`; when the breaker opens, and the budget of retries is
   * spent: `'breaker.opened'`, `'budget.spent'`, and at info of their end; of posts that nobody read, as it closes: `'post.unread'`; at the level error, of keys and certificates
   * that were renewed and do not belong together: `'tls.failed'`. Default: none; of the latter, console.error; of posts, a warning of the process.
   */
  logger?: Logger | undefined
}

const RULES: Record<keyof ClientOptions, (name: string, value: any) => void> = {
  ...CLIENT_RULES,
  host(name, value) {
    string(name, value)
    // Most often a variable of the environment that is not set.
    if (value.trim() === '') throw optionRange(name, 'a name or an IP address; left out, it is this machine', value)
  },
  port: count,
  portExpose: count,
  compression: word('gzip deflate', 'i'),
  protocol: string,
  headers: (name, value) => headers(name, textsOf(value)),
  metadata: (name, value) => headers(name, textsOf(value)),
  retries,
  timeout: patience,
  attemptTimeout: patience,
  maxAttempts(name, value) {
    count(name, value)
    if (value === 0) throw optionRange(name, 'an integer ≥ 1, or Infinity', value)
  },
  initialBackoff: milliseconds,
  maxBackoff: milliseconds,
  backoffMultiplier(name, value) {
    if (typeof value !== 'number') throw optionType(name, 'a number', value)
    if (!(value >= 1 && value < Infinity)) throw optionRange(name, 'a number ≥ 1', value)
  },
  prefetch: count,
  prefetchDocuments: some,
  fetch: callback,
  logger: callback,
}

/**
 * Posts documents to a Flow that is served elsewhere: by `sluice flow`, by a Gateway, or by Python Jina. Nothing is connected before the
 * first request. What fails on the way is a ConnectionError, the same on every protocol; what an executor fails at, an ExecutorError.
 *
 * @example
 * await using client = new Client('grpc://127.0.0.1:51000')
 * for await (const response of client.post('/index', documents)) console.log(response.docs.length)
 */
export class Client implements Handler, AsyncDisposable {
  readonly address: Address
  readonly #options: ReturnType<typeof asHere>
  readonly #headers: Readonly<Record<string, string>>
  readonly #token: RemoteOptions['token']
  readonly #breaker: Breaker
  /** What is told of its calls. */
  readonly #traced: { readonly address: string; readonly protocol: Address['protocol'] }
  /** Nothing, where a request is sent once. */
  readonly #retry: Retry | undefined
  /** It has one. What is asked for after its end, or not answered before, fails with its reason, whatever is spoken: see `#connected()`. */
  readonly #life = new Scope()
  readonly #unread: Unread
  #closing: Promise<void> | undefined
  #connection: Connection | undefined
  #connecting: Promise<Connection> | undefined
  #graphql: Promise<GraphQLConnection> | undefined

  /**
   * @param host the address, or the options alone
   * @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) that names the option, or what is given twice
   */
  constructor(host: string | ClientOptions = {}, options: ClientOptions = {}) {
    const all = asHere(checkNamed('Client', onlyOnce(host, options), RULES))
    this.#options = all
    this.address = addressOf(all)
    this.#unread = new Unread(`Client of ${written(this.address)}`, all.logger)
    this.#traced = { address: written(this.address), protocol: this.address.protocol }
    checkDocarray(all.docarray, [this.address.protocol])
    const allowed = headersOver(this.address.protocol)
    for (const name of ['headers', 'metadata'] as const) allowed(name, textsOf(all[name] ?? {}))
    this.#headers = { ...textsOf(all.metadata ?? {}), ...textsOf(all.headers ?? {}) }
    if (all.token !== undefined && all.tokenFile !== undefined) throw new OptionTypeError('tokenFile must be left out where token is given')
    this.#token = all.tokenFile === undefined ? all.token : inFile(all.tokenFile)
    if (this.#token !== undefined && Object.keys(this.#headers).some((name) => name.toLowerCase() === 'authorization'))
      throw new OptionTypeError('token must be left out where headers have authorization: they are the same')
    this.#breaker = new Breaker(written(this.address), () => this.reach(), all.breaker, all.logger)
    const again = retriesOf(all)
    if (again === undefined && all.retryBudget !== undefined)
      throw new OptionTypeError('retryBudget must be left out where retries is: nothing is sent again then. Give retries, too')
    if (again !== undefined && again !== 0) this.#retry = this.#retrying(again)
  }

  /** Whether the server is asked at all: not while it is away. It says how that is whenever it is read. */
  get breaker(): BreakerStatus {
    return this.#breaker
  }

  /** Sends documents to an endpoint of the Flow: as `flow.post()`, with the same options. */
  post<T extends object = Tags>(on: string, inputs?: Inputs<any>, options: PostOptions<Parameters, T> = {}): Post<T> {
    return post<T>(this, on, inputs, withDefaults(options, this.#options), this.#unread.asked)
  }

  /** `post('/index', …)` */
  index<T extends object = Tags>(inputs?: Inputs<any>, options?: PostOptions<Parameters, T>): Post<T> {
    return this.post<T>('/index', inputs, options)
  }

  /** `post('/search', …)` */
  search<T extends object = Tags>(inputs?: Inputs<any>, options?: PostOptions<Parameters, T>): Post<T> {
    return this.post<T>('/search', inputs, options)
  }

  /** `post('/update', …)` */
  update<T extends object = Tags>(inputs?: Inputs<any>, options?: PostOptions<Parameters, T>): Post<T> {
    return this.post<T>('/update', inputs, options)
  }

  /** `post('/delete', …)` */
  delete<T extends object = Tags>(inputs?: Inputs<any>, options?: PostOptions<Parameters, T>): Post<T> {
    return this.post<T>('/delete', inputs, options)
  }

  /**
   * Runs a GraphQL mutation, or query, on the server: whatever the protocol, it goes to `/graphql` over HTTP.
   * @returns its `data`, and its `errors` if it has any and `data` too
   * @throws where there is no data: ExecutorError for what an executor failed at; ConnectionError for all else, such as `ERR_REFUSED` for what the
   * server does not take. Their `cause` are the server's errors
   */
  async mutate(document: string, variables?: object, options?: MutateOptions): Promise<{ data: any; errors?: readonly any[]; extensions?: any }> {
    return (await this.#overHttp()).mutate(document, variables, options)
  }

  /**
   * Runs a GraphQL subscription on the server, and gives what it sends as it comes. Leaving the loop ends it there.
   * @throws as {@link mutate} does, at the first `next()`
   */
  subscribe(document: string, variables?: object, options?: MutateOptions): AsyncIterableIterator<{ data: any; errors?: readonly any[]; extensions?: any }> {
    const answers = new Eventual(
      () => this.#overHttp(),
      (over: GraphQLConnection) => over.subscribe(document, variables, options),
    )
    return new Post(answers as AsyncIterableIterator<any>, this.#unread.asked('', 'subscribe')) as AsyncIterableIterator<any>
  }

  /** Whether the Flow answers, all its executors included. Never throws. */
  async isFlowReady(options: { signal?: AbortSignal; timeout?: number } = {}): Promise<boolean> {
    try {
      const { signal, timeout, ...more } = options
      const connection = await this.#connected()
      const { signal: life } = this.#life
      // Longer timers fire at once.
      const time = timeout === undefined ? {} : { timeout: Math.min(timeout, 0x7fffffff) }
      return await connection.isReady({ ...more, ...time, signal: signal === undefined ? life : AbortSignal.any([signal, life]) })
    } catch {
      return false
    }
  }

  /**
   * What the server does, as it says itself. Nothing where it says none of that, or over a wire that does not ask.
   * @internal
   */
  async status(live: string): Promise<readonly ToldStatus[]> {
    return (await (await this.#connected()).status?.(live)) ?? []
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
    return this.#retry === undefined ? this.#send(request) : this.#retry.handle(request)
  }

  #send(request: Request): Promise<void> {
    return CALLS.isHeard ? (traceCall(this.#traced, request, () => this.#try(request)) as Promise<void>) : this.#try(request)
  }

  async #try(request: Request): Promise<void> {
    const breaker = this.#breaker
    const { scope, emit } = request
    if (breaker.state !== 'closed') {
      this.#check()
      await breaker.enter(scope)
    }
    if (emit !== undefined) {
      let heard = false
      request.emit = (part) => {
        // Others that begin while one goes on may find nobody: only its first piece is news.
        if (!heard) breaker.answered()
        heard = true
        return emit(part)
      }
    }
    try {
      const connection = this.#connection ?? (await this.#connected())
      await connection.handle(request)
      breaker.answered()
    } catch (error) {
      if (!this.#life.aborted) breaker.failed(error, scope)
      throw this.#failure(error)
    } finally {
      request.emit = emit
    }
  }

  #retrying(retries: number | Retries): Retry {
    const { timeout, attemptTimeout, logger } = this.#options
    const address = written(this.address)
    const handler = { accepts: () => true, handle: (request: Request) => this.#send(request) }
    return new Retry(handler, {
      name: address,
      timeout,
      retries,
      // Documents change with the answer, and not before.
      copies: false,
      budget: new RetryBudget(this.#options.retryBudget, (event, about) => tell(logger, event, { address, ...about })),
      passing: (error) => isAway(error) || (attemptTimeout !== undefined && error instanceof ConnectionError && error.code === 'ERR_TIMEOUT'),
      late: (_, milliseconds, cause) => {
        const last = cause === undefined ? '' : `, the last attempt being: ${(cause as Error).message}`
        return new ConnectionError('ERR_TIMEOUT', address, `no answer within ${milliseconds} ms${last}`, { cause })
      },
      onRetry: ({ id, header }, error) => log(logger, 'warn', 'request.retried', { requestId: id, endpoint: header.execEndpoint, error }),
    })
  }

  /**
   * Connects now, and not with the first request, and asks whether this Client is let in. Once, whatever `retries` says.
   * @throws ConnectionError when nobody is there within `connectTimeout`, or a proxy says so (`ERR_UNREACHABLE`), for who is not let in (`ERR_REFUSED`), or
   * when this Client is closed before it is done
   */
  open(): Promise<this> {
    return this.#open(true)
  }

  /** Whether anybody is there, whoever it lets in. @throws ConnectionError as {@link open} does */
  reach(): Promise<this> {
    return this.#open(false)
  }

  async #open(enter: boolean): Promise<this> {
    try {
      const connection = await this.#connected()
      await connection.open()
      if (enter) await connection.enter?.()
      this.#check()
      return this
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /**
   * Lets go of the connection, for good. What is under way, `open()`, `mutate()` and `subscribe()` too, fails with ConnectionError `ERR_DISCONNECTED`
   * and is not sent again, whatever `retries` says; so does all that is asked for later. Called twice, it is closed once. What `post()` and `subscribe()` gave
   * and nobody read is told of: nothing was sent for it.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    const [connecting, graphql] = [this.#connecting, this.#graphql]
    const reason = forGood(new ConnectionError('ERR_DISCONNECTED', written(this.address), 'this Client was closed'))
    this.#connection = undefined
    this.#unread.tell()
    this.#life.abort(reason)
    this.#retry?.stop(reason)
    await (await connecting?.catch(() => undefined))?.close(reason)
    await (await graphql?.catch(() => undefined))?.close(reason)
  }

  /** @throws the one reason for all, once it is closed */
  #check(): void {
    if (this.#life.aborted) throw this.#life.reason
  }

  /** The same of what failed: a wire may be about to say something else then, as that the connection broke off. */
  #failure(error: unknown): unknown {
    return this.#life.aborted ? this.#life.reason : error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #connected(): Promise<Connection> {
    this.#check()
    this.#connecting ??= this.#connect().catch((error) => {
      this.#connecting = undefined
      throw error
    })
    const connection = await this.#connecting
    this.#check()
    this.#connection = connection
    return connection
  }

  async #connect(): Promise<Connection> {
    const { connect } = await wireFor(this.address)
    const { tls, compression, connectTimeout, maxMessageBytes, forwardIdentity, docarray, unary, keepalive, nats, fetch, logger } = this.#options
    const told = {
      ...{ compression, timeout: this.#tryTimeout, connectTimeout, maxMessageBytes, token: this.#token, forwardIdentity, logger },
      tls: typeof tls === 'object' ? tls : undefined,
      headers: this.#headers,
      ...(this.address.protocol === 'http' ? { fetch } : { keepalive }),
      ...(this.address.protocol === 'grpc' && { docarray, unary }),
      ...(this.address.protocol === 'nats' && { nats, compression: undefined }),
    }
    // Wires refuse words they do not know, also with nothing behind them.
    const options = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined))
    const address = written(this.address)
    // What somebody brings to ask by may take other ways, platforms without names of their own find the way themselves, and NATS has its own for who is there.
    if (!onNode || fetch !== undefined || this.address.protocol === 'nats' || !isName(this.address.host)) return connect(address, options)
    const { ByName } = await import('./by-name.js')
    return new ByName(address, this.address, (at) => connect(address, { ...options, at }), connectTimeout)
  }

  /** Milliseconds that a connection gives a try. */
  get #tryTimeout(): number | undefined {
    const { timeout, attemptTimeout } = this.#options
    return attemptTimeout === undefined ? timeout : Math.min(attemptTimeout, timeout ?? Infinity)
  }

  /** Loads what it speaks by, and connects to nobody: what is asked later depends on no file then. */
  async load(): Promise<void> {
    const { tls, tokenFile } = this.#options
    const wire = await wireFor(this.address)
    await Promise.all([wire.load?.(this.#options), tokenFile !== undefined && tokens(), typeof tls === 'object' && isInFiles(tls) && certificates()])
    // There may be none yet: who asks later hears of it.
    if (typeof this.#token === 'function') await Promise.resolve(this.#token()).catch(() => {})
  }

  async #overHttp(): Promise<GraphQLConnection> {
    this.#check()
    const { tls, connectTimeout, maxMessageBytes, fetch, logger } = this.#options
    this.#graphql ??= import('../wire/graphql/client/connect.js').then(
      ({ connect }) =>
        connect(this.address, {
          ...{ timeout: this.#tryTimeout, connectTimeout, maxMessageBytes, fetch, token: this.#token, logger },
          tls: typeof tls === 'object' ? tls : undefined,
          headers: this.#headers,
        }),
      (error) => {
        this.#graphql = undefined
        throw error
      },
    )
    const connection = await this.#graphql
    this.#check()
    return connection
  }
}

/** @throws OptionTypeError for what is said twice */
function onlyOnce(host: string | ClientOptions, options: ClientOptions): ClientOptions {
  if (typeof host === 'string') {
    if (options?.host !== undefined) throw new OptionTypeError('host must be left out where the address comes first: new Client(address, options)')
    return { ...options, host }
  }
  if (Object.keys(options ?? {}).length > 0)
    throw new OptionTypeError('Options go into one object: new Client({ host, …options }), or behind an address: new Client(address, options)')
  return host
}

/** What Jina writes in another way, as it is written here. @throws OptionTypeError for what is said twice */
function asHere({ portExpose, compression, ...options }: ClientOptions): ClientOptions & Pick<RemoteOptions, 'compression'> {
  if (portExpose !== undefined && options.port !== undefined) throw new OptionTypeError('port must be left out where portExpose is given: they are the same')
  return {
    ...options,
    ...(portExpose !== undefined && { port: portExpose }),
    ...(compression !== undefined && { compression: compression.toLowerCase() as RemoteOptions['compression'] }),
  }
}

/** @throws OptionTypeError for what is said twice */
function retriesOf({ retries, maxAttempts, initialBackoff, maxBackoff, backoffMultiplier }: ClientOptions): ClientOptions['retries'] {
  const old = Object.entries({ maxAttempts, initialBackoff, maxBackoff, backoffMultiplier }).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  if (old.length === 0) return retries
  if (retries !== undefined) throw new OptionTypeError(`${old.join(', ')} must be left out where retries is given`)
  for (const name of old) deprecated(`${name} of a Client`, NOW[name as keyof typeof NOW])
  const [attempts, growth] = [(maxAttempts ?? 1) - 1, backoffMultiplier ?? 1.5]
  return attempts === 0 ? 0 : ({ attempts, delay: initialBackoff ?? 500, maxDelay: maxBackoff ?? 2000, growth } as Retries)
}

const NOW = {
  maxAttempts: 'retries, which counts the tries after the first',
  initialBackoff: 'retries: { attempts, delay }',
  maxBackoff: 'retries: { attempts, maxDelay }',
  backoffMultiplier: 'retries, whose waits double,',
}

/** What reads files of tokens. */
const tokens = () => import('../wire/tokens.js')

/** The token of a file, which is there when it is first asked for. */
function inFile(file: string): () => Promise<string> {
  let token: Promise<() => Promise<string>> | undefined
  return async () => {
    token ??= tokens().then(
      ({ tokenFrom }) => tokenFrom(file),
      (error) => {
        token = undefined
        throw error
      },
    )
    return (await token)()
  }
}

/** The wire's own room, loaded when somebody speaks it. */
async function wireFor({
  protocol,
  ...address
}: Address): Promise<{ connect(address: string, options?: object): Connection; load?(options: ClientOptions): Promise<void> }> {
  if (protocol === 'http') return import('../wire/http/client/connect.js')
  if (protocol === 'websocket') return import('../wire/websocket/client/connect.js')
  if (protocol === 'nats') return import('../wire/nats/client/connect.js')
  if (typeof process !== 'object')
    throw new ConnectionError('ERR_PROTOCOL', written({ protocol, ...address }), 'browsers cannot speak gRPC. Use http:// or ws://')
  return import('../wire/grpc/client/connect.js')
}

/** As an object, which `Headers` of the platform are not. */
function textsOf(headers: NonNullable<ClientOptions['headers']>): Readonly<Record<string, string>> {
  return headers instanceof Headers ? Object.fromEntries(headers) : headers
}
