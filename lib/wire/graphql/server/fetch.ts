import type { IncomingMessage, ServerResponse } from 'node:http'
import { execute, GraphQLError, type GraphQLSchema, NoSchemaIntrospectionCustomRule } from 'graphql'
import { createYoga, type Plugin } from 'graphql-yoga'
import { say } from '../../../base/errors.js'
import type { Descriptions } from '../../../executor/schemas.js'
import { Limiter, limiterOf } from '../../../handler/limits.js'
import type { Handler } from '../../../request/handler.js'
import type { ByteBudget, Hold } from '../../../stream/byte-budget.js'
import { Scope } from '../../../stream/scope.js'
import { Authenticator, type Caller, CHALLENGE, type Denial, isStranger, type Verdict } from '../../authentication.js'
import { FetchCaller, NodeCaller } from '../../caller.js'
import { bytesOf, JSON_WEIGHT } from '../../charge.js'
import { tenantOf } from '../../context-headers.js'
import { Cors } from '../../cors.js'
import { heard } from '../../error-listener.js'
import { written } from '../../failures.js'
import { welcome } from '../../http/server/node-reply.js'
import { Owed } from '../../http/server/owed.js'
import { endSoon, leaveUnread } from '../../http/unread.js'
import { warmUpMeanwhile } from '../../warm-up.js'
import { type GraphQLOptions, type PageBeside, type Settings, settings } from '../options.js'
import { STATUS } from '../status.js'
import { around, complete, dataText, type Result } from './answer.js'
import { type Asking, type Bodied, BodyCharge } from './body.js'
import { allowOrigins } from './cors.js'
import { gate, pathOf } from './csrf.js'
import { blamed, type Context } from './docs.js'
import { UNWRITABLE } from './failures.js'
import { limitOperations } from './limits.js'
import { multipart } from './multipart.js'
import { parseWithin, TextCache } from './parse.js'
import { Plans } from './plan.js'
import { refusedWays } from './refused-ways.js'
import { createSchema } from './schema.js'
import { type Answered, type Handed, ShortRoad } from './short.js'
import { subscribed, type Told } from './subscribed.js'
import { withLists } from './variables.js'

/** GraphQL over HTTP, for any server. */
export interface GraphQLHandler {
  /** Where it answers. */
  readonly path: string
  /** For `http.createServer(handler)`, Express and their like. */
  (req: IncomingMessage, res: ServerResponse): Promise<void>
  /** For servers that speak in the platform's Request and Response: Bun, Deno, Next.js. */
  fetch(request: globalThis.Request): Promise<globalThis.Response>
}

/**
 * Offers a Flow, or any other peer, as GraphQL: `docs` as a mutation and a query with Jina's schema, and as a subscription that streams
 * responses as server-sent events. A client that leaves stops the executors.
 *
 * Safe by default: only JSON bodies, which no page of another origin can send unasked; no CORS grant; no batches; limits on bodies and
 * operations, see {@link GraphQLOptions}; no stack goes over the wire. It opens no port: listen on `127.0.0.1` unless others shall reach it.
 *
 * @param peer opened and closed by its owner
 * @throws TypeError (`ERR_OPTION_TYPE`), RangeError (`ERR_OPTION_RANGE`) that name the option
 *
 * @example
 * createServer(createGraphQL(flow)).listen(4000, '127.0.0.1')
 * Bun.serve({ fetch: createGraphQL(flow).fetch })
 * export const { fetch: GET, fetch: POST } = createGraphQL(flow, { path: '/api/graphql' })
 */
export function createGraphQL(peer: Handler, options: GraphQLOptions = {}): GraphQLHandler {
  warmUpMeanwhile(typed)
  return graphQLBehind(peer, options)
}

/**
 * @param authenticator who decides who comes in, for other wires as well
 * @param pages others of the same server
 */
