import { nextTick } from '../base/clock.js'

const ready: Promise<void> = /* @__PURE__ */ Promise.resolve()

/**
 * Says when results that were handed over are received: when the consumer's own continuation has run.
 *
 * In microtasks: a consumer that awaits its result at once runs two after it was handed over; by the first, its
 * continuation is queued; by the second, it has run. One that asked several times before it awaits runs once a
 * microtask. So, from the second on, one result is confirmed in each.
 *
 * In ticks, where there are any: when a microtask sets a tick, all that follows from what was handed before runs ahead
 * of it. After one more microtask, so has what other ticks began.
 */
export class Receipts {
  #handed = 0
  #ripe = 0
  #confirming = false
  #inTicks: boolean
  /** Further microtasks that each result takes to its consumer. */
  #way = 0

  readonly #flight: { onReceived(count: number): void }

  constructor(limit: number, flight: { onReceived(count: number): void }) {
    this.#flight = flight
    // Confirming many results in one tick is cheaper than one by one; for few it is dearer, and a great many would come in waves.
    this.#inTicks = nextTick !== undefined && limit >= 8 && limit <= 64
  }

  /**
   * Whoever asks hands on what it gets, each time a few microtasks later: as `yield*` does, which says so by giving `next()` an argument, where
   * loops give none. Our own do the same. Of them, ticks know when all are done; microtasks are counted, as far as two such layers.
   */
  indirect(): void {
    this.#inTicks = nextTick !== undefined
    this.#way = 2
  }

  /** A result was handed over. */
  add(): void {
    this.#handed++
  }

  /** Sees to it that `onReceived` is called, once there is somebody to hear it. Until then nothing is counted but results. */
  confirm(): void {
    if (this.#confirming || this.#handed === 0) return
    this.#confirming = true
    ready.then(this.#inTicks ? this.#setTick : this.#onMicrotask)
  }

  readonly #onMicrotask = (): void => {
    const received = this.#ripe > this.#way ? 1 : 0
    this.#handed -= received
    this.#confirming = this.#handed > 0
    // Through others, each comes the whole way after the one before it.
    this.#ripe = !this.#confirming || (received > 0 && this.#way > 0) ? 0 : this.#ripe + 1
    if (this.#confirming) ready.then(this.#onMicrotask)
    this.#flight.onReceived(received)
  }

  readonly #setTick = (): void => nextTick!(this.#onTick)

  readonly #onTick = (): void => {
    this.#ripe = this.#handed
    ready.then(this.#onTicked)
  }

  readonly #onTicked = (): void => {
    this.#handed -= this.#ripe
    this.#confirming = false
    this.#flight.onReceived(this.#ripe)
  }
}
