import { LazyDocument } from '../../wire/proto/lazy.js'
import type { Source } from '../../wire/proto/source.js'
import { DocumentArray } from '../array.js'
import { Document } from '../document.js'
import { StoreError } from './error.js'

/** Where chunks and matches of views are stored: they become views after they were made, and have no field for it. */
const paths = new WeakMap<Document<any>, string>()

/**
 * A document as it is stored, which cannot be changed: what nobody writes would be lost, and nobody would see it. It is read from its bytes when a field
 * is asked for. Its tags, scores, chunks and matches are frozen with all that is in them; the elements of tensors and bytes are copies, which nobody can
 * watch.
 */
export class StoredDocument extends LazyDocument {
  readonly #path: string

  constructor(source: Source, start: number, end: number, path: string) {
    super(source, start, end, 1)
    this.#path = path
  }

  override merge(): never {
    throw changed(this)
  }

  static pathOf(document: Document<any>): string {
    return #path in document ? document.#path : paths.get(document)!
  }
}

function changed(document: Document<any>): StoreError {
  return new StoreError(
    'ERR_STORE_VIEW',
    StoredDocument.pathOf(document),
    `document ${document.id} is a view of what is stored, and a change of it would be lost: change it in edit(), or a clone() of it`,
  )
}

/** What a view hands out that could be written into. */
function frozen(value: any, owner: Document<any>): any {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (value instanceof DocumentArray)
    for (const inner of value) {
      // Made by who reads messages, with what is private to them: only what they may do changes.
      Object.setPrototypeOf(inner, StoredDocument.prototype)
      paths.set(inner, StoredDocument.pathOf(owner))
    }
  else if (ArrayBuffer.isView(value)) return value
  else for (const key in value) frozen(value[key], owner)
  return Object.freeze(value)
}

// By their class, documents are the same wherever they come from.
Object.defineProperty(StoredDocument.prototype, 'constructor', { value: Document, configurable: true, writable: true })
const OPEN = ['tags', 'chunks', 'matches', 'scores', 'evaluations', 'location']
for (const [name, { get, set }] of Object.entries(Object.getOwnPropertyDescriptors(LazyDocument.prototype))) {
  if (get === undefined) continue
  Object.defineProperty(StoredDocument.prototype, name, {
    configurable: true,
    get: OPEN.includes(name)
      ? function (this: StoredDocument) {
          return frozen(get.call(this), this)
        }
      : get,
    ...(set && {
      set(this: StoredDocument) {
        throw changed(this)
      },
    }),
  })
}