export function graphQLBehind(peer: Handler, options: GraphQLOptions, authenticator?: Authenticator, pages?: readonly PageBeside[]): GraphQLHandler {
  const given = settings(options)
  const all = { ...given, onError: heard(given.onError, given.logger), pages }
  const { onError } = all
  const logged = all.logger === undefined && limiterOf(peer) !== undefined ? (peer as Limiter) : new Limiter(peer, { logger: all.logger })
  const schema = schemaOf(logged, all)
  const plans = new Plans()
  const yoga = createYoga({
    schema,
    graphqlEndpoint: all.path,
    plugins: plugins(all, plans),
    parserAndValidationCache: { documentCache: new TextCache(), errorCache: new TextCache(), validationCache: true },
    logging: { debug() {}, info() {}, warn() {}, error: (error) => onError((error as { originalError?: unknown })?.originalError ?? error) },
    maskedErrors: { isDev: false },
    // Ours, or not wanted: the body is limited where it is read, which costs a third of reading it through another stream.
    maxRequestBodySize: false,
    batching: false,
    cors: false,
    graphiql: false,
    landingPage: false,
    multipart: false,
  })
  const door = new Door(authenticator ?? new Authenticator(all, undefined, onError), all)
  const short = new ShortRoad(logged, plans, schema, all)
  const bytes = bytesOf(peer)
  const run = async (req: IncomingMessage, res: ServerResponse, context: Who): Promise<void> => {
    const request = new NodeRequest(req)
    const account = bytes && new Account(bytes, res, request.scope, tenantOf(context.identity, context.address))
    const charge = account?.charge
    let isAnswered = false
    // Yoga would wait for ever to write the rest.
    res.on('close', () => {
      if (!isAnswered && !res.writableFinished) request.scope.abort(gone())
      account?.leave()
    })
    try {
      let handed: Handed | undefined
      if (short.takes(request, request.path)) {
        const answer = await short.answer(request, { req, charge }, context)
        // Nobody waits for it.
        if (res.destroyed) return
        if ('text' in answer) {
          isAnswered = true
          account?.made()
          res.writeHead(answer.status, door.headers(answer, Buffer.byteLength(answer.text), req.headers.origin)).end(answer.text)
          account?.wrote(answer.text.length)
          account?.answered()
          return
        }
        handed = answer
      }
      account?.watch()
      await yoga(req, res, { ...context, charge, ...handed } as object)
      // Of a subscription, that is all there ever was.
      if (!/^(text\/event-stream|multipart)/.test(String(res.getHeader('content-type')))) account?.answered()
    } finally {
      account?.leave()
    }
  }
  const take = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const caller = new NodeCaller(req, 'graphql')
    const verdict = unlessLeft(res, (scope) => door.admit(caller, req.method, scope))
    const { denied, identity } = verdict instanceof Promise ? await verdict : verdict
    if (res.destroyed) return
    if (denied !== undefined) turnAway(req, res, door.answer(denied, req.headers.origin))
    else {
      if (req.headers.expect !== undefined) welcome(res)
      await run(req, res, { identity, address: caller.address, isStranger: door.isStranger(caller) })
    }
    if (!req.complete && !req.destroyed) endSoon(req)
  }
  return Object.assign(take, {
    async fetch(request: globalThis.Request): Promise<globalThis.Response> {
      const scope = new Scope()
      const left = (): void => scope.abort(request.signal.reason)
      request.signal.addEventListener('abort', left)
      const caller = new FetchCaller(request, 'graphql')
      const { denied, identity } = await door.admit(caller, request.method, scope)
      request.signal.removeEventListener('abort', left)
      if (denied !== undefined) {
        const { status, headers, body } = door.answer(denied, request.headers.get('origin'))
        return new Response(body, { status, headers })
      }
      const context: Who = { identity, address: caller.address, isStranger: door.isStranger(caller) }
      if (request.signal.aborted || !short.takes(request, pathOf(request.url))) return yoga.fetch(request, context)
      const answer = await unlessAborted(request.signal, short.answer(request, {}, context))
      if (!('text' in answer)) return yoga.fetch(request, { ...context, ...answer })
      const body = new TextEncoder().encode(answer.text)
      return new Response(body, { status: answer.status, headers: door.headers(answer, body.length, request.headers.get('origin')) })
    },
    path: all.path,
  })
}

/** Who asks. */
type Who = Pick<Context, 'identity' | 'address' | 'isStranger'>

/** Waits for somebody to be let in, as long as there is somebody. */
function unlessLeft(res: ServerResponse, admit: (scope: Scope) => Verdict | Promise<Verdict>): Verdict | Promise<Verdict> {
  const scope = new Scope()
  const verdict = admit(scope)
  if (!(verdict instanceof Promise)) return verdict
  const left = (): void => scope.abort(gone())
  res.once('close', left)
  return verdict.finally(() => res.off('close', left))
}

/** As yoga does it. */
function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const left = (): void => reject(signal.reason)
    signal.addEventListener('abort', left)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', left))
  })
}

function gone(): DOMException {
  return new DOMException('The client left', 'AbortError')
}

