import { ExecutorError, isError, OptionRangeError, OptionTypeError, SluiceError } from '../base/errors.js'
import { allocate, DocumentArray } from '../doc/array.js'
import { Executor } from '../executor/executor.js'
import { failureOf } from '../graph/walk.js'
import { limiterOf } from '../handler/limits.js'
import { grown } from '../request/grown.js'
import type { Handler } from '../request/handler.js'
import { fork } from '../request/lineage.js'
import type { Parameters } from '../request/parameters.js'
import { RESULTS, snapshot } from '../request/parameters.js'
import { type ContextHeaders, Header, Request } from '../request/request.js'
import { Response } from '../request/response.js'
import { GATEWAY, Route } from '../request/route.js'
import type { Status } from '../request/status.js'
import type { Scope } from '../stream/scope.js'
import { bring, type CallContext, requestContext, writeContext } from './context-headers.js'
import { type Answering, DeltaWriter, type MessageDeltas, type Numbering, readDeltas } from './deltas.js'
import { UnwritableAnswer } from './error-listener.js'
import { failuresIn, withFailures } from './failures.js'
import { checkNames } from './names.js'
import { outcome } from './outcome.js'
import { withoutPlaces } from './public-message.js'
import { againField, readAgain, whenAgain } from './retry-after.js'
import { failureIn, publicStatus, unwrittenStatus, withoutStacks } from './status.js'

/** One stop of a request, as wires carry it. Times are milliseconds since the epoch. */
export interface Stop {
  readonly executor: string
  readonly startTime: number
  readonly endTime?: number | undefined
  readonly status?: Status | undefined
}

/** What wires carry, both ways: Jina's DataRequestProto, in every dialect. */
export interface Message {
  /** 32 hex digits when we made it; any text when others did. Empty when they gave none. */
  readonly requestId: string
  readonly execEndpoint: string | undefined
  readonly targetExecutor: string | undefined
  readonly status: Status | undefined
  /** With `__results__` in them, on the way back. */
  readonly parameters: Parameters
  readonly routes: readonly Stop[]
  readonly docs: DocumentArray
  /** Given for a partial answer: which one it is, from 0. */
  readonly ordinal?: number | undefined
  /** Given for a partial answer of deltas, to who asks for them: `docs` are those that come whole with it. */
  readonly deltas?: MessageDeltas | undefined
  /** The header of a message that has one beside its call's: context headers stand in it. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  /** What came with its call, and who asks, as far as it is known of who was let in. No wire carries that in the message. */
  readonly context?: CallContext | undefined
}

/**
 * A request as it goes out.
 * @param deadline until when it is waited for
 * @param given headers that go with every request, where it has none of its own
 */
export function outgoing(request: Request, deadline: Scope['deadline'] = request.scope.deadline, given?: ContextHeaders): Message {
  const { execEndpoint, targetExecutor, parameters } = request.header
  const own = writeContext(request, deadline)
  const headers = given === undefined ? own : { ...given, ...own }
  return { requestId: request.id, execEndpoint, targetExecutor, status: undefined, parameters, routes: [], docs: request.docs, headers }
}

/** A response as it goes back, with what clients may know of a failure. */
export function answerOf(response: Response, docs: DocumentArray = response.docs): Message {
  const { requestId, routes, partial, ordinal, error } = response
  const { execEndpoint, targetExecutor } = response.header
  return {
    requestId,
    execEndpoint,
    targetExecutor,
    status: error === undefined ? response.status : publicStatus(error),
    parameters: withFailures(response.parameters, response.failures),
    routes: routes.map(({ executor, startTime, endTime, status }) => ({
      executor,
      startTime: startTime.getTime(),
      endTime: endTime?.getTime(),
      status: status && publicStop(status, error),
    })),
    docs,
    ordinal: partial ? ordinal : undefined,
    ...(error !== undefined && headed(error)),
  }
}

