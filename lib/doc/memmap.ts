import { optionType } from '../base/errors.js'
import { DocumentArray, replacement } from './array.js'
import { Document, type DocumentLike } from './document.js'
import type { TextSource } from './from/source.js'
import { tooDeep } from './json-value.js'
import { type Listed, seek } from './list.js'
import type { NdArray } from './ndarray.js'
import type { LoadOptions, SaveOptions, SaveTarget } from './save-options.js'
import { StoreError } from './store/error.js'
import type { Store, Window } from './store/store.js'
import type { Writing } from './store/turns.js'

/** A document that is being changed: what it is when its scope ends is written then. */
export interface Edit<D extends Document<any> = Document> extends AsyncDisposable, Disposable {
  readonly document: D
  /** Nothing is written. */
  discard(): void
}

/** Documents in one transaction of an `extend()`; many documents are several. */
const PIECE = 1000
const PIECE_BYTES = 4 << 20

/**
 * An array of documents on disk, for more than fits into memory (Jina's DocumentArrayMemmap). It needs the package lmdb. Its interface is that of
 * DocumentArray, with promises: see {@link DocumentList}.
 *
 * What was acknowledged can be read, by all who have the same path open: arrays of this process, its threads, and other processes; it outlasts the process.
 * After `flush()` it outlasts the machine's, too.
 *
 * Documents come as views of what is stored, read when a field is asked for. They cannot be changed, as that would be lost: `set()` replaces one,
 * `edit()` changes one.
 *
 * @typeParam D the documents' type
 *
 * @example
 * await using array = new DocumentArrayMemmap('./store')
 * await array.extend(fromNdjson('documents.ndjson'))
 * await array.edit('a', (document) => { document.tags.seen = true })
 * for await (const { response } of flow.post('/index', array)) …
 */
export class DocumentArrayMemmap<D extends Document<any> = Document> implements Listed<D>, AsyncIterable<D>, AsyncDisposable {
  readonly #place: string | URL
  #opening: Promise<Store> | undefined
  #store: Store | undefined
  #closed = false

  /**
   * Nothing is opened before it is used.
   * @param path a folder, made where there is none
   * @throws OptionTypeError (`ERR_OPTION_TYPE`) for what is no path
   */
  constructor(path: string | URL) {
    if ((typeof path !== 'string' || path === '') && !(path instanceof URL))
      throw optionType('The path of a DocumentArrayMemmap', "a folder such as './store'", path)
    this.#place = path
  }

  /**
   * Opens it now, for who wants to know early; and again, after `close()`.
   * @throws rejects with DependencyError (`ERR_DEPENDENCY`) without lmdb, StoreError (`ERR_STORE_FORMAT`) for a store that is broken or of another version,
   * and for a folder with other files in it
   */
  async open(): Promise<this> {
    this.#closed = false
    await this.#open()
    return this
  }

