import { allocate, DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import { Eventual } from '../stream/eventual.js'
import { ignore, isThenable, lookAfter } from '../stream/thenable.js'
import { document, type Source, source } from './inputs.js'

export type Batches = Iterable<DocumentArray> | AsyncIterable<DocumentArray>

/** A step of batches that begin as a sync iterable and go on as an async one, where there is something to wait for among the inputs. */
export type Next = IteratorResult<DocumentArray> | Promise<IteratorResult<DocumentArray>>

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
    case 'later':
      return eventual(() => new Eventual(from.open, (inputs) => gather(source(inputs), size, idle), discard))
    case 'array':
      // Promises in a list have all begun, so that any may fail, also when nobody comes to read it.
      if (isThenable(from.items[0])) lookAfter(from.items)
      if (Math.min(size, from.items.length) <= LARGE) return { [Symbol.iterator]: () => new Slices(from.items, size, idle) as Iterator<any> }
  }
  if (readers !== undefined) return readers.batchesFrom(from, size, idle)
  return eventual(
    () =>
      new Eventual(
        load,
        ({ batchesFrom }) => batchesFrom(from, size, idle),
        () => discard(from.items),
      ),
  )
}

/** Batches that have to be waited for, once: whoever reads them sees step by step. */
function eventual(open: () => AsyncIterator<DocumentArray>): Batches {
  return { [Symbol.iterator]: open as () => any }
}

/** Documents in a batch that would hold up timers and sockets if it were made at a stretch. */
export const LARGE = 50_000

/** What reads other inputs than single documents and lists of them is loaded with the first of those. */
let readers: typeof import('./iterables.js') | undefined

async function load(): Promise<typeof import('./iterables.js')> {
  readers = await import('./iterables.js')
  return readers
}

/** Closes inputs that nobody wanted any more when they were there, or what reads them was. */
export function discard(inputs: unknown): void {
  if (Array.isArray(inputs)) lookAfter(inputs)
  else load().then(({ close }) => close(inputs), ignore)
}

/** Arrays are cut, which is cheaper than iterating. */
class Slices {
  #at = 0
  #failure: { reason: unknown } | undefined
  /** From the first promise on. */
  #rest: AsyncIterator<DocumentArray> | undefined

  constructor(
    readonly items: readonly unknown[],
    readonly size: number,
    readonly idle: number,
  ) {}

  next(): Next {
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

  return(): Next {
    return this.#rest?.return?.() ?? { done: true, value: undefined }
  }

  /** @param begun the documents of a batch that is not full */
  #await(begun: readonly Document[]): Next {
    const rest = this.items.slice(this.#at)
    lookAfter(rest)
    const position = this.#at - begun.length
    this.#rest = new Eventual(load, ({ readPromises }) => readPromises(begun, position, rest.values(), this.size, this.idle))
    return this.#rest.next()
  }
}
