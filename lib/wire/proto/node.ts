import { DocumentError } from '../../base/errors.js'
import { DocumentArray } from '../../doc/array.js'
import { Document } from '../../doc/document.js'
import { isTypedArray, type NdArray, toNested } from '../../doc/ndarray.js'
import { readInto } from './document.js'
import { LazyDocument } from './lazy.js'
import { dtypeIn, readNdArray, writeNdArray } from './ndarray.js'
import { isSame } from './same.js'
import type { Source } from './source.js'
import { entriesOf, itemsOf, type Kind, kindOf, type Span } from './span.js'
import { owns, put, readKey, toJson } from './struct.js'
import type { Writer } from './writer.js'

// NodeProto of docarray ≥ 0.30: text = 1, integer = 2, float = 3, boolean = 4, blob = 5, ndarray = 6, doc = 7, doc_array = 8, list = 9, set = 10,
// tuple = 11, dict = 12, doc_dict = 14 (one of them, or none for None); type = 13. Lists: data = 1. Maps of nodes: data = 1 { key = 1, value = 2 }.

/** What a node holds: JSON, bytes, tensors and documents. Sets and tuples read as lists. */
export function readNode(source: Source, end: number, depth: number): unknown {
  const { reader } = source
  let value: unknown = null
  while (reader.pos < end) {
    const tag = reader.tag()
    switch (tag) {
      case 0x0a:
        value = reader.text(end)
        break
      case 0x10:
        value = reader.int64()
        break
      case 0x19:
        value = reader.double(end)
        break
      case 0x20:
        value = reader.uint32() !== 0
        break
      case 0x2a:
        value = reader.blob(end)
        break
      case 0x32:
        value = readNdArray(reader, reader.stop(end), false) ?? null
        break
      case 0x3a: {
        const stop = reader.stop(end)
        value = new LazyDocument(source, reader.pos, stop, depth + 1)
        reader.pos = stop
        break
      }
      case 0x42: {
        const documents = new DocumentArray()
        const stop = reader.stop(end)
        while (reader.pos < stop) {
          const tag = reader.tag()
          if (tag === 0x0a) readInto(documents, source, stop, depth + 1)
          else reader.skip(tag, stop)
        }
        reader.done(stop)
        value = documents
        break
      }
      case 0x4a:
      case 0x52:
      case 0x5a:
        value = readList(source, reader.stop(end), depth + 1)
        break
      case 0x62:
        value = readNodes(source, reader.stop(end), depth + 1)
        break
      case 0x72:
        value = readNodes(source, reader.stop(end), depth + 1, true)
        break
      default:
        reader.skip(tag, end)
    }
  }
  reader.done(end)
  return value
}

function readList(source: Source, end: number, depth: number): unknown[] {
  const { reader } = source
  reader.deeper(depth)
  const list: unknown[] = []
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) list.push(readNode(source, reader.stop(end), depth))
    else reader.skip(tag, end)
  }
  reader.done(end)
  return list
}

/**
 * A map of nodes by name.
 * @param documents whether it is a map of documents
 */
export function readNodes(source: Source, end: number, depth: number, documents = false): Record<string, unknown> {
  const { reader } = source
  reader.deeper(depth)
  const nodes: Record<string, unknown> = {}
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag !== 0x0a) {
      reader.skip(tag, end)
      continue
    }
    const stop = reader.stop(end)
    let key = ''
    let value: unknown = null
    while (reader.pos < stop) {
      const tag = reader.tag()
      if (tag === 0x0a) key = readKey(reader, stop)
      else if (tag === 0x12) {
        const inner = reader.stop(stop)
        if (documents) {
          value = new LazyDocument(source, reader.pos, inner, depth)
          reader.pos = inner
        } else value = readNode(source, inner, depth)
      } else reader.skip(tag, stop)
    }
    reader.done(stop)
    put(nodes, key, value)
  }
  reader.done(end)
  return nodes
}

/** How documents are written that stand in documents: by the file that knows both, so that no file needs another in a circle. */
export type WriteDocuments = (writer: Writer, tag: number, documents: readonly Document[], depth: number) => void