  /** @throws StoreError (`ERR_STORE_CLOSED`) after `close()`: who goes on then has a fault, and would keep the files open */
  #open(): Store | Promise<Store> {
    if (this.#closed) throw new StoreError('ERR_STORE_CLOSED', String(this.#place), 'this array was closed. Use it before that, or open() it again')
    return (
      this.#store ??
      (this.#opening ??= import('./store/store.js')
        .then(({ openStore }) => openStore(this.#place))
        .then(
          (store) => (this.#store = store),
          (error) => {
            this.#opening = undefined
            throw error
          },
        ))
    )
  }

  get length(): Promise<number> {
    return this.#count()
  }

  async #count(): Promise<number> {
    return (await this.#open()).length
  }

  at(position: number): Promise<D | undefined> {
    return this.#one((store) => store.at(Math.trunc(position) || 0))
  }

  get(id: string): Promise<D | undefined> {
    return this.#one((store) => store.get(id))
  }

  /** Not by an async function, where it is open: that takes longer than the reading, and what it keeps has to be collected. */
  #one(read: (store: Store) => Document | undefined): Promise<D | undefined> {
    const store = this.#store
    if (store === undefined) return (async () => read(await this.#open()) as D | undefined)()
    try {
      return Promise.resolve(read(store) as D | undefined)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Resolves when it can be read, with a view of what is stored. @throws rejects with StoreError, DocumentError (`ERR_DOCUMENT`) */
  async append(like: DocumentLike<any>): Promise<D> {
    const store = await this.#open()
    const [record] = await store.append([documentOf(like, 0)])
    return store.view(record!) as Document as D
  }

  /**
   * Adds all documents, up to a thousand in a transaction: what came before a failure stays.
   * @throws rejects with StoreError, DocumentError (`ERR_DOCUMENT`), and what the source throws
   */
  async extend(likes: Iterable<DocumentLike<any>> | AsyncIterable<DocumentLike<any>>): Promise<this> {
    const store = await this.#open()
    let piece: Document[] = []
    let size = 0
    let position = 0
    const write = async (): Promise<void> => {
      const documents = piece
      piece = []
      size = 0
      await store.append(documents)
      await store.aside()
    }
    const take = (like: DocumentLike<any>): boolean => {
      const document = documentOf(like, position++)
      size += store.sizeOf(document)
      return piece.push(document) === PIECE || size > PIECE_BYTES
    }
    try {
      // No promise for each of those that are there.
      if (typeof (likes as Iterable<unknown>)[Symbol.iterator] === 'function') {
        for (const like of likes as Iterable<DocumentLike>) if (take(like)) await write()
      } else for await (const like of likes) if (take(like)) await write()
    } finally {
      if (piece.length > 0) await write()
    }
    return this
  }

  async set(where: number | string, like: DocumentLike<any>): Promise<D> {
    const store = await this.#open()
    return (await store.set(
      where,
      documentOf(like, where, () => replacement(where, like)),
    )) as Document as D
  }

  async delete(where: number | string): Promise<boolean> {
    return (await this.#open()).delete(where)
  }

  /** All documents go. @throws rejects with StoreError */
  async clear(): Promise<void> {
    return (await this.#open()).clear()
  }

  /**
   * Changes a document, and writes it. Where others change it meanwhile, `change` is called anew, with what they made of it. Edits of one thread then wait
   * for each other. What it throws, nothing is written for.
   * @throws rejects with DocumentError (`ERR_DOCUMENT`) where there is no such document; StoreError (`ERR_STORE_CONFLICT`) where others changed it each
   * time: a hundred times anew are the bound
   */
  edit(where: number | string, change: (document: D) => unknown): Promise<D>
  /**
   * A document to be changed within a scope, at whose end it is written:
   * `using edit = await array.edit('a')`, then `edit.document`. Without `using`, end it with `await edit[Symbol.asyncDispose]()`. The end throws StoreError
   * (`ERR_STORE_CONFLICT`) where others changed it meanwhile.
   */
  edit(where: number | string): Promise<Edit<D>>
  async edit(where: number | string, change?: (document: D) => unknown): Promise<D | Edit<D>> {
    const store = await this.#open()
    const edit = (): Writing => store.edit(where)
    return change === undefined ? scope<D>(edit()) : ((await store.turns.change(edit, change as (document: Document) => unknown)) as Document as D)
  }

  /** The texts, in order; `''` for a document without. They are all in memory then. */
  get texts(): Promise<string[]> {
    return this.#column((document) => document.text)
  }

  get embeddings(): Promise<(NdArray | undefined)[]> {
    return this.#column((document) => document.embedding)
  }

  get contents(): Promise<(string | Uint8Array | NdArray | undefined)[]> {
    return this.#column((document) => document.content)
  }

  async #column<T>(read: (document: D) => T): Promise<T[]> {
    const column: T[] = []
    for await (const document of this) column.push(read(document))
    return column
  }

  /** The documents at the end of a path, as `traverse()` of a DocumentArray gives them, read one after the other. */
  traverse(paths: string): AsyncGenerator<Document> {
    // What is wrong with the paths is said at once.
    new DocumentArray().traverse(paths)
    return this.#traverse(paths)
  }

  async *#traverse(paths: string): AsyncGenerator<Document> {
    for (const path of paths.split(',')) for await (const document of this) yield* new DocumentArray().extend([document]).traverse(path)
  }

  /** What {@link traverse} gives, in memory. */
  async traverseFlat(paths: string): Promise<DocumentArray> {
    const all = new DocumentArray()
    for await (const document of this.traverse(paths)) all.append(document)
    return all
  }

  /** As {@link DocumentArray.save}, read one after the other. */
  async save(target: SaveTarget, options?: SaveOptions): Promise<void> {
    const { save } = await import('./save.js')
    return save(this, target, options)
  }

  /** Adds what `save()` wrote, or any other NDJSON or JSON array of documents; NDJSON as it is read. */
  static async load(path: string | URL, source: TextSource, options?: LoadOptions): Promise<DocumentArrayMemmap> {
    const array = new DocumentArrayMemmap(path)
    const { documentsOf } = await import('./save.js')
    return array.extend(documentsOf(source, options))
  }

  /** Resolves when all that was acknowledged is on disk. @throws rejects with StoreError where it cannot be brought there */
  async flush(): Promise<void> {
    return (await this.#open()).flush()
  }

  /**
   * Writes all documents into a new file and removes the old one: what was deleted takes no room any more. Others go on meanwhile; who writes then has it
   * begin again. @throws rejects with StoreError
   */
  async prune(): Promise<void> {
    return (await this.#open()).prune()
  }

  /** Lets go of the files, when all arrays of this process that use them are closed. What was acknowledged is kept. What is asked of it then fails. */
  async close(): Promise<void> {
    this.#closed = true
    const opening = this.#opening
    // Before it is waited for: who closes at once with another finds nothing to close.
    this.#opening = undefined
    this.#store = undefined
    const store = await opening?.catch(() => undefined)
    await store?.close()
  }

  /**
   * In order, those that are there when it begins. They are read some at a time, each time as it stands then: those that are deleted meanwhile do not
   * come, and nothing is kept open for hours.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<D> {
    return new Windows<D>(() => this.#open(), 0, true)
  }

  /** For `post()`: documents behind the first ones, which can be changed. What executors make of them comes back in responses, and changes nothing here. */
  [seek](skipped: number): AsyncIterableIterator<D> {
    return new Windows<D>(() => this.#open(), skipped, false)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * What a document is made from, as one.
 * @param where by what errors name one that has no id: its position among those that are given, or what it is to replace
 * @throws DocumentError (`ERR_DOCUMENT`) that names it, also where it is nested deeper than the stack, or contains itself
 */
function documentOf(like: DocumentLike<any>, where: number | string, make: (like: DocumentLike<any>) => Document = Document.from): Document {
  try {
    return make(like)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const { id } = like as { readonly id?: unknown }
    throw tooDeep(`document ${typeof id === 'string' && id !== '' ? id : where}: chunks and matches`, error)
  }
}

/** Documents as they are read from the disk, some at a time. */
class Windows<D extends Document<any>> implements AsyncIterableIterator<D> {
  readonly #open: () => Store | Promise<Store>
  readonly #skipped: number
  readonly #views: boolean
  #store: Store | undefined
  #window: Window | undefined
  #at = 0
  #start = 0
  #from = 0
  #to = 0
  /** While a window is read. */
  #turning: Promise<unknown> | undefined
  #over = false

  constructor(open: () => Store | Promise<Store>, skipped: number, views: boolean) {
    this.#open = open
    this.#skipped = skipped
    this.#views = views
  }

  next(): Promise<IteratorResult<D>> {
    if (this.#turning !== undefined) return this.#turning.then(() => this.next())
    const window = this.#window
    if (window !== undefined && this.#at < window.ends.length) return Promise.resolve(this.#take(window))
    if (this.#over) return Promise.resolve({ done: true, value: undefined })
    this.#turning = this.#turn().finally(() => {
      this.#turning = undefined
    })
    return this.#turning.then(() => this.next())
  }

  #take({ records, ends }: Window): IteratorResult<D> {
    const start = this.#start
    const end = ends[this.#at++]!
    this.#start = end
    return { done: false, value: (this.#views ? records.view(start, end) : records.free(start, end)) as Document as D }
  }

  async #turn(): Promise<void> {
    this.#window = undefined
    try {
      if (this.#store === undefined) {
        this.#store = await this.#open()
        const { from, to } = this.#store.range(this.#skipped)
        this.#from = from
        this.#to = to
      } else await this.#store.aside()
      const window = this.#over || this.#from > this.#to ? undefined : this.#store.window(this.#from, this.#to)
      this.#over ||= window === undefined
      this.#window = window
      this.#at = 0
      this.#start = 0
      this.#from = (window?.last ?? 0) + 1
    } catch (error) {
      this.#over = true
      throw error
    }
  }

  async return(): Promise<IteratorResult<D>> {
    this.#over = true
    this.#window = undefined
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

function scope<D extends Document<any>>({ document, now, later }: Writing): Edit<D> {
  let over = false
  const end = <R>(write: () => R): R | undefined => {
    if (over) return undefined
    over = true
    return write()
  }
  return {
    document: document as D,
    discard: () => void (over = true),
    [Symbol.dispose]: () => void end(now),
    [Symbol.asyncDispose]: async () => void (await end(later)),
  }
}
