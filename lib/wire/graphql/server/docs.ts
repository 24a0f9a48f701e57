import { GraphQLError, type GraphQLResolveInfo } from 'graphql'
import { DocumentArray } from '../../../doc/array.js'
import type { Document } from '../../../doc/document.js'
import { postOnce } from '../../../post/once.js'
import type { PostOptions } from '../../../post/options.js'
import { type Post, post } from '../../../post/post.js'
import type { Handler } from '../../../request/handler.js'
import type { Parameters } from '../../../request/parameters.js'
import type { Response } from '../../../request/response.js'
import { Scope } from '../../../stream/scope.js'
import { STRANGER } from '../../authentication.js'
import { type CallContext, callContext, requestContext } from '../../context-headers.js'
import { UnwritableAnswer } from '../../error-listener.js'
import type { Identity } from '../../identity.js'
import { askedBy } from '../../message.js'
import { checkNames } from '../../names.js'
import type { Settings } from '../options.js'
import { type Deferring, listed } from './answer.js'
import type { Asking, BodyCharge } from './body.js'
import { isPreflighted } from './csrf.js'
import { wantsDeltas, withDeltas } from './deltas.js'
import { graphQLError, refusal } from './failures.js'
import { type Data, documents } from './input.js'
import { filled, type Lists } from './variables.js'

/** What resolvers get to know of the HTTP request. */
export interface Context extends Deferring {
  readonly request: Asking
  /** What the response failed at that a subscription gives now. They are given one after the other. */
  failed?: GraphQLError | undefined
  /** The documents among the variables, which are to be put in their places. */
  readonly lists?: Lists
  /** What the executors answered last, by the key of its field. */
  answered?: Map<string | number, Response>
  /** What came with the operation beside it. */
  readonly params?: { readonly query?: string | undefined; readonly extensions?: Readonly<Record<string, unknown>> | null }
  /** Who asks. */
  readonly identity?: Identity | undefined
  /** Where it asks from, where that is known. */
  readonly address?: string | undefined
  /** What its bytes are charged to. */
  readonly charge?: BodyCharge | undefined
  /** A page of another origin asks, which is not granted. */
  readonly isStranger?: boolean | undefined
  /** What became of `docs`, where the executors were asked before, and graphql is to say it. */
  readonly asked?: Promise<Response | undefined> | undefined
}

const ARRIVAL = { protocol: 'graphql', method: 'docs' } as const

/** Those of `docs`. */
export interface Arguments {
  readonly data?: Data
  readonly targetExecutor?: string | null
  readonly parameters?: unknown
  readonly execEndpoint: string
}

interface StreamArguments extends Arguments {
  readonly requestSize?: number | null
  readonly resultsInOrder?: boolean | null
  readonly partial?: boolean | null
}

/** Sends the documents of a query or mutation: one request, as one HTTP call is one request in Jina. */
export type Ask = (args: Arguments, context: Context) => Promise<Response | undefined>

/** @returns what resolves with the response, or nothing for `data: []`, which sends nothing. It throws what the executors failed at */
export function asking(peer: Handler): Ask {
  return async (args, context) => {
    const call = callOf(args, context)
    const given = documents(args.data)
    const docs = (given instanceof Promise ? await given : given) ?? new DocumentArray()
    if (docs.length === 0 && given !== undefined) return undefined
    const send = (scope: Scope): Promise<Response> => postOnce(askedBy(peer, call), args.execEndpoint, docs, toldTo(args), scope)
    const { request } = context
    const response = await (request.scope === undefined ? untilLeft(request.signal, send) : send(request.scope))
    if (response.error !== undefined) throw response.error
    return response
  }
}

/** Works as long as the client is there. */
async function untilLeft<T>(signal: AbortSignal, work: (scope: Scope) => Promise<T>): Promise<T> {
  const own = new Scope()
  const hear = (): void => own.abort(signal.reason)
  if (signal.aborted) hear()
  else signal.addEventListener('abort', hear)
  try {
    return await work(own)
  } finally {
    signal.removeEventListener('abort', hear)
  }
}

/** Resolves `docs` of a query or mutation. */
export function docs(
  peer: Handler,
  { onError }: Settings,
): (root: unknown, args: Arguments, context: Context, info: GraphQLResolveInfo) => Promise<readonly Document[]> {
  const ask = asking(peer)
  return async (_root, args, context, info) => {
    filled(info.variableValues, context.lists)
    try {
      const response = await (context.asked ?? ask(args, context))
      if (response === undefined) return []
      answered(response, context, info)
      return listed(response.docs, context, info)
    } catch (error) {
      throw explain(error, context, onError)
    }
  }
}

function answered(response: Response, context: Context, { path }: GraphQLResolveInfo): void {
  context.answered ??= new Map()
  context.answered.set(path.key, response)
}

