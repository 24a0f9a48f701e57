import { destroyUnread, ignore, isThenable, lookAfter, whenSettled } from './thenable.js'

/** How a source ended: by itself, or with a reason; in a box, because `undefined` can be thrown too. */
export type End = { readonly reason: unknown } | undefined

/** Who is told what a read brought: one of the first two, once for each. */
interface Flight<T> {
  onItem(item: T): void
  onEnd(end: End): void
  /** The read was not done when `read()` returned, and now the next may begin. */
  onFree(): void
}

/** A source of any kind, read item by item and closed at most once. */
export class Reader<T> {
  readonly #source: Iterable<T> | AsyncIterable<T>
  readonly #flight: Flight<T>
  /** A read is under way. */
  busy = false
  /** Whether the source is an async one. */
  async = false
  /** Whether what the read gives has to be waited for. */
  #waits = false
  #iterator: Iterator<T> | AsyncIterator<T> | undefined
  /** A source that is an array is read by its index: nobody could tell, but by the time it takes. */
  #array: readonly T[] | undefined
  #index = 0
  #begun = false

  constructor(source: Iterable<T> | AsyncIterable<T>, flight: Flight<T>) {
    this.#source = source
    this.#flight = flight
  }

  /** Asks the source for its iterator, and throws what it throws. */
  open(): void {
    const open = (this.#source as AsyncIterable<T>)[Symbol.asyncIterator]
    this.async = open !== undefined && open !== null
    if (this.async) this.#iterator = open.call(this.#source)
    else if (isPlainArray(this.#source)) {
      this.#array = this.#source
      // Promises in a list have all begun, so that any may fail, also when nobody comes to read it.
      if (isThenable(this.#source[0])) lookAfter(this.#source)
    } else this.#iterator = (this.#source as Iterable<T>)[Symbol.iterator]()
  }

  read(): void {
    const array = this.#array
    if (array !== undefined) {
      let item: T
      try {
        if (this.#index >= array.length) return this.#flight.onEnd(undefined)
        item = array[this.#index++] as T
      } catch (error) {
        return this.#onFailed(error)
      }
      return this.#flight.onItem(item)
    }
    this.busy = true
    this.#begun = true
    let step: IteratorResult<T>
    try {
      const answer = this.#iterator!.next()
      // A sync iterator may have to wait now and then: post() knows no sooner what its inputs are read by, or that there are promises among them.
      this.#waits = this.async || answer instanceof Promise
      if (this.#waits) return whenSettled(answer as PromiseLike<IteratorResult<T>>, this.#onStep, this.#onFailed)
      step = answer as IteratorResult<T>
    } catch (error) {
      return this.#onFailed(error)
    }
    this.#take(step)
  }

  readonly #onStep = (step: IteratorResult<T>): void => {
    this.#take(step)
    this.#flight.onFree()
  }

  readonly #onFailed = (reason: unknown): void => this.#end({ reason })

  #take(step: IteratorResult<T>): void {
    let item: T
    try {
      if ((typeof step !== 'object' && typeof step !== 'function') || step === null) {
        throw new TypeError(`The source gave ${String(step)} where an iterator result is due`)
      }
      if (step.done) return this.#end(undefined)
      item = step.value
    } catch (error) {
      return this.#onFailed(error)
    }
    this.busy = false
    this.#flight.onItem(item)
  }

  /** What ended by itself is not closed. */
  #end(end: End): void {
    this.busy = false
    this.#iterator = undefined
    this.#flight.onEnd(end)
  }

  /** @returns what there is to wait for: nothing, if the source is busy, as a generator answers only after the read, which may never end */
  close(): Promise<unknown> | undefined {
    const iterator = this.#iterator
    const { busy } = this
    // A source cannot be closed from within its own next(): who is told of the item asks again.
    if (busy && !this.async && !this.#waits) return undefined
    this.#iterator = undefined
    try {
      if (!this.#begun && iterator !== undefined) destroyUnread(this.#source)
      const close = iterator?.return
      if (typeof close !== 'function') return undefined
      const closed: unknown = (close as (this: unknown) => unknown).call(iterator)
      if (!isThenable(closed)) return undefined
      const closing = Promise.resolve(closed)
      closing.catch(ignore)
      return busy ? undefined : closing
    } catch (error) {
      const failed = Promise.reject(error)
      failed.catch(ignore)
      return failed
    }
  }
}

function isPlainArray(source: Iterable<any> | AsyncIterable<any>): source is readonly any[] {
  return Array.isArray(source) && source[Symbol.iterator] === Array.prototype[Symbol.iterator]
}
