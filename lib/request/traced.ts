import { type Arrival, begin, publish, type Traces, Tracing } from '../base/events.js'
import type { ContextHeaders, Request } from './request.js'

// What tools hear of requests, as base/events has it. Nothing is made where nobody listens.

type Work = () => void | Promise<void>
/** Whether a Flow has an endpoint; undefined, where that is not known. */
export type IsBound = (endpoint: string) => boolean | undefined

export const REQUESTS = /* @__PURE__ */ new Tracing<Traces['request']>('request')
export const EXECUTORS = /* @__PURE__ */ new Tracing<Traces['executor']>('executor', 'part')
export const BATCHES = /* @__PURE__ */ new Tracing<Traces['batch']>('batch')
export const CALLS = /* @__PURE__ */ new Tracing<Traces['call']>('call')

/** The calls that requests are on, where somebody listens. */
const calls = new WeakMap<Request, Traces['call']>()

/** Notes by which method a request goes to a server. */
export function noteMethod(request: Request, method: string): void {
  const call = CALLS.isHeard ? calls.get(request) : undefined
  if (call !== undefined) call.method = method
}

/** Notes how a request came to a server. */
export function noteArrival(request: Request, arrival: Arrival): void {
  if (REQUESTS.isHeard) request.arrival = arrival
}

/** What is said of a request, as it is when somebody looks. */
class Message {
  began = 0
  within: Traces['request']['within'] = undefined
  milliseconds: number | undefined = undefined
  error: unknown = undefined
  readonly #request: Request

  constructor(request: Request) {
    this.#request = request
  }

  static of(message: Message): Request {
    return message.#request
  }

  get requestId(): string {
    return this.#request.id
  }

  get endpoint(): string {
    return this.#request.header.execEndpoint
  }

  get docs(): number {
    return this.#request.docs.length
  }

  get failures(): number {
    return this.#request.failures?.length ?? 0
  }

  get headers(): ContextHeaders | undefined {
    return this.#request.contextHeaders
  }

  set headers(headers: ContextHeaders | undefined) {
    this.#request.contextHeaders = headers && Object.freeze(headers)
  }
}

/**
 * The request that a message is about, for who has to know whose it is, which no name says.
 * @throws TypeError for what is no message of ours
 */
export function subjectOf(message: object): Request {
  return Message.of(message as Message)
}

class Asked extends Message {
  constructor(
    request: Request,
    readonly flow: string,
    readonly arrival: Arrival | undefined,
  ) {
    super(request)
  }
}

class Given extends Message {
  readonly #isBound: IsBound | undefined

  constructor(
    request: Request,
    readonly executor: string,
    isBound: IsBound | undefined,
  ) {
    super(request)
    this.#isBound = isBound
  }

  get bound(): boolean | undefined {
    return this.#isBound?.(this.endpoint)
  }
}

class United extends Message {
  readonly requests: number

  constructor(
    batch: Request,
    readonly executor: string,
    readonly of: Traces['batch']['of'],
  ) {
    super(batch)
    this.requests = of.length
  }
}

class Sent extends Message {
  method: string | undefined = undefined

  constructor(
    request: Request,
    readonly address: string,
    readonly protocol: Traces['call']['protocol'],
  ) {
    super(request)
  }
}

/** A request in a Flow. What it goes on with, it keeps: who tells of its failure names its trace. */
export function traceRequest(flow: string, request: Request, work: Work): void | Promise<void> {
  const message = new Asked(request, flow, request.arrival)
  publish('sampling', () => message)
  return REQUESTS.wants(message.headers) ? REQUESTS.run(message, work) : begin(message, work)
}

/**
 * A request at an executor, and the partial answers that it gives there.
 * @param isEntrance whether nothing was told of the request here before: then tracers hear of it in any case, as what the executor does itself must not be sampled where the request is not
 */
export function traceExecutor(executor: string, request: Request, work: Work, isBound?: IsBound, isEntrance = false): void | Promise<void> {
  const { contextHeaders, emit } = request
  if (!isEntrance && !EXECUTORS.wants(contextHeaders)) return work()
  const message = new Given(request, executor, isBound)
  const isSampled = isEntrance || EXECUTORS.isSampled(contextHeaders)
  const given = emit && tellingParts(message, emit, isSampled)
  request.emit = given
  const undo = (): void => {
    // Somebody may have put another in its place, who puts it back.
    if (request.emit === given) request.emit = emit
    request.contextHeaders = contextHeaders
  }
  return EXECUTORS.run(message, work, undo, isSampled)
}

function tellingParts(call: Traces['executor'], emit: NonNullable<Request['emit']>, isSampled: boolean): NonNullable<Request['emit']> {
  return (part) => {
    const { executor, requestId, endpoint } = call
    const message = () => ({ executor, requestId, endpoint, ordinal: part.ordinal ?? 0, docs: part.docs.length, call })
    publish('part', message)
    if (isSampled) publish('part.sampled', message)
    return emit(part)
  }
}

/** Requests that go to an executor as one. */
export function traceBatch(executor: string, batch: Request, of: Traces['batch']['of'], work: Work): void | Promise<void> {
  return BATCHES.run(new United(batch, executor, of), work)
}

/** A request to a server. */
export function traceCall({ address, protocol }: Pick<Traces['call'], 'address' | 'protocol'>, request: Request, work: Work): void | Promise<void> {
  const { contextHeaders } = request
  if (!CALLS.wants(contextHeaders)) return work()
  const message = new Sent(request, address, protocol)
  calls.set(request, message)
  return CALLS.run(message, work, () => {
    request.contextHeaders = contextHeaders
  })
}
