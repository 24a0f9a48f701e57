import { asError, ConnectionError, FlowStateError, InputError, OptionRangeError, OptionTypeError, ParseError, SluiceError } from '../../../base/errors.js'
import { Refused } from '../../../handler/refused.js'
import { statusOf } from '../../../request/status.js'
import { emptyMessage, type Message } from '../../message.js'
import type { Behind } from '../../unreachable.js'
import { invalid, Refusal } from '../refusal.js'
import type { Headers } from './exchange.js'

/** What a client is told of an error, and with which status. */
export interface Failure {
  readonly status: number
  readonly message: Message
}

/**
 * What became of a request that has no answer:
 *
 * | error | answer |
 * |---|---|
 * | Refusal | as it says |
 * | InputError, ParseError, errors of options | 422, a pattern or range that cannot be used 400; `{ detail: […] }` |
 * | FlowStateError; a ConnectionError of a peer that is out of reach | 503 with an envelope whose status is ERROR |
 * | too many requests before it | 503 with such an envelope, and `retry-after` |
 * | the service's timeout, or one towards an executor | 504 with such an envelope |
 * | anything else | 500 with such an envelope that says no more; `report` hears it |
 */
export function failureOf(error: unknown, about: Partial<Message>, report: (error: Error) => void): Refusal | Failure {
  if (error instanceof Refusal) return error
  if (error instanceof OptionRangeError) return new Refusal(400, [{ loc: ['body'], msg: error.message, type: 'value_error' }])
  if (error instanceof InputError || error instanceof ParseError || error instanceof OptionTypeError) return invalid([], error.message)
  const status = statusFor(error)
  if (status !== 500) return { status, message: failed(error as Error, about) }
  report(asError(error))
  return { status, message: failed(new SluiceError('ERR_INTERNAL', 'Internal Server Error'), about) }
}

/** The envelope of an error. */
export function failed(error: Error, about: Partial<Message>): Message {
  return emptyMessage({ ...about, docs: emptyMessage({}).docs, routes: [], status: statusOf(error) })
}

/** When to ask again, in seconds, who was not taken because there are too many. */
export const RETRY: Headers = { 'retry-after': '1' }

/** The status of an answer that says that an executor does not answer. */
export function statusBehind(behind: Behind): 503 | 504 {
  return behind === 'ERR_TIMEOUT' ? 504 : 503
}

function statusFor(error: unknown): number {
  if (error instanceof Refused) return statusBehind(error.cause.code as Behind)
  if (error instanceof FlowStateError) return 503
  if (!(error instanceof ConnectionError)) return 500
  if (error.code === 'ERR_TIMEOUT') return 504
  return error.code === 'ERR_UNREACHABLE' || error.code === 'ERR_DISCONNECTED' ? 503 : 502
}
