import { Records } from './records.js'
import type { StoredDocument } from './view.js'

/** Bytes of a slab. */
const SIZE = 1 << 14
/** Of lmdb's room, there is one view for each multiple of so many bytes. */
const STEP = 256

/** Whatever its `length` says, lmdb's room is longer: Buffer's own ways of copying take that for granted. */
export const sliced = Uint8Array.prototype.slice as (this: Buffer, start: number, end: number) => Buffer

/** Room for documents that are asked for one by one: memory of its own for each takes longer than the reading. Who keeps one keeps this much. */
export class Slab {
  #records!: Records
  #used = SIZE
  /** What the views are of. */
  #room: ArrayBufferLike | undefined
  readonly #views: Uint8Array[] = []

  constructor(readonly path: string) {}

  /**
   * A document as it was just read, copied.
   * @param bytes lmdb's own, which the next reading fills anew
   */
  view(bytes: Buffer): StoredDocument {
    const { length } = bytes
    if (length > SIZE / 4) return new Records(sliced.call(bytes, 0, length), this.path).view()
    const all = this.#viewOf(bytes, length)
    if (this.#used + all.length > SIZE) {
      this.#records = new Records(Buffer.allocUnsafeSlow(SIZE), this.path)
      this.#used = 0
    }
    const start = this.#used
    this.#records.reader.bytes.set(all, start)
    this.#used += length
    return this.#records.view(start, this.#used)
  }

  /** At least that much of lmdb's room. To make a view each time takes longer than to copy some bytes more, which the next document is written over. */
  #viewOf({ buffer, byteOffset }: Buffer, length: number): Uint8Array {
    if (this.#room !== buffer) {
      this.#room = buffer
      this.#views.length = 0
    }
    const steps = Math.ceil(length / STEP)
    return (this.#views[steps] ??= new Uint8Array(buffer, byteOffset, Math.min(steps * STEP, buffer.byteLength - byteOffset)))
  }
}
