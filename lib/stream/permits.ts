import { here } from '../base/context.js'
import type { Scope } from './scope.js'

/** Somebody who waits, until nobody wants what comes of it any more. */
interface Asking {
  readonly scope: Scope
}

interface Waiter<Who, Given> {
  readonly who: Who
  readonly since: number
  go(given: Given): void
}

/** Those who wait for their turn: first come, first served. Who is no longer wanted leaves at once. */
export class WaitQueue<Who extends Asking, Given = void> {
  readonly #waiting = new Set<Waiter<Who, Given>>()

  get size(): number {
    return this.#waiting.size
  }

  /** When the first one came, as it said itself. Infinity when nobody waits. */
  get since(): number {
    for (const { since } of this.#waiting) return since
    return Infinity
  }

  /**
   * @param run what to do when it is their turn
   * @returns what comes of it; rejects with the reason of the scope
   */
  join<R>(who: Who, run: (given: Given) => R | Promise<R>, since = 0): Promise<R> {
    // Whoever is done gives its turn away, and must not lend its context too.
    const context = here()
    return new Promise((resolve, reject) => {
      const waiter: Waiter<Who, Given> = {
        who,
        since,
        go: (given) => {
          unwatch()
          try {
            resolve(context.runInAsyncScope(run, undefined, given))
          } catch (error) {
            reject(error)
          }
        },
      }
      this.#waiting.add(waiter)
      const unwatch = who.scope.watch((reason) => {
        this.#waiting.delete(waiter)
        reject(reason)
      })
    })
  }

  /** Gives the first its turn. */
  shift(given: Given): void {
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter)
      return waiter.go(given)
    }
  }

  /** Gives turns from the first on, as long as there is one to take: in one walk, as finding the first of many anew takes a walk over those that left. */
  serve(take: () => boolean, given: Given): void {
    for (const waiter of this.#waiting) {
      if (!take()) return
      this.#waiting.delete(waiter)
      waiter.go(given)
    }
  }

  *[Symbol.iterator](): Generator<Who> {
    for (const { who } of this.#waiting) yield who
  }
}

/** A number of permits, and those who wait for one: no more of them than may. */
export class Permits {
  #free: number
  readonly #mostWaiting: number
  readonly #queue = new WaitQueue<Asking>()
  #giving = false

  /**
   * @param count how many there are
   * @param mostWaiting how many may wait
   */
  constructor(count: number, mostWaiting: number) {
    this.#free = count
    this.#mostWaiting = mostWaiting
  }

  /** Whether nobody more may wait. */
  get full(): boolean {
    return this.#queue.size >= this.#mostWaiting
  }

  /** Takes a permit. @returns whether there was one */
  readonly take = (): boolean => {
    if (this.#free === 0) return false
    this.#free--
    return true
  }

  /** Waits for a permit, and runs with it. */
  wait<R>(who: Asking, run: () => R | Promise<R>): Promise<R> {
    return this.#queue.join(who, run)
  }

  /** Gives a permit back, to the first who waits. */
  readonly give = (): void => {
    this.#free++
    // Whoever is done at once gives while it is given: one loop for a whole queue of them.
    if (this.#giving) return
    this.#giving = true
    this.#queue.serve(this.take, undefined)
    this.#giving = false
  }
}
