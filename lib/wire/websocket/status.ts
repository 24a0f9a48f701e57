import type { Kind } from '../outcome.js'

/**
 * With which code of RFC 6455 a server closes a connection. Most of what becomes of a request is an answer, and the connection goes on; a
 * handshake is refused with a status of HTTP.
 */
export const STATUS: Readonly<Record<Kind, number>> = {
  malformed: 1007,
  invalid: 1007,
  unauthenticated: 4401,
  forbidden: 1008,
  unimplemented: 1003,
  unsupported: 1003,
  tooLarge: 1009,
  tooMany: 1008,
  refused: 1008,
  busy: 1013,
  closing: 1001,
  // Jina's code for what is not there behind its gateway, which its client says as a ConnectionError.
  unreachable: 1011,
  disconnected: 1011,
  tls: 1011,
  late: 1011,
  failed: 1011,
  internal: 1011,
}

/**
 * What a code means to who waits for an answer, as far as its reason does not say more. It ends all requests of a connection, most of which it
 * says nothing of: they are cut off, unless it says that none will be taken.
 */
export function kindOf(code: number): Exclude<Kind, 'failed'> {
  return KIND[code] ?? 'disconnected'
}

const KIND: Readonly<Record<number, Exclude<Kind, 'failed'>>> = {
  1002: 'unimplemented',
  1003: 'unimplemented',
  1007: 'unimplemented',
  1008: 'refused',
  1009: 'tooLarge',
  4401: 'unauthenticated',
}
