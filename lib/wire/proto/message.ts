import { DocumentError } from '../../base/errors.js'
import { allocate, type DocumentArray } from '../../doc/array.js'
import { later, overdue } from '../../stream/event-loop.js'
import type { MessageDeltas } from '../deltas.js'
import type { Message, Stop } from '../message.js'
import { ColumnWriter, writeColumns } from './column-writer.js'
import { COLUMN } from './columns.js'
import { DELTAS, readDeltaFields, writeDeltaFields } from './deltas.js'
import { readInto, writeDocuments } from './document.js'
import { ProtoError } from './error.js'
import { newHeader, readHeader, writeHeader } from './header.js'
import { checkUnread, type Packed } from './lazy.js'
import { readRoute, writeRoute } from './route.js'
import type { Source } from './source.js'
import { readStruct, writeStruct } from './struct.js'
import { writeTyped } from './typed.js'
import { sizeOf, type Writer } from './writer.js'

// DataRequestProto: header = 1, parameters = 2, routes = 3, data = 4 { docs = 1 { docs = 1 } or docs_bytes = 2 }.
// SingleDocumentRequestProto is the same, but data = 4 is the one document.

/** The most stops of one message: more than any graph has, and few enough that they cannot fill the memory. */
const MAX_ROUTES = 100_000

/** @param single whether it is a SingleDocumentRequestProto */
export function readMessage(source: Source, end: number, single: boolean): Message {
  const { reader } = source
  const header = newHeader()
  const parameters = {}
  const routes: Stop[] = []
  const docs = allocate(0)
  let deltas: MessageDeltas | undefined
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) readHeader(reader, reader.stop(end), header)
    else if (tag === 0x12) readStruct(reader, reader.stop(end), parameters, 1)
    else if (tag === 0x1a) {
      if (routes.length === MAX_ROUTES) throw new ProtoError(`A message has more than ${MAX_ROUTES} routes`)
      routes.push(readRoute(reader, reader.stop(end)))
    } else if (tag === 0x22) {
      if (single) {
        docs.length = 0
        readInto(docs, source, end, 1)
      } else readData(source, reader.stop(end), docs)
    } else if (tag === DELTAS) {
      deltas = readDeltaFields(reader, reader.stop(end))
      // It is one of several also where its head is left out.
      header.ordinal ??= 0
    } else if (tag === COLUMN && source.readColumn !== undefined) {
      source.packed ??= { columns: [], documents: 0, share: 0 }
      source.packed.columns.push(source.readColumn(reader, reader.stop(end)))
    } else reader.skip(tag, end)
  }
  reader.done(end)
  const { packed } = source
  if (packed !== undefined) {
    packed.documents = docs.length
    packed.share = Math.ceil(packed.columns.reduce((sum, { byteLength }) => sum + byteLength, 0) / docs.length)
  }
  try {
    checkUnread(docs)
  } catch (error) {
    if (error instanceof ProtoError) {
      error.requestId = header.requestId
      error.partial = header.ordinal !== undefined
    }
    throw error
  }
  reader.pos = end
  // By name: a spread would cost more than the header.
  const { requestId, execEndpoint, targetExecutor, status, ordinal, headers } = header
  const message = { requestId, execEndpoint, targetExecutor, status, parameters, routes, docs, ordinal }
  if (deltas !== undefined) return { deltas, ...message }
  return headers === undefined ? message : { headers, ...message }
}

function readData(source: Source, end: number, docs: DocumentArray): void {
  const { reader } = source
  let pickled = false
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) {
      pickled = false
      const stop = reader.stop(end)
      while (reader.pos < stop) {
        const tag = reader.tag()
        if (tag === 0x0a) readInto(docs, source, stop, 1)
        else reader.skip(tag, stop)
      }
      reader.done(stop)
    } else if (tag === 0x12) {
      const { pos } = reader
      reader.skip(tag, end)
      pickled = reader.pos > pos + 1
      docs.length = 0
    } else reader.skip(tag, end)
  }
  reader.done(end)
  if (pickled) throw new ProtoError('The documents came pickled (docs_bytes), which only Python can read: send them as docs')
}

function writeHead(writer: Writer, message: Message): void {
  const { parameters, routes, docs, deltas } = message
  if (deltas !== undefined) {
    writeDeltaFields(writer, deltas)
    if (docs.length === 0) return
  }
  writeHeader(writer, message)
  writer.tag(0x12)
  const at = writer.open(1)
  writeStruct(writer, parameters, 1, 'parameters')
  writer.close(at, 1)
  for (const route of routes) writeRoute(writer, 0x1a, route)
}

/** Documents that are written in one go, where there are many. */
const TOGETHER = 200

/** Writes a DataRequestProto of many documents, and steps aside in between. */
export async function writeInTurns(writer: Writer, message: Message, model: Source['model'], size: number): Promise<void> {
  const { docs } = message
  const write = model === 'v1' ? writeDocuments : writeTyped
  const room = sizeOf(size)
  writeHead(writer, message)
  writer.tag(0x22)
  const data = writer.open(room)
  writer.tag(0x0a)
  const list = writer.open(room)
  for (let at = 0; at < docs.length; at += TOGETHER) {
    if (overdue(true)) await new Promise<void>((resolve) => later(resolve))
    write(writer, 0x0a, Array.prototype.slice.call(docs, at, at + TOGETHER), 1)
  }
  writer.close(list, room)
  writer.close(data, room)
}

export function writeMessage(writer: Writer, message: Message, model: Source['model'], size: number, single: boolean): void {
  const { docs } = message
  writeHead(writer, message)
  const write = model === 'v1' ? writeDocuments : writeTyped
  if (single) {
    if (docs.length > 1) throw new DocumentError('ERR_DOCUMENT', `A message of one document cannot carry ${docs.length}`)
    write(writer, 0x22, docs, 1)
  } else if (docs.length > 0) {
    const room = sizeOf(size)
    writer.tag(0x22)
    const data = writer.open(room)
    writer.tag(0x0a)
    const list = writer.open(room)
    write(writer, 0x0a, docs, 1)
    writer.close(list, room)
    writer.close(data, room)
  }
}

/** Writes a DataRequestProto for who reads columns. */
export function writePacked(writer: Writer, message: Message, size: number): void {
  const columns = new ColumnWriter()
  writer.columns = columns
  try {
    writeMessage(writer, message, 'v1', size, false)
  } finally {
    writer.columns = undefined
  }
  columns.finish(writer)
}

/** Writes one whose documents are as they came with columns. */
export function writeAgain(writer: Writer, message: Message, { bytes, columns }: Packed): void {
  const room = sizeOf(bytes.length + 10)
  writeHead(writer, message)
  writer.tag(0x22)
  const data = writer.open(room)
  writer.blob(0x0a, bytes)
  writer.close(data, room)
  writeColumns(writer, columns)
}
