import { Ear } from './ear.js'
import { Fifo } from './fifo.js'
import { Scope } from './scope.js'
import { later, overdue } from './turn.js'

/** What a mapper gets beside its item. */
export interface Work {
  /** Aborts when the result is no longer wanted: another item failed, the consumer left, the caller aborted. */
  readonly signal: AbortSignal
}

/**
 * Hands a part of a result to the consumer, ahead of the result itself. Resolves when the consumer took it, or when nobody will;
 * so who awaits it makes the next part no sooner than the last was taken. When ordered, parts of an item that is not the oldest are kept
 * until it is, and not waited for.
 */
export type Emit<R> = (part: R) => Promise<void>

/** Where the iteration stands; it only moves forward. */
const enum Phase {
  /** Nobody asked for anything yet: nothing is open. */
  Fresh,
  /** The source gives items. */
  Open,
  /** The source ended or failed: what is in flight is still delivered. */
  Draining,
  /** An item threw at once: the next microtask fails it, behind what finished before it. */
  Breaking,
  /** An item failed: what finished before it is still delivered, while the source closes. */
  Failing,
  /** Nothing comes any more but `end`. */
  Over,
}

/** A `next()` that waits. */
interface Waiter<R> {
  resolve(result: IteratorResult<R>): void
  reject(reason: unknown): void
}

/** A place in the order, kept from the start of an item until all before it are done. */
interface Place<R> {
  state: State
  value: R | undefined
  /** What was emitted while others were before it. */
  parts: Part<R>[] | undefined
}

/** A part of a result among the results: it leaves no place for another item. */
class Part<R> {
  constructor(
    readonly value: R,
    readonly taken: () => void,
  ) {}
}

const enum State {
  Running,
  Done,
  Failed,
}

const ready: Promise<void> = Promise.resolve()
/** Node's, and its kin's: runs a callback when all microtasks have run. */
const tick = (globalThis as { process?: { nextTick?: (callback: () => void) => void } }).process?.nextTick
const { then } = Promise.prototype

/** The iteration behind `inFlight()`: what is where, and what may happen next. Its promises stand there. */
export class Flight<T, R> implements AsyncIterableIterator<R>, AsyncDisposable {
  private readonly source: Iterable<T> | AsyncIterable<T>
  private readonly fn: (item: T, work: Work, emit: Emit<R>) => R | PromiseLike<R>
  private readonly limit: number
  private readonly signal: AbortSignal | undefined
  private readonly scope = new Scope()

  private phase: Phase = Phase.Fresh
  private iterator: Iterator<T> | AsyncIterator<T> | undefined
  private async = false
  /** A source that is an array is read by its index. */
  private array: readonly T[] | undefined
  private index = 0

  // Never both non-empty, but for the turn in which results step aside for timers.
  private readonly results = new Fifo<R | Part<R>>()
  private readonly waiting = new Fifo<Waiter<R>>()
  /** Only when ordered: the items in flight, oldest first. */
  private readonly order: Fifo<Place<R>> | undefined
  /** The parts that nobody took yet, once there were any. */
  private parts: Set<Part<R>> | undefined

  /** Taken from the source, or being taken, and not yet received. Never above `limit`. */
  private held = 0
  private running = 0
  private reading = false
  private aside = false
  /** Said once, after the last result. A box, because `undefined` can be thrown too. */
  private end: { reason: unknown } | undefined
  private closing: Promise<unknown> | undefined
  private ear: Ear | undefined

