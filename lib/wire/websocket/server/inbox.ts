import { Fifo } from '../../../stream/fifo.js'

/** What waits in it at most before it asks for a pause, in bytes. Some is needed, to see a client leave that has more to say. */
const MARK = 64 * 1024
/** What a message costs beside its bytes. */
const COST = 64

/** What has come in and is not taken yet: one reader, who sees its end. */
export class Inbox<T extends { readonly length: number }> implements AsyncIterableIterator<T> {
  readonly #waiting = new Fifo<T>()
  #bytes = 0
  #full = false
  #ended = false
  #reader: ((step: IteratorResult<T>) => void) | undefined

  /** @param pause told when it is full, and when it is not any more */
  constructor(private readonly pause: (full: boolean) => void) {}

  get ended(): boolean {
    return this.#ended
  }

  push(item: T): void {
    if (this.#ended) return
    const reader = this.#reader
    if (reader !== undefined) {
      this.#reader = undefined
      return reader({ done: false, value: item })
    }
    this.#waiting.push(item)
    this.#bytes += item.length + COST
    this.#check()
  }

  /** @param drop what nobody took is not to be taken any more */
  end(drop = false): void {
    if (drop) while (this.#waiting.length > 0) this.#waiting.shift()
    if (drop) this.#bytes = 0
    this.#ended = true
    this.#check()
    this.#reader?.({ done: true, value: undefined })
    this.#reader = undefined
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#waiting.length > 0) {
      const value = this.#waiting.shift()
      this.#bytes -= value.length + COST
      this.#check()
      return Promise.resolve({ done: false, value })
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => {
      this.#reader = resolve
    })
  }

  return(): Promise<IteratorResult<T>> {
    this.end(true)
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Full above the mark, until half of it is gone. What comes after the end is not kept, so then there is always room. */
  #check(): void {
    const full = !this.#ended && this.#bytes > (this.#full ? MARK / 2 : MARK)
    if (full === this.#full) return
    this.#full = full
    this.pause(full)
  }
}
