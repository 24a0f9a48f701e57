import type { MessageDelta, MessageDeltas } from '../deltas.js'
import type { Reader } from './reader.js'
import { readStruct, writeStruct } from './struct.js'
import type { Writer } from './writer.js'

// Ours alone, in the field 102 of a DataRequestProto: of = 1, delta = 2 { at = 1, fresh = 2, text = 3, blob = 4, tags = 5, halves = 6 }. What is 0 may be left out.

/** Its tag. Jina passes over it. */
export const DELTAS = 102 * 8 + 2

/** A text that begins or ends within a surrogate pair, whose other half comes with another delta: UTF-8 has no halves, so it goes as UTF-16. */
const HALVED = /^[\udc00-\udfff]|[\ud800-\udbff]$/

export function writeDeltaFields(writer: Writer, { of, list }: MessageDeltas): void {
  writer.tag(DELTAS)
  const all = writer.open(1)
  if (of) writer.uint32(0x08, of)
  for (const { at, fresh, text, blob, tags } of list) {
    writer.tag(0x12)
    const one = writer.open(1)
    if (at !== 0) writer.uint32(0x08, at)
    if (fresh) writer.uint32(0x10, 1)
    if (text !== undefined) {
      if (HALVED.test(text)) writer.blob(0x32, utf16(text))
      else writer.text(0x1a, text)
    }
    if (blob !== undefined) writer.blob(0x22, blob)
    if (tags !== undefined) {
      writer.tag(0x2a)
      const set = writer.open(1)
      writeStruct(writer, tags, 1, 'tags')
      writer.close(set, 1)
    }
    writer.close(one, 1)
  }
  writer.close(all, 1)
}

/** @throws ProtoError (`ERR_PROTO`) */
export function readDeltaFields(reader: Reader, end: number): MessageDeltas {
  let of = 0
  const list: MessageDelta[] = []
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x08) of = reader.uint32()
    else if (tag === 0x12) list.push(readDelta(reader, reader.stop(end)))
    else reader.skip(tag, end)
  }
  reader.done(end)
  return { of, list }
}

function readDelta(reader: Reader, end: number): MessageDelta {
  const delta: { -readonly [field in keyof MessageDelta]: MessageDelta[field] } = { at: 0, fresh: false }
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x08) delta.at = reader.uint32()
    else if (tag === 0x10) delta.fresh = reader.uint32() !== 0
    else if (tag === 0x1a) delta.text = reader.text(end)
    else if (tag === 0x22) delta.blob = reader.blob(end)
    else if (tag === 0x2a) delta.tags = readStruct(reader, reader.stop(end), {}, 1)
    else if (tag === 0x32) delta.text = textOf(reader.blob(end))
    else reader.skip(tag, end)
  }
  reader.done(end)
  return delta
}

function utf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < text.length; at++) view.setUint16(at * 2, text.charCodeAt(at), true)
  return bytes
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  const view = new DataView(buffer, byteOffset, byteLength)
  const all: string[] = []
  for (let at = 0; at + 1 < byteLength; at += 2) all.push(String.fromCharCode(view.getUint16(at, true)))
  return all.join('')
}
