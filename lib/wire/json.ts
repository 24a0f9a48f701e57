import { DocumentError, say, show } from '../base/errors.js'
import type { Document, NamedScore } from '../doc/document.js'
import { isTypedArray } from '../doc/ndarray.js'
import { later, overdue } from '../stream/event-loop.js'
import { MAX_NESTING } from './json-text.js'

/** Fields that Jina's JSON of a document has in another way. */
const OTHERWISE = new Set(['mimeType', 'parentId', 'chunks', 'matches', 'scores', 'evaluations'])

/** How many documents are written in one go at most, and from how many characters on, fewer: so that it takes a few milliseconds. */
const TOGETHER = 64
const LONG = 1 << 16

/**
 * The text of documents as Jina's JSON has them: names in snake_case, only what is set. What takes longer than a turn is a promise, and others are served
 * in between.
 * @throws DocumentError that names the first that JSON cannot say, the place in it, and why; for more text than there can be, too
 */
export function documentsText(documents: ArrayLike<Document>): string | Promise<string> {
  return textOf(new Writing(documents, sayable))
}

/** The text of a list whose items are as JSON has them, likewise. @throws what JSON.stringify throws, in a DocumentError */
export function listText(items: ArrayLike<unknown>): string | Promise<string> {
  return textOf(new Writing(items, (item) => item))
}

function textOf(writing: Writing<any>): string | Promise<string> {
  while (writing.step()) if (overdue(true)) return writing.rest()
  return writing.text
}

class Writing<T> {
  text = '['
  #at = 0
  /** Twice as many each time, as long as their text is short. */
  #many = 1

  constructor(
    private readonly items: ArrayLike<T>,
    private readonly json: (item: T) => unknown,
  ) {}

  /** @returns whether there are more */
  step(): boolean {
    const { items } = this
    const from = this.#at
    const to = Math.min(from + this.#many, items.length)
    const list = new Array<unknown>(to - from)
    for (; this.#at < to; this.#at++) list[this.#at - from] = this.json(items[this.#at]!)
    try {
      const text = JSON.stringify(list)
      this.#many = text.length > LONG ? Math.max(1, this.#many >> 1) : Math.min(TOGETHER, this.#many * 2)
      const more = to < items.length
      this.text += `${from > 0 && list.length > 0 ? ',' : ''}${text.slice(1, -1)}${more ? '' : ']'}`
      return more
    } catch (cause) {
      throw new DocumentError('ERR_DOCUMENT', `The documents cannot be written as JSON: ${say(cause)}`, { cause })
    }
  }

  async rest(): Promise<string> {
    do if (overdue(true)) await new Promise<void>((resolve) => later(resolve))
    while (this.step())
    return this.text
  }
}

function sayable(document: Document): unknown {
  try {
    return documentJson(document, 1)
  } catch (error) {
    throw unwritable(document, error)
  }
}

/** Documents are written apart: their text is most of it. */
export function around(before: string, documents: string | Promise<string>, after: string): string | Promise<string> {
  return typeof documents === 'string' ? before + documents + after : documents.then((documents) => before + documents + after)
}

/** Why a document cannot be written, with the document's id. */
export function unwritable({ id }: Document, error: unknown): DocumentError {
  return new DocumentError('ERR_DOCUMENT', `document ${id}: ${say(error)}`, { cause: error })
}

function documentJson(document: Document, depth: number): Record<string, unknown> {
  if (depth > MAX_NESTING) throw tooDeep('chunks and matches')
  const json = document.toJSON()
  if (json.tags !== undefined) json.tags = jsonOf(json.tags, 'tags')
  for (const field in json) if (OTHERWISE.has(field)) return renamed(json, depth)
  return json
}

function renamed(fields: Record<string, unknown>, depth: number): Record<string, unknown> {
  const json: Record<string, unknown> = {}
  for (const field in fields) {
    const value = fields[field]
    switch (field) {
      case 'mimeType':
        json.mime_type = value
        break
      case 'parentId':
        json.parent_id = value
        break
      case 'chunks':
      case 'matches':
        json[field] = Array.from(value as Document[], (inner) => documentJson(inner, depth + 1))
        break
      case 'scores':
      case 'evaluations':
        json[field] = scores(value as Record<string, NamedScore>)
        break
      default:
        json[field] = value
    }
  }
  return json
}

function scores(named: Record<string, NamedScore>): object {
  return Object.fromEntries(
    Object.entries(named).map(([name, { value, opName, description, refId }]) => [name, { value, op_name: opName, description, ref_id: refId }]),
  )
}

/**
 * A value as JSON will have it, so that what JSON cannot say is found before anything is written: typed arrays are lists, as in protobuf, and who
 * has a `toJSON` is what that returns. What is all that already is returned as it is.
 * @param name what it is called in errors
 * @throws DocumentError that names the place: `tags.ids[0] is a bigint, …`
 */
export function jsonOf<T>(value: T, name: string): T {
  const path: (string | number)[] = [name]
  try {
    return walk(value, path) as T
  } catch (error) {
    throw error instanceof DocumentError ? error : new DocumentError('ERR_DOCUMENT', `${written(path)} cannot be written: ${say(error)}`, { cause: error })
  }
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
  if (typeof value !== 'object' || value === null) return value
  if (isTypedArray(value)) return Array.from<number | bigint, number>(value, Number)
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
      if (typeof inner === 'object' || typeof inner === 'bigint') look(i, inner)
    }
  else
    for (const key in value) {
      const inner = (value as Record<string, unknown>)[key]
      if ((typeof inner === 'object' || typeof inner === 'bigint') && owns.call(value, key)) look(key, inner)
    }
  return copy ?? value
}

function tooDeep(name: string): DocumentError {
  return new DocumentError('ERR_DOCUMENT', `${name} can be nested ${MAX_NESTING} levels deep: these are deeper, or contain themselves`)
}

function written([name, ...keys]: readonly (string | number)[]): string {
  return name + keys.map((key) => (typeof key === 'number' ? `[${key}]` : /^[A-Za-z_]\w{0,60}$/.test(key) ? `.${key}` : `[${show(key)}]`)).join('')
}

let last = Number.NaN
let lastText = ''

/** A time as JSON has it. Times come many times over: the end of one stop is the start of the next. */
export function isoTime(milliseconds: number): string {
  if (milliseconds !== last) {
    lastText = new Date(milliseconds).toISOString()
    last = milliseconds
  }
  return lastText
}
