import type { NdArray, TypedArray } from '../../doc/ndarray.js'
import { AT_ROW, COLUMN, type Column, FIELD, IN_COLUMN } from './columns.js'
import { dtypeOf, nameOf } from './dtype.js'
import { sizeOf, type TensorColumns, type Writer } from './writer.js'

/** Kinds of tensors that have a column in one message. Others stand in their documents: where each has a shape of its own, columns are worth nothing. */
const MOST = 16

/** Typed arrays up to this size have no memory of their own until somebody asks for it, which costs more than the copy. */
const TINY = 64

/** Rows behind each other in memory. */
interface Run {
  readonly first: TypedArray
  rows: number
}

class Gathered {
  readonly count: number
  readonly runs: Run[] = []
  rows = 0
  #buffer: ArrayBufferLike | undefined
  #end = 0

  constructor(
    readonly dtype: string,
    readonly shape: readonly number[],
    { length }: TypedArray,
  ) {
    this.count = length
  }

  fits(dtype: string, { length }: TypedArray, shape: readonly number[]): boolean {
    if (dtype !== this.dtype || length !== this.count || shape.length !== this.shape.length) return false
    for (let at = 0; at < shape.length; at++) if (shape[at] !== this.shape[at]) return false
    return true
  }

  /** @returns its row */
  add(data: TypedArray): number {
    if (data.byteLength <= TINY) this.runs.push({ first: data, rows: 1 })
    else {
      const { buffer, byteOffset } = data
      // Vectors are often rows of one matrix, of a model or of a message: these are copied in one go.
      if (buffer === this.#buffer && byteOffset === this.#end) this.runs.at(-1)!.rows++
      else {
        this.runs.push({ first: data, rows: 1 })
        this.#buffer = buffer
      }
      this.#end = byteOffset + data.byteLength
    }
    return this.rows++
  }
}

/** Gathers the tensors of a message. */
export class ColumnWriter implements TensorColumns {
  readonly #all: Gathered[] = []

  write(writer: Writer, tag: number, { data, shape }: NdArray): boolean {
    const dtype = nameOf(data)
    const all = this.#all
    let at = 0
    while (at < all.length && !all[at]!.fits(dtype, data, shape)) at++
    if (at === all.length) {
      if (at === MOST || data.length === 0 || shape.reduce((product, size) => product * size, 1) !== data.length) return false
      all.push(new Gathered(dtype, shape.slice(), data))
    }
    const row = all[at]!.add(data)
    writer.need(24)
    writer.raw(tag)
    writer.raw(4 + sizeOf(at) + sizeOf(row))
    writer.raw(IN_COLUMN)
    writer.raw(at)
    writer.raw(AT_ROW)
    writer.raw(row)
    return true
  }

  /** Writes the columns, behind all else of the message. */
  finish(writer: Writer): void {
    for (const { dtype, shape, rows, count, runs } of this.#all) {
      const { size, type } = dtypeOf(dtype)
      const start = writeHead(writer, dtype, shape, rows, rows * count * size, size)
      const column = new type(writer.bytes.buffer, start, rows * count) as Float32Array
      let at = 0
      for (const { first, rows } of runs) {
        const data = (rows === 1 ? first : new type(first.buffer, first.byteOffset, rows * count)) as Float32Array
        column.set(data, at)
        // What shrank meanwhile leaves no strange memory behind it.
        if (data.length < rows * count) column.fill(0, at + data.length, at + rows * count)
        at += rows * count
      }
    }
  }
}

/** Writes columns as they came, with what was written into them. */
export function writeColumns(writer: Writer, columns: readonly Column[]): void {
  for (const column of columns) {
    const { dtype, shape, rows, byteLength } = column
    writeHead(writer, dtype, shape, rows, byteLength, dtypeOf(dtype).size)
    writer.pos -= byteLength
    for (const piece of column.pieces()) writer.copy(piece)
  }
}

/** Bytes of a length that is written before it is known how many it takes. */
const WIDE = 5

/** Leaves room for the elements of a column, where they are aligned. @returns where in the writer's memory they begin */
function writeHead(writer: Writer, dtype: string, shape: readonly number[], rows: number, byteLength: number, size: number): number {
  writer.need(byteLength + 64 + shape.length * 5 + dtype.length)
  writer.raw(COLUMN)
  const at = writer.open(WIDE)
  writer.text(FIELD.dtype, dtype)
  writer.raw(FIELD.shape)
  writer.raw(shape.reduce((sum, size) => sum + sizeOf(size), 0))
  for (const length of shape) writer.raw(length)
  writer.raw(FIELD.rows)
  writer.raw(rows)
  const start = writer.bytes.byteOffset + writer.pos + 3 + sizeOf(byteLength)
  const padding = -start & (size - 1)
  writer.raw(FIELD.padding)
  writer.raw(padding)
  writer.bytes.fill(0, writer.pos, writer.pos + padding)
  writer.pos += padding
  writer.raw(FIELD.elements)
  writer.raw(byteLength)
  writer.pos += byteLength
  writer.fill(at, WIDE)
  return start + padding
}
