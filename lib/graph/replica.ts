import { ConnectionError } from '../errors.js'
import type { Handler } from '../peer.js'
import type { Request } from '../request/request.js'

/** How much the last answer counts in the estimate of a replica's time: a slow spell is noticed, and forgotten, within some ten answers. */
const WEIGHT = 0.2
/** Milliseconds after which an estimate is worth half: a replica that was slow gets another chance. */
const HALF_LIFE = 5000

/** Milliseconds in which nobody asks one who could not be reached, if there are others. */
const RESPITE = 2000

/** One of several instances, and how busy it is. */
export class Replica {
  readonly #handler: Handler
  /** Requests it handles now. */
  load = 0
  /** Milliseconds an answer took lately. */
  #time = 0
  /** When it last answered, or had nothing to do before. */
  #heard = 0
  /** When it last could not be reached. */
  #lost = -Infinity

  constructor(handler: Handler) {
    this.#handler = handler
  }

  /** How long it would take for one more answer, as far as can be told: less is better. The 1 stands for what no clock shows. */
  cost(now: number): number {
    // Still the better choice than nobody.
    if (now - this.#lost < RESPITE) return Number.MAX_SAFE_INTEGER - RESPITE + (now - this.#lost)
    const silence = now - this.#heard
    // Nobody knows how long an answer takes that is not there yet, but it takes longer than until now.
    const time = this.load > 0 ? Math.max(this.#time, silence) : this.#time / 2 ** (silence / HALF_LIFE)
    return (this.load + 1) * (time + 1)
  }

  /** @param done called when it is free again, before the answer is heard of */
  handle(request: Request, now: number, done: () => void): void | Promise<void> {
    const isNew = this.#heard === 0
    if (this.load++ === 0) this.#heard = now
    const leave = (): void => {
      this.load--
      const end = Date.now()
      this.#time += (end - now - this.#time) * (isNew ? 1 : WEIGHT)
      this.#heard = end
      done()
    }
    let pending: void | Promise<void>
    try {
      pending = this.#handler.handle(request)
    } catch (error) {
      leave()
      throw error
    }
    if (pending === undefined) return leave()
    return pending.then(leave, (error) => {
      if (error instanceof ConnectionError) this.#lost = Date.now()
      leave()
      throw error
    })
  }
}