/** What came over a wire where a value is to be written: the value is written as it was, or at least as the same kind of node. */
export interface Before {
  readonly span: Span
  readonly value: unknown
}

/**
 * Writes an entry of a map of nodes; nothing for what JSON leaves out.
 * @param before what stood there
 */
export function writeEntry(writer: Writer, key: string, value: unknown, depth: number, write: WriteDocuments, before?: Before): void {
  const json = isTyped(value) ? value : toJson(value, key)
  if (json === undefined) return
  if (before !== undefined && isSame(json, before.value)) return writeSpan(writer, before.span)
  writer.tag(0x0a)
  const entry = writer.open(1)
  writer.text(0x0a, key)
  writer.tag(0x12)
  writeNode(writer, json, key, depth, write, before)
  writer.close(entry, 1)
}

/** Writes an entry that is a dictionary. What stood in it need not have stood in one. */
export function writeDictionary(writer: Writer, key: string, fields: object, depth: number, write: WriteDocuments, before: ReadonlyMap<string, Before>): void {
  writer.deeper(depth + 1)
  writer.tag(0x0a)
  const entry = writer.open(1)
  writer.text(0x0a, key)
  writer.tag(0x12)
  const node = writer.open(1)
  writer.tag(DICTIONARY)
  const at = writer.open(1)
  for (const [name, inner] of Object.entries(fields)) writeEntry(writer, name, inner, depth + 1, write, before.get(name))
  writer.close(at, 1)
  writer.close(node, 1)
  writer.close(entry, 1)
}

/** Writes an entry or an item as it came. */
export function writeSpan(writer: Writer, { source, at, stop }: Span): void {
  writer.need(stop - at)
  writer.copy(source.reader.bytes.subarray(at, stop))
}

/** Writes the entry of an id, with the type that Python gives it. */
export function writeId(writer: Writer, id: string): void {
  writer.tag(0x0a)
  const entry = writer.open(1)
  writer.text(0x0a, 'id')
  writer.tag(0x12)
  const at = writer.open(1)
  writer.text(0x0a, id)
  writer.text(0x6a, 'id')
  writer.close(at, 1)
  writer.close(entry, 1)
}

/** What nodes can hold and JSON cannot. */
export function isTyped(value: unknown): boolean {
  return value instanceof Document || value instanceof DocumentArray || isTypedArray(value) || isNdArray(value)
}

function isNdArray(value: any): value is NdArray {
  return typeof value === 'object' && value !== null && isTypedArray(value.data) && Array.isArray(value.shape)
}

function writeNode(writer: Writer, value: unknown, key: string, depth: number, write: WriteDocuments, before?: Before): void {
  const at = writer.open(1)
  const kind = before && kindOf(before.span)
  if (typeof value === 'string') {
    writer.text(0x0a, value)
    if (kind?.tag === 0x0a && kind.type !== '') writer.text(0x6a, kind.type)
  } else if (typeof value === 'number') {
    if (value === (value | 0) && !Object.is(value, -0) && kind?.tag !== 0x19) writer.int64(0x10, value)
    else writer.double(0x19, value)
  } else if (typeof value === 'boolean') writer.uint32(0x20, value ? 1 : 0)
  else if (isTypedArray(value) || (isNdArray(value) && kind?.tag !== DICTIONARY)) writeBinary(writer, value, key, depth, write, kind, before)
  else if (value instanceof Document) write(writer, 0x3a, [value], depth + 1)
  else if (typeof value === 'object' && value !== null) writeInner(writer, value, key, depth + 1, write, kind, before)
  else if (value !== null) throw new DocumentError('ERR_DOCUMENT', `${key} is a ${typeof value}, which JSON does not have: make it a number or a text`)
  writer.close(at, 1)
}

