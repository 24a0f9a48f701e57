import { malformed, tooLarge } from './refusal.js'

/** Strict: what is no UTF-8 is no JSON either. Drops a byte order mark. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws HttpRefusal with status 400 */
export function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed('The body is not UTF-8')
  }
}

/**
 * All of a body. Reads no further than the limit.
 * @param charge told of each piece; it may throw
 * @throws HttpRefusal with status 413
 */
export async function collect(chunks: AsyncIterable<Uint8Array>, limit: number, charge?: (bytes: number) => void): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > limit) throw tooLarge(limit)
    charge?.(chunk.length)
    all.push(chunk)
  }
  return join(all, size)
}

export function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!
  const all = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

/** How a body is packed, by its content-encoding: not at all, in a known way, or in one that is not known. */
export function packing(encoding: string | undefined): 'gzip' | 'deflate' | 'br' | 'unknown' | undefined {
  if (encoding === undefined) return undefined
  const name = encoding.trim().toLowerCase()
  // GraphQL Yoga says `none` of its event streams.
  if (name === '' || name === 'identity' || name === 'none') return undefined
  if (name === 'gzip' || name === 'x-gzip') return 'gzip'
  return name === 'deflate' || name === 'br' ? name : 'unknown'
}
