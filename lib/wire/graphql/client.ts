import { ConnectionError, say } from '../../errors.js'
import { type Address, written } from '../address.js'

export interface MutateOptions {
  /** Milliseconds. Default: the Client's. */
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
}

interface Settings {
  readonly headers: Readonly<Record<string, string>>
  readonly timeout?: number | undefined
  readonly fetch?: typeof globalThis.fetch | undefined
}

/** @throws ConnectionError, `ERR_REFUSED` with the server's errors as its `cause` where there is no data */
export async function mutate(address: Address, settings: Settings, document: string, variables?: object, options: MutateOptions = {}): Promise<GraphQLResult> {
  const { url, response } = await ask(address, settings, 'application/graphql-response+json, application/json', document, variables, options)
  const text = await response.text().catch((cause) => {
    throw new ConnectionError('ERR_DISCONNECTED', url, say(cause), { cause })
  })
  return result(url, response, text)
}

/** What a subscription sends, by server-sent events. */
export async function* subscribe(
  address: Address,
  settings: Settings,
  document: string,
  variables?: object,
  options: MutateOptions = {},
): AsyncGenerator<GraphQLResult, void> {
  const left = new AbortController()
  const stop = (): void => left.abort(options.signal!.reason)
  options.signal?.addEventListener('abort', stop, { once: true })
  if (options.signal?.aborted) stop()
  try {
    const { url, response } = await ask(address, settings, 'text/event-stream', document, variables, { ...options, signal: left.signal })
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      yield result(url, response, await response.text())
      return
    }
    for await (const { event, data } of events(response.body!)) {
      if (event === 'complete') return
      if (event === 'next' || event === 'message') yield JSON.parse(data) as GraphQLResult
    }
    if (!left.signal.aborted) throw new ConnectionError('ERR_DISCONNECTED', url, 'the stream ended before the subscription was complete')
  } catch (error) {
    throw left.signal.aborted && options.signal?.aborted ? options.signal.reason : error
  } finally {
    options.signal?.removeEventListener('abort', stop)
    left.abort()
  }
}

async function ask(
  address: Address,
  { headers, timeout: usual, fetch = globalThis.fetch }: Settings,
  accept: string,
  query: string,
  variables: object | undefined,
  options: MutateOptions,
): Promise<{ url: string; response: Response }> {
  const url = `${written(address, 'http')}/graphql`
  const timeout = options.timeout ?? usual
  const late = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
  const signals = [options.signal, late].filter((signal) => signal !== undefined)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, ...headers, ...options.headers },
      body: JSON.stringify({ query, variables, operationName: options.operationName }),
      ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
    })
    return { url, response }
  } catch (cause) {
    if (options.signal?.aborted) throw options.signal.reason
    if (late?.aborted) throw new ConnectionError('ERR_TIMEOUT', url, `no answer within ${timeout} ms`, { cause })
    throw new ConnectionError('ERR_UNREACHABLE', url, say((cause as { cause?: unknown }).cause ?? cause), { cause })
  }
}

function result(url: string, { status }: Response, text: string): GraphQLResult {
  let answer: Partial<GraphQLResult> | undefined
  try {
    answer = JSON.parse(text)
  } catch {
    // Said below, with the status.
  }
  if (typeof answer !== 'object' || answer === null || (answer.data === undefined && !Array.isArray(answer.errors)))
    throw new ConnectionError('ERR_PROTOCOL', url, `this is no GraphQL: status ${status}. Is it switched on there?`)
  if (answer.data === undefined || answer.data === null) {
    const reasons = (answer.errors ?? []).map((error) => error?.message ?? 'an error without a message')
    throw new ConnectionError('ERR_REFUSED', url, reasons.join('; ') || 'no data', { cause: answer.errors })
  }
  return answer as GraphQLResult
}

/** Server-sent events, as they come. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      rest += decoder.decode(value, { stream: true })
      const blocks = rest.split(/\r?\n\r?\n/)
      rest = blocks.pop()!
      for (const block of blocks) {
        const fields = block.split(/\r?\n/).map((line) => /^([^:]*):? ?(.*)$/.exec(line)!)
        const all = (name: string): string[] => fields.filter((field) => field[1] === name).map((field) => field[2]!)
        const data = all('data')
        if (data.length > 0 || all('event').length > 0) yield { event: all('event').at(-1) ?? 'message', data: data.join('\n') }
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
