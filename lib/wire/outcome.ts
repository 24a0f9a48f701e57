import {
  asError,
  ConnectionError,
  DocumentError,
  ExecutorError,
  FlowStateError,
  InputError,
  isError,
  OptionRangeError,
  OptionTypeError,
  ParseError,
} from '../base/errors.js'
import { GATEWAY } from '../request/route.js'
import { ProtoError } from './proto/error.js'

type ConnectionCode = ConstructorParameters<typeof ConnectionError>[0]

/** Whether a request may be sent again. `'always'`: nobody has begun with it. `'asked'`: it may have been done, so only where `retries` were asked for. `'never'`: it ends alike. */
type Again = 'always' | 'asked' | 'never'

const kind = <Code extends ConnectionCode | 'ERR_EXECUTOR'>(code: Code, again: Again): { readonly code: Code; readonly again: Again } => ({ code, again })

/**
 * All that may become of a request, on every wire: the `code` of the error that whoever asked gets, and whether asking again is of use. How a
 * wire says a kind, and what it takes for one, stands in `status.ts` of its room.
 */
export const KINDS = {
  // ── the fault of who asks ───────────────────────────────────────────────────────────────────────────────
  /** What came is no message, or says what can never be used, as a pattern that is none. */
  malformed: kind('ERR_REFUSED', 'never'),
  /** It is a message, and its documents, inputs or options are not what they should be. */
  invalid: kind('ERR_REFUSED', 'never'),
  /** Nobody knows who asks. */
  unauthenticated: kind('ERR_REFUSED', 'never'),
  /** Whoever asks may not: a page of another origin, another host. */
  forbidden: kind('ERR_REFUSED', 'never'),
  /** Nothing like that is there: another path, method or protocol. */
  unimplemented: kind('ERR_PROTOCOL', 'never'),
  /** It is packed, or of a type, or wants an answer of one, that the server does not know. */
  unsupported: kind('ERR_REFUSED', 'never'),
  /** It is over a limit. */
  tooLarge: kind('ERR_TOO_LARGE', 'never'),
  /** Who asks has too many requests under way. It passes. */
  tooMany: kind('ERR_UNREACHABLE', 'always'),
  /** Refused, for a reason that no other kind has. */
  refused: kind('ERR_REFUSED', 'never'),

  // ── nobody's fault, or that of the way between ──────────────────────────────────────────────────────────
  /** All together have too many requests under way. It passes. */
  busy: kind('ERR_UNREACHABLE', 'always'),
  /** The server shuts down, or is not open yet. Another may be. */
  closing: kind('ERR_UNREACHABLE', 'always'),
  /** Nobody is there, or not within reach; behind a gateway, the executor. */
  unreachable: kind('ERR_UNREACHABLE', 'always'),
  /** Whoever was there went away. */
  disconnected: kind('ERR_DISCONNECTED', 'always'),
  /** Not answered in time: it may have been done. */
  late: kind('ERR_TIMEOUT', 'asked'),
  /** The one at the other end is not trusted, or does not trust. */
  tls: kind('ERR_TLS', 'never'),

  // ── the fault of who answers ────────────────────────────────────────────────────────────────────────────
  /** An executor failed at it, or at its answer, which cannot be written. */
  failed: kind('ERR_EXECUTOR', 'asked'),
  /** The server itself failed, and says no more. */
  internal: kind('ERR_REFUSED', 'asked'),
} as const

export type Kind = keyof typeof KINDS

/** What became of a request. */
export interface Outcome {
  readonly kind: Kind
  /** As it goes over a wire, and as the error has it that whoever asked gets. */
  readonly code: string
  /** Where an executor is to be named; {@link GATEWAY} for what a server says of itself. */
  readonly executor?: string | undefined
}

/** What a server does not take, and why: who asked is told both, in the words of the wire. */
export class Refusal extends Error {
  constructor(
    readonly kind: Kind,
    reason: string,
    cause?: unknown,
    /** Milliseconds in which to ask again, where that is known. */
    readonly retryAfter?: number,
  ) {
    super(reason, cause === undefined ? undefined : { cause })
  }
}

