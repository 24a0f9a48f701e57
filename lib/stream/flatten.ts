/** The items of what a source gives, one after the other. `return()` reaches the source. */
export class Flatten<S, T> implements AsyncIterableIterator<T> {
  readonly #source: AsyncIterator<S>
  readonly #items: (from: S) => readonly T[]
  #current: readonly T[] = []
  #at = 0

  constructor(source: AsyncIterable<S>, items: (from: S) => readonly T[]) {
    this.#source = source[Symbol.asyncIterator]()
    this.#items = items
  }

  async next(): Promise<IteratorResult<T>> {
    while (this.#at === this.#current.length) {
      const step = await this.#source.next()
      if (step.done) return { done: true, value: undefined }
      this.#current = this.#items(step.value)
      this.#at = 0
    }
    return { done: false, value: this.#current[this.#at++] as T }
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
}
