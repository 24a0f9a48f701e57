import { DocumentError } from '../../base/errors.js'
import { refuseLost } from '../../doc/json-value.js'
import { isTypedArray } from '../../doc/ndarray.js'
import type { Reader } from './reader.js'
import { readText, SHORT, writeAscii } from './text.js'
import { sizeOf, type Writer } from './writer.js'

// google.protobuf.Struct, which is JSON: fields = 1 { key = 1, value = 2 }. Value: null = 1, number = 2, string = 3, bool = 4, struct = 5, list = 6.
// All numbers are doubles. NaN and Infinity travel as they are, although JSON has neither and Python refuses them.

export const owns = Object.prototype.hasOwnProperty

/** The fields of a Struct, added to an object. A key named `__proto__` becomes a property like others, as in JSON.parse. */
export function readStruct(reader: Reader, end: number, into: Record<string, unknown>, depth: number): Record<string, unknown> {
  reader.deeper(depth)
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) readEntry(reader, reader.stop(end), into, depth)
    else reader.skip(tag, end)
  }
  reader.done(end)
  return into
}

function readEntry(reader: Reader, end: number, into: Record<string, unknown>, depth: number): void {
  let key = ''
  let value: unknown = null
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) key = readKey(reader, end)
    else if (tag === 0x12) value = readValue(reader, reader.stop(end), depth)
    else reader.skip(tag, end)
  }
  reader.done(end)
  put(into, key, value)
}

/** Sets a property whose name came over the wire. */
export function put(into: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true })
  else into[key] = value
}

function readValue(reader: Reader, end: number, depth: number): unknown {
  let value: unknown = null
  while (reader.pos < end) {
    const tag = reader.tag()
    switch (tag) {
      case 0x08:
        reader.uint32()
        value = null
        break
      case 0x11:
        value = reader.double(end)
        break
      case 0x1a:
        value = reader.text(end)
        break
      case 0x20:
        value = reader.uint32() !== 0
        break
      case 0x2a:
        value = readStruct(reader, reader.stop(end), {}, depth + 1)
        break
      case 0x32:
        value = readList(reader, reader.stop(end), depth + 1)
        break
      default:
        reader.skip(tag, end)
    }
  }
  reader.done(end)
  return value
}

function readList(reader: Reader, end: number, depth: number): unknown[] {
  reader.deeper(depth)
  const list: unknown[] = []
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) list.push(readValue(reader, reader.stop(end), depth))
    else reader.skip(tag, end)
  }
  reader.done(end)
  return list
}

/**
 * Keys that were read before: documents have the same ones, and a text that is known need not be made, nor looked up to become a key. ASCII alone:
 * there, and only there, a text has the numbers of its bytes. Otherwise the bytes of `é` are those of another key's characters, `Ã©`.
 */
const known: (string | undefined)[] = new Array(256).fill(undefined)

/** A text that has probably been read before. */
export function readKey(reader: Reader, end: number): string {
  const stop = reader.stop(end)
  const { bytes, pos } = reader
  reader.pos = stop
  const length = stop - pos
  if (length === 0 || length > 32) return readText(bytes, pos, stop)
  const place = (length * 7 + bytes[pos]! * 31 + bytes[stop - 1]! * 17 + bytes[pos + (length >> 1)]!) & 255
  const key = known[place]
  if (key !== undefined && key.length === length) {
    let i = 0
    while (i < length && key.charCodeAt(i) === bytes[pos + i]) i++
    if (i === length) return key
  }
  const text = readText(bytes, pos, stop)
  // As many characters as bytes: all ASCII, but for what is no UTF-8, whose U+FFFD is no byte's number.
  if (text.length === length) known[place] = text
  return text
}

/** Writes the fields of an object that is to be JSON: what JSON leaves out is left out, what has a `toJSON` is what that returns. */
export function writeStruct(writer: Writer, fields: object, depth: number, name: string): void {
  writer.deeper(depth)
  refuseLost(fields, () => name)
  for (const key in fields) {
    if (!owns.call(fields, key)) continue
    const value = (fields as Record<string, unknown>)[key]
    if (writePlain(writer, key, value)) continue
    const json = toJson(value, key)
    if (json === undefined) continue
    const room = sizeOf(key.length + (typeof json === 'string' ? json.length + 10 : 8))
    writer.tag(0x0a)
    const entry = writer.open(room)
    writer.text(0x0a, key)
    writer.tag(0x12)
    writeValue(writer, json, depth, key)
    writer.close(entry, room)
  }
}

/** Writes `{"key": 0.5}` and `{"key": "text"}`, which most tags are, in one go where both are short and ASCII. Returns whether they were. */
function writePlain(writer: Writer, key: string, value: unknown): boolean {
  const isNumber = typeof value === 'number'
  if (!isNumber && typeof value !== 'string') return false
  const size = isNumber ? 9 : value.length + 2
  const { pos } = writer
  if (key.length > SHORT || size > SHORT + 2) return false
  writer.need(64)
  const { bytes } = writer
  bytes[pos] = 0x0a
  bytes[pos + 1] = key.length + 4 + size
  bytes[pos + 2] = 0x0a
  let at = writeAscii(bytes, key, pos + 3)
  if (at < 0) return false
  bytes[at++] = 0x12
  bytes[at++] = size
  if (isNumber) {
    bytes[at] = 0x11
    writer.pos = at + 1
    writer.rawDouble(value)
    return true
  }
  bytes[at] = 0x1a
  at = writeAscii(bytes, value, at + 1)
  if (at < 0) return false
  writer.pos = at
  return true
}

/** Writes a value, its length before it. */
function writeValue(writer: Writer, value: unknown, depth: number, key: string): void {
  const room = typeof value === 'string' ? sizeOf(value.length + 1 + sizeOf(value.length)) : 1
  const at = writer.open(room)
  switch (typeof value) {
    case 'string':
      writer.text(0x1a, value)
      break
    case 'number':
      writer.double(0x11, value)
      break
    case 'boolean':
      writer.uint32(0x20, value ? 1 : 0)
      break
    case 'object':
      if (value === null) writer.uint32(0x08, 0)
      else {
        const list = Array.isArray(value) || isTypedArray(value)
        writer.tag(list ? 0x32 : 0x2a)
        const inner = writer.open(1)
        // 64-bit integers become numbers, as those of tensors do in JSON.
        if (list) writeList(writer, isBig(value) ? Array.from(value, Number) : (value as ArrayLike<unknown>), depth + 1, key)
        else writeStruct(writer, value, depth + 1, key)
        writer.close(inner, 1)
      }
      break
    default:
      throw new DocumentError('ERR_DOCUMENT', `${key} is a ${typeof value}, which JSON does not have: make it a number or a text`)
  }
  writer.close(at, room)
}

function isBig(value: object): value is BigInt64Array | BigUint64Array {
  return value instanceof BigInt64Array || value instanceof BigUint64Array
}

function writeList(writer: Writer, list: ArrayLike<unknown>, depth: number, key: string): void {
  writer.deeper(depth)
  for (let i = 0; i < list.length; i++) {
    writer.tag(0x0a)
    writeValue(writer, toJson(list[i], key) ?? null, depth, key)
  }
}

/** What JSON would make of a value; undefined for what it leaves out. */
export function toJson(value: unknown, key: string): unknown {
  const json = typeof value === 'object' && value !== null && typeof (value as any).toJSON === 'function' ? (value as any).toJSON(key) : value
  return typeof json === 'function' || typeof json === 'symbol' ? undefined : json
}
