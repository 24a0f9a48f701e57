import { DocumentError, invalid } from '../base/errors.js'
import type { DocumentArray } from './array.js'
import type { DocumentLike } from './document.js'
import { isPlainObject } from './json.js'
import { type NdArray, type NdArrayInit, unspelled } from './ndarray.js'

/**
 * What a document is tagged with, when its type says no more: JSON values by name. What is there is to be looked at before it is used; a type says it:
 * `post<{ lang: string }>()`, `Call<{ lang: string }>`, `Document<{ lang: string }>`.
 */
export type Tags = Record<string, unknown>

/** A score under its name, as rankers leave it in `scores` and evaluators in `evaluations`. */
export interface NamedScore {
  value: number
  opName?: string
  description?: string
  refId?: string
}

/** The fields of a document, as an object literal or parsed JSON gives them. All are optional. */
export interface DocumentInit<T extends object = Record<string, any>> {
  /** Unique; made up when missing or `''`, and only once somebody reads it. */
  id?: string | undefined
  /** Content as text. A document has one content: text, blob or tensor. */
  text?: string | undefined
  /** Content as bytes; base64 text in JSON. */
  blob?: Uint8Array | string | undefined
  /** Content as a tensor. */
  tensor?: NdArrayInit | undefined
  /** Content as whichever its type says. */
  content?: string | Uint8Array | NdArrayInit | undefined
  /** The vector that stands for the content. */
  embedding?: NdArrayInit | undefined
  uri?: string | undefined
  mimeType?: string | undefined
  tags?: T | undefined
  weight?: number | undefined
  /** Parts of this document. */
  chunks?: Iterable<DocumentLike<any>> | undefined
  /** Documents found for this one. */
  matches?: Iterable<DocumentLike<any>> | undefined
  scores?: Record<string, NamedScore | number> | undefined
  evaluations?: Record<string, NamedScore | number> | undefined
  parentId?: string | undefined
  /** Depth in the tree of chunks. */
  granularity?: number | undefined
  /** Depth in the chain of matches. */
  adjacency?: number | undefined
  modality?: string | undefined
  offset?: number | undefined
  location?: readonly number[] | undefined
}

/** Fields that most documents do not have, in one object that most documents do not make. */
export interface More {
  embedding?: NdArray | undefined
  uri?: string | undefined
  mimeType?: string | undefined
  weight?: number | undefined
  chunks?: DocumentArray | undefined
  matches?: DocumentArray | undefined
  scores?: Record<string, NamedScore> | undefined
  evaluations?: Record<string, NamedScore> | undefined
  parentId?: string | undefined
  granularity?: number | undefined
  adjacency?: number | undefined
  modality?: string | undefined
  offset?: number | undefined
  location?: readonly number[] | undefined
}

/** A field that is kept as it was set: how it is checked, and what it reads as when it is not set. */
interface Plain {
  check(field: string, value: unknown): unknown
  unset?: unknown
}

export const PLAIN: { readonly [field in keyof More]?: Plain } = {
  uri: { check: string },
  mimeType: { check: string },
  weight: { check: number },
  parentId: { check: string },
  granularity: { check: natural, unset: 0 },
  adjacency: { check: natural, unset: 0 },
  modality: { check: string },
  offset: { check: number },
  location: { check: numbers },
}

/** Fields by the names that init objects and JSON may give them. Of what is not here, tags are made. */
export const FIELDS: ReadonlyMap<string, string> = new Map([
  ...['blob', 'tensor', 'content', 'embedding', 'chunks', 'matches', 'scores', 'evaluations', ...Object.keys(PLAIN)].map((field) => [field, field] as const),
  // Jina's JSON (docarray 0.x), and its 2.x documents.
  ['mime_type', 'mimeType'],
  ['parent_id', 'parentId'],
  ['buffer', 'blob'],
])

export function string(field: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(field, 'a string', value)
  return value
}

export function number(field: string, value: unknown): number {
  const number = unspelled(value)
  if (typeof number !== 'number') throw invalid(field, 'a number', value)
  return number
}

function natural(field: string, value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 0) throw invalid(field, 'an integer ≥ 0', value)
  return value as number
}

export function isEmpty(value: unknown): boolean {
  return value === undefined || value === '' || value === 0 || (Array.isArray(value) && value.length === 0)
}

function numbers(field: string, value: unknown): readonly number[] {
  const list = Array.isArray(value) ? value.map(unspelled) : [{}]
  if (list.some((item) => typeof item !== 'number')) throw invalid(field, 'a list of numbers', value)
  return list as number[]
}

export function documents(field: string, value: unknown): Iterable<DocumentLike<any>> {
  if (typeof value !== 'object' || value === null || !(Symbol.iterator in value)) throw invalid(field, 'a list of documents', value)
  return value as Iterable<DocumentLike<any>>
}

export function named(field: string, value: Record<string, NamedScore | number>): Record<string, NamedScore> {
  if (!isPlainObject(value)) throw invalid(field, 'an object of scores by name', value)
  const scores: Record<string, NamedScore> = {}
  for (const [name, score] of Object.entries(value)) {
    if (name === '__proto__') throw new DocumentError('ERR_DOCUMENT', `${field} cannot have a score named __proto__`)
    const { value, opName, op_name, description, refId, ref_id } = (typeof score === 'object' && score ? score : { value: score }) as Record<string, any>
    const at = `${field}.${name}`
    scores[name] = { value: number(`${at}.value`, value) }
    for (const [field, text] of Object.entries({ opName: opName ?? op_name, description, refId: refId ?? ref_id }))
      if (text !== undefined && text !== null) scores[name][field as 'refId'] = string(`${at}.${field}`, text)
  }
  return scores
}
