import { DocumentError, say } from '../base/errors.js'
import type { Document, NamedScore } from '../doc/document.js'
import { documentJson, unwritable } from '../doc/json-value.js'
import { later, overdue } from '../stream/event-loop.js'

/** Fields that Jina's JSON of a document has in another way. */
const OTHERWISE = new Set(['mimeType', 'parentId', 'scores', 'evaluations'])

/** How many documents are written in one go at most, and from how many characters on, fewer: so that it takes a few milliseconds. */
const TOGETHER = 64
const LONG = 1 << 16

/**
 * The text of documents as Jina's JSON has them: names in snake_case, only what is set. What takes longer than a turn is a promise, and others are served
 * in between.
 * @throws DocumentError that names the first that JSON cannot say, the place in it, and why; for more text than there can be, too
 */
export function documentsText(documents: ArrayLike<Document>): string | Promise<string> {
  return textOf(documents, (document) => sayable(document, renamed))
}

/** The same without tensors and embeddings, at every depth: their numbers mean nothing to who reads. */
export function readableText(documents: ArrayLike<Document>): string | Promise<string> {
  return textOf(documents, (document) => sayable(document, readable))
}

/** The text of a list whose items are as JSON has them, likewise. @throws what JSON.stringify throws, in a DocumentError */
export function listText(items: ArrayLike<unknown>): string | Promise<string> {
  return textOf(items, (item) => item)
}

/** The text of a list of what `json` makes of each, likewise. */
export function textOf<T>(items: ArrayLike<T>, json: (item: T) => unknown): string | Promise<string> {
  const writing = new Writing(items, json)
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

function sayable(document: Document, named: typeof renamed): unknown {
  try {
    return documentJson(document, named)
  } catch (error) {
    throw unwritable(document, error)
  }
}

/** Documents are written apart: their text is most of it. */
export function around(before: string, documents: string | Promise<string>, after: string): string | Promise<string> {
  return typeof documents === 'string' ? before + documents + after : documents.then((documents) => before + documents + after)
}

function renamed(fields: Record<string, unknown>): Record<string, unknown> {
  for (const field in fields) if (OTHERWISE.has(field)) return inSnakeCase(fields)
  return fields
}

function readable({ tensor: _tensor, embedding: _embedding, ...fields }: Record<string, unknown>): Record<string, unknown> {
  return renamed(fields)
}

function inSnakeCase(fields: Record<string, unknown>): Record<string, unknown> {
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
