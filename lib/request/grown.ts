import { DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { type DocumentDelta, Growth } from '../doc/growth.js'
import type { Request } from './request.js'
import { Response } from './response.js'

/** How many documents of a request grow, whoever makes them grow. */
const counted = new WeakMap<Request, number>()

/** A document of a request begins to grow. */
export function growthIn({ whole }: Request, base: Document<any>): Growth {
  const at = counted.get(whole) ?? 0
  counted.set(whole, at + 1)
  return new Growth(at, base)
}

/**
 * A partial answer of deltas. Its documents are those that grew, each once, and are made when somebody asks for them.
 * @param part of its request, without documents
 */
export function grown(part: Request, deltas: readonly DocumentDelta<any>[]): Response {
  const response = new Response(part, undefined, part.countPart())
  let docs: DocumentArray | undefined
  const make = (): DocumentArray => DocumentArray.from([...new Map(deltas.map((delta) => [delta.at, delta])).values()].map(({ doc }) => doc))
  return Object.defineProperties(response, {
    delta: { value: deltas, enumerable: true },
    docs: { get: () => (docs ??= make()), enumerable: true, configurable: true },
  })
}
