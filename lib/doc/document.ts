import { DocumentError, invalid, isError, show } from '../base/errors.js'
import { DocumentArray } from './array.js'
import { type DocumentInit, documents, FIELDS, isEmpty, type More, type NamedScore, named, PLAIN, string, type Tags } from './fields.js'
import { newId } from './id.js'
import { copyJson, fromBase64, isPlainObject, toBase64 } from './json.js'
import { isTypedArray, type NdArray, type NdArrayInit, toNdArray, toNested } from './ndarray.js'

export type { DocumentInit, NamedScore, Tags } from './fields.js'

/** What a {@link Document} can be made from: fields, a text, bytes (a blob), any other typed array or `{ data, shape }` (a tensor). */
export type DocumentLike<T extends object = Tags> = Document<T> | DocumentInit<T> | string | TypedOrTensor
type Spread = { [SELF]?: Document<any> }
type TypedOrTensor = Exclude<NdArrayInit, readonly unknown[]>

/**
 * Under which a document has itself: the one property of its own that `{ ...doc }` and `Object.assign({}, doc)` can take along. The fields are
 * behind accessors of the prototype, and as its own they would cost each document more than all the rest. The same in every copy of this library.
 */
export const SELF: unique symbol = Symbol.for('sluice.Document') as never

/** Under which what `delta()` makes has what it says. The same in every copy of this library, too. */
export const DELTA: unique symbol = Symbol.for('sluice.Delta') as never

/** For wires: what is set, without making empty fields for the question, and setting it all without checks. */
export const insides = {} as {
  tags(document: Document<any>): object | undefined
  more(document: Document<any>): More | undefined
  fill(document: Document<any>, id: string | undefined, content: Document['content'], tags: object | undefined, more: More | undefined): void
}

/**
 * The unit that travels through a Flow: one content, an embedding, tags, and documents found for it or cut from it.
 * The fields are those of Jina's DocumentProto (docarray 0.21).
 *
 * Fields are validated when set. Bytes and tensors are shared with who gave them, tags are copied one level deep.
 * A field of an init object or of JSON that a document does not have becomes a tag, as in Jina; `snake_case` names are understood.
 *
 * @typeParam T the type of `tags`
 * @throws DocumentError (`ERR_DOCUMENT`) that names the field
 *
 * @example
 * new Document({ text: 'a gloss', tags: { lang: 'en' } })
 * Document.from('a gloss')
 */
export class Document<T extends object = Tags> {
  #id: string | undefined
  #content: string | Uint8Array | NdArray | undefined
  #tags: T | undefined
  #more: More | undefined

  declare uri: string | undefined
  declare mimeType: string | undefined
  declare weight: number | undefined
  declare parentId: string | undefined
  /** Depth in the tree of chunks. Default 0. */
  declare granularity: number
  /** Depth in the chain of matches. Default 0. */
  declare adjacency: number
  declare modality: string | undefined
  declare offset: number | undefined
  declare location: readonly number[] | undefined

  constructor(init?: DocumentInit<T>) {
    ;(this as Spread)[SELF] = this
    if (init === undefined) return
    if (typeof init !== 'object' || init instanceof Document) throw invalid('The argument of new Document()', 'its fields (Document.from() takes more)', init)
    if ((init as Spread)[SELF] !== undefined) init = this.#with(init)
    // One pass over what is there: most documents have one to three of the twenty fields.
    for (const key in init) {
      const value = init[key as keyof DocumentInit<T>] as any
      if (value === undefined || value === null) continue
      switch (key) {
        case 'text':
          this.#content = string(key, value)
          break
        case 'id':
          this.#id = string(key, value) || undefined
          break
        case 'tags':
          if (!isPlainObject(value)) throw invalid(key, 'an object', value)
          // A spread of one object is a copy of its shape, of two a walk over both.
          this.#tags = this.#tags === undefined ? { ...(value as T) } : { ...this.#tags, ...(value as T) }
          break
        default:
          this.#set(key, value)
      }
    }
  }

