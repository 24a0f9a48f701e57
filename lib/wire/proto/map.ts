import type { Reader } from './reader.js'
import { put } from './struct.js'
import type { Writer } from './writer.js'

// Maps of text to text are lists of entries: key = 1, value = 2.

/** Reads an entry. */
export function readMap(reader: Reader, end: number, into: Record<string, string>): void {
  let key = ''
  let value = ''
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) key = reader.text(end)
    else if (tag === 0x12) value = reader.text(end)
    else reader.skip(tag, end)
  }
  reader.done(end)
  put(into, key, value)
}

export function writeMap(writer: Writer, tag: number, texts: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(texts)) {
    writer.tag(tag)
    const entry = writer.open(1)
    writer.text(0x0a, key)
    writer.text(0x12, value)
    writer.close(entry, 1)
  }
}

/** The texts of field 1. */
export function readTexts(reader: Reader, end: number): string[] {
  const texts: string[] = []
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) texts.push(reader.text(end))
    else reader.skip(tag, end)
  }
  reader.done(end)
  return texts
}
