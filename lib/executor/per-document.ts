import { clearTimeout, setTimeout } from '../base/clock.js'
import { type Context, here } from '../base/context.js'
import { ExecutorError, optionRange, optionType, say, show } from '../base/errors.js'
import { retryAfter } from '../base/retry-after.js'
import { isFinal } from '../base/retry-policy.js'
import { DocumentArray } from '../doc/array.js'
import type { Document, DocumentLike } from '../doc/document.js'
import type { Identity } from '../request/identity.js'
import type { Parameters } from '../request/parameters.js'
import type { Request } from '../request/request.js'
import { BACKOFF, backoff } from '../stream/backoff.js'
import { later, overdue } from '../stream/event-loop.js'
import { Fifo } from '../stream/fifo.js'
import { RateLimit } from '../stream/rate-limit.js'
import type { Scope } from '../stream/scope.js'
import { isThenable, whenSettled } from '../stream/thenable.js'
import { Timeout } from '../stream/timeout.js'
import type { EachAnswer, EachCall } from './each.js'
import { type Answer, type Call, requestOf } from './executor.js'
import { collect, isSeveral } from './generator.js'

interface Settings {
  readonly fn: (doc: Document, call: EachCall) => EachAnswer | Promise<EachAnswer>
  readonly concurrency: number
  readonly rates: readonly { readonly limit: number; readonly per: number; readonly weight: ((doc: Document) => number) | undefined }[]
  readonly retries: number
  readonly delay: number | undefined
  readonly maxDelay: number | undefined
  readonly retryIf: ((error: unknown, doc: Document) => boolean) | undefined
  readonly attemptTimeout: number | undefined
}

/** What a function of `each()` does for all its replicas: each has its places, and they share the rate. */
export class PerDocument {
  readonly #settings: Settings
  readonly #rate: RateLimit
  readonly #places = new WeakMap<object, Places>()

  constructor(settings: Settings) {
    this.#settings = settings
    this.#rate = new RateLimit(settings.rates)
  }

  /** @param executor the replica */
  answer(executor: unknown, call: Call): Answer | Promise<Answer> {
    const key = typeof executor === 'object' && executor !== null ? executor : this
    let places = this.#places.get(key)
    if (places === undefined) {
      places = new Places(this.#settings, this.#rate, executor)
      this.#places.set(key, places)
    }
    return places.answer(call)
  }
}

/** The documents in work, and those that wait for a place: of the request that came first, the first. */
class Places {
  readonly settings: Settings
  readonly rate: RateLimit
  readonly executor: unknown
  #free: number
  /** Requests with documents that were not begun. */
  readonly #runs = new Fifo<Run>()
  /** Documents whose time to be tried again has come: they go first. */
  readonly #again = new Fifo<{ readonly run: Run; readonly at: number }>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #filling = false

  constructor(settings: Settings, rate: RateLimit, executor: unknown) {
    this.settings = settings
    this.rate = rate
    this.executor = executor
    this.#free = settings.concurrency
  }

  answer(call: Call): Answer | Promise<Answer> {
    return new Run(this, call).answer()
  }

  /** Begins the documents of a request, as far as there are places, and the others when there are. */
  add(run: Run): void {
    this.#runs.push(run)
    this.fill(run)
  }

  /** A document may be tried again. */
  again(run: Run, at: number): void {
    this.#again.push({ run, at })
    this.fill()
  }

  take(): void {
    this.#free--
  }

  give(run?: Run): void {
    this.#free++
    this.fill(run)
  }

  /** Begins documents while there are places. @param current the one in whose async context this runs; the others have theirs */
  fill(current?: Run): void {
    // A document that is done at once gives its place back from within: the loop below goes on with it.
    if (this.#filling || this.#timer !== undefined) return
    this.#filling = true
    while (this.#free > 0) {
      const wait = this.#begin(current)
      if (wait === undefined) break
      if (wait > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined
          this.fill()
        }, Math.ceil(wait))
        break
      }
      if (overdue()) {
        later(() => this.fill())
        break
      }
    }
    this.#filling = false
  }

  /** Somebody waits no more: if nobody else waits for the rate, no timer does. */
  rest(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.fill()
  }

