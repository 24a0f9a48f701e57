import { optionRange, optionType } from '../errors.js'
import { Fifo } from './fifo.js'
import { Scope } from './scope.js'
import { later, overdue } from './turn.js'

/** What a mapper gets beside its item. */
export interface Work {
  /** Aborts when the result is no longer wanted: another item failed, the consumer left, the caller aborted. */
  readonly signal: AbortSignal
}

export interface InFlightOptions {
  /** The most items between the source and the consumer, an integer ≥ 1 or Infinity. */
  limit: number
  /** `true` hands results on in the order of their items. Default `false`, as they complete: nothing waits for a slow head. */
  ordered?: boolean | undefined
  /** Ends the iteration with its reason. */
  signal?: AbortSignal | undefined
}

/**
 * Maps a source through an async function, with at most `limit` items between "taken from the source" and
 * "received by the consumer", at any microtask.
 *
 * Lazy: the source is opened by the first `next()`, and read ahead of the consumer only as far as `limit` allows.
 * - A source that fails: what is in flight is delivered, then the error.
 * - An item that fails: results finished before it are delivered, then its error; the others are told by `work.signal`.
 * - `break` or `return()`: settles at once, closes the source once, and waits for that unless the source is busy with a read.
 * - `signal`: pending `next()`s reject with its reason.
 *
 * Always-ready work steps aside for timers and sockets now and then.
 *
 * @param source any iterable or async iterable. Its `next()` is never called while another call of it is pending
 * @param fn gets an item, and a {@link Work} whose `signal` is made when first read. Its result is awaited
 * @throws TypeError or RangeError (codes `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`) at the call, for options or arguments that are not valid
 *
 * @example
 * for await (const page of inFlight(urls, (url, { signal }) => fetch(url, { signal }), { limit: 8 })) …
 */
export function inFlight<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  fn: (item: T, work: Work) => R | PromiseLike<R>,
  options: InFlightOptions,
): AsyncIterableIterator<R> & AsyncDisposable {
  const { limit, ordered = false, signal } = options ?? {}
  if (typeof fn !== 'function') throw optionType('fn', 'a function', fn)
  if (typeof (source as AsyncIterable<T>)?.[Symbol.asyncIterator] !== 'function' && typeof (source as Iterable<T>)?.[Symbol.iterator] !== 'function') {
    throw optionType('source', 'an iterable or async iterable', source)
  }
  if (typeof limit !== 'number') throw optionType('limit', 'a number', limit)
  if (!(limit >= 1) || (limit !== Infinity && !Number.isInteger(limit))) throw optionRange('limit', 'an integer ≥ 1 or Infinity', limit)
  if (typeof ordered !== 'boolean') throw optionType('ordered', 'a boolean', ordered)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw optionType('signal', 'an AbortSignal', signal)
  return new InFlight(source, fn, limit, ordered, signal)
}

/** Where the iteration stands; it only moves forward. */
const enum Phase {
  /** Nobody asked for anything yet: nothing is open. */
  Fresh,
  /** The source gives items. */
  Open,
  /** The source ended or failed: what is in flight is still delivered. */
  Draining,
  /** An item failed: what finished before it is still delivered, while the source closes. */
  Failing,
  /** Nothing comes any more but `end`. */
  Over,
}

interface Waiter<R> {
  resolve(result: IteratorResult<R>): void
  reject(reason: unknown): void
}

/** A place in the order, kept from the start of an item until all before it are done. */
interface Place<R> {
  state: State
  value: R | undefined
}

const enum State {
  Running,
  Done,
  Failed,
}

const ready: Promise<void> = Promise.resolve()

class InFlight<T, R> implements AsyncIterableIterator<R>, AsyncDisposable {
  private readonly source: Iterable<T> | AsyncIterable<T>
  private readonly fn: (item: T, work: Work) => R | PromiseLike<R>
  private readonly limit: number
  private readonly signal: AbortSignal | undefined
  private readonly scope = new Scope()

  private phase: Phase = Phase.Fresh
  private iterator: Iterator<T> | AsyncIterator<T> | undefined
  private async = false

  // Never both non-empty, but for the turn in which results step aside for timers.
  private readonly results = new Fifo<R>()
  private readonly waiting = new Fifo<Waiter<R>>()
  /** Only when ordered: the items in flight, oldest first. */
  private readonly order: Fifo<Place<R>> | undefined

  /** Taken from the source, or being taken, and not yet received. Never above `limit`. */
  private held = 0
  private running = 0
  private reading = false
  private pumping = false
  private aside = false
  /** Said once, after the last result. A box, because `undefined` can be thrown too. */
  private end: { reason: unknown } | undefined
  private closing: Promise<unknown> | undefined

  constructor(
    source: Iterable<T> | AsyncIterable<T>,
    fn: (item: T, work: Work) => R | PromiseLike<R>,
    limit: number,
    ordered: boolean,
    signal: AbortSignal | undefined,
  ) {
    this.source = source
    this.fn = fn
    this.limit = limit
    this.order = ordered ? new Fifo() : undefined
    this.signal = signal
  }

