import { Document, insides } from '../../doc/document.js'
import type { NdArray, TypedArray } from '../../doc/ndarray.js'
import { untouched } from '../size.js'
import { checkDepth, checkDocument } from './check.js'
import type { Column } from './columns.js'
import { handDown } from './foreign.js'
import { MAX_DEPTH } from './reader.js'
import type { Source } from './source.js'
import { readText } from './text.js'
import { sizeOf, type Writer } from './writer.js'

/** The bytes that a document of docarray ≥ 0.30 came in. Kept beyond its first change: of what is not changed, its next reader gets what its writer wrote. */
export interface Origin {
  readonly source: Source
  readonly start: number
  readonly end: number
  readonly depth: number
  /** Whether there is no id in there, and nobody has asked for one yet. */
  unnamed: boolean
}

/** What a document came as; more than one where several versions of it were merged, the one that counts first. */
export let originsOf: (document: Document<any>) => readonly Origin[]

/**
 * Writes the documents from a position on that are as they came. @throws DocumentError where that would be nested too deep, as they stand elsewhere now.
 * Returns the position of the first that is not. `tag` takes one byte.
 */
export let copyUntouched: (writer: Writer, tag: number, documents: readonly Document<any>[], from: number, model: 'v1' | 'v2', depth: number) => number

/** Looks over the documents of a message, before anybody has one. @throws ProtoError for what could not be read later */
export let checkUnread: (documents: readonly Document<any>[]) => void

/** The documents of a message with columns, as they came in it but for the elements of their tensors, which are in the columns. */
export interface Packed {
  readonly columns: readonly Column[]
  /** As they stand in a list of documents, with their tags. */
  readonly bytes: Uint8Array
}

/** What documents came as, if they are all that a message with columns had, in its order, and nothing but elements can have changed; otherwise undefined. */
export let packedIn: (documents: readonly Document<any>[]) => Packed | undefined

/** A tensor of a column that was handed out: as long as it is what it was, all that can have changed are its elements. */
interface Lent {
  readonly array: NdArray
  readonly data: TypedArray
  readonly column: Column
}

/** About how many bytes a document is that is as it came; -1 for others. */
export let sizeOfUntouched: (document: Document<any>, model: 'v1' | 'v2') => number

const NONE: readonly Origin[] = []

/**
 * Versions that a document remembers: each keeps the message alive that it came in, and whoever keeps a document and merges what comes would keep all. What
 * later ones brought is here as it was read, and is written like what was made here.
 */
const MOST_ORIGINS = 16

/**
 * A document that came over a wire. It is read from its bytes when somebody asks for a field, and goes on as these bytes as long as nobody
 * can have changed it: being asked for its id, its text or another plain value does not count, handing out what can be written into does.
 */
export class LazyDocument extends Document<any> {
  /** Gone once the document may differ from its bytes. */
  #source: Source | undefined
  readonly #start: number
  readonly #end: number
  readonly #depth: number
  /** Once there is no source any more. */
  #origins: readonly Origin[] = NONE
  #read = false
  #id = ''
  #lentEmbedding: Lent | undefined
  #lentTensor: Lent | undefined

  constructor(source: Source | undefined, start: number, end: number, depth: number) {
    super()
    this.#source = source
    this.#start = start
    this.#end = end
    this.#depth = depth
  }

