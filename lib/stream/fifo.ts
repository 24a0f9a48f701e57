/** A first-in, first-out queue in a ring of slots: O(1) to push and to shift, whatever its length. */
export class Fifo<T> {
  #ring: (T | undefined)[] = new Array(16)
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(item: T): void {
    if (this.#length === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#length++) & (this.#ring.length - 1)] = item
  }

  /** The oldest item, which stays; undefined where there is none. */
  peek(): T | undefined {
    return this.#ring[this.#head]
  }

  /** Takes the oldest item out. Call it only when `length` is not 0: `undefined` may be an item too. */
  shift(): T {
    const item = this.#ring[this.#head] as T
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#length--
    return item
  }

  /** Takes the newest item out. Call it only when `length` is not 0. */
  pop(): T {
    const at = (this.#head + --this.#length) & (this.#ring.length - 1)
    const item = this.#ring[at] as T
    this.#ring[at] = undefined
    return item
  }

  clear(): void {
    this.#ring = new Array(16)
    this.#head = this.#length = 0
  }

  // The length stays a power of two, so that a mask does for a modulo.
  #grow(): void {
    const { length } = this.#ring
    const ring = new Array<T | undefined>(length * 2)
    for (let i = 0; i < length; i++) ring[i] = this.#ring[(this.#head + i) & (length - 1)]
    this.#ring = ring
    this.#head = 0
  }
}
