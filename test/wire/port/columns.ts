import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../../lib/doc/array.js'
import { Document } from '../../../lib/doc/document.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeFrom, decodeMessage, encodeInto, encodeMessage, ProtoError, readerOf, Writer } from '../../../lib/wire/proto/index.js'
import { sizeOf } from '../../../lib/wire/size.js'

const MIB = 1 << 20

/** As it is written into memory that is then handed over. */
function written(docs: readonly Document[]): Uint8Array {
  const writer = new Writer(0)
  writer.reuse(new Uint8Array(100))
  encodeInto(writer, emptyMessage({ docs: DocumentArray.from(docs) }), 'v1')
  return new Uint8Array(writer.bytes.subarray(0, writer.pos))
}
const read = (bytes: Uint8Array): DocumentArray => decodeFrom(readerOf(bytes), 0, bytes.length, 'v1').docs
const cross = (docs: readonly Document[]): DocumentArray => read(written(docs))
const vectors = (docs: readonly Document[]): Float32Array[] => docs.map(({ embedding }) => embedding!.data as Float32Array)
const embedded = (count: number, length: number, more: object = {}): Document[] =>
  Array.from({ length: count }, (_, at) => new Document({ id: `${at}`, embedding: new Float32Array(length).fill(at), ...more }))

/** How often memory was made for elements, or elements were written, while something ran. */
function copies(run: () => void): number {
  const { set } = Uint8Array.prototype
  let count = 0
  const counting = function (this: Uint8Array, ...args: Parameters<typeof set>): void {
    if ((args[0] as ArrayLike<number> & { byteLength?: number }).byteLength! > 1000) count++
    return set.apply(this, args)
  }
  const typed = Object.getPrototypeOf(Uint8Array.prototype)
  typed.set = counting
  try {
    run()
  } finally {
    typed.set = set
  }
  return count
}

test('vectors of a message are views of one piece of memory, behind each other; what is written into them goes back in one piece', () => {
  const docs = embedded(50, 768)
  const came = cross(docs)
  const all = vectors(came)
  assert.is(new Set(all.map(({ buffer }) => buffer)).size, 1)
  for (const [at, vector] of all.entries()) assert.is(vector.byteOffset, all[0]!.byteOffset + at * 3072)
  for (const vector of all) vector[0]! += 1
  let bytes!: Uint8Array
  // Where the message grows, what there is of it moves; the column is one copy, and so is all of it at the end, by this test.
  assert.ok(copies(() => (bytes = written(came))) <= 4)
  assert.equal(
    vectors(read(bytes)).map((vector) => [vector[0], vector[1]]),
    docs.map((_, at) => [at + 1, at]),
  )
  assert.equal(
    docs.map(({ embedding }) => embedding!.data[0]),
    docs.map((_, at) => at),
    'the vectors that were given',
  )
})

test('rows of one matrix are copied together, in whatever documents they stand', () => {
  const matrix = new Float32Array(60 * 768).map((_, at) => at)
  const docs = Array.from({ length: 60 }, (_, at) => new Document({ embedding: matrix.subarray(at * 768, (at + 1) * 768), tags: { at } }))
  assert.ok(copies(() => written(docs)) <= 4)
  assert.equal(vectors(cross(docs)), vectors(docs))
  // A filter: those that are left stand behind each other for the most part.
  const left = Array.from(cross(docs)).filter((_, at) => at !== 20)
  assert.ok(copies(() => written(left)) <= 5)
  assert.equal(vectors(cross(left)), vectors(docs.filter((_, at) => at !== 20)))
})