  /** The document itself, or a new one from what is not yet a document. */
  static from<T extends object = Tags>(like: DocumentLike<T>): Document<T> {
    if (like instanceof Document) return like
    if (typeof like === 'string') {
      const document = new Document<T>()
      document.#content = like
      return document
    }
    if (isTypedArray(like)) return new Document<T>({ content: like })
    if (typeof like !== 'object' || like === null || Array.isArray(like)) throw nothing(like)
    if (isTypedArray((like as NdArray).data) && Array.isArray((like as NdArray).shape)) return new Document<T>({ tensor: like as NdArray })
    const isPlain = isPlainObject(like)
    if (!isPlain && typeof (like as { then?: unknown }).then === 'function') throw nothing(like, ': await it')
    const document = new Document<T>((isPlain ? like : fieldsOf(like)) as DocumentInit<T>)
    // What says that it has no text is empty on purpose.
    if ((document.#id ?? document.#content ?? document.#tags ?? document.#more) === undefined && Object.keys(like).length === 0)
      throw nothing(like, `${EMPTY}, as structuredClone() leaves a Document: doc.toJSON() and doc.clone() don't`)
    return document
  }

  get id(): string {
    this.#id ??= newId()
    return this.#id
  }

  set id(value: string) {
    this.#id = string('id', value) || undefined
  }

  /** The content if it is text, otherwise `''`. Setting it replaces a blob or tensor. */
  get text(): string {
    return typeof this.#content === 'string' ? this.#content : ''
  }

  set text(value: string | undefined) {
    this.#content = value === undefined ? this.#without('text') : string('text', value)
  }

  /** The content if it is bytes. Setting it replaces a text or tensor. */
  get blob(): Uint8Array | undefined {
    return this.#content instanceof Uint8Array ? this.#content : undefined
  }

  set blob(value: Uint8Array | string | undefined) {
    if (value === undefined) this.#content = this.#without('blob')
    else if (typeof value === 'string') this.#content = fromBase64(value, 'blob')
    else if (value instanceof Uint8Array) this.#content = value
    else throw invalid('blob', 'a Uint8Array', value)
  }

  /** The content if it is a tensor. Setting it replaces a text or blob. */
  get tensor(): NdArray | undefined {
    return typeof this.#content === 'object' && !(this.#content instanceof Uint8Array) ? this.#content : undefined
  }

  set tensor(value: NdArrayInit | undefined) {
    this.#content = value === undefined ? this.#without('tensor') : toNdArray(value, 'tensor')
  }

  /** Text, bytes or tensor, whichever there is. What it is set to decides which: a text, a Uint8Array, any other tensor. */
  get content(): string | Uint8Array | NdArray | undefined {
    return this.#content
  }

  set content(value: string | Uint8Array | NdArrayInit | undefined) {
    this.#content = value === undefined || typeof value === 'string' || value instanceof Uint8Array ? value : toNdArray(value, 'content')
  }

  /** Which content there is. */
  get contentType(): 'text' | 'blob' | 'tensor' | undefined {
    if (this.#content === undefined) return undefined
    return typeof this.#content === 'string' ? 'text' : this.#content instanceof Uint8Array ? 'blob' : 'tensor'
  }

  get tags(): T {
    this.#tags ??= {} as T
    return this.#tags
  }

  set tags(value: T) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('tags', 'an object', value)
    this.#tags = value
  }

  get embedding(): NdArray | undefined {
    return this.#more?.embedding
  }

  set embedding(value: NdArrayInit | undefined) {
    this.#own.embedding = value === undefined ? undefined : toNdArray(value, 'embedding')
  }

  get chunks(): DocumentArray {
    return (this.#own.chunks ??= new DocumentArray())
  }

  set chunks(value: Iterable<DocumentLike<any>>) {
    this.#own.chunks = DocumentArray.from(documents('chunks', value))
  }

  get matches(): DocumentArray {
    return (this.#own.matches ??= new DocumentArray())
  }

  set matches(value: Iterable<DocumentLike<any>>) {
    this.#own.matches = DocumentArray.from(documents('matches', value))
  }

  get scores(): Record<string, NamedScore> {
    return (this.#own.scores ??= {})
  }

  set scores(value: Record<string, NamedScore | number>) {
    this.#own.scores = named('scores', value)
  }

  get evaluations(): Record<string, NamedScore> {
    return (this.#own.evaluations ??= {})
  }

  set evaluations(value: Record<string, NamedScore | number>) {
    this.#own.evaluations = named('evaluations', value)
  }

  /** Whether there are chunks or matches, without making empty arrays for the question. */
  has(field: 'chunks' | 'matches'): boolean {
    return !!this.#more?.[field]?.length
  }

  /** A copy that can be changed without the other seeing it, with the same id. Bytes and tensors are shared: replace them, do not write into them. */
  clone(): Document<T> {
    const copy = new Document<T>()
    copy.#id = this.id
    copy.#content = this.#content
    copy.#tags = copyJson(this.#tags)
    const more = this.#more
    if (more !== undefined) {
      const fields: Record<string, unknown> = { ...more }
      copy.#more = fields
      for (const field in fields) {
        const value = fields[field]
        if (value instanceof DocumentArray) fields[field] = value.clone()
        else if (field !== 'embedding') fields[field] = copyJson(value)
      }
    }
    return copy
  }

  /**
   * Takes over what this document lacks from another version of it (Jina's reduce): empty fields are filled, tags and scores
   * united with its own first, chunks and matches united by id, recursively. Ids and what is already set stay; as in protobuf,
   * `''`, `0` and an empty list count as not set.
   */
  merge(other: Document<T>): this {
    // Asked for before the rest: one that came over a wire reads its fields when it is.
    const { content } = other
    if (isEmpty(this.#content)) this.#content = content ?? this.#content
    if (other.#tags !== undefined) this.#tags = { ...this.#tags, ...other.#tags, ...this.#tags } as T
    const theirs = other.#more
    if (theirs === undefined) return this
    const mine = this.#own as Record<string, unknown>
    for (const [field, value] of Object.entries(theirs)) {
      if (value === undefined) continue
      if (value instanceof DocumentArray) mine[field] = ((mine[field] ??= new DocumentArray()) as DocumentArray).merge(value)
      else if (field !== 'embedding' && isPlainObject(value)) mine[field] = { ...(mine[field] as object), ...value, ...(mine[field] as object) }
      else if (isEmpty(mine[field])) mine[field] = value
    }
    return this
  }

  /** The fields that are set, for JSON: bytes as base64, tensors as nested lists, `'NaN'`, `'Infinity'` and `'-Infinity'` where a number is none that JSON has. */
  toJSON(): Record<string, unknown> {
    const json = this.#shown()
    const { blob, tensor } = this
    if (blob) json.blob = toBase64(blob)
    if (tensor) json.tensor = toNested(tensor, spelled)
    const more = this.#more
    for (const field in more) {
      const value = more[field as keyof More]
      if (value === undefined) continue
      if (field === 'embedding') json.embedding = toNested(value as NdArray, spelled)
      else if (typeof value !== 'object' || Object.keys(value).length > 0) json[field] = spelled(value)
    }
    return json
  }

  /**
   * What is set, by which assert.deepStrictEqual() and Jest's toEqual() tell documents apart: they look at properties, and fields are none. Made when
   * asked for; an id counts once somebody has read it.
   */
  get [Symbol.toStringTag](): string {
    // Asked for before the rest: one that came over a wire reads its fields when it is.
    void this.content
    const id = this.#id
    try {
      return `Document ${JSON.stringify({ ...this.toJSON(), id })}`
    } catch (error) {
      // What no JSON can say is no reason to throw.
      return `Document ${error}`
    } finally {
      this.#id = id
    }
  }

  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: object, inspect?: (value: unknown, options: object) => string): unknown {
    const fields = Object.assign(this.#shown(), this.#more)
    return inspect === undefined ? fields : `Document ${inspect(fields, options)}`
  }

  static {
    insides.tags = (document) => document.#tags
    insides.more = (document) => document.#more
    insides.fill = (document, id, content, tags, more) => {
      document.#id = id
      document.#content = content
      document.#tags = tags
      document.#more = more
    }
    for (const [field, { check, unset }] of Object.entries(PLAIN)) {
      Object.defineProperty(Document.prototype, field, {
        configurable: true,
        get(this: Document) {
          return this.#more?.[field as keyof More] ?? unset
        },
        set(this: Document, value: unknown) {
          ;(this.#own as Record<string, unknown>)[field] = value === undefined ? undefined : check(field, value)
        },
      })
    }
  }

  get #own(): More {
    this.#more ??= {}
    return this.#more
  }

  /** What is said anew beside what was spread, with the rest of that. */
  #with(init: DocumentInit<T>): DocumentInit<T> {
    const spread = Document.from((init as Spread)[SELF]!)
    // The content is asked for before the rest: a document that came over a wire reads its fields when it is.
    const { id, content, contentType = 'content' } = spread
    return { id, ['content' in init ? 'content' : contentType]: content, tags: spread.#tags, ...spread.#more, ...init }
  }

  /** What most documents have, of which `id` is always there. */
  #shown(): Record<string, unknown> {
    const shown: Record<string, unknown> = { id: this.id }
    const { contentType } = this
    if (contentType) shown[contentType] = this.#content
    if (this.#tags && Object.keys(this.#tags).length > 0) shown.tags = this.#tags
    return shown
  }

  #without(type: 'text' | 'blob' | 'tensor'): string | Uint8Array | NdArray | undefined {
    return this.contentType === type ? undefined : this.#content
  }

  #set(key: string, value: any): void {
    const field = FIELDS.get(key)
    if (field !== undefined) (this as any)[field] = value
    else if (key === '__proto__') throw new DocumentError('ERR_DOCUMENT', 'A document cannot have a tag named __proto__')
    else (this.tags as Tags)[key] = value
  }
}

/**
 * What an instance of some class says of a document, be it behind getters, as in rows of a database, or a Document of another copy of this library.
 * @throws DocumentError when it says nothing
 */
function fieldsOf(like: object): object {
  const fields: Record<string, unknown> = {}
  const names: string[] = ['id', 'text', 'tags', ...FIELDS.keys()]
  for (const name in like) names.push(name)
  for (const name of names) {
    const value = like[name as keyof object] as unknown
    if (!isEmpty(value) && typeof value !== 'function') fields[name] = value
  }
  // A fetch Response, a Blob: what they hold has to be waited for.
  const isOther = Symbol.iterator in like || Symbol.asyncIterator in like || isError(like)
  if (isOther || 'arrayBuffer' in like || Object.keys(fields).length === 0) throw nothing(like, EMPTY)
  return fields
}

/** Numbers, alone or in lists and objects, as JSON has them: what it has none for are texts, 'NaN', 'Infinity' and '-Infinity', as in protobuf's JSON. */
export function spelled(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : `${value}`
  if (typeof value !== 'object' || value instanceof DocumentArray) return value
  if (Array.isArray(value)) return value.map(spelled)
  // A key named __proto__ stays a key.
  const copy: any = { ...value }
  for (const key in copy) copy[key] = spelled(copy[key])
  return copy
}

const EMPTY = ' without any'

function nothing(like: unknown, hint = ''): DocumentError {
  return new DocumentError('ERR_DOCUMENT', `A document is made from its fields, a text, bytes or a typed array, not from ${show(like)}${hint}`)
}
