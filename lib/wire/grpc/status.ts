import { status as Code } from '@grpc/grpc-js'
import type { Kind } from '../outcome.js'

/** With which status a server ends a call. An executor's failure is an answer; of methods and packings that are not there, grpc-js says it. */
export const STATUS = {
  malformed: Code.INVALID_ARGUMENT,
  invalid: Code.INVALID_ARGUMENT,
  unauthenticated: Code.UNAUTHENTICATED,
  forbidden: Code.PERMISSION_DENIED,
  tooLarge: Code.RESOURCE_EXHAUSTED,
  busy: Code.RESOURCE_EXHAUSTED,
  closing: Code.UNAVAILABLE,
  unreachable: Code.UNAVAILABLE,
  late: Code.DEADLINE_EXCEEDED,
  internal: Code.INTERNAL,
} satisfies Partial<Record<Kind, Code>>

/** What stands in no row is never said on this wire, or not by us: should it be all the same, something is wrong here. */
export function statusFor(kind: Kind): Code {
  return (STATUS as Partial<Record<Kind, Code>>)[kind] ?? STATUS.internal
}

/** What a status means to who asked, as far as its words do not say more. */
export const KIND: Readonly<Record<number, Exclude<Kind, 'failed'>>> = {
  [Code.OK]: 'unimplemented',
  [Code.CANCELLED]: 'disconnected',
  [Code.UNKNOWN]: 'internal',
  [Code.INVALID_ARGUMENT]: 'invalid',
  [Code.DEADLINE_EXCEEDED]: 'late',
  [Code.NOT_FOUND]: 'unreachable',
  [Code.ALREADY_EXISTS]: 'refused',
  [Code.PERMISSION_DENIED]: 'forbidden',
  [Code.RESOURCE_EXHAUSTED]: 'tooLarge',
  [Code.FAILED_PRECONDITION]: 'refused',
  [Code.ABORTED]: 'disconnected',
  [Code.OUT_OF_RANGE]: 'invalid',
  [Code.UNIMPLEMENTED]: 'unimplemented',
  [Code.INTERNAL]: 'internal',
  [Code.UNAVAILABLE]: 'unreachable',
  [Code.DATA_LOSS]: 'disconnected',
  [Code.UNAUTHENTICATED]: 'unauthenticated',
}
