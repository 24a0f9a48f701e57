import type { Block } from './blocks.js'
import type { Report } from './options.js'

/** A row of CSV, not yet cut into cells; cells in quotes may hold line feeds. */
export interface RowText {
  readonly text: string
  /** The number of its first line. */
  readonly line: number
}

const LF = 10
const QUOTE = 34
const SMALL = 64 * 1024

/**
 * Gathers blocks into rows. Blank lines are no rows. A quote that is never closed would take all that follows into its row: it
 * is reported where it opens, its line is left out, and reading goes on with the next one.
 */
export async function* rowsOf(blocks: AsyncIterable<Block>, delimiter: string, maxLength: number, report: Report): AsyncGenerator<RowText[]> {
  let text = ''
  let line = 1
  let next = 1
  // A row that has grown long is looked at again only when it has doubled: otherwise its cost would be its length squared.
  let wanted = 0
  function* split(over: boolean): Generator<RowText[]> {
    let rows: RowText[] = []
    let at = 0
    while (at < text.length) {
      const end = rowEnd(text, at, delimiter)
      if (end !== -1) {
        const row = { text: text.slice(at, end), line }
        if (lengthOf(row.text) > 0) rows.push(row)
        line += linesIn(row.text)
        at = end
        continue
      }
      const row = { text: text.slice(at), line }
      if (!over && row.text.length <= maxLength) break
      if (rows.length > 0) yield rows
      rows = []
      const place = placeOf(row, cellsOf(row.text, delimiter).at(-1)!)
      report(`a quote opens here and is not closed ${over ? 'before the end' : `within ${maxLength} bytes`}`, place.line, place.column)
      at = text.indexOf('\n', at) + 1 || text.length
      line++
    }
    if (rows.length > 0) yield rows
    text = text.slice(at)
    wanted = text.length > SMALL ? Math.min(2 * text.length, maxLength) : 0
  }
  for await (const block of blocks) {
    // A line was left out: the row that it was part of cannot be put together.
    if (block.line !== next) text = ''
    if (text === '') line = block.line
    text += block.text
    next = block.next
    if (text.length >= wanted) yield* split(false)
  }
  yield* split(true)
}

/** Where in the file an offset of a row is. */
export function placeOf(row: RowText, offset: number): { line: number; column: number } {
  const before = row.text.slice(0, offset)
  return { line: row.line + linesIn(before), column: offset - before.lastIndexOf('\n') }
}

/** Where the cells of a row begin, and where the last one ends. With a quote that is not closed, only where they begin. */
export function cellsOf(row: string, delimiter: string): number[] {
  const cells = [0]
  if (rowEnd(row, 0, delimiter, cells) !== -1) cells.push(lengthOf(row))
  return cells
}

/**
 * Where the row that begins at `at` ends: behind a line feed outside quotes (RFC 4180), or with the text; -1 within quotes.
 * Quotes open at the beginning of a cell only, so that a stray one breaks its own row and no other.
 * @param cells takes the offsets behind the delimiters
 */
function rowEnd(text: string, at: number, delimiter: string, cells?: number[]): number {
  const comma = delimiter.charCodeAt(0)
  let first = true
  let quoted = false
  for (; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (quoted) {
      if (char !== QUOTE) continue
      if (text.charCodeAt(at + 1) === QUOTE) at++
      else quoted = false
    } else if (char === LF) return at + 1
    else if (char === QUOTE && first) quoted = true
    first = char === comma
    if (first) cells?.push(at + 1)
  }
  return quoted ? -1 : at
}

/** A row's length without its line end. */
function lengthOf(row: string): number {
  return row.length - (row.endsWith('\r\n') ? 2 : row.endsWith('\n') ? 1 : 0)
}

function linesIn(text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines++
  return lines
}
