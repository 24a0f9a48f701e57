import { check } from '../../base/check.js'
import { say } from '../../base/errors.js'
import { Document, type DocumentLike } from '../document.js'
import { blocksOf } from './blocks.js'
import { columnOf } from './json.js'
import { endOfLine, lineAt } from './lines.js'
import { FROM, type FromOptions, maxLengthOf, reporter } from './options.js'
import { checkSource, fileOf, type TextSource } from './source.js'

/**
 * A document for each line of JSON: an object with a document's fields (Jina's `snake_case` names too; other keys become
 * tags), or a string, which becomes the text. Blank lines are skipped. Nothing is opened before the first `next()`; an early
 * `return()` closes the file or stream.
 *
 * @param source a path, a `file:` URL, a stream, or an iterable of chunks: see {@link TextSource}
 * @throws OptionTypeError, OptionRangeError at the call, for a source or option that is none
 * @throws ParseError (`ERR_PARSE`) while reading, with file, line and column: a line that is not JSON (`cause` is the SyntaxError),
 * no document (`cause` is the DocumentError), not UTF-8 or too long. With `onInvalid` such lines are skipped
 *
 * @example
 * flow.index(fromNdjson('documents.ndjson', { onInvalid: (error) => console.warn(error.message) }))
 */
export function fromNdjson(source: TextSource, options: FromOptions = {}): AsyncGenerator<Document, void, undefined> {
  checkSource(source)
  check('fromNdjson()', options, FROM)
  return read(source, options)
}

async function* read(source: TextSource, options: FromOptions): AsyncGenerator<Document, void, undefined> {
  const report = reporter(fileOf(source), options.onInvalid)
  for await (const block of blocksOf(source, maxLengthOf(options), report, true)) {
    const { text } = block
    for (let at = 0, { line } = block; at < text.length; line++) {
      const end = endOfLine(text, at)
      const json = lineAt(text, at, end)
      at = end + 1
      let value: unknown
      try {
        value = JSON.parse(json)
      } catch (error) {
        if (json.trim() !== '') report(say(error), line, columnOf(json), error)
        continue
      }
      let document: Document
      try {
        document = Document.from(value as DocumentLike)
      } catch (error) {
        report(say(error), line, undefined, error)
        continue
      }
      yield document
    }
  }
}
