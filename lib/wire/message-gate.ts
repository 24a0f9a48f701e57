import type { Readable } from 'node:stream'
import { lengthOfHead } from './proto/index.js'

/** How a wire says where messages begin and end: each has a header, which says how many bytes follow. */
export interface Framing {
  /** The most bytes that a header has. */
  readonly most: number
  /** @returns how many bytes a header has, as far as those say it that are here; no more than are here once it is whole */
  due(header: Uint8Array, here: number): number
  /** How many bytes follow it. */
  length(header: Uint8Array): number
  /** The header for the first bytes of such a message alone, or nothing where those mean nothing by themselves. */
  shortened(header: Uint8Array, length: number): Uint8Array | undefined
  /** What follows it, as it is meant. */
  plain(header: Uint8Array, bytes: Uint8Array): Uint8Array
}

/** Who decides what becomes of messages as they begin. */
export interface Deciding {
  /**
   * One begins, of so many bytes.
   * @returns nothing where it may come; else a promise of whether it may, during which nothing more should be read
   */
  begins(length: number, header: Uint8Array): void | Promise<boolean>
  /** It is decided, and what was here behind it is handed on. */
  goesOn(): void
  /** Some of one that may come is here, and more is to come. */
  half(): void
  /** All is. */
  ends(): void
  /** It may not come, and nobody can tell whose it is. */
  unknown(): void
}

/** Bytes of the longest head of a message that is looked at, to tell who is refused. */
const LONGEST_HEAD = 16 * 1024
const NOTHING = new Uint8Array(0)

/**
 * Stands before who puts the messages of a connection together. What may not come is let go byte by byte, but for its head, which is handed on as a message of its own:
 * so it can be told whose it was, and those behind it go on.
 */
export class MessageGate {
  readonly #framing: Framing
  readonly #deciding: Deciding
  readonly #handOn: (bytes: Uint8Array) => void
  readonly #tellEnd: () => void
  /** Of the message that comes: its header, how many bytes of that are here, and how many bytes follow that are not. */
  #header: Uint8Array
  #here = 0
  #missing = 0
  /** Whether it is let go, and its first bytes until its head is whole. */
  #isLost = false
  #first: Uint8Array | undefined
  /** What came while it is decided. */
  #held: Uint8Array[] | undefined
  #isEnded = false
  #over = false

  constructor(stream: Readable, framing: Framing, deciding: Deciding) {
    this.#framing = framing
    this.#deciding = deciding
    this.#header = new Uint8Array(framing.most)
    // Those who read it listen for themselves, and stop when they like.
    const emit = stream.emit.bind(stream) as (event: string | symbol, ...about: unknown[]) => boolean
    this.#tellEnd = () => void stream.emit('end')
    this.#handOn = (bytes) => void emit('data', Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    stream.emit = ((event: string | symbol, ...about: unknown[]): boolean => {
      if (event === 'data') {
        this.#read(about[0] as Uint8Array)
        return true
      }
      // Who reads nothing now hears of the end all the same, when the last piece was read.
      if (event === 'end' && this.#held !== undefined) {
        this.#isEnded = true
        return true
      }
      if (event === 'end' && this.#here > 0) this.#give(this.#header.slice(0, this.#here))
      return emit(event, ...about)
    }) as never
  }

  /** Nothing more comes through. */
  end(): void {
    this.#over = true
    this.#held = undefined
  }

  #read(chunk: Uint8Array): void {
    if (this.#over) return
    if (this.#held !== undefined) return void this.#held.push(chunk)
    const framing = this.#framing
    /** Where what is to be handed on begins. */
    let from = 0
    for (let at = 0; at < chunk.length; ) {
      if (this.#missing > 0) {
        const end = Math.min(chunk.length, at + this.#missing)
        this.#missing -= end - at
        if (this.#isLost) {
          this.#let(chunk.subarray(at, end))
          if (this.#over) return
          from = end
        }
        at = end
        if (this.#missing === 0) this.#ends()
        continue
      }
      const start = at
      const isNew = this.#here === 0
      while (at < chunk.length && (this.#here === 0 || this.#here < framing.due(this.#header, this.#here))) this.#header[this.#here++] = chunk[at++]!
      const isWhole = this.#here >= framing.due(this.#header, this.#here)
      // Of a header that is in two pieces, none is handed on before it is whole.
      if (!isWhole || !isNew) {
        if (start > from) this.#give(chunk.subarray(from, start))
        from = at
      }
      if (!isWhole) break
      const header = this.#header.slice(0, this.#here)
      this.#here = 0
      this.#missing = framing.length(header)
      const may = this.#deciding.begins(this.#missing, header)
      if (this.#over) return
      if (may === undefined) {
        if (!isNew) this.#give(header)
        if (this.#missing === 0) this.#ends()
        continue
      }
      if (isNew && start > from) this.#give(chunk.subarray(from, start))
      this.#held = at < chunk.length ? [chunk.subarray(at)] : []
      void may.then((may) => this.#decided(header, may))
      return
    }
    if (from < chunk.length) this.#give(from === 0 ? chunk : chunk.subarray(from))
    if (this.#missing > 0 && !this.#isLost) this.#deciding.half()
  }

  #give(bytes: Uint8Array): void {
    if (!this.#over) this.#handOn(bytes)
  }

  #decided(header: Uint8Array, may: boolean): void {
    if (this.#over) return
    const held = this.#held!
    this.#held = undefined
    if (may) {
      this.#give(header)
      if (this.#missing === 0) this.#ends()
    } else {
      this.#header = new Uint8Array(this.#framing.most)
      this.#header.set(header)
      this.#isLost = true
      this.#first = NOTHING
      if (this.#missing === 0 || this.#framing.shortened(header, 0) === undefined) return this.#fail()
    }
    for (const chunk of held) this.#read(chunk)
    if (this.#held !== undefined || this.#over) return
    this.#deciding.goesOn()
    if (this.#isEnded) this.#tellEnd()
  }

  /** Some more of what may not come. */
  #let(bytes: Uint8Array): void {
    const before = this.#first
    if (before === undefined) return
    const first = new Uint8Array(Math.min(LONGEST_HEAD, before.length + bytes.length))
    first.set(before)
    first.set(bytes.subarray(0, first.length - before.length), before.length)
    this.#first = first
    const header = this.#header
    const length = lengthOfHead(this.#framing.plain(header, first))
    if (length <= first.length) {
      this.#first = undefined
      this.#give(this.#framing.shortened(header, length)!)
      this.#give(first.subarray(0, length))
    } else if (length > LONGEST_HEAD || this.#missing === 0) this.#fail()
  }

  #ends(): void {
    if (!this.#isLost) return this.#deciding.ends()
    this.#isLost = false
    this.#first = undefined
  }

  #fail(): void {
    this.end()
    this.#deciding.unknown()
  }
}
