import type { Attributes, Context, Link, Span, SpanKind, SpanOptions, Tracer } from '@opentelemetry/api'
import { now } from '../base/clock.js'
import type { Coded } from '../base/errors.js'
import type { Events, Traces } from '../base/events.js'
import { loadChannels, quietly, subscribe, unsubscribe } from './channels.js'
import { readTraceparent, type TraceContext, writeTraceparent } from './traceparent.js'

type Api = typeof import('@opentelemetry/api')
type Message = Traces[keyof Traces]
type Headers = Message['headers']

/** `SAMPLED` of W3C's flags, and where the flags of a `traceparent` end, as all write it. */
const SAMPLED = 1
const FLAGS_AT = 54

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
 * Makes spans of what happens: of each request, each executor that has it, each batch, and each call to an executor elsewhere. Those of a request that is not sampled are not made, but the first,
 * which decides. The context goes on in `headers`: with it, whatever wire or place a request takes, it stays one trace.
 */
export class Spans {
  readonly #api: Api
  readonly #tracer: Tracer
  readonly #held = new WeakMap<object, Held>()

  /** @param exceptions whether messages and stacks of errors are told, too: an executor may have put documents in them */
  constructor(
    api: Api,
    tracer: Tracer,
    private readonly exceptions: boolean,
  ) {
    this.#api = api
    this.#tracer = tracer
  }

