import { now } from './clock.js'
import type { LogRecord } from './logger.js'
import { builtin } from './node.js'
import { isUnsampled } from './traceparent.js'

/** Loaded with Node alone: elsewhere nobody can subscribe. */
const diagnostics = /* @__PURE__ */ builtin('diagnostics_channel')

/**
 * What happens, for tools: channels of `node:diagnostics_channel`, which Bun and Deno have too. Times are in milliseconds, sizes in bytes. What a message holds is the library's
 * own: read it, and change nothing but `headers` and `within`. Fields may be added; none is taken away or means something else within a major version. Documents are never in it.
 */
export interface Events {
  /** A partial answer is handed on: the next that an executor gives for a request. */
  part: {
    readonly executor: string
    readonly requestId: string
    readonly endpoint: string
    /** Which one it is of its request, from 0. */
    readonly ordinal: number
    /** How many documents it has, or tells of. */
    readonly docs: number
    /** The call of the executor that gives it: the message of `executor`. */
    readonly call: Traces['executor']
  }
  /** The same, of what is sampled: see {@link Traces}. */
  'part.sampled': Events['part']
  /** A request begins: before all else that is told of it, so that who decides whether it is sampled puts that in `headers`. See {@link Traces}. */
  sampling: Traces['request']
  /** A message came or went over the network. */
  bytes: {
    /** Who tells: a server of what it was asked and has answered, a client of what it has asked and was answered. */
    readonly side: 'server' | 'client'
    readonly direction: 'received' | 'sent'
    readonly protocol: Protocol
    readonly bytes: number
  }
  /** A connection begins, or ends: at a server one of a client, at a client one that it opened. */
  connection: { readonly side: 'server' | 'client'; readonly address: string; readonly state: 'open' | 'closed'; readonly error?: unknown }
  /** An instance of an executor begins (`again`: after its end), or ends: by itself where there is an `error`. */
  place: { readonly executor: string; readonly shardId: number; readonly state: 'open' | 'closed'; readonly again?: boolean; readonly error?: unknown }
  /** What an executor measured itself: see `monitor()` of sluice/telemetry. */
  monitor: { readonly name: string; readonly documentation: string; readonly executor: string; readonly milliseconds: number; readonly error?: unknown }
  /** Something begins or ends that people read of in the log: each time, while the log has a line for many. */
  incident: LogRecord
}

type Protocol = 'grpc' | 'http' | 'websocket' | 'graphql' | 'nats'

/** What came with a request, and goes on with it: `traceparent`, `tracestate`, `baggage`. */
type Headers = Readonly<Record<string, string>>

/** How a request came to a server. */
export interface Arrival {
  readonly protocol: Protocol
  /** As the protocol says it: `/jina.JinaRPC/Call`, `POST /index`. */
  readonly method: string
}

type Work = () => void | Promise<void>

/** What all messages of a traced work have. */
interface Traced {
  /** When it began, in milliseconds as `performance.now()` has them. */
  began: number
  /** What the work is run by. A tracer that has contexts of its own puts it here at `start`: it runs what it is given, once and at once, and returns and throws what that does. */
  within?: ((work: Work) => ReturnType<Work>) | undefined
  /** How long it took: there from `asyncEnd` on. */
  milliseconds?: number | undefined
  /** What it failed at: there from `error` on. */
  error?: unknown
}

export interface TracedRequest extends Traced {
  readonly requestId: string
  readonly endpoint: string
  /** How many documents it has: at the end, how many it was answered with. */
  readonly docs: number
  /** The W3C context that the request brings, and goes on with. A tracer puts its own here at `start`: it is what executors see, and what goes to those elsewhere. */
  headers: Headers | undefined
}

