import type { Kind } from '../outcome.js'

/** With which status a server says what became of a request. An executor's failure is an answer. */
export const STATUS = {
  malformed: 400,
  invalid: 422,
  unauthenticated: 401,
  forbidden: 403,
  unimplemented: 404,
  unsupported: 415,
  tooLarge: 413,
  tooMany: 429,
  busy: 503,
  closing: 503,
  unreachable: 503,
  late: 504,
  failed: 200,
  internal: 500,
} satisfies Partial<Record<Kind, number>>

/** What stands in no row is never said on this wire, or not by us: should it be all the same, something is wrong here. */
export function statusFor(kind: Kind): number {
  return (STATUS as Partial<Record<Kind, number>>)[kind] ?? STATUS.internal
}

/** What a status means to who asked: of a server, and of any proxy before it, whatever wire it came by. */
export function kindOf(status: number): Exclude<Kind, 'failed'> {
  return KIND[status] ?? (status >= 500 ? 'internal' : status >= 400 ? 'refused' : 'unimplemented')
}

const KIND: Readonly<Record<number, Exclude<Kind, 'failed'>>> = {
  400: 'malformed',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'unimplemented',
  405: 'unimplemented',
  406: 'unsupported',
  408: 'late',
  413: 'tooLarge',
  415: 'unsupported',
  422: 'invalid',
  425: 'busy',
  426: 'unimplemented',
  429: 'tooMany',
  500: 'internal',
  501: 'unimplemented',
  502: 'unreachable',
  503: 'unreachable',
  504: 'late',
}
