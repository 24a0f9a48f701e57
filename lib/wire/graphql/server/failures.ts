import { GraphQLError } from 'graphql'
import { ExecutorError } from '../../../base/errors.js'
import { GATEWAY } from '../../../request/route.js'
import { type Kind, outcome } from '../../outcome.js'
import { publicMessage } from '../../public-message.js'
import { againHeaders, RETRY_AFTER, whenAgain } from '../../retry-after.js'
import { statusFor } from '../status.js'

/** The code of what executors made and JSON cannot say, until it is known which. */
export const UNWRITABLE = 'ERR_DOCUMENT'

/**
 * What a client may know of an error; the rest goes to `report`. What an executor failed at, or is out of reach for, is an error of its field: it has
 * the error's own `code`, `executor`, `endpoint` and `requestId`. What is refused has the code of its kind, and a status; `reason` is the code of the
 * error itself. Anything else is reported and comes out masked.
 */
export function graphQLError(error: unknown, report: (error: unknown) => void): unknown {
  if (error instanceof GraphQLError) return error
  const { kind } = outcome(error)
  if (error instanceof ExecutorError) {
    const { code, executor, endpoint, requestId } = error
    if (executor === GATEWAY) return refusal(kind, error.message, { requestId }, error)
    // What an executor does not take is for who asked to mend, and nothing went wrong here.
    if (kind === 'invalid') return refusal(kind, publicMessage(error), { reason: code, executor, endpoint, requestId })
    report(error)
    return new GraphQLError(publicMessage(error), { extensions: { code, executor, endpoint, requestId } })
  }
  if (kind === 'internal' || kind === 'failed') return error
  // The operation itself could be read: what is wrong stands in its arguments.
  return refusal(kind === 'malformed' ? 'invalid' : kind, publicMessage(error), { reason: (error as { code?: unknown }).code }, error)
}

/** A refusal, and its status. */
export function refusal(kind: Kind, message: string, more: object = {}, error?: unknown): GraphQLError {
  const { code, status } = statusFor(kind)
  const again = whenAgain(kind, error)
  const http = again === undefined ? { status } : { status, headers: againHeaders(again) }
  return new GraphQLError(message, { extensions: { code, ...more, ...(again !== undefined && { [RETRY_AFTER]: Math.ceil(again) }), http } })
}
