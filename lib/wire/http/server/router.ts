import { publishBytes } from '../../../base/events.js'
import { newId } from '../../../doc/id.js'
import { type Describing, type Descriptions, NONE } from '../../../executor/schemas.js'
import { Limiter, limiterOf } from '../../../handler/limits.js'
import type { Handler } from '../../../request/handler.js'
import type { ByteBudget } from '../../../stream/byte-budget.js'
import { type Authenticator, CHALLENGE, type Verdict } from '../../authentication.js'
import { bytesOf, chargeDocuments, JSON_WEIGHT } from '../../charge.js'
import { type CallContext, callContext } from '../../context-headers.js'
import { Cors } from '../../cors.js'
import { DELTAS_HEADER } from '../../deltas.js'
import type { Drain } from '../../drain.js'
import type { Identity } from '../../identity.js'
import { againIn, answer, type Message } from '../../message.js'
import { againHeaders, whenAgain } from '../../retry-after.js'
import { outcomeIn } from '../../status.js'
import type { Mcp } from '../mcp/mcp.js'
import { contentOf, formatOf } from '../media.js'
import type { Settings } from '../options.js'
import { parse, requestOf } from '../read.js'
import { type Complaint, HttpRefusal, unsupported } from '../refusal.js'
import { statusFor } from '../status.js'
import { answerText } from '../write.js'
import { Stream, streamHeaders, whole } from './answer-stream.js'
import type { Exchange, Headers, Reply } from './exchange.js'
import { failureOf } from './failures.js'
import { livePage } from './live-page.js'
import { notAllowed, notFound } from './not-found.js'
import { asset } from './page.js'
import { about, dryRun } from './probes.js'
import { type Route, routesOf } from './routes.js'
import { failLate, upload } from './upload-stream.js'

/** What says which requests are taken. */
export const openapi = () => import('./openapi.js')

/** What asks for more than what is counted anyway. */
const LIVE = /[?&]live=/
const REQUEST_ID = /^[\w.-]{1,128}$/

/** Answers requests for a peer, on whatever server they came. */
export class Router {
  readonly #peer: Handler
  readonly #bytes: ByteBudget | undefined
  readonly #settings: Settings
  readonly #routes = new Map<string, Map<string, Route>>()
  readonly #cors: Cors | undefined
  readonly #all: readonly Route[]
  #openapi: { readonly described: Descriptions; readonly known: string; readonly text: string } | undefined
  readonly #authenticator: Authenticator
  readonly #drain: Drain
  #mcp: Promise<Mcp> | undefined

  constructor(peer: Handler, settings: Settings, authenticator: Authenticator, drain: Drain) {
    this.#authenticator = authenticator
    this.#drain = drain
    // What whoever asks gives a request is kept there, too.
    this.#peer = limiterOf(peer) === undefined ? new Limiter(peer, settings).by('http') : peer
    this.#bytes = bytesOf(this.#peer)
    this.#settings = settings
    const routes = routesOf(settings)
    for (const route of routes) {
      const methods = this.#routes.get(route.path) ?? new Map<string, Route>()
      methods.set(route.method, route)
      this.#routes.set(route.path, methods)
    }
    this.#cors = settings.cors ? new Cors(settings.cors) : undefined
    this.#all = routes
  }

