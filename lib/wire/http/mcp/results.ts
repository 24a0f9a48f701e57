import type { CallToolResult } from '@modelcontextprotocol/server'
import { jsonOf } from '../../../doc/json-value.js'
import { FAILURES, type Parameters, RESULTS } from '../../../request/parameters.js'
import type { Status } from '../../../request/status.js'
import type { written } from '../../failures.js'
import { around, readableText } from '../../json.js'
import type { Message } from '../../message.js'
import { outcomeIn } from '../../status.js'

/** A document that failed, in short: who reads it has it. */
interface Told {
  readonly id: unknown
  readonly executor: string
  readonly code: string
  readonly message: string
}

/** Those that failed, while the others went on. */
export function failuresOf(parameters: Parameters): Told[] {
  const all = (parameters[FAILURES] ?? []) as readonly ReturnType<typeof written>[]
  return all.map(({ doc, executor, status }) => ({
    id: (doc as { id?: unknown }).id,
    executor,
    code: outcomeIn(status)?.code ?? 'ERR_EXECUTOR',
    message: status.description,
  }))
}

/**
 * An answer as its reader has it: documents, those that failed, and what executors returned beside them.
 * @throws what says why it cannot be written
 */
export function resultText({ docs, parameters }: Message): string | Promise<string> {
  const failures = failuresOf(parameters)
  const results = (parameters[RESULTS] ?? {}) as object
  const more = [
    ...(failures.length > 0 ? [`"failures":${JSON.stringify(failures)}`] : []),
    ...(Object.keys(results).length > 0 ? [`"results":${JSON.stringify(jsonOf(results, 'results'))}`] : []),
  ]
  return around('{"docs":', readableText(docs), `${more.map((one) => `,${one}`).join('')}}`)
}

/** What a partial answer brings: text that was appended, else the texts of its documents, else the documents. */
export async function partText({ docs, deltas }: Message): Promise<string> {
  if (deltas !== undefined) return deltas.list.map(({ text }) => text ?? '').join('\n')
  return docs.some(({ text }) => text !== '') ? docs.map(({ text }) => text).join('\n') : readableText(docs)
}

/**
 * What went wrong, for the model, which may mend it, and for the program around it.
 * @param again milliseconds in which to ask again, where that is known
 */
export function failed(code: string, message: string, again: number | undefined): CallToolResult {
  const said = again === undefined ? message : `${message}. Ask again in ${Math.ceil(again)} ms`
  return {
    content: [{ type: 'text', text: `${code}: ${said}` }],
    isError: true,
    _meta: { 'sluice/code': code, ...(again !== undefined && { 'sluice/retry-after': Math.ceil(again) }) },
  }
}

/** The same of an answer with the status ERROR. */
export function failedBy(status: Status, again: number | undefined): CallToolResult {
  return failed(outcomeIn(status)!.code, status.description, again)
}
