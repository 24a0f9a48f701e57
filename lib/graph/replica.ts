import { now } from '../base/clock.js'
import type { Handler } from '../peer.js'
import type { Request } from '../request/request.js'

/** How much the last answer counts in the estimate of a replica's time: a slow spell is noticed, and forgotten, within some ten answers. */
const WEIGHT = 0.2
/** Milliseconds after which an estimate is worth half: a replica that was slow gets another chance. */
const HALF_LIFE = 5000

/** Milliseconds that a failure counts at least, as if it had taken so long; each further one doubles that, up to the most. */
const FAILED = 10
const MOST = 60_000

/** One of several instances, and how busy it is. */
export class Replica {
  readonly #handler: Handler
  /** Requests it handles now. */
  load = 0
  /** Those of them that nobody waits for any more. */
  lapsed = 0
  /** It is being given what waits for it. */
  dealing = false
  /** Milliseconds an answer took lately. */
  #time = 0
  #measured = 0
  /** When it last answered, or began when it had nothing to do. */
  #since = 0

  constructor(handler: Handler) {
    this.#handler = handler
  }

  /** How long it would take for one more answer, as far as can be told: less is better. The 1 stands for what no clock shows. */
  cost(at: number): number {
    let time = this.#time
    // One that hangs is never measured.
    if (this.load > 0) time = Math.max(time, at - this.#since)
    else if (time >= 1) time /= 2 ** ((at - this.#measured) / HALF_LIFE)
    return (this.load + 1) * (time + 1)
  }

  /** @param done called when it is free again, before the answer is heard of */
  handle(request: Request, start: number, done: () => void): void | Promise<void> {
    if (this.load++ === 0) this.#since = start
    const leave = (): void => {
      const end = now()
      this.#time += (end - start - this.#time) * (this.#measured === 0 ? 1 : WEIGHT)
      free(end)
    }
    const fail = (): void => {
      const end = now()
      // Who fails at once is not fast.
      this.#time = Math.min(MOST, Math.max(end - start, 2 * this.#time, FAILED))
      free(end)
    }
    const free = (end: number): void => {
      this.load--
      this.#measured = this.#since = end
      done()
    }
    let pending: void | Promise<void>
    try {
      pending = this.#handler.handle(request)
    } catch (error) {
      fail()
      throw error
    }
    if (pending === undefined) return leave()
    return pending.then(leave, (error) => {
      fail()
      throw error
    })
  }
}
