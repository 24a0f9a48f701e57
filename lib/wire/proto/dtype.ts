import type { TypedArray } from '../../doc/ndarray.js'
import { ProtoError } from './error.js'
import { ownOf } from './text.js'

type Constructor = (new (buffer: ArrayBufferLike, offset: number, length: number) => TypedArray) & { readonly BYTES_PER_ELEMENT: number }

/** How numpy's elements read here. */
export interface Dtype {
  /** Bytes of an element. */
  readonly size: number
  /** Whether the bytes stand in the order of the other kind of machine. */
  readonly swapped: boolean
  readonly type: Constructor
  /** Half floats, which have no typed array here and become Float32. */
  readonly half: boolean
}

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

const TYPES: readonly (readonly [code: string, name: string, size: number, type: Constructor])[] = [
  ['f4', 'float32', 4, Float32Array],
  ['f8', 'float64', 8, Float64Array],
  ['f2', 'float16', 2, Float32Array],
  ['i1', 'int8', 1, Int8Array],
  ['u1', 'uint8', 1, Uint8Array],
  ['b1', 'bool', 1, Uint8Array],
  ['i2', 'int16', 2, Int16Array],
  ['u2', 'uint16', 2, Uint16Array],
  ['i4', 'int32', 4, Int32Array],
  ['u4', 'uint32', 4, Uint32Array],
  ['i8', 'int64', 8, BigInt64Array],
  ['u8', 'uint64', 8, BigUint64Array],
]

/** By all that numpy takes for their names: `<f4`, `f4`, `float32`. */
const DTYPES = new Map<string, Dtype>()
for (const [code, name, size, type] of TYPES) {
  const dtype = (little: boolean): Dtype => ({ size, type, half: code === 'f2', swapped: size > 1 && little !== LITTLE })
  for (const prefix of ['<', '|', '=', '']) DTYPES.set(prefix + code, dtype(prefix === '<' || prefix === '|' || LITTLE))
  DTYPES.set(`>${code}`, dtype(false)).set(name, dtype(LITTLE))
}

/** @throws ProtoError for what has no meaning here: texts, dates, complex numbers, records */
export function dtypeOf(name: string): Dtype {
  const dtype = DTYPES.get(name)
  if (dtype === undefined) throw new ProtoError(`A tensor of dtype ${JSON.stringify(name.slice(0, 40))} cannot be read: send integers, floats or booleans`)
  return dtype
}

const NAMES = new Map<Function, string>([
  ...TYPES.filter(([code]) => code !== 'f2' && code !== 'b1').map(([code, , size, type]) => [type, `${size === 1 ? '|' : LITTLE ? '<' : '>'}${code}`] as const),
  [Uint8ClampedArray, '|u1'],
])

/** As numpy's `dtype.str`. Subclasses, such as Node's Buffer, are what they are made of. */
export function nameOf(data: TypedArray): string {
  const name = NAMES.get(data.constructor)
  if (name !== undefined) return name
  for (const [type, name] of NAMES) if (data instanceof (type as any)) return name
  throw new ProtoError(`A tensor of ${data.constructor.name} cannot be written`)
}

/** Elements from their bytes: in memory of their own, or a view of the message where `ownOf` gives one. */
export function elements({ size, swapped, type, half }: Dtype, bytes: Uint8Array, start: number, end: number): TypedArray {
  const count = (end - start) / size
  if (half) return halves(bytes, start, count, swapped !== LITTLE)
  const own = ownOf(bytes, start, end, swapped ? Infinity : size)
  if (swapped) swap(own, size)
  return new type(own.buffer, own.byteOffset, count)
}

function swap(bytes: Uint8Array, size: number): void {
  for (let i = 0; i < bytes.length; i += size) bytes.subarray(i, i + size).reverse()
}

function halves(bytes: Uint8Array, start: number, count: number, little: boolean): Float32Array {
  const floats = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const at = start + 2 * i
    const bits = little ? bytes[at]! | (bytes[at + 1]! << 8) : bytes[at + 1]! | (bytes[at]! << 8)
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    const size = exponent === 31 ? (fraction === 0 ? Infinity : NaN) : exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
    floats[i] = bits & 0x8000 ? -size : size
  }
  return floats
}
