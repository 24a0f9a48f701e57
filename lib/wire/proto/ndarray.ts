import type { NdArray } from '../../doc/ndarray.js'
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

/** A tensor, sparse ones as dense ones; undefined for a tensor of nothing. */
export function readNdArray(reader: Reader, end: number, sparse: boolean): NdArray | undefined {
  let dense = -1
  let stopDense = 0
  let thin = -1
  let stopThin = 0
  let framework = ''
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) {
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
  let array: NdArray | undefined
  if (thin >= 0) array = readSparse(reader, thin, stopThin, framework)
  else if (dense >= 0) {
    reader.pos = dense
    array = readDense(reader, stopDense)
  }
  reader.pos = end
  return array
}

function readDense(reader: Reader, end: number): NdArray | undefined {
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
  let count = 1
  for (const size of shape) count *= size
  if (start === stop) {
    if (shape.length === 0) return undefined
    // Python reads no bytes as zeros.
    return zeros(dtype || '<f8', shape, count)
  }
  const type = dtypeOf(dtype)
  if (count * type.size !== stop - start)
    throw new ProtoError(`A tensor has ${stop - start} bytes, which do not fill the shape [${shape.join(', ')}] with elements of ${type.size}`)
  return { data: elements(type, reader.bytes, start, stop), shape }
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

function zeros(dtype: string, shape: readonly number[], count: number): NdArray {
  const { size, type } = dtypeOf(dtype)
  if (count * size > MAX_GROWN)
    throw new ProtoError(`A tensor of shape [${shape.join(', ')}] would take more than the ${MAX_GROWN >> 20} MiB there are for one that brings few bytes`)
  return { data: new type(new ArrayBuffer(count * Math.max(size, type.BYTES_PER_ELEMENT)), 0, count), shape }
}

function readSparse(reader: Reader, start: number, end: number, framework: string): NdArray | undefined {
  let indices: NdArray | undefined
  let values: NdArray | undefined
  const shape: number[] = []
  reader.pos = start
  while (reader.pos < end) {
    const tag = reader.tag()
    if (tag === 0x0a) indices = readDense(reader, reader.stop(end))
    else if (tag === 0x12) values = readDense(reader, reader.stop(end))
    else if (!readShape(reader, tag, end, 3, shape)) reader.skip(tag, end)
  }
  reader.done(end)
  let count = 1
  for (const size of shape) count *= size
  const dense = zeros(values === undefined ? '<f8' : nameOf(values.data), shape, count)
  if (indices !== undefined && values !== undefined) toDense(dense, indices, values, framework === 'torch')
  return dense
}

/** Writes a tensor as numpy's, which all of Python reads. */
export function writeNdArray(writer: Writer, tag: number, { data, shape }: NdArray, sparse: boolean): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const dtype = nameOf(data)
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
