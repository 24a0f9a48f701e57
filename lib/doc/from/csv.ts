import { check, string } from '../../base/check.js'
import { OptionRangeError, optionRange, optionType, say, show } from '../../base/errors.js'
import type { Document } from '../document.js'
import { blocksOf } from './blocks.js'
import { CellError, type Column, columnsOf, documentOf, type FieldResolver } from './columns.js'
import { FROM, type FromOptions, fieldResolver, maxLengthOf, reporter } from './options.js'
import { cellsOf, placeOf, type RowText, rowsOf } from './rows.js'
import { checkSource, fileOf, type TextSource } from './source.js'

export interface FromCsvOptions extends FromOptions {
  /**
   * Which column fills which field of a document: `{ question: 'text' }`. Columns not named here fill the field of their own
   * name, and where a document has no such field, a tag. `{ location: 'tags.location' }` makes a tag of one that is named like a field.
   */
  fieldResolver?: FieldResolver | undefined
  /** What is between cells: one character. Default `','`. */
  delimiter?: string | undefined
  /** The names of the columns, for a file whose first row is data already. Default: the first row. */
  header?: readonly string[] | undefined
}

/**
 * A document for each row of CSV (RFC 4180: cells with delimiters, quotes or line feeds are in `"`, quotes inside are doubled).
 * `weight`, `offset`, `granularity` and `adjacency` are read as numbers; `tensor`, `embedding`, `location`, `tags`, `chunks`,
 * `matches`, `scores` and `evaluations` as JSON; `blob` as base64; tags stay text. An empty cell sets no field. Blank lines
 * are skipped. Nothing is opened before the first `next()`; an early `return()` closes the file or stream.
 *
 * @param source a path, a `file:` URL, a stream, or an iterable of chunks: see {@link TextSource}
 * @throws OptionTypeError, OptionRangeError at the call, for a source or option that is none
 * @throws ParseError (`ERR_PARSE`) while reading, with file, line and column: a broken quote, too many or too few cells, a cell
 * that does not fit its field, text that is not UTF-8, a row too long. With `onInvalid` such rows are skipped; an error in
 * the header ends the iteration in any case
 *
 * @example
 * flow.index(fromCsv('questions.csv', { fieldResolver: { question: 'text' } }))
 */
export function fromCsv(source: TextSource, options: FromCsvOptions = {}): AsyncGenerator<Document, void, undefined> {
  checkSource(source)
  check('fromCsv()', options, { ...FROM, fieldResolver, delimiter, header })
  return read(source, options, options.header === undefined ? undefined : given(options.header, options.fieldResolver ?? {}))
}

async function* read(source: TextSource, options: FromCsvOptions, columns: Column[] | undefined): AsyncGenerator<Document, void, undefined> {
  const { fieldResolver = {}, delimiter = ',', onInvalid } = options
  const file = fileOf(source)
  const report = reporter(file, onInvalid)
  const reportHeader = reporter(file, undefined)
  const maxLength = maxLengthOf(options)
  const cut = await cutter(delimiter)
  for await (const rows of rowsOf(blocksOf(source, maxLength, report), delimiter, maxLength, report)) {
    const table = cut(rows)
    for (let i = 0; i < rows.length; i++) {
      const cells = table[i]!
      let document: Document
      try {
        if (cells instanceof CellError) throw cells
        if (columns === undefined) {
          const other = [';', '\t', '|', ','].find((other) => cells.length === 1 && other !== delimiter && cells[0]!.includes(other))
          if (other !== undefined)
            throw new CellError(0, `the header is one cell, ${show(cells[0])}: is the delimiter another? Then say delimiter: ${JSON.stringify(other)}`)
          columns = columnsOf(cells, fieldResolver)
          continue
        }
        if (cells.length !== columns.length)
          throw new CellError(Math.min(cells.length, columns.length), `a row of ${cells.length} cells, where there are ${columns.length} columns`)
        document = documentOf(columns, cells)
      } catch (error) {
        if (!(error instanceof CellError)) throw error
        const place = placeOf(rows[i]!, cellsOf(rows[i]!.text, delimiter)[error.cell] ?? 0)
        const tell = columns === undefined ? reportHeader : report
        tell(error.message, place.line, place.column, error.cause)
        continue
      }
      yield document
    }
  }
}

/** Columns that are named by the option, and not by the file. */
function given(header: readonly string[], fieldResolver: FieldResolver): Column[] {
  try {
    return columnsOf(header, fieldResolver)
  } catch (error) {
    throw new OptionRangeError(`header: ${say(error)}`)
  }
}

/** Cuts rows into cells: all at once, and one by one where one is broken, so that the others are kept. */
async function cutter(delimiter: string): Promise<(rows: RowText[]) => (string[] | CellError)[]> {
  const { parse } = await import('csv-parse/sync')
  const options = { delimiter, record_delimiter: ['\r\n', '\n'], relax_column_count: true }
  return (rows) => {
    try {
      return parse(rows.map(({ text }) => text).join(''), options)
    } catch {}
    return rows.map(({ text }) => {
      try {
        return parse(text, options)[0]!
      } catch (error) {
        return broken(error as Error & { code?: string; index?: number })
      }
    })
  }
}

/** The parser counts lines from where it began, so its message is not passed on. */
function broken(error: Error & { code?: string; index?: number }): CellError {
  const reason =
    error.code === 'CSV_INVALID_CLOSING_QUOTE'
      ? 'text behind a closing quote: double the quotes inside a cell'
      : error.code === 'INVALID_OPENING_QUOTE'
        ? 'a quote inside a cell: put the cell in quotes, and double those inside'
        : say(error)
  return new CellError(error.index ?? 0, reason, error)
}

function delimiter(name: string, value: unknown): void {
  string(name, value)
  if ((value as string).length !== 1 || /["\r\n]/.test(value as string)) throw optionRange(name, 'one character, and no quote or line end', value)
}

function header(name: string, value: unknown): void {
  if (!Array.isArray(value) || value.length === 0 || !value.every((column) => typeof column === 'string'))
    throw optionType(name, 'a list of column names', value)
}
