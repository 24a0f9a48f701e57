/**
 * Jina's messages as protobuf: the bytes of gRPC, and of WebSockets in their binary form. Each function here is one message, whole.
 *
 * What Jina's protobuf does not settle:
 * - Documents are read when somebody asks for a field, and go on as the bytes they came in as long as nobody may have changed them. What is
 *   wrong inside of a document (an unknown dtype, for instance) is found when the message is decoded, see check.ts: reading one never fails.
 * - Blobs and tensors have memory of their own; from another thread or process, tensors share that of a column: see columns.ts. From 1 MiB on they are views of the message, where it has its memory alone: whoever keeps one keeps it all.
 * - Text that is not UTF-8 reads as U+FFFD, half a surrogate pair is written as such. NaN and Infinity in tags and parameters travel; Python refuses them.
 * - Tags and parameters are JSON: what JSON leaves out is left out, what has a `toJSON` is what that returns, all numbers are doubles.
 *   A key named `__proto__` is a key like others.
 * - Half floats become Float32, booleans Uint8, tensors of the other byte order are turned around, sparse ones filled up.
 *   What is written is numpy's. Tensors that bring no bytes, as zeros or sparse ones, take at most 16 MiB each and 32 MiB in a message.
 * - Fields that nobody knows are skipped in messages, and kept with documents. Where a field stands twice, the last one holds.
 * - A message has at most 2,097,152 documents, chunks and matches included, a server's `maxDocuments`, and 100,000 routes: more are refused.
 * - Documents of docarray ≥ 0.30 keep the message they came in as long as they live, and write from it what was not changed: see typed.ts.
 */
import type { Document } from '../../doc/document.js'
import type { Status } from '../../request/status.js'
import { later, overdue } from '../../stream/event-loop.js'
import type { Docarray } from '../docarray.js'
import type { Message } from '../message.js'
import { readColumn } from './columns.js'
import { Counted } from './counted.js'
import { readDocument } from './document.js'
import { packedIn, sizeOfUntouched } from './lazy.js'
import { readMap, readTexts, writeMap } from './map.js'
import { readMessage, writeAgain, writeInTurns, writeMessage, writePacked } from './message.js'
import { MAX_DEPTH, Reader } from './reader.js'
import type { Source } from './source.js'
import { readStatus, writeStatus } from './status.js'
import { readStruct, writeStruct } from './struct.js'
import { readTyped } from './typed.js'
import { Writer } from './writer.js'

export { shared } from './columns.js'
export { ProtoError } from './error.js'
export { lengthOfHead } from './header.js'

export interface EncodeOptions {
  /** Default `'v1'`. */
  readonly model?: Docarray | undefined
}

export interface DecodeOptions extends EncodeOptions {
  /** How deep documents, tags and lists may stand in each other. Default 100. */
  readonly maxDepth?: number | undefined
  /** The most documents of all, chunks and matches included. Default 2,097,152. */
  readonly maxDocuments?: number | undefined
}

/** What JinaInfoProto says of a process. */
export interface Info {
  readonly jina: Record<string, string>
  readonly envs: Record<string, string>
}

/**
 * The bytes of a jina.DataRequestProto.
 * @throws DocumentError (`ERR_DOCUMENT`) for tags or parameters that JSON does not have, or that are nested deeper than 100 levels
 */
export function encodeMessage(message: Message, { model = 'v1' }: EncodeOptions = {}): Uint8Array {
  const size = sizeOfDocuments(message, model)
  const writer = new Writer(size + 512)
  writeMessage(writer, message, model, size, false)
  return writer.finish()
}

/**
 * The same for another thread or process of this Flow, behind what was written before: equal tensors stand there as columns, of `'v1'` at least.
 * @throws as {@link encodeMessage} does, with a part of it written
 */
