import type { Document, Tags } from './document.js'
import { copyJson, toBase64 } from './json.js'

// Documents that grow piece by piece. A piece costs what it brings, however long its document is: texts are put together by the platform, which copies
// them when somebody reads them; bytes go behind those before into room that was left; tags are kept one set behind the other.

/** What a document grows by: text or bytes, and tags. */
export interface Change<T extends object = Tags> {
  /** To be appended. A document without a content has it as its text. */
  readonly text?: string | undefined
  /** To be appended. A document without a content has it as its blob. */
  readonly blob?: Uint8Array | undefined
  /** To be set, each in the place of the one of its name, if there is one. The others stay. What is undefined is left out. */
  readonly tags?: Partial<T> | undefined
}

/** Tags that were set, the last ones first. */
interface TagSets {
  readonly tags: Readonly<Record<string, unknown>>
  readonly before: TagSets | undefined
  /** How many there are, this one included. */
  readonly length: number
  /** How many tags the first of them has. */
  readonly kept: number
}

/** What a document came to, which is made when somebody wants to see it. */
interface State {
  readonly base: Document<any>
  readonly text: string | undefined
  readonly blob: Uint8Array | undefined
  readonly tags: TagSets | undefined
}

/** For wires: the document as it last came whole, before all that was said of it since. Another one each time. */
export let baseOf: (delta: DocumentDelta<any>) => Document

/** More of one document, as partial responses have it. */
export class DocumentDelta<T extends object = Tags> {
  /** Which document of its request, counted from 0 in the order in which they began to grow. Two that have one id have two numbers. */
  readonly at: number
  /** What was appended to its text. */
  readonly text: string | undefined
  /** What was appended to its blob. */
  readonly blob: Uint8Array | undefined
  /** Which tags were set. */
  readonly tags: Partial<T> | undefined
  readonly #state: State
  #doc: Document<T> | undefined

  /** @param state what the document came to with it */
  constructor(at: number, { text, blob, tags }: Change<T>, state: State) {
    this.at = at
    this.text = text
    this.blob = blob
    this.tags = tags
    this.#state = state
  }

  /** The document's. */
  get id(): string {
    return this.#state.base.id
  }

  /** The whole document, as it was with this delta, whenever it is asked for. Made then, once. */
  get doc(): Document<T> {
    this.#doc ??= made(this.#state)
    return this.#doc
  }

  toJSON(): object {
    const { at, id, text, blob, tags } = this
    return { at, id, text, blob: blob && toBase64(blob), tags }
  }

  static {
    baseOf = (delta) => delta.#state.base
  }
}

/** A document that grows, as those know it who get its deltas: as it last came whole, and what was said of it since. */
export class Growth {
  #state: State

  /** @param at which one of its request it is */
  constructor(
    readonly at: number,
    base: Document<any>,
  ) {
    this.#state = startOf(base)
  }

  /** It came whole. */
  restart(base: Document<any>): void {
    this.#state = startOf(base)
  }

  /** @param change one that fits: see {@link misfit} */
  grow(change: Change<any>): DocumentDelta<any> {
    const { base, text, blob, tags } = this.#state
    this.#state = {
      base,
      text: change.text === undefined ? text : (text ?? base.text) + change.text,
      blob: change.blob === undefined ? blob : appended(blob ?? base.blob, change.blob),
      tags: change.tags === undefined ? tags : behind(tags, copyJson(change.tags) as object as Record<string, unknown>),
    }
    return new DocumentDelta(this.at, change, this.#state)
  }

  /** Why something cannot be appended to it. */
  misfit(change: Change<any>): string | undefined {
    const { base, text, blob } = this.#state
    return misfit(text !== undefined ? 'text' : blob !== undefined ? 'blob' : contentOf(base), change)
  }
}

function startOf(base: Document<any>): State {
  return { base, text: undefined, blob: undefined, tags: undefined }
}

/** Why something cannot be appended to a content, in the words of who reads `… yielded a delta …`. */
export function misfit(content: 'text' | 'blob' | 'tensor' | undefined, { text, blob }: Change<any>): string | undefined {
  const appended = text !== undefined ? 'text' : blob !== undefined ? 'blob' : content
  return content === undefined || content === appended ? undefined : `of ${appended} for a document with a ${content}`
}

/** What of a document there is to append to: nothing, where that is empty. */
export function contentOf(document: Document<any>): 'text' | 'blob' | 'tensor' | undefined {
  const { contentType } = document
  // Of others, only the blob is asked for: whoever asks for one that came over a wire may write into it.
  const isEmpty = contentType === 'text' ? document.text === '' : contentType === 'blob' && document.blob!.length === 0
  return isEmpty ? undefined : contentType
}

/** Bytes of a memory that are in use, where there is room behind them. */
const used = new WeakMap<ArrayBufferLike, number>()

/** Bytes and more of them. Where there is room behind them, and nobody has put something there, they stay where they are: so many small pieces cost what they bring. */
export function appended(bytes: Uint8Array | undefined, more: Uint8Array): Uint8Array {
  if (bytes === undefined) return more.slice()
  const { buffer, byteOffset, byteLength } = bytes
  const end = byteOffset + byteLength
  const length = byteLength + more.length
  if (used.get(buffer) === end && end + more.length <= buffer.byteLength) {
    new Uint8Array(buffer, end).set(more)
    used.set(buffer, end + more.length)
    return new Uint8Array(buffer, byteOffset, length)
  }
  const room = new Uint8Array(length * 2)
  room.set(bytes)
  room.set(more, byteLength)
  used.set(room.buffer, length)
  return room.subarray(0, length)
}

/** Tags that take the place of those before. From time to time they are put together, so that there are no more sets than twice as many as tags. */
function behind(before: TagSets | undefined, tags: Readonly<Record<string, unknown>>): TagSets {
  if (before === undefined || before.length <= before.kept + MANY) {
    const { length = 0, kept = 0 } = before ?? {}
    return { tags, before, length: length + 1, kept }
  }
  const all = { ...together(before), ...tags }
  return { tags: all, before: undefined, length: 1, kept: Object.keys(all).length }
}

/** Sets of tags before they are first put together. */
const MANY = 16

function together(sets: TagSets): Record<string, unknown> {
  const list: TagSets[] = []
  for (let set: TagSets | undefined = sets; set !== undefined; set = set.before) list.push(set)
  return Object.fromEntries(list.reverse().flatMap(({ tags }) => Object.entries(tags)))
}

function made({ base, text, blob, tags }: State): Document<any> {
  const document = base.clone()
  if (text !== undefined) document.text = text
  // Of its own, as whoever has it may write into it, or hand its memory to a worker.
  if (blob !== undefined) document.blob = blob.slice()
  if (tags !== undefined) document.tags = { ...document.tags, ...copyJson(together(tags)) }
  return document
}
