import { type ConnectionError, SluiceError, say } from '../../../base/errors.js'
import type { Request } from '../../../request/request.js'
import type { Status } from '../../../request/status.js'
import { notLetIn } from '../../credentials.js'
import { failure, isOfRequest, type Kind } from '../../outcome.js'
import { kindOfPlatform, lacking, platformCode } from '../../platform-errors.js'
import { readAgain } from '../../retry-after.js'
import { failureIn, outcomeIn } from '../../status.js'
import { insecure } from '../../tls-failures.js'
import { kindOf } from '../status.js'
import { statusOf } from './answers.js'
import type { Received } from './transport.js'

/**
 * What became of a request, in the words that all wires share.
 * @param begun whether the server had begun to answer
 */
export function failureOf(address: string, error: unknown, begun: boolean): unknown {
  if (error instanceof SluiceError) return error
  const { code, at } = platformCode(error)
  // fetch of browsers says no more than that it failed.
  if (code === '' && !begun && error instanceof TypeError)
    return failure('unreachable', address, `nobody answers there, or not to this page (${say(error)})`, { cause: error })
  const kind = kindOfPlatform(code, begun)
  const lost = `the connection was lost ${begun ? 'within' : 'before'} the answer (${code || say(error)})`
  return failure(kind, address, REASONS[kind]?.(code, say(at)) ?? lost, { cause: error })
}

const REASONS: Partial<Record<Kind, (code: string, said: string) => string>> = {
  late: (code) => `no answer in time (${code})`,
  unreachable: (code) => lacking(code) ?? `nobody answers there (${code}). Is the server up, and is this its address?`,
  tls: insecure,
  unimplemented: (code) => `who answers there does not speak HTTP (${code}). See whether address and protocol are right`,
}

/** What a status other than 200 means. */
export async function refused(address: string, request: Request, received: Received, limit: number): Promise<Error> {
  const { status } = received
  const kind = kindOf(status)
  if (kind === 'unauthenticated') return notLetIn(address)
  const { said, failure: told } = await reasonOf(received, Math.min(limit, 1024 * 1024))
  // An executor that is out of reach, or too late, has a status of its own beside its envelope.
  if (told !== undefined && outcomeIn(told)?.code !== 'ERR_EXECUTOR')
    return failureIn(told, { endpoint: request.header.execEndpoint, requestId: request.id }, readAgain(received.header))
  return failureOfStatus(address, received, '/post', said, isOfRequest(kind) ? request.id : undefined)
}

/**
 * What a status means that is no answer: a server's, or that of a proxy before it.
 * @param path what was asked for
 * @param requestId given where it says nothing of other requests
 */
export function failureOfStatus(
  address: string,
  received: Pick<Received, 'status' | 'header'>,
  path: string,
  said: string,
  requestId?: string,
): ConnectionError {
  const { status } = received
  const kind = kindOf(status)
  if (kind === 'unauthenticated') return notLetIn(address)
  const why = reason(kind, received, path)
  const because = said === '' ? '' : why.endsWith('?') ? ` It says: ${said}` : `: ${said}`
  return failure(kind, address, `${why}${because}`, {
    ...(requestId !== undefined && { requestId }),
    retryAfter: readAgain(received.header),
  })
}

function reason(kind: Kind, { status, header }: Pick<Received, 'status' | 'header'>, path: string): string {
  if (status === 426)
    return `it speaks another protocol (426: ${header('upgrade') ?? 'unnamed'}). For HTTP and GraphQL, serve the Flow with protocol: 'http', too`
  if (status === 0 || (status >= 300 && status < 400)) {
    // What stands behind ? is most often a secret of whoever asks.
    const location = header('location')?.split(/[?#]/, 1)[0]
    return `${path} is elsewhere${location === undefined ? '' : `, at ${location}`}. Use that address`
  }
  if (status < 400) return `it answers with the status ${status}`
  if (status === 502) return 'a proxy does not reach the server (502)'
  const own: Partial<Record<Kind, string>> = {
    unimplemented: path.endsWith('/graphql/graphql')
      ? `there is no ${path} (${status}). Leave /graphql out of the address: it is put behind it`
      : path.endsWith('/graphql')
        ? `no GraphQL answers there (${status}). Serve the Flow with graphql: true and protocol: 'http'; where it has another path, ask there`
        : `there is no ${path} (${status}). Is it a gateway of Jina, and is this switched on there?`,
    tooLarge: 'the request is larger than the server takes',
    tooMany: `there are too many requests (${status})`,
    late: `the server gave up waiting (${status})`,
    unreachable: `the server, or what is behind it, is not there now (${status})`,
  }
  return own[kind] ?? `the server refuses with ${status}`
}

/** What the server says, in Jina's envelope or in FastAPI's shape. */
async function reasonOf(received: Received, limit: number): Promise<{ said: string; failure?: Status | undefined }> {
  try {
    const json = JSON.parse(new TextDecoder().decode(await received.whole(limit)))
    const failure = statusOf(json?.header?.status)
    if (failure?.description) return { said: failure.description, failure }
    const { detail } = json ?? {}
    if (typeof detail === 'string') return { said: detail }
    if (Array.isArray(detail)) return { said: detail.map((item) => `${item?.loc?.join?.('.') ?? ''} ${item?.msg ?? ''}`.trim()).join('; ') }
  } catch {
    // What cannot be read says nothing.
  }
  return { said: '' }
}