/** Bytes and tensors; a list where there was one. */
function writeBinary(writer: Writer, value: any, key: string, depth: number, write: WriteDocuments, kind?: Kind, before?: Before): void {
  const tensor: NdArray = isTypedArray(value) ? { data: value, shape: [value.length] } : value
  if (kind !== undefined && LISTS.includes(kind.tag)) {
    const list = toNested(tensor)
    if (Array.isArray(list)) return writeInner(writer, list, key, depth + 1, write, kind, before)
  }
  if (value instanceof Uint8Array && kind?.tag !== TENSOR) {
    writer.blob(BLOB, value)
    if (kind?.tag === BLOB && kind.type !== '') writer.text(0x6a, kind.type)
    return
  }
  writeNdArray(writer, TENSOR, tensor, false, kind?.tag === TENSOR && isMask(tensor, kind) ? '|b1' : undefined)
  // Without it, Python does not read a tensor.
  writer.text(0x6a, kind?.tag === TENSOR && kind.type !== '' ? kind.type : 'ndarray')
}

/** Whether bytes stand where booleans stood, and can be such: Python takes a mask of numbers for positions. */
function isMask({ data }: NdArray, { source, start, end }: Kind): boolean {
  return data instanceof Uint8Array && /^.?b1$|^bool$/.test(dtypeIn(source.reader, start, end)) && data.every((value) => value < 2)
}

const BLOB = 0x2a
const TENSOR = 0x32
const DOCUMENTS = 0x42
/** Lists, sets and tuples. */
const LISTS: readonly number[] = [0x4a, 0x52, 0x5a]
const DICTIONARY = 0x62
const NAMED_DOCUMENTS = 0x72

function writeInner(writer: Writer, value: object, key: string, depth: number, write: WriteDocuments, kind?: Kind, before?: Before): void {
  writer.deeper(depth)
  const tag = Array.isArray(value) ? tagOfList(value, kind) : tagOfFields(value, kind)
  writer.tag(tag)
  const at = writer.open(1)
  if (tag === DOCUMENTS) write(writer, 0x0a, value as Document[], depth)
  else if (Array.isArray(value)) {
    const spans = kind?.tag === tag ? itemsOf(kind) : []
    for (const [i, item] of value.entries()) writeItem(writer, item, key, depth, write, beforeOf(spans[i], before?.value, i))
  } else if (tag === NAMED_DOCUMENTS) {
    for (const [name, document] of Object.entries(value)) {
      writer.tag(0x0a)
      const entry = writer.open(1)
      writer.text(0x0a, name)
      write(writer, 0x12, [document], depth)
      writer.close(entry, 1)
    }
  } else {
    const spans = kind?.tag === tag ? entriesOf(kind) : undefined
    for (const [name, inner] of Object.entries(value)) writeEntry(writer, name, inner, depth, write, beforeOf(spans?.get(name), before?.value, name))
  }
  writer.close(at, 1)
}

function beforeOf(span: Span | undefined, value: any, key: string | number): Before | undefined {
  return span && { span, value: owns.call(value, key) ? value[key] : undefined }
}

function writeItem(writer: Writer, value: unknown, key: string, depth: number, write: WriteDocuments, before?: Before): void {
  const json = isTyped(value) ? value : (toJson(value, key) ?? null)
  if (before !== undefined && isSame(json, before.value)) return writeSpan(writer, before.span)
  writer.tag(0x0a)
  writeNode(writer, json, key, depth, write, before)
}

/** Python reads documents in an array and documents in a list as what they came as only. */
function tagOfList(value: readonly unknown[], kind?: Kind): number {
  const documents = value.every((item) => item instanceof Document)
  if (kind !== undefined && (LISTS.includes(kind.tag) || (kind.tag === DOCUMENTS && documents))) return kind.tag
  return documents && (value instanceof DocumentArray || value.length > 0) ? DOCUMENTS : LISTS[0]!
}

/** Whether documents by name stand there. */
export function isOfDocuments(span: Span): boolean {
  return kindOf(span).tag === NAMED_DOCUMENTS
}

function tagOfFields(value: object, kind?: Kind): number {
  return kind?.tag === NAMED_DOCUMENTS && Object.values(value).every((inner) => inner instanceof Document) ? NAMED_DOCUMENTS : DICTIONARY
}