  constructor(
    source: Iterable<T> | AsyncIterable<T>,
    fn: (item: T, work: Work, emit: Emit<R>) => R | PromiseLike<R>,
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
        if (!this.mayLast || !overdue()) {
          const result = this.hand()
          if (this.phase === Phase.Draining) this.endIfDrained()
          return Promise.resolve(result)
        }
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
    const closing = this.closing
    if (closing === undefined) return Promise.resolve(result)
    // What the source throws as it closes is said once.
    this.closing = closing.catch(ignore)
    return closing.then(() => result)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  // ── the consumer's side ────────────────────────────────────────────────────────────────────────────────

  private hand(): IteratorResult<R> {
    const value = this.results.shift()
    if (this.parts !== undefined && value instanceof Part) {
      this.parts.delete(value)
      value.taken()
      return { done: false, value: value.value }
    }
    const result = { done: false as const, value: value as R }
    if (this.phase === Phase.Open && this.limit !== Infinity) {
      this.handed++
      if (!this.confirming && this.held === this.limit) this.confirm()
    }
    return result
  }

  /** Answers who waits, in order, as far as there are results; and all of them once nothing more can come. */
  private settle(): void {
    while (this.waiting.length > 0 && this.results.length > 0) {
      if (this.mayLast && overdue()) return this.stepAside()
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

  /** While the source is open, results are no more than the bound, and whoever takes items looks at the clock; parts have no end. */
  private get mayLast(): boolean {
    return this.phase !== Phase.Open || this.parts !== undefined
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

  // A result counts as received when the consumer's own continuation has run. Nothing is counted while there is room.
  //
  // In microtasks: a consumer that awaits its result at once runs two after it was handed over; by the first, its
  // continuation is queued; by the second, it has run. One that asked several times before it awaits runs once a
  // microtask. So, from the second on, one result is confirmed in each.
  //
  // In ticks, where there are any: when a microtask sets a tick, all that follows from what was handed before runs ahead
  // of it. After one more microtask, so has what other ticks began.
  private handed = 0
  private ripe = 0
  private confirming = false

  private confirm(): void {
    this.confirming = true
    ready.then(inTicks(this.limit) ? () => tick!(this.onTick) : this.onMicrotask)
  }

  private readonly onMicrotask = (): void => {
    this.held -= this.ripe
    this.handed -= this.ripe
    this.confirming = this.handed > 0
    this.ripe = this.confirming ? 1 : 0
    if (this.confirming) ready.then(this.onMicrotask)
    if (!this.reading) this.pump()
  }

  private readonly onTick = (): void => {
    this.ripe = this.handed
    ready.then(this.onTicked)
  }

  private readonly onTicked = (): void => {
    this.held -= this.ripe
    this.handed -= this.ripe
    this.confirming = false
    if (!this.reading) this.pump()
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
    if (signal !== undefined) this.ear = new Ear(signal, this, this.waiting, this.scope)
    try {
      const open = (this.source as AsyncIterable<T>)[Symbol.asyncIterator]
      this.async = open !== undefined && open !== null
      if (this.async) this.iterator = open.call(this.source)
      else if (isPlainArray(this.source)) this.array = this.source
      else this.iterator = (this.source as Iterable<T>)[Symbol.iterator]()
    } catch (error) {
      return this.sourceOver({ reason: error })
    }
    // Opening ran the source's code, which may have ended it all.
    if (this.phase === Phase.Open) this.pump()
    else this.close()
  }

  /** Takes items while there is room. */
  private pump(): void {
    while (this.phase === Phase.Open && !this.reading && !this.aside) {
      if (this.held === this.limit) {
        if (!this.confirming && this.handed > 0) this.confirm()
        return
      }
      if (overdue()) this.stepAside()
      else if (this.array !== undefined) this.readArray(this.array)
      else this.read()
    }
  }

  /** Without an iterator, which nobody could tell but by the time it takes. */
  private readArray(array: readonly T[]): void {
    if (this.index >= array.length) return this.sourceOver(undefined)
    this.held++
    this.start(array[this.index++] as T)
  }

  private read(): void {
    this.held++
    this.reading = true
    let step: IteratorResult<T>
    try {
      const answer = this.iterator!.next()
      if (this.async) return adopt(answer as PromiseLike<IteratorResult<T>>, this.onStep, this.onReadFailed)
      step = answer as IteratorResult<T>
    } catch (error) {
      return this.onReadFailed(error)
    }
    this.take(step)
  }

  private readonly onStep = (step: IteratorResult<T>): void => {
    this.take(step)
    this.pump()
  }

  private readonly onReadFailed = (reason: unknown): void => {
    this.reading = false
    this.held--
    this.sourceOver({ reason })
  }

  private take(step: IteratorResult<T>): void {
    this.reading = false
    let item: T
    try {
      if ((typeof step !== 'object' && typeof step !== 'function') || step === null) {
        throw new TypeError(`The source gave ${String(step)} where an iterator result is due`)
      }
      if (step.done) {
        this.held--
        return this.sourceOver(undefined)
      }
      item = step.value
    } catch (error) {
      return this.onReadFailed(error)
    }
    if (this.phase === Phase.Open) this.start(item)
    else this.close()
  }

  private sourceOver(end: { reason: unknown } | undefined): void {
    this.iterator = undefined
    if (this.phase !== Phase.Open) return
    this.phase = Phase.Draining
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
    if (this.order !== undefined) this.order.push((place = { state: State.Running, value: undefined, parts: undefined }))
    let result: R | PromiseLike<R>
    let pending: boolean
    try {
      // An iterable of promises is read as `for await` reads it, but does not hold up the items behind.
      result =
        !this.async && isThenable(item)
          ? Promise.resolve(item as PromiseLike<T>).then((value) => this.call(value, place))
          : this.fn(item, this.scope, this.emitter(place))
      pending = isThenable(result)
    } catch (error) {
      if (this.phase === Phase.Open) this.phase = Phase.Breaking
      result = Promise.reject(error)
      pending = true
    }
    if (!pending) this.done(result as R, place)
    else if (place === undefined) adopt(result as PromiseLike<R>, this.onDone, this.onFailed)
    else {
      adopt(
        result as PromiseLike<R>,
        (value) => this.done(value, place),
        (reason) => this.failed(reason, place),
      )
    }
  }

  /** For an item that was a promise: when it is there, nobody may want it any more. */
  private call(item: T, place: Place<R> | undefined): R | PromiseLike<R> {
    return this.phase >= Phase.Failing ? (undefined as R) : this.fn(item, this.scope, this.emitter(place))
  }

  /** One for all items, unless their places matter. */
  private emitter(place: Place<R> | undefined): Emit<R> {
    return place === undefined ? this.emit : (part) => this.emit(part, place)
  }

  private readonly emit = (value: R, place?: Place<R>): Promise<void> => {
    if (this.phase >= Phase.Failing || (place !== undefined && place.state !== State.Running)) return ready
    this.parts ??= new Set()
    if (place !== undefined && place !== this.order!.peek()) {
      // Kept, but not waited for: those before may wait for what this item holds.
      place.parts ??= []
      place.parts.push(new Part(value, ignore))
      return ready
    }
    return new Promise((taken) => {
      const part = new Part(value, taken)
      this.parts!.add(part)
      this.results.push(part)
      if (this.waiting.length > 0 && !this.aside) this.settle()
    })
  }

  /** Nobody waits for those who take parts any more. */
  private release(): void {
    for (const part of this.parts ?? []) part.taken()
    this.parts?.clear()
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
    for (let head = this.order?.peek(); head !== undefined; head = this.order!.peek()) {
      if (head.parts !== undefined) this.handParts(head)
      if (head.state === State.Running) return
      this.order!.shift()
      if (head.state === State.Done) this.results.push(head.value as R)
    }
  }

  private handParts(place: Place<R>): void {
    for (const part of place.parts ?? []) this.results.push(part)
    place.parts = undefined
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
      if (finished.state !== State.Done) continue
      this.handParts(finished)
      this.results.push(finished.value as R)
    }
    this.release()
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

  readonly onAbort = (): void => {
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
    this.release()
    this.scope.abort(reason)
    this.close()
  }

  private over(): void {
    this.phase = Phase.Over
    this.ear?.close()
    this.settle()
  }

  /** Closes the source, once. Leaves a promise in `closing` if there is something to wait for. */
  private close(): void {
    const { iterator, reading } = this
    // A source cannot be closed from within its own next(); `take()` comes back here when it is out.
    if (reading && !this.async) return
    this.iterator = undefined
    try {
      const close = iterator?.return
      if (typeof close !== 'function') return
      const closed: unknown = (close as (this: unknown) => unknown).call(iterator)
      if (!isThenable(closed)) return
      const closing = Promise.resolve(closed)
      closing.catch(ignore)
      // A generator answers return() only after the read it is busy with, which may never end.
      if (!reading) this.closing = closing
    } catch (error) {
      this.closing = Promise.reject(error)
      this.closing.catch(ignore)
    }
  }
}

function ignore(): void {}

function isThenable(value: unknown): value is PromiseLike<any> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}

/** `then` as `await` does it: whatever the promise makes of its own `then`, one of the two is called, once, and later. */
function adopt<T>(value: PromiseLike<T>, done: (value: T) => void, failed: (reason: unknown) => void): void {
  // Nearly always a promise of the platform, which needs none of the precautions.
  if ((value as Promise<T>).constructor === Promise && value.then === then) void value.then(done, failed)
  else then.call(Promise.resolve(value), done as (value: unknown) => void, failed)
}

/** Confirming many results in one tick is cheaper than one by one; for few it is dearer, and for a great many they would come in waves. */
function inTicks(limit: number): boolean {
  return tick !== undefined && limit >= 8 && limit <= 64
}

function isPlainArray(source: Iterable<any> | AsyncIterable<any>): source is readonly any[] {
  return Array.isArray(source) && source[Symbol.iterator] === Array.prototype[Symbol.iterator]
}