/**
 * Work with a beginning and an end: each is five channels, `tracing:sluice.request:start` and so on, as `tracingChannel('sluice.request')` names them. `start`: it begins; stores that are bound
 * there hold for all of it. `end`: it was begun, and may go on. `error`: it failed. `asyncStart` and `asyncEnd`: it is over, whether it took a moment or was done at once. All have the same message.
 *
 * A tracer need not hear of what is not sampled: `tracing:sluice.executor.sampled:start` and `:asyncEnd`, and those of `call` and `request`, leave out work whose `traceparent` says that. They come
 * before `start`, and after `asyncEnd`. Where all who listen to requests take those alone, one that is not sampled costs next to nothing: `sluice.sampling` is where that is decided.
 */
export interface Traces {
  /** A request, from where it comes into a Flow until it is answered. */
  request: TracedRequest & {
    /** The name of the Flow. */
    readonly flow: string
    /** Given where it came to a server. */
    readonly arrival: Arrival | undefined
    /** Documents that failed while the others went on: at the end. */
    readonly failures: number
  }
  /** An executor has a request, and gives it back: its waits for a batch and a replica, and all tries, are in it. */
  executor: TracedRequest & {
    readonly executor: string
    /** Whether an executor of the Flow has a method of its own for the endpoint, or it is exposed: what is not may be made up by a client. `undefined`, where that is not known. */
    readonly bound: boolean | undefined
  }
  /** Documents of one request or several go to an executor as one. `headers` are those that it goes on with. */
  batch: TracedRequest & {
    readonly executor: string
    /** How many requests have documents in it. */
    readonly requests: number
    /** Those of them that have any, and their contexts: what the batch is to be linked to. */
    readonly of: readonly { readonly requestId: string; readonly headers: Headers | undefined }[]
  }
  /** A client asks a server: a Client, or a Flow its executor elsewhere. Each try is one. */
  call: TracedRequest & {
    readonly address: string
    readonly protocol: 'grpc' | 'http' | 'websocket' | 'nats'
    /** The method of gRPC, once it is known: what the server offers, decides. */
    method: string | undefined
  }
}

type Channel = import('node:diagnostics_channel').Channel

/** Kept, as Node forgets those that nobody has. */
const channels: Partial<Record<keyof Events, Channel | undefined>> = {}

/** Tells those who listen, if there are any: what there is to tell is made for them alone. */
export function publish<Name extends keyof Events>(name: Name, message: () => Events[Name]): void {
  channels[name] ??= diagnostics?.channel(`sluice.${name}`)
  if (channels[name]?.hasSubscribers) channels[name].publish(message())
}

/** Tells how long a message is that came or went. */
export function publishBytes(
  side: Events['bytes']['side'],
  direction: Events['bytes']['direction'],
  protocol: Protocol,
  message: string | { readonly length: number },
): void {
  publish('bytes', () => ({ side, direction, protocol, bytes: typeof message === 'string' ? new TextEncoder().encode(message).length : message.length }))
}

/** Never heard: for where there are no channels. */
const SILENT = { hasSubscribers: false } as Channel

function channelOf(name: string): Channel {
  return diagnostics?.channel(name) ?? SILENT
}

/**
 * Calls `told` whenever somebody begins or ends to listen to a channel, by whatever function: all of them come to these four of the channel itself. A request that asked each of its channels would
 * pay more for that than for all else that it has to do with events.
 */
function watch(channel: Channel, told: () => void): void {
  for (const method of ['subscribe', 'unsubscribe', 'bindStore', 'unbindStore'] as const) {
    // Another copy of this file may watch it, too. Else it is that of its class, which is another one while somebody listens.
    const before = Object.hasOwn(channel, method) ? channel[method] : undefined
    const value = function (this: Channel, ...args: unknown[]): unknown {
      const done: unknown = Reflect.apply(before ?? Object.getPrototypeOf(this)[method], this, args)
      told()
      return done
    }
    Object.defineProperty(channel, method, { value, configurable: true, writable: true })
  }
}

/** Whether it is told who listens: a platform whose channels are none of JavaScript's may go by the side of it. */
const isWatched = /* @__PURE__ */ (() => {
  if (diagnostics === undefined) return true
  const channel = diagnostics.channel('sluice.watched')
  const hear = (): void => {}
  let times = 0
  watch(channel, () => times++)
  diagnostics.subscribe(channel.name as string, hear)
  diagnostics.unsubscribe(channel.name as string, hear)
  return times > 1
})()

