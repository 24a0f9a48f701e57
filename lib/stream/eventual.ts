type Any<T> = Iterator<T> | AsyncIterator<T>

/**
 * An iterator that is only there once its first item is asked for: what it reads has to be waited for, or is loaded then.
 * Once all who waited for that are answered, steps are handed on as they are, without a promise of its own. `return()` settles at once.
 */
export class Eventual<T, Opened> implements AsyncIterableIterator<T> {
  readonly #open: () => Opened | PromiseLike<Opened>
  readonly #iterate: (opened: Opened) => Iterable<T> | AsyncIterable<T>
  readonly #discard: ((opened: Opened) => void) | undefined
  #opening: Promise<void> | undefined
  #iterator: Any<T> | undefined
  #over = false
  /** How many `next()`s that waited for the opening are not answered yet, or came behind such. */
  #early = 0

  /** @param discard hears of what nobody wanted any more when it was there */
  constructor(open: () => Opened | PromiseLike<Opened>, iterate: (opened: Opened) => Iterable<T> | AsyncIterable<T>, discard?: (opened: Opened) => void) {
    this.#open = open
    this.#iterate = iterate
    this.#discard = discard
  }

  /** A promise but where what stands behind it is a sync iterator: its own kin can tell. */
  next(...handing: [unknown?]): Promise<IteratorResult<T>> {
    return this.#iterator === undefined || this.#early > 0 ? this.#first() : (this.#iterator.next(...handing) as Promise<IteratorResult<T>>)
  }

  /** By the longer way, as long as somebody is on it: who takes the shorter one would overtake those who asked before. */
  async #first(): Promise<IteratorResult<T>> {
    this.#early++
    try {
      await (this.#opening ??= this.#start())
      // It is handed on from here, which the argument says: see Receipts.
      return await (this.#iterator?.next(true) ?? { done: true, value: undefined })
    } finally {
      this.#early--
    }
  }

  async #start(): Promise<void> {
    if (this.#over) return
    const opened = await this.#open()
    if (this.#over) return this.#discard?.(opened)
    const items = this.#iterate(opened)
    this.#iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  }

  async return(value?: unknown): Promise<IteratorResult<T>> {
    this.#over = true
    return (await this.#iterator?.return?.(value)) ?? { done: true, value }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
