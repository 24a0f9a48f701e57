import { clearTimeout, setTimeout } from '../base/clock.js'
import { later, overdue } from './event-loop.js'
import { destroyUnread, ignore, whenSettled } from './thenable.js'

/**
 * Gathers the items of an async source into batches of `size`, with no async layer of its own per item.
 * What a source gave before it fails comes out before the error. `return()` reaches the source at once, also during a read.
 * A source that is always ready steps aside for timers and sockets now and then, however large the batch, and costs no timer.
 * To be asked for one batch at a time.
 */
export class Coalesce<T, B extends { [at: number]: T; readonly length: number }> implements AsyncIterableIterator<B> {
  readonly #source: AsyncIterable<unknown>
  readonly #size: number
  readonly #convert: (item: any) => T
  readonly #empty: () => B
  readonly #idle: number
  #iterator: AsyncIterator<unknown> | undefined
  /** What came that is in no batch that went out. */
  #batch: B
  /** Who waits for a batch. */
  #waiter: { resolve(step: IteratorResult<B>): void; reject(reason: unknown): void } | undefined
  /** A read is under way; it may outlive its batch, when the source idles. */
  #reading = false
  /** Somebody looks, in a coming turn of the event loop, whether anything came since. */
  #watched = false
  #came = 0
  #seen = 0
  /** Runs while the source idles. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #over = false
  #failure: { reason: unknown } | undefined

  /**
   * @param convert makes an item fit for the batch; what it throws counts as a failure of the source, which is closed
   * @param empty makes an empty batch
   * @param idle milliseconds since the last item after which a batch goes out that is not full; Infinity for never
   */
  constructor(source: AsyncIterable<unknown>, size: number, convert: (item: any) => T, empty: () => B, idle = Infinity) {
    this.#source = source
    this.#size = size
    this.#convert = convert
    this.#empty = empty
    this.#batch = empty()
    this.#idle = idle
  }

  next(): Promise<IteratorResult<B>> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      if (!this.#reading) this.#go()
      else this.#watch()
    })
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    const iterator = this.#iterator
    const unread = iterator === undefined && !this.#over
    this.#end()
    this.#failure = undefined
    this.#answer()
    if (unread) destroyUnread(this.#source)
    await iterator?.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Reads on, or says what there is to say. */
  #go(): void {
    // Who asked while this stepped aside has begun a read already.
    if (this.#waiter === undefined || this.#reading) return
    if (this.#over || this.#batch.length >= this.#size) return this.#answer()
    try {
      this.#iterator ??= this.#source[Symbol.asyncIterator]()
      this.#reading = true
      whenSettled(this.#iterator.next(), this.#onStep, this.#onFailed)
    } catch (reason) {
      return this.#onFailed(reason)
    }
    if (!this.#watched) this.#watch()
  }

  readonly #onStep = (step: IteratorResult<unknown>): void => {
    this.#reading = false
    this.#came++
    if (this.#timer !== undefined) this.#stopTimer()
    try {
      if (typeof step !== 'object' || step === null) throw new TypeError(`The source gave ${String(step)} where an iterator result is due`)
      if (step.done) this.#end()
      else if (!this.#over) this.#batch[this.#batch.length] = this.#item(step.value)
    } catch (reason) {
      return this.#onFailed(reason)
    }
    // By way of a promise, which goes on in the context that it came from.
    if (overdue()) new Promise<void>(later).then(this.#onTurn)
    else this.#go()
  }

  readonly #onTurn = (): void => this.#go()

  readonly #onFailed = (reason: unknown): void => {
    this.#reading = false
    // After return() nobody asks what became of the source.
    if (!this.#over) this.#failure = { reason }
    this.#end()
    this.#go()
  }

  #answer(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    const failure = this.#failure
    const batch = this.#batch
    if (batch.length > 0) {
      this.#batch = this.#empty()
      waiter?.resolve({ done: false, value: batch })
    } else if (failure !== undefined) {
      this.#failure = undefined
      waiter?.reject(failure.reason)
    } else waiter?.resolve({ done: true, value: undefined })
  }

  /** Nothing more is read, and the source is no longer ours to close. */
  #end(): void {
    this.#over = true
    this.#iterator = undefined
    this.#stopTimer()
  }

  #item(value: unknown): T {
    try {
      return this.#convert(value)
    } catch (error) {
      // Nobody will read on, so nobody else closes the source. What that throws is not the news.
      const iterator = this.#iterator
      ;(async () => iterator?.return?.())().catch(ignore)
      throw error
    }
  }

  // ── a source that idles ────────────────────────────────────────────────────────────────────────────────

  /** Whether a source is ready shows in a turn of the event loop: so one that is sets no timer, and looks at no clock. */
  #watch(): void {
    if (this.#watched || this.#idle === Infinity || this.#batch.length === 0) return
    this.#watched = true
    this.#seen = this.#came
    later(this.#look)
  }

  readonly #look = (): void => {
    this.#watched = false
    if (!this.#reading || this.#waiter === undefined || this.#timer !== undefined) return
    if (this.#came !== this.#seen) this.#watch()
    else this.#timer = setTimeout(this.#onIdle, this.#idle)
  }

  readonly #onIdle = (): void => {
    this.#timer = undefined
    if (this.#waiter !== undefined && this.#batch.length > 0) this.#answer()
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
