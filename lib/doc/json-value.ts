import { DocumentError, say, show } from '../base/errors.js'
import type { Document } from './document.js'
import { isTypedArray } from './ndarray.js'

/** How deep JSON may be nested: no real documents come near, and walks over it stay far from the stack's end. */
export const MAX_NESTING = 100

/**
 * A document as its `toJSON` has it, chunks and matches included, with what is in `tags` as {@link jsonOf} has it.
 * @param named gets to give the fields other names
 * @throws DocumentError that names the place in it that JSON cannot say, and why
 */
export function documentJson(document: Document, named?: (fields: Record<string, unknown>) => Record<string, unknown>, depth = 1): Record<string, unknown> {
  if (depth > MAX_NESTING) throw tooDeep('chunks and matches')
  const json = document.toJSON()
  if (json.tags !== undefined) json.tags = jsonOf(json.tags, 'tags')
  for (const field of ['chunks', 'matches'] as const)
    if (json[field] !== undefined) json[field] = Array.from(json[field] as Document[], (inner) => documentJson(inner, named, depth + 1))
  return named === undefined ? json : named(json)
}

/** Why a document cannot be written, with the document's id. */
export function unwritable({ id }: Document, error: unknown): DocumentError {
  return new DocumentError('ERR_DOCUMENT', `document ${id}: ${say(error)}`, { cause: error })
}

/**
 * A value as JSON will have it, so that what JSON cannot say is found before anything is written: typed arrays are lists, as in protobuf, and who
 * has a `toJSON` is what that returns. docs/protocol.md has the table. What is all that already is returned as it is.
 * @param name what it is called in errors
 * @throws DocumentError that names the place: `tags.ids[0] is a bigint, …`
 */
export function jsonOf<T>(value: T, name: string): T {
  if (isFlat(value)) return value
  const path: (string | number)[] = [name]
  try {
    return walk(value, path) as T
  } catch (error) {
    throw error instanceof DocumentError ? error : new DocumentError('ERR_DOCUMENT', `${written(path)} cannot be written: ${say(error)}`, { cause: error })
  }
}

/** Whether it is an object of texts, numbers and the like alone, as most tags are. */
function isFlat(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false
  for (const key in value) {
    const inner: unknown = (value as Record<string, unknown>)[key]
    // A function may be a toJSON.
    if (typeof inner !== 'string' && !Number.isFinite(inner) && typeof inner !== 'boolean' && inner !== null) return false
  }
  return true
}

/** What JSON makes `{}` of, whatever it holds. */
const LOST = /^\[object (Map|Set|Weak\w+|Promise|RegExp|Error|\w*ArrayBuffer|DataView)\]$/

/** @throws DocumentError for what would be written as nothing, whatever it holds: a Map, a Set, a promise, an Error and their like */
export function refuseLost(value: object, where: () => string): void {
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null || Array.isArray(value)) return
  const kind = LOST.exec(Object.prototype.toString.call(value))?.[1]
  if (kind === undefined) return
  const advice = kind === 'Map' ? 'make it an object (Object.fromEntries)' : kind === 'Set' ? 'make it a list' : 'make it an object, a list or a text'
  throw new DocumentError('ERR_DOCUMENT', `${where()} is a ${kind}, which JSON does not have: ${advice}`)
}

const owns = Object.prototype.hasOwnProperty

/** @param path where it is, which at an error is left as it was there */
function walk(value: unknown, path: (string | number)[]): unknown {
  if (typeof value === 'bigint') throw new DocumentError('ERR_DOCUMENT', `${written(path)} is a bigint, which JSON does not have: make it a number or a text`)
  if (typeof value === 'number' && !Number.isFinite(value)) throw noNumber(value, path)
  if (typeof value !== 'object' || value === null) return value
  if (isTypedArray(value)) {
    const list = Array.from<number | bigint, number>(value, Number)
    const at = list.findIndex((item) => !Number.isFinite(item))
    if (at >= 0) throw noNumber(list[at]!, [...path, at])
    return list
  }
  if (path.length > MAX_NESTING) throw tooDeep(String(path[0]))
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON !== 'function') return inside(value, path)
  const json: unknown = toJSON.call(value, path.at(-1))
  return typeof json === 'object' && json !== null ? inside(json, path) : walk(json, path)
}

function inside(value: object, path: (string | number)[]): unknown {
  refuseLost(value, () => written(path))
  let copy: Record<string | number, unknown> | undefined
  const look = (key: string | number, inner: unknown): void => {
    path.push(key)
    const json = walk(inner, path)
    path.pop()
    if (json === inner) return
    copy ??= (Array.isArray(value) ? Array.from(value) : { ...value }) as Record<string | number, unknown>
    // A key named __proto__ stays a key.
    Object.defineProperty(copy, key, { value: json, enumerable: true, configurable: true, writable: true })
  }
  if (Array.isArray(value))
    for (let i = 0; i < value.length; i++) {
      const inner: unknown = value[i]
      if (isLookedAt(inner)) look(i, inner)
    }
  else
    for (const key in value) {
      const inner = (value as Record<string, unknown>)[key]
      if (isLookedAt(inner) && owns.call(value, key)) look(key, inner)
    }
  return copy ?? value
}

function isLookedAt(value: unknown): boolean {
  return typeof value === 'object' || typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))
}

/** A text for it would come back as a text: in tags, nothing says that a number is due. */
function noNumber(value: number, path: readonly (string | number)[]): DocumentError {
  return new DocumentError('ERR_DOCUMENT', `${written(path)} is ${value}, which JSON does not have: make it null or a text`)
}

/** @param cause what it was found by, where nobody counted */
export function tooDeep(name: string, cause?: unknown): DocumentError {
  const said = `${name} can be nested ${MAX_NESTING} levels deep: these are deeper, or contain themselves`
  return new DocumentError('ERR_DOCUMENT', said, cause === undefined ? undefined : { cause })
}

function written([name, ...keys]: readonly (string | number)[]): string {
  return name + keys.map((key) => (typeof key === 'number' ? `[${key}]` : /^[A-Za-z_]\w{0,60}$/.test(key) ? `.${key}` : `[${show(key)}]`)).join('')
}
