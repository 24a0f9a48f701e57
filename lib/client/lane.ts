import { now } from '../base/clock.js'
import { Replica } from '../handler/replica.js'
import type { Request } from '../request/request.js'
import { backoff } from '../stream/backoff.js'
import { Breaker } from '../stream/breaker.js'
import { Scope } from '../stream/scope.js'
import { ignore } from '../stream/thenable.js'
import type { Connection } from '../wire/connection.js'

/** Between tries to connect to one address. */
const TRIES = { delay: 100, maxDelay: 1000, growth: 2 }

/** One of the addresses behind a name, and how busy who is there is. */
export class Lane {
  readonly replica: Replica
  /** A connection stood, and nothing says that it does not any more. */
  isUp = false
  /** Whether it is of the family that comes first. */
  isFirst = true
  /** When it is tried again. */
  due = 0
  readonly #reach: (life: Scope) => Promise<void>
  readonly #life = new Scope()
  #failed = 0
  #opening: Promise<void> | undefined
  /** What those are told who wait for it, once the name no longer leads there. */
  #gone: { readonly reason: unknown } | undefined

  /** @param reach resolves when a connection can be made, and rejects when its scope is told to stop */
  constructor(
    readonly connection: Connection,
    reach: (life: Scope) => Promise<void>,
    name: string,
  ) {
    this.#reach = reach
    const onRoom = (): void => {
      if (this.#gone !== undefined && this.replica.load === 0) void this.close(this.#gone.reason)
    }
    // What nobody could be asked says nothing of how fast he is, as of any address: see Replica.
    const breaker = new Breaker(name, () => this.#reach(this.#life), false)
    const handler = { accepts: () => true, handle: (request: Request) => connection.handle(request), breaker }
    this.replica = new Replica(handler, { name, at: 0, concurrency: Infinity, stuckAfter: 0, logger: undefined, onTold: ignore, onRoom })
  }

  /** Whether the name no longer leads there. */
  get isGone(): boolean {
    return this.#gone !== undefined
  }

  /** Connects, once at a time. */
  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<void> {
    try {
      await this.#reach(this.#life)
      this.isUp = true
      this.#failed = 0
    } catch (error) {
      this.down()
      throw error
    }
  }

  /** Nobody is there: others are asked. */
  down(): void {
    this.isUp = false
    this.due = now() + backoff(TRIES, this.#failed++)
  }

  /** Gets nothing new, and ends when it has nothing left to do. */
  leave(reason: unknown): void {
    this.#gone = { reason }
    if (this.replica.load === 0) void this.close(reason)
  }

  close(reason: unknown): unknown {
    this.replica.close()
    this.#life.abort(reason)
    return this.connection.close(reason)
  }
}
