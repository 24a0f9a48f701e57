import { say } from '../../base/errors.js'
import { countOf, type NdArray } from '../../doc/ndarray.js'
import { AT_ROW, type Column, IN_COLUMN, rowOf } from './columns.js'
import { dtypeOf, elements, nameOf } from './dtype.js'
import { ProtoError } from './error.js'
import type { Reader } from './reader.js'
import { toDense } from './sparse.js'
import { readKey } from './struct.js'
import { sizeOf, type Writer } from './writer.js'

// NdArrayProto of docarray 0.x: dense = 1 or sparse = 2, cls_name = 3, parameters = 4; of docarray ≥ 0.30: dense = 1, parameters = 2.
// DenseNdArrayProto: buffer = 1, shape = 2, dtype = 3. SparseNdArrayProto: indices = 1, values = 2, shape = 3.

/** As numpy has it. */
const MAX_DIMENSIONS = 64

/**
 * Memory that a message asks for without bringing it along: tensors without bytes, which read as zeros as they do in Python, sparse ones, and
 * rows of nothing. Counted before anything of it is made.
 */
export class Grown {
  #bytes = 0

  /** The most for all of a message: 32 MiB. Some 600 bytes asked for 500 MB otherwise. */
  static readonly MAX = 1 << 25

  /** @throws ProtoError for too much */
  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > Grown.MAX)
      throw new ProtoError(
        `The tensors of a message would take more than the ${Grown.MAX >> 20} MiB there are for those that bring few bytes: send them in several messages`,
      )
  }
}

/**
 * A tensor, sparse ones as dense ones; undefined for a tensor of nothing.
 * @param grown given to look only: counts what would be made, and nothing is
 * @param columns of the message, where it has some: what stands in there shares its memory with others
 */
export function readNdArray(reader: Reader, end: number, sparse: boolean, grown?: Grown, columns?: readonly Column[]): NdArray | undefined {
  let dense = -1
  let stopDense = 0
  let thin = -1
  let stopThin = 0
  let framework = ''
  let column = -1
  let row = 0
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === IN_COLUMN || tag === AT_ROW) {
      // Only who runs this Flow's workers says these. From elsewhere, they would be copied with their document as it came, and mean a row of somebody else there.
      if (columns === undefined) throw new ProtoError('A tensor is said to stand in a column, of which this message has none')
      const at = reader.uint32()
      if (tag === IN_COLUMN) column = at
      else row = at
    } else if (tag === 0x0a) {
      stopDense = reader.stop(end)
      dense = reader.pos
      reader.pos = stopDense
      thin = -1
    } else if (tag === 0x12 && sparse) {
      stopThin = reader.stop(end)
      thin = reader.pos
      reader.pos = stopThin
      dense = -1
    } else if (tag === 0x1a && sparse) framework = readKey(reader, end)
    else reader.skip(tag, end)
  }
  reader.done(end)
  if (column >= 0) {
    const found = rowOf(columns!, column, row)
    return grown === undefined ? found.at(row) : undefined
  }
  let array: NdArray | undefined
  if (thin >= 0) array = readSparse(reader, thin, stopThin, framework, grown)
  else if (dense >= 0) {
    reader.pos = dense
    array = readDense(reader, stopDense, grown)
  }
  reader.pos = end
  return array
}

function readDense(reader: Reader, end: number, grown?: Grown): NdArray | undefined {
  let start = 0
  let stop = 0
  let dtype = ''
  const shape: number[] = []
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) {
      stop = reader.stop(end)
      start = reader.pos
      reader.pos = stop
    } else if (tag === 0x1a) dtype = readKey(reader, end)
    else if (!readShape(reader, tag, end, 2, shape)) reader.skip(tag, end)
  }
  reader.done(end)
  const count = elementsOf(shape)
  if (start === stop) {
    if (shape.length === 0) return undefined
    // Python reads no bytes as zeros.
    return zeros(dtype || '<f8', shape, count, grown)
  }
  const type = dtypeOf(dtype)
  if (count * type.size !== stop - start)
    throw new ProtoError(`A tensor has ${stop - start} bytes, which do not fill the shape [${shape.join(', ')}] with elements of ${type.size}`)
  return grown === undefined ? { data: elements(type, reader.bytes, start, stop), shape } : undefined
}

function elementsOf(shape: readonly number[]): number {
  try {
    return countOf(shape, 'A tensor')
  } catch (cause) {
    throw new ProtoError(say(cause), { cause })
  }
}

