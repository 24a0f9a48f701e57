import { now } from '../base/clock.js'
import { isAway } from '../base/retry-policy.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'

/** How much the last answer counts in the estimate of a replica's time: a slow spell is noticed, and forgotten, within some ten answers. */
const WEIGHT = 0.2
/** Milliseconds after which an estimate is worth half: a replica that was slow gets another chance. */
const HALF_LIFE = 5000

/** Milliseconds that a failure counts at least, as if it had taken so long; each further one doubles that, up to the most. */
const FAILED = 10
const MOST = 60_000

/** More than any time an answer takes: who is away is asked when all are. */
const AWAY = 1e11
/** Milliseconds between looks at one that is away, while there are requests. */
const LOOK = 100

/** One that may be out of reach. */
interface Remote extends Handler {
  /** Resolves when it can be reached. Left out by those in this process. */
  look?(): Promise<unknown>
}

/** One of several instances, and how busy it is. */
export class Replica {
  readonly #handler: Remote
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

  /** What it costs that it is out of reach: the longer that takes to see, the more. 0 while it is not. */
  #away = 0
  #looking = false
  #looked = 0

  constructor(handler: Remote) {
    this.#handler = handler
  }

  /** Looks whether one that was out of reach is back: then it is as good as it was before. No request has to find out. */
  #lookAfter(at: number): void {
    if (this.#looking || at - this.#looked < LOOK) return
    this.#looking = true
    this.#handler.look!()
      .then(
        () => true,
        // Who refuses is there.
        (error) => !isAway(error),
      )
      .then((back) => {
        if (back) this.#away = 0
        this.#looking = false
        this.#looked = now()
      })
  }

  /** How long it would take for one more answer, as far as can be told: less is better. The 1 stands for what no clock shows. */
  cost(at: number): number {
    if (this.#away > 0) this.#lookAfter(at)
    let time = this.#time
    // One that hangs is never measured.
    if (this.load > 0) time = Math.max(time, at - this.#since)
    else if (time >= 1) time /= 2 ** ((at - this.#measured) / HALF_LIFE)
    return (this.load + 1) * (time + 1) + this.#away
  }

  /** @param done called when it is free again, before the answer is heard of */
  handle(request: Request, start: number, done: () => void): void | Promise<void> {
    if (this.load++ === 0) this.#since = start
    const leave = (): void => {
      const end = now()
      this.#away = 0
      this.#time += (end - start - this.#time) * (this.#measured === 0 ? 1 : WEIGHT)
      free(end)
    }
    const fail = (error: unknown): void => {
      const end = now()
      // Whoever gave a request up may have said why in the same words: a client that left, another branch that failed. It tells how long there was no answer.
      if (request.scope.aborted) this.#time = Math.max(this.#time, end - start)
      // How fast one is that cannot be reached, is not known.
      else if (this.#handler.look !== undefined && isAway(error)) {
        this.#away = AWAY + end - start
        this.#looked = end
      }
      // Who fails at once is not fast.
      else this.#time = Math.min(MOST, Math.max(end - start, 2 * this.#time, FAILED))
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
      fail(error)
      throw error
    }
    if (pending === undefined) return leave()
    return pending.then(leave, (error) => {
      fail(error)
      throw error
    })
  }
}
