/** Sets from which on it is moved, if not more are inside. */
const MOVES = 64

/**
 * What is under way, by keys that others give out: what a Map does, without the garbage of one. See `Register`: so what leaves is let go of by the tables that are
 * left, and once in a while it is moved into a Map that none of them points to.
 */
export class Keyed<K, V extends {}> {
  #cells = new Map<K, { value: V | undefined }>()
  #left = MOVES

  get size(): number {
    return this.#cells.size
  }

  get(key: K): V | undefined {
    return this.#cells.get(key)?.value
  }

  has(key: K): boolean {
    return this.#cells.has(key)
  }

  set(key: K, value: V): void {
    const cell = this.#cells.get(key)
    if (cell !== undefined) {
      cell.value = value
      return
    }
    if (this.#left-- === 0) {
      this.#cells = new Map(this.#cells)
      this.#left = Math.max(MOVES, 2 * this.size)
    }
    this.#cells.set(key, { value })
  }

  /** @returns whether it was there */
  delete(key: K): boolean {
    const cell = this.#cells.get(key)
    if (cell === undefined) return false
    cell.value = undefined
    return this.#cells.delete(key)
  }

  clear(): void {
    for (const cell of this.#cells.values()) cell.value = undefined
    this.#cells = new Map()
  }

  /** Those that are there now, the oldest first, but for who has left when its turn comes: who is told to end may make others leave. */
  *values(): Generator<V> {
    for (const cell of [...this.#cells.values()]) if (cell.value !== undefined) yield cell.value
  }
}
