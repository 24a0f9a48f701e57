import type { DocumentArray } from '../../doc/array.js'
import { DocumentError, say } from '../../errors.js'
import type { Status } from '../../request/response.js'
import { documentJson, isoTime, plain } from '../json.js'
import type { Message, Stop } from '../message.js'

/**
 * The documents, as JSON.
 * @throws DocumentError for tags that are no JSON, such as ones that contain themselves
 */
export function documentsText(docs: DocumentArray): string {
  if (docs.length === 0) return '[]'
  const list = new Array<unknown>(docs.length)
  for (let i = 0; i < docs.length; i++) list[i] = documentJson(docs[i]!)
  try {
    return JSON.stringify(list)
  } catch (cause) {
    throw new DocumentError('ERR_DOCUMENT', `The documents cannot be written as JSON: ${say(cause)}`, { cause })
  }
}

/** A response as Jina's gateway writes it: names in camelCase around documents in snake_case. `status` is left out when all is well, which Jina's clients take for null. */
export function answerText(message: Message, stacks: boolean): string {
  const { requestId, status, execEndpoint, targetExecutor, parameters, routes, docs, ordinal } = message
  const failed = statusOf(status, stacks)
  const said = failed === undefined ? SUCCESS : JSON.stringify(failed)
  const header = `{"requestId":${quoted(requestId)},"status":${said},"execEndpoint":${quoted(execEndpoint ?? '')},"targetExecutor":${quoted(targetExecutor ?? '')}}`
  // Documents are written apart: their text is most of it.
  return `{"header":${header},"parameters":${parametersText(parameters)},"routes":${routesText(routes, stacks)},"data":${documentsText(docs)}${
    ordinal === undefined ? '' : `,"partial":true,"ordinal":${ordinal}`
  }}`
}

const SUCCESS = '{"code":0,"description":"","exception":null}'
const PLAIN = /^[\w./ -]*$/

/** Names are mostly plain, and quotes all they need. */
function quoted(name: string): string {
  return PLAIN.test(name) ? `"${name}"` : JSON.stringify(name)
}

function parametersText(parameters: object): string {
  try {
    return JSON.stringify(plain(parameters))
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
    const end = endTime === undefined ? 'null' : `"${isoTime(endTime)}"`
    const failed = statusOf(status, stacks)
    text += `,{"executor":${quoted(executor)},"startTime":"${isoTime(startTime)}","endTime":${end},"status":${failed === undefined ? 'null' : JSON.stringify(failed)}}`
  }
  return `[${text.slice(1)}]`
}

/** A request as it goes out, for `/post`. */
export function requestText({ execEndpoint, targetExecutor, parameters, docs }: Message): string {
  return `{"execEndpoint":${JSON.stringify(execEndpoint ?? '/')},"targetExecutor":${JSON.stringify(targetExecutor ?? '')},"parameters":${parametersText(parameters)},"data":${documentsText(docs)}}`
}
