import { DocumentError, say } from '../../base/errors.js'
import { allocate, type DocumentArray } from '../../doc/array.js'
import { Document, type DocumentLike } from '../../doc/document.js'
import { isPlainObject } from '../../doc/json.js'
import type { Parameters } from '../../request/parameters.js'
import type { CallContext } from '../context-headers.js'
import { hasMore, madeOf, tooManyDocuments } from '../documents.js'
import { parseJson, TooDeep } from '../json-text.js'
import type { Message } from '../message.js'
import { misspelled } from '../names.js'
import { HttpRefusal, invalid, malformed } from './refusal.js'

/**
 * The JSON of a text; of a long one, a promise of it: others are served while it is read.
 * @throws HttpRefusal with status 400 when it is none, or nested too deep
 */
export function parse(text: string): unknown {
  try {
    const json = parseJson(text)
    return json instanceof Promise ? json.catch((error) => Promise.reject(unread(text, error))) : json
  } catch (error) {
    throw unread(text, error)
  }
}

function unread(text: string, error: unknown): HttpRefusal {
  if (error instanceof TooDeep) return malformed(error.message)
  return malformed(text.trim() === '' ? 'A JSON object is due, such as {"data": [{"text": "hello"}]}; the body is empty' : `Not JSON: ${say(error)}`)
}

/**
 * A request as bodies say it, in camelCase or snake_case; unknown keys are ignored, as in Jina, but for those that look like one that is known.
 * @param endpoint of the route; without it, the body says which
 * @throws HttpRefusal with status 422 that names the field
 */
export function messageOf(json: unknown, requestId: string, endpoint: string | undefined): Message {
  const head = headOf(json, endpoint)
  const { items, loc } = head
  const docs = allocate(items.length)
  for (let i = 0; i < items.length; i++) docs[i] = at(items[i], loc, i)
  return whole(head, requestId, docs)
}

/**
 * The same for a request, of so many documents at most; where there are many, a promise: others are served while they are made.
 * @param context what came with its call
 * @throws HttpRefusal with status 413 for more
 */
export function requestOf(
  json: unknown,
  requestId: string,
  endpoint: string | undefined,
  maxDocuments: number,
  context: CallContext,
): Message | Promise<Message> {
  const head = headOf(json, endpoint)
  const { items, loc } = head
  if (hasMore(items, maxDocuments)) throw new HttpRefusal('tooLarge', tooManyDocuments(maxDocuments))
  const docs = madeOf(items, (item, i) => at(item, loc, i))
  return docs instanceof Promise ? docs.then((docs) => whole(head, requestId, docs, context)) : whole(head, requestId, docs, context)
}

/** What a body says beside its documents, and what those are to be made of. */
interface Head extends Items {
  readonly execEndpoint: string
  readonly targetExecutor: string | undefined
  readonly parameters: Parameters
}

function whole({ execEndpoint, targetExecutor, parameters }: Head, requestId: string, docs: DocumentArray, context?: CallContext): Message {
  return { requestId, execEndpoint, targetExecutor, status: undefined, parameters, routes: [], docs, context }
}

function headOf(json: unknown, endpoint: string | undefined): Head {
  if (!isPlainObject(json)) throw invalid([], 'value is not a valid dict', 'type_error.dict')
  const wrong = misspelled(json)
  if (wrong !== undefined) throw invalid([wrong.key], `there is no such key. Did you mean ${wrong.meant}?`)
  const named = text(json, 'execEndpoint', 'exec_endpoint')
  const targetExecutor = text(json, 'targetExecutor', 'target_executor') || undefined
  const parameters = parametersOf(json.parameters)
  const { items, loc } = itemsOf(json.data)
  return { execEndpoint: endpoint ?? (named || '/'), targetExecutor, parameters, items, loc }
}

function text(json: Record<string, unknown>, camel: string, snake: string): string | undefined {
  const key = json[camel] === undefined || json[camel] === null ? snake : camel
  const value = json[key]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw invalid([key], 'str type expected', 'type_error.str')
  return value
}

export function parametersOf(value: unknown): Parameters {
  if (value === undefined || value === null) return {}
  if (!isPlainObject(value)) throw invalid(['parameters'], 'value is not a valid dict', 'type_error.dict')
  if (Object.hasOwn(value, '__proto__')) throw invalid(['parameters', '__proto__'], 'no parameter can be named __proto__')
  return value
}

interface Items {
  readonly items: readonly unknown[]
  readonly loc: readonly string[]
}

/** Documents: a list, `{ docs: [ … ] }` as Jina 2 had it, one alone, or none. */
function itemsOf(data: unknown): Items {
  if (data === undefined || data === null) return { items: [], loc: [] }
  if (Array.isArray(data)) return { items: data, loc: ['data'] }
  if (!isPlainObject(data)) throw invalid(['data'], 'value is not a valid list', 'type_error.list')
  if (!Object.hasOwn(data, 'docs')) return { items: [data], loc: ['data'] }
  const { docs } = data
  if (docs === null) return { items: [], loc: [] }
  if (!Array.isArray(docs)) throw invalid(['data', 'docs'], 'value is not a valid list', 'type_error.list')
  return { items: docs, loc: ['data', 'docs'] }
}

function at(item: unknown, loc: readonly string[], position: number): Document {
  try {
    return Document.from(item as DocumentLike)
  } catch (error) {
    throw complaint(item, [...loc, position], error)
  }
}

/**
 * A document from its JSON, or from a text.
 * @throws HttpRefusal with status 422 that names the field
 */
export function documentOf(json: unknown): Document {
  try {
    return Document.from(json as DocumentLike)
  } catch (error) {
    throw complaint(json, [], error)
  }
}

function complaint(json: unknown, loc: readonly (string | number)[], error: unknown): unknown {
  return error instanceof DocumentError ? locate(json, loc, error) : error
}

/** Finds the field that is wrong, maybe in a chunk of a match. Only looked for once something is. */
function locate(json: unknown, loc: readonly (string | number)[], error: DocumentError): HttpRefusal {
  if (!isPlainObject(json)) return invalid(loc, 'value is not a valid dict', 'type_error.dict')
  for (const field of ['chunks', 'matches']) {
    const inner = json[field]
    if (!Array.isArray(inner)) continue
    for (let i = 0; i < inner.length; i++) {
      try {
        Document.from(inner[i])
      } catch (error) {
        return locate(inner[i], [...loc, field, i], error as DocumentError)
      }
    }
  }
  const named = /^\w+/.exec(error.message)?.[0] ?? ''
  const field = Object.keys(json).find((key) => key.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()) === named)
  return invalid(field === undefined ? loc : [...loc, field], error.message)
}
