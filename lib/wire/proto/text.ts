/** What Node's buffers do natively, and its declarations leave out. */
interface Native extends Uint8Array {
  utf8Slice(start: number, end: number): string
  utf8Write(text: string, at: number, length: number): number
}

const NATIVE =
  typeof Buffer === 'function' && typeof (Buffer.prototype as any).utf8Slice === 'function' && typeof (Buffer.prototype as any).utf8Write === 'function'
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()

/** The same bytes in the form that the functions here are fast with. */
export function workable(bytes: Uint8Array): Uint8Array {
  return NATIVE && !Buffer.isBuffer(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : bytes
}

/** Room that is written before it is read: it need not be cleared. */
export function room(size: number): Uint8Array {
  return NATIVE ? Buffer.allocUnsafeSlow(size) : new Uint8Array(size)
}

/** From this many bytes on, a copy costs more than keeping the message does: 1 MiB. */
export const LARGE = 1 << 20

/**
 * Bytes of a message for whoever keeps, changes or transfers them. Nobody else shares their memory: small ones are copies, as the message may lie in
 * a pool of Node's among those of strangers, and a vector of some bytes should not keep megabytes. Large ones are views, where the message has its memory alone.
 * @param size of the elements, which a view must be aligned to
 */
export function ownOf({ buffer, byteOffset, byteLength }: Uint8Array, start: number, end: number, size: number): Uint8Array {
  if (end - start >= LARGE && byteLength === buffer.byteLength && start % size === 0) return new Uint8Array(buffer, start, end - start)
  // Of a view, the platform makes a copy in memory that it has not cleared before: a third faster than buffer.slice() with 3 KiB.
  return new Uint8Array(new Uint8Array(buffer, byteOffset + start, end - start))
}

/** UTF-8 between two positions. What is no UTF-8 reads as U+FFFD. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start
  // Below this, the loops are faster than the way into native code.
  if (length < 9) {
    let text = ''
    let i = start
    for (; i + 4 <= end; i += 4) {
      const a = bytes[i]!
      const b = bytes[i + 1]!
      const c = bytes[i + 2]!
      const d = bytes[i + 3]!
      if ((a | b | c | d) > 127) break
      text += String.fromCharCode(a, b, c, d)
    }
    for (; i < end && bytes[i]! < 128; i++) text += String.fromCharCode(bytes[i]!)
    if (i === end) return text
  }
  return NATIVE ? (bytes as Native).utf8Slice(start, end) : decoder.decode(bytes.subarray(start, end))
}

/** Writes text as UTF-8, half a surrogate pair as U+FFFD. There must be room for three bytes a character. Returns how many it took. */
export function writeText(bytes: Uint8Array, text: string, at: number): number {
  return NATIVE ? (bytes as Native).utf8Write(text, at, text.length * 3) : encoder.encodeInto(text, bytes.subarray(at)).written
}

/** Up to this many characters, a loop is faster than the way into native code. */
export const SHORT = 20

/** Writes a short text and its length before it, if it is ASCII. Returns where it ends, or -1. */
export function writeAscii(bytes: Uint8Array, text: string, at: number): number {
  const { length } = text
  bytes[at] = length
  const start = at + 1
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return -1
    bytes[start + i] = code
  }
  return start + length
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  if (NATIVE) return Buffer.compare(a, b) === 0
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
