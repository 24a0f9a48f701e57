import { GraphQLError } from 'graphql'
import { DocumentError, ExecutorError, FlowStateError, InputError, isError, OptionRangeError, OptionTypeError, say } from '../../../base/errors.js'
import { Refused } from '../../../handler/refused.js'

/** The code of what executors made and JSON cannot say, until it is known which. */
export const UNWRITABLE = 'ERR_DOCUMENT'

/**
 * What a client may know of an error; the rest goes to `report`. Messages are the errors' own, stacks and causes stay here.
 *
 * | error | `extensions` |
 * |---|---|
 * | not answered in time | `code: 'TIMEOUT'`, `requestId`; status 504 |
 * | too many requests before it | `code: 'SERVICE_UNAVAILABLE'`, `requestId`; status 503, with `retry-after` |
 * | ExecutorError | `code` (`ERR_EXECUTOR`, …), `executor`, `endpoint`, `requestId` |
 * | DocumentError, InputError, errors of options | `code: 'BAD_USER_INPUT'`, `reason` with the error's own code; status 400 |
 * | tags or parameters that JSON cannot say | as an ExecutorError of the last executor, beside the rest of the data |
 * | FlowStateError | `code: 'SERVICE_UNAVAILABLE'`, `reason`; status 503 |
 *
 * Anything else is reported and comes out masked.
 */
export function graphQLError(error: unknown, report: (error: unknown) => void): unknown {
  if (error instanceof GraphQLError) return error
  if (error instanceof Refused) return refusedWith(error)
  if (error instanceof ExecutorError) {
    report(error)
    const { code, executor, endpoint, requestId } = error
    return new GraphQLError(publicMessage(error), { extensions: { code, executor, endpoint, requestId } })
  }
  if (error instanceof DocumentError || error instanceof InputError || error instanceof OptionTypeError || error instanceof OptionRangeError)
    return new GraphQLError(error.message, { extensions: { code: 'BAD_USER_INPUT', reason: error.code, http: { status: 400 } } })
  if (error instanceof FlowStateError)
    return new GraphQLError(error.message, { extensions: { code: 'SERVICE_UNAVAILABLE', reason: error.code, http: { status: 503 } } })
  return error
}

function refusedWith({ busy, message, requestId }: Refused): GraphQLError {
  const http = busy ? { status: 503, headers: { 'retry-after': '1' } } : { status: 504 }
  return new GraphQLError(message, { extensions: { code: busy ? 'SERVICE_UNAVAILABLE' : 'TIMEOUT', requestId, http } })
}

/** An error's message without the places on this machine that the platform wrote into it: of files, only the name stays. */
export function publicMessage(error: Error): string {
  let message = say(error).replace(/file:\/\/\S+/g, (url) => nameOf(url))
  for (let at: unknown = error; isError(at); at = at.cause) {
    for (const key of ['path', 'dest'] as const) {
      const path = (at as { path?: unknown; dest?: unknown })[key]
      if (typeof path === 'string' && /[/\\]/.test(path)) message = message.replaceAll(path, nameOf(path))
    }
  }
  return message
}

function nameOf(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? ''
}

/** A refusal with a status of its own. */
export function refusal(status: number, code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status } } })
}