/** What the code of an executor's error, or of a connection's, is to who stands before us: what an executor elsewhere refuses, or finds too large, is its failure like any other. */
const BEHIND: Readonly<Record<ConnectionCode | 'ERR_EXECUTOR_INPUT' | 'ERR_EXECUTOR_TIMEOUT', Kind>> = {
  // Whoever asked can mend it, however far away the executor is.
  ERR_EXECUTOR_INPUT: 'invalid',
  ERR_EXECUTOR_TIMEOUT: 'late',
  ERR_UNREACHABLE: 'unreachable',
  ERR_DISCONNECTED: 'unreachable',
  ERR_TLS: 'unreachable',
  ERR_PROTOCOL: 'unreachable',
  ERR_TIMEOUT: 'late',
  ERR_TOO_LARGE: 'failed',
  ERR_REFUSED: 'failed',
}

/** The same where a server says it of itself. */
const OWN: Readonly<Record<string, Kind>> = { ...BEHIND, ERR_UNREACHABLE: 'busy', ERR_TOO_LARGE: 'tooLarge', ERR_REFUSED: 'invalid' }

/** What was thrown for a request, as all wires understand it. What nobody expected is `'internal'`. */
export function outcome(error: unknown): Outcome {
  const known = isError(error)
  const kind = known ? kindOf(error) : 'internal'
  if (kind !== undefined) return { kind, code: KINDS[kind].code }
  return error instanceof ExecutorError ? outcomeOf(codeOf(error), error.executor) : outcomeOf((error as ConnectionError).code)
}

/**
 * What whoever asked may be told of what was thrown.
 * @param report hears of what nobody expected, of which clients are told nothing
 */
export function told(error: unknown, report: (error: Error) => void): Error {
  const { kind } = outcome(error)
  if (kind !== 'internal' && kind !== 'failed') return asError(error)
  report(asError(error))
  return new Refusal('internal', 'Something went wrong here')
}

/** What says itself what it is, whoever threw it. */
function kindOf(error: Error): Kind | undefined {
  if (error instanceof Refusal) return error.kind
  if (error instanceof ExecutorError) return undefined
  if (isTooLarge(error) || isTooLarge(error.cause)) return 'tooLarge'
  if (error instanceof ConnectionError) return undefined
  if (error instanceof FlowStateError) return 'closing'
  if (error instanceof OptionRangeError || error instanceof ProtoError) return 'malformed'
  if (error instanceof InputError || error instanceof ParseError || error instanceof OptionTypeError || error instanceof DocumentError) return 'invalid'
  return 'internal'
}

/** The code of what an executor failed at: its own, or that of its connection. */
function codeOf({ code, cause }: ExecutorError): string {
  return isError(cause) && cause instanceof ConnectionError ? cause.code : code
}

/** What a code says that came with an answer. */
export function outcomeOf(code: string, executor?: string): Outcome {
  const kinds: Readonly<Record<string, Kind>> = executor === GATEWAY ? OWN : BEHIND
  const kind = (Object.hasOwn(kinds, code) && kinds[code]) || 'failed'
  return { kind, code, executor }
}

/** Whether it is a fault of the request, and says nothing of others that are under way. */
export function isOfRequest(kind: Kind): boolean {
  return kind === 'malformed' || kind === 'invalid' || kind === 'tooLarge'
}

/** What whoever asked gets of a kind. */
export function failure(
  kind: Exclude<Kind, 'failed'>,
  address: string,
  reason: string,
  { retryAfter, ...options }: { cause?: unknown; requestId?: string; retryAfter?: number | undefined } = {},
): ConnectionError {
  const { code, again } = KINDS[kind]
  const error = new ConnectionError(code, address, reason, options)
  if (kind === 'busy' || kind === 'tooMany') return tellBusy(error, retryAfter)
  return again === 'never' ? forGood(error) : tellWhen(error, retryAfter)
}

/** What would fail in the same way again: nothing asks again by itself. */
export function forGood(error: ConnectionError): ConnectionError {
  return Object.defineProperty(error, 'permanent', { value: true })
}

/** Whoever is there has too much to do. @param retryAfter milliseconds in which to ask again, where that was said */
export function tellBusy(error: ConnectionError, retryAfter: number | undefined): ConnectionError {
  return tellWhen(Object.defineProperty(error, 'busy', { value: true }), retryAfter)
}

/** @param retryAfter milliseconds in which to ask again, where that was said */
export function tellWhen(error: ConnectionError, retryAfter: number | undefined): ConnectionError {
  return retryAfter === undefined ? error : Object.defineProperty(error, 'retryAfter', { value: retryAfter })
}

export function isTooLarge(error: unknown): error is ConnectionError {
  return isError(error) && error instanceof ConnectionError && error.code === 'ERR_TOO_LARGE'
}