export function encodeInto(writer: Writer, message: Message, model: Docarray): void {
  const packed = model === 'v1' ? packedIn(message.docs) : undefined
  if (packed !== undefined) return writeAgain(writer, message, packed)
  const size = sizeOfDocuments(message, model)
  writer.need(size + 512)
  if (model === 'v1') writePacked(writer, message, size)
  else writeMessage(writer, message, model, size, false)
}

/** What reads several messages of one piece of memory. */
export function readerOf(bytes: Uint8Array): Reader {
  return new Reader(bytes, MAX_DEPTH)
}

/** What {@link encodeInto} wrote between two positions. @throws ProtoError (`ERR_PROTO`) for bytes that are no message */
export function decodeFrom(reader: Reader, start: number, end: number, model: Docarray): Message {
  reader.pos = start
  return readMessage(
    { reader, model, counted: new Counted(), readColumn: model === 'v1' ? readColumn : undefined, read: model === 'v1' ? readDocument : readTyped },
    end,
    false,
  )
}

export type { Reader } from './reader.js'
export { Writer, WriterFull } from './writer.js'

/** Whether a document is still as it came, in bytes of this kind: nobody can have changed it. */
export function isUntouched(document: Document, model: Docarray): boolean {
  return sizeOfUntouched(document, model) >= 0
}

/** Documents that usually come in one message are written at once: nobody waits for them. */
const FEW = 1000

/** As {@link encodeMessage}; for many documents a promise, and others are served while they are written. */
export function encodeInTurns(message: Message, options: EncodeOptions = {}): Uint8Array | Promise<Uint8Array> {
  return message.docs.length > FEW ? inTurns(message, options) : encodeMessage(message, options)
}

async function inTurns(message: Message, { model = 'v1' }: EncodeOptions): Promise<Uint8Array> {
  const { docs } = message
  let size = 0
  for (let at = 0; at < docs.length; at++) {
    if (overdue()) await new Promise<void>((resolve) => later(resolve))
    size += sizeOfOne(docs[at]!, model)
  }
  const writer = new Writer(size + 512)
  await writeInTurns(writer, message, model, size)
  return writer.finish()
}

/** @throws ProtoError (`ERR_PROTO`) for bytes that are no jina.DataRequestProto, or whose documents are pickled */
export function decodeMessage(bytes: Uint8Array, options?: DecodeOptions): Message {
  const source = sourceOf(bytes, options)
  return readMessage(source, bytes.length, false)
}

/** The bytes of a jina.DataRequestListProto. */
export function encodeMessages(messages: readonly Message[], { model = 'v1' }: EncodeOptions = {}): Uint8Array {
  const sizes = messages.map((message) => sizeOfDocuments(message, model))
  const writer = new Writer(sizes.reduce((sum, size) => sum + size + 512, 0))
  messages.forEach((message, i) => {
    writer.tag(0x0a)
    const at = writer.open(2)
    writeMessage(writer, message, model, sizes[i]!, false)
    writer.close(at, 2)
  })
  return writer.finish()
}

/** @throws ProtoError (`ERR_PROTO`) for bytes that are no jina.DataRequestListProto */
export function decodeMessages(bytes: Uint8Array, options?: DecodeOptions): Message[] {
  const source = sourceOf(bytes, options)
  const { reader } = source
  const messages: Message[] = []
  while (reader.pos < bytes.length) {
    const tag = reader.tag()
    if (tag === 0x0a) messages.push(readMessage(source, reader.stop(bytes.length), false))
    else reader.skip(tag, bytes.length)
  }
  reader.done(bytes.length)
  return messages
}

/**
 * The bytes of a jina.SingleDocumentRequestProto, whose data is one document, or none.
 * @throws DocumentError (`ERR_DOCUMENT`) for more
 */
export function encodeSingle(message: Message, { model = 'v1' }: EncodeOptions = {}): Uint8Array {
  const size = sizeOfDocuments(message, model)
  const writer = new Writer(size + 512)
  writeMessage(writer, message, model, size, true)
  return writer.finish()
}

