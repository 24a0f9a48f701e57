import { isPlainObject } from '../../doc/json.js'
import { say, show } from '../../errors.js'
import type { Status } from '../../request/response.js'
import type { Message } from '../message.js'
import { decodeMessage, decodeStatus, encodeMessage, encodeStatus, ProtoError } from '../proto/index.js'
import { readAnswer, readRequest, readStatus, requestIdOf, statusJson, writeAnswer, writeRequest } from './json.js'

/** A message that is none in its dialect, for instance text that is no JSON. Whose it is cannot be said. */
export class Malformed extends Error {
  constructor(
    /** Of RFC 6455: 1003 for the wrong kind of frame, 1007 for what is in it, 1009 for too much. */
    readonly code: 1003 | 1007 | 1009,
    reason: string,
  ) {
    super(reason)
  }
}

/** A request that is one, but cannot be run. */
export class Unfit extends Error {
  constructor(
    readonly requestId: string,
    override readonly cause: unknown,
  ) {
    super(say(cause))
  }
}

/** What a request may be. */
export interface Limits {
  readonly maxDocuments: number
  readonly maxJsonBytes: number
}

/** How messages look in the frames of a connection. */
export interface Dialect {
  readonly name: 'bytes' | 'json'
  /** What says that no more requests follow. */
  readonly end: string | Uint8Array
  /** @returns undefined for the end @throws Malformed, Unfit */
  readRequest(data: Uint8Array | string, limits: Limits): Message | undefined | Promise<Message>
  writeAnswer(message: Message): string | Uint8Array
  writeRequest(message: Message): string | Uint8Array
  /** @throws what is wrong with it */
  readAnswer(data: Uint8Array | string): Message
  writeStatus(status: Status): string | Uint8Array
  readStatus(data: Uint8Array | string): Status
}

/** Jina's DataRequestProto in binary frames: what its Python client speaks. */
export const bytes: Dialect = {
  name: 'bytes',
  end: Uint8Array.of(0),
  readRequest(data, { maxDocuments }) {
    if (typeof data === 'string') throw new Malformed(1003, 'Text in bytes mode. Send messages in binary frames')
    // No message is one byte long, so each of them can mean the end: 0 as in Jina, and 1, for which its own words have been taken.
    if (data.length === 1 && data[0]! <= 1) return undefined
    try {
      return decodeMessage(data, { maxDocuments })
    } catch (error) {
      if (error instanceof ProtoError && error.requestId !== '') throw new Unfit(error.requestId, error)
      throw new Malformed(1007, `No DataRequestProto: ${say(error)}`)
    }
  },
  writeAnswer: (message) => encodeMessage(message),
  writeRequest: (message) => encodeMessage(message),
  readAnswer(data) {
    if (typeof data === 'string') throw new Error('text where bytes were due')
    return decodeMessage(data)
  },
  writeStatus: encodeStatus,
  readStatus: (data) => decodeStatus(data as Uint8Array),
}

/** JSON in text frames: what pages and scripts can speak without a library. */
export const json: Dialect = {
  name: 'json',
  end: '{}',
  readRequest(data, { maxDocuments, maxJsonBytes }) {
    if (typeof data !== 'string') throw new Malformed(1003, 'Bytes in json mode. Send JSON in text frames, or ask for the subprotocol bytes')
    // Of UTF-16, which is what is parsed.
    if (data.length > maxJsonBytes) throw new Malformed(1009, `Larger than ${maxJsonBytes} bytes (maxJsonBytes)`)
    let value: unknown
    try {
      value = JSON.parse(data)
    } catch (error) {
      throw new Malformed(1007, `No JSON: ${say(error)}`)
    }
    if (!isPlainObject(value)) throw new Malformed(1007, `A message must be an object, not ${show(value)}`)
    if (Object.keys(value).length === 0) return undefined
    return request(value, maxDocuments)
  },
  writeAnswer,
  writeRequest,
  readAnswer: (data) => readAnswer(parse(data)),
  writeStatus: (status) => JSON.stringify(statusJson(status)),
  readStatus: (data) => readStatus(parse(data)),
}

async function request(value: Record<string, any>, maxDocuments: number): Promise<Message> {
  try {
    return await readRequest(value, maxDocuments)
  } catch (error) {
    throw new Unfit(requestIdOf(value) ?? '', error)
  }
}

function parse(data: Uint8Array | string): Record<string, any> {
  if (typeof data !== 'string') throw new Error('bytes where text was due')
  const value: unknown = JSON.parse(data)
  if (!isPlainObject(value)) throw new Error(`${show(value)} where an object was due`)
  return value
}
