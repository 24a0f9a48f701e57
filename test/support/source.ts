export interface Script {
  /** Called by each `next()` with its number from 0; what it returns is awaited (by an async source), what it throws is the source's failure. */
  before?: (read: number) => unknown
  /** Called by `return()`; what it returns is awaited (by an async source), what it throws is thrown. */
  closed?: () => unknown
}

/** A source that counts what is done to it. Read it as an async iterable, or its `sync` twin as an iterable. */
export class Source<T> implements AsyncIterable<T> {
  opened = 0
  /** Calls of `next()`. */
  reads = 0
  /** Calls of `next()` while another was pending. */
  overlaps = 0
  /** Calls of `next()` after `return()`, the end or a failure. */
  late = 0
  /** Calls of `return()`. */
  returns = 0
  reading = false
  /** It ended or failed by itself. */
  over = false

  constructor(
    readonly items: readonly T[],
    readonly script: Script = {},
  ) {}

  [Symbol.asyncIterator](): AsyncIterator<T> {
    this.opened++
    return {
      next: async () => {
        const read = this.#begin()
        try {
          await this.script.before?.(read)
          return this.#step(read)
        } catch (error) {
          this.over = true
          throw error
        } finally {
          this.reading = false
        }
      },
      return: async () => {
        this.returns++
        await this.script.closed?.()
        return { done: true, value: undefined }
      },
    }
  }

  get sync(): Iterable<T> {
    return { [Symbol.iterator]: () => this.#iterator() }
  }

  #iterator(): Iterator<T> {
    this.opened++
    return {
      next: () => {
        const read = this.#begin()
        try {
          this.script.before?.(read)
          return this.#step(read)
        } catch (error) {
          this.over = true
          throw error
        } finally {
          this.reading = false
        }
      },
      return: () => {
        this.returns++
        this.script.closed?.()
        return { done: true, value: undefined }
      },
    }
  }

  #begin(): number {
    if (this.reading) this.overlaps++
    if (this.returns > 0 || this.over) this.late++
    this.reading = true
    return this.reads++
  }

  #step(read: number): IteratorResult<T> {
    if (read < this.items.length) return { done: false, value: this.items[read] as T }
    this.over = true
    return { done: true, value: undefined }
  }
}

/** 0, 1, 2 … */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}
