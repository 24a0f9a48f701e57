import type { Identity } from '../request/identity.js'
import { IDENTITY_HEADER } from './context-headers.js'

export type { Identity } from '../request/identity.js'

/** Bytes of it as JSON: it goes with every request, in a header. */
const MOST = 4096

/**
 * A copy of it that nobody can change.
 * @throws TypeError for what is no JSON, or too much of it. It does not show what was given
 */
export function identityOf(value: unknown): Identity {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    // Circles, or a bigint.
  }
  // What a query gives that found nobody, or somebody's number, is easily taken for somebody.
  if (text === undefined || !/^[{"]/.test(text) || text === '{}')
    throw new TypeError(
      `an identity must be JSON: a text, or an object with what executors need to know, not ${Array.isArray(value) ? 'a list' : text === '{}' ? 'an empty object' : `a ${typeof value}`}`,
    )
  const bytes = new TextEncoder().encode(text).length
  if (bytes > MOST) throw new TypeError(`an identity must be at most ${MOST} bytes as JSON, not ${bytes}: name who it is, and look up the rest by that`)
  return frozen(JSON.parse(text) as Identity)
}

/** As a header, or as metadata of gRPC. */
export function writeIdentity(identity: Identity): string {
  return base64url(JSON.stringify(identity))
}

/** @throws TypeError for what is none */
export function readIdentity(header: string): Identity {
  let value: unknown
  try {
    if (header.length > MOST * 2) throw new TypeError('too long')
    value = JSON.parse(textOf(header))
  } catch {
    throw new TypeError(`the header ${IDENTITY_HEADER} must be JSON in base64url`)
  }
  return identityOf(value)
}

/** UTF-8 in base64url, without padding. */
export function base64url(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** @throws what the platform throws for what is none */
export function textOf(base64url: string): string {
  const bytes = Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0))
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

function frozen<V>(value: V): V {
  if (typeof value !== 'object' || value === null) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}
