import { type Arrival, publish, type Traces, Tracing } from '../base/events.js'
import type { ContextHeaders, Request } from './request.js'

// What tools hear of requests, as base/events has it. Nothing is made where nobody listens.

export const REQUESTS = /* @__PURE__ */ new Tracing<Traces['request']>('request')
export const EXECUTORS = /* @__PURE__ */ new Tracing<Traces['executor']>('executor')
export const BATCHES = /* @__PURE__ */ new Tracing<Traces['batch']>('batch')
export const CALLS = /* @__PURE__ */ new Tracing<Traces['call']>('call')

/** Of the trace that a request is part of, if it is part of one. */
export function traceIdOf({ contextHeaders }: Pick<Request, 'contextHeaders'>): string | undefined {
  return contextHeaders === undefined ? undefined : /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(contextHeaders.traceparent ?? '')?.[1]
}

/** How those came that are under way, where somebody listens. */
const arrivals = new WeakMap<Request, Arrival>()

/** The calls that requests are on, where somebody listens. */
const calls = new WeakMap<Request, Traces['call']>()

/** Notes by which method a request goes to a server. */
export function noteMethod(request: Request, method: string): void {
  const call = CALLS.isHeard ? calls.get(request) : undefined
  if (call !== undefined) call.method = method
}

/** Notes how a request came to a server. */
export function noteArrival(request: Request, arrival: Arrival): void {
  if (REQUESTS.isHeard) arrivals.set(request, arrival)
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

/** A request in a Flow. What it goes on with, it keeps: who tells of its failure names its trace. */
export function traceRequest(flow: string, request: Request, work: () => void | Promise<void>): void | Promise<void> {
  return REQUESTS.run(Object.assign(new Message(request), { flow, arrival: arrivals.get(request) }), work)
}

/** A request at an executor, and the partial answers that it gives there. */
export function traceExecutor(executor: string, request: Request, work: () => void | Promise<void>): void | Promise<void> {
  const message = Object.assign(new Message(request), { executor })
  const { contextHeaders, emit } = request
  const given = emit && tellingParts(message, emit)
  request.emit = given
  return EXECUTORS.run(message, work, () => {
    // Somebody may have put another in its place, who puts it back.
    if (request.emit === given) request.emit = emit
    request.contextHeaders = contextHeaders
  })
}

function tellingParts(call: Traces['executor'], emit: NonNullable<Request['emit']>): NonNullable<Request['emit']> {
  return (part) => {
    const { executor, requestId, endpoint } = call
    publish('part', () => ({ executor, requestId, endpoint, ordinal: part.ordinal ?? 0, docs: part.docs.length, call }))
    return emit(part)
  }
}

/** Requests that go to an executor as one. */
export function traceBatch(executor: string, batch: Request, of: Traces['batch']['of'], work: () => void | Promise<void>): void | Promise<void> {
  return BATCHES.run(Object.assign(new Message(batch), { executor, of, requests: of.length }), work)
}

/** A request to a server. */
export function traceCall(
  { address, protocol }: Pick<Traces['call'], 'address' | 'protocol'>,
  request: Request,
  work: () => void | Promise<void>,
): void | Promise<void> {
  const { contextHeaders } = request
  const message: Traces['call'] = Object.assign(new Message(request), { address, protocol, method: undefined })
  calls.set(request, message)
  return CALLS.run(message, work, () => {
    request.contextHeaders = contextHeaders
  })
}
