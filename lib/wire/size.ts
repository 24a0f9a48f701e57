import { Document, insides } from '../doc/document.js'

/** Of documents that came in protobuf and are as they came, how many bytes they are, without reading them. Set by what reads those, where that is loaded. */
export const untouched: { sizeOf(document: Document<any>): number | undefined } = { sizeOf: () => undefined }

/** About how many bytes a document, or something that it has, is on a wire. No more than that: no wire has less than one byte of a number, or of a character. */
export function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return value === undefined ? 0 : 1
  if (ArrayBuffer.isView(value)) return (value as Uint8Array).length
  if (value instanceof Document)
    return untouched.sizeOf(value) ?? value.id.length + sizeOf(value.content) + sizeOf(insides.tags(value)) + sizeOf(insides.more(value))
  if (Array.isArray(value)) return value.reduce<number>((size, item) => size + sizeOf(item), 0)
  return Object.entries(value).reduce((size, [name, item]) => size + name.length + sizeOf(item), 0)
}
