import { Document, DocumentArray, type NdArray } from '../../../lib/index.js'

const DTYPES: Record<string, string> = {
  Float32Array: '<f4',
  Float64Array: '<f8',
  Int8Array: '|i1',
  Uint8Array: '|u1',
  Int16Array: '<i2',
  Uint16Array: '<u2',
  Int32Array: '<i4',
  Uint32Array: '<u4',
  BigInt64Array: '<i8',
  BigUint64Array: '<u8',
}

const FIELDS = ['uri', 'mimeType', 'weight', 'parentId', 'granularity', 'adjacency', 'modality', 'offset', 'location'] as const

/** A document as the fixtures write it: what is set, tensors as dtype, shape and numbers, bytes as base64. */
export function plainDocument(document: Document): Record<string, unknown> {
  const { id, text, blob, tensor, embedding, tags, scores, evaluations } = document
  const plain: Record<string, unknown> = { id }
  if (text !== '') plain.text = text
  if (blob !== undefined) plain.blob = plainValue(blob)
  if (tensor !== undefined) plain.tensor = plainValue(tensor)
  if (embedding !== undefined) plain.embedding = plainValue(embedding)
  for (const field of FIELDS) if (document[field] !== undefined && document[field] !== 0) plain[field] = document[field]
  for (const field of ['chunks', 'matches'] as const) if (document.has(field)) plain[field] = document[field].map(plainDocument)
  if (Object.keys(tags).length > 0) plain.tags = plainValue(tags)
  if (Object.keys(scores).length > 0) plain.scores = scores
  if (Object.keys(evaluations).length > 0) plain.evaluations = evaluations
  return plain
}

export function plainValue(value: any): unknown {
  if (value instanceof Document) return plainDocument(value)
  if (value instanceof DocumentArray) return value.map(plainDocument)
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return value.map(plainValue)
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value.data) && Array.isArray(value.shape)) return plainTensor(value)
  // By entries: a key named __proto__ stays a key.
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainValue(inner)]))
}

function plainTensor({ data, shape }: NdArray): unknown {
  return { dtype: DTYPES[data.constructor.name], shape: [...shape], data: Array.from<number | bigint>(data) }
}

/** What the fixtures expect, with tensors as they are read here: half floats and booleans have no typed arrays of their own. */
export function asRead(json: any): any {
  if (Array.isArray(json)) return json.map(asRead)
  if (typeof json !== 'object' || json === null) return json
  const { dtype, shape, data } = json
  if (typeof dtype !== 'string') return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, asRead(value)]))
  const type = dtype.replace('>', '<').replace('<f2', '<f4').replace('|b1', '|u1')
  const number = (text: string): number | bigint => (/[iu]8/.test(dtype) ? BigInt(text) : (SPECIAL[text] ?? Number(text)))
  return { dtype: type, shape, data: data.map(number) }
}

const SPECIAL: Record<string, number> = { nan: NaN, inf: Infinity, True: 1, False: 0 }
