import { allocate, DocumentArray } from '../../doc/array.js'
import type { Document } from '../../doc/document.js'
import { copyJson, isPlainObject } from '../../doc/json.js'
import type { Identity } from '../../request/identity.js'
import { type Parameters, RESULTS } from '../../request/parameters.js'
import { type ContextHeaders, Header, type Request } from '../../request/request.js'
import type { Response } from '../../request/response.js'
import { DeltaWriter } from '../deltas.js'
import type { Docarray } from '../docarray.js'
import { withFailures } from '../failures.js'
import { type Message, partOf, take as takeMessage } from '../message.js'
import { decodeFrom, encodeInto, isUntouched, type Writer } from '../proto/index.js'
import { readError, writeError } from './errors.js'
import { type Frame, put, take } from './frames.js'

// Requests and answers as frames. Documents are written as they are over gRPC, with all that this means for their values: who moves an executor to a thread, a
// process or another machine finds the same. Documents that nobody touched cross as the bytes that they came in, and an answer says so where all stayed as they were.

/** What goes with a request beside its message. Most have none of it. */
interface Beside {
  readonly identity?: Identity | undefined
  readonly tenant?: string | undefined
  readonly headers?: ContextHeaders | undefined
  /** Milliseconds it has. */
  readonly left?: number | undefined
  /** At a join: which of the documents came by which branch. Those of branches alone stand behind the request's own. */
  readonly own?: number
  readonly branches?: readonly { readonly executor: string; readonly at: readonly number[] }[]
}

/** Bits of a call. */
const WANTS_PARTS = 1
const HAS_BESIDE = 2
/** Bits of an answer. */
const SAME = 1
const HAS_MESSAGE = 2

const encoder = new TextEncoder()
const decoder = new TextDecoder()

// ── requests ─────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Writes a request into a frame.
 * @param names what the executor goes by in parameters: it gets those that are meant for it
 * @throws DocumentError for documents and parameters that cannot be written
 */
export function writeCall(writer: Writer, request: Request, names: readonly string[], model: Docarray): void {
  const { header, branches } = request
  const beside = besideOf(request)
  let docs = request.docs
  if (branches !== undefined) docs = withBranches(docs, branches, beside!)
  writeByte(writer, (request.emit === undefined ? 0 : WANTS_PARTS) | (beside === undefined ? 0 : HAS_BESIDE))
  if (beside !== undefined) writeJson(writer, beside)
  const parameters = header.isPlain ? NONE : header.parametersFor(names)
  encodeInto(writer, messageOf(request.id, header.execEndpoint, parameters, docs, undefined), model)
}

const NONE: Parameters = {}
const NO_ROUTES: Message['routes'] = []

/** By name, all of them each time: a spread would cost as much as the rest. */
function messageOf(requestId: string, execEndpoint: string | undefined, parameters: Parameters, docs: DocumentArray, ordinal: number | undefined): Message {
  return { requestId, execEndpoint, targetExecutor: undefined, status: undefined, parameters, routes: NO_ROUTES, docs, ordinal }
}

function writeByte(writer: Writer, byte: number): void {
  writer.need(1)
  writer.bytes[writer.pos++] = byte
}

/** JSON with its length in front of it. */
function writeJson(writer: Writer, value: unknown): void {
  const text = encoder.encode(JSON.stringify(value))
  writer.need(4 + text.length)
  put(writer.bytes, writer.pos, text.length)
  writer.pos += 4
  writer.copy(text)
}

/** @returns what it says, and where it ends */
function readJson(bytes: Uint8Array, at: number, end: number): { value: any; end: number } {
  const stop = at + 4 + take(bytes, at)
  if (stop > end) throw new RangeError('A frame ends before what is in it')
  return { value: JSON.parse(decoder.decode(bytes.subarray(at + 4, stop))), end: stop }
}

function besideOf({ identity, tenant, contextHeaders: headers, scope, branches, docs }: Request): Beside | undefined {
  const left = scope.deadline?.left
  const ends = left !== undefined && left !== Infinity
  if (identity === undefined && tenant === undefined && headers === undefined && !ends && branches === undefined) return undefined
  return { identity, tenant, headers, ...(ends && { left }), ...(branches && { own: docs.length, branches: [] }) }
}

function withBranches(own: DocumentArray, branches: NonNullable<Request['branches']>, beside: Beside): DocumentArray {
  const all = DocumentArray.from(own)
  const places = new Map<Document, number>(all.map((doc, at) => [doc, at]))
  for (const { executor, docs } of branches) {
    const at = docs.map((doc) => {
      const place = places.get(doc) ?? all.length
      if (place === all.length) {
        places.set(doc, place)
        all[place] = doc
      }
      return place
    })
    ;(beside.branches as unknown[]).push({ executor, at })
  }
  return all
}

