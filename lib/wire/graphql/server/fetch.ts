import type { IncomingMessage, ServerResponse } from 'node:http'
import { execute, GraphQLError, type GraphQLSchema, NoSchemaIntrospectionCustomRule, subscribe } from 'graphql'
import { createYoga, type Plugin } from 'graphql-yoga'
import { say } from '../../../base/errors.js'
import type { Descriptions } from '../../../executor/schemas.js'
import { Limiter, limiterOf } from '../../../handler/limits.js'
import type { Handler } from '../../../request/handler.js'
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
import { type GraphQLOptions, type Settings, settings } from '../options.js'
import { STATUS } from '../status.js'
import { around, complete, dataText, type Result } from './answer.js'
import { BodyCharge } from './body.js'
import { allowOrigins } from './cors.js'
import { gate } from './csrf.js'
import { blamed, type Context } from './docs.js'
import { UNWRITABLE } from './failures.js'
import { limitOperations } from './limits.js'
import { ParseCache, parseWithin } from './parse.js'
import { createSchema } from './schema.js'
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

/** @param authenticator who decides who comes in, for other wires as well */
export function graphQLBehind(peer: Handler, options: GraphQLOptions, authenticator?: Authenticator): GraphQLHandler {
  const all = settings(options)
  const onError = heard(all.onError, all.logger)
  const logged = all.logger === undefined && limiterOf(peer) !== undefined ? (peer as Limiter) : new Limiter(peer, { logger: all.logger })
  const yoga = createYoga({
    schema: schemaOf(logged, { ...all, onError }),
    graphqlEndpoint: all.path,
    plugins: plugins({ ...all, onError }),
    parserAndValidationCache: { documentCache: new ParseCache(), errorCache: new ParseCache(), validationCache: true },
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
  const bytes = bytesOf(peer)
  const run = async (req: IncomingMessage, res: ServerResponse, context: Pick<Context, 'identity' | 'address' | 'isStranger'>): Promise<void> => {
    if (bytes === undefined) return void (await yoga(req, res, context as object))
    const tenant = tenantOf(context.identity, context.address)
    const scope = new Scope()
    const hold = bytes.hold(tenant, false, JSON_WEIGHT)
    let isHeld = true
    const leave = (): void => {
      if (isHeld) hold.leave()
      isHeld = false
    }
    // Yoga would wait for ever to write the rest.
    res.once('close', () => {
      scope.abort(new DOMException('The client left', 'AbortError'))
      leave()
    })
    const owed = new Owed(res, bytes)
    const charge = new BodyCharge(bytes, hold, scope)
    let length = 0
    // Yoga writes, and waits until it may go on.
    for (const name of ['write', 'end'] as const) {
      const write = res[name].bind(res) as (...all: unknown[]) => unknown
      res[name] = ((...all: unknown[]) => {
        hold.made()
        const done = write(...all)
        if (typeof all[0] === 'string' || all[0] instanceof Uint8Array) length += all[0].length
        owed.note(tenant)
        return done
      }) as never
    }
    try {
      await yoga(req, res, { ...context, charge } as object)
      // Of a subscription, that is all there ever was.
      if (charge.endpoint !== undefined && !String(res.getHeader('content-type')).startsWith('text/event-stream')) bytes.answered(charge.endpoint, length)
    } finally {
      leave()
    }
  }
  const take = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const scope = new Scope()
    const left = (): void => scope.abort(new DOMException('The client left', 'AbortError'))
    res.once('close', left)
    const caller = new NodeCaller(req, 'graphql')
    const { denied, identity } = await door.admit(caller, req.method, scope)
    res.off('close', left)
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
      if (denied === undefined) return yoga.fetch(request, { identity, address: caller.address, isStranger: door.isStranger(caller) })
      const { status, headers, body } = door.answer(denied, request.headers.get('origin'))
      return new Response(body, { status, headers })
    },
    path: all.path,
  })
}

/** What makes fields of what executors say. */
export const typed = () => import('./typed.js')

/** The schema of Jina, with a field for each endpoint of which executors say something: a Flow may be opened later than it is offered, and again. */
function schemaOf(peer: Limiter, settings: Settings): () => GraphQLSchema | Promise<GraphQLSchema> {
  const general = createSchema(peer, settings)
  let made: { readonly descriptions: Descriptions; readonly schema: GraphQLSchema } | undefined
  return () => {
    const describing = peer.describe()
    if (describing === undefined) return general
    return Promise.all([describing, typed()]).then(([descriptions, { fieldsOf }]) => {
      if (made?.descriptions !== descriptions) made = { descriptions, schema: createSchema(peer, settings, fieldsOf(descriptions, peer, settings, general)) }
      return made.schema
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

/** What graphql answers, and how yoga is told to write it. */
interface Told extends Result {
  stringify?: (result: Result) => string
}

/** graphql's own execution. Yoga's copies all variables first, which is a tenth of a request with many documents. */
function engine(report: (error: unknown) => void): Plugin {
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
    onExecute({ setExecuteFn, context }) {
      setExecuteFn((args) => withLists(args, execute))
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
      setSubscribeFn((args) => withLists(args, subscribe))
      return {
        onSubscribeResult({ result }) {
          refuse(result as Result)
          return {
            async onNext({ result }) {
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

function plugins(settings: Settings): Plugin[] {
  const list = [engine(settings.onError), gate(settings), parseWithin(settings.maxTokens), limitOperations(settings)]
  if (settings.cors !== false) list.unshift(allowOrigins(settings.cors))
  if (!settings.introspection) list.push({ onValidate: ({ addValidationRule }) => addValidationRule(NoSchemaIntrospectionCustomRule) })
  return list
}
