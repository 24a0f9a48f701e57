import { ConnectionError } from '../errors.js'
import type { Part } from '../lifecycle.js'
import type { Handler, Peer } from '../peer.js'
import type { Request } from '../request/request.js'

/** As Jina tries a request, with few replicas. */
const TRIES = 3

/** An executor that runs elsewhere, at one address or several: who cannot be reached is passed over, and the request goes to another. */
export class External implements Handler, Part {
  readonly #replicas: Handler
  readonly #clients: readonly Peer[]

  /** @param replicas chooses among the clients */
  constructor(
    readonly name: string,
    replicas: Handler,
    clients: readonly Peer[],
  ) {
    this.#replicas = replicas
    this.#clients = clients
  }

  /** Nothing: it may come later than the Flow, and go and come back. */
  open(): void {}

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }

  accepts(endpoint: string): boolean {
    return this.#replicas.accepts(endpoint)
  }

  async handle(request: Request): Promise<void> {
    const { emitted } = request.whole
    // Who failed is asked again only when all have.
    request.tried ??= new Set()
    for (let tries = Math.max(TRIES, this.#clients.length); ; tries--) {
      try {
        return await this.#replicas.handle(request)
      } catch (error) {
        // Documents come back with the answer, so nothing has changed here.
        const again = error instanceof ConnectionError && (error.code === 'ERR_UNREACHABLE' || error.code === 'ERR_DISCONNECTED')
        if (!again || tries === 1 || request.scope.aborted || request.whole.emitted > emitted) throw error
      }
    }
  }
}
