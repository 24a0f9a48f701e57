import { check } from '../base/check.js'
import { DocumentError, optionType, ParseError, say, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { DocumentArray } from './array.js'
import { Document, type DocumentLike } from './document.js'
import { blocksOf } from './from/blocks.js'
import { columnOf } from './from/json.js'
import { fromNdjson } from './from/ndjson.js'
import { FROM, type FromOptions, reporter } from './from/options.js'
import { checkSource, fileOf, type TextSource } from './from/source.js'
import { documentJson } from './json-value.js'
import type { Format, LoadOptions, NodeWritable, SaveOptions, SaveTarget } from './save-options.js'

const PIECE = 64 * 1024

/** See {@link DocumentArray.save}. */
export async function save(documents: Iterable<Document> | AsyncIterable<Document>, target: SaveTarget, options: SaveOptions = {}): Promise<void> {
  check('save()', options, { format })
  const text = pieces(documents, options.format ?? formatOf(target))
  if (typeof target === 'string' || target instanceof URL) return saveFile(text, target)
  if (typeof (target as WritableStream)?.getWriter === 'function') return saveWebStream(text, target as WritableStream<Uint8Array>)
  if (typeof (target as NodeWritable)?.write === 'function') return saveNodeStream(text, target as NodeWritable)
  throw optionType('target', 'a path, a file: URL, a Node Writable or a WritableStream', target)
}

/** See {@link DocumentArray.load}. */
export async function load(source: TextSource, options?: LoadOptions): Promise<DocumentArray> {
  const documents = new DocumentArray()
  for await (const document of documentsOf(source, options)) documents.append(document)
  return documents
}

/** The documents that {@link load} reads, as they are read; of a JSON array, when it was read. */
export function documentsOf(source: TextSource, options: LoadOptions = {}): AsyncIterable<Document> {
  checkSource(source)
  check('load()', options, { ...FROM, format })
  const { format: chosen = formatOf(source), ...rest } = options
  return chosen === 'ndjson' ? fromNdjson(source, rest) : fromJson(source, rest.onInvalid)
}

/** Lines are never cut, so that several savers can share a stream. */
async function* pieces(documents: Iterable<Document> | AsyncIterable<Document>, format: Format): AsyncGenerator<string> {
  const json = format === 'json'
  let piece = ''
  let position = 0
  const add = (document: Document): boolean => {
    if (json) piece += position === 0 ? '[\n' : ',\n'
    piece += jsonOf(document, position++)
    if (!json) piece += '\n'
    return piece.length >= PIECE
  }
  const take = (): string => {
    const taken = piece
    piece = ''
    return taken
  }
  // No promise for each of those that are there.
  if (Symbol.iterator in documents) {
    for (const document of documents) if (add(document)) yield take()
  } else for await (const document of documents) if (add(document)) yield take()
  if (json) piece += position === 0 ? '[]\n' : '\n]\n'
  if (piece !== '') yield piece
}

function jsonOf(document: Document, position: number): string {
  try {
    return JSON.stringify(documentJson(document))
  } catch (cause) {
    throw new DocumentError('ERR_DOCUMENT', `Document ${position} (${document.id}) cannot be written as JSON: ${say(cause)}`, { cause })
  }
}

async function saveFile(text: AsyncIterable<string>, path: string | URL): Promise<void> {
  const { open } = await node('fs/promises')
  const file = await open(typeof path === 'string' && path.startsWith('file:') ? new URL(path) : path, 'w')
  try {
    // Unlike write(), writes all of it.
    for await (const piece of text) await file.writeFile(piece)
  } finally {
    await file.close()
  }
}

async function saveWebStream(text: AsyncIterable<string>, stream: WritableStream<Uint8Array>): Promise<void> {
  const encoder = new TextEncoder()
  for await (const piece of text) {
    // The lock is held for no longer than the call, so that another save can write the next lines.
    const writer = stream.getWriter()
    const written = writer.write(encoder.encode(piece))
    writer.releaseLock()
    await written
  }
}

async function saveNodeStream(text: AsyncIterable<string>, stream: NodeWritable): Promise<void> {
  for await (const piece of text) {
    await new Promise<void>((resolve, reject) => {
      const closed = () => done(new Error('The stream was closed before all was written'))
      const done = (error?: Error | null) => {
        stream.off('close', closed)
        // After a failure the listener stays: the stream will emit the error that the promise tells already.
        if (error) reject(error)
        else {
          stream.off('error', done)
          resolve()
        }
      }
      stream.on('error', done)
      stream.on('close', closed)
      stream.write(piece, done)
    })
  }
}

async function* fromJson(source: TextSource, onInvalid: FromOptions['onInvalid']): AsyncGenerator<Document> {
  const file = fileOf(source)
  const strict = reporter(file, undefined)
  let text = ''
  for await (const block of blocksOf(source, Infinity, strict, true)) text += block.text
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch (cause) {
    const at = columnOf(text)
    const before = text.slice(0, at - 1)
    throw new ParseError(say(cause), { file, line: before.split('\n').length, column: at - 1 - before.lastIndexOf('\n') }, { cause })
  }
  if (!Array.isArray(list)) throw new ParseError(`the file must hold an array of documents, not ${show(list)}`, { file, line: 1, column: 1 })
  const report = reporter(file, onInvalid)
  for (let position = 0; position < list.length; position++) {
    let document: Document
    try {
      document = Document.from(list[position] as DocumentLike)
    } catch (cause) {
      report(`document ${position}: ${say(cause)}`, 1, undefined, cause)
      continue
    }
    yield document
  }
}

function formatOf(place: unknown): Format {
  return /\.json$/i.test(place instanceof URL ? place.pathname : typeof place === 'string' ? place : '') ? 'json' : 'ndjson'
}

function format(name: string, value: unknown): void {
  if (value !== 'ndjson' && value !== 'json') throw optionType(name, `'ndjson' or 'json'`, value)
}
