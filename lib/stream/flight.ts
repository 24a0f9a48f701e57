import { here } from '../base/context.js'
import { later, overdue } from './event-loop.js'
import { Fifo } from './fifo.js'
import { type Grip, type Held, hold, letGo } from './holder.js'
import { type Order, type Slot, State } from './order.js'
import { Piece } from './piece.js'
import { type End, Reader } from './reader.js'
import { Receipts } from './receipts.js'
import { Scope } from './scope.js'
import { listen, unlisten } from './signal-listener.js'
import { ignore, isThenable, whenSettled } from './thenable.js'

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
  /** An item failed that has others before it: they go on, and are delivered, while the source closes. Only when ordered. */
  Ending,
  /** An item threw at once: the next microtask fails it, behind what finished before it. */
  Breaking,
  /** An item failed, and nothing that runs is waited for: what finished before it is still delivered, while the source closes. */
  Failing,
  /** Nothing comes any more but `end`. */
  Over,
}

/** A `next()` that waits. */
interface Waiter<R> {
  resolve(result: IteratorResult<R>): void
  reject(reason: unknown): void
}

const ready: Promise<void> = /* @__PURE__ */ Promise.resolve()

/** The iteration behind `inFlight()`: what is where, and what may happen next. Its promises stand there. */
export class Flight<T, R> implements Held {
  readonly #fn: (item: T, work: Work, emit: Emit<R>) => R | PromiseLike<R>
  readonly #limit: number
  readonly #signal: AbortSignal | undefined
  /** In which the source is read and the work is done, whoever asks for results. What a promise of theirs leads to is in it by itself. */
  readonly #context = here()
  /** Of all the work, unless their places matter: then each has its own. */
  readonly #scope = new Scope()
  readonly #reader: Reader<T>
  readonly #receipts: Receipts
  /** Only when ordered. */
  readonly #order: Order<R> | undefined

  #phase: Phase = Phase.Fresh

  // Never both non-empty, but for the turn in which results step aside for timers.
  readonly #results = new Fifo<R | Piece<R>>()
  readonly #waiting = new Fifo<Waiter<R>>()
  /** The parts that nobody took yet, once there were any. */
  #parts: Set<Piece<R>> | undefined

  /** Taken from the source, or being taken, and not yet received. Never above `limit`. */
  #held = 0
  #running = 0
  #aside = false
  /** Said once, after the last result. */
  #end: End
  #closing: Promise<unknown> | undefined
  readonly grip: Grip = { held: this, holder: undefined }
  /** Nobody will ask any more. */
  #dropped = false

  constructor(
    source: Iterable<T> | AsyncIterable<T>,
    fn: (item: T, work: Work, emit: Emit<R>) => R | PromiseLike<R>,
    limit: number,
    order: Order<R> | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#fn = fn
    this.#limit = limit
    this.#signal = signal
    this.#reader = new Reader(source, this)
    this.#receipts = new Receipts(limit, this)
    this.#order = order
  }

