import type { Document } from '../../doc/document.js'
import type { Writer } from './writer.js'

/** Fields that documents came with and that mean nothing here, such as Python's `_metadata`. They go on behind the document's own. */
const foreign = new WeakMap<Document, Uint8Array[]>()
/** Whether there ever were any: most processes never look. */
let any = false

export function keep(document: Document, field: Uint8Array): void {
  any = true
  const fields = foreign.get(document)
  if (fields === undefined) foreign.set(document, [field])
  else fields.push(field)
}

/** Whether it came with such fields. */
export function isForeign(document: Document): boolean {
  return any && foreign.has(document)
}

/** Has a copy keep what the original does. */
export function handDown(document: Document, copy: Document): void {
  const fields = any ? foreign.get(document) : undefined
  if (fields !== undefined) foreign.set(copy, fields)
}

export function writeForeign(writer: Writer, document: Document): void {
  const fields = any ? foreign.get(document) : undefined
  if (fields === undefined) return
  for (const field of fields) {
    writer.need(field.length)
    writer.copy(field)
  }
}
