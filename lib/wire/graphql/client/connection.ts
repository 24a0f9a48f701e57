import { abortSignal, check, patience, string } from '../../../base/check.js'
import { ConnectionError, DocumentError, ExecutorError, say } from '../../../base/errors.js'
import type { Logger } from '../../../base/logger.js'
import { MAX_NESTING } from '../../../doc/json-value.js'
import { Register } from '../../../stream/register.js'
import type { Scope } from '../../../stream/scope.js'
import { type Address, written } from '../../address.js'
import { headers } from '../../connect-options.js'
import { deadlineOf, writeContext } from '../../context-headers.js'
import { type BearerOption, Credentials, notLetIn } from '../../credentials.js'
import { MAX_MESSAGE_BYTES } from '../../defaults.js'
import { wayTo } from '../../http/client/connect.js'
import { watchable } from '../../http/client/connection.js'
import { failureOfStatus } from '../../http/client/failures.js'
import { Room } from '../../http/client/room.js'
import { Roundtrip } from '../../http/client/roundtrip.js'
import type { Received, Transport } from '../../http/client/transport.js'
import { kindOf as kindOfHttp } from '../../http/status.js'
import { listText } from '../../json.js'
import { parseJson } from '../../json-text.js'
import { failure } from '../../outcome.js'
import { readAgain } from '../../retry-after.js'
import { isExecutor } from '../../status.js'
import type { ClientTls } from '../../tls-options.js'
import { kindOf } from '../status.js'
import { events } from './events.js'

export interface MutateOptions {
  /** Milliseconds in which it must be answered, or, of a subscription, begin to be. Default: the Client's. */
  timeout?: number | undefined
  headers?: Readonly<Record<string, string>> | undefined
  signal?: AbortSignal | undefined
  /** Which operation of the document. */
  operationName?: string | undefined
}

/** What GraphQL answers. */
export interface GraphQLResult {
  data: any
  errors?: readonly any[]
  /** `failures`: documents that failed while the others of their request went on. */
  extensions?: any
}

const RULES: Record<keyof MutateOptions, (name: string, value: any) => void> = { timeout: patience, headers, signal: abortSignal, operationName: string }

export interface GraphQLConnectSettings {
  readonly headers: Readonly<Record<string, string>>
  readonly timeout?: number | undefined
  readonly maxMessageBytes?: number | undefined
  readonly connectTimeout?: number | undefined
  readonly tls?: ClientTls | undefined
  readonly logger?: Logger | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
  readonly token?: BearerOption | undefined
}

/** GraphQL over HTTP, by the same ways as the documents. */
export class GraphQLConnection {
  readonly #url: URL
  readonly #settings: GraphQLConnectSettings
  readonly #transport: Transport
  readonly #credentials: Credentials | undefined
  readonly #calls = new Register<Operation>()
  readonly #room = new Room()

  constructor(address: Address, settings: GraphQLConnectSettings) {
    const { tls, connectTimeout, fetch, logger } = settings
    const given = Object.entries({ tls, connectTimeout, fetch, logger }).filter(([, value]) => value !== undefined)
    const { url, transport } = wayTo(written(address, 'http'), Object.fromEntries(given))
    this.#url = new URL('graphql', url.href.endsWith('/') ? url : `${url.href}/`)
    this.#settings = settings
    this.#credentials = Credentials.of(this.#url.href, settings)
    this.#transport = transport
  }

  /** @throws ExecutorError for what an executor failed at, ConnectionError for the rest (`ERR_REFUSED` where it was refused), with the server's errors as its `cause` where there is no data */
  async mutate(document: string, variables?: object, options: MutateOptions = {}): Promise<GraphQLResult> {
    const call = this.#call(options)
    // A subscription has to begin by then, and no more.
    call.deadline = deadlineOf(call.timeout, undefined)
    try {
      return await this.#result(await this.#send(call, 'application/graphql-response+json, application/json', document, variables, options))
    } catch (error) {
      throw call.failure(error)
    } finally {
      call.forget()
      call.end()
    }
  }

  /** What a subscription sends, by server-sent events. @throws as {@link mutate} does; errors beside data come with it */
  subscribe(document: string, variables?: object, options: MutateOptions = {}): AsyncGenerator<GraphQLResult, void> {
    const call = this.#call(options)
    const answers = this.#answers(call, document, variables, options)
    const leave = answers.return.bind(answers)
    // A generator that waits for its next answer would be left only once that is there.
    answers.return = async (value) => {
      call.forget()
      call.leave()
      await leave(value).catch(() => {})
      return { done: true, value: await value }
    }
    return answers
  }

