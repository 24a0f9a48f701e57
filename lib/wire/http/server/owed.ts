import type { ServerResponse } from 'node:http'
import type { ByteBudget, Hold } from '../../../stream/byte-budget.js'

/** What waits in a response for its client, charged to who asked. */
export class Owed {
  readonly #res: ServerResponse
  readonly #budget: ByteBudget
  #hold: Hold | undefined

  constructor(res: ServerResponse, budget: ByteBudget) {
    this.#res = res
    this.#budget = budget
  }

  /** To be called when something was written. What the platform took at once costs nothing. */
  note(tenant: string | undefined): void {
    const res = this.#res
    const waiting = res.writableLength
    if (waiting === 0 || res.destroyed) return
    let hold = this.#hold
    if (hold === undefined) {
      hold = this.#hold = this.#budget.hold(tenant, true)
      hold.watch(() => res.destroy())
      res.on('drain', () => this.#hold?.set(res.writableLength))
      res.once('close', () => {
        this.#hold = undefined
        hold!.leave()
      })
    }
    hold.set(waiting)
  }
}
