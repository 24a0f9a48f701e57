import { ConnectionError, SluiceError, say } from '../../../base/errors.js'
import { forGood, isStatusForGood } from '../../../base/for-good.js'
import type { Request } from '../../../request/request.js'
import type { Status } from '../../../request/status.js'
import { notLetIn } from '../../credentials.js'
import { remoteFailure } from '../../message.js'
import { behindIn } from '../../unreachable.js'
import { collect } from '../body.js'
import { statusOf } from './answers.js'
import type { Received } from './transport.js'

type Code = ConstructorParameters<typeof ConnectionError>[0]

const UNREACHABLE =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EAI_FAIL|ENODATA|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|EACCES|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/
const TLS = /CERT|^ERR_TLS|^ERR_SSL|^EPROTO$|^UNABLE_TO_|SIGNATURE|^INVALID_CA$|^INVALID_PURPOSE$|^PATH_LENGTH_EXCEEDED$|^HOSTNAME_MISMATCH$/
const PROTOCOL = /^HPE_|^UND_ERR_(INVALID|NOT_SUPPORTED|RES|REQ|HEADERS_OVERFLOW)|^Z_|^ERR_CONTENT_DECODING/
const TIMEOUT = /^UND_ERR_(HEADERS|BODY)_TIMEOUT$/

/**
 * What became of a request, in the words that all wires share. fetch hides what happened in its error's cause, and platforms have codes of their own.
 * @param begun whether the server had begun to answer
 */
export function failureOf(address: string, error: unknown, begun: boolean): unknown {
  if (error instanceof SluiceError) return error
  const { code, at } = codeOf(error)
  const fail = (kind: Code, reason: string): ConnectionError => new ConnectionError(kind, address, reason, { cause: error })
  if (TIMEOUT.test(code)) return fail('ERR_TIMEOUT', `no answer in time (${code})`)
  if (UNREACHABLE.test(code) && !begun) return fail('ERR_UNREACHABLE', `nobody answers there (${code}). Is the server up, and is this its address?`)
  if (TLS.test(code)) return fail('ERR_TLS', `its certificate is not trusted (${code}): ${say(at)}`)
  if (PROTOCOL.test(code)) return fail('ERR_PROTOCOL', `it does not speak HTTP (${code})`)
  // fetch of browsers says no more than that it failed.
  if (code === '' && !begun && error instanceof TypeError) return fail('ERR_UNREACHABLE', `nobody answers there, or not to this page (${say(error)})`)
  return fail('ERR_DISCONNECTED', `the connection was lost ${begun ? 'within' : 'before'} the answer (${code || say(error)})`)
}

function codeOf(error: unknown): { code: string; at: unknown } {
  let at: unknown = error
  for (let depth = 0; depth < 8 && typeof at === 'object' && at !== null; depth++) {
    const { code, cause, errors } = at as { code?: unknown; cause?: unknown; errors?: unknown }
    if (typeof code === 'string') return { code, at }
    at = cause ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
  return { code: '', at: error }
}

/** What a status other than 200 means. */
export async function refused(address: string, request: Request, received: Received, limit: number): Promise<Error> {
  const path = '/post'
  const { status } = received
  if (status === 401) return notLetIn(address)
  const { said, failure } = await reasonOf(received, Math.min(limit, 1024 * 1024))
  if (behindIn(failure)) return remoteFailure(request, failure!)
  const because = said === '' ? '' : `: ${said}`
  const fail = (kind: Code, reason: string): ConnectionError => {
    const error = new ConnectionError(kind, address, reason)
    return isStatusForGood(status) ? forGood(error) : error
  }
  // What stands behind ? is most often a secret of whoever asks.
  const location = received.header('location')?.split(/[?#]/, 1)[0]
  if (status === 0 || (status >= 300 && status < 400))
    return fail('ERR_PROTOCOL', `${path} is elsewhere${location === undefined ? '' : `, at ${location}`}. Use that address`)
  if (status === 404 || status === 405 || status === 501)
    return fail('ERR_PROTOCOL', `there is no ${path} (${status}). Is it a gateway of Jina, and are its debug endpoints on?`)
  if (status === 426) return fail('ERR_PROTOCOL', `it speaks another protocol (426: ${received.header('upgrade') ?? 'unnamed'})`)
  // It says nothing of other requests.
  if (status === 413) return new ConnectionError('ERR_TOO_LARGE', address, `the request is larger than the server takes${because}`, { requestId: request.id })
  if (status === 408 || status === 504) return fail('ERR_TIMEOUT', `the server gave up waiting (${status})${because}`)
  if (status === 502) return fail('ERR_UNREACHABLE', `a proxy does not reach the server (502)${because}`)
  if (status === 503) return fail('ERR_UNREACHABLE', `the server, or what is behind it, is not there now (503)${because}`)
  if (status >= 400) return fail('ERR_REFUSED', `the server refuses with ${status}${because}`)
  return fail('ERR_PROTOCOL', `it answers with the status ${status}`)
}

/** What the server says, in Jina's envelope or in FastAPI's shape. */
async function reasonOf(received: Received, limit: number): Promise<{ said: string; failure?: Status | undefined }> {
  try {
    const json = JSON.parse(new TextDecoder().decode(await collect(received.chunks(), limit)))
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
