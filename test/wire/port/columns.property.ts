// Documents with tensors cross to a worker and back: whatever an executor does to them there, what comes is what it makes of the same documents in this process.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../../lib/doc/array.js'
import { Document } from '../../../lib/doc/document.js'
import type { NdArray, TypedArray } from '../../../lib/doc/ndarray.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeFrom, decodeMessage, encodeInto, encodeMessage, readerOf, Writer } from '../../../lib/wire/proto/index.js'

const test = suite('columns')
const RUNS = { seed: 1313, numRuns: 400 * Number(process.env['TEST_RUNS'] ?? 1) }

const TYPES = [
  Float32Array,
  Float64Array,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
]
const SHAPES = [[], [0], [1], [3], [3], [3], [2, 3], [3, 2], [0, 2], [40]]

interface Tensor {
  type: number
  shape: number
  seed: number
  /** Where its elements stand: in memory of their own, in the middle of some, shared with other threads, in a row of a matrix. */
  memory: 'own' | 'within' | 'shared' | 'matrix'
}
interface Given {
  id: string
  content?: Tensor | string
  embedding?: Tensor
  tags?: Record<string, unknown>
  chunks?: Given[]
}

// Two kinds are common, so that most columns have several rows.
const tensor: fc.Arbitrary<Tensor> = fc.record({
  type: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(TYPES.length - 1)),
  shape: fc.oneof({ weight: 3, arbitrary: fc.constant(9) }, fc.nat(SHAPES.length - 1)),
  seed: fc.nat(100),
  memory: fc.constantFrom('own', 'within', 'shared', 'matrix'),
})
const given = (depth: number): fc.Arbitrary<Given> =>
  fc.record(
    {
      id: fc.string({ minLength: 1, maxLength: 8 }),
      content: fc.oneof(tensor, fc.string()),
      embedding: tensor,
      tags: fc.dictionary(
        fc.string({ maxLength: 3 }).filter((key) => key !== '__proto__'),
        fc.integer(),
        { maxKeys: 2 },
      ),
      ...(depth > 0 && { chunks: fc.array(given(depth - 1), { maxLength: 3 }) }),
    },
    { requiredKeys: ['id'] },
  ) as fc.Arbitrary<Given>

/** @param matrices by kind: what is a row of one stands behind the row before it */
function made({ type, shape, seed, memory }: Tensor, matrices: Map<string, { data: TypedArray; at: number }>): NdArray {
  const Type = TYPES[type]! as Float32ArrayConstructor
  const size = SHAPES[shape]!
  const count = size.reduce((product, one) => product * one, 1)
  const bytes = count * Type.BYTES_PER_ELEMENT
  let data: Float32Array
  if (memory === 'own') data = new Type(count)
  else if (memory === 'within') data = new Type(new ArrayBuffer(bytes + 16), 8, count)
  else if (memory === 'shared') data = new Type(new SharedArrayBuffer(bytes) as unknown as ArrayBuffer)
  else {
    const key = `${type} ${count}`
    const matrix = matrices.get(key) ?? { data: new Type(count * 200), at: 0 }
    matrices.set(key, matrix)
    data = (matrix.data as Float32Array).subarray(matrix.at, (matrix.at += count))
  }
  for (let at = 0; at < count; at++)
    data[at] = (Type as unknown) === BigInt64Array || (Type as unknown) === BigUint64Array ? (BigInt(seed + at) as never) : seed + at
  return { data, shape: [...size] }
}

function documentOf({ id, content, embedding, tags, chunks }: Given, matrices: Map<string, { data: TypedArray; at: number }>): Document {
  const document = new Document({ id })
  if (content !== undefined) document.content = typeof content === 'string' ? content : made(content, matrices)
  if (embedding !== undefined) document.embedding = made(embedding, matrices)
  if (tags !== undefined) document.tags = tags
  if (chunks !== undefined) document.chunks = chunks.map((chunk) => documentOf(chunk, matrices))
  return document
}

// ── what an executor does ────────────────────────────────────────────────────────────────────────────────

type Act =
  | { what: 'look' | 'write' | 'tensor' | 'replace' | 'swap' | 'reshape' | 'remove' | 'again' | 'tag' | 'text' | 'chunk' | 'part'; at: number }
  | { what: 'reverse' | 'all' | 'clone'; at: number }

const act: fc.Arbitrary<Act> = fc.record({
  what: fc.constantFrom<Act['what'][]>(
    ...(['look', 'write', 'tensor', 'replace', 'swap', 'reshape', 'remove', 'again', 'tag', 'text', 'chunk', 'part', 'reverse', 'all', 'clone'] as const),
  ),
  at: fc.nat(9),
}) as fc.Arbitrary<Act>

function increase({ data }: NdArray): void {
  for (let at = 0; at < data.length; at++) {
    const value = data[at]!
    data[at] = typeof value === 'bigint' ? ((value + 1n) as never) : value + 1
  }
}

