import { now } from '../base/clock.js'

/** Milliseconds over which it is measured: what came in shorter ones says little, and what is older is no news. */
const LEAST = 100
const OLD = 5000

/** How fast those leave who wait in a line: what is told to who may not join it. Costs an addition for each that leaves. */
export class Pace {
  #left = 0
  #counted = 0
  #since = now()
  /** For each that leaves, in milliseconds. */
  #each: number | undefined

  /** One left. */
  note(): void {
    this.#left++
  }

  /** Milliseconds until so many have left, as far as can be told; undefined where it cannot. */
  until(many: number): number | undefined {
    const time = now()
    const span = time - this.#since
    if (span >= LEAST) {
      const left = this.#left - this.#counted
      // Nobody was refused for long, and most of that time it may have been idle.
      this.#each = left === 0 || span > OLD ? undefined : span / left
      this.#counted = this.#left
      this.#since = time
    }
    return this.#each && many * this.#each
  }
}
