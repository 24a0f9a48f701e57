import { DocumentError, say } from '../../base/errors.js'
import { Counted } from '../../wire/proto/counted.js'
import { readDocument, writeDocuments } from '../../wire/proto/document.js'
import { LazyDocument, sizeOfUntouched } from '../../wire/proto/lazy.js'
import { MAX_DEPTH, Reader } from '../../wire/proto/reader.js'
import type { Source } from '../../wire/proto/source.js'
import { Writer, WriterFull } from '../../wire/proto/writer.js'
import type { Document } from '../document.js'
import { StoreError } from './error.js'
import { StoredDocument } from './view.js'

// A record is a DocumentProto of docarray 0.x: what a document is in a message of Jina.

/** Of one byte: that of a field with a length. */
const TAG = 0x0a
const counted = new Counted(Number.MAX_SAFE_INTEGER)

/** Bytes of a document, and of all that are read with it: a system writes no more than about 2 GiB at once, and lengths have 31 bits. */
export const MOST = 2 ** 31 - 2 ** 20

/** @throws DocumentError (`ERR_DOCUMENT`) for what no message could have, and for one of more than 2 GiB less 1 MiB, with the document's id */
export function recordsOf(documents: readonly Document[]): Uint8Array[] {
  let size = 64
  for (const document of documents) size += Math.max(sizeOfUntouched(document, 'v1'), 128) + 8
  const writer = new Writer(size)
  writer.most = MOST
  try {
    writeDocuments(writer, TAG, documents, 1)
  } catch (error) {
    if (!(error instanceof WriterFull || (error as Error).cause instanceof WriterFull)) throw error
    // One of them, or all together.
    if (documents.length > 1) return documents.flatMap((document) => recordsOf([document]))
    throw new DocumentError('ERR_DOCUMENT', `document ${documents[0]!.id} takes more than ${MOST} bytes, the most that a store takes for one: divide it`)
  }
  const bytes = writer.finish()
  const records: Uint8Array[] = new Array(documents.length)
  for (let i = 0, at = 0; i < documents.length; i++) {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[++at]!
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
    records[i] = bytes.subarray(++at, (at += length))
  }
  return records
}

/** Bytes that documents are read from when somebody asks them: records behind each other. */
export class Records implements Source {
  readonly reader: Reader
  readonly model = 'v1'
  readonly counted = counted

  constructor(
    bytes: Uint8Array,
    readonly path: string,
  ) {
    this.reader = new Reader(bytes, MAX_DEPTH)
  }

  read(source: Source, document: Document, start: number, end: number, depth: number, id: string): boolean {
    try {
      return readDocument(source, document, start, end, depth, id)
    } catch (cause) {
      throw new StoreError('ERR_STORE_FORMAT', this.path, `a document in it is broken: ${say(cause)}`, { cause })
    }
  }

  /** One that cannot be changed. */
  view(start = 0, end: number = this.reader.bytes.length): StoredDocument {
    return new StoredDocument(this, start, end, this.path)
  }

  /** One that can be changed, which changes nothing of what is stored. */
  free(start = 0, end: number = this.reader.bytes.length): Document {
    return new LazyDocument(this, start, end, 1)
  }
}