/** Work that is traced: its five channels, and two for tracers that take what is sampled alone. */
export class Tracing<Message extends Traced & { readonly headers: Headers | undefined }> {
  // Where nobody tells who listens, somebody may at any time.
  #isHeard = true
  #isHeardByAll = true
  readonly #start: Channel
  readonly #end: Channel
  readonly #asyncStart: Channel
  readonly #asyncEnd: Channel
  readonly #error: Channel
  readonly #sampledStart: Channel
  readonly #sampledEnd: Channel

  /** @param also what else is told of it alone */
  constructor(name: keyof Traces, also?: keyof Events) {
    const channel = (event: string): Channel => channelOf(`tracing:sluice.${name}:${event}`)
    this.#start = channel('start')
    this.#end = channel('end')
    this.#asyncStart = channel('asyncStart')
    this.#asyncEnd = channel('asyncEnd')
    this.#error = channel('error')
    this.#sampledStart = channelOf(`tracing:sluice.${name}.sampled:start`)
    this.#sampledEnd = channelOf(`tracing:sluice.${name}.sampled:asyncEnd`)
    const all = [this.#start, this.#end, this.#asyncStart, this.#asyncEnd, this.#error, ...(also === undefined ? [] : [channelOf(`sluice.${also}`)])]
    const look = (): void => {
      this.#isHeardByAll = all.some(({ hasSubscribers }) => hasSubscribers)
      this.#isHeard = this.#isHeardByAll || this.#sampledEnd.hasSubscribers
    }
    if (!isWatched) return
    if (diagnostics !== undefined) for (const channel of [...all, this.#sampledEnd]) watch(channel, look)
    look()
  }

  /** Whether anybody listens: kept as people come and go. Nothing else is asked where nobody does. */
  get isHeard(): boolean {
    return this.#isHeard
  }

  /** Whether anybody listens to work that goes on with these headers: what is not sampled, is told to those alone who want all. */
  wants(headers: Headers | undefined): boolean {
    return this.#isHeardByAll || this.isSampled(headers)
  }

  /** Whether those hear of it who take what is sampled alone. */
  isSampled(headers: Headers | undefined): boolean {
    return this.#sampledEnd.hasSubscribers && !isUnsampled(headers?.traceparent)
  }

  /**
   * Does the work, and tells of it.
   * @param undo is run at the end, before it is told
   * @param isSampled whether those hear of it who take what is sampled alone
   */
  run(message: Message, work: Work, undo?: () => void, isSampled = this.isSampled(message.headers)): ReturnType<Work> {
    message.began = now()
    let pending: void | Promise<void>
    try {
      if (isSampled) this.#sampledStart.publish(message)
      // What is bound to the channel holds for all of it.
      pending = this.#start.hasSubscribers ? this.#start.runStores(message, () => begin(message, work)) : begin(message, work)
    } catch (error) {
      this.#end.publish(message)
      this.#failed(message, error, undo, isSampled)
      throw error
    }
    this.#end.publish(message)
    if (pending === undefined) return this.#over(message, undo, isSampled)
    return pending.then(
      () => this.#over(message, undo, isSampled),
      (error) => {
        this.#failed(message, error, undo, isSampled)
        throw error
      },
    )
  }

  #failed(message: Message, error: unknown, undo: (() => void) | undefined, isSampled: boolean): void {
    message.error = error
    this.#error.publish(message)
    this.#over(message, undo, isSampled)
  }

  #over(message: Message, undo: (() => void) | undefined, isSampled: boolean): void {
    undo?.()
    message.milliseconds = now() - message.began
    this.#asyncStart.publish(message)
    this.#asyncEnd.publish(message)
    if (isSampled) this.#sampledEnd.publish(message)
  }
}

/** Does the work where its context holds. */
export function begin(message: Traced, work: Work): ReturnType<Work> {
  return message.within ? message.within(work) : work()
}
