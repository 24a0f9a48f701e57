import { ConnectionError, invalid } from '../base/errors.js'
import { allocate, type DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { baseOf, type Change, type DocumentDelta, type Growth } from '../doc/growth.js'
import { fromBase64, isPlainObject, toBase64 } from '../doc/json.js'
import { jsonOf } from '../doc/json-value.js'
import { growthIn } from '../request/grown.js'
import type { Request } from '../request/request.js'
import { sizeOf } from './size.js'

// Partial answers that bring what was appended, and not the document once more. They go to who asks for them; all others get documents:
//
//               ask by                                        of which request a piece is
//  gRPC         metadata `sluice-deltas: 1` on `Call`         its number
//  HTTP         header `sluice-deltas: 1`, with lines, events there is one; its number, where documents are uploaded
//  WebSocket    `?partial=1&deltas=1`                         its number
//  GraphQL      the field `delta`                             the field `requestId`
//
// A document goes whole once, before its first delta, and again where it came whole in between. From then on, it is known by its number (`at`), and its request
// by another (`of`), which the server gives both. So a piece costs some ten bytes beside what it brings.

/** By which deltas are asked for: a header over HTTP, metadata over gRPC. */
export const DELTAS_HEADER = 'sluice-deltas'

/** In the address of a WebSocket, where pages can give no headers. */
export const DELTAS_QUERY = 'deltas'

/** More of one document. */
export interface MessageDelta extends Change<any> {
  readonly at: number
  /** Its document comes with it, as it is before it: among the message's, in the order of its deltas. */
  readonly fresh: boolean
}

/** What a message has beside documents. Where it has none, its head is left out too. */
export interface MessageDeltas {
  /** Which request of its stream it is of, where there are several. */
  readonly of: number | undefined
  readonly list: readonly MessageDelta[]
}

/** How requests of a stream are numbered; undefined, where there is one. */
export type Numbering = () => number | undefined

/** For the requests of one stream. */
export function numbering(): Numbering {
  let next = 0
  return () => next++
}

/** Which documents of a request its client knows. */
export class DeltaWriter {
  readonly #known = new Map<number, Document>()

  write(deltas: readonly DocumentDelta[]): { docs: DocumentArray; list: MessageDelta[] } {
    const docs = allocate(0)
    const list = deltas.map((delta) => {
      const { at, text, blob, tags } = delta
      const base = baseOf(delta)
      const fresh = this.#known.get(at) !== base
      if (fresh) docs[docs.length] = base
      this.#known.set(at, base)
      return { at, fresh, text, blob, tags }
    })
    return { docs, list }
  }
}

/** Those of requests that are under way here. */
const readers = new WeakMap<Request, DeltaReader>()

/** Who sends answers, and how much. */
export interface Answering {
  readonly address: string
  /** The most bytes of an answer. */
  readonly limit: number
}

/**
 * What came for a request, as those have it who made it.
 * @param answering whose limit is for all that its documents are, as they must fit into an answer
 * @throws ConnectionError (`ERR_PROTOCOL`, `ERR_TOO_LARGE`)
 */
export function readDeltas(request: Request, docs: DocumentArray, { list }: MessageDeltas, answering: Answering): DocumentDelta[] {
  let reader = readers.get(request)
  if (reader === undefined) readers.set(request, (reader = new DeltaReader(request, answering)))
  return reader.read(docs, list)
}

class DeltaReader {
  readonly #growths = new Map<number, { readonly growth: Growth; readonly weight: Weight }>()
  /** Of all that grow. */
  #size = 0

  constructor(
    private readonly request: Request,
    private readonly answering: Answering,
  ) {}

  read(docs: DocumentArray, list: readonly MessageDelta[]): DocumentDelta[] {
    let next = 0
    return list.map(({ at, fresh, ...change }) => {
      let growing = this.#growths.get(at)
      if (fresh) {
        const doc = docs[next++]
        if (doc === undefined) throw this.#fail('ERR_PROTOCOL', `delta ${at} comes without its document`)
        if (growing === undefined) this.#growths.set(at, (growing = { growth: growthIn(this.request, doc), weight: new Weight() }))
        else growing.growth.restart(doc)
        this.#size += growing.weight.restart(doc)
      }
      if (growing === undefined) throw this.#fail('ERR_PROTOCOL', `delta ${at} is of a document that did not come`)
      const { growth, weight } = growing
      const wrong = growth.misfit(change)
      if (wrong !== undefined) throw this.#fail('ERR_PROTOCOL', `there is a delta ${wrong}`)
      this.#size += weight.grow(change)
      const { limit } = this.answering
      if (this.#size > limit) throw this.#fail('ERR_TOO_LARGE', `its documents grew beyond ${limit} bytes (maxMessageBytes)`)
      return growth.grow(change)
    })
  }

  #fail(code: 'ERR_PROTOCOL' | 'ERR_TOO_LARGE', reason: string): ConnectionError {
    return new ConnectionError(code, this.answering.address, reason, { requestId: this.request.id })
  }
}

/** About how many bytes a document is that grows; no more than it is in an answer. */
class Weight {
  #size = 0
  /** Of tags that were set, which take the place of each other. */
  readonly #tags = new Map<string, number>()

  /** @returns how many bytes came, less those before */
  restart(base: Document<any>): number {
    const before = this.#size
    this.#tags.clear()
    this.#size = sizeOf(base)
    return this.#size - before
  }

  /** @returns how many bytes came */
  grow({ text, blob, tags }: Change): number {
    let more = (text?.length ?? 0) + (blob?.length ?? 0)
    for (const name in tags) {
      const size = name.length + sizeOf(tags[name])
      more += size - (this.#tags.get(name) ?? 0)
      this.#tags.set(name, size)
    }
    this.#size += more
    return more
  }
}

/** Whose pieces come by number, at the end of a stream that has several requests. */
export class Numbers {
  readonly #ids = new Map<number, string>()
  readonly #numbers = new Map<string, number>()

  /**
   * The id of the request that a message is of; empty where it is of none that is known.
   * @param awaited whether something is to come for an id: numbers of others would pile up here
   */
  idOf({ requestId, deltas }: { readonly requestId: string; readonly deltas?: MessageDeltas | undefined }, awaited: (id: string) => boolean): string {
    const of = deltas?.of
    if (of === undefined) return requestId
    if (requestId === '') return this.#ids.get(of) ?? ''
    if (!awaited(requestId)) return requestId
    this.#ids.set(of, requestId)
    this.#numbers.set(requestId, of)
    return requestId
  }

  /** No more pieces come. */
  end(requestId: string): void {
    const of = this.#numbers.get(requestId)
    if (of === undefined) return
    this.#numbers.delete(requestId)
    this.#ids.delete(of)
  }
}

// ── in JSON, on each wire that has it ────────────────────────────────────────────────────────────────────

/**
 * The fields of a message that has deltas: `"of":0,"delta":[{"at":0,"text":" more"}]`. Those whose document comes with them have its id.
 * @throws DocumentError for tags that JSON does not have
 */
export function deltasText({ of, list }: MessageDeltas, docs: readonly Document[]): string {
  let next = 0
  const all = list.map((delta) => deltaJson(delta, delta.fresh ? docs[next++]!.id : undefined))
  return `${of === undefined ? '' : `"of":${of},`}"delta":${JSON.stringify(all)}`
}

function deltaJson({ at, text, blob, tags }: MessageDelta, id: string | undefined): object {
  return { at, id, text, blob: blob && toBase64(blob), tags: tags && jsonOf(tags, 'tags') }
}

/** @throws DocumentError, Error for what is none @returns undefined where a message has none */
export function deltasIn({ of, delta }: Readonly<Record<string, unknown>>): MessageDeltas | undefined {
  if (!Array.isArray(delta)) return undefined
  return { of: isCount(of) ? of : undefined, list: delta.map(deltaOf) }
}

function deltaOf(json: unknown): MessageDelta {
  if (!isPlainObject(json)) throw invalid('delta', 'a list of objects', json)
  const { at, id, text, blob, tags } = json
  if (!isCount(at)) throw invalid('delta.at', 'an integer ≥ 0', at)
  if (text !== undefined && typeof text !== 'string') throw invalid('delta.text', 'a string', text)
  if (blob !== undefined && typeof blob !== 'string') throw invalid('delta.blob', 'base64 text', blob)
  if (tags !== undefined && !isPlainObject(tags)) throw invalid('delta.tags', 'an object', tags)
  return {
    at,
    fresh: id !== undefined,
    ...(text !== undefined && { text }),
    ...(blob !== undefined && { blob: fromBase64(blob, 'delta.blob') }),
    ...(tags !== undefined && { tags }),
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
