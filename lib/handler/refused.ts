import { ConnectionError, ExecutorError } from '../base/errors.js'
import type { Request } from '../request/request.js'
import { GATEWAY } from '../request/route.js'

/** Whom a refusal is about, as far as that is known: what is refused by its length has not been read. */
type About = { readonly id: string; readonly header: Pick<Request['header'], 'execEndpoint'> }

const UNREAD: About = { id: '', header: { execEndpoint: '' } }

/** What a server says itself of a request: it was too late, or there were too many before it, or too much. */
export class Refused extends ExecutorError {
  declare readonly cause: ConnectionError

  /** @param retryAfter milliseconds in which to ask again */
  constructor(code: 'ERR_TIMEOUT' | 'ERR_UNREACHABLE', reason: string, { id, header }: About = UNREAD, retryAfter?: number) {
    // Its message says all. Under overload there are thousands a second, and a stack costs more than the rest of the refusal.
    const { stackTraceLimit } = Error
    Reflect.set(Error, 'stackTraceLimit', 0)
    const cause = new ConnectionError(code, GATEWAY, reason)
    if (retryAfter !== undefined) Object.defineProperty(cause, 'retryAfter', { value: retryAfter })
    super(code === 'ERR_TIMEOUT' ? 'ERR_EXECUTOR_TIMEOUT' : 'ERR_EXECUTOR', reason, {
      executor: GATEWAY,
      endpoint: header.execEndpoint,
      requestId: id,
      cause,
    })
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }

  /** Whether it was refused before anybody looked at it. */
  get busy(): boolean {
    return this.cause.code === 'ERR_UNREACHABLE'
  }
}

/** Too many bytes are inside. */
export function refusedBytes(limit: number, about?: About): Refused {
  return new Refused('ERR_UNREACHABLE', `Busy: requests and answers of ${limit} bytes are inside, as many as may be (maxBytesInFlight). Ask again later`, about)
}
