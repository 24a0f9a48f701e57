import { here } from '../base/context.js'
import type { Request } from '../request/request.js'
import type { Replica } from './replica.js'

/** A request that waits. */
interface Waiter {
  readonly request: Request
  readonly since: number
  go(replica: Replica): void
}

/** Requests that wait for a replica, first come first served. Who is no longer wanted leaves at once. */
export class Line {
  readonly #waiters = new Set<Waiter>()

  /** When the first one came: a number that grows. Infinity when nobody waits. */
  get since(): number {
    for (const { since } of this.#waiters) return since
    return Infinity
  }

  /** @param run what to do when there is a replica @returns what comes of it */
  join(request: Request, since: number, run: (replica: Replica) => void | Promise<void>): Promise<void> {
    // Whoever is done hands its replica on, and must not lend its context too.
    const context = here()
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        request,
        since,
        go: (replica) => {
          unwatch()
          context.runInAsyncScope(async () => run(replica), undefined).then(resolve, reject)
        },
      }
      this.#waiters.add(waiter)
      const unwatch = request.scope.watch((reason) => {
        this.#waiters.delete(waiter)
        reject(reason)
      })
    })
  }

  /** Hands a replica to the first in the line. */
  shift(replica: Replica): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter)
      return waiter.go(replica)
    }
  }

  /** The replicas are stuck: from now on, the time of those who wait runs. */
  startClocks(): void {
    for (const { request } of this.#waiters) request.attempt?.onStart?.()
  }
}
