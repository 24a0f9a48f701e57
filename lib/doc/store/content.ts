import { written } from '../../handler/parameter-key.js'
import { isForeign } from '../../wire/proto/foreign.js'
import { originsOf } from '../../wire/proto/lazy.js'
import { DocumentArray } from '../array.js'
import { Document, insides } from '../document.js'
import { type More, PLAIN } from '../fields.js'
import { isPlainObject } from '../json.js'
import type { NdArray } from '../ndarray.js'

// What two documents have in common that are to be answered alike, and how a document is kept so that each of its values comes back as it was.

/** A document has something that is itself alone, such as an instance of a class: nobody could say that another has the same. */
function unlike(): never {
  throw new Error('no lasting value')
}

type Part = string | Uint8Array

/**
 * The content of documents, in pieces to be hashed: all that executors can see of them, but for ids (those of parents, chunks and matches too). Tags and
 * scores count by deep equality, in whatever order they stand.
 * @param ids takes the ids that were left out, in the order of the documents
 * @returns undefined where there is something in them that has no lasting value: instances of classes, functions, and what documents of other versions of
 * docarray came with that means nothing here
 */
export function contentParts(documents: readonly Document[], ids: string[]): Part[] | undefined {
  const parts: Part[] = []
  try {
    write(parts, documents, ids)
    return parts
  } catch {
    // Deeper than the stack is what contains itself; and what cannot be looked at, its executor is to find out.
    return undefined
  }
}

function write(parts: Part[], documents: readonly Document[], ids: string[]): void {
  parts.push(`[${documents.length}`)
  for (const document of documents) {
    // Asked for before the rest: one that came over a wire reads its fields when it is.
    const { content } = document
    if (originsOf(document).length > 0 || isForeign(document)) unlike()
    ids.push(document.id)
    const tags = insides.tags(document)
    let text = typeof content === 'string' ? `T${JSON.stringify(content)}` : ''
    if (tags !== undefined && !isBare(tags)) text += `t${written(tags, unlike)}`
    parts.push(`{${text}`)
    if (typeof content === 'object') bytes(parts, content)
    const more = insides.more(document) as Record<string, unknown> | undefined
    const parent = more?.parentId as string | undefined
    ids.push(parent ?? '')
    if (parent) parts.push('^')
    if (more === undefined) continue
    for (const field of Object.keys(more).sort()) {
      const value = more[field]
      if (field === 'parentId' || isUnset(field, value)) continue
      parts.push(`,${field}`)
      if (value instanceof DocumentArray) write(parts, value, ids)
      else if (field === 'embedding') bytes(parts, value as NdArray)
      else if (field === 'scores' || field === 'evaluations') parts.push(scored(value as object, ids))
      else parts.push(written(value, unlike))
    }
  }
  parts.push(']')
}

/** Scores, without the ids of what they are about. */
function scored(scores: object, ids: string[]): string {
  let text = '{'
  for (const [name, score] of Object.entries(scores).sort(([one], [other]) => (one < other ? -1 : 1))) {
    const { refId, ...rest } = isPlainObject(score) && typeof score.refId === 'string' ? score : { ...{ refId: '' }, score }
    ids.push(refId as string)
    text += `${JSON.stringify(name)}:${written(rest, unlike)}${refId === '' ? '' : '^'},`
  }
  return `${text}}`
}

/** What executors see no difference of: an empty list was made when somebody asked whether there is one. */
function isUnset(field: string, value: unknown): boolean {
  return value === PLAIN[field as keyof More]?.unset || isBare(value) || (value instanceof DocumentArray && value.length === 0)
}

function isBare(value: unknown): boolean {
  return isPlainObject(value) && Object.keys(value).length === 0
}

function bytes(parts: Part[], content: Uint8Array | NdArray): void {
  const { data, shape } = content instanceof Uint8Array ? { data: content, shape: undefined } : content
  parts.push(shape === undefined ? `B${data.byteLength}:` : `N${data.constructor.name}[${shape.join()}]:`)
  parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
}

/** A document as plain data. */
export type Kept = [
  id: string,
  content: string | Uint8Array | NdArray | undefined,
  tags: object | undefined,
  more: More | undefined,
  chunks: readonly Kept[] | undefined,
  matches: readonly Kept[] | undefined,
]

