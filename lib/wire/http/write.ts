import { DocumentError, say } from '../../base/errors.js'
import { jsonOf } from '../../doc/json-value.js'
import type { Status } from '../../request/status.js'
import { deltasText } from '../deltas.js'
import { around, documentsText, isoTime } from '../json.js'
import { type Message, type Stop, unwritten } from '../message.js'

/** An answer, and whether it has become an error. */
export interface Answered {
  readonly text: string
  readonly failed: boolean
}

/**
 * An answer; a promise of one that takes several turns to write. What its executors made and nobody can write is theirs.
 * @param report hears of that
 * @throws what says why a partial answer cannot be written: its executor fails of it
 */
export function answered(message: Message, stacks: boolean, report: (error: Error) => void): Answered | Promise<Answered> {
  const failed = message.status?.code === 'ERROR'
  const instead = (error: unknown): Answered => {
    if (message.ordinal !== undefined) throw error
    // It has no documents, so it is there at once.
    return { text: answerText(unwritten(message, error, report), stacks) as string, failed: true }
  }
  try {
    const text = answerText(message, stacks)
    return typeof text === 'string' ? { text, failed } : text.then((text) => ({ text, failed }), instead)
  } catch (error) {
    return instead(error)
  }
}

/** A response as Jina's gateway writes it: names in camelCase around documents in snake_case. `status` is left out when all is well, which Jina's clients take for null. */
export function answerText(message: Message, stacks: boolean): string | Promise<string> {
  const { requestId, status, execEndpoint, targetExecutor, parameters, routes, docs, ordinal, deltas } = message
  const grown = deltas && deltasText(deltas, docs)
  if (grown !== undefined && docs.length === 0) return `{${grown}}`
  const failed = statusOf(status, stacks)
  const said = failed === undefined ? SUCCESS : JSON.stringify(failed)
  const header = `{"requestId":${quoted(requestId)},"status":${said},"execEndpoint":${quoted(execEndpoint ?? '')},"targetExecutor":${quoted(targetExecutor ?? '')}}`
  return around(
    `{"header":${header},"parameters":${parametersText(parameters)},"routes":${routesText(routes, stacks)},"data":`,
    documentsText(docs),
    ordinal === undefined ? '}' : `,"partial":true,"ordinal":${ordinal}${grown === undefined ? '' : `,${grown}`}}`,
  )
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

/** A request as it goes out, for `/post`; a promise of one that takes several turns to write. */
export function requestText({ execEndpoint, targetExecutor, parameters, docs }: Message): string | Promise<string> {
  return around(
    `{"execEndpoint":${JSON.stringify(execEndpoint ?? '/')},"targetExecutor":${JSON.stringify(targetExecutor ?? '')},"parameters":${parametersText(parameters)},"data":`,
    documentsText(docs),
    '}',
  )
}
