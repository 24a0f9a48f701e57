import { clearTimeout, setTimeout } from '../../../base/clock.js'

/** Milliseconds for which a stream waits for more, for each request that it carried, and at most. */
const LINGER = 10
const LINGER_AT_MOST = 1000

/** How long a stream on which nothing is under way waits for more: the longer, the more there was. */
export class IdleTimeout {
  #served = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** There is more. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  /** A request is carried. */
  note(): void {
    this.stop()
    this.#served++
  }

  start(end: () => void): void {
    this.stop()
    this.#timer = setTimeout(end, Math.min(LINGER_AT_MOST, this.#served * LINGER))
    this.#timer.unref?.()
  }
}
