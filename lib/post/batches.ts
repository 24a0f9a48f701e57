import batch from 'it-batch'
import { allocate, DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { document, type Source, source } from './inputs.js'

type Batches = Iterable<DocumentArray> | AsyncIterable<DocumentArray>

/**
 * A stage: inputs become batches of `size` documents. In all cases, documents that came before a failure go out before it.
 * @param idle milliseconds after which an async source counts as idle, and a batch goes out that is not full
 */
export function batches(size: number, idle?: number): (inputs: unknown) => Batches {
  const documents = size >= 1 ? size : Infinity
  return (inputs) => gather(source(inputs), documents, idle)
}

function gather(from: Source, size: number, idle: number | undefined): Batches {
  switch (from.kind) {
    case 'nothing':
      return [allocate(0)]
    case 'one':
      return [DocumentArray.from([from.document])]
    case 'array':
      if (Math.min(size, from.items.length) > LARGE) return gather({ kind: 'async', items: slowly(from.items) }, size, idle)
      return { [Symbol.iterator]: () => new Slices(from.items, size) }
    case 'sync':
      if (size > LARGE) return gather({ kind: 'async', items: slowly(from.items) }, size, idle)
      return { [Symbol.iterator]: () => new Batched(from.items, size) }
    case 'async': {
      let position = 0
      const item = (given: unknown): Document => document(given, position++)
      return later(
        () => import('../stream/coalesce.js'),
        ({ Coalesce }) => new Coalesce(from.items, size, item, () => allocate(0), idle),
      )
    }
    case 'later':
      return later(from.open, (inputs) => gather(source(inputs), size, idle))
  }
}

function later<T>(open: () => T, gather: (opened: Awaited<T>) => Batches): Batches {
  return { [Symbol.asyncIterator]: () => new Later(open, gather as (opened: unknown) => Batches) }
}

/** Documents in a batch that would hold up timers and sockets if it were made at a stretch. */
const LARGE = 50_000

/** Read as an async source is, which steps aside now and then. */
async function* slowly(items: Iterable<unknown>): AsyncGenerator<unknown> {
  yield* items
}

/** Arrays are cut, which is cheaper than iterating. */
class Slices implements Iterator<DocumentArray> {
  #at = 0
  #failure: { reason: unknown } | undefined

  constructor(
    readonly items: readonly unknown[],
    readonly size: number,
  ) {}

  next(): IteratorResult<DocumentArray> {
    if (this.#failure !== undefined) throw this.#failure.reason
    const { items } = this
    if (this.#at >= items.length) return { done: true, value: undefined }
    const count = Math.min(this.size, items.length - this.#at)
    const docs = allocate(count)
    for (let i = 0; i < count; i++, this.#at++) {
      try {
        docs[i] = document(items[this.#at], this.#at)
      } catch (reason) {
        if (i === 0) throw reason
        this.#failure = { reason }
        docs.length = i
        break
      }
    }
    return { done: false, value: docs }
  }
}

/** Other iterables go through it-batch, which drops its last batch when the source fails: so the source does not seem to. */
class Batched implements Iterator<DocumentArray> {
  readonly #documents: Checked
  readonly #batches: Iterator<Document[]>

  constructor(items: Iterable<unknown>, size: number) {
    this.#documents = new Checked(items)
    this.#batches = batch(this.#documents, size)
  }

  next(): IteratorResult<DocumentArray> {
    const { done, value } = this.#batches.next()
    if (done) {
      if (this.#documents.failure !== undefined) throw this.#documents.failure.reason
      return { done, value: undefined }
    }
    const docs = allocate(value.length)
    for (let i = 0; i < value.length; i++) docs[i] = value[i] as Document
    return { done: false, value: docs }
  }

  return(): IteratorReturnResult<undefined> {
    // A generator that was never started would not close what it was to read; there is nothing open then.
    this.#batches.return?.()
    return { done: true, value: undefined }
  }
}

/** The documents of an iterable, which ends where the iterable fails. For it-batch alone, which is done with a step before it asks for the next. */
class Checked implements IterableIterator<Document> {
  failure: { reason: unknown } | undefined
  readonly #items: Iterable<unknown>
  readonly #step = { done: false, value: undefined as unknown as Document }
  #iterator: Iterator<unknown> | undefined
  #position = 0

  constructor(items: Iterable<unknown>) {
    this.#items = items
  }

  next(): IteratorResult<Document> {
    let reading = true
    try {
      this.#iterator ??= this.#items[Symbol.iterator]()
      const { done, value } = this.#iterator.next()
      if (!done) {
        reading = false
        this.#step.value = document(value, this.#position++)
        return this.#step
      }
    } catch (reason) {
      this.failure = { reason }
      if (!reading) this.#close()
    }
    return { done: true, value: undefined }
  }

  return(): IteratorReturnResult<undefined> {
    this.#iterator?.return?.()
    return { done: true, value: undefined }
  }

  /** After an item that is no document. What closing throws is not the news. */
  #close(): void {
    try {
      this.#iterator?.return?.()
    } catch {}
  }

  [Symbol.iterator](): this {
    return this
  }
}

/** Batches that are only known once they are asked for: of what a function gives, and of an async source, as what reads one is loaded then. */
class Later implements AsyncIterator<DocumentArray> {
  readonly #open: () => unknown
  readonly #gather: (inputs: unknown) => Batches
  #iterator: Iterator<DocumentArray> | AsyncIterator<DocumentArray> | undefined
  #over = false

  constructor(open: () => unknown, gather: (inputs: unknown) => Batches) {
    this.#open = open
    this.#gather = gather
  }

  async next(): Promise<IteratorResult<DocumentArray>> {
    if (this.#iterator === undefined && !this.#over) {
      const inputs = await this.#open()
      if (this.#over) return { done: true, value: undefined }
      const batches = this.#gather(inputs)
      this.#iterator = Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]()
    }
    return this.#over ? { done: true, value: undefined } : this.#iterator!.next()
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#over = true
    await this.#iterator?.return?.()
    return { done: true, value: undefined }
  }
}
