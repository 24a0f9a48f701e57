import type { Report } from './options.js'
import { bytesOf, type TextSource } from './source.js'
import { concatBytes, utf8Of, withLineFeeds } from './text.js'

/** Whole lines, each with its line feed; the last of the source may lack one. */
export interface Block {
  readonly text: string
  /** The number of its first line, from 1. */
  readonly line: number
  /** The number of the line behind it. The next block begins there, unless lines were left out. */
  readonly next: number
}

const LF = 10
const BOM = 0xfeff

/**
 * Reads a source in blocks of whole lines, in memory that depends on the longest line only.
 * As a line feed is never part of another character, blocks can be decoded on their own, and a line that is not UTF-8 can be
 * left out and the next one read.
 * @param verbatim line ends stay as they are; otherwise, carriage returns alone are line ends where the first is
 */
export async function* blocksOf(source: TextSource, maxLength: number, report: Report, verbatim = false): AsyncGenerator<Block> {
  const bytesOfText = utf8Of(bytesOf(source), report)
  // The beginning of a line that has not ended yet.
  let parts: Uint8Array[] = []
  let length = 0
  let line = 1
  let dropping = false
  for await (const chunk of verbatim ? bytesOfText : withLineFeeds(bytesOfText)) {
    const end = chunk.lastIndexOf(LF) + 1
    if (end > 0) {
      const start = dropping ? chunk.indexOf(LF) + 1 : 0
      if (dropping) line++
      dropping = false
      const bytes = length === 0 ? chunk.subarray(start, end) : concatBytes(...parts, chunk.subarray(0, end))
      parts = []
      length = 0
      const next = line + count(bytes)
      yield* decode(bytes, line, next, maxLength, report)
      line = next
    }
    if (dropping || end === chunk.length) continue
    length += chunk.length - end
    // A copy, as the chunk's memory is used again.
    parts.push(chunk.slice(end))
    if (length > maxLength) {
      report(tooLong(maxLength), line)
      dropping = true
      parts = []
      length = 0
    }
  }
  if (length > 0) yield* decode(concatBytes(...parts), line, line + 1, maxLength, report)
}

function* decode(bytes: Uint8Array, line: number, next: number, maxLength: number, report: Report): Generator<Block> {
  if (bytes.length === 0) return
  const text = bytes.length <= maxLength ? textOf(bytes, line === 1) : undefined
  if (text !== undefined) return yield { text, line, next }
  // Something is wrong with a line: go through them one by one.
  for (let at = 0; at < bytes.length; line++) {
    const end = bytes.indexOf(LF, at) + 1 || bytes.length
    const one = bytes.subarray(at, end)
    const text = textOf(one, line === 1)
    if (one.length > maxLength) report(tooLong(maxLength), line)
    else if (text === undefined) report('not UTF-8 text: convert the file first, for instance with iconv -f latin1 -t utf-8', line, columnOf(one))
    else yield { text, line, next: line + 1 }
    at = end
  }
}

// The byte order mark is dropped by hand: only the first of a file is one.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array, first: boolean): string | undefined {
  try {
    const text = utf8.decode(bytes)
    return first && text.charCodeAt(0) === BOM ? text.slice(1) : text
  } catch {
    return undefined
  }
}

/** Where a line stops to be UTF-8, found byte by byte. */
function columnOf(line: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let valid = 0
  try {
    for (let at = 0; at < line.length; at++) valid += decoder.decode(line.subarray(at, at + 1), { stream: true }).length
  } catch {}
  return valid + 1
}

function tooLong(maxLength: number): string {
  return `longer than ${maxLength} bytes: is this the right file? If it is, raise maxLength`
}

function count(bytes: Uint8Array): number {
  let lines = 0
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) lines++
  return lines
}
