import { DocumentArray } from '../../doc/array.js'
import { Document } from '../../doc/document.js'
import { isTypedArray, type NdArray } from '../../doc/ndarray.js'
import { DocumentError } from '../../errors.js'
import { readInto } from './document.js'
import { LazyDocument, type Source } from './lazy.js'
import { readNdArray, writeNdArray } from './ndarray.js'
import { put, readKey, toJson } from './struct.js'
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

/** Writes an entry of a map of nodes; nothing for what JSON leaves out. */
export function writeEntry(writer: Writer, key: string, value: unknown, depth: number, write: WriteDocuments): void {
  const json = isTyped(value) ? value : toJson(value, key)
  if (json === undefined) return
  writer.tag(0x0a)
  const entry = writer.open(1)
  writer.text(0x0a, key)
  writer.tag(0x12)
  writeNode(writer, json, key, depth, write)
  writer.close(entry, 1)
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

function writeNode(writer: Writer, value: unknown, key: string, depth: number, write: WriteDocuments): void {
  const at = writer.open(1)
  if (typeof value === 'string') writer.text(0x0a, value)
  else if (typeof value === 'number') {
    if (value === (value | 0) && !Object.is(value, -0)) writer.int64(0x10, value)
    else writer.double(0x19, value)
  } else if (typeof value === 'boolean') writer.uint32(0x20, value ? 1 : 0)
  else if (value instanceof Uint8Array) writer.blob(0x2a, value)
  else if (isTypedArray(value)) writeTensor(writer, { data: value, shape: [value.length] })
  else if (isNdArray(value)) writeTensor(writer, value)
  else if (value instanceof Document) write(writer, 0x3a, [value], depth + 1)
  else if (typeof value === 'object' && value !== null) writeInner(writer, value, key, depth + 1, write)
  else if (value !== null) throw new DocumentError('ERR_DOCUMENT', `${key} is a ${typeof value}, which JSON does not have: make it a number or a text`)
  writer.close(at, 1)
}

function writeTensor(writer: Writer, tensor: NdArray): void {
  writeNdArray(writer, 0x32, tensor, false)
  // Without it, Python does not read a tensor.
  writer.text(0x6a, 'ndarray')
}

function writeInner(writer: Writer, value: object, key: string, depth: number, write: WriteDocuments): void {
  writer.deeper(depth)
  const documents = Array.isArray(value) && (value instanceof DocumentArray || (value.length > 0 && value.every((item) => item instanceof Document)))
  writer.tag(documents ? 0x42 : Array.isArray(value) ? 0x4a : 0x62)
  const at = writer.open(1)
  if (documents) write(writer, 0x0a, value as Document[], depth)
  else if (Array.isArray(value)) {
    for (const item of value) {
      writer.tag(0x0a)
      writeNode(writer, isTyped(item) ? item : (toJson(item, key) ?? null), key, depth, write)
    }
  } else for (const [name, inner] of Object.entries(value)) writeEntry(writer, name, inner, depth, write)
  writer.close(at, 1)
}
