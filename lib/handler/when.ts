import { DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { inOrderOf } from '../graph/join.js'
import type { Walk } from '../graph/walk.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'

/**
 * Lets only those documents through to an executor, and to all that comes behind it on this way, for which a condition holds (as Jina
 * does it). When none is left, the executor is not called; a request that has none from the start is for whoever it is sent to.
 */
export class When implements Handler {
  readonly #inner: Handler
  readonly #holds: (document: Document) => boolean

  constructor(inner: Handler, { holds }: { readonly holds: (document: Document) => boolean }) {
    this.#inner = inner
    this.#holds = holds
  }

  accepts(endpoint: string): boolean {
    return this.#inner.accepts(endpoint)
  }

  handle(request: Request): void | Promise<void> {
    const { docs } = request
    if (docs.length === 0 && request.emptied) return
    if (docs.length > 0) {
      const chosen = docs.filter(this.#holds)
      if (chosen.length < docs.length) request.docs = DocumentArray.from(chosen)
      request.emptied = chosen.length === 0
      if (request.emptied) return
    }
    return this.#inner.handle(request)
  }
}

/** A walk at whose end the documents stand in the order in which they came, by id, and those nobody knew behind. */
export function inOrder(walk: Walk): Walk {
  return (request) => {
    const ids = request.docs.map(({ id }) => id)
    const restore = (): void => {
      request.docs = inOrderOf(ids, request.docs)
    }
    const pending = walk(request)
    return pending === undefined ? restore() : pending.then(restore)
  }
}
