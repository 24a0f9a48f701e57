import { DocumentError, invalid, show } from '../base/errors.js'

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array

/** Numbers in rows of rows, as JSON writes a tensor. */
export type NestedList = readonly (number | NestedList)[]

/** A dense tensor: `data` holds its elements in row-major order, `shape` its dimensions. The dtype is that of the typed array. */
export interface NdArray {
  readonly data: TypedArray
  readonly shape: readonly number[]
}

/** What a `tensor` or an `embedding` can be given as: a typed array alone is one-dimensional; lists become Float64, as numpy reads JSON. */
export type NdArrayInit = NdArray | TypedArray | NestedList

export function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

/**
 * Makes an {@link NdArray}; binary data is shared, not copied.
 * @param field named by errors
 * @throws DocumentError if the value is no tensor, ragged, or its shape does not fit its length
 */
export function toNdArray(value: NdArrayInit, field = 'tensor'): NdArray {
  if (isTypedArray(value)) return { data: value, shape: [value.length] }
  // A number is what toNested makes of a tensor without dimensions.
  if (Array.isArray(value) || typeof unspelled(value) === 'number') return fromNested(value as NestedList, field)
  const { data, shape } = Object(value) as Partial<NdArray>
  if (!isTypedArray(data) || !Array.isArray(shape)) throw invalid(field, 'a typed array, { data, shape } or lists of numbers', value)
  if (countOf(shape, field) !== data.length)
    throw new DocumentError('ERR_DOCUMENT', `${field} has ${data.length} elements, which do not fill the shape [${shape.join(', ')}]`)
  return value as NdArray
}

/** The most rows of a tensor that has nothing in them: 65,536. Written as JSON each is two characters, whatever few bytes it came from. */
export const MAX_EMPTY_ROWS = 1 << 16

/**
 * How many elements a shape has; NaN for what is no shape.
 * @throws DocumentError for more empty rows than {@link MAX_EMPTY_ROWS}
 */
export function countOf(shape: readonly number[], field: string): number {
  let count = 1
  let rows = 1
  for (const size of shape) {
    count *= Number.isInteger(size) && size >= 0 ? size : NaN
    // What stands before the first 0 is written down, although nothing is in it.
    rows = count || rows
  }
  if (count === 0 && rows > MAX_EMPTY_ROWS) throw new DocumentError('ERR_DOCUMENT', `${field} has more than ${MAX_EMPTY_ROWS} empty rows`)
  return count
}

/** A number that JSON has none for is one of these texts in it; all else is what it is. */
export function unspelled(value: unknown): unknown {
  return typeof value === 'string' && /^(NaN|-?Infinity)$/.test(value) ? +value : value
}

/**
 * A tensor as nested lists. 64-bit integers become numbers.
 * @param item what stands for each number
 */
export function toNested({ data, shape }: NdArray, item: (value: number) => unknown = Number): NestedList | number {
  let at = 0
  const rows = (dimension: number): any => {
    if (dimension === shape.length) return item(Number(data[at++]))
    const list: unknown[] = []
    for (let i = 0; i < shape[dimension]!; i++) list.push(rows(dimension + 1))
    return list
  }
  return rows(0)
}

// As numpy has it. Lists from the network can be nested so deep that following them would exhaust the stack.
const MAX_DIMENSIONS = 64

function fromNested(list: NestedList, field: string): NdArray {
  const shape: number[] = []
  for (let level: unknown = list; Array.isArray(level); level = level[0]) {
    if (shape.length === MAX_DIMENSIONS) throw new DocumentError('ERR_DOCUMENT', `${field} must have at most ${MAX_DIMENSIONS} dimensions`)
    shape.push(level.length)
  }
  // All rows are measured before room is made: a few kilobytes of ragged lists could otherwise ask for gigabytes.
  const measure = (level: unknown, dimension: number): void => {
    if (!Array.isArray(level) || level.length !== shape[dimension])
      throw new DocumentError('ERR_DOCUMENT', `${field} must have rows of one length: ${shape[dimension]} in dimension ${dimension}`)
    if (dimension + 1 < shape.length) for (const inner of level) measure(inner, dimension + 1)
  }
  if (shape.length > 0) measure(list, 0)
  const data = new Float64Array(countOf(shape, field))
  let at = 0
  const fill = (level: unknown, dimension: number): void => {
    if (dimension < shape.length) {
      for (const inner of level as unknown[]) fill(inner, dimension + 1)
      return
    }
    // Others write null for what JSON has no number for.
    const number = level === null ? Number.NaN : unspelled(level)
    if (typeof number !== 'number') throw new DocumentError('ERR_DOCUMENT', `${field} must hold numbers only, not ${show(level)}`)
    data[at++] = number
  }
  fill(list, 0)
  return { data, shape }
}