  /**
   * @param holder by what its consumer holds it
   * @param indirect whether it hands on what it gets
   */
  next(holder: object, indirect: boolean): Promise<IteratorResult<R>> {
    if (indirect) this.#receipts.indirect()
    if (this.#phase === Phase.Fresh) this.#context.runInAsyncScope(this.#open, this, holder)
    if (this.#waiting.length === 0 && !this.#aside) {
      if (this.#results.length > 0) {
        if (!this.#mayLast || !overdue()) {
          const result = this.#hand()
          if (this.#phase === Phase.Draining) this.#endIfDrained()
          return Promise.resolve(result)
        }
        this.#stepAside()
      } else if (this.#phase === Phase.Over) return this.#takeEnd()
    }
    return new Promise(this.#wait)
  }

  readonly #wait = (resolve: Waiter<R>['resolve'], reject: Waiter<R>['reject']): void => this.#waiting.push({ resolve, reject })

  return(value?: unknown): Promise<IteratorReturnResult<any>> {
    const result = { done: true as const, value }
    while (this.#waiting.length > 0) this.#waiting.shift().resolve({ done: true, value: undefined })
    this.#stop(new DOMException('The consumer stopped reading', 'AbortError'))
    this.#end = undefined
    const closing = this.#closing
    if (closing === undefined) return Promise.resolve(result)
    // What the source throws as it closes is said once.
    this.#closing = closing.catch(ignore)
    return closing.then(() => result)
  }

  // ── the consumer's side ────────────────────────────────────────────────────────────────────────────────

  #hand(): IteratorResult<R> {
    const value = this.#results.shift()
    if (this.#parts !== undefined && value instanceof Piece) {
      this.#parts.delete(value)
      value.taken()
      return yielded(value.value)
    }
    if (this.#phase === Phase.Open && this.#limit !== Infinity) {
      this.#receipts.add()
      if (this.#held === this.#limit) this.#receipts.confirm()
    }
    return yielded(value as R)
  }

  /** Answers who waits, in order, as far as there are results; and all of them once nothing more can come. */
  #settle(): void {
    while (this.#waiting.length > 0 && this.#results.length > 0) {
      if (this.#mayLast && overdue()) return this.#stepAside()
      this.#waiting.shift().resolve(this.#hand())
    }
    if (this.#dropped && this.#waiting.length === 0) this.onDropped()
    if (this.#phase === Phase.Draining) this.#endIfDrained()
    if (this.#phase !== Phase.Over || this.#results.length > 0) return
    while (this.#waiting.length > 0) {
      const waiter = this.#waiting.shift()
      const end = this.#end
      this.#end = undefined
      if (end === undefined) waiter.resolve({ done: true, value: undefined })
      else waiter.reject(end.reason)
    }
  }

  /** While the source is open, results are no more than the bound, and whoever takes items looks at the clock; parts have no end. */
  get #mayLast(): boolean {
    return this.#phase !== Phase.Open || this.#parts !== undefined
  }

  #stepAside(): void {
    if (this.#aside) return
    this.#aside = true
    later(() => {
      this.#aside = false
      this.#context.runInAsyncScope(this.#pump, this)
      this.#settle()
    })
  }

  #takeEnd(): Promise<IteratorResult<R>> {
    const end = this.#end
    this.#end = undefined
    return end === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(end.reason)
  }

  onReceived(count: number): void {
    this.#held -= count
    if (!this.#reader.busy) this.#context.runInAsyncScope(this.#pump, this)
  }

  // ── the source's side ──────────────────────────────────────────────────────────────────────────────────

  #open(holder: object): void {
    const signal = this.#signal
    if (signal?.aborted) {
      this.#phase = Phase.Over
      this.#end = { reason: signal.reason }
      return
    }
    this.#phase = Phase.Open
    hold(this, holder)
    if (signal !== undefined) listen(signal, this)
    try {
      this.#reader.open()
    } catch (error) {
      return this.#drain({ reason: error })
    }
    // Opening ran the source's code, which may have ended it all.
    if (this.#phase === Phase.Open) this.#pump()
    else this.#close()
  }

  /** Takes items while there is room. */
  #pump(): void {
    while (this.#phase === Phase.Open && !this.#reader.busy && !this.#aside) {
      if (this.#held === this.#limit) return this.#receipts.confirm()
      if (overdue()) this.#stepAside()
      else {
        this.#held++
        this.#reader.read()
      }
    }
  }

  onItem(item: T): void {
    if (this.#phase === Phase.Open) this.#start(item)
    else if (!this.#dropped) this.#close()
  }

  onFree(): void {
    this.#pump()
  }

  onEnd(end: End): void {
    this.#held--
    this.#drain(end)
  }

  /** Nothing comes from the source any more. */
  #drain(end: End): void {
    if (this.#phase !== Phase.Open) return
    this.#phase = Phase.Draining
    this.#end = end
    this.#scope.sourceFailure = end
    this.#settle()
  }

  #endIfDrained(): void {
    if (this.#running > 0 || this.#results.length > 0) return
    this.#over()
  }

  // ── the work ───────────────────────────────────────────────────────────────────────────────────────────

  #start(item: T): void {
    this.#running++
    const place = this.#order?.open()
    let result: R | PromiseLike<R>
    let pending: boolean
    try {
      // An iterable of promises is read as `for await` reads it, but does not hold up the items behind.
      result =
        !this.#reader.async && isThenable(item)
          ? Promise.resolve(item as PromiseLike<T>).then((value) => this.#call(value, place))
          : this.#fn(item, place ?? this.#scope, this.#emitter(place))
      pending = isThenable(result)
    } catch (error) {
      if (this.#phase === Phase.Open) this.#phase = Phase.Breaking
      result = Promise.reject(error)
      pending = true
    }
    if (!pending) this.#done(result as R, place)
    else if (place === undefined) whenSettled(result as PromiseLike<R>, this.#onDone, this.#onFailed)
    else {
      whenSettled(
        result as PromiseLike<R>,
        (value) => this.#done(value, place),
        (reason) => this.#failed(reason, place),
      )
    }
  }

  /** For an item that was a promise: when it is there, nobody may want it any more. */
  #call(item: T, place: Slot<R> | undefined): R | PromiseLike<R> {
    return this.#isLost(place) ? (undefined as R) : this.#fn(item, place ?? this.#scope, this.#emitter(place))
  }

  /** Nobody waits for what becomes of it: it ended, or ends with a failure before this place. */
  #isLost(place: Slot<R> | undefined): boolean {
    return this.#phase >= Phase.Failing || place?.aborted === true
  }

  /** One for all items, unless their places matter. */
  #emitter(place: Slot<R> | undefined): Emit<R> {
    return place === undefined ? this.#emit : (part) => this.#give(part, place)
  }

  readonly #emit = (part: R): Promise<void> => this.#give(part, undefined)

  #give(value: R, place: Slot<R> | undefined): Promise<void> {
    if (this.#isLost(place) || (place !== undefined && place.state !== State.Running)) return ready
    this.#parts ??= new Set()
    if (place !== undefined && !this.#order!.isNext(place)) {
      // Kept, but not waited for: those before may wait for what this item holds.
      place.parts ??= []
      place.parts.push(new Piece(value, ignore))
      return ready
    }
    return new Promise((taken) => {
      const part = new Piece(value, taken)
      this.#parts!.add(part)
      this.#results.push(part)
      if (this.#waiting.length > 0 && !this.#aside) this.#settle()
    })
  }

  /** Nobody waits for those who take parts any more. */
  #release(): void {
    for (const part of this.#parts ?? []) part.taken()
    this.#parts?.clear()
  }

  readonly #onDone = (value: R): void => this.#done(value, undefined)

  #done(value: R, place: Slot<R> | undefined): void {
    this.#running--
    if (this.#isLost(place)) return
    if (place === undefined) this.#results.push(value)
    else {
      place.state = State.Done
      place.value = value
      this.#order!.advance(this.#results)
      if (this.#phase === Phase.Ending) this.#endInPlace()
    }
    if (this.#waiting.length > 0 && !this.#aside) this.#settle()
  }

  readonly #onFailed = (reason: unknown): void => this.#failed(reason, undefined)

  #failed(reason: unknown, place: Slot<R> | undefined): void {
    this.#running--
    if (this.#isLost(place)) return
    if (place !== undefined) return this.#failedInPlace(reason, place)
    // If the source failed before, that error is the one to say, after the rest of what is in flight.
    if (this.#phase === Phase.Draining && this.#end !== undefined) return this.#settle()
    this.#phase = Phase.Failing
    this.#end = { reason }
    this.#release()
    this.#scope.abort(reason)
    this.#close()
    this.#overOnceClosed()
    this.#settle()
  }

  /** When ordered, an error stands behind all before it, which go on, and ahead of all behind it, also of an error there. */
  #failedInPlace(reason: unknown, place: Slot<R>): void {
    this.#phase = Phase.Ending
    this.#end = { reason }
    place.state = State.Failed
    const behind = this.#order!.endWith(place)
    this.#order!.advance(this.#results)
    place.abort(reason)
    for (const lost of behind) lost.abort(reason)
    this.#close()
    this.#endInPlace()
    this.#settle()
  }

  #endInPlace(): void {
    if (this.#order!.length > 0 || this.#phase !== Phase.Ending) return
    this.#release()
    this.#overOnceClosed()
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────

  hear(): void {
    const { reason } = this.#signal!
    this.#end = this.#waiting.length > 0 ? undefined : { reason }
    while (this.#waiting.length > 0) this.#waiting.shift().reject(reason)
    this.#stop(reason)
    this.#closing = undefined
  }

  /** Who waits still gets what it waits for. Nobody said that the source should be closed. */
  onDropped(): void {
    this.#dropped = true
    if (this.#waiting.length === 0) this.#stop(new DOMException('The iterator was dropped', 'AbortError'))
  }

  /** Stops everything now: nothing in flight is wanted any more. */
  #stop(reason: unknown): void {
    if (this.#phase === Phase.Over && this.#results.length === 0) return
    const opened = this.#phase !== Phase.Fresh
    this.#results.clear()
    this.#over()
    if (opened) this.#context.runInAsyncScope(this.#leave, this, reason)
  }

  /** Tells everybody that nothing is wanted any more. */
  #leave(reason: unknown): void {
    this.#release()
    const work = this.#order ?? this.#scope
    work.abort(reason)
    if (!this.#dropped) this.#close()
  }

  /** What ends it is said when the source is closed, if it had to be. */
  #overOnceClosed(): void {
    if (this.#closing === undefined) return this.#over()
    this.#phase = Phase.Failing
    const over = () => this.#over()
    this.#closing = this.#closing.then(over, over)
  }

  #over(): void {
    this.#phase = Phase.Over
    letGo(this)
    if (this.#signal !== undefined) unlisten(this.#signal, this)
    this.#settle()
  }

  /** Closes the source, once. Leaves a promise in `closing` if there is something to wait for. */
  #close(): void {
    this.#closing = this.#reader.close() ?? this.#closing
  }
}

/** A result of the platform's own making: promises need not look for a `then` in it, which is a twentieth of what an item costs. */
function yielded<R>(value: R): IteratorYieldResult<R> {
  return [value].values().next() as IteratorYieldResult<R>
}
