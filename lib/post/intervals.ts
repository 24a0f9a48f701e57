/** Positions as a set of intervals, each with its end left out: of work that is done about in order, there are few. */
export class Intervals {
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  /** How many positions there are. */
  count = 0

  /** Adds an interval. What is added is mostly new and near the end. */
  add(start: number, end: number): void {
    const starts = this.#starts
    const ends = this.#ends
    // Mostly, it goes on where the last one ends.
    if (starts.length > 0 && ends.at(-1) === start && end >= start) {
      ends[ends.length - 1] = end
      this.count += end - start
      return
    }
    let to = starts.length
    while (to > 0 && starts[to - 1]! > end) to--
    let from = to
    while (from > 0 && ends[from - 1]! >= start) from--
    for (let at = from; at < to; at++) {
      start = Math.min(start, starts[at]!)
      end = Math.max(end, ends[at]!)
      this.count -= ends[at]! - starts[at]!
    }
    this.count += end - start
    starts.splice(from, to - from, start)
    ends.splice(from, to - from, end)
  }

  has(position: number): boolean {
    const at = this.#at(position)
    return at >= 0 && position < this.#ends[at]!
  }

  /** The first position that is not there. */
  get gap(): number {
    return this.#starts[0] === 0 ? this.#ends[0]! : 0
  }

  /** Behind the last position. */
  get end(): number {
    return this.#ends.at(-1) ?? 0
  }

  *[Symbol.iterator](): Generator<readonly [start: number, end: number]> {
    for (let at = 0; at < this.#starts.length; at++) yield [this.#starts[at]!, this.#ends[at]!]
  }

  /** The last interval that begins no later. */
  #at(position: number): number {
    let low = 0
    let high = this.#starts.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#starts[middle]! <= position) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}
