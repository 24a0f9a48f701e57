/** The items of what a source gives, one after the other, also for several `next()` at once. `return()` reaches the source at once. */
export class Flatten<S, T> implements AsyncIterableIterator<T> {
  readonly #source: AsyncIterator<S>
  readonly #items: (from: S) => readonly T[]
  #current: readonly T[] = []
  #at = 0
  /** The last `next()` that has to read, or waits for one that does. */
  #reading: Promise<unknown> | undefined

  constructor(source: AsyncIterable<S>, items: (from: S) => readonly T[]) {
    this.#source = source[Symbol.asyncIterator]()
    this.#items = items
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#reading === undefined && this.#at < this.#current.length) return Promise.resolve(this.#take())
    const read = () => this.#read()
    const reading: Promise<IteratorResult<T>> = this.#reading === undefined ? read() : this.#reading.then(read, read)
    this.#reading = reading
    const over = () => {
      if (this.#reading === reading) this.#reading = undefined
    }
    reading.then(over, over)
    return reading
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#current = []
    this.#at = 0
    await this.#source.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #read(): Promise<IteratorResult<T>> {
    while (this.#at >= this.#current.length) {
      const step = await this.#source.next(true)
      if (step.done) return { done: true, value: undefined }
      this.#current = this.#items(step.value)
      this.#at = 0
    }
    return this.#take()
  }

  #take(): IteratorResult<T> {
    return { done: false, value: this.#current[this.#at++] as T }
  }
}
