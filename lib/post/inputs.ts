import { InputError, say, show } from '../base/errors.js'
import { Document, type DocumentLike, type Tags } from '../doc/document.js'

/**
 * Documents, or what documents are made from: one, several, or as many as come. Promises of them in an iterable, as of `ids.map(load)`, are
 * read as `for await` reads them: one after the other, and the first that is rejected is the failure of the input. Those of a list have all
 * begun, though; that some of them fail which are never reached is nobody's business.
 */
export type Documents<T extends object = Tags> = Like<T> | readonly Soon<T>[] | Iterable<Soon<T>> | AsyncIterable<Like<T>>

type Soon<T extends object> = Like<T> | PromiseLike<Like<T>>

/** What is a document already has the tags that it has. */
type Like<T extends object> = DocumentLike<T> | Document<any>

/**
 * What `post()` takes: {@link Documents}, or a function that returns (a promise of) them and is called when the first response
 * is asked for. Nothing, and one request without documents goes out; an empty iterable, and none does.
 */
export type Inputs<T extends object = Tags> = Documents<T> | (() => Documents<T> | undefined | Promise<Documents<T> | undefined>) | undefined

/** Inputs, sorted by how they are read. */
export type Source =
  | { kind: 'nothing' }
  | { kind: 'one'; document: Document }
  | { kind: 'array'; items: readonly unknown[] }
  | { kind: 'sync'; items: Iterable<unknown> }
  | { kind: 'async'; items: AsyncIterable<unknown> }
  | { kind: 'later'; open: () => unknown }

/** @throws InputError (`ERR_INPUT`) for what is neither a document nor an iterable of them */
export function source(inputs: unknown): Source {
  if (inputs === undefined || inputs === null) return { kind: 'nothing' }
  if (typeof inputs === 'function') return { kind: 'later', open: inputs as () => unknown }
  if (typeof inputs === 'string' || inputs instanceof Document || ArrayBuffer.isView(inputs)) return { kind: 'one', document: document(inputs, 0) }
  if (typeof inputs === 'object') {
    if (Array.isArray(inputs)) return { kind: 'array', items: inputs }
    if (typeof (inputs as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function') return { kind: 'async', items: inputs as AsyncIterable<unknown> }
    if (typeof (inputs as Iterable<unknown>)[Symbol.iterator] === 'function') return { kind: 'sync', items: inputs as Iterable<unknown> }
    if (typeof (inputs as PromiseLike<unknown>).then === 'function') return { kind: 'later', open: () => inputs }
    return { kind: 'one', document: document(inputs, 0) }
  }
  throw new InputError(
    'ERR_INPUT',
    `post() takes a document, an iterable or async iterable of documents, a function that returns one, or nothing; not ${show(inputs)}`,
  )
}

/** @throws InputError (`ERR_INPUT`) that says which input is no document */
export function document(input: unknown, position: number): Document {
  if (input instanceof Document) return input
  try {
    return Document.from(input as DocumentLike)
  } catch (cause) {
    throw new InputError('ERR_INPUT', `Input ${position} of post() is not a document: ${say(cause)}`, { cause })
  }
}
