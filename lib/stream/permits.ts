/** Somebody in a line. */
export interface Waiter {
  /** It is its turn, and it has a place. */
  go(): void
}

/** A number of places, and a line before them that is no longer than it may be. First come, first served. */
export class Line {
  #room: number
  readonly #most: number
  readonly #waiting = new Set<Waiter>()
  #giving = false

  /**
   * @param places how many there are
   * @param most how many may wait
   */
  constructor(places: number, most: number) {
    this.#room = places
    this.#most = most
  }

  /** Whether nobody more may wait. */
  get full(): boolean {
    return this.#waiting.size >= this.#most
  }

  /** Takes a place. @returns whether there was one */
  take(): boolean {
    if (this.#room === 0) return false
    this.#room--
    return true
  }

  wait(waiter: Waiter): void {
    this.#waiting.add(waiter)
  }

  /** It waits no longer. */
  quit(waiter: Waiter): void {
    this.#waiting.delete(waiter)
  }

  /** Gives a place back, to the first in line. */
  readonly give = (): void => {
    this.#room++
    // Whoever is done at once gives while it is given: one loop for a whole line of them.
    if (this.#giving) return
    this.#giving = true
    for (const first of this.#waiting) {
      if (!this.take()) break
      this.#waiting.delete(first)
      first.go()
    }
    this.#giving = false
  }
}