  /** Begins the next document. @returns undefined where there is none; the milliseconds that the rate wants it to wait */
  #begin(current: Run | undefined): number | undefined {
    for (; this.#again.length > 0; this.#again.shift()) {
      const { run, at } = this.#again.peek()!
      if (run.over) continue
      const wait = run.begin(at, run === current)
      if (wait === 0) this.#again.shift()
      return wait
    }
    for (; this.#runs.length > 0; this.#runs.shift()) {
      const run = this.#runs.peek()!
      if (run.next >= 0) return run.begin(run.next, run === current)
    }
    return undefined
  }
}

const NOTHING: readonly number[] = []

/** The documents of one request. */
class Run {
  readonly places: Places
  readonly call: Call
  readonly request: Request
  readonly #docs: DocumentArray
  readonly #context: Context = here()
  #next = 0
  /** Documents without an outcome. */
  #left: number
  /** Of them, those in work. */
  #working = 0
  /** What takes the place of a document; null: nothing. */
  #results: Map<number, DocumentArray | null> | undefined
  /** How often a document was tried, if more than once. */
  #tried: Map<number, number> | undefined
  /** What the document that waits for the rate weighs. */
  #weighed: { readonly at: number; readonly weights: readonly number[] } | undefined
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()
  /** Nobody wants the answer any more. */
  over = false
  #settle: (() => void) | undefined

  constructor(places: Places, call: Call) {
    this.places = places
    this.call = call
    this.request = requestOf(call)
    this.#docs = call.docs as DocumentArray
    this.#left = this.#docs.length
  }

  get name(): string {
    return String((this.places.executor as { name?: string } | undefined)?.name)
  }

  /** Which document begins next; -1 for none. It counts as begun when `begin()` says so. */
  get next(): number {
    return this.over || this.#next === this.#docs.length ? -1 : this.#next
  }

  /** Settles when all documents have an outcome, or nobody wants it and those in work are done. */
  answer(): Answer | Promise<Answer> {
    const { scope } = this.request
    // Before anything begins: what nobody wants costs no call.
    const unwatch = scope.watch(() => {
      this.over = true
      for (const timer of this.#timers) clearTimeout(timer)
      this.#end()
      this.places.rest()
    })
    if (!this.over) this.places.add(this)
    if (this.#left === 0 || (this.over && this.#working === 0)) {
      unwatch()
      if (this.over) throw scope.reason
      return this.#whole()
    }
    return new Promise((resolve, reject) => {
      this.#settle = () => {
        unwatch()
        if (this.over) reject(scope.reason)
        else resolve(this.#whole())
      }
    })
  }

  #end(): void {
    if (this.over ? this.#working === 0 : this.#left === 0) this.#settle?.()
  }

  #whole(): DocumentArray | undefined {
    const results = this.#results
    if (results === undefined) return undefined
    const all = new DocumentArray()
    this.#docs.forEach((document, at) => {
      const result = results.get(at)
      if (result === undefined) all.append(document)
      else if (result !== null) all.extend(result)
    })
    return all
  }

  /** @returns 0, or the milliseconds that the rate wants it to wait */
  begin(at: number, current: boolean): number {
    const { rate } = this.places
    let weights: readonly number[]
    try {
      weights = this.#weigh(at)
    } catch (error) {
      this.#count(at)
      this.#failed(at, error, this.#tried?.get(at) ?? 1)
      return 0
    }
    const wait = rate.take(weights)
    if (wait > 0) return wait
    this.#count(at)
    this.#weighed = undefined
    this.#working++
    this.places.take()
    const attempt = new Attempt(this, at, this.#docs[at]!, this.#tried?.get(at) ?? 1)
    if (current) attempt.start()
    else this.#context.runInAsyncScope(attempt.start, attempt)
    rate.begun(weights)
    return 0
  }

  #weigh(at: number): readonly number[] {
    const { rates } = this.places.settings
    if (rates.length === 0) return NOTHING
    if (this.#weighed?.at !== at)
      this.#weighed = { at, weights: rates.map(({ limit, weight }) => (weight === undefined ? 1 : weigh(weight, this.#docs[at]!, limit))) }
    return this.#weighed.weights
  }

  /** It was begun, and is not the next any more. */
  #count(at: number): void {
    if (at === this.#next) this.#next++
  }

  /** A document in work has its answer; `document` is what stands in its place, changed or not. */
  answered(at: number, document: Document, answer: DocumentArray | null | undefined): void {
    this.#working--
    if (answer === undefined) this.#docs[at] = document
    else this.#put(at, answer)
    this.#left--
    this.#end()
  }

  /** A try of a document failed. @param final whether it is not to be repeated, whatever failed */
  threw(at: number, error: unknown, attempt: number, final: boolean): void {
    const { settings, rate } = this.places
    this.#working--
    const after = retryAfter(error)
    // Whoever says so wants to hear from nobody, not of this document alone.
    if (after !== undefined) rate.pause(after)
    if (this.over) return this.#end()
    const { retryIf = (error) => !isFinal(error), delay = BACKOFF.delay, maxDelay = BACKOFF.maxDelay } = settings
    try {
      if (final || attempt > settings.retries || !retryIf(error, this.#docs[at]!)) return this.#failed(at, error, attempt)
    } catch (thrown) {
      return this.#failed(at, thrown, attempt)
    }
    this.#tried ??= new Map()
    this.#tried.set(at, attempt + 1)
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        this.places.again(this, at)
      },
      Math.max(after ?? 0, backoff({ delay, maxDelay, growth: BACKOFF.growth }, attempt - 1)),
    )
    this.#timers.add(timer)
  }

  /** A call goes on that nobody waits for: what it does to its document from now on is not seen. */
  keep(at: number): void {
    try {
      this.#docs[at] = this.#docs[at]!.clone()
    } catch {
      // What cannot be copied is handed out as it is.
    }
  }

  #failed(at: number, error: unknown, attempts: number): void {
    this.call.fail(this.#docs[at]!, error, attempts)
    this.#put(at, null)
    this.#left--
    this.#end()
  }

  #put(at: number, result: DocumentArray | null): void {
    this.#results ??= new Map()
    this.#results.set(at, result)
  }
}

