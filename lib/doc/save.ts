import { check } from '../base/check.js'
import { DocumentError, optionType, ParseError, say, show } from '../base/errors.js'
import { node } from '../base/node.js'
import { DocumentArray } from './array.js'
import type { Document, DocumentLike } from './document.js'
import { blocksOf } from './from/blocks.js'
import { columnOf } from './from/json.js'
import { fromNdjson } from './from/ndjson.js'
import { FROM, type FromOptions, reporter } from './from/options.js'
import { checkSource, fileOf, type TextSource } from './from/source.js'
import { documentJson } from './json-value.js'
import type { Format, LoadOptions, NodeWritable, SaveOptions, SaveTarget } from './save-options.js'

const PIECE = 64 * 1024

/** See {@link DocumentArray.save}. */
export async function save(documents: Iterable<Document>, target: SaveTarget, options: SaveOptions = {}): Promise<void> {
  check('save()', options, { format })
  const text = pieces(documents, options.format ?? formatOf(target))
  if (typeof target === 'string' || target instanceof URL) return saveFile(text, target)
  if (typeof (target as WritableStream)?.getWriter === 'function') return saveWebStream(text, target as WritableStream<Uint8Array>)
  if (typeof (target as NodeWritable)?.write === 'function') return saveNodeStream(text, target as NodeWritable)
  throw optionType('target', 'a path, a file: URL, a Node Writable or a WritableStream', target)
}

/** See {@link DocumentArray.load}. */
export async function load(source: TextSource, options: LoadOptions = {}): Promise<DocumentArray> {
  checkSource(source)
  check('load()', options, { ...FROM, format })
  const { format: chosen = formatOf(source), ...rest } = options
  const documents = new DocumentArray()
  if (chosen === 'ndjson') for await (const document of fromNdjson(source, rest)) documents.append(document)
  else await loadJson(source, rest.onInvalid, documents)
  return documents
}

/** Lines are never cut, so that several savers can share a stream. */
function* pieces(documents: Iterable<Document>, format: Format): Generator<string> {
  const json = format === 'json'
  let piece = ''
  let position = 0
  for (const document of documents) {
    if (json) piece += position === 0 ? '[\n' : ',\n'
    piece += jsonOf(document, position++)
    if (!json) piece += '\n'
    if (piece.length < PIECE) continue
    yield piece
    piece = ''
  }
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

async function saveFile(text: Iterable<string>, path: string | URL): Promise<void> {
  const { open } = await node('fs/promises')
  const file = await open(typeof path === 'string' && path.startsWith('file:') ? new URL(path) : path, 'w')
  try {
    // Unlike write(), writes all of it.
    for (const piece of text) await file.writeFile(piece)
  } finally {
    await file.close()
  }
}

async function saveWebStream(text: Iterable<string>, stream: WritableStream<Uint8Array>): Promise<void> {
  const encoder = new TextEncoder()
  for (const piece of text) {
    // The lock is held for no longer than the call, so that another save can write the next lines.
    const writer = stream.getWriter()
    const written = writer.write(encoder.encode(piece))
    writer.releaseLock()
    await written
  }
}

async function saveNodeStream(text: Iterable<string>, stream: NodeWritable): Promise<void> {
  for (const piece of text) {
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

async function loadJson(source: TextSource, onInvalid: FromOptions['onInvalid'], documents: DocumentArray): Promise<void> {
  const file = fileOf(source)
  const strict = reporter(file, undefined)
  let text = ''
  for await (const block of blocksOf(source, Infinity, strict, true)) text += block.text
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch (cause) {
    const at = columnOf(text, cause)
    const before = at === undefined ? '' : text.slice(0, at - 1)
    throw new ParseError(say(cause), { file, line: before.split('\n').length, column: at && at - 1 - before.lastIndexOf('\n') }, { cause })
  }
  if (!Array.isArray(list)) throw new ParseError(`the file must hold an array of documents, not ${show(list)}`, { file, line: 1, column: 1 })
  const report = reporter(file, onInvalid)
  for (let position = 0; position < list.length; position++) {
    try {
      documents.append(list[position] as DocumentLike)
    } catch (cause) {
      report(`document ${position}: ${say(cause)}`, 1, undefined, cause)
    }
  }
}

function formatOf(place: unknown): Format {
  return /\.json$/i.test(place instanceof URL ? place.pathname : typeof place === 'string' ? place : '') ? 'json' : 'ndjson'
}

function format(name: string, value: unknown): void {
  if (value !== 'ndjson' && value !== 'json') throw optionType(name, `'ndjson' or 'json'`, value)
}
