import { type DocumentError, invalid, optionType } from '../base/errors.js'
import { Document, type DocumentLike, type Tags } from './document.js'
import type { TextSource } from './from/source.js'
import type { Listed } from './list.js'
import type { NdArray } from './ndarray.js'
import type { LoadOptions, SaveOptions, SaveTarget } from './save-options.js'

/**
 * An array of documents: all that arrays have, and access by id, columns, traversal, `save` and `load`.
 * `map`, `filter`, `slice` and the like give plain arrays, whose items need not be documents.
 *
 * @typeParam D the documents' type
 */
export class DocumentArray<D extends Document<any> = Document> extends Array<D> implements Listed<D> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }

  // No constructor: V8 makes arrays of a subclass twenty times faster without. Nor push() within: assigning at `length` is six times faster.
  // And no `new` on the road of a request: see allocate().

  /** Documents from what documents can be made from; those that are documents already are taken as they are. `new DocumentArray()` makes an empty one. */
  static override from<T extends object = Tags>(likes: Iterable<DocumentLike<T>>): DocumentArray<Document<T>>
  static override from(likes: any): any
  static override from(likes: Iterable<DocumentLike>): DocumentArray {
    return allocate(0).extend(likes)
  }

  /** @param id the id of a document in this array @returns a document with it; the first, unless the array was changed since it was last asked */
  get(id: string): D | undefined {
    const at = indexes.get(this)?.get(id)
    if (at !== undefined && this[at]?.id === id) return this[at]
    // The index is a guess: whoever changes the array does not tell it. A new one is made only where it finds something.
    if (!this.some((document) => document.id === id)) return undefined
    const index = new Map<string, number>()
    for (let i = this.length - 1; i >= 0; i--) index.set(this[i]!.id, i)
    indexes.set(this, index)
    return this[index.get(id)!]
  }

  /** Adds one document and returns it. */
  append(like: DocumentLike<any>): D {
    const document = Document.from(like) as D
    this[this.length] = document
    return document
  }

  /** Adds all documents. Unlike `push(...likes)`, takes any number of them. */
  extend(likes: Iterable<DocumentLike<any>>): this {
    // What they come from may be this array, which would never end.
    for (const like of [...likes]) this[this.length] = Document.from(like) as D
    return this
  }

  /**
   * Puts another document in the place of one, named by position or id. What has no id takes over the one that it was named by. @returns it
   * @throws DocumentError (`ERR_DOCUMENT`) where there is none
   */
  set(where: number | string, like: DocumentLike<any>): D {
    const at = placeOf(this, where)
    if (!(at in this)) throw absent(where)
    return (this[at] = replacement(where, like) as D)
  }

  /** Takes out one document, named by position or id. @returns whether there was one */
  delete(where: number | string): boolean {
    const at = placeOf(this, where)
    return at in this && !!this.splice(at, 1)
  }

  clear(): void {
    this.length = 0
  }

  /** The texts, in order; `''` for a document without. */
  get texts(): string[] {
    return this.map((document) => document.text)
  }

  get embeddings(): (NdArray | undefined)[] {
    return this.map((document) => document.embedding)
  }

  get contents(): (string | Uint8Array | NdArray | undefined)[] {
    return this.map((document) => document.content)
  }

  /**
   * The documents at the end of a path, depth first: `c` goes to the chunks, `m` to the matches, `r` stays (Jina's traversal paths).
   * Several paths are separated by commas: `'r,cm'` is the documents themselves, then the matches of their chunks.
   * @throws OptionTypeError (`ERR_OPTION_TYPE`) for a path with anything else in it
   */
  traverse(paths: string): Generator<Document> {
    const list = String(paths)
      .split(',')
      .map((path) => path.trim().replaceAll('r', ''))
    const wrong = list.find((path) => !/^[cm]*$/.test(path))
    if (wrong !== undefined) throw optionType('paths', `made of 'c' (chunks), 'm' (matches), 'r' (the documents) and commas`, wrong)
    return walkAll(this, list)
  }

  /** What {@link traverse} gives, as an array. */
  traverseFlat(paths: string): DocumentArray {
    return DocumentArray.from(this.traverse(paths))
  }

  /** Copies of the documents: see {@link Document.clone}. */
  clone(): DocumentArray<D> {
    const copy = allocate<D>(this.length)
    for (let i = 0; i < this.length; i++) copy[i] = this[i]!.clone() as D
    return copy
  }

  /** Unites with other versions of these documents, by id, the n-th of an id with the n-th: see {@link Document.merge}. Others come behind, in their order. */
  merge(others: Iterable<D>): this {
    const known = new Map<string, D[]>()
    for (const document of this.toReversed()) {
      const same = known.get(document.id)
      if (same === undefined) known.set(document.id, [document])
      else same.push(document)
    }
    for (const other of [...others]) {
      const mine = known.get(other.id)?.pop()
      if (mine === undefined) this[this.length] = other
      else mine.merge(other)
    }
    return this
  }

  /**
   * Writes the documents as NDJSON, one a line, or as a JSON array. A path is written whole, over what was there; a stream is
   * written to and left open, so that the next save goes on behind it.
   *
   * @param target a path, a `file:` URL, a Node `Writable` or a `WritableStream` of bytes
   * @param options `format`: `'ndjson'` or `'json'`; by default, `.json` is JSON, all others and streams NDJSON
   * @throws rejects with the platform's error when writing fails, with DocumentError for tags that are no JSON
   *
   * @example
   * await flow.post('/', inputs, { onAlways: (response) => response.docs.save(stream) }).drain()
   */
  async save(target: SaveTarget, options?: SaveOptions): Promise<void> {
    const { save } = await import('./save.js')
    return save(this, target, options)
  }

  /**
   * Reads what {@link save} wrote, or any other NDJSON or JSON array of documents, into memory. To stream it, see `fromNdjson`.
   *
   * @param source a path, a `file:` URL, a stream, or an iterable of chunks
   * @param options `format` as in {@link save}; `onInvalid` and, for NDJSON, `maxLength` as in `fromNdjson`
   * @throws rejects with ParseError that names file, line and column; in a JSON array, the position of what is no document
   */
  static async load(source: TextSource, options?: LoadOptions): Promise<DocumentArray> {
    const { load } = await import('./save.js')
    return load(source, options)
  }
}