  /** Begins to listen. @returns ends that */
  async listen(): Promise<() => void> {
    await loadChannels()
    const ends: (() => void)[] = []
    const hear = (name: string, listener: (message: never) => void): void => {
      // Node ends the process for what is thrown here.
      const heard = (message: unknown): void => void quietly(() => listener(message as never))
      subscribe(name, heard)
      ends.push(() => unsubscribe(name, heard))
    }
    const on = <Name extends keyof Traces>(name: Name, begin: (message: Traces[Name]) => Context | undefined): void => {
      hear(`tracing:sluice.${name}:start`, (message: Traces[Name]) => this.#enter(message, begin(message)))
      hear(`tracing:sluice.${name}:asyncEnd`, (message: Traces[Name]) => this.#end(message))
    }
    on('request', (message) => this.#request(message))
    on('executor', (message) => this.#executor(message))
    on('batch', (message) => this.#batch(message))
    on('call', (message) => this.#call(message))
    hear('sluice.part', (message: Events['part']) => this.#part(message))
    return () => {
      for (const end of ends) end()
    }
  }

  /** Has the work go on in OpenTelemetry's context, whoever keeps contexts there: by its API alone. */
  #enter(message: Message, own: Context | undefined): void {
    if (own === undefined) return
    const { context } = this.#api
    message.within = (work) => {
      let outcome: { readonly value: ReturnType<typeof work> } | { readonly error: unknown } | undefined
      quietly(() =>
        context.with(own, () => {
          try {
            outcome = { value: work() }
          } catch (error) {
            outcome = { error }
          }
        }),
      )
      // Who keeps contexts may have failed before it came to the work.
      const done = outcome as { readonly value?: ReturnType<typeof work>; readonly error?: unknown } | undefined
      if (done === undefined) return work()
      if ('error' in done) throw done.error
      return done.value
    }
  }

  #request(message: Traces['request']): Context {
    const { flow, endpoint, arrival, headers } = message
    const name =
      arrival === undefined ? `post ${endpoint}` : arrival.protocol === 'websocket' || arrival.protocol === 'graphql' ? arrival.protocol : arrival.method
    const attributes = (): Attributes => ({
      'sluice.flow': flow,
      ...(arrival && arrivedBy(arrival)),
      'gen_ai.operation.name': 'invoke_workflow',
      'gen_ai.workflow.name': flow,
    })
    return this.#begin(message, name, arrival === undefined ? INTERNAL : SERVER, this.#parentOf(headers, true), attributes)
  }

  /** Jina names it by the endpoint. */
  #executor(message: Traces['executor']): Context | undefined {
    const { executor, endpoint, headers } = message
    if (this.#isUnsampled(headers)) return this.#parentOf(headers, false)
    return this.#begin(message, endpoint, INTERNAL, this.#parentOf(headers, false), () => ({ 'sluice.executor': executor }))
  }

  /** It goes on in the trace of its first request that is sampled, and is linked to all. */
  #batch(message: Traces['batch']): Context | undefined {
    const { executor, endpoint, of } = message
    const { trace, ROOT_CONTEXT } = this.#api
    const contexts = of.flatMap(({ requestId, headers }) => {
      const context = readTraceparent(headers?.traceparent)
      return context === undefined ? [] : [{ context, attributes: { 'sluice.request_id': requestId }, headers }]
    })
    const first = contexts.find(({ context }) => (context.traceFlags & SAMPLED) !== 0) ?? contexts[0]
    if (first !== undefined) message.headers = first.headers
    const parent = first === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, first.context)
    // What its executor makes is no more recorded than it is.
    if (first !== undefined && (first.context.traceFlags & SAMPLED) === 0) return parent
    return this.#begin(
      message,
      `batch ${endpoint}`,
      INTERNAL,
      parent,
      () => ({ 'sluice.executor': executor, 'sluice.batch.requests': of.length }),
      contexts.map(({ context, attributes }) => ({ context, attributes })),
    )
  }

  #call(message: Traces['call']): Context | undefined {
    const { address, protocol, headers, endpoint, method } = message
    if (this.#isUnsampled(headers)) return this.#parentOf(headers, false)
    const { hostname, port } = new URL(address)
    return this.#begin(message, method ?? `${protocol} ${endpoint}`, CLIENT, this.#parentOf(headers, false), () => ({
      'server.address': hostname,
      ...(port !== '' && { 'server.port': Number(port) }),
      ...(protocol === 'grpc' ? { 'rpc.system': 'grpc', 'rpc.system.name': 'grpc' } : { 'network.protocol.name': protocol }),
    }))
  }

  /** An answer in parts is one span; each part is an event of it. */
  #part({ call, ordinal, docs }: Events['part']): void {
    const held = this.#held.get(call)
    if (held === undefined || !held.span.isRecording()) return
    if (held.parts++ === 0) held.span.setAttributes({ 'gen_ai.request.stream': true, 'gen_ai.response.time_to_first_chunk': (now() - call.began) / 1000 })
    held.span.addEvent('sluice.part', { 'sluice.part.ordinal': ordinal, 'sluice.docs': docs })
  }

  #begin(message: Message, name: string, kind: SpanKind, parent: Context, attributes: () => Attributes, links?: Link[]): Context {
    const { endpoint } = message
    // What samplers may decide by; the rest is for those that are recorded.
    const options: SpanOptions = { kind, attributes: { 'sluice.endpoint': endpoint } }
    if (links !== undefined) options.links = links
    const span = this.#tracer.startSpan(name, options, parent)
    const context = span.spanContext()
    const headers = readTraceparent(message.headers?.traceparent) === undefined ? withoutState(message.headers) : message.headers
    // Of what is not sampled, nothing is noted: its context alone goes on.
    if (span.isRecording()) {
      this.#held.set(message, { span, parts: 0 })
      span.setAttributes({ 'sluice.request_id': message.requestId, 'sluice.docs': message.docs, ...attributes() })
    }
    const tracestate = context.traceState?.serialize()
    if (this.#api.isSpanContextValid(context))
      message.headers = { ...headers, traceparent: writeTraceparent(context), ...(tracestate !== undefined && tracestate !== '' && { tracestate }) }
    return this.#api.trace.setSpan(parent, span)
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

  /** Somebody before has decided that the trace is not recorded. */
  #isUnsampled(headers: Headers): boolean {
    const given = headers?.traceparent
    return given !== undefined && (Number.parseInt(given.charAt(FLAGS_AT), 16) & SAMPLED) === 0 && readTraceparent(given) !== undefined
  }

  /**
   * What the span is part of: what `headers` say, unless a span goes on here that is part of the same trace, as those of tracers of HTTP and gRPC are.
   * @param isRemote whether headers came from elsewhere
   */
  #parentOf(headers: Headers, isRemote: boolean): Context {
    const { context, trace, propagation } = this.#api
    const active = context.active()
    const given = readTraceparent(headers?.traceparent)
    if (given === undefined) return active
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
