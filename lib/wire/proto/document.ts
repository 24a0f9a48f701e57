import { DocumentArray } from '../../doc/array.js'
import { type Document, insides } from '../../doc/document.js'
import type { More } from '../../doc/fields.js'
import { unwritable } from '../../doc/json-value.js'
import type { NdArray } from '../../doc/ndarray.js'
import { keep, writeForeign } from './foreign.js'
import { copyUntouched, LazyDocument } from './lazy.js'
import { readNdArray, writeNdArray } from './ndarray.js'
import { readScore, writeScores } from './scores.js'
import type { Source } from './source.js'
import { readStruct, writeStruct } from './struct.js'
import type { Writer } from './writer.js'

// DocumentProto of docarray 0.x: id = 1, blob = 2 or tensor = 3 or text = 4, granularity = 5, adjacency = 6, parent_id = 7, weight = 8, uri = 9,
// modality = 10, mime_type = 11, offset = 12, location = 13, chunks = 14, matches = 15, embedding = 16, tags = 17, scores = 18, evaluations = 19.

export function readDocument(source: Source, document: Document, start: number, end: number, depth: number, known: string): boolean {
  const { reader } = source
  reader.deeper(depth)
  reader.pos = start
  let id = known
  let content: string | Uint8Array | NdArray | undefined
  let tags: Record<string, unknown> | undefined
  let more: More | undefined
  while (reader.pos < end) {
    const at = reader.pos
    const tag = reader.tag()
    switch (tag) {
      case 0x0a:
        if (known === '') id = reader.text(end)
        else reader.pos = reader.stop(end)
        break
      case 0x12:
        content = reader.blob(end)
        break
      case 0x1a:
        content = readNdArray(reader, reader.stop(end), true, undefined, source.packed?.columns)
        break
      case 0x22:
        content = reader.text(end)
        break
      case 0x8a:
        tags = readStruct(reader, reader.stop(end), tags ?? {}, depth + 1)
        break
      default:
        more ??= {}
        if (!readMore(source, more, tag, end, depth)) {
          reader.skip(tag, end)
          keep(document, reader.bytes.subarray(at, reader.pos))
        }
    }
  }
  reader.done(end)
  insides.fill(document, id || undefined, content, tags, more)
  return id !== ''
}

/** The fields that most documents do not have. */
function readMore(source: Source, more: More, tag: number, end: number, depth: number): boolean {
  const { reader } = source
  switch (tag) {
    case 0x28:
      more.granularity = reader.uint32()
      break
    case 0x30:
      more.adjacency = reader.uint32()
      break
    case 0x3a:
      more.parentId = reader.text(end)
      break
    case 0x45:
      more.weight = reader.float(end)
      break
    case 0x4a:
      more.uri = reader.text(end)
      break
    case 0x52:
      more.modality = reader.text(end)
      break
    case 0x5a:
      more.mimeType = reader.text(end)
      break
    case 0x65:
      more.offset = reader.float(end)
      break
    case 0x6d:
    case 0x6a: {
      const stop = tag === 0x6d ? reader.pos + 4 : reader.stop(end)
      const location = (more.location ??= []) as number[]
      while (reader.pos < stop) location.push(reader.float(Math.min(stop, end)))
      break
    }
    case 0x72:
      readInto((more.chunks ??= new DocumentArray()), source, end, depth + 1)
      break
    case 0x7a:
      readInto((more.matches ??= new DocumentArray()), source, end, depth + 1)
      break
    case 0x82:
      more.embedding = readNdArray(reader, reader.stop(end), true, undefined, source.packed?.columns)
      break
    case 0x92:
      readScore(reader, (more.scores ??= {}), reader.stop(end))
      break
    case 0x9a:
      readScore(reader, (more.evaluations ??= {}), reader.stop(end))
      break
    default:
      return false
  }
  return true
}

/** Adds a document that begins here with its length, without reading it. */
export function readInto(documents: DocumentArray, source: Source, end: number, depth: number): void {
  const { reader } = source
  const stop = reader.stop(end)
  source.counted.check(documents.length + 1)
  documents[documents.length] = new LazyDocument(source, reader.pos, stop, depth)
  reader.pos = stop
}

/** Writes documents under a tag of one byte. */
export function writeDocuments(writer: Writer, tag: number, documents: readonly Document[], depth: number): void {
  writer.deeper(depth)
  let at = 0
  try {
    while (at < documents.length) {
      const next = copyUntouched(writer, tag, documents, at, 'v1', depth)
      if (next === at) {
        writeDocument(writer, tag, documents[at]!, depth)
        at++
      } else at = next
    }
  } catch (error) {
    throw depth === 1 ? unwritable(documents[at]!, error) : error
  }
}

function writeDocument(writer: Writer, tag: number, document: Document, depth: number): void {
  const room = writer.document
  writer.tag(tag)
  const start = writer.open(room)
  writer.text(0x0a, document.id)
  const content = document.content
  if (typeof content === 'string') writer.text(0x22, content)
  else if (content instanceof Uint8Array) writer.blob(0x12, content)
  else if (content !== undefined) writeNdArray(writer, 0x1a, content, true)
  const tags = insides.tags(document)
  const more = insides.more(document)
  if (more !== undefined) writeMore(writer, more, depth)
  if (tags !== undefined) {
    const before = writer.pos
    const room = writer.tags
    writer.tag(0x8a)
    const at = writer.open(room)
    writeStruct(writer, tags, depth + 1, 'tags')
    // Most documents that were asked for their tags and have none were given an empty object then.
    if (writer.pos === at) writer.pos = before
    else writer.tags = writer.close(at, room)
  }
  writeForeign(writer, document)
  writer.document = writer.close(start, room)
}

function writeMore(writer: Writer, more: More, depth: number): void {
  if (more.granularity) writer.uint32(0x28, more.granularity)
  if (more.adjacency) writer.uint32(0x30, more.adjacency)
  if (more.parentId) writer.text(0x3a, more.parentId)
  if (more.weight !== undefined && more.weight !== 0) writer.float(0x45, more.weight)
  if (more.uri) writer.text(0x4a, more.uri)
  if (more.modality) writer.text(0x52, more.modality)
  if (more.mimeType) writer.text(0x5a, more.mimeType)
  if (more.offset !== undefined && more.offset !== 0) writer.float(0x65, more.offset)
  if (more.location?.length) {
    writer.need(more.location.length * 4 + 20)
    writer.raw(0x6a)
    writer.raw(more.location.length * 4)
    for (const number of more.location) writer.rawFloat(number)
  }
  if (more.chunks !== undefined) writeDocuments(writer, 0x72, more.chunks, depth + 1)
  if (more.matches !== undefined) writeDocuments(writer, 0x7a, more.matches, depth + 1)
  if (more.embedding !== undefined) writeNdArray(writer, 0x82, more.embedding, true)
  if (more.scores !== undefined) writeScores(writer, 0x92, more.scores)
  if (more.evaluations !== undefined) writeScores(writer, 0x9a, more.evaluations)
}
