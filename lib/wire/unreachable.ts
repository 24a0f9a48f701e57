import { ConnectionError, ExecutorError, isError } from '../base/errors.js'
import { GATEWAY } from '../graph/gateway.js'
import { type Status, statusOf } from '../request/status.js'

/** Why an executor of a server gave no answer: nobody is there, or not in time. */
export type Behind = 'ERR_UNREACHABLE' | 'ERR_TIMEOUT'

const BEHIND: Readonly<Record<string, Behind>> = {
  ERR_UNREACHABLE: 'ERR_UNREACHABLE',
  ERR_DISCONNECTED: 'ERR_UNREACHABLE',
  ERR_TLS: 'ERR_UNREACHABLE',
  ERR_PROTOCOL: 'ERR_UNREACHABLE',
  ERR_TIMEOUT: 'ERR_TIMEOUT',
  ERR_EXECUTOR_TIMEOUT: 'ERR_TIMEOUT',
}

/**
 * Notes in a status of the code ERROR that the executor did not fail at the request, but is out of reach, or too late: the code of the error
 * stands behind what the exception says. What an executor elsewhere refuses, or finds too large, is its failure like any other.
 */
export function marked(status: Status, { code, cause }: ExecutorError): Status {
  const { exception } = status
  const why = isError(cause) && cause instanceof ConnectionError ? cause.code : code
  if (exception === undefined || !Object.hasOwn(BEHIND, why)) return status
  return { ...status, exception: { ...exception, args: [...exception.args, why] } }
}

/** What {@link marked} noted. For such a request, Jina's protocols have no answer but an error of their own. */
export function behindIn(status: Status | undefined): Behind | undefined {
  const exception = status?.exception
  if (exception === undefined) return undefined
  const { name, args } = exception
  const why = args.length === 2 && (name === 'ConnectionError' || name === 'ExecutorError') ? args[1]! : ''
  return Object.hasOwn(BEHIND, why) ? BEHIND[why] : undefined
}

/** The status of a request that was not taken as it is. One that is too large is marked as the server's own refusal. */
export function statusOfUnfit(error: Error): Status {
  const { cause } = error
  const status = statusOf(error)
  if (!isTooLarge(cause)) return status
  return { ...status, exception: { name: 'ConnectionError', args: [cause.message, cause.code], stacks: [], executor: GATEWAY } }
}

export function isTooLarge(error: unknown): error is ConnectionError {
  return isError(error) && error instanceof ConnectionError && error.code === 'ERR_TOO_LARGE'
}

/** Whether {@link statusOfUnfit} marked it. */
export function isTooLargeIn({ exception }: Status): boolean {
  return exception?.executor === GATEWAY && exception.name === 'ConnectionError' && exception.args[1] === 'ERR_TOO_LARGE'
}

/** What {@link marked} noted of a request that the server itself gave up, or did not take: of that, there is an answer. */
export function refusedIn(status: Status | undefined): Behind | undefined {
  return status?.exception?.executor === GATEWAY ? behindIn(status) : undefined
}

/** What was noted, as the error that it was. */
export function failureBehind({ description, exception }: Status, where: { endpoint: string; requestId: string }): ExecutorError | ConnectionError {
  const { executor = '', args = [] } = exception ?? {}
  const [said = '', why] = args
  if (why === 'ERR_EXECUTOR_TIMEOUT') return new ExecutorError(why, description, { ...where, executor })
  const [, address = '', reason = said] = /^(\S+): (.*)$/s.exec(said) ?? []
  const { requestId } = where
  // One that is too large says nothing of the others.
  const cause = new ConnectionError(why as Behind | 'ERR_TOO_LARGE', address, reason, why === 'ERR_TOO_LARGE' ? { requestId } : {})
  return executor === GATEWAY ? cause : new ExecutorError('ERR_EXECUTOR', description, { ...where, executor, cause })
}

/** What Jina's gateway says by a status of gRPC, or when it closes a WebSocket. */
export function behindInWords(text: string): Behind | undefined {
  if (!/Gateway: Co(mmunication error|nnection) with deployment|(^Network error while connecting|^Connection) to deployment/.test(text)) return undefined
  return /timed out/.test(text) ? 'ERR_TIMEOUT' : 'ERR_UNREACHABLE'
}
