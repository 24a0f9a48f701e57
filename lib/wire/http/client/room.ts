import { Permits } from '../../../stream/permits.js'
import type { Scope } from '../../../stream/scope.js'

/** Requests of one Client that wait for an answer at once, each on a connection of its own: as many as may be under way on what posts share over gRPC and WebSocket. */
const MOST = 256

/** Bounds the connections of a Client. An answer that has begun does not count: who does not read it holds up nobody. */
export class Room {
  readonly #permits = new Permits(MOST, Infinity)

  /**
   * @param scope ends the wait, with its reason
   * @param deadline until when it is waited for
   * @param tenant whose turns it takes
   * @returns gives the place back; called again, it does nothing
   */
  enter(scope: Scope, deadline: Scope['deadline'], tenant?: string): (() => void) | Promise<() => void> {
    let inside = true
    const leave = (): void => {
      if (!inside) return
      inside = false
      this.#permits.give(tenant, deadline)
    }
    return this.#permits.take(tenant) ? leave : this.#wait(scope, deadline, tenant).then(() => leave)
  }

  async #wait(of: Scope, deadline: Scope['deadline'], tenant: string | undefined): Promise<void> {
    const scope = of.child()
    scope.deadline = deadline
    try {
      // The line has no end, so nobody is refused.
      await this.#permits.wait(
        { scope, tenant },
        () => {},
        () => undefined,
      )
    } finally {
      scope.close()
    }
  }
}
