import { now } from '../base/clock.js'
import { Spell } from '../base/incidents.js'

/** Retries for each request, unless told otherwise: load grows by a tenth at most when all fails. */
export const RETRY_BUDGET = 0.1
/** Seconds that requests count. */
const SPAN = 10
/** Retries in that time that there always are, ten a second: who asks seldom has few requests to take a share of. */
const LEAST = 10 * SPAN

/**
 * How many retries there may be, for all requests that go the same way: a share of the requests of the last 10 s, or 100 where that is more. A service
 * that fails under its load gets no more than that on top of it, however many tries each request has. (As Finagle's retry budgets.)
 */
export class RetryBudget {
  readonly #share: number
  readonly #requests = new Float64Array(SPAN)
  readonly #retries = new Float64Array(SPAN)
  #second = Math.floor(now() / 1000)
  #requestsInAll = 0
  #retriesInAll = 0

  readonly #spent: Spell | undefined

  /**
   * @param share retries for each request; Infinity for any number
   * @param told hears when it is spent, and when none was wanted in vain for a while
   */
  constructor(share: number = RETRY_BUDGET, told?: (event: 'budget.spent' | 'budget.restored', about: object) => void) {
    this.#share = share
    this.#spent =
      told &&
      new Spell(
        () => told('budget.spent', { limit: this.#limit }),
        (refused, milliseconds) => told('budget.restored', { refused, milliseconds }),
      )
  }

  get #limit(): number {
    return Math.max(LEAST, Math.floor(this.#requestsInAll * this.#share))
  }

  /** A request came. */
  count(): void {
    this.#requests[this.#now()]!++
    this.#requestsInAll++
  }

  /** Takes a retry out of the budget. @returns whether there was one */
  take(): boolean {
    const at = this.#now()
    if (this.#retriesInAll >= this.#limit) {
      this.#spent?.note()
      return false
    }
    this.#retries[at]!++
    this.#retriesInAll++
    return true
  }

  /** Where this second is counted: in the place of the one that was 10 s ago. */
  #now(): number {
    const second = Math.floor(now() / 1000)
    for (let gone = Math.min(second - this.#second, SPAN); gone > 0; gone--) {
      const at = (second - gone + 1) % SPAN
      this.#requestsInAll -= this.#requests[at]!
      this.#retriesInAll -= this.#retries[at]!
      this.#requests[at] = this.#retries[at] = 0
    }
    this.#second = second
    return second % SPAN
  }
}
