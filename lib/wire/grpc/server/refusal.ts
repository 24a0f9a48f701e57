import { status as Code } from '@grpc/grpc-js'
import { asError, ConnectionError, DocumentError, FlowStateError, OptionRangeError, OptionTypeError } from '../../../base/errors.js'
import type { Message } from '../../message.js'
import { behindIn, refusedIn } from '../../unreachable.js'

/** A call that ends with a status of gRPC: what was asked cannot be answered, or not now. */
export class Refusal extends Error {
  readonly code: Code
  readonly details: string

  constructor(code: Code, reason: string, cause?: unknown) {
    const details = plain(reason)
    super(details, { cause })
    this.code = code
    this.details = details
  }
}

/** For errors of executors elsewhere, as Jina's gateway passes them on. */
const CODES: Record<string, Code> = {
  ERR_UNREACHABLE: Code.UNAVAILABLE,
  ERR_DISCONNECTED: Code.UNAVAILABLE,
  ERR_TLS: Code.UNAVAILABLE,
  ERR_PROTOCOL: Code.UNAVAILABLE,
  ERR_TIMEOUT: Code.DEADLINE_EXCEEDED,
  ERR_TOO_LARGE: Code.RESOURCE_EXHAUSTED,
}

/** What a client is told of an executor that is out of reach, where an answer must not say so: Jina's clients and gateways go by the status. */
export function refusalBehind({ status }: Message): Refusal | undefined {
  const behind = behindIn(status)
  if (refusedIn(status) === 'ERR_UNREACHABLE') return new Refusal(Code.RESOURCE_EXHAUSTED, status!.description)
  return behind && new Refusal(CODES[behind]!, status!.description)
}

/**
 * What a client is told of what was thrown.
 * @param report hears of what nobody expected, of which clients are told nothing
 */
export function refusalOf(error: unknown, report: (error: Error) => void): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof OptionTypeError || error instanceof OptionRangeError || error instanceof DocumentError)
    return new Refusal(Code.INVALID_ARGUMENT, error.message)
  if (error instanceof FlowStateError) return new Refusal(Code.UNAVAILABLE, error.message)
  if (error instanceof ConnectionError) return new Refusal(CODES[error.code] ?? Code.INTERNAL, error.message)
  report(asError(error))
  return new Refusal(Code.INTERNAL, 'Something went wrong here')
}

/** grpc-js puts details into a header: it fails at halves of characters, and clients fail at very long ones. */
function plain(text: string): string {
  const short = text.length > 1000 ? `${text.slice(0, 999)}…` : text
  return short.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
}
