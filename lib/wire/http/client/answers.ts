import { ConnectionError, say } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import { isPlainObject } from '../../../doc/json.js'
import type { Request } from '../../../request/request.js'
import type { Status } from '../../../request/status.js'
import type { Scope } from '../../../stream/scope.js'
import { type Answering, deltasIn } from '../../deltas.js'
import { emptyMessage, type Message, partOf, type Stop } from '../../message.js'
import { failure } from '../../outcome.js'
import { decode } from '../body.js'
import { linesIn, linesOf } from '../lines.js'
import { messageOf, parse } from '../read.js'
import { HttpRefusal } from '../refusal.js'
import type { Received } from './transport.js'

/** For whom an answer is read, and how much of it. */
export interface Answers extends Answering {
  readonly request: Request
  /** What is read is not wanted once it is told to stop. */
  readonly scope: Scope
}

/**
 * The last answer to a request; partial ones before it are handed on.
 * @throws ConnectionError `ERR_PROTOCOL` for what is none, `ERR_DISCONNECTED` when it ends before; HttpRefusal with status 413 for one over the limit
 */
export async function readAnswer(received: Received, answers: Answers): Promise<Message> {
  const type = received.header('content-type') ?? ''
  if (/^application\/json\b/i.test(type)) {
    const message = await answerOf(decodeText(await received.whole(answers.limit), answers), answers)
    if (message.ordinal !== undefined) throw foreign(answers, 'it answers with a part where all of it is due')
    return message
  }
  if (!/^application\/x-ndjson\b/i.test(type))
    throw foreign(
      answers,
      `it answers with ${type === '' ? 'something' : JSON.stringify(type)} where JSON is due, so it is no gateway of Jina. See whether the address is right`,
    )
  let last: Message | undefined
  const take = async (line: string): Promise<void> => {
    if (line === '') return
    if (last !== undefined) throw foreign(answers, 'it says more after its last line')
    const message = await answerOf(line, answers)
    if (answers.scope.aborted) throw answers.scope.reason
    // Read to its end, the connection serves for the next request.
    if (message.ordinal === undefined) last = message
    else await answers.request.emit?.(partOf(answers.request, message, answers))
  }
  // What says how long it is, was there as it was begun: most often a single line.
  if (received.length !== undefined && received.length <= answers.limit) for (const line of linesIn(await received.whole(answers.limit))) await take(line)
  else for await (const line of linesOf(received.chunks(), answers.limit)) await take(line)
  if (last !== undefined) return last
  throw new ConnectionError('ERR_DISCONNECTED', answers.address, 'the answer ended before its last line')
}

function decodeText(bytes: Uint8Array, answers: Answers): string {
  try {
    return decode(bytes)
  } catch (error) {
    throw foreign(answers, say(error))
  }
}

async function answerOf(text: string, answers: Answers): Promise<Message> {
  publishBytes('client', 'received', 'http', text)
  try {
    const parsed = parse(text)
    const json = parsed instanceof Promise ? await parsed : parsed
    const deltas = isPlainObject(json) ? deltasIn(json) : undefined
    if (deltas !== undefined && (json as { header?: unknown }).header === undefined) return emptyMessage({ ordinal: 0, deltas })
    if (!isPlainObject(json) || !isPlainObject(json.header)) throw new HttpRefusal('invalid', 'it answers without a header, so it is no gateway of Jina')
    const { header, routes, ordinal, partial } = json as Record<string, any>
    const { requestId, execEndpoint, parameters, docs } = messageOf(
      { data: json.data, parameters: json.parameters },
      textOf(header, 'requestId', 'request_id') ?? '',
      textOf(header, 'execEndpoint', 'exec_endpoint'),
    )
    return {
      requestId,
      execEndpoint,
      parameters,
      docs,
      deltas,
      targetExecutor: textOf(header, 'targetExecutor', 'target_executor'),
      status: statusOf(header.status),
      routes: Array.isArray(routes) ? routes.map(stopOf) : [],
      ordinal: partial === true && Number.isInteger(ordinal) ? ordinal : undefined,
    }
  } catch (error) {
    throw foreign(answers, say(error))
  }
}

function foreign({ address }: Answers, reason: string): ConnectionError {
  return failure('unimplemented', address, reason)
}

function textOf(json: Record<string, unknown>, camel: string, snake: string): string | undefined {
  const value = json[camel] ?? json[snake]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A status, of which Jina leaves out what is not set. */
export function statusOf(json: any): Status | undefined {
  if (!isPlainObject(json)) return undefined
  const { code, description, exception } = json as Record<string, any>
  if (code !== 1 && code !== 'ERROR') return { code: 'SUCCESS', description: '' }
  const status: Status = { code: 'ERROR', description: String(description ?? '') }
  if (isPlainObject(exception)) {
    const { name, args, stacks, executor } = exception as Record<string, any>
    status.exception = { name: String(name ?? ''), args: strings(args), stacks: strings(stacks), executor: String(executor ?? '') }
  }
  return status
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function stopOf(json: any): Stop {
  const { executor, status } = json ?? {}
  return {
    executor: String(executor ?? ''),
    startTime: timeOf(json?.startTime ?? json?.start_time) ?? 0,
    endTime: timeOf(json?.endTime ?? json?.end_time),
    status: statusOf(status),
  }
}

function timeOf(text: unknown): number | undefined {
  const time = typeof text === 'string' ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}