/** With when to ask again, where a refusal says so. */
export function headed(error: Error): Pick<Message, 'headers'> {
  const again = whenAgain(outcome(error).kind, error)
  return again === undefined ? {} : { headers: againField(again) }
}

/**
 * What writes the responses to one request, partial ones too.
 * @param deltas given for who asks for them. Others get the documents that grew, whole
 */
export function writerFor(deltas: Numbering | undefined): (response: Response) => Message {
  if (deltas === undefined) return (response) => answerOf(response)
  const writer = new DeltaWriter()
  let numbered: { readonly of: number | undefined } | undefined
  return (response) => {
    if (response.delta === undefined) return answerOf(response)
    numbered ??= { of: deltas() }
    const { docs, list } = writer.write(response.delta)
    const said = { list, ...numbered }
    const { ordinal } = response
    return docs.length === 0 ? emptyMessage({ ordinal, deltas: said }) : { deltas: said, ...answerOf(response, docs) }
  }
}

/** Where it failed on its way. */
function publicStop(status: Status, error: Error | undefined): Status {
  const shown = withoutPlaces(error)
  const { exception } = status
  return { ...status, description: shown(status.description), ...(exception && { exception: { ...exception, args: exception.args.map(shown) } }) }
}

/**
 * Has a peer answer what came in.
 * @param partial gets partial answers; without it, there are none. What it throws, as of a piece that cannot be written, the executor fails of
 * @param deltas given where those are wanted as deltas, where they are
 * @throws what is wrong with the message (codes `ERR_OPTION_*`, `ERR_DOCUMENT`), or with the peer (`ERR_FLOW_CLOSED`, for instance). What an
 * executor failed at is an answer, with the status ERROR, and what became of it is told by `outcomeIn()`
 */
export async function answer(
  peer: Handler,
  message: Message,
  scope: Scope,
  partial?: (answer: Message) => Promise<void>,
  deltas?: Numbering,
): Promise<Message> {
  checkNames(message)
  const header = new Header(message.execEndpoint || '/', snapshot(message.parameters), message.targetExecutor || undefined)
  const request = new Request(header, message.docs, scope)
  const context = requestContext(message.headers, message.context)
  const leave = context && bring(request, context)
  if (message.requestId !== '') request.id = message.requestId
  if (partial !== undefined) {
    const write = writerFor(deltas)
    request.emit = (response) => partial(write(response))
  }
  try {
    const preparing = header.prepare()
    if (preparing !== undefined) await preparing
    const pending = peer.handle(request)
    if (pending !== undefined) await pending
    return withStops(answerOf(new Response(request)), message)
  } catch (error) {
    // An Executor that is served by itself throws what it throws; a Flow says who did.
    const served = limiterOf(peer)?.inner ?? peer
    const failure = served instanceof Executor && !isOurs(error) ? failureOf(served.name, request, error) : error
    if (!(failure instanceof ExecutorError)) throw failure
    const answered = answerOf(new Response(request, failure))
    // What is refused is not sent back: nobody has done anything with it, or somebody still does.
    return withStops(failure.executor === GATEWAY ? { ...answered, docs: new DocumentArray() } : answered, message)
  } finally {
    leave?.()
  }
}

/** Said of the request or of the server, not by an executor. */
function isOurs(error: unknown): boolean {
  return isError(error) && (error instanceof SluiceError || error instanceof OptionRangeError || error instanceof OptionTypeError)
}

/** A gateway before us finds its own stop in the answer, as it left it in the request. */
function withStops(answer: Message, { routes }: Message): Message {
  if (routes.length === 0) return answer
  const passed = new Set(routes.map(({ executor }) => executor))
  return { ...answer, routes: [...routes, ...answer.routes.filter(({ executor }) => executor !== 'gateway' || !passed.has(executor))] }
}

/**
 * Takes what came back for a request, as its executors' own.
 * @throws ExecutorError for an answer with the status ERROR; ConnectionError (`ERR_TIMEOUT`, `ERR_UNREACHABLE`) for one that says that the server itself gave it up
 */
