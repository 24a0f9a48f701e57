import { isTypedArray, type NdArray } from '../../doc/ndarray.js'
import { sameBytes } from './text.js'

/** Whether a value that stands alone (None, a number, a text, bytes, a tensor) is another. Lists, objects and documents are written part by part: false. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return typeof a !== 'object' || a === null
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isTypedArray(a) || isTypedArray(b)) return isTypedArray(a) && isTypedArray(b) && sameElements(a, b)
  const { data, shape } = a as NdArray
  const other = b as NdArray
  if (!isTypedArray(data) || !isTypedArray(other.data) || !Array.isArray(shape) || !Array.isArray(other.shape)) return false
  return shape.length === other.shape.length && shape.every((size, i) => size === other.shape[i]) && sameElements(data, other.data)
}

function sameElements(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return a.constructor === b.constructor && sameBytes(bytesOf(a), bytesOf(b))
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
