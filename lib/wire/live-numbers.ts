import { now, onWall } from '../base/clock.js'
import type { Traces } from '../base/events.js'
import type { DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import type { Request } from '../request/request.js'
import { GATEWAY } from '../request/route.js'
import { subjectOf } from '../request/traced.js'
import { quietly, subscribe, unsubscribe } from '../telemetry/channels.js'

/** Times that quantiles are made of: the last ones of each executor. */
const TIMES = 512
/** Requests that are kept with their way, of a second: the first that begin, and beside them the first that fail. */
const SHOWN = 20
const SHOWN_FAILED = 10
/** The same, of all: those that ended last, and those that failed last. */
export const KEPT = 100
/** Stops of one request's way. */
const STOPS = 100
/** Letters of what clients name: an id, an endpoint. */
const LETTERS = 120
const DOCUMENTS = 5
const TEXT = 2000

/** One stop of a request's way: which executor, after how many milliseconds, for how many, and whether it failed. */
type Stop = readonly [executor: string, after: number, milliseconds: number, failed: 0 | 1]

/** A request, as viewers see it. */
export interface Seen {
  /** By which it is asked for. */
  readonly n: number
  readonly id: string
  readonly endpoint: string
  /** How it came. */
  readonly by: string
  /** How many it was answered with. */
  readonly docs: number
  /** When it came, in milliseconds since the epoch. */
  readonly at: number
  readonly ms: number
  /** Documents that failed while the others went on. */
  readonly failures: number
  /** The code of what it failed at. */
  readonly error?: string | undefined
  /** What that says, where documents are shown. */
  readonly message?: string | undefined
  readonly way: readonly Stop[]
}

/** Milliseconds that the last calls took: half were faster, and 99 of 100. */
interface Quantiles {
  readonly p50: number | undefined
  readonly p99: number | undefined
}

/** What one executor did since somebody last asked, as {@link Numbers.take} says it. */
interface Done extends Quantiles {
  /** Calls that ended, a second. */
  readonly perSecond: number
  /** Documents that went in and out, a second. */
  readonly docsIn: number
  readonly docsOut: number
}

/** Milliseconds that the last 512 requests took, and the calls of each executor that had any. */
export interface Times extends Quantiles {
  readonly executors: Readonly<Record<string, Quantiles>>
}

class Counted {
  calls = 0
  docsIn = 0
  docsOut = 0
  readonly #times = new Float64Array(TIMES)
  #count = 0
  #quantiles: Quantiles | undefined = { p50: undefined, p99: undefined }

  note(milliseconds: number): void {
    this.#times[this.#count++ % TIMES] = milliseconds
    this.#quantiles = undefined
  }

  get quantiles(): Quantiles {
    if (this.#quantiles !== undefined) return this.#quantiles
    const times = this.#times.slice(0, Math.min(this.#count, TIMES)).sort()
    const at = (part: number): number => rounded(times[Math.ceil(part * times.length) - 1]!)
    return (this.#quantiles = { p50: at(0.5), p99: at(0.99) })
  }
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100
}

/** What requests of one entrance do, as the channels of base/events tell it: made while somebody looks, and forgotten with the last who does. What it keeps has bounds. */
export class Numbers {
  readonly #entrance: object
  readonly #isShown: boolean
  readonly #executors = new Map<string, Counted>()
  /** The ways of those that are followed from stop to stop. Few are: to keep one of each request would cost a good part of a short one. */
  readonly #ways = new WeakMap<Request, Stop[]>()
  #followed = 0
  readonly #began = now()
  readonly #documents = new Map<number, string>()
  #ended: Seen[] = []
  #failed: Seen[] = []
  #new: Seen[] = []
  #newFailed = 0
  #n = 0
  readonly #requests = new Counted()
  #since = now()

  /**
   * @param entrance by which those requests come that count
   * @param isShown whether documents are kept
   */
  constructor(entrance: object, isShown: boolean) {
    this.#entrance = entrance
    this.#isShown = isShown
  }

  /** @returns ends it */
  listen(): () => void {
    const listeners = {
      'tracing:sluice.request:start': (message: Traces['request']) => this.#begin(message),
      'tracing:sluice.request:asyncEnd': (message: Traces['request']) => this.#end(message),
      'tracing:sluice.executor:start': (message: Traces['executor']) => this.#enter(message),
      'tracing:sluice.executor:asyncEnd': (message: Traces['executor']) => this.#leave(message),
    }
    // Node ends the process for what is thrown there, as at messages that somebody else publishes.
    const heard = Object.entries(listeners).map(
      ([channel, listener]) => [channel, (message: unknown): void => void quietly(() => listener(message as never))] as const,
    )
    for (const [channel, listener] of heard) subscribe(channel, listener)
    return () => {
      for (const [channel, listener] of heard) unsubscribe(channel, listener)
    }
  }

  #begin(message: Traces['request']): void {
    const request = subjectOf(message)
    if (request.entrance !== this.#entrance) return
    this.#requests.docsIn += message.docs
    if (this.#followed >= SHOWN) return
    this.#followed++
    this.#ways.set(request, [])
  }

  #end(message: Traces['request']): void {
    const request = subjectOf(message)
    if (request.entrance !== this.#entrance) return
    const { error, docs, began, milliseconds = 0, failures, arrival } = message
    this.#requests.calls++
    this.#requests.note(milliseconds)
    if (error === undefined) this.#requests.docsOut += docs
    const isFailed = error !== undefined || failures > 0
    const way = this.#ways.get(request)
    // It stands among those that failed: another is followed in its place.
    if (isFailed && way !== undefined) this.#followed--
    const isShown = (isFailed && this.#newFailed < SHOWN_FAILED) || ((way !== undefined || began < this.#began) && this.#new.length - this.#newFailed < SHOWN)
    if (!isShown) return
    const { code = 'ERR', message: said } = (error ?? {}) as { code?: string; message?: string }
    const seen: Seen = {
      n: ++this.#n,
      id: message.requestId.slice(0, LETTERS),
      endpoint: message.endpoint.slice(0, LETTERS),
      by: arrival?.protocol ?? '',
      docs,
      at: Math.round(onWall(began)),
      ms: rounded(milliseconds),
      failures,
      ...(error !== undefined && { error: String(code).slice(0, LETTERS), ...(this.#isShown && { message: String(said).slice(0, TEXT) }) }),
      way: way?.map(([executor, at, ...rest]): Stop => [executor, rounded(at - began), ...rest]) ?? roughly(request, onWall(began)),
    }
    this.#new.push(seen)
    if (isFailed) this.#newFailed++
    if (this.#isShown) {
      this.#documents.set(seen.n, shown(request.docs))
      if (this.#documents.size > 2 * KEPT) this.#documents.delete(this.#documents.keys().next().value!)
    }
  }

  /** Whether a call at an executor is of one of those requests: of a branch too, and of what goes on in the background. */
  #isOwn(request: Request): boolean {
    return request.whole.entrance === this.#entrance
  }

  #enter(message: Traces['executor']): void {
    if (!this.#isOwn(subjectOf(message))) return
    this.#at(message.executor).docsIn += message.docs
  }

  #leave(message: Traces['executor']): void {
    const request = subjectOf(message)
    if (!this.#isOwn(request)) return
    const { executor, milliseconds = 0, error, began, docs } = message
    const counted = this.#at(executor)
    counted.calls++
    counted.note(milliseconds)
    if (error === undefined) counted.docsOut += docs
    const way = this.#ways.get(request.whole)
    if (way !== undefined && way.length < STOPS) way.push([executor, began, rounded(milliseconds), error === undefined ? 0 : 1])
  }

  #at(executor: string): Counted {
    let counted = this.#executors.get(executor)
    if (counted === undefined) this.#executors.set(executor, (counted = new Counted()))
    return counted
  }

  /** How long requests take, and the calls of each executor. */
  get times(): Times {
    return { ...this.#requests.quantiles, executors: Object.fromEntries([...this.#executors].map(([name, counted]) => [name, counted.quantiles])) }
  }

  /** What was done since this was last asked for. */
  take(): { readonly requests: Omit<Done, 'p50' | 'p99'>; readonly executors: ReadonlyMap<string, Done>; readonly seen: readonly Seen[] } {
    const time = now()
    const seconds = Math.max((time - this.#since) / 1000, 0.001)
    this.#since = time
    const rates = (counted: Counted) => {
      const { calls, docsIn, docsOut } = counted
      Object.assign(counted, { calls: 0, docsIn: 0, docsOut: 0 })
      return { perSecond: rate(calls / seconds), docsIn: rate(docsIn / seconds), docsOut: rate(docsOut / seconds) }
    }
    const seen = this.#new
    this.#followed = 0
    this.#new = []
    this.#newFailed = 0
    this.#ended = [...this.#ended, ...seen].slice(-KEPT)
    this.#failed = [...this.#failed, ...seen.filter(({ error, failures }) => error !== undefined || failures > 0)].slice(-KEPT)
    const executors = new Map([...this.#executors].map(([name, counted]) => [name, { ...rates(counted), ...counted.quantiles }]))
    return { requests: rates(this.#requests), executors, seen }
  }

  /** The last requests, those that failed among them for longer. */
  get last(): Seen[] {
    return [...new Set([...this.#failed, ...this.#ended])].sort((one, other) => one.n - other.n)
  }

  documents(n: number): string | undefined {
    return this.#documents.get(n)
  }
}

/** The way of one that was not followed: as its routes have it, to the millisecond. */
function roughly({ routes }: Request, began: number): Stop[] {
  return routes
    .flatMap(({ executor, startTime, endTime, status }): Stop[] => {
      if (executor === GATEWAY || endTime === undefined) return []
      return [[executor, Math.max(0, rounded(startTime.getTime() - began)), endTime.getTime() - startTime.getTime(), status === undefined ? 0 : 1]]
    })
    .slice(0, STOPS)
}

function rate(perSecond: number): number {
  return perSecond >= 100 ? Math.round(perSecond) : Math.round(perSecond * 10) / 10
}

/** A few documents, and of each what people read. */
function shown(docs: DocumentArray): string {
  const first = Array.from({ length: Math.min(docs.length, DOCUMENTS) }, (_, at) => brief(docs[at]!))
  return JSON.stringify({ total: docs.length, docs: first })
}

function brief(doc: Document): object {
  const { id, text, mimeType, uri, tags, chunks, matches } = doc
  return {
    id: id.slice(0, LETTERS),
    ...(text !== '' && { text: text.slice(0, TEXT) }),
    ...(mimeType && { mimeType: mimeType.slice(0, LETTERS) }),
    ...(uri && { uri: uri.slice(0, LETTERS) }),
    ...(Object.keys(tags).length > 0 && { tags: quietly(() => JSON.stringify(tags).slice(0, TEXT)) ?? '' }),
    ...(chunks.length > 0 && { chunks: chunks.length }),
    ...(matches.length > 0 && { matches: matches.length }),
  }
}