test('whoever keeps a vector keeps 1 MiB at most, and of a vector that came alone, itself', () => {
  const many = cross(embedded(1000, 768))
  const all = vectors(many)
  assert.is(new Set(all.map(({ buffer }) => buffer)).size, 3)
  for (const vector of all) assert.ok(vector.buffer.byteLength <= MIB, `${vector.buffer.byteLength} bytes`)
  for (const [at, vector] of all.entries()) assert.is(vector[767], at)
  all[999]![0] = -1
  assert.is(vectors(cross(many))[999]![0], -1)
  const [alone] = vectors(cross(embedded(1, 768)))
  assert.equal([alone!.buffer.byteLength, alone!.byteOffset], [3072, 0])
  const images = cross(Array.from({ length: 2 }, (_, at) => new Document({ id: `${at}`, tensor: { data: new Uint8Array(MIB).fill(at), shape: [1024, 1024] } })))
  assert.equal(
    images.map(({ tensor }) => [tensor!.shape, tensor!.data.length, tensor!.data[9]]),
    [
      [[1024, 1024], MIB, 0],
      [[1024, 1024], MIB, 1],
    ],
  )
})

test('of documents whose vectors were written to, one that is another then is written as it is', () => {
  const CHANGES: Record<string, (doc: Document) => unknown> = {
    none: () => {},
    text: (doc) => (doc.text = 'new'),
    embedding: (doc) => (doc.embedding = Float32Array.of(1)),
    data: (doc) => ((doc.embedding as { data: unknown }).data = new Float32Array(64)),
    shape: (doc) => (doc.embedding!.shape as number[]).splice(0, 1, 8, 8),
    tags: (doc) => (doc.tags['a'] = 2),
  }
  const seen = (docs: readonly Document[]): unknown => docs.map(({ text, tags, embedding }) => ({ text, tags: { ...tags }, embedding }))
  for (const [what, change] of Object.entries(CHANGES)) {
    const came = cross(embedded(4, 64, { text: 'text', tags: { a: 1 } }))
    void came[0]!.embedding
    came[1]!.embedding!.data[0] = 7
    change(came[2]!)
    const back = cross(came)
    assert.equal(seen(back), seen(came), what)
    assert.is(back[1]!.embedding!.data[0], 7, what)
  }
})

test('vectors of documents that were left out do not go along', () => {
  const came = cross(embedded(20, 768))
  for (const docs of [came.slice(0, 2), came.slice(-2), [came[0]!, came[19]!]]) assert.ok(written(docs).length < 3 * 3072)
})

test('a copy of a document has what the document has, and its bytes count with its vector', () => {
  const came = cross(embedded(4, 768))
  assert.ok(came.every((doc) => sizeOf(doc) > 3072 && sizeOf(doc) < 3200))
  came[1]!.embedding!.data[0] = 9
  ;(came[2]!.embedding as { data: unknown }).data = new Float32Array(768).fill(5)
  assert.equal(
    vectors(came.clone()).map((vector) => vector[0]),
    [0, 9, 5, 3],
  )
})

test('what goes over other wires has no columns, and who sends some there is refused', () => {
  const came = cross(embedded(3, 8))
  const elsewhere = decodeMessage(encodeMessage(emptyMessage({ docs: came }))).docs
  assert.equal(vectors(elsewhere), vectors(embedded(3, 8)))
  assert.throws(
    () => decodeMessage(written(embedded(3, 8))),
    (error: unknown) => error instanceof ProtoError && /of which this message has none/.test(error.message),
  )
})

test('128: what is said of columns and is not so is refused, before anybody has a document', () => {
  const bytes = written(embedded(3, 8))
  const find = (...wanted: number[]): number => bytes.findIndex((_, at) => wanted.every((byte, i) => bytes[at + i] === byte))
  const broken = (at: number, value: number): void => {
    const copy = bytes.slice()
    copy[at] = value
    assert.throws(
      () => read(copy),
      (error: unknown) => error instanceof ProtoError,
      `${at}: ${value}`,
    )
  }
  // Column 1 of one; row 3 of three; four rows in the bytes of three; elements of eight bytes in those of four.
  broken(find(0xb0, 0x06, 0) + 2, 1)
  broken(find(0xb8, 0x06, 2) + 2, 3)
  broken(find(0x18, 3, 0x2a) + 1, 4)
  broken(find(0x3c, 0x66, 0x34) + 2, 0x38)
  for (let end = 0; end < bytes.length; end++) {
    try {
      for (const { embedding } of read(bytes.slice(0, end))) void embedding
    } catch (error) {
      assert.instance(error, ProtoError)
    }
  }
})

test.run()
