import { clearTimeout, now, setTimeout } from '../base/clock.js'

/** Time that a request, or one try, has left, while nobody else is waited for. */
export class Timeout {
  onZero: (() => void) | undefined
  #left: number
  #started = 0
  #running = false
  /** How many replicas wait: each hands on its own. */
  #pauses = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param milliseconds how long it runs, pauses left out */
  constructor(milliseconds: number) {
    this.#left = milliseconds
  }

  /** Milliseconds; less than 0 when it is over. */
  get left(): number {
    return this.#timer === undefined ? this.#left : this.#left - (now() - this.#started)
  }

  start(): void {
    this.#running = true
    this.#go()
  }

  pause(): void {
    this.#pauses++
    this.#halt()
  }

  /** The end of one pause; it goes on after the last. */
  resume(): void {
    this.#pauses--
    this.#go()
  }

  #go(): void {
    if (!this.#running || this.#pauses > 0 || this.#timer !== undefined || this.#left < 0) return
    this.#started = now()
    this.#timer = setTimeout(() => {
      this.end()
      this.onZero?.()
    }, this.#left)
  }

  #halt(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#left = Math.max(0, this.#left - (now() - this.#started))
  }

  /** It does not run again. */
  end(): void {
    this.#halt()
    this.#left = -1
  }
}