  /** Before something is given that cannot be changed. */
  #look(): void {
    if (this.#read) return
    const source = this.#source!
    const named = source.read(source, this, this.#start, this.#end, this.#depth, this.#id)
    this.#read = true
    // The id that it will be given is not in the bytes.
    if (!named) this.#part(source, true)
  }

  /** Before everything else. */
  #touch(): void {
    if (this.#source === undefined) return
    this.#look()
    if (this.#source !== undefined) this.#part(this.#source, false)
  }

  /** Before a tensor is given. What is written into one of a column goes on with that: the rest of the bytes holds as it is. */
  #lend(field: 'embedding' | 'tensor'): void {
    if (this.#source?.packed === undefined) return this.#touch()
    this.#look()
    const packed = this.#source?.packed
    if (packed === undefined) return
    const isEmbedding = field === 'embedding'
    const given = isEmbedding ? insides.more(this)?.embedding : super.content
    if (typeof given !== 'object' || given instanceof Uint8Array || (isEmbedding ? this.#lentEmbedding : this.#lentTensor) !== undefined) return
    const { data } = given
    const column = packed.columns.find((column) => column.holds(data))
    if (column === undefined) return this.#touch()
    const lent = { array: given, data, column }
    if (isEmbedding) this.#lentEmbedding = lent
    else this.#lentTensor = lent
  }

  get #isLent(): boolean {
    return this.#lentEmbedding !== undefined || this.#lentTensor !== undefined
  }

  #part(source: Source, unnamed: boolean): void {
    if (source.model === 'v2') this.#origins = [{ source, start: this.#start, end: this.#end, depth: this.#depth, unnamed }]
    this.#source = undefined
    this.#lentEmbedding = this.#lentTensor = undefined
  }

  override get id(): string {
    if (!this.#read && this.#id === '') this.#name()
    if (this.#origins !== NONE) this.#give()
    return super.id
  }

  override set id(value: string) {
    this.#touch()
    this.#give()
    super.id = value
  }

  #give(): void {
    const [origin, ...others] = this.#origins
    if (origin?.unnamed) this.#origins = [{ ...origin, unnamed: false }, ...others]
  }

  /** Reads the id alone, where it stands as everybody writes it: first, and short. Joins ask for nothing else. */
  #name(): void {
    const source = this.#source!
    const { bytes } = source.reader
    const start = this.#start + 2
    const stop = start + bytes[start - 1]!
    const isFirst = source.model === 'v1' && bytes[start - 2] === 0x0a && start < stop && stop < this.#end && bytes[start - 1]! < 128
    if (isFirst && source.renamed?.has(this.#start) !== true) insides.fill(this, (this.#id = readText(bytes, start, stop)), undefined, undefined, undefined)
    else this.#look()
  }

  /** Before it is written where it stands deeper than where it came from. */
  #fit(writer: Writer, depth: number): void {
    try {
      checkDepth(this.#source!, this.#start, this.#end, depth)
    } catch {
      writer.deeper(Infinity)
    }
  }

  override has(field: 'chunks' | 'matches'): boolean {
    this.#look()
    return super.has(field)
  }

  override clone(): Document<any> {
    const { id } = this
    const source = this.#source
    // It has what was handed out, whatever became of that.
    if (source === undefined || this.#isLent) {
      const copy = super.clone()
      handDown(this, copy)
      return this.#origins.length > 0 ? this.#heir(copy) : copy
    }
    const copy = new LazyDocument(source, this.#start, this.#end, this.#depth)
    insides.fill(copy, id, undefined, undefined, undefined)
    copy.#id = id
    return copy
  }

  /** A copy that knows where it comes from. */
  #heir(copy: Document<any>): Document<any> {
    const heir = new LazyDocument(undefined, 0, 0, 0)
    heir.#read = true
    heir.#origins = this.#origins
    insides.fill(heir, copy.id, copy.content, insides.tags(copy), insides.more(copy))
    return heir
  }

  override merge(other: Document<any>): this {
    this.#touch()
    super.merge(other)
    const mine = this.#origins
    const others = originsOf(other).filter((theirs) => !mine.some(({ source, start }) => source === theirs.source && start === theirs.start))
    if (others.length > 0) this.#origins = [...mine, ...others].slice(0, MOST_ORIGINS)
    return this
  }

  override toJSON(): Record<string, unknown> {
    this.#touch()
    return super.toJSON()
  }

  static {
    // By their class, documents are the same wherever they come from: whoever makes others of one's kind makes plain ones.
    Object.defineProperty(LazyDocument.prototype, 'constructor', { value: Document, configurable: true, writable: true })
    const PLAIN = ['text', 'contentType', 'uri', 'mimeType', 'weight', 'parentId', 'granularity', 'adjacency', 'modality', 'offset']
    const OPEN = ['blob', 'tensor', 'content', 'tags', 'embedding', 'chunks', 'matches', 'scores', 'evaluations', 'location']
    for (const field of [...PLAIN, ...OPEN]) {
      const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, field)!
      const plain = PLAIN.includes(field)
      const isTensor = field === 'embedding' || field === 'tensor'
      Object.defineProperty(LazyDocument.prototype, field, {
        configurable: true,
        get(this: LazyDocument) {
          if (isTensor) this.#lend(field)
          else if (!plain) this.#touch()
          else if (!this.#read) this.#look()
          return get!.call(this)
        },
        ...(set && {
          set(this: LazyDocument, value: unknown) {
            this.#touch()
            set.call(this, value)
          },
        }),
      })
    }
    const INSPECT = Symbol.for('nodejs.util.inspect.custom')
    const inspect = (Document.prototype as any)[INSPECT]
    Object.defineProperty(LazyDocument.prototype, INSPECT, {
      configurable: true,
      value(this: LazyDocument, ...rest: unknown[]) {
        this.#touch()
        return inspect.apply(this, rest)
      },
    })

    originsOf = (document) => (#origins in document ? document.#origins : NONE)
    checkUnread = (documents) => {
      for (let at = 0; at < documents.length; at++) {
        const document = documents[at] as LazyDocument
        const source = document.#source!
        checkDocument(source, document.#start, document.#end, document.#depth, source.counted)
      }
    }
    // Documents that came behind each other and still stand so are copied in one go.
    copyUntouched = (writer, tag, documents, from, model, depth) => {
      for (let at = from; ; ) {
        const first = documents[at]
        if (first === undefined || !(#source in first)) return at
        const source = first.#source
        // What it says of columns holds in its message only.
        if (source === undefined || source.model !== model || source.packed !== undefined) return at
        const { bytes, maxDepth } = source.reader
        const deeper = depth > first.#depth || maxDepth > MAX_DEPTH
        if (deeper) first.#fit(writer, depth)
        let end = first.#end
        for (at++; at < documents.length; at++) {
          const next: Document = documents[at]!
          if (!(#source in next) || next.#source !== source || bytes[end] !== tag || next.#start - 1 - sizeOf(next.#end - next.#start) !== end) break
          if (deeper) next.#fit(writer, depth)
          end = next.#end
        }
        writer.need(end - first.#start + 10)
        writer.raw(tag)
        writer.raw(first.#end - first.#start)
        writer.copy(bytes.subarray(first.#start, end))
      }
    }
    packedIn = (documents) => {
      const first = documents[0]
      if (first === undefined || !(#source in first)) return undefined
      const source = first.#source
      if (source?.packed?.documents !== documents.length) return undefined
      const start = first.#start - 1 - sizeOf(first.#end - first.#start)
      let end = start
      for (let at = 0; at < documents.length; at++) {
        const document: Document = documents[at]!
        if (!(#source in document) || document.#source !== source || document.#depth !== 1) return undefined
        if (document.#start - 1 - sizeOf(document.#end - document.#start) !== end) return undefined
        if (!isWhole(document.#lentEmbedding) || !isWhole(document.#lentTensor)) return undefined
        end = document.#end
      }
      return { columns: source.packed.columns, bytes: source.reader.bytes.subarray(start, end) }
    }
    const sizeIn = ({ packed }: Source, document: LazyDocument): number => document.#end - document.#start + (packed?.share ?? 0)
    untouched.sizeOf = (document) => (#source in document && document.#source !== undefined ? sizeIn(document.#source, document) : undefined)
    sizeOfUntouched = (document, model) => {
      if (!(#source in document) || document.#source?.model !== model || document.#isLent) return -1
      return sizeIn(document.#source, document)
    }
  }
}

function isWhole(lent: Lent | undefined): boolean {
  return lent === undefined || (lent.array.data === lent.data && lent.column.isWhole(lent.array))
}
