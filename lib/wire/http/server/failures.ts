import { asError, SluiceError } from '../../../base/errors.js'
import { emptyMessage, type Message } from '../../message.js'
import { type Kind, outcome } from '../../outcome.js'
import { publicMessage } from '../../public-message.js'
import { publicStatus } from '../../status.js'
import { HttpRefusal } from '../refusal.js'
import { STATUS, statusFor } from '../status.js'

/** What a client is told of an error, and with which status. */
export interface Failure {
  readonly kind: Kind
  readonly status: number
  readonly message: Message
}

/**
 * What became of a request that has no answer: for who sent what is wrong, `{ detail: […] }` in FastAPI's shape; for all else an envelope whose
 * status is ERROR, which says no more where nobody expected it: then `report` hears it.
 */
export function failureOf(error: unknown, about: Partial<Message>, report: (error: Error) => void): HttpRefusal | Failure {
  if (error instanceof HttpRefusal) return error
  const { kind } = outcome(error)
  if (kind === 'malformed' || kind === 'invalid' || kind === 'tooLarge')
    return new HttpRefusal(kind, [{ loc: ['body'], msg: publicMessage(error), type: 'value_error' }])
  if (kind === 'failed' || kind === 'internal') {
    report(asError(error))
    return { kind, status: STATUS.internal, message: failed(new SluiceError('ERR_INTERNAL', 'Internal Server Error'), about) }
  }
  return { kind, status: statusFor(kind), message: failed(error as Error, about) }
}

/** The envelope of an error. */
export function failed(error: Error, about: Partial<Message>): Message {
  return emptyMessage({ ...about, docs: emptyMessage({}).docs, routes: [], status: publicStatus(error) })
}
