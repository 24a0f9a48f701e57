import type { Kind } from '../outcome.js'

/**
 * With which code of RFC 6455 a server closes a connection. Most of what becomes of a request is an answer, and the connection goes on.
 */
export const STATUS = {
  malformed: 1007,
  unauthenticated: 4401,
  unsupported: 1003,
  tooLarge: 1009,
  // "Try again later", of the registry of codes at IANA.
  busy: 1013,
  closing: 1001,
  // Jina's code for what is not there behind its gateway, which its client says as a ConnectionError.
  unreachable: 1011,
  late: 1011,
  internal: 1011,
} satisfies Partial<Record<Kind, number>>

/** How a handshake is refused that is none of ours, as HTTP has it. */
export const HANDSHAKE = {
  malformed: '400 Bad Request',
  unauthenticated: '401 Unauthorized',
  forbidden: '403 Forbidden',
  unimplemented: '404 Not Found',
  closing: '503 Service Unavailable',
} satisfies Partial<Record<Kind, string>>

/** What stands in no row is never said on this wire, or not by us: should it be all the same, something is wrong here. */
export function statusFor(kind: Kind): number {
  return (STATUS as Partial<Record<Kind, number>>)[kind] ?? STATUS.internal
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
  1013: 'busy',
  4401: 'unauthenticated',
}
