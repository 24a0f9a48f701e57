import type { DocumentArray } from '../../doc/array.js'
import type { Document, NamedScore } from '../../doc/document.js'
import { DocumentError, say } from '../../errors.js'
import type { Status } from '../../request/response.js'
import type { Message, Stop } from '../message.js'

/** Fields that Jina's JSON of a document has in another way. */
const OTHERWISE = new Set(['mimeType', 'parentId', 'chunks', 'matches', 'scores', 'evaluations'])

/** A document as Jina's JSON has it: names in snake_case, only what is set. */
export function jsonOf(document: Document): Record<string, unknown> {
  const json = document.toJSON()
  for (const field in json) if (OTHERWISE.has(field)) return renamed(json)
  return json
}

function renamed(fields: Record<string, unknown>): Record<string, unknown> {
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
        json[field] = Array.from(value as Document[], jsonOf)
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
 * The documents, as JSON.
 * @throws DocumentError for tags that are no JSON, such as ones that contain themselves
 */
export function documentsText(docs: DocumentArray): string {
  if (docs.length === 0) return '[]'
  const list = new Array<unknown>(docs.length)
  for (let i = 0; i < docs.length; i++) list[i] = jsonOf(docs[i]!)
  try {
    return JSON.stringify(list)
  } catch (cause) {
    throw new DocumentError('ERR_DOCUMENT', `The documents cannot be written as JSON: ${say(cause)}`, { cause })
  }
}

/** A response as Jina's gateway writes it: names in camelCase around documents in snake_case. `status` is left out when all is well, which Jina's clients take for null. */
export function answerText(message: Message, stacks: boolean): string {
  const { requestId, status, execEndpoint, targetExecutor, parameters, routes, docs, ordinal } = message
  const header = { requestId, status: statusOf(status, stacks) ?? SUCCESS, execEndpoint: execEndpoint ?? '', targetExecutor: targetExecutor ?? '' }
  // Documents are written apart: their text is most of it.
  return `{"header":${JSON.stringify(header)},"parameters":${parametersText(parameters)},"routes":${routesText(routes, stacks)},"data":${documentsText(docs)}${
    ordinal === undefined ? '' : `,"partial":true,"ordinal":${ordinal}`
  }}`
}

const SUCCESS = { code: 0, description: '', exception: null }

function parametersText(parameters: object): string {
  try {
    return JSON.stringify(parameters)
  } catch (cause) {
    throw new DocumentError('ERR_DOCUMENT', `What executors returned for parameters.__results__ cannot be written as JSON: ${say(cause)}`, { cause })
  }
}

/** Jina's StatusProto. Nothing for what succeeded. */
export function statusOf(status: Status | undefined, stacks: boolean): object | undefined {
  if (status === undefined || status.code === 'SUCCESS') return undefined
  const { description, exception } = status
  return { code: 1, description, exception: exception === undefined ? null : { ...exception, stacks: stacks ? exception.stacks : [] } }
}

function routesText(routes: readonly Stop[], stacks: boolean): string {
  if (routes.length === 0) return '[]'
  let text = ''
  for (const { executor, startTime, endTime, status } of routes) {
    const end = endTime === undefined ? 'null' : time(endTime)
    text += `,{"executor":${JSON.stringify(executor)},"startTime":${time(startTime)},"endTime":${end},"status":${JSON.stringify(statusOf(status, stacks) ?? null)}}`
  }
  return `[${text.slice(1)}]`
}

let last = Number.NaN
let lastText = ''

/** Times come many times over: the end of one stop is the start of the next. */
function time(milliseconds: number): string {
  if (milliseconds !== last) {
    lastText = `"${new Date(milliseconds).toISOString()}"`
    last = milliseconds
  }
  return lastText
}

/** A request as it goes out, for `/post`. */
export function requestText({ execEndpoint, targetExecutor, parameters, docs }: Message): string {
  return `{"execEndpoint":${JSON.stringify(execEndpoint ?? '/')},"targetExecutor":${JSON.stringify(targetExecutor ?? '')},"parameters":${parametersText(parameters)},"data":${documentsText(docs)}}`
}
