import { ConnectionError } from '../../errors.js'
import { tooLarge } from '../http/refusal.js'

/** What GraphQL answers. */
export interface GraphQLResult {
  data: any
  errors?: readonly any[]
}

/**
 * What an answer to a query says.
 * @throws ConnectionError: `ERR_REFUSED` with the server's errors as its `cause` where there is no data; another for what is no answer of GraphQL
 */
export function resultOf(url: string, status: number, text: string): GraphQLResult {
  let answer: Partial<GraphQLResult> | undefined
  try {
    answer = JSON.parse(text)
  } catch {
    // Said below, with the status.
  }
  const isAnswer = typeof answer === 'object' && answer !== null && (answer.data !== undefined || Array.isArray(answer.errors))
  if (isAnswer && answer!.data !== undefined && answer!.data !== null) return answer as GraphQLResult
  const { errors } = isAnswer ? answer! : {}
  const said = errors?.map((error) => error?.message ?? 'an error without a message').join('; ')
  throw unanswered(url, status, said, { cause: errors })
}

const GONE: Readonly<Record<number, [ConstructorParameters<typeof ConnectionError>[0], string]>> = {
  413: ['ERR_TOO_LARGE', 'the request is larger than the server takes. Send less at a time'],
  502: ['ERR_UNREACHABLE', 'a proxy does not reach the server'],
  503: ['ERR_UNREACHABLE', 'the server is not there now'],
  504: ['ERR_TIMEOUT', 'the server gave up waiting'],
}

/** Why there is no data: for a reason that HTTP has a status for, or one of GraphQL's own. */
function unanswered(url: string, status: number, said: string | undefined, options: { cause: unknown }): ConnectionError {
  const [code, reason] = GONE[status] ?? []
  if (code !== undefined) return new ConnectionError(code, url, `${reason} (${status})${said ? `: ${said}` : ''}`, options)
  if (said !== undefined) return new ConnectionError('ERR_REFUSED', url, said || 'no data', options)
  if (status === 401 || status === 403 || status === 429) return new ConnectionError('ERR_REFUSED', url, `the server refuses with ${status}`)
  return new ConnectionError('ERR_PROTOCOL', url, `this is no GraphQL: status ${status}. Is it switched on there?`)
}

/** Server-sent events, as they come. @throws Refusal with status 413 for one over the limit */
export async function* eventsOf(chunks: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split(/\r?\n\r?\n/)
    rest = blocks.pop()!
    if (rest.length > limit) throw tooLarge(limit)
    for (const block of blocks) {
      const fields = block.split(/\r?\n/).map((line) => /^([^:]*):? ?(.*)$/.exec(line)!)
      const all = (name: string): string[] => fields.filter((field) => field[1] === name).map((field) => field[2]!)
      const data = all('data')
      if (data.length > 0 || all('event').length > 0) yield { event: all('event').at(-1) ?? 'message', data: data.join('\n') }
    }
  }
}
