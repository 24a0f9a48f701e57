import type { Document, DocumentLike } from './document.js'
import type { NdArray } from './ndarray.js'
import type { SaveOptions, SaveTarget } from './save-options.js'

/**
 * What arrays of documents have, in memory (DocumentArray, at once) and on disk (DocumentArrayMemmap, with promises): who awaits what it gets, and
 * iterates with `for await`, works with both.
 *
 * @typeParam D the documents' type
 */
export type DocumentList<D extends Document<any> = Document> = Listed<D> & (Iterable<D> | AsyncIterable<D>)

/** What is there at once, or has to be waited for. */
type Soon<T> = T | Promise<T>

/** A {@link DocumentList}, but for its iteration. */
export interface Listed<D extends Document<any> = Document> {
  readonly length: Soon<number>
  /** The document at a position; counted from the end when negative, as of arrays. */
  at(position: number): Soon<D | undefined>
  /** The first document with this id. */
  get(id: string): Soon<D | undefined>
  append(like: DocumentLike<any>): Soon<D>
  extend(likes: Iterable<DocumentLike<any>>): Soon<this>
  /**
   * Puts another document in the place of one. What has no id takes over the one that it was named by.
   * @throws DocumentError (`ERR_DOCUMENT`) where there is none
   */
  set(where: number | string, like: DocumentLike<any>): Soon<D>
  /** Those behind it move up. Returns whether there was one. */
  delete(where: number | string): Soon<boolean>
  clear(): Soon<void>
  readonly texts: Soon<string[]>
  readonly embeddings: Soon<(NdArray | undefined)[]>
  readonly contents: Soon<(string | Uint8Array | NdArray | undefined)[]>
  traverse(paths: string): Iterable<Document> | AsyncIterable<Document>
  traverseFlat(paths: string): Soon<Iterable<Document>>
  save(target: SaveTarget, options?: SaveOptions): Promise<void>
}

/**
 * The method of inputs that can begin behind their first documents: it takes how many, and returns an iterable of the rest. Arrays have no need of
 * one. Without it, who goes on with a job reads them all, and drops what is done.
 */
export const seek: unique symbol = /* @__PURE__ */ Symbol.for('sluice.seek') as never

/** Inputs that can begin behind their first documents. */
export interface Seekable extends AsyncIterable<unknown> {
  [seek]?(skipped: number): AsyncIterable<unknown>
}