/** Adds to a shape; false for another field. */
function readShape(reader: Reader, tag: number, end: number, field: number, shape: number[]): boolean {
  if (tag === field * 8) shape.push(reader.uint32())
  else if (tag === field * 8 + 2) {
    const stop = reader.stop(end)
    while (reader.pos < stop && shape.length <= MAX_DIMENSIONS) shape.push(reader.uint32())
    if (shape.length <= MAX_DIMENSIONS) reader.done(stop)
  } else return false
  if (shape.length > MAX_DIMENSIONS) throw new ProtoError(`A tensor has more than ${MAX_DIMENSIONS} dimensions`)
  return true
}

/** The most bytes that a tensor can take which does not bring them along: 16 MiB. A few bytes could otherwise ask for gigabytes. */
const MAX_GROWN = 1 << 24

function zeros(dtype: string, shape: readonly number[], count: number, grown?: Grown): NdArray | undefined {
  const { size, type } = dtypeOf(dtype)
  // Negated, as more than a double can hold is NaN or Infinity.
  if (!(count * size <= MAX_GROWN))
    throw new ProtoError(`A tensor of shape [${shape.join(', ')}] would take more than the ${MAX_GROWN >> 20} MiB there are for one that brings few bytes`)
  if (grown === undefined) return { data: new type(new ArrayBuffer(count * Math.max(size, type.BYTES_PER_ELEMENT)), 0, count), shape }
  grown.add(count * Math.max(size, type.BYTES_PER_ELEMENT))
  if (count === 0) grown.add(ROW * rowsOf(shape))
}

/** What an empty row takes where tensors are lists. */
const ROW = 16

function rowsOf(shape: readonly number[]): number {
  let rows = 1
  for (const size of shape)
    if (size > 0) rows *= size
    else break
  return rows
}

function readSparse(reader: Reader, start: number, end: number, framework: string, grown?: Grown): NdArray | undefined {
  let indices: NdArray | undefined
  let values: NdArray | undefined
  const shape: number[] = []
  reader.pos = start
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) indices = readPart(reader, reader.stop(end), grown)
    else if (tag === 0x12) values = readPart(reader, reader.stop(end), grown)
    else if (!readShape(reader, tag, end, 3, shape)) reader.skip(tag, end)
  }
  reader.done(end)
  const dense = zeros(values === undefined ? '<f8' : nameOf(values.data), shape, elementsOf(shape), grown)
  if (indices !== undefined && values !== undefined) toDense(dense?.data, shape, indices, values, framework === 'torch')
  return dense
}

/** Indices or values, which are needed to be looked at. */
function readPart(reader: Reader, end: number, grown?: Grown): NdArray | undefined {
  const { pos } = reader
  if (grown !== undefined) readDense(reader, end, grown)
  reader.pos = pos
  return readDense(reader, end)
}

/** The dtype of a dense tensor, without reading it. */
export function dtypeIn(reader: Reader, start: number, end: number): string {
  let dtype = ''
  for (reader.pos = start; reader.pos < end; ) {
    const tag = reader.tag()
    if (tag !== 0x0a) {
      reader.skip(tag, end)
      continue
    }
    const stop = reader.stop(end)
    while (reader.pos < stop) {
      const tag = reader.tag()
      if (tag === 0x1a) dtype = readKey(reader, stop)
      else reader.skip(tag, stop)
    }
  }
  return dtype
}

/** Writes a tensor as numpy's, which all of Python reads; where the message has columns, in one of those. */
export function writeNdArray(writer: Writer, tag: number, array: NdArray, sparse: boolean, dtype = nameOf(array.data)): void {
  if (writer.columns?.write(writer, tag, array)) return
  const { data, shape } = array
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const { length } = bytes
  let packed = 0
  for (const size of shape) packed += sizeOf(size)
  const dense = (length > 0 ? 1 + sizeOf(length) + length : 0) + (shape.length > 0 ? 1 + sizeOf(packed) + packed : 0) + 2 + dtype.length
  writer.need(dense + 40)
  writer.raw(tag)
  writer.raw(1 + sizeOf(dense) + dense + (sparse ? 7 : 0))
  writer.raw(0x0a)
  writer.raw(dense)
  if (length > 0) {
    writer.raw(0x0a)
    writer.raw(length)
    writer.copy(bytes)
  }
  if (shape.length > 0) {
    writer.raw(0x12)
    writer.raw(packed)
    for (const size of shape) writer.raw(size)
  }
  writer.text(0x1a, dtype)
  if (sparse) writer.text(0x1a, 'numpy')
}