  /** Answers with a reply, or piece by piece, and then with nothing. Never throws. */
  async answer(exchange: Exchange): Promise<Reply | undefined> {
    const given = exchange.header('x-request-id')
    const id = given !== undefined && REQUEST_ID.test(given) ? given : newId()
    const headers: Headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff', 'x-request-id': id }
    if (this.#cors !== undefined) Object.assign(headers, this.#cors.granted(exchange.header('origin')))
    try {
      return await this.#route(exchange, id, headers)
    } catch (error) {
      return this.#fail(exchange, error, { requestId: id }, headers)
    }
  }

  async #fail(exchange: Exchange, error: unknown, about: Partial<Message>, headers: Headers): Promise<Reply> {
    // Nobody reads it any more; it is not a failure of ours.
    const failure = failureOf(error, about, exchange.scope.aborted ? () => {} : this.#settings.onError)
    if (failure instanceof HttpRefusal) return failure.reply(headers)
    Object.assign(headers, againHeaders(whenAgain(failure.kind, error)))
    return { status: failure.status, headers, body: await answerText(failure.message, this.#settings.exposeStacks) }
  }

  #route(exchange: Exchange, id: string, headers: Headers): Reply | undefined | Promise<Reply | undefined> {
    const { method, target } = exchange
    const mark = target.indexOf('?')
    const path = mark === -1 ? target : target.slice(0, mark)
    const methods = this.#routes.get(path) ?? this.#routes.get(decoded(path))
    const route = methods?.get(method) ?? (method === 'HEAD' ? methods?.get('GET') : undefined)
    const go = (identity: Identity | undefined): Reply | undefined | Promise<Reply | undefined> => {
      if (methods === undefined) throw new HttpRefusal('unimplemented', notFound(path, this.#all))
      if (route === undefined) return this.#otherwise(exchange, path, methods, headers)
      const query = mark === -1 ? '' : target.slice(mark + 1)
      return route.task === 'work' || route.task === 'mcp'
        ? this.#work(
            route,
            query,
            exchange,
            id,
            headers,
            callContext({ protocol: 'http', method: `${route.method} ${route.path}` }, (name) => exchange.header(name), identity, exchange.caller.address),
          )
        : this.#tell(route, exchange, headers, identity, mark === -1 ? '' : target.slice(mark + 1))
    }
    const verdict = this.#admit(exchange, route)
    if (verdict instanceof Promise)
      return verdict.then((verdict) => (verdict.denied === undefined ? go(verdict.identity) : this.#turnAway(verdict, route, headers)))
    return verdict.denied === undefined ? go(verdict.identity) : this.#turnAway(verdict, route, headers)
  }

  /** Before anything of the body is read. */
  #admit(exchange: Exchange, route: Route | undefined): Verdict | Promise<Verdict> {
    const { caller, scope, method } = exchange
    const task = route?.task
    return this.#authenticator.admit(caller, scope, {
      // A browser asks, before it asks, and brings nothing: whoever hears the answer has learned nothing but which pages may ask.
      health: task === 'alive' || task === 'ready',
      preflight: method === 'OPTIONS' && this.#cors !== undefined && exchange.header('access-control-request-method') !== undefined,
      // Whoever looks at what goes on has it collected.
      runs: task === 'work' || task === 'mcp' || task === 'dryRun' || task === 'liveEvents' || (task === 'status' && LIVE.test(exchange.target)),
      granted: this.#granted,
    })
  }

  readonly #granted = (origin: string): boolean => this.#cors?.allows(origin) ?? false

  #otherwise(exchange: Exchange, path: string, methods: ReadonlyMap<string, Route>, headers: Headers): Reply {
    const allow = [...methods.keys(), ...(methods.has('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ')
    if (exchange.method !== 'OPTIONS') throw new HttpRefusal('unimplemented', notAllowed(path, methods.keys()), { allow }, 405)
    headers.allow = allow
    delete headers['content-type']
    const asked = exchange.header('access-control-request-headers')
    Object.assign(headers, this.#cors?.permitted(exchange.header('origin'), allow, asked))
    return { status: 204, headers, body: '' }
  }

  get #limiter(): Limiter {
    return limiterOf(this.#peer)!
  }

  /** Who opens the live page and is not known sees it without a number in it: it asks for the token that it then asks with. */
  #turnAway(verdict: Verdict, route: Route | undefined, headers: Headers): Reply | Promise<Reply> {
    const reply = turnAway(verdict, headers)
    if (route?.task !== 'live' || verdict.denied?.kind !== 'unauthenticated') return reply
    return livePage().then(({ body, headers }) => ({ ...reply, headers: { ...reply.headers, ...headers }, body }))
  }

  /** What happens, as it happens, for who looks. */
  async #watch(exchange: Exchange, headers: Headers): Promise<Reply | undefined> {
    Object.assign(headers, streamHeaders('sse'))
    if (exchange.method === 'HEAD') return { status: 200, headers, body: '' }
    const { write } = exchange.open(200, headers, false)
    await this.#settings.live!.watch(write, exchange.scope)
    return undefined
  }

  async #tell({ task, path }: Route, exchange: Exchange, headers: Headers, identity: Identity | undefined, query: string): Promise<Reply | undefined> {
    headers['cache-control'] = 'no-store'
    const reply = (body: string, status = 200): Reply => ({ status, headers, body })
    switch (task) {
      case 'openapi':
        return reply(await this.#describe())
      case 'page': {
        const { body, headers: more } = asset(path)
        Object.assign(headers, more)
        return reply(body)
      }
      case 'live': {
        const { body, headers: more } = await livePage()
        Object.assign(headers, more)
        return reply(body)
      }
      case 'liveEvents':
        return this.#watch(exchange, headers)
      case 'liveDocuments': {
        const documents = this.#settings.live!.documents(new URLSearchParams(query).get('of') ?? '')
        return documents === undefined ? reply('{"detail":"Not shown, or not kept any more"}', 404) : reply(documents)
      }
      case 'ready': {
        const ready = this.#drain.ready && (await this.#limiter.health()).ready
        return reply(`{"ready":${ready}}`, ready ? 200 : 503)
      }
      case 'dryRun':
        return reply(JSON.stringify(await dryRun(this.#peer, exchange.scope, this.#settings, identity)))
      case 'metrics':
        headers['content-type'] = 'text/plain; version=0.0.4; charset=utf-8'
        return reply(this.#settings.metrics!())
      case 'status':
        return reply(JSON.stringify(await about(this.#limiter, this.#authenticator.asks, new URLSearchParams(query).get('live'))))
      default:
        return reply('{}')
    }
  }

  /** Made when somebody asks: a Flow may be opened later than it is offered, and again. */
  async #describe(): Promise<string> {
    const [{ openapiOf }, described = NONE] = await Promise.all([openapi(), (this.#peer as Partial<Describing>).describe?.()])
    const { endpoints = [] } = this.#limiter
    const known = endpoints.join(' ')
    if (described !== this.#openapi?.described || known !== this.#openapi.known)
      this.#openapi = { described, known, text: JSON.stringify(openapiOf(this.#all, this.#settings, described, endpoints)) }
    return this.#openapi.text
  }

  async #work(route: Route, query: string, exchange: Exchange, id: string, headers: Headers, context: CallContext): Promise<Reply | undefined> {
    exchange.tenant = context.tenant
    if (this.#drain.draining)
      throw new HttpRefusal('closing', 'Shutting down: ask again, or ask another instance', { connection: 'close', ...againHeaders(whenAgain('closing')) })
    if (exchange.method === 'GET' || exchange.method === 'HEAD') return this.#single(await asked(query), route, exchange, id, headers, context)
    const content = contentOf(exchange.header('content-type'))
    if (content === undefined)
      throw unsupported('Send application/json, such as {"data": [{"text": "hello"}]}, or application/x-ndjson with a document on each line, in UTF-8')
    if (content === 'ndjson') {
      if (route.task === 'mcp') throw unsupported('Send application/json: one message of JSON-RPC')
      return upload(this.#peer, this.#settings, route.endpoint, query, exchange, headers, context)
    }
    const hold = this.#bytes?.hold(context.tenant, false, JSON_WEIGHT)
    try {
      const text = await exchange.text(this.#settings.maxJsonBytes, hold)
      publishBytes('server', 'received', 'http', text)
      const parsed = parse(text)
      const json = parsed instanceof Promise ? await parsed : parsed
      if (route.task === 'mcp') return await (await this.#tools()).answer(json, exchange, id, headers, { ...context, hold })
      return await this.#single(json, route, exchange, id, headers, { ...context, hold })
    } finally {
      hold?.leave()
    }
  }

  /** What offers endpoints as tools. Loaded when somebody asks: a gateway has looked before whether its package is there. */
  #tools(): Promise<Mcp> {
    this.#mcp ??= import('../mcp/mcp.js')
      .then(({ Mcp }) => Mcp.open(this.#peer, this.#settings))
      .catch((error) => {
        this.#mcp = undefined
        throw error
      })
    return this.#mcp
  }

  async #single(json: unknown, route: Route, exchange: Exchange, id: string, headers: Headers, context: CallContext): Promise<Reply | undefined> {
    const format = formatOf(exchange.header('accept')) ?? 'json'
    const read = requestOf(json, id, route.endpoint, this.#settings.maxDocuments, context)
    const message = read instanceof Promise ? await read : read
    chargeDocuments(context.hold, message.docs.length)
    const { execEndpoint, targetExecutor, parameters } = message
    const about = { requestId: id, execEndpoint, targetExecutor, parameters }
    const stream = format === 'json' ? undefined : new Stream(exchange, format, headers, this.#settings)
    try {
      const answered = await answer(
        this.#peer,
        message,
        exchange.scope,
        stream && ((part) => stream.send(part)),
        exchange.header(DELTAS_HEADER) === '1' ? ALONE : undefined,
      )
      if (stream?.begun) {
        await stream.send(answered, undefined, (length) => this.#bytes?.answered(execEndpoint || '/', length))
        await stream.end()
        return undefined
      }
      stream?.close()
      const kind = outcomeIn(answered.status)?.kind
      Object.assign(headers, againHeaders(againIn(answered.headers)))
      const body = await whole(format, answered, this.#settings)
      this.#bytes?.answered(execEndpoint || '/', body.length)
      publishBytes('server', 'sent', 'http', body)
      return {
        status: kind === undefined ? 200 : statusFor(kind),
        headers: format === 'json' ? headers : Object.assign(headers, streamHeaders(format)),
        body: kind === 'invalid' && format === 'json' ? complained(body, answered) : body,
      }
    } catch (error) {
      if (!stream?.begun) return this.#fail(exchange, error, about, headers)
      await failLate(stream, error, about, this.#settings, exchange)
      return undefined
    } finally {
      stream?.close()
    }
  }
}

/** An envelope that says in FastAPI's words, too, what an executor did not take. */
function complained(envelope: string, { status }: Message): string {
  const detail: Complaint[] = [{ loc: ['body', 'parameters'], msg: status!.description, type: 'value_error' }]
  return `{"detail":${JSON.stringify(detail)},${envelope.slice(1)}`
}

/** There is one request, which needs no number. */
const ALONE = (): undefined => undefined

/** What a GET asks for. */
async function asked(query: string): Promise<unknown> {
  const given = new URLSearchParams(query)
  const json: Record<string, unknown> = {}
  for (const name of ['data', 'parameters']) if (given.has(name)) json[name] = await parse(given.get(name)!)
  for (const name of ['targetExecutor', 'target_executor', 'execEndpoint', 'exec_endpoint']) if (given.has(name)) json[name] = given.get(name)
  return json
}

function turnAway({ denied }: Verdict, headers: Headers): Reply {
  const { kind, reason } = denied!
  return { ...new HttpRefusal(kind, reason, kind === 'unauthenticated' ? CHALLENGE : {}).reply(headers), unread: true }
}

/** @throws HttpRefusal with status 400 for what is no path */
function decoded(path: string): string {
  let text: string
  try {
    text = decodeURIComponent(path)
  } catch {
    throw new HttpRefusal('malformed', 'The path is not UTF-8')
  }
  if (!text.startsWith('/') || text.includes('\0') || /(^|[/\\])\.\.?([/\\]|$)/.test(text)) throw new HttpRefusal('malformed', 'Not a path of this service')
  return text
}
