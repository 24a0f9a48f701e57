import type { Kind } from '../outcome.js'

interface Said {
  readonly code: string
  readonly status: number
}

/** How a server says what became of an operation: `extensions.code`, and the status of HTTP where nothing was run. */
export const STATUS = {
  malformed: { code: 'BAD_REQUEST', status: 400 },
  invalid: { code: 'BAD_USER_INPUT', status: 400 },
  unauthenticated: { code: 'UNAUTHENTICATED', status: 401 },
  forbidden: { code: 'FORBIDDEN', status: 403 },
  unimplemented: { code: 'NOT_FOUND', status: 404 },
  unsupported: { code: 'UNSUPPORTED_MEDIA_TYPE', status: 415 },
  tooLarge: { code: 'REQUEST_ENTITY_TOO_LARGE', status: 413 },
  tooMany: { code: 'TOO_MANY_REQUESTS', status: 429 },
  refused: { code: 'GRAPHQL_LIMIT', status: 400 },
  busy: { code: 'SERVICE_UNAVAILABLE', status: 503 },
  closing: { code: 'SERVICE_UNAVAILABLE', status: 503 },
  unreachable: { code: 'SERVICE_UNAVAILABLE', status: 503 },
  late: { code: 'TIMEOUT', status: 504 },
  internal: { code: 'INTERNAL_SERVER_ERROR', status: 500 },
} satisfies Partial<Record<Kind, Said>>

/** What stands in no row is never said on this wire, or not by us: should it be all the same, something is wrong here. */
export function statusFor(kind: Kind): Said {
  return (STATUS as Partial<Record<Kind, Said>>)[kind] ?? STATUS.internal
}

/** What a code means to who asked; undefined for one that is not ours. */
export function kindOf(code: unknown): Exclude<Kind, 'failed'> | undefined {
  return typeof code === 'string' && Object.hasOwn(KIND, code) ? KIND[code] : undefined
}

const KIND: Readonly<Record<string, Exclude<Kind, 'failed'>>> = {
  BAD_REQUEST: 'malformed',
  BAD_USER_INPUT: 'invalid',
  UNAUTHENTICATED: 'unauthenticated',
  FORBIDDEN: 'forbidden',
  NOT_FOUND: 'unimplemented',
  NOT_ACCEPTABLE: 'unsupported',
  UNSUPPORTED_MEDIA_TYPE: 'unsupported',
  REQUEST_ENTITY_TOO_LARGE: 'tooLarge',
  TOO_MANY_REQUESTS: 'tooMany',
  GRAPHQL_LIMIT: 'refused',
  SERVICE_UNAVAILABLE: 'unreachable',
  TIMEOUT: 'late',
  INTERNAL_SERVER_ERROR: 'internal',
}
