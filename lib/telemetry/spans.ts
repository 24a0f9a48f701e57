import type { Attributes, Context, Link, Span, SpanContext, SpanKind, SpanOptions, Tracer } from '@opentelemetry/api'
import { now } from '../base/clock.js'
import type { Coded } from '../base/errors.js'
import type { Events, Traces } from '../base/events.js'
import { isUnsampled, readTraceparent, SAMPLED, type TraceContext, writeTraceparent } from '../base/traceparent.js'
import { loadChannels, subscribe, unsubscribe } from './channels.js'
import type { Contexts } from './contexts.js'
import type { Sampling } from './sampling.js'

type Api = typeof import('@opentelemetry/api')
type Message = Traces[keyof Traces]
type Headers = Message['headers']

/** The kinds of OpenTelemetry's API, whose enum is not loaded here. */
const INTERNAL = 0 as SpanKind.INTERNAL
const SERVER = 1 as SpanKind.SERVER
const CLIENT = 2 as SpanKind.CLIENT

/** What is known of a span while it goes on. */
interface Held {
  readonly span: Span
  parts: number
}

/**
 * Makes spans of what happens: of each request, each executor that has it, each batch, and each call to an executor elsewhere. The sampler is asked when a request begins: of one that is not
 * sampled, nothing is heard any more. The context goes on in `headers`: with it, whatever wire or place a request takes, it stays one trace, and whoever has it next knows what was decided.
 */
export class Spans {
  readonly #api: Api
  readonly #tracer: Tracer
  readonly #contexts: Contexts
  readonly #held = new WeakMap<object, Held>()

  /**
   * @param exceptions whether messages and stacks of errors are told, too: an executor may have put documents in them
   * @param sampling who is asked before the provider is, where that is known
   */
  constructor(
    api: Api,
    tracer: Tracer,
    contexts: Contexts,
    private readonly exceptions: boolean,
    private readonly sampling: Sampling | undefined,
  ) {
    this.#api = api
    this.#tracer = tracer
    this.#contexts = contexts
  }

