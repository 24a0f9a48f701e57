import type { NdArray } from '../../doc/ndarray.js'
import { ProtoError } from './error.js'

/**
 * Puts the values of a sparse tensor where they belong in a dense one of zeros. What stands there twice is added up, as scipy does.
 * @param data of the dense one; without it, the places are looked at only
 * @param columns whether indices come as a list for each dimension (torch), and not as a list for each value (scipy, tensorflow)
 */
export function toDense(data: any, shape: readonly number[], indices: NdArray, values: NdArray, columns: boolean): void {
  const count = values.data.length
  const dimensions = shape.length
  if (indices.data.length !== count * dimensions)
    throw new ProtoError(`A sparse tensor has ${indices.data.length} indices for ${count} values in ${dimensions} dimensions`)
  for (let i = 0; i < count; i++) {
    let at = 0
    for (let dimension = 0; dimension < dimensions; dimension++) {
      const index = Number(indices.data[columns ? dimension * count + i : i * dimensions + dimension])
      const size = shape[dimension]!
      if (!(Number.isInteger(index) && index >= 0 && index < size))
        throw new ProtoError(`A sparse tensor has a value at ${index}, outside of its shape [${shape.join(', ')}]`)
      at = at * size + index
    }
    if (data !== undefined) data[at] += values.data[i]
  }
}
