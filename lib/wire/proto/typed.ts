import { DocumentArray } from '../../doc/array.js'
import { Document, insides } from '../../doc/document.js'
import { FIELDS, type More, type NamedScore, named, PLAIN } from '../../doc/fields.js'
import { isPlainObject } from '../../doc/json.js'
import type { NdArray } from '../../doc/ndarray.js'
import { unwritable } from '../json.js'
import { places } from './foreign.js'
import { copyUntouched, type Source } from './lazy.js'
import { isTyped, readNodes, writeEntry, writeId } from './node.js'
import { put } from './struct.js'
import type { Writer } from './writer.js'

// DocProto of docarray ≥ 0.30: data = 1, a map of nodes by the names of a Python class's fields. Its documents have the fields that their class
// says; ours have those of docarray 0.x, and tags:
//
// - `id`, `text`, `blob`, `tensor`, `embedding`, `uri`, `mime_type`, `weight`, `parent_id`, `granularity`, `adjacency`, `modality`, `offset`,
//   `location`, `chunks`, `matches`, `scores` and `evaluations` are the fields of these names, where they hold what these fields can hold.
// - All others are tags by their names, and so are the items of a dictionary `tags`. Bytes in there are Uint8Arrays, tensors { data, shape },
//   documents Documents, lists of documents DocumentArrays; None is null, sets and tuples are lists.
// - A document has one content here: text goes before blob before tensor, and what is not it becomes a tag.
// - Written down, tags that came over a wire stand where they stood. Others are fields of their own, for classes that declare them, and stand
//   once more in `tags`, for classes that declare that (there without what JSON does not have). Python passes over what a class does not declare.
// - Integers of 32 bits are written as integers, other numbers as floats.

const CONTENTS = ['text', 'blob', 'tensor'] as const

/** Fields that a class has under their names. Where ours are called otherwise, FIELDS knows. */
const NAMES = new Map(
  [...Object.keys(PLAIN), 'embedding', 'chunks', 'matches', 'scores', 'evaluations'].map((field) => [
    field,
    field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  ]),
)
const KNOWN = new Set(['id', 'tags', ...CONTENTS, ...NAMES.keys(), ...NAMES.values()])

export function readTyped(source: Source, document: Document, start: number, end: number, depth: number): boolean {
  source.reader.pos = start
  const { id, tags: listed, ...fields } = readNodes(source, end, depth)
  const tags: Record<string, unknown> = isPlainObject(listed) ? listed : {}
  const where = new Map<string, 'field' | 'tags'>()
  for (const name of Object.keys(tags)) where.set(name, 'tags')
  const tag = (name: string, value: unknown): void => {
    put(tags, name, value)
    where.set(name, 'field')
  }
  let content: string | Uint8Array | NdArray | undefined
  for (const field of CONTENTS) {
    const value = fields[field]
    const fits = field === 'text' ? typeof value === 'string' : field === 'blob' ? value instanceof Uint8Array : isTensor(value)
    if (fits && content === undefined) content = value as string
    else if (value !== undefined && value !== null) tag(field, value)
    delete fields[field]
  }
  if (!isPlainObject(listed) && listed !== null && listed !== undefined) tag('tags', listed)
  const more: Record<string, unknown> = {}
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    const field = FIELDS.get(name) ?? name
    if (!NAMES.has(field)) tag(name, value)
    else if (value !== null) {
      const fitting = fit(field, value)
      if (fitting === undefined) tag(name, value)
      else more[field] = fitting
    }
  }
  if (where.size > 0) places.set(document, where)
  const name = typeof id === 'string' ? id : ''
  insides.fill(document, name || undefined, content, Object.keys(tags).length > 0 ? tags : undefined, Object.keys(more).length > 0 ? (more as More) : undefined)
  return name !== ''
}

function isTensor(value: unknown): boolean {
  return isTyped(value) && !(value instanceof Document) && !(value instanceof DocumentArray) && !(value instanceof Uint8Array)
}

/** The value as a field has it; undefined where it cannot. */
function fit(field: string, value: unknown): unknown {
  if (field === 'embedding') return isTensor(value) ? value : undefined
  if (field === 'chunks' || field === 'matches') {
    if (value instanceof DocumentArray) return value
    return Array.isArray(value) && value.every((item) => item instanceof Document) ? DocumentArray.from(value) : undefined
  }
  try {
    if (field === 'scores' || field === 'evaluations') return named(field, value as {})
    return PLAIN[field as keyof More]!.check(field, value)
  } catch {
    return undefined
  }
}

/** Writes documents under a tag of one byte. */
export function writeTyped(writer: Writer, tag: number, documents: readonly Document[], depth: number): void {
  writer.deeper(depth)
  let at = 0
  try {
    while (at < documents.length) {
      const next = copyUntouched(writer, tag, documents, at, 'v2')
      if (next === at) {
        writeOne(writer, tag, documents[at]!, depth)
        at++
      } else at = next
    }
  } catch (error) {
    throw depth === 1 ? unwritable(documents[at]!, error) : error
  }
}

function writeOne(writer: Writer, tag: number, document: Document, depth: number): void {
  const room = writer.document
  writer.tag(tag)
  const start = writer.open(room)
  const entry = (name: string, value: unknown): void => writeEntry(writer, name, value, depth, writeTyped)
  writeId(writer, document.id)
  const { content, contentType } = document
  if (contentType !== undefined) entry(contentType, content)
  for (const [field, value] of Object.entries(insides.more(document) ?? {})) {
    if (value === undefined || (value instanceof DocumentArray && value.length === 0)) continue
    const snake = field === 'scores' || field === 'evaluations' ? scoresOf(value) : value
    if (snake !== undefined) entry(NAMES.get(field)!, snake)
  }
  const tags = insides.tags(document) as Record<string, unknown> | undefined
  if (tags !== undefined && Object.keys(tags).length > 0) {
    const where = places.get(document)
    const json: Record<string, unknown> = {}
    let list: unknown
    for (const name of Object.keys(tags)) {
      const value = tags[name]
      const place = where?.get(name)
      if (place !== 'field' && !isTyped(value)) put(json, name, value)
      // A tag that a document has as a field would become that field.
      const free = !KNOWN.has(name) || ((CONTENTS as readonly string[]).includes(name) && name !== contentType)
      if (name === 'tags' && place === 'field') list = value
      else if (place !== 'tags' && free) entry(name, value)
    }
    // A class may have a list under this name.
    if (list !== undefined) entry('tags', list)
    else if (Object.keys(json).length > 0) entry('tags', json)
  }
  writer.document = writer.close(start, room)
}

/** Scores with the names that Python gives their fields. */
function scoresOf(scores: Record<string, NamedScore>): object | undefined {
  const named = Object.entries(scores).map(([name, { value, opName, description, refId }]) => {
    const score = { value, ...(opName && { op_name: opName }), ...(description && { description }), ...(refId && { ref_id: refId }) }
    return [name, score] as const
  })
  return named.length > 0 ? Object.fromEntries(named) : undefined
}
