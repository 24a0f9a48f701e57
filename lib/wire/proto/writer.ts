import { DocumentError } from '../../base/errors.js'
import type { NdArray } from '../../doc/ndarray.js'
import { MAX_DEPTH } from './reader.js'
import { room, SHORT, writeAscii, writeText } from './text.js'

/** Messages up to this size are written behind each other into one room: one of their own would cost more than a small message does. */
const SMALL = 1 << 15
const SLAB = SMALL << 2
/** From here on, the nearest number of 32 bits is infinite. */
const TOO_LARGE = 3.4028235677973366e38

let slab: Uint8Array | undefined
let taken = 0

/** Takes tensors that stand elsewhere in the message than in their documents. */
export interface TensorColumns {
  /** Writes where it stands. @returns false for one that stands in its document */
  write(writer: Writer, tag: number, tensor: NdArray): boolean
}

/** There is no room for what is to be written. */
export class WriterFull extends RangeError {}

/**
 * Writes the fields of protobuf messages behind each other. The length of a message within stands before it and is known after it: `open()`
 * leaves as much room as it will probably take, `close()` fills it in, and moves the message where the guess was wrong.
 */
export class Writer {
  bytes: Uint8Array
  pos = 0
  #view: DataView
  readonly #start: number
  readonly #shared: boolean
  /** Room that the lengths of the last tags and of the last document took: the next are like them. */
  tags = 1
  document = 2
  /** Bytes that there may be in all. */
  most = Infinity
  /** Given while a message is written to who reads columns. */
  columns: TensorColumns | undefined

  /** @param size how many bytes it will probably be */
  constructor(size: number) {
    this.#shared = size <= SMALL
    if (!this.#shared) this.bytes = room(size)
    else {
      if (slab === undefined || taken + size > SLAB) {
        slab = room(SLAB)
        taken = 0
      }
      this.bytes = slab
      this.pos = taken
      // Until this one is finished: documents may hold objects whose toJSON writes documents.
      slab = undefined
    }
    this.#start = this.pos
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
  }

  /** What was written. The writer is done for. */
  finish(): Uint8Array {
    const { bytes, pos } = this
    const written = bytes.subarray(this.#start, pos)
    if (this.#shared && bytes.length === SLAB) {
      slab = bytes
      taken = (pos + 7) & ~7
    } else if (written.length < bytes.length * 0.7) {
      // What is left over should not stay with the message.
      const copy = room(written.length)
      copy.set(written)
      return copy
    }
    return written
  }

  /** Begins anew, in this memory. */
  reuse(bytes: Uint8Array): void {
    if (this.bytes !== bytes) {
      this.bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    this.pos = 0
  }

  /** No deeper than what is read. */
  deeper(depth: number): void {
    if (depth > MAX_DEPTH)
      throw new DocumentError('ERR_DOCUMENT', `Documents, tags and parameters can be nested ${MAX_DEPTH} levels deep: these are deeper, or contain themselves`)
  }

  /** Makes sure that this many bytes can be written. @throws WriterFull where they are more than there may be */
  need(size: number): void {
    if (this.pos + size <= this.bytes.length) return
    if (this.pos + size > this.most) throw new WriterFull('There is no room for it')
    const larger = room(Math.min(this.most, Math.max(this.bytes.length * 2, this.pos + size)))
    // In the same place: positions are remembered by who writes a message within.
    larger.set(this.bytes.subarray(this.#start, this.pos), this.#start)
    this.bytes = larger
    this.#view = new DataView(larger.buffer, larger.byteOffset, larger.byteLength)
  }

  /** A varint below 2^32, where there is room for it. */
  raw(value: number): void {
    const { bytes } = this
    while (value > 127) {
      bytes[this.pos++] = (value & 127) | 128
      value >>>= 7
    }
    bytes[this.pos++] = value
  }

  tag(tag: number): void {
    this.need(10)
    this.raw(tag)
  }

  /** @throws DocumentError for a number that does not fit */
  uint32(tag: number, value: number): void {
    if (value > 4294967295) throw new DocumentError('ERR_DOCUMENT', `${value} does not fit in 32 bits, as which granularity and adjacency travel`)
    this.need(20)
    this.raw(tag)
    this.raw(value)
  }

  /** A signed integer, in ten bytes when it is negative. */
  int64(tag: number, value: number): void {
    this.need(20)
    this.raw(tag)
    if (value >= 0 && value < 4294967296) this.raw(value)
    else this.#int64(BigInt(value))
  }

  #int64(value: bigint): void {
    let rest = BigInt.asUintN(64, value)
    for (; rest > 127n; rest >>= 7n) this.bytes[this.pos++] = Number(rest & 127n) | 128
    this.bytes[this.pos++] = Number(rest)
  }

  double(tag: number, value: number): void {
    this.need(18)
    this.raw(tag)
    this.rawDouble(value)
  }

  rawDouble(value: number): void {
    this.#view.setFloat64(this.pos, value, true)
    this.pos += 8
  }

  float(tag: number, value: number): void {
    this.need(14)
    this.raw(tag)
    this.rawFloat(value)
  }

  /** @throws DocumentError for a number that would become infinite */
  rawFloat(value: number): void {
    if (Math.abs(value) >= TOO_LARGE && Number.isFinite(value))
      throw new DocumentError('ERR_DOCUMENT', `${value} does not fit in 32 bits, as which weights, offsets, locations and scores travel`)
    this.#view.setFloat32(this.pos, value, true)
    this.pos += 4
  }

  text(tag: number, text: string): void {
    const { length } = text
    this.need(length * 3 + 20)
    this.raw(tag)
    if (length <= SHORT) {
      const end = writeAscii(this.bytes, text, this.pos)
      if (end >= 0) {
        this.pos = end
        return
      }
    }
    const room = sizeOf(length)
    const at = this.open(room)
    this.pos += writeText(this.bytes, text, at)
    this.close(at, room)
  }

  blob(tag: number, blob: Uint8Array): void {
    this.need(blob.length + 20)
    this.raw(tag)
    this.raw(blob.length)
    this.copy(blob)
  }

  /** Bytes as they are, where there is room for them. */
  copy(blob: Uint8Array): void {
    this.bytes.set(blob, this.pos)
    this.pos += blob.length
  }

  /** Leaves room for a length of so many bytes. Returns where what it is the length of begins. */
  open(room: number): number {
    this.need(room)
    this.pos += room
    return this.pos
  }

  /**
   * @param at what `open(room)` returned
   * @returns how much room it took
   */
  close(at: number, room: number): number {
    const length = this.pos - at
    const size = sizeOf(length)
    if (size !== room) {
      this.need(5)
      this.bytes.copyWithin(at - room + size, at, this.pos)
      this.pos += size - room
    }
    const { bytes } = this
    let to = at - room
    let rest = length
    for (; rest > 127; rest >>>= 7) bytes[to++] = (rest & 127) | 128
    bytes[to] = rest
    return size
  }

  /** As `close()`, in all the room that was left: what was written stays where it is. */
  fill(at: number, room: number): void {
    const { bytes } = this
    let rest = this.pos - at
    for (let to = at - room; to < at - 1; rest >>>= 7) bytes[to++] = (rest & 127) | 128
    bytes[at - 1] = rest
  }
}

/** How many bytes a number takes as a varint. */
export function sizeOf(value: number): number {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : value < 268435456 ? 4 : 5
}
