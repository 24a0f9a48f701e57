import { status as Code } from '@grpc/grpc-js'
import type { Kind } from '../outcome.js'

/** With which status a server ends a call. An executor's failure is an answer. */
export const STATUS: Readonly<Record<Kind, Code>> = {
  malformed: Code.INVALID_ARGUMENT,
  invalid: Code.INVALID_ARGUMENT,
  unauthenticated: Code.UNAUTHENTICATED,
  forbidden: Code.PERMISSION_DENIED,
  unimplemented: Code.UNIMPLEMENTED,
  unsupported: Code.UNIMPLEMENTED,
  tooLarge: Code.RESOURCE_EXHAUSTED,
  tooMany: Code.RESOURCE_EXHAUSTED,
  refused: Code.FAILED_PRECONDITION,
  busy: Code.RESOURCE_EXHAUSTED,
  closing: Code.UNAVAILABLE,
  unreachable: Code.UNAVAILABLE,
  disconnected: Code.UNAVAILABLE,
  tls: Code.UNAVAILABLE,
  late: Code.DEADLINE_EXCEEDED,
  failed: Code.OK,
  internal: Code.INTERNAL,
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