/** What one request and its answer are charged to, where bytes are counted. */
class Account {
  readonly charge: BodyCharge
  readonly #bytes: ByteBudget
  readonly #res: ServerResponse
  readonly #tenant: string | undefined
  readonly #hold: Hold
  readonly #owed: Owed
  #isHeld = true
  #length = 0

  constructor(bytes: ByteBudget, res: ServerResponse, scope: Scope, tenant: string | undefined) {
    this.#bytes = bytes
    this.#res = res
    this.#tenant = tenant
    this.#hold = bytes.hold(tenant, false, JSON_WEIGHT)
    this.#owed = new Owed(res, bytes)
    this.charge = new BodyCharge(bytes, this.#hold, scope)
  }

  /** Yoga writes, and waits until it may go on. */
  watch(): void {
    const res = this.#res
    for (const name of ['write', 'end'] as const) {
      const write = res[name].bind(res) as (...all: unknown[]) => unknown
      res[name] = ((...all: unknown[]) => {
        this.made()
        const done = write(...all)
        this.wrote(typeof all[0] === 'string' || all[0] instanceof Uint8Array ? all[0].length : 0)
        return done
      }) as never
    }
  }

  /** The answer is made, or begins to be. */
  made(): void {
    this.#hold.made()
  }

  wrote(length: number): void {
    this.#length += length
    this.#owed.note(this.#tenant)
  }

  /** All of it is written. */
  answered(): void {
    const { endpoint } = this.charge
    if (endpoint !== undefined) this.#bytes.answered(endpoint, this.#length)
  }

  leave(): void {
    if (this.#isHeld) this.#hold.leave()
    this.#isHeld = false
  }
}

/** A request of Node's, in as much as is looked at on the short road: one of the platform's would cost more than all that is done there. */
class NodeRequest implements Asking, Bodied {
  readonly headers: Asking['headers']
  readonly method: string
  readonly #req: IncomingMessage
  readonly scope = new Scope()

  constructor(req: IncomingMessage) {
    this.#req = req
    this.method = req.method!
    const { headers } = req
    this.headers = { get: (name) => (headers[name] as string | undefined) ?? null }
  }

  /** What is asked for; nothing where somebody else has read the body. */
  get path(): string {
    const { originalUrl, url, body } = this.#req as IncomingMessage & { originalUrl?: string; body?: unknown }
    return body === undefined ? (originalUrl ?? url!) : ''
  }

  get signal(): AbortSignal {
    return this.scope.signal
  }
}

/** What makes fields of what executors say. */
export const typed = () => import('./typed.js')

/** The schema of Jina, with a field for each endpoint of which executors say something: a Flow may be opened later than it is offered, and again. */
function schemaOf(peer: Limiter, settings: Settings): () => GraphQLSchema | Promise<GraphQLSchema> {
  const general = createSchema(peer, settings)
  let made: { readonly describing: Promise<Descriptions>; readonly descriptions: Descriptions; readonly schema: GraphQLSchema } | undefined
  return () => {
    const describing = peer.describe()
    if (describing === undefined) return general
    if (describing === made?.describing) return made.schema
    return Promise.all([describing, typed()]).then(([descriptions, { fieldsOf }]) => {
      const schema = made?.descriptions === descriptions ? made.schema : createSchema(peer, settings, fieldsOf(descriptions, peer, settings, general))
      made = { describing, descriptions, schema }
      return schema
    })
  }
}

/** Who comes in, and how a refusal is said in GraphQL. */
class Door {
  readonly #authenticator: Authenticator
  readonly #cors: Cors | undefined

  constructor(authenticator: Authenticator, { cors }: Settings) {
    this.#authenticator = authenticator
    this.#cors = cors ? new Cors(cors) : undefined
  }

  admit(caller: Caller, method: string | undefined, scope: Scope): Verdict | Promise<Verdict> {
    const preflight = method === 'OPTIONS' && this.#cors !== undefined && caller.header('access-control-request-method') !== undefined
    return this.#authenticator.admit(caller, scope, { preflight })
  }

  /** Those of an answer. */
  headers({ headers }: Answered, length: number, origin: string | null | undefined): Record<string, string> {
    return { ...headers, 'content-length': String(length), ...this.#cors?.granted(origin) }
  }

  /** Whether it may not run executors: what else GraphQL answers, no page of another origin can read. */
  isStranger(caller: Caller): boolean {
    return isStranger(caller, (origin) => this.#cors?.allows(origin) ?? false)
  }

  answer({ kind, reason }: Denial, origin: string | null | undefined): { status: number; headers: Record<string, string>; body: string } {
    const { status, code } = STATUS[kind]
    return {
      status,
      headers: { 'content-type': 'application/json; charset=utf-8', ...(kind === 'unauthenticated' ? CHALLENGE : {}), ...this.#cors?.granted(origin) },
      body: JSON.stringify({ errors: [{ message: reason, extensions: { code } }] }),
    }
  }
}

/** Answers, and does not read what still comes. */
function turnAway(req: IncomingMessage, res: ServerResponse, { status, headers, body }: ReturnType<Door['answer']>): void {
  leaveUnread(req)
  res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(req.method === 'HEAD' ? undefined : body)
}

/** graphql's own execution. Yoga's copies all variables first, which is a tenth of a request with many documents. */
function engine(report: (error: unknown) => void, plans: Plans): Plugin {
  // What throws where yoga writes an event is caught by nobody, and would end the process.
  const unsayable = (error: unknown): string => {
    report(error)
    return JSON.stringify({ data: null, errors: [{ message: `The answer cannot be sent: ${say(error)}`, extensions: { code: UNWRITABLE } }] })
  }
  /** Yoga writes all else itself, and at once. */
  const done = async (result: Told, context: Context): Promise<void> => {
    // They are not among the documents of the answer, and no error of it.
    const failures = Array.from(context.answered?.values() ?? [], ({ failures }) => failures.map(written)).flat()
    if (failures.length > 0) result.extensions = { ...result.extensions, failures }
    if (context.deferred !== undefined) await complete(result, context, context.request.signal)
    if (result.errors?.some(isUnwritable)) result.errors = result.errors.map((error) => (isUnwritable(error) ? blamed(error, context, report) : error))
    try {
      const data = await dataText(result.data)
      result.stringify = (result) => {
        try {
          return around(data, result)
        } catch (error) {
          return unsayable(error)
        }
      }
    } catch (error) {
      const text = unsayable(error)
      result.stringify = () => text
    }
  }
  return {
    onExecute({ setExecuteFn, context, args: { schema, document } }) {
      setExecuteFn((args) => withLists(args, execute))
      plans.note(schema, (context as unknown as Context).params!.query!, document)
      return {
        async onExecuteDone({ result }) {
          refuse(result as Result)
          await done(result as Result, context as unknown as Context)
        },
      }
    },
    onSubscribe({ setSubscribeFn, setResultAndStopExecution, args }) {
      const accept = (args.contextValue as Context).request.headers.get('accept') ?? '*/*'
      if (!/text\/event-stream|multipart\/mixed|(text|multipart|\*)\/\*/i.test(accept))
        return setResultAndStopExecution({ errors: [new GraphQLError(STREAMED, { extensions: { code: 'NOT_ACCEPTABLE', http: { status: 406 } } })] })
      setSubscribeFn((args) => withLists(args, subscribed))
      return {
        onSubscribeResult({ result }) {
          refuse(result as Result)
          return {
            async onNext({ result }) {
              if ((result as Told).stringify !== undefined) return
              const context = args.contextValue as Context
              const { failed } = context
              context.failed = undefined
              // Its documents are as they were when it failed, so it must not look as if all were well.
              if (failed !== undefined) (result as Result).errors = [failed, ...((result as Result).errors ?? [])]
              await done(result as Result, context)
            },
          }
        },
      }
    },
  }
}

const STREAMED = 'A subscription is answered by server-sent events. Use subscribe(), or send accept: text/event-stream; for one answer, send a mutation'

function isUnwritable({ extensions }: GraphQLError): boolean {
  return extensions.code === UNWRITABLE
}

/** Without data nothing was run: the variables do not fit, which is for the client to know. */
function refuse({ data, errors }: Result): void {
  if (data !== undefined) return
  for (const { extensions } of errors ?? []) {
    extensions.code ??= STATUS.invalid.code
    extensions.http ??= { status: STATUS.invalid.status }
  }
}

function plugins(settings: Settings, plans: Plans): Plugin[] {
  const list = [engine(settings.onError, plans), refusedWays(), gate(settings), multipart(), parseWithin(settings.maxTokens), limitOperations(settings)]
  if (settings.cors !== false) list.unshift(allowOrigins(settings.cors))
  if (!settings.introspection) list.push({ onValidate: ({ addValidationRule }) => addValidationRule(NoSchemaIntrospectionCustomRule) })
  return list
}
