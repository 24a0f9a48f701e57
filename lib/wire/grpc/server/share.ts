import { Fifo } from '../../../stream/fifo.js'
import type { Scope } from '../../../stream/scope.js'

/** What the calls of one connection have under way together: nobody gets more of the server by opening more of them. */
export class Share {
  /** How many calls there are. */
  calls = 0
  #room: number
  readonly #waiting = new Fifo<() => void>()

  /** @param limit the most requests */
  constructor(limit: number) {
    this.#room = limit
  }

  get full(): boolean {
    return this.#room <= 0
  }

  take(): void {
    this.#room--
  }

  give(): void {
    this.#room++
    while (!this.full && this.#waiting.length > 0) this.#waiting.shift()()
  }

  wait(go: () => void): void {
    this.#waiting.push(go)
  }
}

/** A request's seat in a share. */
export class Seat {
  readonly #share: Share
  readonly #unwatch: () => void
  #held = false
  #over = false
  #go: (() => void) | undefined

  constructor(share: Share, scope: Scope) {
    this.#share = share
    // Nobody waits for it any more: who hangs on keeps no place.
    this.#unwatch = scope.watch(() => this.leave())
  }

  /** @returns a promise if there is no room yet */
  enter(): void | Promise<void> {
    if (!this.#share.full) return this.back()
    return new Promise((resolve) => {
      this.#go = () => {
        this.#go = undefined
        this.back()
        resolve()
      }
      this.#share.wait(() => this.#go?.())
    })
  }

  /** Lets others have it: its client is waited for. */
  rest(): void {
    if (!this.#held) return
    this.#held = false
    this.#share.give()
  }

  /** Goes on, also when that makes one too many: who is inside waits for nobody outside. */
  back(): void {
    if (this.#held || this.#over) return
    this.#held = true
    this.#share.take()
  }

  leave(): void {
    if (this.#over) return
    this.#over = true
    this.#unwatch?.()
    this.rest()
    this.#go?.()
  }
}
