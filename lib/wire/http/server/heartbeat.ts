import { clearTimeout, setTimeout } from '../../../base/clock.js'
import type { Exchange } from './exchange.js'

/** Says now and then that an answer lives: proxies and browsers hang up on who says nothing for long, 60 s for most. */
export class Heartbeat {
  readonly #exchange: Exchange
  readonly #interval: number
  readonly #say: () => void | Promise<void>
  #timer: ReturnType<typeof setTimeout> | undefined
  #over = false

  /**
   * @param interval milliseconds; 0 and Infinity: never
   * @param say writes what means nothing to who reads it
   */
  constructor(exchange: Exchange, interval: number, say: () => void | Promise<void>) {
    this.#exchange = exchange
    this.#interval = interval
    this.#say = say
    this.#wait()
  }

  readonly #beat = async (): Promise<void> => {
    if (this.#exchange.scope.aborted) return
    try {
      await this.#say()
      this.#wait()
    } catch {
      // The client left, which whoever answers hears of as well.
    }
  }

  #wait(): void {
    if (this.#interval > 0 && this.#interval < Infinity && !this.#over) this.#timer = setTimeout(this.#beat, this.#interval)
  }

  /** Nothing is said any more. */
  close(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }
}
