import type { Part } from '../base/lifecycle.js'
import { isAway } from '../handler/replica.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import { rest } from '../stream/wait.js'

/** As Jina tries a request, with few replicas. */
const TRIES = 3
/** Milliseconds at most before an address is asked for the second time; then twice that. */
const DELAY = 100

/** A client of one address. */
export interface Remote extends Handler {
  /** Connects now; what fails says that nobody is there. */
  open(): unknown
  close(): unknown
  /** Loads what it needs, and connects to nobody. */
  load?(): Promise<void>
}

/** An executor that runs elsewhere, at one address or several: who cannot be reached is passed over, and the request goes to another. */
export class External implements Handler, Part {
  readonly #replicas: Handler
  readonly #clients: readonly Remote[]

  /** @param replicas chooses among the clients */
  constructor(
    readonly name: string,
    replicas: Handler,
    clients: readonly Remote[],
  ) {
    this.#replicas = replicas
    this.#clients = clients
  }

  /** Connects to nobody: it may come later than the Flow, and go and come back. */
  async open(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.load?.()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  accepts(endpoint: string): boolean {
    return this.#replicas.accepts(endpoint)
  }

  async handle(request: Request): Promise<void> {
    const { emitted } = request.whole
    const most = Math.max(TRIES, this.#clients.length)
    // Who failed is asked again only when all have; attempts of one request know of each other, executors behind each other do not.
    const { tried } = request
    request.tried = tried ?? new Set()
    try {
      await this.#ask(request, most, emitted)
    } finally {
      request.tried = tried
    }
  }

  async #ask(request: Request, most: number, emitted: number): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#replicas.handle(request)
      } catch (error) {
        // Documents come back with the answer, so nothing has changed here. What an executor behind the address failed at, being out of reach included, is none.
        if (!isAway(error) || tries === most || request.scope.aborted || request.whole.emitted > emitted) throw error
      }
      // All have failed. Who comes back is given time for it, and is not met by everybody at once.
      const rounds = tries / this.#clients.length
      if (Number.isInteger(rounds)) await rest(request.scope, (0.5 + Math.random() / 2) * DELAY * 2 ** (rounds - 1))
    }
  }
}
