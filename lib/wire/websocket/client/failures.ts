import { type ConnectionError, say } from '../../../base/errors.js'
import { notLetIn } from '../../credentials.js'
import { kindOf as kindOfHttp } from '../../http/status.js'
import { failure, type Kind } from '../../outcome.js'
import { isHungUp, kindOfPlatform, lacking, platformCode } from '../../platform-errors.js'
import { readAgain } from '../../retry-after.js'
import { kindInWords } from '../../status.js'
import { insecure } from '../../tls-failures.js'
import { markUnseen, NOT_BEGUN } from '../../unseen.js'
import { kindOf } from '../status.js'

/** What a close frame means for who waits for an answer. */
export function closedWith(address: string, code: number, reason: string): ConnectionError {
  // Jina's gateway says in words why it fails.
  const kind = (code === 1011 && kindInWords(reason)) || kindOf(code)
  if (kind === 'unauthenticated') return notLetIn(address)
  const why =
    CLOSED[kind] ??
    (code === 1011
      ? 'the server failed'
      : [1000, 1001, 1012].includes(code)
        ? 'the server closed the connection'
        : 'the connection broke off before everything was answered')
  const advice = kind === 'tooLarge' ? '. Send fewer documents in a request, or raise its limit' : ''
  const error = failure(kind, address, `${why}${reason === '' ? '' : `: ${reason}`}${advice}`)
  return reason === NOT_BEGUN ? markUnseen(error) : error
}

const CLOSED: Partial<Record<Kind, string>> = {
  unimplemented: 'the server did not understand what it was sent',
  refused: 'the server refused',
  busy: 'the server takes no more now',
  tooLarge: 'the server takes no message as large as that',
}

/** What an answer means that is no agreement to speak WebSocket: a server's, or that of a proxy before it. */
export function refusedWith(address: string, status = 0, headers: Readonly<Record<string, unknown>> = {}): ConnectionError {
  const kind = kindOfHttp(status)
  if (kind === 'unauthenticated') return notLetIn(address)
  return failure(
    kind,
    address,
    kind === 'unimplemented'
      ? `no WebSocket endpoint of a Flow answers there, but HTTP ${status}. Look at the port and the path, or serve the Flow with protocol: 'websocket', too`
      : kind === 'unreachable'
        ? `the server takes no connections now (HTTP ${status})`
        : `the server refused the connection with HTTP ${status}`,
    { retryAfter: readAgain((name) => headers[name]) },
  )
}

export function unreachable(address: string, reason: string, cause?: unknown): ConnectionError {
  return failure('unreachable', address, reason, { cause })
}

/** What the platform said, before the connection stood or after. */
export function failureOf(address: string, error: Error & { code?: string }, open: boolean): ConnectionError {
  const { code } = platformCode(error)
  const said = error instanceof AggregateError ? error.errors.map(say).join(', ') : say(error)
  const fail = (kind: Exclude<Kind, 'failed'>, reason: string): ConnectionError => failure(kind, address, reason, { cause: error })
  const kind = /^Invalid (Upgrade|Sec-)|subprotocol|Extensions/.test(error.message) ? 'unimplemented' : kindOfPlatform(code, open)
  if (kind === 'tooLarge') return fail(kind, 'an answer is larger than maxMessageBytes')
  if (kind === 'unimplemented') return fail(kind, `who answers there does not speak WebSocket: ${said}. See whether address and protocol are right`)
  if (kind === 'tls') return fail(kind, insecure(code, said))
  if (open) return fail('disconnected', `the connection broke off: ${said}`)
  if (isHungUp(code)) return fail('disconnected', `hung up before it agreed to speak WebSocket: ${said}`)
  return unreachable(address, lacking(code) ?? `nobody answers there: ${said || code}`, error)
}