/** What came for a worker. */
export interface ReceivedCall extends Omit<Beside, 'own' | 'branches'> {
  readonly requestId: string
  readonly header: Header
  readonly docs: DocumentArray
  readonly branches: Request['branches']
  readonly wantsParts: boolean
}

/** @throws ProtoError for what is none */
export function readCall({ bytes, reader, at: start, end }: Frame, model: Docarray): ReceivedCall {
  const flags = bytes[start]!
  let at = start + 1
  let beside: Beside = {}
  if ((flags & HAS_BESIDE) > 0) ({ value: beside, end: at } = readJson(bytes, at, end))
  const { requestId, execEndpoint = '/', parameters, docs } = decodeFrom(reader, at, end, model)
  const { own, branches, ...rest } = beside
  const header = new SettledHeader(execEndpoint, parameters)
  const parts = branches?.map(({ executor, at }) => ({ executor, docs: DocumentArray.from(at.map((place) => docs[place]!)) }))
  if (own !== undefined) docs.length = own
  return { ...rest, requestId, header, docs, branches: parts, wantsParts: (flags & WANTS_PARTS) > 0 }
}

/** Whose parameters are those that its executor is to see. */
class SettledHeader extends Header {
  override parametersFor(_names: readonly string[], without?: ReadonlySet<string>): Parameters {
    const seen = copyJson(this.parameters)
    for (const name of without ?? []) if (Object.hasOwn(seen, name) && isPlainObject(seen[name])) delete seen[name]
    return seen
  }
}

// ── answers ──────────────────────────────────────────────────────────────────────────────────────────────

/** What a request came with, to see whether it goes back like that. */
export type AsReceived = readonly Document[]

/**
 * Writes what became of a request.
 * @throws DocumentError for what cannot be written
 */
export function writeAnswer(writer: Writer, request: Request, received: AsReceived, model: Docarray): void {
  const { docs, results, failures } = request
  const same = isAsReceived(docs, received, model)
  const isAll = same && results === undefined && failures === undefined
  writeByte(writer, (same ? SAME : 0) | (isAll ? 0 : HAS_MESSAGE))
  if (isAll) return
  const parameters = results === undefined && failures === undefined ? NONE : withFailures(results === undefined ? {} : { [RESULTS]: results }, failures ?? [])
  encodeInto(writer, messageOf('', undefined, parameters, same ? allocate(0) : docs, undefined), model)
}

/** What a request failed at, with what its documents came to, where that can be written. */
export function writeRefusal(writer: Writer, request: Request, received: AsReceived, error: unknown, model: Docarray): void {
  writeJson(writer, writeError(error))
  const { pos } = writer
  try {
    writeAnswer(writer, request, received, model)
  } catch {
    writer.pos = pos
    writeByte(writer, SAME)
  }
}

function isAsReceived(docs: DocumentArray, received: AsReceived, model: Docarray): boolean {
  if (docs.length !== received.length) return false
  for (let at = 0; at < received.length; at++) if (docs[at] !== received[at] || !isUntouched(received[at]!, model)) return false
  return true
}

/**
 * Takes an answer over.
 * @param at where it begins in the frame
 * @throws ProtoError, ConnectionError for what cannot be read
 */
export function readAnswer(request: Request, { bytes, reader, at: start, end }: Frame, model: Docarray, at: number = start): void {
  const flags = bytes[at]!
  if ((flags & HAS_MESSAGE) === 0) return
  const message = decodeFrom(reader, at + 1, end, model)
  takeMessage(request, (flags & SAME) > 0 ? { ...message, docs: request.docs } : message)
}

/** Takes over what a request that failed came to. @returns what it failed at */
export function readRefusal(request: Request, frame: Frame, model: Docarray): unknown {
  const { value, end } = readJson(frame.bytes, frame.at, frame.end)
  const error = readError(value)
  readAnswer(request, frame, model, end)
  return error
}

// ── partial answers ──────────────────────────────────────────────────────────────────────────────────────

/** What writes those of one request. What it throws, as of a piece that cannot be written, the executor fails of. */
export function partWriter(model: Docarray): (writer: Writer, response: Response) => void {
  let deltas: DeltaWriter | undefined
  return (writer, response) => {
    let message: Message
    if (response.delta === undefined) message = messageOf('', undefined, NONE, response.docs, response.ordinal)
    else {
      deltas ??= new DeltaWriter()
      const { docs, list } = deltas.write(response.delta)
      message = { deltas: { of: undefined, list }, ...messageOf('', undefined, NONE, docs, response.ordinal) }
    }
    encodeInto(writer, message, model)
  }
}

/** @throws ProtoError, ConnectionError for what cannot be read */
export function readPart(request: Request, { reader, at, end }: Frame, model: Docarray, address: string): Response {
  return partOf(request, decodeFrom(reader, at, end, model), { address, limit: Infinity })
}
