import { ConnectionError, say } from '../../../base/errors.js'
import { forGood, isStatusForGood } from '../../../base/for-good.js'
import { notLetIn } from '../../credentials.js'
import { behindInWords } from '../../unreachable.js'

/** What a close frame means for who waits for an answer. */
export function closedWith(address: string, code: number, reason: string): ConnectionError {
  const said = reason === '' ? '' : `: ${reason}`
  switch (code) {
    case 1002:
    case 1003:
    case 1007:
      return new ConnectionError('ERR_PROTOCOL', address, `the server did not understand what it was sent${said}`)
    case 1008:
      return new ConnectionError('ERR_REFUSED', address, `the server refused${said}`)
    case 4401:
      return notLetIn(address)
    case 1009:
      return new ConnectionError(
        'ERR_TOO_LARGE',
        address,
        `the server takes no message as large as that${said}. Send fewer documents in a request, or raise its limit`,
      )
    case 1011:
      return new ConnectionError(behindInWords(reason) ?? 'ERR_DISCONNECTED', address, `the server failed${said}`)
    case 1000:
    case 1001:
    case 1012:
    case 1013:
      return new ConnectionError('ERR_DISCONNECTED', address, `the server closed the connection${said}`)
    default:
      return new ConnectionError('ERR_DISCONNECTED', address, `the connection broke off before everything was answered${said}`)
  }
}

/** What an answer means that is no agreement to speak WebSocket. */
export function refusedWith(address: string, status: number | undefined): ConnectionError {
  if (status === 503) return unreachable(address, 'the server takes no connections now (HTTP 503)')
  if (status === 401) return notLetIn(address)
  const error =
    status === 403 || status === 429
      ? new ConnectionError('ERR_REFUSED', address, `the server refused the connection with HTTP ${status}`)
      : new ConnectionError('ERR_PROTOCOL', address, `no WebSocket endpoint of a Flow answers there, but HTTP ${status}. Look at the port and the path`)
  return isStatusForGood(status ?? 0) ? forGood(error) : error
}

export function unreachable(address: string, reason: string, cause?: unknown): ConnectionError {
  return new ConnectionError('ERR_UNREACHABLE', address, reason, { cause })
}

/** What the platform said, before the connection stood or after. */
export function failureOf(address: string, error: Error & { code?: string }, open: boolean): ConnectionError {
  const { code = '' } = error
  const options = { cause: error }
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS')
    return new ConnectionError('ERR_TOO_LARGE', address, 'an answer is larger than maxMessageBytes', options)
  if (code.startsWith('WS_ERR') || code.startsWith('HPE_') || /^Invalid (Upgrade|Sec-)|subprotocol|Extensions/.test(error.message))
    return new ConnectionError('ERR_PROTOCOL', address, `who answers there does not speak WebSocket: ${say(error)}`, options)
  if (/CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|^EPROTO$/.test(code)) return new ConnectionError('ERR_TLS', address, say(error), options)
  if (open) return new ConnectionError('ERR_DISCONNECTED', address, `the connection broke off: ${say(error)}`, options)
  if (code === 'ECONNRESET' || code === 'EPIPE')
    return new ConnectionError('ERR_DISCONNECTED', address, `hung up before it agreed to speak WebSocket: ${say(error)}`, options)
  // One of several addresses of a name: all of them failed.
  const inner = error instanceof AggregateError ? error.errors.map(say).join(', ') : say(error)
  return unreachable(address, `nobody answers there: ${inner || code}`, error)
}
