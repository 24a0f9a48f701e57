import { check } from '../../base/check.js'
import { say, show } from '../../base/errors.js'
import { Document, type DocumentLike } from '../document.js'
import { blocksOf } from './blocks.js'
import type { FieldResolver } from './columns.js'
import { columnOf } from './json.js'
import { endOfLine, lineAt } from './lines.js'
import { FROM, type FromOptions, fieldResolver, maxLengthOf, reporter } from './options.js'
import { checkSource, fileOf, type TextSource } from './source.js'

/** What `fromNdjson()` can be told. */
export interface FromNdjsonOptions extends FromOptions {
  /** Which key of a line fills which field: `{ body: 'text' }`, or which tag: `{ location: 'tags.location' }`. Keys that it does not name are taken as they are. */
  fieldResolver?: FieldResolver | undefined
}

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
export function fromNdjson(source: TextSource, options: FromNdjsonOptions = {}): AsyncGenerator<Document, void, undefined> {
  checkSource(source)
  check('fromNdjson()', options, { ...FROM, fieldResolver })
  return read(source, options)
}

async function* read(source: TextSource, options: FromNdjsonOptions): AsyncGenerator<Document, void, undefined> {
  const report = reporter(fileOf(source), options.onInvalid)
  const resolver = options.fieldResolver === undefined ? undefined : new Map(Object.entries(options.fieldResolver))
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
        document = Document.from((resolver === undefined ? value : renamed(value, resolver)) as DocumentLike)
      } catch (error) {
        report(say(error), line, undefined, error)
        continue
      }
      yield document
    }
  }
}

/** An object with other names for some of its keys. @throws Error for two that come to have one name */
function renamed(value: unknown, resolver: ReadonlyMap<string, string>): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = new Map<string, unknown>()
  const tags = new Map<string, unknown>()
  for (const [from, one] of Object.entries(value)) {
    const field = resolver.get(from) ?? from
    const [into, key] = resolver.has(from) && field.startsWith('tags.') ? [tags, field.slice(5)] : [entries, field]
    if (into.has(key)) throw new Error(`two of its keys fill ${show(field)}, ${show(from)} among them. Rename one by fieldResolver`)
    into.set(key, one)
  }
  const own = entries.get('tags')
  if (tags.size > 0) entries.set('tags', { ...(typeof own === 'object' ? own : {}), ...Object.fromEntries(tags) })
  return Object.fromEntries(entries)
}
