import { now } from '../base/clock.js'

/** Milliseconds over which it is measured: what came in shorter ones says little, and what is older is no news. Where few leave, it takes longer. */
const LEAST = 100
const LONG = 2500
const OLD = 5000
const FEW = 4

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

  /** The line begins anew. How fast it was left when hardly anybody waited says nothing of it. */
  begin(): void {
    this.#each = undefined
    this.#counted = this.#left
    this.#since = now()
  }

  /** Milliseconds until so many have left, as far as can be told; undefined where it cannot. */
  until(many: number): number | undefined {
    const time = now()
    const span = time - this.#since
    const left = this.#left - this.#counted
    if (span >= (left < FEW ? LONG : LEAST)) {
      // Nobody was refused for long, and most of that time it may have been idle.
      this.#each = left === 0 || span > OLD ? undefined : span / left
      this.#counted = this.#left
      this.#since = time
    }
    return this.#each && many * this.#each
  }
}
