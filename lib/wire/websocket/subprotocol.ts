import { DocumentError, say, show } from '../../base/errors.js'
import { isPlainObject } from '../../doc/json.js'
import type { Status } from '../../request/status.js'
import { later } from '../../stream/event-loop.js'
import { parseJson, TooDeep } from '../json-text.js'
import type { Message } from '../message.js'
import { outcome, Refusal } from '../outcome.js'
import { decodeMessage, decodeStatus, encodeInTurns, encodeStatus, ProtoError } from '../proto/index.js'
import { readAnswer, readRequest, readStatus, requestIdOf, statusJson, writeAnswer, writeRequest } from './json.js'

/** A request that is one, but cannot be run; or an answer whose documents cannot be read. */
export class Unfit extends Error {
  /** @param partial whether that is a partial answer, behind which others come */
  constructor(
    readonly requestId: string,
    override readonly cause: unknown,
    readonly partial = false,
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
  /** @returns undefined for the end @throws Refusal for what is no message in its dialect, and so nobody's; Unfit */
  readRequest(data: Uint8Array | string, limits: Limits): Message | undefined | Promise<Message | undefined>
  /** A promise for what takes several turns, as in the next two. */
  writeAnswer(message: Message): string | Uint8Array | Promise<string | Uint8Array>
  writeRequest(message: Message): string | Uint8Array | Promise<string | Uint8Array>
  /** @throws Unfit where it is known for which request it is; what is wrong with it */
  readAnswer(data: Uint8Array | string): Message | Promise<Message>
  writeStatus(status: Status): string | Uint8Array
  readStatus(data: Uint8Array | string): Status
}

/** Bytes from which a message takes some of a turn to look over: 1 MiB. */
const LARGE = 1 << 20

/** It was put together in this turn, and is looked over in another. */
async function readLarge(data: Uint8Array, maxDocuments: number): Promise<Message> {
  await new Promise<void>((resolve) => later(resolve))
  const message = readBytes(data, maxDocuments)
  await new Promise<void>((resolve) => later(resolve))
  return message
}

function readBytes(data: Uint8Array, maxDocuments: number): Message {
  try {
    return decodeMessage(data, { maxDocuments })
  } catch (error) {
    if (error instanceof ProtoError && error.requestId !== '') throw new Unfit(error.requestId, error)
    throw new Refusal(outcome(error).kind === 'tooLarge' ? 'tooLarge' : 'malformed', `No DataRequestProto: ${say(error)}`)
  }
}

/** Jina's DataRequestProto in binary frames: what its Python client speaks. */
export const bytes: Dialect = {
  name: 'bytes',
  end: Uint8Array.of(0),
  readRequest(data, { maxDocuments }) {
    if (typeof data === 'string') throw new Refusal('unsupported', 'Text in bytes mode. Send messages in binary frames')
    // No message is one byte long, so each of them can mean the end: 0 as in Jina, and 1, for which its own words have been taken.
    if (data.length === 1 && data[0]! <= 1) return undefined
    return data.length > LARGE ? readLarge(data, maxDocuments) : readBytes(data, maxDocuments)
  },
  writeAnswer: (message) => encodeInTurns(message),
  writeRequest: (message) => encodeInTurns(message),
  readAnswer(data) {
    if (typeof data === 'string') throw new Error('text where bytes were due')
    try {
      return decodeMessage(data)
    } catch (error) {
      throw error instanceof ProtoError && error.requestId !== '' ? new Unfit(error.requestId, error, error.partial) : error
    }
  },
  writeStatus: encodeStatus,
  readStatus: (data) => decodeStatus(data as Uint8Array),
}

/** JSON in text frames: what pages and scripts can speak without a library. */
export const json: Dialect = {
  name: 'json',
  end: '{}',
  readRequest(data, { maxDocuments, maxJsonBytes }) {
    if (typeof data !== 'string') throw new Refusal('unsupported', 'Bytes in json mode. Send JSON in text frames, or ask for the subprotocol bytes')
    // Of UTF-16, which is what is parsed.
    if (data.length > maxJsonBytes) throw new Refusal('tooLarge', `Larger than ${maxJsonBytes} bytes (maxJsonBytes)`)
    return requestOf(data, maxDocuments)
  },
  writeAnswer,
  writeRequest,
  readAnswer(data) {
    const value = parse(data)
    return value instanceof Promise ? value.then(answerOf) : answerOf(value)
  },
  writeStatus: (status) => JSON.stringify(statusJson(status)),
  readStatus: (data) => readStatus(objectOf(parse(data))),
}

/** What is nested too deep is the fault of its own request, once it is known which that is. */
const DEEP = { deepest: Infinity }

/** @returns undefined for the end */
async function requestOf(data: string, maxDocuments: number): Promise<Message | undefined> {
  let value: unknown
  try {
    value = parseJson(data)
    if (value instanceof Promise) value = await value
  } catch (error) {
    const whole = error instanceof TooDeep ? await parseJson(data, DEEP) : undefined
    if (isPlainObject(whole)) throw new Unfit(requestIdOf(whole) ?? '', new DocumentError('ERR_DOCUMENT', say(error)))
    throw new Refusal('malformed', `No JSON: ${say(error)}`)
  }
  if (!isPlainObject(value)) throw new Refusal('malformed', `A message must be an object, not ${show(value)}`)
  if (Object.keys(value).length === 0) return undefined
  try {
    return await readRequest(value, maxDocuments)
  } catch (error) {
    throw new Unfit(requestIdOf(value) ?? '', error)
  }
}

function parse(data: Uint8Array | string): unknown {
  if (typeof data !== 'string') throw new Error('bytes where text was due')
  return parseJson(data, DEEP)
}

function answerOf(value: unknown): Message {
  const json = objectOf(value)
  try {
    return readAnswer(json)
  } catch (error) {
    throw new Unfit(requestIdOf(json) ?? '', error, json.partial === true)
  }
}

function objectOf(value: unknown): Record<string, any> {
  if (!isPlainObject(value)) throw new Error(`${show(value)} where an object was due`)
  return value
}
