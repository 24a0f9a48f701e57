import { status as Code, type ServiceError } from '@grpc/grpc-js'
import type { ConnectionError } from '../../../base/errors.js'
import { notLetIn } from '../../credentials.js'
import { kindOf as kindOfHttp } from '../../http/status.js'
import { silence } from '../../liveness.js'
import { failure, forGood, type Kind } from '../../outcome.js'
import { PUSHBACK } from '../../retry-after.js'
import { kindInWords } from '../../status.js'
import { markUnseen, NOT_BEGUN } from '../../unseen.js'
import { KIND } from '../status.js'

/** With what calls are ended when nobody is there any more. */
export const LOST = 'nobody is there any more'

/**
 * What a call ended with, as the one error that all wires have.
 * @param begun whether the server had answered the call in any way before
 */
export function failureOf(
  address: string,
  error: Pick<ServiceError, 'code' | 'details'> & Partial<Pick<ServiceError, 'metadata'>>,
  begun: boolean,
): ConnectionError {
  const { code, details } = error
  if (details === LOST) return silence(address)
  const said = error.metadata?.get(PUSHBACK)[0]
  const again = said === undefined ? undefined : /^\d{1,10}$/.test(String(said)) ? Number(said) : -1
  const kind = kindOf(code, details, begun, again)
  if (kind === 'unauthenticated') return notLetIn(address, error)
  const words = details ? `${Code[code]}: ${details}` : Code[code]
  const failed = failure(kind, address, `${REASONS[kind] ?? 'it refused'} (${words})${ADVICE[kind] ?? ''}`, {
    cause: error,
    ...(again! >= 0 && { retryAfter: again }),
  })
  // Who says so wants it never again.
  if (again === -1) return forGood(failed)
  return isUnseen(details) ? markUnseen(failed) : failed
}

/**
 * How it is said that the server has not looked at a request, as it was about to go, or was gone. The first is what grpc-js makes of REFUSED_STREAM of
 * HTTP/2; the last, of a connection that was lost between the look at it and the call. Who asks again hears why there is none.
 */
function isUnseen(details: string): boolean {
  return details === 'Stream refused by server' || details === NOT_BEGUN || details.startsWith('No connection established')
}

const REASONS: Partial<Record<Kind, string>> = {
  unreachable: 'nobody answers there',
  tooMany: 'it takes no more now',
  busy: 'it takes no more now',
  disconnected: 'it stopped answering',
  late: 'it did not answer in time',
  tooLarge: 'a message is over a limit',
  unimplemented: 'it is no Flow or Executor that speaks gRPC',
}

const ADVICE: Partial<Record<Kind, string>> = {
  tooLarge: '. Send fewer documents in one request (requestSize), or raise maxMessageBytes on both ends',
  unimplemented: '. See whether address and protocol are right',
}

/** What grpc-js says of answers that are none of gRPC: of proxies, with their status. */
const PAGE = /^Received HTTP status code (\d+)/
/** How it calls connections and streams that broke. */
const BROKEN = /^Connection dropped|RST_STREAM|ECONN|EPIPE|ETIMEDOUT/

/** What servers say of a message over a limit: grpc-js, C and what is built on it, Go, Java, .NET, and ours. */
const SIZE = /\b(message|metadata|header|frame|payload|body)\b.*(larger|too (large|big|long)|exceed|maximum size)|\ba request has more than/is

/** Of statuses that mean several things, by their words. */
function kindOf(code: Code, details: string, begun: boolean, again: number | undefined): Exclude<Kind, 'failed'> {
  const [, status] = PAGE.exec(details) ?? []
  if (status !== undefined) return kindOfHttp(Number(status))
  const kind = KIND[code] ?? 'internal'
  if (kind === 'unreachable' && code === Code.UNAVAILABLE && kindInWords(details) === undefined && (begun || BROKEN.test(details))) return 'disconnected'
  if (kind === 'tooLarge') {
    // That is what grpc-js makes of a server that has had enough of a connection.
    if (details.startsWith('Bandwidth exhausted')) return 'disconnected'
    // A quota, or too much to do, is what all else means by it.
    return again === undefined && SIZE.test(details) ? kind : 'busy'
  }
  if (kind !== 'internal') return kind
  if (/No status information|without gRPC status/.test(details)) return 'unimplemented'
  return BROKEN.test(details) ? 'disconnected' : kind
}