  async *#answers(call: Operation, document: string, variables: object | undefined, options: MutateOptions): AsyncGenerator<GraphQLResult, void> {
    try {
      const received = await this.#send(call, 'text/event-stream', document, variables, options)
      if (!received.header('content-type')?.startsWith('text/event-stream')) return yield await this.#result(received)
      call.inTime()
      for await (const { event, data } of events(received.chunks(), this.#limit)) {
        if (event === 'complete') return
        if (event !== 'next' && event !== 'message') continue
        const answer = (await parseJson(data, READ)) as Partial<GraphQLResult>
        // What failed before it ran has no data, not even null.
        if (answer.data === undefined) throw this.#refused(answer, 200)
        yield answer as GraphQLResult
      }
      throw new ConnectionError('ERR_DISCONNECTED', this.#url.href, 'the stream ended before the subscription was complete')
    } catch (error) {
      // Who left wants to hear of nothing.
      if (call.left) return
      throw call.failure(error)
    } finally {
      call.forget()
      call.leave()
    }
  }

  /** @param reason what those are told that wait for an answer */
  async close(reason: unknown): Promise<void> {
    for (const call of this.#calls) call.stop(reason)
    await this.#transport.close()
  }

  async #send(call: Operation, accept: string, query: string, variables: object | undefined, { headers, operationName }: MutateOptions): Promise<Received> {
    const entered = this.#room.enter(call.scope, call.deadline)
    const leave = entered instanceof Promise ? await entered : entered
    let received: Received
    try {
      received = await this.#transport.send(
        {
          method: 'POST',
          url: this.#url,
          headers: {
            'content-type': 'application/json',
            accept,
            ...lowercase(this.#settings.headers),
            ...(await this.#credentials?.headers(undefined, call.scope)),
            ...lowercase(headers),
          },
          body: await operationText(query, variables, operationName, writeContext({ contextHeaders: undefined }, call.deadline)),
        },
        call.scope,
      )
    } finally {
      leave()
    }
    call.begun = true
    return received
  }

  async #result(received: Received): Promise<GraphQLResult> {
    const text = new TextDecoder().decode(await received.whole(this.#limit))
    let answer: Partial<GraphQLResult> | undefined
    try {
      answer = (await parseJson(text, READ)) as Partial<GraphQLResult>
    } catch {
      // Said below, with the status.
    }
    if (typeof answer !== 'object' || answer === null || (answer.data === undefined && !Array.isArray(answer.errors)))
      throw received.status === 200
        ? failure(
            'unimplemented',
            this.#url.href,
            `it answers with ${JSON.stringify(received.header('content-type') ?? 'something')}, which is no GraphQL. See whether the address is right, and the Flow is served with graphql: true`,
          )
        : failureOfStatus(this.#url.href, received, this.#url.pathname, '')
    if (answer.data === undefined || answer.data === null) throw this.#refused(answer, received.status, received.header)
    return answer as GraphQLResult
  }

  #refused({ errors }: Partial<GraphQLResult>, status: number, header: Received['header'] = () => undefined): ConnectionError | ExecutorError {
    const failed = errors?.find((error) => typeof error?.extensions?.executor === 'string')
    if (failed !== undefined) return failureOfExecutor(failed, errors)
    const kind = kindOf(errors?.[0]?.extensions?.code) ?? (status >= 300 ? kindOfHttp(status) : 'refused')
    if (kind === 'unauthenticated') return notLetIn(this.#url.href)
    const reasons = (errors ?? []).map((error) => error?.message ?? 'an error without a message')
    return failure(kind, this.#url.href, reasons.join('; ') || 'no data', {
      cause: errors,
      retryAfter: readAgain((name) => errors?.[0]?.extensions?.[name] ?? header(name)),
    })
  }

  get #limit(): number {
    return this.#settings.maxMessageBytes ?? MAX_MESSAGE_BYTES
  }

  #call(options: MutateOptions): Operation {
    const { signal, timeout = this.#settings.timeout } = check('mutate() and subscribe()', options, RULES)
    const call = new Operation(this.#url.href, this.#limit, timeout, watchable(signal))
    call.forget = this.#calls.enter(call)
    return call
  }
}

/** The levels of an operation and of lists in lists, around tags that are as deep as they may be. */
const READ = { deepest: 10 * MAX_NESTING }

/** The body of an operation. Lists among the variables are written in turns. @throws DocumentError for what JSON cannot say */
async function operationText(query: string, variables: object | undefined, operationName: string | undefined, extensions: object | undefined): Promise<string> {
  const all: string[] = []
  for (const [name, value] of Object.entries(variables ?? {})) {
    const text = Array.isArray(value) ? await listText(value) : textOf(name, value)
    if (text !== undefined) all.push(`${JSON.stringify(name)}:${text}`)
  }
  return `${JSON.stringify({ query, operationName, extensions }).slice(0, -1)},"variables":{${all.join()}}}`
}

function textOf(name: string, value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw new DocumentError('ERR_DOCUMENT', `The variable ${name} cannot be written as JSON: ${say(cause)}`, { cause })
  }
}

/** What an executor failed at, as on any other wire. */
function failureOfExecutor({ message, extensions }: any, cause: unknown): ExecutorError {
  const { executor, endpoint, requestId } = extensions
  // Of what is refused, the code is that of its kind.
  const code = [extensions.reason, extensions.code].find(isExecutor)
  return new ExecutorError(code ?? 'ERR_EXECUTOR', String(message), { executor, endpoint, requestId, cause })
}

/** One operation, by whose end more than its answer may be asked for. */
class Operation extends Roundtrip {
  /** It is not under way any more. */
  forget!: () => void
  left = false
  /** When the server is to have ended it. */
  deadline: Scope['deadline']

  /** What still comes is not wanted. */
  leave(): void {
    this.left = true
    this.end()
    this.stop(undefined)
  }
}

function lowercase(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
