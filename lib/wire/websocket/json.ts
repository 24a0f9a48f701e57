import { DocumentError, OptionRangeError, optionType } from '../../base/errors.js'
import { DocumentArray } from '../../doc/array.js'
import { Document, type DocumentLike } from '../../doc/document.js'
import { isPlainObject } from '../../doc/json.js'
import { jsonOf } from '../../doc/json-value.js'
import type { Status } from '../../request/status.js'
import { deltasIn, deltasText } from '../deltas.js'
import { hasMore, madeOf, tooMany, tooManyDocuments } from '../documents.js'
import { around, documentsText, isoTime } from '../json.js'
import type { Message, Stop } from '../message.js'
import { misspelled } from '../names.js'

/** JSON as it came, of which nothing is known. */
type Json = Record<string, any>

/**
 * What a client sent, by the keys of Jina's `/post`: `data` (a list, or `{ docs }`), `execEndpoint`, `targetExecutor`, `parameters`,
 * in camelCase or snake_case; and, which Jina ignores, `requestId`, at the top or in `header`.
 * @throws errors with a code, for what these must not be
 */
export async function readRequest(json: Json, maxDocuments: number): Promise<Message> {
  const wrong = misspelled(json)
  if (wrong !== undefined) throw new OptionRangeError(`${wrong.key} is no key of a request. Did you mean ${wrong.meant}?`)
  const header = isPlainObject(json.header) ? json.header : {}
  const field = (camel: string, snake: string) => text(camel, json[camel] ?? json[snake] ?? header[camel] ?? header[snake])
  const parameters = json.parameters ?? {}
  if (!isPlainObject(parameters)) throw optionType('parameters', 'an object', parameters)
  const items = listOf(json.data)
  if (hasMore(items, maxDocuments)) throw new DocumentError('ERR_DOCUMENT', tooManyDocuments(maxDocuments), { cause: tooMany(maxDocuments) })
  return {
    requestId: requestIdOf(json) ?? '',
    execEndpoint: field('execEndpoint', 'exec_endpoint'),
    targetExecutor: field('targetExecutor', 'target_executor'),
    status: undefined,
    parameters,
    routes: [],
    docs: await madeOf(items, (item) => Document.from(item as DocumentLike)),
    ...(header === json.header && { headers: header }),
  }
}

/** The id that a message has, as far as it has one. */
export function requestIdOf(json: Json): string | undefined {
  const header = isPlainObject(json.header) ? json.header : {}
  const id = json.requestId ?? json.request_id ?? header.requestId ?? header.request_id
  return typeof id === 'string' && id !== '' ? id : undefined
}

/** An answer in Jina's form: snake_case, and without what is not set. A promise of one that takes several turns to write. */
export function writeAnswer(message: Message): string | Promise<string> {
  const { requestId, execEndpoint, targetExecutor, status, parameters, routes, docs, ordinal, deltas, headers } = message
  const grown = deltas && deltasText(deltas, docs)
  if (grown !== undefined && docs.length === 0) return `{${grown}}`
  const head = JSON.stringify({
    header: {
      request_id: requestId,
      status: status?.code === 'ERROR' ? statusJson(status) : undefined,
      exec_endpoint: execEndpoint,
      target_executor: targetExecutor,
      ...headers,
    },
    parameters: jsonOf(parameters, 'parameters'),
    routes: routes.map(({ executor, startTime, endTime, status }) => ({
      executor,
      start_time: isoTime(startTime),
      end_time: endTime === undefined ? undefined : isoTime(endTime),
      status: status && statusJson(status),
    })),
  })
  return around(
    `${head.slice(0, -1)},"data":`,
    documentsText(docs),
    ordinal === undefined ? '}' : `,"partial":true,"ordinal":${ordinal}${grown === undefined ? '' : `,${grown}`}}`,
  )
}

export function writeRequest({ requestId, execEndpoint, targetExecutor, parameters, docs, headers }: Message): string | Promise<string> {
  const head = JSON.stringify({
    header: { request_id: requestId, ...headers },
    exec_endpoint: execEndpoint,
    target_executor: targetExecutor,
    parameters: jsonOf(parameters, 'parameters'),
  })
  return around(`${head.slice(0, -1)},"data":`, documentsText(docs), '}')
}

/** @throws what is wrong with an answer */
export function readAnswer(json: Json): Message {
  const header = json.header ?? {}
  const deltas = deltasIn(json)
  return {
    requestId: requestIdOf(json) ?? '',
    execEndpoint: header.exec_endpoint ?? header.execEndpoint ?? undefined,
    targetExecutor: header.target_executor ?? header.targetExecutor ?? undefined,
    status: header.status ? readStatus(header.status) : undefined,
    parameters: json.parameters ?? {},
    routes: (json.routes ?? []).map(readStop),
    docs: documents(json.data),
    ordinal: json.partial === true || deltas !== undefined ? (json.ordinal ?? 0) : undefined,
    deltas,
    headers: header,
  }
}

/** StatusProto, of which successes need no word. */
export function statusJson({ code, description, exception }: Status): object {
  return code === 'SUCCESS' ? {} : { code: 1, description, exception }
}

export function readStatus(json: Json): Status {
  const { name = 'Error', args = [], stacks = [], executor = '' } = json.exception ?? {}
  const failed = json.code === 1 || json.code === 'ERROR'
  const description = String(json.description ?? '')
  if (!failed) return { code: 'SUCCESS', description }
  return { code: 'ERROR', description, exception: { name: String(name), args: args.map(String), stacks: stacks.map(String), executor: String(executor) } }
}

function readStop(json: Json): Stop {
  const time = (value: unknown) => (typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? Date.parse(value) : undefined)
  return {
    executor: String(json.executor),
    startTime: time(json.start_time ?? json.startTime) ?? 0,
    endTime: time(json.end_time ?? json.endTime),
    status: json.status ? readStatus(json.status) : undefined,
  }
}

function documents(data: unknown): DocumentArray {
  return DocumentArray.from(listOf(data) as DocumentLike[])
}

function listOf(data: unknown): readonly unknown[] {
  if (data === undefined || data === null) return []
  const list = Array.isArray(data) ? data : (data as { docs?: unknown }).docs
  if (!Array.isArray(list)) throw optionType('data', 'a list of documents, or { docs } with one', data)
  return list
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw optionType(name, 'a string', value)
  return value
}
