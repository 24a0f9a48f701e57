import { Document, type DocumentInit } from '../../lib/doc/document.js'
import type { NdArray, TypedArray } from '../../lib/doc/ndarray.js'

/** A document as plain JSON that both languages make, read and compare: see documents.py. */
export type Picture = Record<string, any>

const DTYPES: Record<string, new (items: any[]) => TypedArray> = {
  '<f4': Float32Array,
  '<f8': Float64Array,
  '|i1': Int8Array,
  '|u1': Uint8Array,
  '<i2': Int16Array,
  '<u2': Uint16Array,
  '<i4': Int32Array,
  '<u4': Uint32Array,
  '<i8': BigInt64Array,
  '<u8': BigUint64Array,
}

/** Pictures use Jina's names, which our documents understand; only what JSON does not have is read here. */
export function document(picture: Picture): Document {
  const { tensor, embedding, chunks, matches, ...rest } = picture
  const init: DocumentInit = rest
  if (tensor !== undefined) init.tensor = array(tensor)
  if (embedding !== undefined) init.embedding = array(embedding)
  if (chunks !== undefined) init.chunks = chunks.map(document)
  if (matches !== undefined) init.matches = matches.map(document)
  return new Document(init)
}

function array({ dtype, shape, data }: { dtype: string; shape: number[]; data: (number | string)[] }): NdArray {
  const type = DTYPES[dtype]!
  return { data: new type(dtype.endsWith('8') && dtype !== '<f8' ? data.map(BigInt) : data), shape }
}

export function picture(doc: Document): Picture {
  const { mimeType, parentId, tensor, embedding, chunks, matches, scores, evaluations, ...rest } = doc.toJSON() as Picture
  const made: Picture = rest
  if (mimeType !== undefined) made.mime_type = mimeType
  if (parentId !== undefined) made.parent_id = parentId
  if (tensor !== undefined) made.tensor = arrayPicture(doc.tensor!)
  if (embedding !== undefined) made.embedding = arrayPicture(doc.embedding!)
  if (scores !== undefined) made.scores = named(scores)
  if (evaluations !== undefined) made.evaluations = named(evaluations)
  if (chunks !== undefined) made.chunks = doc.chunks.map(picture)
  if (matches !== undefined) made.matches = doc.matches.map(picture)
  return made
}

function arrayPicture({ data, shape }: NdArray): Picture {
  const dtype = Object.keys(DTYPES).find((name) => DTYPES[name] === data.constructor)
  return { dtype, shape: [...shape], data: Array.from<number | bigint, number | string>(data, (item) => (typeof item === 'bigint' ? String(item) : item)) }
}

function named(scores: Record<string, any>): Picture {
  const made: Picture = {}
  for (const [name, { opName, refId, ...rest }] of Object.entries(scores))
    made[name] = { ...rest, ...(opName !== undefined && { op_name: opName }), ...(refId !== undefined && { ref_id: refId }) }
  return made
}

/** Nothing in them is lost in a float. */
const EXTREMES: Record<string, (number | string)[]> = {
  '<f4': [0.5, -2, 16777216],
  '<f8': [0.1, -1e300, 5e-324],
  '|i1': [-128, 0, 127],
  '|u1': [0, 1, 255],
  '<i2': [-32768, 0, 32767],
  '<u2': [0, 1, 65535],
  '<i4': [-2147483648, 0, 2147483647],
  '<u4': [0, 1, 4294967295],
  '<i8': ['-9223372036854775808', '0', '9223372036854775807'],
  '<u8': ['0', '1', '18446744073709551615'],
}

/** One document for each dtype, with a tensor and an embedding of it. */
export const tensors: Picture[] = Object.entries(EXTREMES).map(([dtype, data]) => ({
  id: `tensor ${dtype}`,
  tensor: { dtype, shape: [1, 3], data },
  embedding: { dtype, shape: [3], data },
}))

/** Tags of every type that JSON has. */
export const tags = {
  text: 'Grüße, 世界 🌍',
  empty: '',
  integer: 7,
  float: 0.1,
  negative: -3,
  yes: true,
  no: false,
  nothing: null,
  list: [1, 'two', [true, null], { three: 3 }],
  object: { deep: { deeper: { deepest: [1, 2, 3] } } },
  constructor: 'a name like others',
}

/** Documents with every field. docarray numbers chunks and matches itself: so do these. */
export const rich: Picture[] = [
  { id: 'text', text: 'Grüße, 世界 🌍', uri: 'file.txt', mime_type: 'text/plain', modality: 'text', weight: 0.5, offset: 1.5, location: [0.5, 2, -1], tags },
  { id: 'blob', blob: Buffer.from([0, 1, 127, 128, 255]).toString('base64'), mime_type: 'application/octet-stream' },
  {
    id: 'scored',
    text: 's',
    scores: { cosine: { value: 0.25, op_name: 'cosine', description: 'how near', ref_id: 'text' }, other: { value: -1.5 } },
    evaluations: { precision: { value: 0.75, op_name: 'precision' } },
  },
  nested('chunks', 3),
  nested('matches', 3),
]

function nested(kind: 'chunks' | 'matches', depth: number): Picture {
  const level = kind === 'chunks' ? 'granularity' : 'adjacency'
  const make = (at: number, parent: string, name: string): Picture => {
    const id = `${parent}/${name}`
    return {
      id,
      text: `level ${at}`,
      [level]: at,
      ...(kind === 'chunks' && { parent_id: parent }),
      embedding: { dtype: '<f4', shape: [2], data: [at, 0.5] },
      tags: { level: at * 10 },
      ...(at < depth && { [kind]: [make(at + 1, id, 'only')] }),
    }
  }
  return { id: kind, text: 'level 0', [kind]: [make(1, kind, 'first'), make(1, kind, 'second')] }
}

/** What JSON leaves of pictures: nested lists have no dtype, and numbers are doubles. */
export function asJson(pictures: readonly Picture[]): Picture[] {
  return JSON.parse(JSON.stringify(pictures), (key, value) => {
    if (key !== 'tensor' && key !== 'embedding') return value
    return { shape: value.shape, data: value.data.map(Number) }
  })
}
