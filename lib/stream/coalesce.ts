/** Told by {@link Coalesce} when nothing came for a while. */
const IDLE = Symbol('idle')

/**
 * Gathers the items of an async source into batches of `size`, with no async layer of its own per item.
 * What a source gave before it fails comes out before the error. `return()` reaches the source at once, also during a read.
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
      this.#iterator ??= this.#source[Symbol.asyncIterator]()
      while (!this.#over && batch.length < this.#size) {
        const step = this.#idle === undefined ? await this.#iterator.next() : await this.#readOrIdle(batch.length > 0)
        if (step === IDLE) break
        if (typeof step !== 'object' || step === null) throw new TypeError(`The source gave ${String(step)} where an iterator result is due`)
        if (step.done) this.#over = true
        else if (!this.#over) batch[batch.length] = this.#item(step.value)
      }
    } catch (reason) {
      this.#over = true
      this.#failure = { reason }
    }
    if (batch.length > 0) return { done: false, value: batch }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.reason
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#over = true
    this.#failure = undefined
    await this.#iterator?.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #item(value: unknown): T {
    try {
      return this.#convert(value)
    } catch (error) {
      // Nobody will read on, so nobody else closes the source. What that throws is not the news.
      Promise.resolve(this.#iterator?.return?.()).catch(() => {})
      throw error
    }
  }

  async #readOrIdle(begun: boolean): Promise<IteratorResult<unknown> | typeof IDLE> {
    this.#reading ??= this.#iterator!.next()
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      const idle = new Promise<typeof IDLE>((resolve) => {
        if (begun) timer = setTimeout(resolve, this.#idle, IDLE)
      })
      const step = await Promise.race([this.#reading, idle])
      if (step !== IDLE) this.#reading = undefined
      return step
    } finally {
      clearTimeout(timer)
    }
  }
}
