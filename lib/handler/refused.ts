import { ConnectionError, ExecutorError } from '../base/errors.js'
import type { Request } from '../request/request.js'
import { GATEWAY } from '../request/route.js'

/** What a server says itself of a request: it was too late, or there were too many before it. */
export class Refused extends ExecutorError {
  declare readonly cause: ConnectionError

  constructor(code: 'ERR_TIMEOUT' | 'ERR_UNREACHABLE', reason: string, { id, header }: Request) {
    const cause = new ConnectionError(code, GATEWAY, reason)
    super(code === 'ERR_TIMEOUT' ? 'ERR_EXECUTOR_TIMEOUT' : 'ERR_EXECUTOR', reason, {
      executor: GATEWAY,
      endpoint: header.execEndpoint,
      requestId: id,
      cause,
    })
  }

  /** Whether it was refused before anybody looked at it. */
  get busy(): boolean {
    return this.cause.code === 'ERR_UNREACHABLE'
  }
}
