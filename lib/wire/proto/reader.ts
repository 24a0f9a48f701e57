import { ProtoError } from './error.js'
import { ownOf, readText, workable } from './text.js'

/** How deep documents, tags and lists may stand in each other, unless somebody says otherwise. What is deeper is not written either. */
export const MAX_DEPTH = 100

/** How fields are laid out: the low three bits of a tag. */
export const VARINT = 0
export const FIXED64 = 1
export const LENGTH = 2
const GROUP = 3
const GROUP_END = 4
export const FIXED32 = 5

/**
 * Reads the fields of protobuf messages. A message inside of another is known by where it ends, which `stop()` says and which every
 * reading function takes: nothing reads beyond.
 */
export class Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  pos = 0

  constructor(
    bytes: Uint8Array,
    readonly maxDepth: number,
  ) {
    this.bytes = workable(bytes)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Field number and layout of the next field. */
  tag(): number {
    const tag = this.uint32()
    if (tag >>> 3 === 0) throw this.broken('a field without a number')
    return tag
  }

  /** A varint, of which the low 32 bits count. */
  uint32(): number {
    const byte = this.bytes[this.pos++]!
    return byte < 128 ? byte : this.#long(byte)
  }

  #long(first: number): number {
    let value = first & 127
    for (let shift = 7; shift < 70; shift += 7) {
      const byte = this.bytes[this.pos++]
      if (byte === undefined) break
      if (shift < 32) value |= (byte & 127) << shift
      if (byte < 128) return value >>> 0
    }
    throw this.broken('a number without an end')
  }

  /** A signed varint of 64 bits. Beyond 2^53 it is rounded. */
  int64(): number {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.pos++]
      if (byte === undefined) break
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return Number(BigInt.asIntN(64, value))
    }
    throw this.broken('a number without an end')
  }

  double(end: number): number {
    if (this.pos + 8 > end) throw this.broken('a number cut off')
    const value = this.view.getFloat64(this.pos, true)
    this.pos += 8
    return value
  }

  float(end: number): number {
    if (this.pos + 4 > end) throw this.broken('a number cut off')
    const value = this.view.getFloat32(this.pos, true)
    this.pos += 4
    return value
  }

  /** Where the text, the bytes or the message ends that begins here with its length. */
  stop(end: number): number {
    const length = this.uint32()
    const stop = this.pos + length
    if (stop > end) throw this.broken(`${length} bytes announced where ${Math.max(0, end - this.pos)} are left`)
    return stop
  }

  text(end: number): string {
    const stop = this.stop(end)
    const text = readText(this.bytes, this.pos, stop)
    this.pos = stop
    return text
  }

  /** Bytes that nobody else shares. */
  blob(end: number): Uint8Array {
    const stop = this.stop(end)
    const blob = ownOf(this.bytes, this.pos, stop, 1)
    this.pos = stop
    return blob
  }

  /** Steps over a field that nobody asked for. */
  skip(tag: number, end: number, depth = 0): void {
    switch (tag & 7) {
      case VARINT:
        this.uint32()
        break
      case FIXED64:
        this.pos += 8
        break
      case LENGTH:
        this.pos = this.stop(end)
        break
      case FIXED32:
        this.pos += 4
        break
      case GROUP:
        this.deeper(depth + 1)
        for (let inner = this.tag(); inner !== (tag & ~7) + GROUP_END; inner = this.tag()) {
          if ((inner & 7) === GROUP_END) throw this.broken('the end of another group')
          this.skip(inner, end, depth + 1)
        }
        break
      default:
        throw this.broken(`a field laid out in a way that does not exist (${tag & 7})`)
    }
    if (this.pos > end) throw this.broken('a field cut off')
  }

  /** After the last field of a message. */
  done(end: number): void {
    if (this.pos !== end) throw this.broken('a field that runs over the end of its message')
  }

  deeper(depth: number): void {
    if (depth > this.maxDepth) throw new ProtoError(`The message is nested deeper than ${this.maxDepth} levels`)
  }

  broken(what: string): ProtoError {
    return new ProtoError(`The bytes are not a message of Jina: ${what}, at byte ${Math.min(this.pos, this.bytes.length)} of ${this.bytes.length}`)
  }
}
