import { shortage } from '../base/shortage.js'
import type { Kind } from './outcome.js'

/** EBUSY is what glibc's mDNS makes of a lookup for which there is no file handle. */
const UNREACHABLE =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EAI_FAIL|EBUSY|ENODATA|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|EACCES|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|EMFILE|ENFILE|ENOBUFS|ENOMEM|EAGAIN)$/
const TLS = /CERT|^ERR_TLS|^ERR_SSL|^EPROTO$|^UNABLE_TO_|SIGNATURE|^INVALID_CA$|^INVALID_PURPOSE$|^PATH_LENGTH_EXCEEDED$|^HOSTNAME_MISMATCH$/
/** The second is what Bun says in place of the first. */
const PROTOCOL = /^HPE_|^Malformed_HTTP|^WS_ERR|^UND_ERR_(INVALID|NOT_SUPPORTED|RES|REQ|HEADERS_OVERFLOW)|^Z_|^ERR_CONTENT_DECODING/
/** An error of fetch that has no code from Node 24 on: its name says what is wrong. */
const NAMED = 'HTTPParserError'
const TOO_LARGE = /^WS_ERR_(UNSUPPORTED_MESSAGE_LENGTH|TOO_MANY_BUFFERED_PARTS)$/
const TIMEOUT = /^UND_ERR_(HEADERS|BODY)_TIMEOUT$/

type PlatformKind = Extract<Kind, 'late' | 'unreachable' | 'tls' | 'tooLarge' | 'unimplemented' | 'disconnected'>

/**
 * What a code means by which a platform says what is wrong with a connection, whatever is spoken on it.
 * @param begun whether somebody had answered there before
 */
export function kindOfPlatform(code: string, begun: boolean): PlatformKind {
  if (TIMEOUT.test(code)) return 'late'
  if (UNREACHABLE.test(code) && !begun) return 'unreachable'
  if (TOO_LARGE.test(code)) return 'tooLarge'
  if (TLS.test(code)) return 'tls'
  return code === NAMED || PROTOCOL.test(code) ? 'unimplemented' : 'disconnected'
}

/** The code of an error, or of what it comes of: fetch hides what happened in its error's cause, a name with several addresses among its errors. */
export function platformCode(error: unknown): { code: string; at: unknown } {
  let at: unknown = error
  for (let depth = 0; depth < 8 && typeof at === 'object' && at !== null; depth++) {
    const { code, name, cause, errors } = at as { code?: unknown; name?: unknown; cause?: unknown; errors?: unknown }
    if (typeof code === 'string') return { code, at }
    if (name === NAMED) return { code: NAMED, at }
    at = cause ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
  return { code: '', at: error }
}

/** That the fault is here, and nobody's there: this process, or its machine, can make no connection now. */
export function lacking(code: string): string | undefined {
  const advice = shortage({ code })
  return advice && `no connection can be made now (${code}). ${advice}`
}

/** Whether somebody was there, and ended the connection without a word. */
export function isHungUp(code: string | undefined): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE'
}
