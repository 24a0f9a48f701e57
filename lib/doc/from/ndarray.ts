import { check } from '../../base/check.js'
import { DocumentError, optionType, say, show } from '../../base/errors.js'
import { Document } from '../document.js'
import { isTypedArray, type NdArray, type NdArrayInit, type TypedArray, toNdArray } from '../ndarray.js'

/** A tensor of two or more dimensions, or its rows one by one. */
export type Rows = NdArray | Iterable<NdArrayInit> | AsyncIterable<NdArrayInit>

export interface FromNdarrayOptions {
  /** The field that takes a row. Default `'tensor'`, the content. */
  field?: 'tensor' | 'embedding' | undefined
}

/**
 * A document for each row of a tensor, that is, for each index of its first dimension. Rows of `{ data, shape }` and typed
 * arrays are views: they share memory with what was given. Nested lists become Float64.
 *
 * @param rows `{ data, shape }` of two or more dimensions, nested lists, or an iterable of rows
 * @throws DocumentError (`ERR_DOCUMENT`) at the call for one dimension, or a shape that does not fit; while reading for a row that is no tensor
 *
 * @example
 * flow.index(fromNdarray({ data: new Float32Array(60_000 * 784), shape: [60_000, 28, 28] }))
 */
export function fromNdarray(rows: Rows, options: FromNdarrayOptions = {}): AsyncGenerator<Document, void, undefined> {
  check('fromNdarray()', options, { field })
  return read(rowsOf(rows), options.field ?? 'tensor')
}

async function* read(rows: Iterable<NdArrayInit> | AsyncIterable<NdArrayInit>, field: 'tensor' | 'embedding'): AsyncGenerator<Document, void, undefined> {
  let position = 0
  for await (const row of rows) {
    let tensor: NdArray
    try {
      tensor = toNdArray(row, field)
    } catch (cause) {
      throw new DocumentError('ERR_DOCUMENT', `Row ${position}: ${say(cause)}`, { cause })
    }
    position++
    yield new Document(field === 'tensor' ? { tensor } : { embedding: tensor })
  }
}

function rowsOf(rows: Rows): Iterable<NdArrayInit> | AsyncIterable<NdArrayInit> {
  if (typeof rows === 'object' && rows !== null && !ArrayBuffer.isView(rows)) {
    if (Symbol.iterator in rows || Symbol.asyncIterator in rows) return rows
    if (isTypedArray((rows as NdArray).data)) return views(toNdArray(rows, 'The array') as NdArray)
  }
  throw new DocumentError(
    'ERR_DOCUMENT',
    `fromNdarray() takes { data, shape } of two or more dimensions, nested lists or an iterable of rows, not ${show(rows)}`,
  )
}

function views({ data, shape }: NdArray): Iterable<NdArray> {
  const [count, ...inner] = shape
  if (count === undefined || inner.length === 0)
    throw new DocumentError('ERR_DOCUMENT', `The array must have two or more dimensions to have rows, not the shape [${shape.join(', ')}]`)
  const length = data.length / count
  return (function* () {
    for (let row = 0; row < count; row++) yield { data: data.subarray(row * length, (row + 1) * length) as TypedArray, shape: inner }
  })()
}

function field(name: string, value: unknown): void {
  if (value !== 'tensor' && value !== 'embedding') throw optionType(name, `'tensor' or 'embedding'`, value)
}
