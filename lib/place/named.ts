import type { Handler } from '../request/handler.js'
import { adopt, fork } from '../request/lineage.js'
import type { Header, Request } from '../request/request.js'

/**
 * In front of an executor that serves itself. What means it by the name it has here is settled here: it may have another one there, and what runs there may be a whole
 * Flow. So the pattern does not go along, as in Jina, and parameters go as this executor is to see them.
 */
export class Named implements Handler {
  readonly name: string
  readonly #inner: Handler
  /** By those of the posts. */
  readonly #headers = new WeakMap<Header, Header>()

  constructor(name: string, inner: Handler) {
    this.name = name
    this.#inner = inner
  }

  accepts(endpoint: string): boolean {
    return this.#inner.accepts(endpoint)
  }

  async handle(request: Request): Promise<void> {
    const { header } = request
    if (header.isPlain) return this.#inner.handle(request)
    let own = this.#headers.get(header)
    if (own === undefined) this.#headers.set(header, (own = header.only(this.name)))
    const sent = fork(request, request.docs, request.scope, own)
    try {
      await this.#inner.handle(sent)
    } finally {
      // Where it failed, too: documents came back with the failure.
      adopt(request, sent)
    }
  }
}