/** @throws ProtoError (`ERR_PROTO`) for bytes that are no jina.SingleDocumentRequestProto */
export function decodeSingle(bytes: Uint8Array, options?: DecodeOptions): Message {
  return readMessage(sourceOf(bytes, options), bytes.length, true)
}

/** The bytes of a jina.StatusProto. */
export function encodeStatus(status: Status): Uint8Array {
  const writer = new Writer(512)
  writeStatus(writer, status)
  return writer.finish()
}

/** @throws ProtoError (`ERR_PROTO`) for bytes that are no jina.StatusProto */
export function decodeStatus(bytes: Uint8Array): Status {
  return readStatus(new Reader(bytes, MAX_DEPTH), bytes.length)
}

/** The bytes of a jina.EndpointsProto. @param schemas what is said of each endpoint, as Executors of Jina say it */
export function encodeEndpoints(endpoints: readonly string[], schemas: object = {}): Uint8Array {
  const writer = new Writer(512)
  for (const endpoint of endpoints) writer.text(0x0a, endpoint)
  if (Object.keys(schemas).length > 0) {
    writer.tag(0x1a)
    const at = writer.open(2)
    writeStruct(writer, schemas, 0, 'schemas')
    writer.close(at, 2)
  }
  return writer.finish()
}

/** @throws ProtoError (`ERR_PROTO`) for bytes that are no jina.EndpointsProto */
export function decodeEndpoints(bytes: Uint8Array): string[] {
  return readTexts(new Reader(bytes, MAX_DEPTH), bytes.length)
}

/** What a jina.EndpointsProto says of each endpoint, as Executors of Jina do. @throws ProtoError (`ERR_PROTO`) for bytes that are none */
export function decodeSchemas(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const reader = new Reader(bytes, MAX_DEPTH)
  const schemas: Record<string, unknown> = {}
  while (reader.pos < bytes.length) {
    const tag = reader.tag()
    if (tag === 0x1a) readStruct(reader, reader.stop(bytes.length), schemas, 0)
    else reader.skip(tag, bytes.length)
  }
  return schemas
}

/** The bytes of a jina.JinaInfoProto. */
export function encodeInfo({ jina, envs }: Info): Uint8Array {
  const writer = new Writer(512)
  writeMap(writer, 0x0a, jina)
  writeMap(writer, 0x12, envs)
  return writer.finish()
}

/** @throws ProtoError (`ERR_PROTO`) for bytes that are no jina.JinaInfoProto */
export function decodeInfo(bytes: Uint8Array): Info {
  const reader = new Reader(bytes, MAX_DEPTH)
  const info: Info = { jina: {}, envs: {} }
  while (reader.pos < bytes.length) {
    const tag = reader.tag()
    if (tag === 0x0a) readMap(reader, reader.stop(bytes.length), info.jina)
    else if (tag === 0x12) readMap(reader, reader.stop(bytes.length), info.envs)
    else reader.skip(tag, bytes.length)
  }
  reader.done(bytes.length)
  return info
}

function sourceOf(bytes: Uint8Array, { model = 'v1', maxDepth = MAX_DEPTH, maxDocuments }: DecodeOptions = {}): Source {
  return { reader: new Reader(bytes, maxDepth), model, counted: new Counted(maxDocuments), read: model === 'v1' ? readDocument : readTyped }
}

/** About how many bytes the documents will be. */
function sizeOfDocuments({ docs }: Message, model: Docarray): number {
  let size = 0
  for (let i = 0; i < docs.length; i++) size += sizeOfOne(docs[i]!, model)
  return size
}

function sizeOfOne(document: Document, model: Docarray): number {
  const untouched = sizeOfUntouched(document, model)
  if (untouched >= 0) return untouched + 4
  const { content, embedding } = document
  const size = content === undefined ? 0 : typeof content === 'string' || content instanceof Uint8Array ? content.length : content.data.byteLength
  return 128 + size + (embedding === undefined ? 0 : embedding.data.byteLength + 32)
}