/** The error of a field whose value cannot be written, as a failure of the last executor that had it. */
export function blamed(error: GraphQLError, { answered }: Context, report: (error: Error) => void): GraphQLError {
  const { nodes, path } = error
  const response = answered?.get(path?.[0] ?? '')
  if (response === undefined) {
    report(error)
    return error
  }
  const { header, requestId, routes } = response
  const where = { executor: routes.at(-1)?.executor ?? '', endpoint: header.execEndpoint, requestId }
  report(new UnwritableAnswer(error, where))
  const extensions = { code: 'ERR_EXECUTOR', ...where }
  return new GraphQLError(`The answer cannot be sent: ${error.message}`, { nodes: nodes ?? null, path: path ?? null, originalError: error, extensions })
}

/** Subscribes to `docs`: a failed response comes with an error beside it, and the stream goes on. */
export function streamDocs(
  peer: Handler,
  { onError, prefetch }: Settings,
): (root: unknown, args: StreamArguments, context: Context, info: GraphQLResolveInfo) => Promise<AsyncIterableIterator<Response>> {
  const whole = inOne(peer)
  const grown = withDeltas(peer)
  return async (_root, args, context, info) => {
    filled(info.variableValues, context.lists)
    const heard = (response: Response) => {
      answered(response, context, info)
      if (response.error !== undefined) context.failed = located(graphQLError(response.error, onError))
      return response
    }
    try {
      const { requestSize, resultsInOrder, partial } = args
      const responses = await send(partial === false ? whole : wantsDeltas(info) ? grown : peer, args, context, {
        requestSize: requestSize ?? undefined,
        resultsInOrder: resultsInOrder ?? undefined,
        prefetch,
        continueOnError: true,
      })
      return new Heard(responses, heard, (error) => explain(error, context, onError))
    } catch (error) {
      throw explain(error, context, onError)
    }
  }
}

/** The error of the field that the response is. What nobody may know of is masked. */
function located(error: unknown): GraphQLError {
  const { message, extensions } = error instanceof GraphQLError ? error : new GraphQLError('Unexpected error.')
  const { http: _, ...shown } = extensions
  return new GraphQLError(message, { path: ['docs'], extensions: shown })
}

async function send(peer: Handler, args: Arguments, context: Context, options: PostOptions): Promise<Post> {
  const call = callOf(args, context)
  return post(askedBy(peer, call), args.execEndpoint, await documents(args.data), { ...options, ...toldTo(args), signal: context.request.signal })
}

/** What came with what is asked for. @throws GraphQLError where it may not be; OptionRangeError */
function callOf({ execEndpoint }: Arguments, { request, params, identity, address, charge, isStranger }: Context): CallContext | undefined {
  // A query changes as much as a mutation does, so an image tag on some page must not be able to send one.
  if (request.method === 'GET' && !isPreflighted(request))
    throw refusal('forbidden', 'docs is not run for a plain GET, which any page can send. Use POST, or add the header x-graphql-require-preflight: 1')
  if (isStranger) throw refusal('forbidden', STRANGER)
  checkNames({ execEndpoint })
  if (charge !== undefined) charge.endpoint = execEndpoint
  const call = callContext(ARRIVAL, (name) => request.headers.get(name) ?? undefined, identity, address, charge?.hold)
  return requestContext(params?.extensions ?? undefined, call)
}

function toldTo({ parameters, targetExecutor }: Arguments): Pick<PostOptions, 'parameters' | 'targetExecutor'> {
  return { parameters: (parameters ?? undefined) as Parameters | undefined, targetExecutor: targetExecutor ?? undefined }
}

/** A handler that is not asked for parts: who wants all at once has no use for them, and no end of them is none in time. */
function inOne(peer: Handler): Handler {
  return {
    accepts: (endpoint) => peer.accepts(endpoint),
    handle(request) {
      request.emit = undefined
      return peer.handle(request)
    },
  }
}

/** What a client is told of why there are no documents, see {@link graphQLError}. */
export function explain(error: unknown, { request }: Context, report: (error: unknown) => void): unknown {
  // Nobody reads it, and nothing went wrong here.
  if ((request.scope ?? request.signal).aborted) return new GraphQLError('The client went away', { extensions: { code: 'ABORTED', http: { status: 499 } } })
  return graphQLError(error, report)
}

/**
 * Responses as a resolver hands them on. By hand and not as a generator, which could not be closed while it waits: so a client that
 * leaves stops the executors at once.
 */
class Heard implements AsyncIterableIterator<Response> {
  readonly #responses: Post
  readonly #each: (response: Response) => Response
  readonly #explain: (error: unknown) => unknown

  constructor(responses: Post, each: (response: Response) => Response, explain: (error: unknown) => unknown) {
    this.#responses = responses
    this.#each = each
    this.#explain = explain
  }

  async next(): Promise<IteratorResult<Response>> {
    try {
      const step = await this.#responses.next()
      return step.done ? step : { done: false, value: this.#each(step.value) }
    } catch (error) {
      throw this.#explain(error)
    }
  }

  return(): Promise<IteratorResult<Response>> {
    return this.#responses.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
