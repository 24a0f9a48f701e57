import type { NdArray, TypedArray } from '../../doc/ndarray.js'
import { type Dtype, dtypeOf, elements } from './dtype.js'
import { ProtoError } from './error.js'
import type { Reader } from './reader.js'
import { readKey } from './struct.js'
import { LARGE } from './text.js'

// Between a Flow and its threads and processes alone: tensors of one dtype and one shape stand behind each other at the end of a message, as a column, and documents
// say where. So they cross in one piece, and are read without a copy of each. Ours alone, in the field 103 of a DataRequestProto, as often as there are columns:
// dtype = 1, shape = 2, rows = 3, elements = 4, padding = 5. In an NdArrayProto, in place of all else: column = 102, row = 103.

/** Tags of these fields. */
export const COLUMN = 103 * 8 + 2
export const IN_COLUMN = 102 * 8
export const AT_ROW = 103 * 8
export const FIELD = { dtype: 0x0a, shape: 0x12, rows: 0x18, elements: 0x22, padding: 0x2a } as const

/** Has memory that documents share not be handed over to somebody by one of them. Where there is no such way, nothing. Set by who knows the platform. */
export const shared: { keep(memory: ArrayBufferLike): void } = { keep() {} }

/** Tensors of one dtype and one shape, as they came. */
export class Column {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly rows: number
  /** Of all rows. */
  readonly byteLength: number
  readonly #type: Dtype
  readonly #bytes: Uint8Array
  readonly #start: number
  /** Elements and bytes of a row. */
  readonly #count: number
  readonly #size: number
  /** How many rows stand in one piece of memory. */
  readonly #together: number
  /** These pieces, once somebody has asked for one of their rows. None where each row has memory of its own. */
  readonly #pieces: (Uint8Array | undefined)[] | undefined

  /** @throws ProtoError for what is none */
  constructor(bytes: Uint8Array, start: number, end: number, dtype: string, shape: readonly number[], rows: number) {
    const type = dtypeOf(dtype)
    const count = shape.reduce((product, size) => product * size, 1)
    this.dtype = dtype
    this.shape = shape
    this.rows = rows
    this.byteLength = end - start
    this.#type = type
    this.#bytes = bytes
    this.#start = start
    this.#count = count
    this.#size = count * type.size
    if (this.#size * rows !== this.byteLength || rows === 0) throw new ProtoError(`A column of ${rows} tensors has ${this.byteLength} bytes`)
    const isAlone = rows === 1 && this.#size < LARGE
    const isInPlace = (bytes.buffer.byteLength <= LARGE || this.#size >= LARGE) && (bytes.byteOffset + start) % type.size === 0
    this.#together = isInPlace ? rows : Math.max(1, Math.floor(LARGE / this.#size))
    if (!type.swapped && !isAlone) this.#pieces = isInPlace ? [keep(bytes.subarray(start, end))] : new Array(Math.ceil(rows / this.#together)).fill(undefined)
  }

  /** One of them. All that ask for the same row share its elements. */
  at(row: number): NdArray {
    const { shape } = this
    return { data: this.#elements(row), shape: shape.length === 1 ? [shape[0]!] : shape.slice() }
  }

  #elements(row: number): TypedArray {
    const pieces = this.#pieces
    const size = this.#size
    if (pieces === undefined) {
      const start = this.#start + row * size
      return elements(this.#type, this.#bytes, start, start + size)
    }
    const together = this.#together
    const at = row < together ? 0 : Math.floor(row / together)
    const { buffer, byteOffset } = (pieces[at] ??= this.#copied(at))
    return new this.#type.type(buffer, byteOffset + (row - at * together) * size, this.#count)
  }

  #copied(at: number): Uint8Array {
    const start = this.#start + at * this.#together * this.#size
    const end = Math.min(start + this.#together * this.#size, this.#start + this.byteLength)
    return keep(new Uint8Array(this.#bytes.subarray(start, end)))
  }

  /** Whether these are elements of it in memory where all see what is written into them, and so goes on with the column. */
  holds({ buffer }: TypedArray): boolean {
    const pieces = this.#pieces
    if (pieces === undefined) return false
    for (const piece of pieces) if (piece?.buffer === buffer) return true
    return false
  }

  /** Whether a tensor is as it was handed out, but for its elements. */
  isWhole({ data, shape }: NdArray): boolean {
    if (data.length !== this.#count || shape.length !== this.shape.length) return false
    for (let at = 0; at < shape.length; at++) if (shape[at] !== this.shape[at]) return false
    return true
  }

  /** Its elements as they are now, one piece after the other. */
  *pieces(): Iterable<Uint8Array> {
    const most = this.#together * this.#size
    for (let at = 0, start = this.#start; at * most < this.byteLength; at++, start += most)
      yield this.#pieces?.[at] ?? this.#bytes.subarray(start, Math.min(start + most, this.#start + this.byteLength))
  }
}

function keep(memory: Uint8Array): Uint8Array {
  shared.keep(memory.buffer)
  return memory
}

/** A column of a message. @throws ProtoError for what is none */
export function readColumn(reader: Reader, end: number): Column {
  let dtype = ''
  const shape: number[] = []
  let rows = 0
  let start = 0
  let stop = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === FIELD.dtype) dtype = readKey(reader, end)
    else if (tag === FIELD.shape) for (const stop = reader.stop(end); reader.pos < stop; ) shape.push(reader.uint32())
    else if (tag === FIELD.rows) rows = reader.uint32()
    else if (tag === FIELD.elements) {
      stop = reader.stop(end)
      start = reader.pos
      reader.pos = stop
    } else reader.skip(tag, end)
  }
  reader.done(end)
  return new Column(reader.bytes, start, stop, dtype, shape, rows)
}

/** The tensor that stands in a column. @throws ProtoError where there is none */
export function rowOf(columns: readonly Column[], column: number, row: number): Column {
  const found = columns[column]
  if (found === undefined || row >= found.rows) throw new ProtoError(`A tensor is said to be row ${row} of column ${column}, which is not there`)
  return found
}
