import { now } from '../base/clock.js'
import { Fifo } from './fifo.js'

/** So much in so long. */
export interface RateBound {
  /** What may be begun in any time of this length. */
  readonly limit: number
  /** Its length in milliseconds. */
  readonly per: number
}

/**
 * A bucket that what is begun is taken out of, and put back `per` milliseconds later. So in no time of that length, wherever it begins, more than
 * `limit` is begun, and `limit` may be begun at once. A bucket that is filled drop by drop lets through up to twice as much.
 */
class Bucket {
  readonly limit: number
  readonly #per: number
  #left: number
  /** What comes back, and when, by turns: a pair each. */
  readonly #taken = new Fifo<number>()
  /** Taken out, and not yet begun. */
  #open = 0

  constructor({ limit, per }: RateBound) {
    this.limit = limit
    this.#per = per
    this.#left = limit
  }

  /** Milliseconds until so much is there. */
  wait(weight: number, time: number): number {
    while (this.#taken.length > 0 && this.#taken.peek()! <= time) {
      this.#taken.shift()
      this.#left += this.#taken.shift()
    }
    // Sums of fractions drift; with nothing to come back, it is full.
    if (this.#taken.length === 0 && this.#open === 0) this.#left = this.limit
    if (weight <= this.#left) return 0
    return this.#taken.length === 0 ? 1 : this.#taken.peek()! - time
  }

  take(weight: number): void {
    this.#left -= weight
    this.#open++
  }

  begun(weight: number, time: number): void {
    this.#open--
    this.#taken.push(time + this.#per)
    this.#taken.push(weight)
  }
}

/** Several bounds at once, as services have them (calls a minute, tokens a minute), and times at which nothing is begun. */
export class RateLimit {
  readonly #buckets: readonly Bucket[]
  #paused = 0

  constructor(bounds: readonly RateBound[]) {
    this.#buckets = bounds.map((bound) => new Bucket(bound))
  }

  /**
   * Takes out what something needs, if it may begin now; `begun()` is to be called when it has.
   * @param weights what it takes of each bound
   * @returns 0, or the milliseconds after which to ask again
   */
  take(weights: readonly number[]): number {
    // Reading the clock costs a tenth of a call that is done at once.
    if (this.#buckets.length === 0 && this.#paused === 0) return 0
    const time = now()
    let wait = this.#paused - time
    if (wait <= 0) this.#paused = 0
    for (let at = 0; at < this.#buckets.length; at++) wait = Math.max(wait, this.#buckets[at]!.wait(weights[at]!, time))
    if (wait > 0) return wait
    for (let at = 0; at < this.#buckets.length; at++) this.#buckets[at]!.take(weights[at]!)
    return 0
  }

  /** It is on its way. Its time runs from here, as what it does first may take some of it. */
  begun(weights: readonly number[]): void {
    if (this.#buckets.length === 0) return
    const time = now()
    for (let at = 0; at < this.#buckets.length; at++) this.#buckets[at]!.begun(weights[at]!, time)
  }

  /** Nothing is begun for so long: who is asked said so. */
  pause(milliseconds: number): void {
    this.#paused = Math.max(this.#paused, now() + milliseconds)
  }
}
