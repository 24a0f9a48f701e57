import batch from 'it-batch'
import { allocate, DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { isThenable, lookAfter } from '../stream/adopt.js'
import { document, type Source, source } from './inputs.js'

type Batches = Iterable<DocumentArray> | AsyncIterable<DocumentArray>

/** A step of batches that begin as a sync iterable and go on as an async one, where a promise is met among the inputs. */
type Step = IteratorResult<DocumentArray> | Promise<IteratorResult<DocumentArray>>

/**
 * A stage: inputs become batches of `size` documents. In all cases, documents that came before a failure go out before it.
 * @param idle milliseconds after which an async source counts as idle, and a batch goes out that is not full
 */
export function batches(size: number, idle: number): (inputs: unknown) => Batches {
  const documents = size >= 1 ? size : Infinity
  return (inputs) => gather(source(inputs), documents, idle)
}

function gather(from: Source, size: number, idle: number): Batches {
  switch (from.kind) {
    case 'nothing':
      return [allocate(0)]
    case 'one':
      return [DocumentArray.from([from.document])]
    case 'array':
      // Promises in a list have all begun, so that any may fail, also when nobody comes to read it.
      if (isThenable(from.items[0])) lookAfter(from.items)
      if (Math.min(size, from.items.length) > LARGE) return slowly(from.items, size, idle)
      return { [Symbol.iterator]: () => new Slices(from.items, size, idle) as Iterator<any> }
    case 'sync':
      if (size > LARGE) return slowly(from.items, size, idle)
      return { [Symbol.iterator]: () => new Batched(from.items, size, idle) as Iterator<any> }
    case 'async':
      return { [Symbol.asyncIterator]: () => new Later(reading, ({ coalesce }) => coalesce(from.items, size, idle), from.items) }
    case 'later':
      return { [Symbol.asyncIterator]: () => new Later(from.open, (inputs) => gather(source(inputs), size, idle)) }
  }
}

/** What reads async sources is loaded with the first one. */
const reading = () => import('./async-inputs.js')

/** Documents in a batch that would hold up timers and sockets if it were made at a stretch. */
const LARGE = 50_000

/** Read as an async source is, which steps aside now and then. */
function slowly(items: Iterable<unknown>, size: number, idle: number): Batches {
  return { [Symbol.asyncIterator]: () => new Later(reading, ({ InTurn, coalesce }) => coalesce(new InTurn([], items[Symbol.iterator]()), size, idle), []) }
}

/**
 * The batches from the first promise on.
 * @param begun documents of a batch that is not full, and perhaps the promise, at `position` among the inputs
 * @param rest gives what comes behind
 */
function promised(begun: readonly unknown[], position: number, rest: Iterator<unknown>, size: number, idle: number): Later {
  return new Later(reading, ({ InTurn, coalesce }) => coalesce(new InTurn(begun, rest), size, idle, position), { [Symbol.iterator]: () => rest })
}

/** Arrays are cut, which is cheaper than iterating. */
class Slices {
  #at = 0
  #failure: { reason: unknown } | undefined
  /** From the first promise on. */
  #rest: Later | undefined

  constructor(
    readonly items: readonly unknown[],
    readonly size: number,
    readonly idle: number,
  ) {}

  next(): Step {
    if (this.#rest !== undefined) return this.#rest.next()
    if (this.#failure !== undefined) throw this.#failure.reason
    const { items } = this
    if (this.#at >= items.length) return { done: true, value: undefined }
    const count = Math.min(this.size, items.length - this.#at)
    const docs = allocate(count)
    for (let i = 0; i < count; i++, this.#at++) {
      try {
        docs[i] = document(items[this.#at], this.#at)
      } catch (reason) {
        if (isThenable(items[this.#at])) return this.#await(docs.slice(0, i))
        if (i === 0) throw reason
        this.#failure = { reason }
        docs.length = i
        break
      }
    }
    return { done: false, value: docs }
  }

  return(): Step {
    return this.#rest?.return() ?? { done: true, value: undefined }
  }

  /** @param begun the documents of a batch that is not full */
  #await(begun: readonly Document[]): Step {
    const rest = this.items.slice(this.#at)
    lookAfter(rest)
    this.#rest = promised(begun, this.#at - begun.length, rest.values(), this.size, this.idle)
    return this.#rest.next()
  }
}

/** Other iterables go through it-batch, which drops its last batch when the source fails: so the source does not seem to. */
class Batched {
  readonly #documents: Checked
  readonly #batches: Iterator<Document[]>
  /** From the first promise on. */
  #rest: Later | undefined

  constructor(
    items: Iterable<unknown>,
    readonly size: number,
    readonly idle: number,
  ) {
    this.#documents = new Checked(items)
    this.#batches = batch(this.#documents, size)
  }

  next(): Step {
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

  return(): Step {
    if (this.#rest !== undefined) return this.#rest.return()
    // A generator that was never started would not close what it was to read; there is nothing open then.
    this.#batches.return?.()
    return { done: true, value: undefined }
  }

  #await(begun: readonly Document[]): Step {
    const { promise, position, iterator } = this.#documents
    this.#rest = promised([...begun, promise], position - begun.length, iterator!, this.size, this.idle)
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

/** Batches that are only known once they are asked for: of what a function gives, and of an async source, as what reads one is loaded then. */
class Later implements AsyncIterator<DocumentArray> {
  readonly #open: () => unknown
  readonly #gather: (opened: any) => Batches
  readonly #source: unknown
  #iterator: Iterator<DocumentArray> | AsyncIterator<DocumentArray> | undefined
  #over = false

  /** @param from what is to be closed if nobody wants it any more when it could be read; what was opened, unless told */
  constructor(open: () => Promise<typeof import('./async-inputs.js')>, gather: (opened: typeof import('./async-inputs.js')) => Batches, from: unknown)
  constructor(open: () => unknown, gather: (opened: unknown) => Batches)
  constructor(open: () => unknown, gather: (opened: any) => Batches, from?: unknown) {
    this.#open = open
    this.#gather = gather
    this.#source = from
  }

  async next(): Promise<IteratorResult<DocumentArray>> {
    if (this.#iterator === undefined && !this.#over) {
      const opened = await this.#open()
      if (this.#over) {
        if (Array.isArray(opened)) lookAfter(opened)
        const { discard } = await reading()
        discard(this.#source ?? opened)
        return { done: true, value: undefined }
      }
      const batches = this.#gather(opened)
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