  next(): Promise<IteratorResult<R>> {
    if (this.phase === Phase.Fresh) this.open()
    if (this.waiting.length === 0 && !this.aside) {
      if (this.results.length > 0) {
        if (this.phase === Phase.Open || !overdue()) return Promise.resolve(this.hand())
        this.stepAside()
      } else if (this.phase === Phase.Over) return this.takeEnd()
    }
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  return(value?: unknown): Promise<IteratorReturnResult<any>> {
    const result = { done: true as const, value }
    while (this.waiting.length > 0) this.waiting.shift().resolve({ done: true, value: undefined })
    this.stop(new DOMException('The consumer stopped reading', 'AbortError'))
    this.end = undefined
    return this.closing === undefined ? Promise.resolve(result) : this.closing.then(() => result)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  // ── the consumer's side ────────────────────────────────────────────────────────────────────────────────

  private hand(): IteratorResult<R> {
    const result = { done: false as const, value: this.results.shift() }
    if (this.phase === Phase.Open && this.limit !== Infinity) {
      this.handed++
      if (!this.hopping) {
        this.hopping = true
        ready.then(this.hop)
      }
    } else if (this.phase === Phase.Draining) this.endIfDrained()
    return result
  }

  /** Answers who waits, in order, as far as there are results; and all of them once nothing more can come. */
  private settle(): void {
    while (this.waiting.length > 0 && this.results.length > 0) {
      if (this.phase !== Phase.Open && overdue()) return this.stepAside()
      this.waiting.shift().resolve(this.hand())
    }
    if (this.phase === Phase.Draining) this.endIfDrained()
    if (this.phase !== Phase.Over || this.results.length > 0) return
    while (this.waiting.length > 0) {
      const waiter = this.waiting.shift()
      const end = this.end
      this.end = undefined
      if (end === undefined) waiter.resolve({ done: true, value: undefined })
      else waiter.reject(end.reason)
    }
  }

  private stepAside(): void {
    if (this.aside) return
    this.aside = true
    later(() => {
      this.aside = false
      this.pump()
      this.settle()
    })
  }

  private takeEnd(): Promise<IteratorResult<R>> {
    const end = this.end
    this.end = undefined
    return end === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(end.reason)
  }

  // A result counts as received when the consumer's own continuation has run. That is two microtasks after it
  // was handed over: by the first, its continuation is queued; by the second, it has run.
  private handed = 0
  private confirming = 0
  private hopping = false

  private readonly hop = (): void => {
    this.held -= this.confirming
    this.handed -= this.confirming
    this.confirming = this.handed
    this.hopping = this.handed > 0
    if (this.hopping) ready.then(this.hop)
    this.pump()
  }

  // ── the source's side ──────────────────────────────────────────────────────────────────────────────────

  private open(): void {
    const signal = this.signal
    if (signal?.aborted) {
      this.phase = Phase.Over
      this.scope.abort(signal.reason)
      this.end = { reason: signal.reason }
      return
    }
    this.phase = Phase.Open
    signal?.addEventListener('abort', this.onAbort)
    try {
      const open = (this.source as AsyncIterable<T>)[Symbol.asyncIterator]
      this.async = open !== undefined && open !== null
      if (this.async) this.iterator = open.call(this.source)
      else this.iterator = Array.isArray(this.source) ? new ArrayReader(this.source) : (this.source as Iterable<T>)[Symbol.iterator]()
    } catch (error) {
      return this.sourceOver({ reason: error })
    }
    this.pump()
  }

  /** Takes items while there is room. */
  private pump(): void {
    if (this.pumping || this.phase !== Phase.Open) return
    this.pumping = true
    try {
      while (this.phase === Phase.Open && !this.reading && !this.aside && this.held < this.limit) {
        if (overdue()) this.stepAside()
        else this.read()
      }
    } finally {
      this.pumping = false
    }
  }

  private read(): void {
    this.held++
    try {
      const step = this.iterator!.next()
      if (this.async) {
        this.reading = true
        adopt(step as PromiseLike<IteratorResult<T>>).then(this.onStep, this.onReadFailed)
      } else this.take(step as IteratorResult<T>)
    } catch (error) {
      this.held--
      this.sourceOver({ reason: error })
    }
  }

  private readonly onStep = (step: IteratorResult<T>): void => {
    this.reading = false
    if (this.phase !== Phase.Open) return
    try {
      this.take(step)
    } catch (error) {
      this.held--
      this.sourceOver({ reason: error })
    }
    this.pump()
  }

  private readonly onReadFailed = (reason: unknown): void => {
    this.reading = false
    this.held--
    this.sourceOver({ reason })
  }

  /** @throws what the source did wrong, never what `fn` did */
  private take(step: IteratorResult<T>): void {
    if (typeof step !== 'object' || step === null) throw new TypeError(`The source gave ${String(step)} where an iterator result is due`)
    if (step.done) {
      this.held--
      this.sourceOver(undefined)
    } else this.start(step.value)
  }

  private sourceOver(end: { reason: unknown } | undefined): void {
    if (this.phase !== Phase.Open) return
    this.phase = Phase.Draining
    this.iterator = undefined
    this.end = end
    this.settle()
  }

  private endIfDrained(): void {
    if (this.running > 0 || this.results.length > 0) return
    this.over()
  }

  // ── the work ───────────────────────────────────────────────────────────────────────────────────────────

  private start(item: T): void {
    this.running++
    let place: Place<R> | undefined
    if (this.order !== undefined) this.order.push((place = { state: State.Running, value: undefined }))
    let result: R | PromiseLike<R>
    try {
      // An iterable of promises is read as `for await` reads it, but does not hold up the items behind.
      result = !this.async && isThenable(item) ? (item as PromiseLike<T>).then((value) => this.fn(value, this.scope)) : this.fn(item, this.scope)
    } catch (error) {
      return this.failed(error, place)
    }
    if (!isThenable(result)) this.done(result as R, place)
    else if (place !== undefined) {
      adopt(result).then(
        (value) => this.done(value, place),
        (reason) => this.failed(reason, place),
      )
    } else adopt(result).then(this.onDone, this.onFailed)
  }

  private readonly onDone = (value: R): void => this.done(value, undefined)

  private done(value: R, place: Place<R> | undefined): void {
    this.running--
    if (this.phase >= Phase.Failing) return
    if (place === undefined) this.results.push(value)
    else {
      place.state = State.Done
      place.value = value
      this.advance()
    }
    if (this.waiting.length > 0 && !this.aside) this.settle()
  }

  /** Moves what is done at the head of the order to the results. */
  private advance(): void {
    for (let head = this.order?.peek(); head !== undefined && head.state !== State.Running; head = this.order!.peek()) {
      this.order!.shift()
      if (head.state === State.Done) this.results.push(head.value as R)
    }
  }

  private readonly onFailed = (reason: unknown): void => this.failed(reason, undefined)

  private failed(reason: unknown, place: Place<R> | undefined): void {
    this.running--
    if (this.phase >= Phase.Failing) return
    if (this.phase === Phase.Draining && this.end !== undefined) {
      // The source failed before: that error is the one to say, after the rest of what is in flight.
      if (place !== undefined) {
        place.state = State.Failed
        this.advance()
      }
      return this.settle()
    }
    this.phase = Phase.Failing
    this.end = { reason }
    while (this.order !== undefined && this.order.length > 0) {
      const finished = this.order.shift()
      if (finished.state === State.Done) this.results.push(finished.value as R)
    }
    this.scope.abort(reason)
    this.close()
    if (this.closing === undefined) this.over()
    else {
      const over = () => this.over()
      this.closing = this.closing.then(over, over)
    }
    this.settle()
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────

  private readonly onAbort = (): void => {
    const { reason } = this.signal!
    this.end = this.waiting.length > 0 ? undefined : { reason }
    while (this.waiting.length > 0) this.waiting.shift().reject(reason)
    this.stop(reason)
    this.closing = undefined
  }

  /** Stops everything now: nothing in flight is wanted any more. */
  private stop(reason: unknown): void {
    if (this.phase === Phase.Over && this.results.length === 0) return
    const opened = this.phase !== Phase.Fresh
    this.results.clear()
    this.order?.clear()
    this.over()
    if (!opened) return
    this.scope.abort(reason)
    this.close()
  }

  private over(): void {
    this.phase = Phase.Over
    this.signal?.removeEventListener('abort', this.onAbort)
    this.settle()
  }

  /** Closes the source, once. Leaves a promise in `closing` if there is something to wait for. */
  private close(): void {
    const iterator = this.iterator
    this.iterator = undefined
    if (typeof iterator?.return !== 'function') return
    try {
      const closed = iterator.return()
      if (!isThenable(closed)) return
      const closing = adopt(closed as PromiseLike<unknown>)
      closing.catch(ignore)
      // A generator answers return() only after the read it is busy with, which may never end.
      if (!this.reading) this.closing = closing
    } catch (error) {
      this.closing = Promise.reject(error)
      this.closing.catch(ignore)
    }
  }
}

/** Reads an array as its own iterator would, into one result for all items. */
class ArrayReader<T> implements Iterator<T> {
  private readonly step = { done: false, value: undefined as T }
  private index = 0

  constructor(private readonly array: readonly T[]) {}

  next(): IteratorResult<T> {
    const { step, array } = this
    if (this.index < array.length) step.value = array[this.index++] as T
    else step.done = true
    return step
  }
}

function ignore(): void {}

function isThenable(value: unknown): value is PromiseLike<any> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}

function adopt<T>(value: PromiseLike<T>): Promise<T> {
  return value instanceof Promise ? value : Promise.resolve(value)
}
