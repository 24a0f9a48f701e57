import type { DocumentArray } from '../../doc/array.js'
import { DocumentError, say } from '../../errors.js'
import type { Status } from '../../request/response.js'
import { documentsJson, isoTime, jsonOf } from '../json.js'
import { type Message, type Stop, unwritten } from '../message.js'

/** @throws DocumentError that names the document which JSON cannot say, and why; for more text than there can be, too */
function documentsText(docs: DocumentArray): string {
  if (docs.length === 0) return '[]'
  const list = documentsJson(docs)
  try {
    return JSON.stringify(list)
  } catch (cause) {
    throw new DocumentError('ERR_DOCUMENT', `The documents cannot be written as JSON: ${say(cause)}`, { cause })
  }
}

/**
 * An answer, and whether it has become an error: what its executors made and nobody can write is theirs.
 * @param report hears of that
 */
export function answered(message: Message, stacks: boolean, report: (error: Error) => void): { text: string; failed: boolean } {
  try {
    return { text: answerText(message, stacks), failed: message.status?.code === 'ERROR' }
  } catch (error) {
    report(error as Error)
    return { text: answerText(unwritten(message, error), stacks), failed: true }
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
    return JSON.stringify(jsonOf(parameters, 'parameters'))
  } catch (cause) {
    throw cause instanceof DocumentError ? cause : new DocumentError('ERR_DOCUMENT', `The parameters cannot be written as JSON: ${say(cause)}`, { cause })
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