/** @returns the documents that it answers with */
function perform(docs: DocumentArray, acts: readonly Act[]): DocumentArray {
  for (const { what, at } of acts) {
    const doc = docs[at % Math.max(1, docs.length)]
    if (doc === undefined) continue
    const other = docs[(at + 1) % docs.length]!
    const array = doc.embedding as { data: TypedArray; shape: number[] } | undefined
    if (what === 'look') void [doc.embedding, doc.tensor, doc.text]
    else if (what === 'write') array && increase(array)
    else if (what === 'tensor') doc.tensor && increase(doc.tensor)
    else if (what === 'replace') doc.embedding = Float32Array.of(at, 1, 2)
    // What is a tensor may be written to without asking its document.
    else if (what === 'swap') array && other.embedding && (array.data = array.data.slice())
    else if (what === 'part') array && other.embedding?.data.length === array.data.length && (array.data = other.embedding.data)
    else if (what === 'reshape') array?.shape.reverse()
    else if (what === 'remove') docs = DocumentArray.from(docs.filter((one) => one !== doc))
    else if (what === 'again') docs = DocumentArray.from([...docs, doc])
    else if (what === 'tag') doc.tags['new'] = at
    else if (what === 'text') doc.text = 'new'
    else if (what === 'chunk') doc.has('chunks') && doc.chunks[0]!.embedding && increase(doc.chunks[0]!.embedding)
    else if (what === 'reverse') docs = DocumentArray.from([...docs].reverse())
    else if (what === 'all') for (const one of docs) one.embedding && increase(one.embedding)
    // Copies share their tensors, as is said: they are not to be written into where both are kept.
    else docs = DocumentArray.from([...new Set(docs)]).clone()
  }
  return docs
}

/** All that can be seen of documents: of tensors, the kind and the shape too. */
function seen(docs: readonly Document[]): unknown {
  const tensorOf = (array: NdArray | undefined) =>
    array && { type: array.data.constructor.name.replace('Clamped', ''), shape: [...array.shape], data: Array.from(array.data as Float32Array, String) }
  return docs.map((doc) => ({
    id: doc.id,
    text: doc.text,
    tensor: tensorOf(doc.tensor),
    embedding: tensorOf(doc.embedding),
    tags: { ...doc.tags },
    chunks: doc.has('chunks') ? seen(doc.chunks) : [],
  }))
}

/** @param offset where in its memory what is written begins: as behind other frames, or in a piece that a socket gives */
function cross(docs: DocumentArray, offset: number, larger: number): DocumentArray {
  const writer = new Writer(1 << 16)
  const room = new Uint8Array(1 << 16)
  writer.reuse(room)
  writer.pos = offset % 16
  const start = writer.pos
  encodeInto(writer, emptyMessage({ docs }), 'v1')
  const bytes = new Uint8Array(writer.pos + (larger % 3 === 0 ? 2 << 20 : 0)).subarray(0, writer.pos)
  bytes.set(writer.bytes.subarray(0, writer.pos))
  if (larger % 2 === 0) return decodeFrom(readerOf(bytes), start, bytes.length, 'v1').docs
  const moved = new Uint8Array(bytes.length + 1)
  moved.set(bytes, 1)
  return decodeFrom(readerOf(moved), start + 1, moved.length, 'v1').docs
}

test('there and back: documents are those of an executor in this process, also from one worker to the next', () => {
  fc.assert(
    fc.property(
      fc.array(given(1), { maxLength: 8 }),
      fc.array(act, { maxLength: 5 }),
      fc.array(act, { maxLength: 5 }),
      fc.tuple(fc.nat(15), fc.nat(15), fc.nat(15)),
      fc.tuple(fc.nat(5), fc.nat(5), fc.nat(5)),
      (list, first, second, offsets, sizes) => {
        const here = () => {
          const matrices = new Map()
          return DocumentArray.from(list.map((one) => documentOf(one, matrices)))
        }
        const theirs = here()
        const before = seen(theirs)
        const there = perform(cross(theirs, offsets[0], sizes[0]), first)
        const back = cross(there, offsets[1], sizes[1])
        // Over a wall, a document that comes twice is two: so it is in this process, behind the same wall.
        const alike = decodeMessage(
          encodeMessage(emptyMessage({ docs: perform(decodeMessage(encodeMessage(emptyMessage({ docs: here() }))).docs, first) })),
        ).docs
        const expected = seen(alike)
        assert.equal(seen(back), expected)
        assert.equal(seen(there), expected)
        assert.equal(seen(theirs), before, "the user's documents changed")
        const next = perform(back, second)
        assert.equal(seen(cross(next, offsets[2], sizes[2])), seen(perform(alike, second)))
        // As every other wire has them.
        assert.equal(seen(decodeMessage(encodeMessage(emptyMessage({ docs: next }))).docs), seen(next))
      },
    ),
    RUNS,
  )
})

test.run()
