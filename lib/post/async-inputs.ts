import { allocate, type DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { ignore, isThenable } from '../stream/adopt.js'
import { Coalesce } from '../stream/coalesce.js'
import { document } from './inputs.js'

/**
 * Batches of an async source.
 * @param idle milliseconds after which it counts as idle, and a batch goes out that is not full
 * @param position of its first item among the inputs
 */
export function coalesce(items: AsyncIterable<unknown>, size: number, idle: number, position = 0): Coalesce<Document, DocumentArray> {
  return new Coalesce(
    items,
    size,
    (item) => document(item, position++),
    () => allocate(0),
    idle,
  )
}

/** What a sync iterator gives, read as `for await` reads it: a promise is awaited before the next item is asked for. */
export class InTurn implements AsyncIterableIterator<unknown> {
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

/** Closes inputs that could be read when nobody wanted them any more. What that throws is not the news. */
export function discard(inputs: unknown): void {
  if (typeof inputs !== 'object' || inputs === null) return
  const opened = inputs as Partial<AsyncIterable<unknown> & Iterable<unknown> & { destroy(): void }>
  ;(async () => {
    // The iterator of a stream of Node closes nothing before it was read.
    if (typeof opened.destroy === 'function') opened.destroy()
    else await (opened[Symbol.asyncIterator]?.() ?? opened[Symbol.iterator]?.())?.return?.()
  })().catch(ignore)
}
