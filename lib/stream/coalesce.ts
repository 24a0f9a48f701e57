import { clearTimeout, setTimeout } from '../base/clock.js'
import { later, overdue } from './turn.js'

/** Told by {@link Coalesce} when nothing came for a while. */
const IDLE = Symbol('idle')

/**
 * Gathers the items of an async source into batches of `size`, with no async layer of its own per item.
 * What a source gave before it fails comes out before the error. `return()` reaches the source at once, also during a read.
 * A source that is always ready steps aside for timers and sockets now and then, however large the batch.
 */
export class Coalesce<T, B extends { [at: number]: T; readonly length: number }> implements AsyncIterableIterator<B> {
  readonly #source: AsyncIterable<unknown>
  readonly #size: number
  readonly #convert: (item: any) => T
  readonly #batch: () => B
  readonly #idle: number | undefined
  #iterator: AsyncIterator<unknown> | undefined
  /** A read that outlived its batch, because the source idled. */
  #reading: Promise<IteratorResult<unknown>> | undefined
  /** Ends a wait for the source. */
  #wake: (() => void) | undefined
  #over = false
  #failure: { reason: unknown } | undefined

  /**
   * @param convert makes an item fit for the batch; what it throws counts as a failure of the source, which is closed
   * @param batch makes an empty batch
   * @param idle milliseconds without an item after which a batch goes out that is not full
   */
  constructor(source: AsyncIterable<unknown>, size: number, convert: (item: any) => T, batch: () => B, idle?: number) {
    this.#source = source
    this.#size = size
    this.#convert = convert
    this.#batch = batch
    this.#idle = idle
  }

  async next(): Promise<IteratorResult<B>> {
    const batch = this.#batch()
    try {
      while (!this.#over && batch.length < this.#size) {
        this.#iterator ??= this.#source[Symbol.asyncIterator]()
        const step = this.#idle === undefined ? await this.#iterator.next() : await this.#readOrIdle(batch.length > 0)
        if (step === IDLE) break
        if (typeof step !== 'object' || step === null) throw new TypeError(`The source gave ${String(step)} where an iterator result is due`)
        if (step.done) this.#end()
        else if (!this.#over) batch[batch.length] = this.#item(step.value)
        if (overdue()) await new Promise<void>(later)
      }
    } catch (reason) {
      // After return() nobody asks what became of the source.
      if (!this.#over) this.#failure = { reason }
      this.#end()
    }
    if (batch.length > 0) return { done: false, value: batch }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.reason
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    const iterator = this.#iterator
    this.#end()
    this.#failure = undefined
    this.#wake?.()
    await iterator?.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Nothing more is read, and the source is no longer ours to close. */
  #end(): void {
    this.#over = true
    this.#iterator = undefined
  }

  #item(value: unknown): T {
    try {
      return this.#convert(value)
    } catch (error) {
      // Nobody will read on, so nobody else closes the source. What that throws is not the news.
      const iterator = this.#iterator
      ;(async () => iterator?.return?.())().catch(() => {})
      throw error
    }
  }

  async #readOrIdle(begun: boolean): Promise<IteratorResult<unknown> | typeof IDLE> {
    const reading = (this.#reading ??= Promise.resolve(this.#iterator!.next()))
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      const idle = new Promise<typeof IDLE>((resolve) => {
        this.#wake = () => resolve(IDLE)
        if (begun) timer = setTimeout(resolve, this.#idle, IDLE)
      })
      const step = await Promise.race([reading, idle])
      if (step !== IDLE) this.#reading = undefined
      return step
    } finally {
      clearTimeout(timer)
      this.#wake = undefined
    }
  }
}
