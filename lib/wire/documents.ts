import { ConnectionError } from '../base/errors.js'
import { allocate, type DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { GATEWAY } from '../request/route.js'
import { later, overdue } from '../stream/event-loop.js'

/**
 * The most documents of one request, chunks and matches included, unless told otherwise: 500 requests of the usual size. A document
 * can be as short as two bytes, and writing so many takes some 30 ms.
 */
export const MAX_DOCUMENTS = 50_000

/** The most bytes of a request in JSON, unless told otherwise: 16 MiB, of which objects take ten times as much memory. */
export const MAX_JSON = 16 * 1024 * 1024

/** Why such a request is refused, on every wire. It is the `cause` of what is thrown where it is read. */
export function tooMany(most: number): ConnectionError {
  return new ConnectionError('ERR_TOO_LARGE', GATEWAY, tooManyDocuments(most))
}

export function tooManyDocuments(most: number): string {
  return `A request has more than ${most} documents, chunks and matches included. Send fewer at a time, or raise maxDocuments`
}

/** Whether JSON says more documents than there may be, wherever they stand in each other. */
export function hasMore(items: readonly unknown[], most: number): boolean {
  let left = most
  const count = (items: readonly unknown[]): void => {
    left -= items.length
    for (let i = 0; left >= 0 && i < items.length; i++) {
      const { chunks, matches } = (items[i] ?? {}) as { chunks?: unknown; matches?: unknown }
      if (Array.isArray(chunks)) count(chunks)
      if (Array.isArray(matches)) count(matches)
    }
  }
  count(items)
  return left < 0
}

/** Documents that usually come in one request are made at once: nobody waits for them. */
const FEW = 1000

/** Makes a document of each item. Steps aside when that takes long, so that others are served. */
export function madeOf(items: readonly unknown[], make: (item: unknown, at: number) => Document): DocumentArray | Promise<DocumentArray> {
  const docs = allocate(items.length)
  if (items.length > FEW) return inTurns(docs, items, make)
  for (let i = 0; i < items.length; i++) docs[i] = make(items[i], i)
  return docs
}

async function inTurns(docs: DocumentArray, items: readonly unknown[], make: (item: unknown, at: number) => Document): Promise<DocumentArray> {
  // Parsing came before, and may have used up the turn.
  await new Promise<void>((resolve) => later(resolve))
  for (let i = 0; i < items.length; i++) {
    if (overdue()) await new Promise<void>((resolve) => later(resolve))
    docs[i] = make(items[i], i)
  }
  return docs
}