export function take(request: Request, { docs, parameters, routes, status, headers }: Message): void {
  request.docs = docs
  const results: unknown = parameters[RESULTS]
  if (typeof results === 'object' && results !== null) for (const [executor, result] of Object.entries(results)) request.answer(executor, result)
  for (const { executor, startTime, endTime, status } of routes) {
    // Where we came in ourselves, we know it better.
    if (executor === 'gateway' && request.routes.some((route) => route.executor === 'gateway')) continue
    const route = new Route(executor, startTime)
    if (endTime !== undefined) route.leave(endTime)
    route.status = status
    request.routes.push(route)
  }
  const failures = failuresIn(parameters, { endpoint: request.header.execEndpoint, requestId: request.id })
  if (failures !== undefined) request.failures = [...(request.failures ?? []), ...failures]
  if (status?.code === 'ERROR') throw failureIn(status, { endpoint: request.header.execEndpoint, requestId: request.id }, againIn(headers))
}

/** When to ask again, by the header of a message. */
export function againIn(headers: Message['headers']): number | undefined {
  return headers && readAgain((name) => headers[name])
}

/**
 * A partial answer that came back for a request, as a response to hand on.
 * @param answering who sent it
 * @throws ConnectionError (`ERR_PROTOCOL`, `ERR_TOO_LARGE`) for deltas that have no sense
 */
export function partOf(request: Request, message: Message, answering: Answering): Response {
  const { deltas } = message
  if (deltas !== undefined)
    return grown(resultsOf(fork(request, allocate(0), request.scope, request.whole.header), message), readDeltas(request, message.docs, deltas, answering))
  // The consumer sees what it said, not what one executor was told of that.
  const part = resultsOf(fork(request, message.docs, request.scope, request.whole.header), message)
  return new Response(part, undefined, request.countPart())
}

function resultsOf(part: Request, { parameters }: Message): Request {
  const results: unknown = parameters[RESULTS]
  if (typeof results === 'object' && results !== null) for (const [executor, result] of Object.entries(results)) part.answer(executor, result)
  return part
}

/** A message without documents, of one's own making. */
export function emptyMessage(given: Partial<Message>): Message {
  return {
    requestId: '',
    execEndpoint: undefined,
    targetExecutor: undefined,
    status: undefined,
    parameters: {},
    routes: [],
    docs: new DocumentArray(),
    ...given,
  }
}

/**
 * What an answer becomes that cannot be written: a failure of its last executor, which says why.
 * @param report hears of it
 */
export function unwritten({ requestId, execEndpoint, targetExecutor, routes }: Message, error: unknown, report: (error: Error) => void): Message {
  const executor = routes.at(-1)?.executor ?? ''
  report(new UnwritableAnswer(error, { executor, endpoint: execEndpoint, requestId }))
  return emptyMessage({
    requestId,
    execEndpoint,
    targetExecutor,
    routes: routes.map(({ executor, startTime, endTime }) => ({ executor, startTime, endTime })),
    status: unwrittenStatus(error, executor),
  })
}

/** A message without stacks, which tell of the inside. */
export function sealed(message: Message): Message {
  const { status, routes } = message
  if (status?.exception === undefined && routes.every(({ status }) => status === undefined)) return message
  return { ...message, status: withoutStacks(status), routes: routes.map((stop) => ({ ...stop, status: withoutStacks(stop.status) })) }
}

/** A handler whose requests all came with one call: for who sends several, by `post()`. */
export function askedBy(peer: Handler, context: CallContext | undefined): Handler {
  if (context === undefined) return peer
  return {
    accepts: (endpoint) => peer.accepts(endpoint),
    handle(request) {
      const leave = bring(request, context)
      const pending = peer.handle(request)
      return leave === undefined ? pending : Promise.resolve(pending).finally(leave)
    },
  }
}
