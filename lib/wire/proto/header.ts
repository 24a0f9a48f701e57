import type { Status } from '../../request/status.js'
import type { Message } from '../message.js'
import { readMap, writeMap } from './map.js'
import type { Reader } from './reader.js'
import { readStatus, writeStatus } from './status.js'
import type { Writer } from './writer.js'

// HeaderProto: request_id = 1, status = 2, exec_endpoint = 3, target_executor = 4, timeout = 5; the last three are there or not, also when empty.

/** Ours alone: which partial answer it is, counted from 1. Jina, which has none, passes over it. */
const PART = 100 * 8

/** Ours alone: context headers, a map of text to text. What is longer than any of them is passed over, as is what comes behind so many. */
const HEADERS = 101 * 8 + 2
const MOST_HEADERS = 16
const MOST_BYTES = 1 << 14

export interface Header {
  requestId: string
  execEndpoint: string | undefined
  targetExecutor: string | undefined
  status: Status | undefined
  ordinal: number | undefined
  headers: Record<string, string> | undefined
}

export function newHeader(): Header {
  return { requestId: '', execEndpoint: undefined, targetExecutor: undefined, status: undefined, ordinal: undefined, headers: undefined }
}

export function readHeader(reader: Reader, end: number, header: Header): void {
  let headers = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) header.requestId = reader.text(end)
    else if (tag === 0x12) header.status = readStatus(reader, reader.stop(end))
    else if (tag === 0x1a) header.execEndpoint = reader.text(end)
    else if (tag === 0x22) header.targetExecutor = reader.text(end)
    else if (tag === PART) header.ordinal = Math.max(0, reader.uint32() - 1)
    else if (tag === HEADERS) {
      const stop = reader.stop(end)
      if (++headers > MOST_HEADERS || stop - reader.pos > MOST_BYTES) reader.pos = stop
      else {
        header.headers ??= {}
        readMap(reader, stop, header.headers)
      }
    } else reader.skip(tag, end)
  }
  reader.done(end)
}

/**
 * Bytes of a message up to the end of its header, where that comes first, as far as those tell that are here. Infinity where it does not come first; one more than are here
 * where they do not tell.
 */
export function lengthOfHead(bytes: Uint8Array): number {
  if (bytes.length === 0) return 1
  if (bytes[0] !== 0x0a) return Infinity
  let length = 0
  for (let at = 1; at <= 5; at++) {
    const byte = bytes[at]
    if (byte === undefined) return bytes.length + 1
    length += (byte & 127) * 128 ** (at - 1)
    if (byte < 128) return at + 1 + length
  }
  return Infinity
}

export function writeHeader(writer: Writer, { requestId, status, execEndpoint, targetExecutor, ordinal, headers }: Message): void {
  writer.tag(0x0a)
  const at = writer.open(1)
  if (requestId !== '') writer.text(0x0a, requestId)
  if (status !== undefined) {
    writer.tag(0x12)
    const inner = writer.open(1)
    writeStatus(writer, status)
    writer.close(inner, 1)
  }
  if (execEndpoint !== undefined) writer.text(0x1a, execEndpoint)
  if (targetExecutor !== undefined) writer.text(0x22, targetExecutor)
  if (ordinal !== undefined) writer.uint32(PART, ordinal + 1)
  if (headers !== undefined) writeMap(writer, HEADERS, headers as Record<string, string>)
  writer.close(at, 1)
}
