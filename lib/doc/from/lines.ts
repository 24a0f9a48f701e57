import { check } from '../../base/check.js'
import { Document } from '../document.js'
import { blocksOf } from './blocks.js'
import { FROM, type FromOptions, maxLengthOf, reporter } from './options.js'
import { checkSource, fileOf, type TextSource } from './source.js'

/**
 * A document for each line, with the line as `text`; a blank line gives a document with the text `''`.
 * Lines end in LF or CRLF, the last one also without. An empty file has no lines. Nothing is opened before the first `next()`;
 * an early `return()` closes the file or stream.
 *
 * @param source a path, a `file:` URL, a stream, or an iterable of chunks: see {@link TextSource}
 * @throws OptionTypeError, OptionRangeError at the call, for a source or option that is none
 * @throws ParseError (`ERR_PARSE`) while reading, for a line that is not UTF-8 or too long, with file, line and column
 *
 * @example
 * flow.index(fromLines('corpus.txt'))
 */
export function fromLines(source: TextSource, options: FromOptions = {}): AsyncGenerator<Document, void, undefined> {
  checkSource(source)
  check('fromLines()', options, FROM)
  return read(source, options)
}

async function* read(source: TextSource, options: FromOptions): AsyncGenerator<Document, void, undefined> {
  const report = reporter(fileOf(source), options.onInvalid)
  for await (const { text } of blocksOf(source, maxLengthOf(options), report)) {
    for (let at = 0; at < text.length; ) {
      const end = endOfLine(text, at)
      yield Document.from(lineAt(text, at, end))
      at = end + 1
    }
  }
}

/** Where the line that begins at `at` has its line feed, or where the text ends. */
export function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end === -1 ? text.length : end
}

/** A line without its CR. */
export function lineAt(text: string, at: number, end: number): string {
  return text.slice(at, end > at && text.charCodeAt(end - 1) === 13 ? end - 1 : end)
}
