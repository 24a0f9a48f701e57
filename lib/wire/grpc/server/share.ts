import { clearTimeout, setTimeout } from '../../../base/clock.js'
import type { Scope } from '../../../stream/scope.js'
import { ignore } from '../../../stream/thenable.js'
import { type Asking, WaitQueue } from '../../../stream/wait-queue.js'

/** What the calls of one connection have under way together: nobody gets more of the server by opening more of them. */
export class Share {
  /** How many calls there are. */
  calls = 0
  #room: number
  readonly #waiting = new WaitQueue<Asking>()

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

  /** @param deadline until when what had it was waited for */
  give(deadline: Scope['deadline'], tenant: string | undefined): void {
    this.#room++
    this.#waiting.note(deadline, tenant)
    while (!this.full && this.#waiting.shift());
  }

  wait(who: Asking, go: () => void): Promise<void> {
    return this.#waiting.join(who, go)
  }
}

/** A request's seat in a share. */
export class Seat {
  readonly #share: Share
  readonly #scope: Scope
  readonly #tenant: string | undefined
  readonly #unwatch: () => void
  #deadline: Scope['deadline']
  #held = false
  #over = false

  /** @param tenant whose turns it takes: a gateway in front has one connection for all its clients */
  constructor(share: Share, scope: Scope, tenant?: string) {
    this.#share = share
    this.#scope = scope
    this.#tenant = tenant
    // Nobody waits for it any more: who hangs on keeps no place.
    this.#unwatch = scope.watch(() => this.leave())
  }

  /**
   * @param deadline until when it waits; then it goes on without a seat, and hears that it is late
   * @returns a promise if there is no room yet; also who is no longer wanted goes on then
   */
  enter(deadline?: Scope['deadline']): void | Promise<void> {
    this.#deadline = deadline
    if (!this.#share.full) return this.back()
    return this.#wait(deadline)
  }

  async #wait(deadline: Scope['deadline']): Promise<void> {
    const scope = this.#scope.child()
    scope.deadline = deadline
    const timer = deadline && setTimeout(() => scope.abort(undefined), deadline.left)
    await this.#share.wait({ scope, tenant: this.#tenant }, () => this.back()).catch(ignore)
    clearTimeout(timer)
    scope.close()
  }

  /** Lets others have it: its client is waited for. */
  rest(): void {
    if (!this.#held) return
    this.#held = false
    this.#share.give(this.#deadline, this.#tenant)
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
  }
}