const enum State {
  Running,
  /** Its time is up; its call goes on. */
  Late,
  Done,
}

/** One try of a document, and what its function is told of it. */
class Attempt implements EachCall {
  readonly #run: Run
  readonly #at: number
  #document: Document
  readonly attempt: number
  #state = State.Running
  /** Partial answers went out: it is not repeated. */
  #parted = false
  /** That takes its pieces. */
  #work: Promise<DocumentArray | undefined> | undefined
  /** Both only where there is an `attemptTimeout`. */
  #scope: Scope | undefined
  #timeout: Timeout | undefined
  /** Until when a call that is late keeps its place. */
  #grace: ReturnType<typeof setTimeout> | undefined

  constructor(run: Run, at: number, document: Document, attempt: number) {
    this.#run = run
    this.#at = at
    this.#document = document
    this.attempt = attempt
  }

  get signal(): AbortSignal {
    return (this.#scope ?? this.#run.request.scope).signal
  }

  get parameters(): Parameters {
    return this.#run.call.parameters
  }

  get endpoint(): string {
    return this.#run.call.endpoint
  }

  get requestId(): string {
    return this.#run.call.requestId
  }

  get identity(): Identity | undefined {
    return this.#run.call.identity
  }

  start(): void {
    const { settings, executor } = this.#run.places
    if (settings.attemptTimeout !== undefined) {
      this.#scope = this.#run.request.scope.child()
      this.#timeout = new Timeout(settings.attemptTimeout)
      this.#timeout.start()
    }
    let answer: EachAnswer | Promise<EachAnswer>
    try {
      // A try that fails may have changed its document: one that is not the last works on a copy, so that no trace of it is in the answer.
      if (this.attempt <= settings.retries) this.#document = this.#document.clone()
      answer = settings.fn.call(executor, this.#document, this)
    } catch (error) {
      return this.#threw(error)
    }
    this.#take(answer)
    if (this.#timeout !== undefined) this.#timeout.onZero = () => this.#late(settings.attemptTimeout!, answer)
  }

  #take(answer: EachAnswer | Promise<EachAnswer>): void {
    const threw = (error: unknown): void => this.#threw(error)
    if (isThenable(answer)) whenSettled(answer as Promise<EachAnswer>, (answer) => this.#take(answer), threw)
    else if (isPieces(answer)) {
      this.#work = this.#collect(answer)
      whenSettled(this.#work, (whole) => this.#done(whole), threw)
    } else this.#done(answer as Exclude<typeof answer, Promise<EachAnswer>>)
  }

  #collect(pieces: AsyncIterable<any>): Promise<DocumentArray | undefined> {
    const { request } = this.#run
    const { emit } = request
    return collect(pieces, {
      request,
      name: this.#run.name,
      scope: this.#scope ?? request.scope,
      given: DocumentArray.from([this.#document]),
      emit:
        emit &&
        (async (part) => {
          this.#parted = true
          // A consumer that takes its time is not the function's fault.
          this.#timeout?.pause()
          try {
            await emit(part)
          } finally {
            this.#timeout?.resume()
          }
        }),
      documents: (likes) => this.#documents(likes),
    })
  }

  #done(answer: Exclude<EachAnswer, AsyncIterable<any>> | DocumentArray | undefined): void {
    if (answer !== undefined && answer !== null && isSeveral(answer) && !Array.isArray(answer))
      try {
        answer = [...answer]
      } catch (error) {
        // Of a generator that throws, as of a function.
        return this.#threw(error)
      }
    if (!this.#leave()) return
    let documents: DocumentArray | null | undefined
    try {
      documents = answer === undefined || answer === null ? (answer as null | undefined) : this.#documents(answer)
    } catch (error) {
      this.#run.threw(this.#at, error, this.attempt, true)
      return this.#run.places.give(this.#run)
    }
    this.#run.answered(this.#at, this.#document, documents)
    this.#run.places.give(this.#run)
  }

  #threw(error: unknown): void {
    if (!this.#leave()) return
    this.#run.threw(this.#at, error, this.attempt, this.#parted)
    this.#run.places.give(this.#run)
  }

  /** Its call ended. @returns whether anybody waits for what came of it */
  #leave(): boolean {
    const late = this.#state === State.Late
    this.#state = State.Done
    this.#timeout?.end()
    this.#scope?.close()
    if (late && this.#grace !== undefined) {
      clearTimeout(this.#grace)
      this.#run.places.give(this.#run)
    }
    return !late
  }

  /** Its time is up. A call that does not listen still burdens whom it calls, so it keeps its place; but not for ever, as nobody knows whether it ends. */
  #late(milliseconds: number, answer: unknown): void {
    this.#state = State.Late
    const { places, request } = this.#run
    const error = new ExecutorError('ERR_EXECUTOR_TIMEOUT', `took longer than ${milliseconds} ms`, { executor: this.#run.name, requestId: request.id })
    this.#scope!.abort(error)
    request.linger(Promise.resolve(this.#work ?? answer))
    this.#run.keep(this.#at)
    this.#grace = setTimeout(() => {
      this.#grace = undefined
      places.give()
    }, milliseconds)
    this.#run.threw(this.#at, error, this.attempt, this.#parted)
  }

  #documents(answer: DocumentLike<any> | Iterable<DocumentLike<any>>): DocumentArray {
    try {
      if (typeof answer === 'string') throw new TypeError('a text is no document here')
      return DocumentArray.from(isSeveral(answer) ? answer : [answer])
    } catch (cause) {
      throw new ExecutorError('ERR_EXECUTOR_RESULT', `returned ${show(answer)} (${say(cause)}): return nothing, null, a document or documents`, {
        executor: this.#run.name,
        cause,
      })
    }
  }
}

function weigh(weight: (doc: Document) => number, document: Document, limit: number): number {
  const weighs = weight(document)
  if (typeof weighs !== 'number') throw optionType('What weight of rate gives', 'a number', weighs)
  if (!(weighs >= 0 && weighs <= limit)) throw optionRange('What weight of rate gives', `a number from 0 to its limit, ${limit}`, weighs)
  return weighs
}

function isPieces(answer: unknown): answer is AsyncIterable<any> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
}
