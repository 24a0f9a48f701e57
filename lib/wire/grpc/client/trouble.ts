import { status as Code, type ServiceError } from '@grpc/grpc-js'
import { ConnectionError } from '../../../base/errors.js'
import { forGood } from '../../../base/for-good.js'
import { notLetIn } from '../../credentials.js'
import { silence } from '../../liveness.js'
import { behindInWords } from '../../unreachable.js'
import { NOT_BEGUN } from '../methods.js'

/** With what calls are ended when nobody is there any more. */
export const LOST = 'nobody is there any more'

type Trouble = ConstructorParameters<typeof ConnectionError>[0]

/**
 * What a call ended with, as the one error that all wires have.
 * @param begun whether the server had answered the call in any way before
 */
export function troubleOf(address: string, error: Pick<ServiceError, 'code' | 'details'>, begun: boolean): ConnectionError {
  const { code, details } = error
  if (details === LOST) return silence(address)
  if (code === Code.UNAUTHENTICATED) return notLetIn(address, error)
  const kind = kindOf(code, details, begun)
  const failure = new ConnectionError(kind, address, `${REASONS[kind]}${details ? ` (${Code[code]}: ${details})` : ` (${Code[code]})`}${ADVICE[kind] ?? ''}`, {
    cause: error,
  })
  return FOR_GOOD.includes(code) ? forGood(failure) : failure
}

/** The kin of 400, 403 and 404; what is too large is by its kind. */
const FOR_GOOD: readonly Code[] = [Code.INVALID_ARGUMENT, Code.OUT_OF_RANGE, Code.PERMISSION_DENIED, Code.UNIMPLEMENTED]

/** Whether the server has not looked at a request, as it was about to go, or was gone. It may be sent again. */
export function wasRefused(error: unknown): error is ConnectionError {
  const details = error instanceof ConnectionError ? (error.cause as Partial<ServiceError> | undefined)?.details : undefined
  // The first is what grpc-js makes of REFUSED_STREAM of HTTP/2; the last, of a connection that was lost between the look at it and the call. Who asks again
  // hears why there is none.
  return details === 'Stream refused by server' || details === NOT_BEGUN || (details?.startsWith('No connection established') ?? false)
}

const REASONS: Record<Trouble, string> = {
  ERR_UNREACHABLE: 'nobody answers there',
  ERR_DISCONNECTED: 'it stopped answering',
  ERR_TIMEOUT: 'it did not answer in time',
  ERR_TLS: 'it is not who it should be',
  ERR_TOO_LARGE: 'a message is over a limit',
  ERR_PROTOCOL: 'it is no Flow or Executor that speaks gRPC',
  ERR_REFUSED: 'it refused',
}

const ADVICE: Partial<Record<Trouble, string>> = {
  ERR_TOO_LARGE: '. Send fewer documents in one request (requestSize), or raise maxMessageBytes on both ends',
  ERR_PROTOCOL: '. See whether address and protocol are right',
}

function kindOf(code: Code, details: string, begun: boolean): Trouble {
  switch (code) {
    case Code.UNAVAILABLE:
      if (behindInWords(details)) return 'ERR_UNREACHABLE'
      return begun || /^Connection dropped|ECONN|EPIPE|ETIMEDOUT/.test(details) ? 'ERR_DISCONNECTED' : 'ERR_UNREACHABLE'
    case Code.NOT_FOUND:
      return 'ERR_UNREACHABLE'
    case Code.DEADLINE_EXCEEDED:
      return 'ERR_TIMEOUT'
    case Code.RESOURCE_EXHAUSTED:
      // That is what grpc-js makes of a server that has had enough of a connection.
      if (details.startsWith('Bandwidth exhausted')) return 'ERR_DISCONNECTED'
      return details.startsWith('Busy: ') ? 'ERR_UNREACHABLE' : 'ERR_TOO_LARGE'
    case Code.UNIMPLEMENTED:
    case Code.OK:
      return 'ERR_PROTOCOL'
    case Code.CANCELLED:
    case Code.ABORTED:
    case Code.DATA_LOSS:
      return 'ERR_DISCONNECTED'
    case Code.INTERNAL:
    case Code.UNKNOWN:
      // What grpc-js itself makes of answers that are none, and of streams that break.
      if (/HTTP status code|No status information|without gRPC status/.test(details)) return 'ERR_PROTOCOL'
      return /RST_STREAM|ECONN|EPIPE/.test(details) ? 'ERR_DISCONNECTED' : 'ERR_REFUSED'
    default:
      return 'ERR_REFUSED'
  }
}
