import type { Report } from './options.js'

const [NUL, LF, CR] = [0, 10, 13]
/** Bytes that tell how a text is written. */
const HEAD = 4

/**
 * The bytes of a text in UTF-8. Text in UTF-16 that begins with its mark, as spreadsheets save it, is decoded; without one it is reported, as it could
 * pass for UTF-8. Each view is valid until the next is asked for.
 */
export async function* utf8Of(source: AsyncIterable<Uint8Array>, report: Report): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let head: Uint8Array | undefined = new Uint8Array(0)
  let utf16: TextDecoder | undefined
  const converted = (bytes: Uint8Array | undefined): Uint8Array => {
    try {
      return encoder.encode(utf16!.decode(bytes, { stream: bytes !== undefined }))
    } catch {
      report(`not ${utf16!.encoding.toUpperCase()} text, as which it begins`, 1)
      return new Uint8Array(0)
    }
  }
  for await (const chunk of source) {
    let bytes = chunk
    if (head !== undefined) {
      bytes = concatBytes(head, chunk)
      // A short line that is whole is enough: who wrote it may wait for the answer.
      const whole = bytes.length > 1 && bytes.at(-1) === LF
      head = bytes.length < HEAD && !whole ? bytes : undefined
      if (head !== undefined) continue
      utf16 = markOf(bytes, report)
    }
    yield utf16 === undefined ? bytes : converted(bytes)
  }
  if (head !== undefined) utf16 = markOf(head, report)
  if (utf16 !== undefined) yield converted(head)
  else if (head !== undefined) yield head
}

function markOf(bytes: Uint8Array, report: Report): TextDecoder | undefined {
  const kind = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined
  if (kind !== undefined) return new TextDecoder(kind, { fatal: true })
  // Text has no NUL; Latin letters in UTF-16 have one each.
  if (bytes.subarray(0, HEAD).includes(NUL)) report('not UTF-8 text, maybe UTF-16: convert the file first, for instance with iconv -f utf-16le -t utf-8', 1)
  return undefined
}

/** Where the first line ends with a carriage return alone (as on old Macs, and in some exports), all lines do: they get line feeds. */
export async function* withLineFeeds(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let ends: typeof LF | typeof CR | undefined
  // Ends with the first carriage return: what follows tells.
  let open: Uint8Array | undefined
  for await (const chunk of source) {
    let bytes = chunk
    if (open !== undefined) {
      bytes = concatBytes(open, chunk)
      open = undefined
    }
    if (ends === undefined) {
      const at = bytes.findIndex((byte) => byte === LF || byte === CR)
      if (bytes[at] === CR && at === bytes.length - 1) {
        open = bytes.slice()
        continue
      }
      if (at >= 0) ends = bytes[at] === CR && bytes[at + 1] !== LF ? CR : LF
    }
    yield ends === CR ? lineFeeds(bytes) : bytes
  }
  if (open !== undefined) yield lineFeeds(open)
}

function lineFeeds(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => (byte === CR ? LF : byte))
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