/**
 * An array with room for so many documents, to be filled by index.
 *
 * Wherever `new DocumentArray(…)` is inlined into a hot loop, V8 (11 to 13) compiles that loop again and again, some thousand times, and throws
 * each result away ("dependency change"): in 2 to 5 of 10 processes, whatever makes batches is then three times slower for good. An array that
 * gets its prototype afterwards has no constructor to inline. `test/post/compiled.ts` would see it come back.
 */
export function allocate<D extends Document<any> = Document>(length: number): DocumentArray<D> {
  return Object.setPrototypeOf(new Array(length), DocumentArray.prototype)
}

/** What is put in the place of a document. */
export function replacement(where: number | string, like: DocumentLike<any>): Document {
  const document = Document.from(like)
  if (typeof where === 'string' && !(like as Document).id) document.id = where
  return document
}

export function absent(where: number | string): DocumentError {
  return invalid('where', 'a position or an id in the array', where)
}

/** A position, which may be one where there is no document. */
function placeOf(documents: DocumentArray<any>, where: number | string): number {
  if (typeof where === 'string') return documents.findIndex(({ id }) => id === where)
  return where < 0 ? where + documents.length : where
}

/** Positions by id, for the arrays that were asked. A field would cost every array, and arrays are made by the million. */
const indexes = new WeakMap<DocumentArray<any>, Map<string, number>>()

function* walkAll(documents: Iterable<Document>, paths: readonly string[]): Generator<Document> {
  for (const path of paths) yield* walk(documents, path)
}

function* walk(documents: Iterable<Document>, path: string): Generator<Document> {
  const step = path[0]
  if (step === undefined) yield* documents
  else {
    const field = step === 'c' ? 'chunks' : 'matches'
    for (const document of documents) if (document.has(field)) yield* walk(document[field], path.slice(1))
  }
}
