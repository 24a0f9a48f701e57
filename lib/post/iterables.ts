import batch from 'it-batch'
import { allocate, type DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { type Seekable, seek } from '../doc/list.js'
import { Coalesce } from '../stream/coalesce.js'
import { destroyUnread, ignore, isThenable } from '../stream/thenable.js'
import { type Batches, LARGE, type Next } from './batches.js'
import { document, type Source } from './inputs.js'

/** Batches of inputs that are no list, or too long a one: read as an async source is, they step aside now and then. */
export function batchesFrom(from: Source, size: number, idle: number): Batches {
  const { items } = from as Extract<Source, { items: unknown }>
  if (from.kind === 'sync' && size <= LARGE) return { [Symbol.iterator]: () => new SyncBatches(items as Iterable<unknown>, size, idle) as Iterator<any> }
  // What can begin anywhere is asked to, from the beginning: documents that it gives so are the post's own.
  if (from.kind === 'async') return coalesce((from.items as Seekable)[seek]?.(0) ?? from.items, size, idle)
  return { [Symbol.asyncIterator]: () => readPromises([], 0, (items as Iterable<unknown>)[Symbol.iterator](), size, idle) }
}

/**
 * The batches from the first promise on.
 * @param begun documents of a batch that is not full, and perhaps the promise, at `position` among the inputs
 * @param rest gives what comes behind
 */
export function readPromises(
  begun: readonly unknown[],
  position: number,
  rest: Iterator<unknown>,
  size: number,
  idle: number,
): Coalesce<Document, DocumentArray> {
  return coalesce(new InTurn(begun, rest), size, idle, position)
}

/**
 * Batches of an async source.
 * @param idle milliseconds after which it counts as idle, and a batch goes out that is not full
 * @param position of its first item among the inputs
 */
function coalesce(items: AsyncIterable<unknown>, size: number, idle: number, position = 0): Coalesce<Document, DocumentArray> {
  return new Coalesce(
    items,
    size,
    (item) => document(item, position++),
    () => allocate(0),
    idle,
  )
}

/** What a sync iterator gives, read as `for await` reads it: a promise is awaited before the next item is asked for. */
class InTurn implements AsyncIterableIterator<unknown> {
  readonly #begun: readonly unknown[]
  readonly #iterator: Iterator<unknown>
  #at = 0

  /** @param begun what was taken from the iterator before */
  constructor(begun: readonly unknown[], iterator: Iterator<unknown>) {
    this.#begun = begun
    this.#iterator = iterator
  }

  async next(): Promise<IteratorResult<unknown>> {
    const step = this.#at < this.#begun.length ? { done: false, value: this.#begun[this.#at++] } : this.#iterator.next()
    if (step.done || !isThenable(step.value)) return step
    try {
      return { done: false, value: await step.value }
    } catch (error) {
      // What closing throws is not the news.
      await this.return().catch(ignore)
      throw error
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#iterator.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Other iterables go through it-batch, which drops its last batch when the source fails: so the source does not seem to. */
class SyncBatches {
  readonly #documents: Checked
  readonly #batches: Iterator<Document[]>
  /** From the first promise on. */
  #rest: Coalesce<Document, DocumentArray> | undefined

  constructor(
    items: Iterable<unknown>,
    readonly size: number,
    readonly idle: number,
  ) {
    this.#documents = new Checked(items)
    this.#batches = batch(this.#documents, size)
  }

  next(): Next {
    if (this.#rest !== undefined) return this.#rest.next()
    const { done, value } = this.#batches.next()
    // Met by the last batch, which would have been full.
    if (this.#documents.promise !== undefined) return this.#await(done ? [] : value)
    if (done) {
      if (this.#documents.failure !== undefined) throw this.#documents.failure.reason
      return { done, value: undefined }
    }
    const docs = allocate(value.length)
    for (let i = 0; i < value.length; i++) docs[i] = value[i] as Document
    return { done: false, value: docs }
  }

  return(): Next {
    if (this.#rest !== undefined) return this.#rest.return()
    // A generator that was never started would not close what it was to read; there is nothing open then.
    this.#batches.return?.()
    return { done: true, value: undefined }
  }

  #await(begun: readonly Document[]): Next {
    const { promise, position, iterator } = this.#documents
    this.#rest = readPromises([...begun, promise], position - begun.length, iterator!, this.size, this.idle)
    return this.#rest.next()
  }
}

/** The documents of an iterable, which ends where the iterable fails, and at its first promise. For it-batch alone, which is done with a step before it asks for the next. */
class Checked implements IterableIterator<Document> {
  failure: { reason: unknown } | undefined
  promise: PromiseLike<unknown> | undefined
  iterator: Iterator<unknown> | undefined
  /** How many documents came. */
  position = 0
  readonly #items: Iterable<unknown>
  readonly #step = { done: false, value: undefined as unknown as Document }

  constructor(items: Iterable<unknown>) {
    this.#items = items
  }

  next(): IteratorResult<Document> {
    let reading = true
    let item: unknown
    try {
      this.iterator ??= this.#items[Symbol.iterator]()
      const { done, value } = this.iterator.next()
      if (!done) {
        reading = false
        item = value
        this.#step.value = document(value, this.position)
        this.position++
        return this.#step
      }
    } catch (reason) {
      if (isThenable(item)) {
        this.promise = item
        return { done: true, value: undefined }
      }
      this.failure = { reason }
      if (!reading) this.#close()
    }
    return { done: true, value: undefined }
  }

  return(): IteratorReturnResult<undefined> {
    this.iterator?.return?.()
    return { done: true, value: undefined }
  }

  /** After an item that is no document. What closing throws is not the news. */
  #close(): void {
    try {
      this.iterator?.return?.()
    } catch {}
  }

  [Symbol.iterator](): this {
    return this
  }
}

/** Closes inputs that could be read when nobody wanted them any more. What that throws is not the news. */
export function close(inputs: unknown): void {
  if (typeof inputs !== 'object' || inputs === null) return
  const opened = inputs as Partial<AsyncIterable<unknown> & Iterable<unknown>>
  ;(async () => {
    destroyUnread(inputs)
    await (opened[Symbol.asyncIterator]?.() ?? opened[Symbol.iterator]?.())?.return?.()
  })().catch(ignore)
}