/** @returns undefined for one of which something would come back as something else: of an instance of a class, its fields alone */
export function keptOf(document: Document): Kept | undefined {
  // Asked for before the rest: one that came over a wire reads its fields when it is.
  const { content } = document
  if (originsOf(document).length > 0 || isForeign(document)) return undefined
  const tags = insides.tags(document)
  if (!isKept(tags)) return undefined
  const all = insides.more(document)
  if (all === undefined) return [document.id, content, tags, undefined, undefined, undefined]
  const { chunks, matches, ...more } = all
  if (!isKept(more.scores) || !isKept(more.evaluations)) return undefined
  const inner = [chunks, matches].map((documents) => documents && allKept(documents))
  if ((chunks !== undefined && inner[0] === undefined) || (matches !== undefined && inner[1] === undefined)) return undefined
  return [document.id, content, tags, Object.keys(more).length === 0 ? undefined : more, inner[0], inner[1]]
}

/** @returns undefined where one of them is none to keep */
export function allKept(documents: Iterable<Document>): Kept[] | undefined {
  const all: Kept[] = []
  for (const document of documents) {
    const kept = keptOf(document)
    if (kept === undefined) return undefined
    all.push(kept)
  }
  return all
}

/** The document that was kept, which is made of it. @param renamed by its ids, those that it has now */
export function documentKept([id, content, tags, more, chunks, matches]: Kept, renamed: ReadonlyMap<string, string> | undefined): Document {
  const document = new Document()
  let all = own(more)
  if (chunks !== undefined || matches !== undefined)
    all = { ...more, ...(chunks && { chunks: documentsKept(chunks, renamed) }), ...(matches && { matches: documentsKept(matches, renamed) }) }
  if (renamed !== undefined && all?.parentId !== undefined) all = { ...all, parentId: renamed.get(all.parentId) ?? all.parentId }
  if (renamed !== undefined)
    for (const scores of [all?.scores, all?.evaluations])
      for (const score of Object.values(scores ?? {})) {
        const refId = renamed.get(score?.refId ?? '')
        if (refId !== undefined) score.refId = refId
      }
  insides.fill(document, renamed?.get(id) ?? id, own(content), own(tags), all)
  return document
}

export function documentsKept(all: readonly Kept[], renamed: ReadonlyMap<string, string> | undefined): DocumentArray {
  return DocumentArray.from(all.map((kept) => documentKept(kept, renamed)))
}

const copied = Object.getPrototypeOf(Uint8Array.prototype).slice as () => ArrayBufferView

/**
 * The same value, in which bytes and tensors have buffers of their own. As v8 reads them, they are views of all that was read, or of room that others have
 * bytes in: who transfers one would take along what is not its, and who keeps one would keep all.
 */
export function own<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value
    if (byteLength === buffer.byteLength) return value
    return (value instanceof DataView ? new DataView(buffer.slice(byteOffset, byteOffset + byteLength)) : copied.call(value)) as T
  }
  if (value instanceof Map) {
    const entries = [...value]
    value.clear()
    for (const [key, inner] of entries) value.set(own(key), own(inner))
  } else if (value instanceof Set) {
    const items = [...value]
    value.clear()
    for (const item of items) value.add(own(item))
  } else if (Array.isArray(value) || isPlainObject(value)) {
    const inner = value as Record<string, unknown>
    for (const key of Object.keys(inner)) if (typeof inner[key] === 'object') inner[key] = own(inner[key])
  }
  return value
}

/** Whether a value comes back as it was: JSON, and of what JSON has not undefined, bigint, Date, Map, Set and bytes. */
export function isKept(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function' && typeof value !== 'symbol'
  if (Array.isArray(value)) return Object.getPrototypeOf(value) === Array.prototype && value.every(isKept)
  if (isPlainObject(value)) return Object.getOwnPropertySymbols(value).length === 0 && Object.values(value).every(isKept)
  switch (Object.getPrototypeOf(value)) {
    case Date.prototype:
    case ArrayBuffer.prototype:
      return true
    case Map.prototype:
      return [...(value as Map<unknown, unknown>)].every(([key, inner]) => isKept(key) && isKept(inner))
    case Set.prototype:
      return [...(value as Set<unknown>)].every(isKept)
  }
  return ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer
}