  /** Begins to listen. @returns ends that */
  async listen(): Promise<() => void> {
    await loadChannels()
    const ends: (() => void)[] = []
    const hear = (name: string, listener: (message: never) => void): void => {
      // Node ends the process for what is thrown here.
      const heard = (message: unknown): void => {
        try {
          listener(message as never)
        } catch {}
      }
      subscribe(name, heard)
      ends.push(() => unsubscribe(name, heard))
    }
    const on = <Name extends keyof Traces>(_name: Name, channel: string, begin: (message: Traces[Name]) => void): void => {
      hear(`tracing:sluice.${channel}:start`, begin)
      hear(`tracing:sluice.${channel}:asyncEnd`, (message: Traces[Name]) => this.#end(message))
    }
    hear('sluice.sampling', (message: Traces['request']) => this.#request(message))
    hear('tracing:sluice.request.sampled:asyncEnd', (message: Traces['request']) => this.#end(message))
    on('executor', 'executor.sampled', (message) => this.#executor(message))
    on('batch', 'batch', (message) => this.#batch(message))
    on('call', 'call.sampled', (message) => this.#call(message))
    hear('sluice.part.sampled', (message: Events['part']) => this.#part(message))
    return () => {
      for (const end of ends) end()
    }
  }

  #request(message: Traces['request']): void {
    const { flow, endpoint, arrival, headers } = message
    const name =
      arrival === undefined ? `post ${endpoint}` : arrival.protocol === 'websocket' || arrival.protocol === 'graphql' ? arrival.protocol : arrival.method
    this.#begin(message, name, arrival === undefined ? INTERNAL : SERVER, this.#parentOf(headers, true), () => ({
      'sluice.flow': flow,
      ...(arrival && arrivedBy(arrival)),
      'gen_ai.operation.name': 'invoke_workflow',
      'gen_ai.workflow.name': flow,
    }))
  }

  /** Jina names it by the endpoint. */
  #executor(message: Traces['executor']): void {
    const { executor, endpoint, headers } = message
    if (isUnsampled(headers?.traceparent)) return this.#unrecorded(message, () => this.#parentOf(headers, false))
    this.#begin(message, endpoint, INTERNAL, this.#parentOf(headers, false), () => ({ 'sluice.executor': executor }))
  }

  /** It goes on in the trace of its first request that is sampled, and is linked to all. */
  #batch(message: Traces['batch']): void {
    const { executor, endpoint, of } = message
    const { trace, ROOT_CONTEXT } = this.#api
    const contexts = of.flatMap(({ requestId, headers }) => {
      const context = readTraceparent(headers?.traceparent)
      return context === undefined ? [] : [{ context, attributes: { 'sluice.request_id': requestId }, headers }]
    })
    const first = contexts.find(({ context }) => (context.traceFlags & SAMPLED) !== 0) ?? contexts[0]
    if (first !== undefined) message.headers = first.headers
    const parent = (): Context => (first === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, first.context))
    // What its executor makes is no more recorded than it is.
    if (first !== undefined && (first.context.traceFlags & SAMPLED) === 0) return this.#unrecorded(message, parent)
    this.#begin(
      message,
      `batch ${endpoint}`,
      INTERNAL,
      parent(),
      () => ({ 'sluice.executor': executor, 'sluice.batch.requests': of.length }),
      contexts.map(({ context, attributes }) => ({ context, attributes })),
    )
  }

  #call(message: Traces['call']): void {
    const { address, protocol, headers, endpoint, method } = message
    this.#begin(message, method ?? `${protocol} ${endpoint}`, CLIENT, this.#parentOf(headers, false), () => {
      const { hostname, port } = new URL(address)
      return {
        'server.address': hostname,
        ...(port !== '' && { 'server.port': Number(port) }),
        ...(protocol === 'grpc' ? { 'rpc.system': 'grpc', 'rpc.system.name': 'grpc' } : { 'network.protocol.name': protocol }),
      }
    })
  }

  /** An answer in parts is one span; each part is an event of it. */
  #part({ call, ordinal, docs }: Events['part']): void {
    const held = this.#held.get(call)
    if (held === undefined || !held.span.isRecording()) return
    if (held.parts++ === 0) held.span.setAttributes({ 'gen_ai.request.stream': true, 'gen_ai.response.time_to_first_chunk': (now() - call.began) / 1000 })
    held.span.addEvent('sluice.part', { 'sluice.part.ordinal': ordinal, 'sluice.docs': docs })
  }

  #begin(message: Message, name: string, kind: SpanKind, parent: Context, attributes: () => Attributes, links?: Link[]): void {
    const { endpoint } = message
    // What samplers may decide by; the rest is for those that are recorded.
    const options: SpanOptions = { kind, attributes: { 'sluice.endpoint': endpoint } }
    if (links !== undefined) options.links = links
    const refused = this.sampling?.refused(this.#api, name, options, parent)
    if (refused !== undefined) {
      this.#goOn(message, refused)
      return this.#unrecorded(message, () => this.#api.trace.setSpanContext(parent, refused))
    }
    const span = this.#tracer.startSpan(name, options, parent)
    const context = span.spanContext()
    // A tracer of nobody's makes none.
    if (context.traceId !== this.#api.INVALID_TRACEID) this.#goOn(message, context)
    const own = (): Context => this.#api.trace.setSpan(parent, span)
    if (!span.isRecording()) return this.#unrecorded(message, own)
    this.#held.set(message, { span, parts: 0 })
    message.within = (work) => this.#contexts.recorded(own(), work)
    span.setAttributes({ 'sluice.request_id': message.requestId, 'sluice.docs': message.docs, ...attributes() })
  }

  /** The context that it has from now on. */
  #goOn(message: Message, context: SpanContext): void {
    const { headers } = message
    const traceparent = writeTraceparent(context)
    const tracestate = context.traceState?.serialize()
    message.headers =
      headers === undefined && !tracestate
        ? { traceparent }
        : { ...(readTraceparent(headers?.traceparent) === undefined ? withoutState(headers) : headers), traceparent, ...(tracestate && { tracestate }) }
  }

  /** Of what is not sampled, nothing is noted: its context alone goes on. */
  #unrecorded(message: Message, own: () => Context): void {
    message.within = (work) => this.#contexts.unrecorded(own, work)
  }

  #end(message: Message): void {
    const held = this.#held.get(message)
    if (held === undefined) return
    const { span, parts } = held
    const { error, docs } = message
    span.setAttribute('sluice.docs.answered', docs)
    if (parts > 0) span.setAttribute('sluice.parts', parts)
    if ('failures' in message && message.failures > 0) span.setAttribute('sluice.failures', message.failures)
    if ('method' in message && message.method !== undefined) {
      span.updateName(message.method)
      span.setAttributes(rpcOf(message.method))
    }
    if (error !== undefined) {
      span.setAttribute('error.type', (error as Partial<Coded>).code ?? (error as Error).name ?? 'Error')
      if (this.exceptions) span.recordException(error instanceof Error ? error : String(error))
      // ERROR of OpenTelemetry's API.
      span.setStatus({ code: 2, ...(this.exceptions && { message: error instanceof Error ? error.message : String(error) }) })
    }
    span.end()
  }

  /**
   * What the span is part of: what `headers` say, unless a span goes on here that is part of the same trace, as those of tracers of HTTP and gRPC are.
   * @param isRemote whether headers came from elsewhere
   */
  #parentOf(headers: Headers, isRemote: boolean): Context {
    const { trace, propagation } = this.#api
    const active = this.#contexts.here()
    const given = readTraceparent(headers?.traceparent)
    if (given === undefined) {
      // It was begun within another. Others will be, where that is not recorded.
      if (active !== this.#api.ROOT_CONTEXT) this.#contexts.keep()
      return active
    }
    if (isRemote && trace.getSpanContext(active)?.traceId === given.traceId) return active
    const parent = trace.setSpanContext(active, { ...(given as TraceContext), isRemote, ...stateOf(this.#api, headers?.tracestate) })
    return isRemote && headers?.baggage !== undefined ? propagation.extract(parent, { baggage: headers.baggage }) : parent
  }
}

/** What is said of a trace goes with it: where that is none, another begins. */
function withoutState(headers: Headers): Headers {
  if (headers?.tracestate === undefined) return headers
  const { tracestate: _, ...others } = headers
  return others
}

function stateOf({ createTraceState }: Api, tracestate: string | undefined): object {
  return tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }
}

function arrivedBy({ protocol, method }: NonNullable<Traces['request']['arrival']>): Attributes {
  if (protocol === 'grpc') return { 'rpc.system': 'grpc', 'rpc.system.name': 'grpc', ...rpcOf(method) }
  const [verb, path] = method.split(' ', 2)
  return {
    'network.protocol.name': protocol === 'graphql' ? 'http' : protocol,
    ...(path !== undefined && { 'http.request.method': verb!, 'http.route': path }),
  }
}

/** As today's conventions have it, and those of Jina's time. */
function rpcOf(method: string): Attributes {
  const at = method.lastIndexOf('/')
  return { 'rpc.method': method.slice(1), 'rpc.service': method.slice(1, at) }
}
