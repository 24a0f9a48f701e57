import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { jsonOf } from '../../../lib/doc/json-value.js'
import { Document, DocumentArray, DocumentError, type TypedArray } from '../../../lib/index.js'
import { documentsText } from '../../../lib/wire/json.js'
import { emptyMessage, type Message } from '../../../lib/wire/message.js'
import { decodeMessage, decodeSingle, encodeMessage, encodeMessages, encodeSingle, ProtoError } from '../../../lib/wire/proto/index.js'
import { plainDocument } from './plain.js'

const through = (message: Partial<Message>, model: 'v1' | 'v2' = 'v1'): Message => decodeMessage(encodeMessage(emptyMessage(message), { model }), { model })
const parameters = (given: Record<string, any>): any => through({ parameters: given }).parameters
const one = (init: any, model: 'v1' | 'v2' = 'v1'): Document<any> => through({ docs: DocumentArray.from([init]) }, model).docs[0]!

/** A length and what it is the length of, under a tag. */
const field = (tag: number, ...body: number[]): number[] => [...varint(tag), ...varint(body.length), ...body]
const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)])
const text = (text: string): number[] => [...Buffer.from(text)]
/** The bytes of a message with one document of these fields. */
const withDocument = (...fields: number[]): Uint8Array => Uint8Array.from(field(0x22, ...field(0x0a, ...field(0x0a, ...fields))))
const tensor = (...fields: number[]): Uint8Array => withDocument(...field(0x1a, ...fields))

test('C6: all of a message comes back', () => {
  const exception = { name: 'TypeError', args: ['a', ''], stacks: ['s'.repeat(1000)], executor: 'e' }
  const status = { code: 'ERROR', description: 'd'.repeat(200), exception } as const
  const message = emptyMessage({
    requestId: 'r'.repeat(200),
    execEndpoint: '/index',
    targetExecutor: '',
    status,
    parameters: { a: 1, __results__: { executor: { b: [2] } } },
    routes: [
      { executor: 'gateway', startTime: 1_700_000_000_123.456, endTime: 1_700_000_000_999.999 },
      { executor: 'e'.repeat(200), startTime: 0, status },
      { executor: '', startTime: -1.5 },
    ],
    ordinal: 0,
  })
  assert.equal(decodeMessage(encodeMessage(message)), message)
  assert.equal(through({}), emptyMessage({ ordinal: undefined, status: undefined }))
  assert.is(through({ ordinal: 4_000_000_000 }).ordinal, 4_000_000_000)
  assert.equal(through({ status: { code: 'SUCCESS', description: '' } }).status, { code: 'SUCCESS', description: '' })
})

test('C6: parameters and tags are JSON', () => {
  const json = {
    '': '',
    a: 1,
    b: -0.1,
    c: true,
    d: false,
    e: null,
    f: [],
    g: {},
    h: [[], [null, [{}]]],
    ['k'.repeat(300)]: 'v'.repeat(20_000),
    文: '書😀',
    constructor: 1,
  }
  assert.equal(parameters(json), json)
  assert.equal(one({ tags: json }).tags, json)
  const given = {
    date: new Date(0),
    gone: undefined,
    fn: () => 1,
    list: [undefined, () => 1, new Date(0)],
    floats: new Float32Array([1, 2]),
  }
  assert.equal(parameters(given), { ...JSON.parse(JSON.stringify(given)), floats: [1, 2] })
  assert.equal(parameters({ nan: NaN, inf: [-Infinity] }), { nan: NaN, inf: [-Infinity] })
  assert.equal(parameters({ half: '\ud800', both: '😀'.slice(0, 1) + 'x'.repeat(30) }), { half: '\ufffd', both: `\ufffd${'x'.repeat(30)}` })
  assert.equal(parameters({ toJSON: undefined, inner: { toJSON: () => ({ made: new Document({ id: 'a' }) }) } }), { inner: { made: { id: 'a' } } })
  assert.throws(
    () => parameters({ deep: { big: 1n } }),
    (error: DocumentError) => error instanceof DocumentError && /^big is a bigint/.test(error.message),
  )
})

test('161: what would be written as nothing, whatever it holds, is refused by its name, as protobuf and as JSON', () => {
  const lost = {
    Map: new Map([['a', 1]]),
    Set: new Set([1]),
    Promise: Promise.resolve(1),
    RegExp: /a/,
    Error: new Error('lost'),
    ArrayBuffer: new ArrayBuffer(1),
  }
  for (const [kind, value] of Object.entries(lost))
    for (const tags of [{ of: value }, { deep: { of: value } }, { deep: [[value]] }, Object.assign(value, { own: 1 })] as any[]) {
      const docs = new DocumentArray()
      docs.append({ id: 'a' }).tags = tags
      const refused = (error: Error) =>
        error instanceof DocumentError && new RegExp(`document a: \\S+ is a ${kind}, which JSON does not have: make it`).test(error.message)
      assert.throws(() => encodeMessage(emptyMessage({ docs })), refused)
      assert.throws(() => documentsText(docs), refused)
    }
  assert.throws(() => parameters({ of: new Map() }), /of is a Map, which JSON does not have: make it an object/)
  assert.throws(() => jsonOf({ of: new Set() }, 'parameters'), /^parameters\.of is a Set/)
  class Point {
    x = 1
  }
  assert.equal(one({ tags: { point: new Point() } }).tags, { point: { x: 1 } })
  assert.equal(jsonOf({ point: new Point() }, 'tags'), { point: new Point() })
})

test('179: numbers that do not fit are refused, and none becomes another', () => {
  for (const field of ['granularity', 'adjacency']) {
    assert.is((one({ [field]: 2 ** 32 - 1 }) as any)[field], 2 ** 32 - 1)
    assert.throws(() => one({ [field]: 2 ** 32 }), /4294967296 does not fit in 32 bits/)
  }
  for (const init of [{ weight: 1e300 }, { offset: -1e300 }, { location: [1, 1e39] }, { scores: { cos: 1e300 } }])
    assert.throws(() => one(init), /does not fit in 32 bits/)
  assert.is(one({ weight: 3.4028234663852886e38 }).weight, 3.4028234663852886e38)
  assert.equal([one({ weight: -Infinity }).weight, one({ weight: Number.NaN }).weight], [-Infinity, Number.NaN])
})

test('211: a time that no Date can be says nothing', () => {
  for (const time of [1e300, -1e300, 9e15]) {
    const [stop] = through({ routes: [{ executor: 'a', startTime: time, endTime: 5 }] }).routes
    assert.equal([stop!.startTime, stop!.endTime], [0, 5])
  }
})

test('C6: a key named __proto__ is a key like others', () => {
  const tags = JSON.parse('{"__proto__": {"polluted": 1}, "inner": {"__proto__": 2}}')
  const read = one({ tags }).tags
  assert.ok(Object.hasOwn(read, '__proto__'))
  assert.is(Object.getPrototypeOf(read), Object.prototype)
  assert.is(Object.getPrototypeOf(read.inner), Object.prototype)
  assert.is(JSON.stringify(read), JSON.stringify(tags))
  assert.is(({} as any).polluted, undefined)
  // A score of that name.
  const score = withDocument(...field(0x92, ...field(0x0a, ...text('__proto__')), ...field(0x12, 0x0d, 0, 0, 128, 63)))
  const [document] = decodeMessage(score).docs
  assert.is(Object.getPrototypeOf(document!.scores), Object.prototype)
})

test('C6: what is nested too deep is refused, both ways', () => {
  const deep = (depth: number): any => (depth === 0 ? 'end' : depth % 2 ? [deep(depth - 1)] : { a: deep(depth - 1) })
  assert.equal(parameters({ deep: deep(99) }), { deep: deep(99) })
  assert.throws(
    () => parameters({ deep: deep(100) }),
    (error: DocumentError) => error.code === 'ERR_DOCUMENT' && /100 levels/.test(error.message),
  )
  const bytes = encodeMessage(emptyMessage({ parameters: { deep: deep(20) } }))
  assert.throws(
    () => decodeMessage(bytes, { maxDepth: 20 }),
    (error: ProtoError) => error.code === 'ERR_PROTO' && /deeper than 20 levels/.test(error.message),
  )
  const circle: any = {}
  circle.self = circle
  assert.throws(() => parameters(circle), /contain themselves/)
  const document = new Document({ id: 'a' })
  document.chunks.append(document)
  for (const model of ['v1', 'v2'] as const)
    assert.throws(() => encodeMessage(emptyMessage({ docs: DocumentArray.from([document]) }), { model }), /contain themselves/)
  // Structs in structs by hand, and groups in groups: 50 000 levels, which the stack does not have.
  let inner: number[] = []
  for (let i = 0; i < 200; i++) inner = field(0x0a, ...field(0x12, ...field(0x2a, ...inner)))
  assert.throws(() => decodeMessage(Uint8Array.from(field(0x12, ...inner))), /deeper than 100 levels/)
  assert.throws(() => decodeMessage(new Uint8Array(50_000).fill(0x7b)), /deeper than 100 levels/)
  let chunks: number[] = text('')
  for (let i = 0; i < 150; i++) chunks = field(0x72, ...chunks)
  assert.throws(() => {
    for (let document = decodeMessage(withDocument(...chunks)).docs[0]!; ; ) document = document.chunks[0]!
  }, /deeper than 100 levels/)
})

test('C6: tensors of every typed array, wherever their bytes lie', () => {
  const types: readonly [any, ...any[]][] = [
    [Int8Array, -1, 2],
    [Uint8Array, 1, 255],
    [Int16Array, -300],
    [Uint16Array, 60_000],
    [Int32Array, -70_000],
    [Uint32Array, 4e9],
    [Float32Array, 0.5, NaN],
    [Float64Array, 0.1, -Infinity],
    [BigInt64Array, -(2n ** 63n)],
    [BigUint64Array, 2n ** 64n - 1n],
  ]
  for (const [type, ...numbers] of types) {
    const data: TypedArray = type.from(numbers)
    for (let shift = 0; shift < 9; shift++) {
      for (const model of ['v1', 'v2'] as const) {
        const document = one({ id: 'i'.repeat(shift + 1), tensor: { data, shape: [1, numbers.length] }, embedding: data }, model)
        assert.equal([document.tensor!.shape, document.embedding!.shape], [[1, numbers.length], [numbers.length]])
        for (const read of [document.tensor!.data, document.embedding!.data]) {
          assert.is(read.constructor, type)
          assert.is(String(read), String(data))
        }
      }
    }
  }
  assert.equal(one({ tensor: { data: new Float32Array(0), shape: [0, 3] } }).tensor, { data: new Float32Array(0), shape: [0, 3] })
  assert.equal(one({ tensor: { data: Float64Array.of(2), shape: [] } }).tensor, { data: Float64Array.of(2), shape: [] })
  assert.equal(one({ tensor: new Uint8ClampedArray([1]) }).tensor!.data, new Uint8Array([1]))
  assert.equal(one({ tensor: { data: Buffer.from([1, 2]), shape: [2] } }).tensor!.data, new Uint8Array([1, 2]))
  const large = Float32Array.from({ length: 10_000 }, (_, i) => i)
  for (const id of ['a', 'ab', 'abc', 'abcd']) assert.equal(one({ id, embedding: large }).embedding!.data, large)
})

test('196: tensors and blobs have a buffer of their own; large ones may be views of a message that has its memory alone', () => {
  const embedding = Float32Array.of(1, 2)
  const blob = Uint8Array.of(3, 4)
  for (const id of ['a', 'ab', 'abc', 'abcd']) {
    const bytes = encodeMessage(
      emptyMessage({
        docs: DocumentArray.from([
          { id, embedding, blob },
          { id, tensor: embedding },
        ]),
      }),
    )
    for (const message of [bytes, Buffer.from(bytes)]) {
      const [one, other] = decodeMessage(message).docs
      const all = [one!.embedding!.data, one!.blob!, other!.tensor!.data]
      assert.equal(
        all.map((data) => [data.buffer.byteLength, data.byteOffset]),
        [
          [8, 0],
          [2, 0],
          [8, 0],
        ],
      )
      structuredClone(all[0], { transfer: [all[0]!.buffer] })
      assert.equal(
        [[...all[1]!], [...all[2]!]],
        [
          [3, 4],
          [1, 2],
        ],
      )
    }
  }
  const large = new Uint8Array(1 << 20).fill(7)
  const bytes = Uint8Array.from(encodeMessage(emptyMessage({ docs: DocumentArray.from([{ blob: large }]) })))
  assert.is(decodeMessage(bytes).docs[0]!.blob!.buffer, bytes.buffer)
  const pooled = new Uint8Array(bytes.length + 8)
  pooled.set(bytes, 8)
  const copy = decodeMessage(pooled.subarray(8)).docs[0]!.blob!
  assert.is(copy.buffer.byteLength, 1 << 20)
  assert.equal(copy, large)
})

test('149: what tensors take that bring few bytes is bounded over all of a message', () => {
  const zeros = (size: number): number[] => field(0x0a, ...field(0x82, ...field(0x0a, ...field(0x12, ...varint(size)), ...field(0x1a, ...text('<f8')))))
  const message = (...docs: number[][]): Uint8Array => Uint8Array.from(field(0x22, ...field(0x0a, ...docs.flat())))
  const two = decodeMessage(message(zeros(1 << 21), zeros(1 << 21))).docs
  assert.is(two[1]!.embedding!.data.length, 1 << 21)
  assert.throws(() => decodeMessage(message(zeros(1 << 21), zeros(1 << 21), zeros(1))), /more than the 32 MiB .*send them in several messages/)
  // Sparse ones: a shape, and one value.
  const thin = field(0x0a, ...field(0x1a, ...field(0x12, ...field(0x1a, ...varint(1 << 21)))))
  assert.throws(() => decodeMessage(message(thin, thin, thin)), /more than the 32 MiB/)
  // In chunks, and in documents of docarray ≥ 0.30.
  const chunks = field(0x0a, ...[0, 1, 2].flatMap(() => field(0x72, ...zeros(1 << 21).slice(2))))
  assert.throws(() => decodeMessage(message(chunks)), /more than the 32 MiB/)
  const node = field(0x0a, ...field(0x0a, ...text('a')), ...field(0x12, ...field(0x32, ...field(0x0a, ...field(0x12, ...varint(1 << 21))))))
  assert.throws(() => decodeMessage(message(field(0x0a, ...node, ...node, ...node)), { model: 'v2' }), /more than the 32 MiB/)
})

test('198: the empty rows of a shape are bounded, one by one and over all of a message', () => {
  const shaped = (...dimensions: number[]): number[] =>
    field(0x1a, ...field(0x0a, ...field(0x12, ...dimensions.flatMap(varint)), ...field(0x1a, ...text('<f8'))))
  for (const dimensions of [
    [20_000_000, 0],
    [4_294_967_295, 0],
    [65_537, 0],
    [300, 300, 0],
  ])
    assert.throws(() => decodeMessage(withDocument(...shaped(...dimensions))), /A tensor has more than 65536 empty rows/, String(dimensions))
  for (const dimensions of [
    [65_536, 0],
    [0, 3, 224, 224],
    [0, 4_294_967_295],
  ])
    assert.equal(decodeMessage(withDocument(...shaped(...dimensions))).docs[0]!.tensor!.shape, dimensions)
  const many = Array.from({ length: 33 }, () => field(0x0a, ...shaped(65_536, 0))).flat()
  assert.throws(() => decodeMessage(Uint8Array.from(field(0x22, ...field(0x0a, ...many)))), /more than the 32 MiB/)
})

test('C6: tensors that make no sense are refused', () => {
  const f4 = field(0x1a, ...text('<f4'))
  const cases: readonly [RegExp, Uint8Array][] = [
    [/dtype "<c8" cannot be read/, tensor(...field(0x0a, ...field(0x0a, 0), ...field(0x12, 1), ...field(0x1a, ...text('<c8'))))],
    [/3 bytes, which do not fill the shape \[1\]/, tensor(...field(0x0a, ...field(0x0a, 0, 0, 0), ...field(0x12, 1), ...f4))],
    [/do not fill the shape \[2, 2\]/, tensor(...field(0x0a, ...field(0x0a, 0, 0, 0, 0), ...field(0x12, 2, 2), ...f4))],
    [/more than the 16 MiB/, tensor(...field(0x0a, ...field(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f), ...f4))],
    [/more than 64 dimensions/, tensor(...field(0x0a, ...field(0x12, ...new Array(65).fill(1)), ...f4))],
    [/more than the 16 MiB/, tensor(...field(0x12, ...field(0x1a, 0xff, 0xff, 0xff, 0x7f)))],
    [
      /a value at 9, outside of its shape \[2\]/,
      tensor(
        ...field(
          0x12,
          ...field(0x0a, ...field(0x0a, 9), ...field(0x12, 1, 1), ...field(0x1a, ...text('|u1'))),
          ...field(0x12, ...field(0x0a, 1), ...field(0x12, 1), ...field(0x1a, ...text('|u1'))),
          ...field(0x1a, 2),
        ),
      ),
    ],
    [
      /1 indices for 2 values in 1 dimensions/,
      tensor(
        ...field(
          0x12,
          ...field(0x0a, ...field(0x0a, 0), ...field(0x12, 1), ...field(0x1a, ...text('|u1'))),
          ...field(0x12, ...field(0x0a, 1, 2), ...field(0x12, 2), ...field(0x1a, ...text('|u1'))),
          ...field(0x1a, 2),
        ),
      ),
    ],
  ]
  for (const [message, bytes] of cases) {
    assert.throws(
      () => decodeMessage(bytes).docs[0]!.tensor,
      (error: ProtoError) => error instanceof ProtoError && message.test(error.message),
      String(message),
    )
  }
  // Python reads no bytes as zeros, and nothing at all as none.
  assert.equal(decodeMessage(tensor(...field(0x0a, ...field(0x12, 2, 2), ...f4))).docs[0]!.tensor, { data: new Float32Array(4), shape: [2, 2] })
  assert.is(decodeMessage(tensor(...field(0x0a))).docs[0]!.tensor, undefined)
  assert.is(decodeMessage(tensor()).docs[0]!.tensor, undefined)
})

test('C6: the freedoms of protobuf', () => {
  // Of several contents, the last one holds.
  const document = decodeMessage(withDocument(...field(0x22, ...text('text')), ...field(0x12, 1, 2))).docs[0]!
  assert.equal([document.contentType, document.text], ['blob', ''])
  // Numbers in lists one by one, and packed in several pieces.
  const dims = tensor(...field(0x0a, ...field(0x0a, 1, 2, 3, 4, 5, 6), 0x10, 2, ...field(0x12, 3), ...field(0x1a, ...text('|u1'))))
  assert.equal(decodeMessage(dims).docs[0]!.tensor!.shape, [2, 3])
  const location = withDocument(0x6d, 0, 0, 128, 63, ...field(0x6a, 0, 0, 0, 64, 0, 0, 0, 191))
  assert.equal(decodeMessage(location).docs[0]!.location, [1, 2, -0.5])
  // Fields that nobody knows, of every layout, groups in groups among them; known numbers in another layout.
  const unknown = [
    0xf8, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xf9, 0x3f, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0x3f, 1, 2, 3, 4, 0xfa, 0x3f, 1, 0, 0xfb,
    0x3f, 0x0b, 0x08, 1, 0x0c, 0xfc, 0x3f, 0x08, 1,
  ]
  const message = decodeMessage(Uint8Array.from([...unknown, ...field(0x0a, ...unknown, ...field(0x0a, ...text('r'))), ...unknown, ...field(0x12, ...unknown)]))
  assert.is(message.requestId, 'r')
  // A message in two pieces is one; so are its documents.
  const pieces = [
    ...field(0x0a, ...field(0x0a, ...text('r'))),
    ...field(0x0a, ...field(0x1a, ...text('/x'))),
    ...withDocument(...field(0x0a, 97)),
    ...withDocument(...field(0x0a, 98)),
  ]
  const whole = decodeMessage(Uint8Array.from(pieces))
  assert.equal([whole.requestId, whole.execEndpoint, whole.docs.map(({ id }) => id).join('')], ['r', '/x', 'ab'])
  // Text that is no UTF-8.
  assert.is(decodeMessage(withDocument(...field(0x22, 0x61, 0xff, 0x62))).docs[0]!.text, 'a\ufffdb')
  assert.is(decodeMessage(withDocument(...field(0x22, ...text('\ufeffb')))).docs[0]!.text, '\ufeffb')
})

test('C6: lengths on both sides of every step of a varint', () => {
  for (const length of [0, 1, 19, 20, 21, 42, 43, 113, 125, 126, 127, 128, 129, 16_380, 16_383, 16_384, 70_000, 2_097_152, 3_000_000]) {
    for (const char of ['x', 'é', '文']) {
      const long = char.repeat(length)
      const document = one({ id: `i${char}`, text: long, tags: { [long.slice(0, 200)]: long, list: [long] } })
      assert.ok(document.text === long && document.tags.list[0] === long && document.tags[long.slice(0, 200)] === long, `${length} of ${char}`)
    }
  }
})

test('C6: one document, or none, and no more', () => {
  const message = (count: number): Message => emptyMessage({ docs: DocumentArray.from(Array.from({ length: count }, (_, i) => ({ id: `${i}` }))) })
  for (const model of ['v1', 'v2'] as const) {
    for (const count of [0, 1]) assert.is(decodeSingle(encodeSingle(message(count), { model }), { model }).docs.length, count)
    assert.throws(() => encodeSingle(message(2), { model }), /one document cannot carry 2/)
  }
})

test('C6: what was written stays what it is, also when documents write documents', () => {
  const inner = emptyMessage({ requestId: 'inner' })
  const kept: Uint8Array[] = []
  const toJSON = (): string => {
    kept.push(encodeMessage(inner))
    return 'made'
  }
  const outer = encodeMessage(emptyMessage({ requestId: 'outer', parameters: { a: { toJSON }, b: 'x'.repeat(100_000), c: { toJSON } } }))
  const all = Array.from({ length: 3000 }, (_, i) => encodeMessages([emptyMessage({ requestId: `${i}`.padEnd(i, '.') })]))
  assert.equal(decodeMessage(outer).parameters, { a: 'made', b: 'x'.repeat(100_000), c: 'made' })
  assert.equal(
    kept.map((bytes) => decodeMessage(bytes).requestId),
    ['inner', 'inner'],
  )
  for (const [i, bytes] of all.entries()) assert.is(Buffer.from(bytes).includes(`${i}`.padEnd(i, '.')), true)
})

test('C6: documents of docarray ≥ 0.30 keep what Python classes can have', () => {
  const typed = (init: any): Document<any> => one(init, 'v2')
  const bytes = new Uint8Array([1, 2])
  const inner = new Document({ id: 'inner', text: 'text' })
  const tags = {
    bytes,
    tensor2: { data: Float32Array.of(1), shape: [1] },
    inner,
    list: DocumentArray.from([inner]),
    none: null,
    int: -5,
    big: 2 ** 40,
    half: 0.5,
    deep: { list: [1, [true, null]] },
  }
  const read = typed({
    id: 'a',
    text: 'text',
    tags,
    scores: { cos: { value: 0.25, opName: 'op' } },
    mimeType: 'm',
    location: [1, 2],
    chunks: ['chunk'],
    matches: ['match'],
  })
  assert.equal([read.text, read.mimeType, read.location, read.scores], ['text', 'm', [1, 2], { cos: { value: 0.25, opName: 'op' } }])
  assert.equal([read.chunks.texts, read.matches.texts], [['chunk'], ['match']])
  assert.equal(
    [read.tags.bytes, read.tags.tensor2, read.tags.none, read.tags.int, read.tags.big, read.tags.half, read.tags.deep],
    [bytes, tags.tensor2, null, -5, 2 ** 40, 0.5, tags.deep],
  )
  assert.instance(read.tags.inner, Document)
  assert.instance(read.tags.list, DocumentArray)
  assert.equal([read.tags.inner.text, read.tags.list.texts], ['text', ['text']])
  // One content, the others are tags; and back.
  const several = typed({ id: 'a', text: 'text', tags: { tensor: tags.tensor2, blob: bytes } })
  assert.equal([several.contentType, several.tags], ['text', { blob: bytes, tensor: tags.tensor2 }])
  // A field that holds what ours cannot, and a list under the name of our dictionary.
  const odd = typed({ id: 'a', tags: { weight: 'heavy' } })
  assert.equal([odd.weight, odd.tags], [undefined, { weight: 'heavy' }])
  // Between the two forms of documents.
  const message = through({ docs: DocumentArray.from([read.clone()]) }, 'v2')
  const other = decodeMessage(encodeMessage(message, { model: 'v1' })).docs[0]!
  assert.equal([other.text, other.tags.int, other.chunks.texts], ['text', -5, ['chunk']])
})

test('C6: tags of docarray ≥ 0.30 stand where they stood', () => {
  const entry = (name: string, ...node: number[]): number[] => field(0x0a, ...field(0x0a, ...text(name)), ...field(0x12, ...node))
  const id = entry('id', ...field(0x0a, 97))
  const wire = (...entries: number[]): Uint8Array => withDocument(...id, ...entries)
  const again = (bytes: Uint8Array): string => {
    const message = decodeMessage(bytes, { model: 'v2' })
    message.docs[0]!.tags.added = 1
    delete message.docs[0]!.tags.added
    return Buffer.from(encodeMessage(message, { model: 'v2' })).toString('latin1')
  }
  const count = (bytes: string, name: string): number => bytes.split(name).length - 1
  const both = again(wire(...entry('title', ...field(0x0a, ...text('t'))), ...entry('tags', ...field(0x62, ...entry('lang', ...field(0x0a, ...text('en')))))))
  assert.equal([count(both, 'title'), count(both, 'tags'), count(both, 'lang')], [1, 1, 1])
  const list = again(wire(...entry('tags', ...field(0x4a, ...field(0x0a, ...field(0x0a, ...text('one')))))))
  assert.equal([count(list, 'tags'), count(list, 'one')], [1, 1])
  // What was made here may be either.
  const made = Buffer.from(encodeMessage(emptyMessage({ docs: DocumentArray.from([{ tags: { title: 't' } }]) }), { model: 'v2' })).toString('latin1')
  assert.equal([count(made, 'title'), count(made, 'tags')], [2, 1])
})

// ── any message at all ───────────────────────────────────────────────────────────────────────────────────

const anyText = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 50 }), fc.string({ maxLength: 300 }))
const anyTensor = fc
  .tuple(
    fc.constantFrom<any>(Float32Array, Float64Array, Int8Array, Uint8Array, Int16Array, Uint32Array),
    fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 20 }),
  )
  .map(([type, numbers]) => ({ data: type.from(numbers), shape: [numbers.length] }))
const anyJson = fc.dictionary(anyText, fc.jsonValue()).map((value) => JSON.parse(JSON.stringify(value)))
const float = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })
const { document: anyDocument } = fc.letrec<{ document: any }>((tie) => ({
  document: fc
    .record({
      id: fc.string({ minLength: 1, maxLength: 40 }),
      content: fc.oneof(fc.constant({}), fc.record({ text: anyText }), fc.record({ blob: fc.uint8Array() }), fc.record({ tensor: anyTensor })),
      embedding: optional(anyTensor),
      tags: optional(anyJson),
      uri: optional(fc.string({ minLength: 1 })),
      weight: optional(float),
      offset: optional(float),
      granularity: optional(fc.nat()),
      location: optional(fc.array(float, { minLength: 1, maxLength: 3 })),
      scores: optional(
        fc.dictionary(
          anyText.filter((name) => name !== '__proto__'),
          fc.record({ value: float }),
          { maxKeys: 3, noNullPrototype: true },
        ),
      ),
      chunks: optional(fc.array(tie('document'), { maxLength: 2, depthIdentifier: 'd' })),
      matches: optional(fc.array(tie('document'), { maxLength: 1, depthIdentifier: 'd' })),
    })
    .map(({ content, ...fields }) => ({ ...fields, ...content })),
}))

for (const model of ['v1', 'v2'] as const) {
  test(`C6: any message comes back as it went, and goes on as it came (${model})`, () => {
    fc.assert(
      fc.property(fc.array(anyDocument, { maxLength: 5 }), anyJson, (inits, json) => {
        const docs = DocumentArray.from(inits)
        const bytes = encodeMessage(emptyMessage({ requestId: 'r', parameters: json, docs }), { model })
        const message = decodeMessage(bytes, { model })
        assert.ok(Buffer.from(encodeMessage(message, { model })).equals(bytes))
        if (model === 'v2') return
        assert.equal(message.parameters, json)
        const plain = docs.map(plainDocument)
        assert.equal(message.docs.map(plainDocument), plain)
        assert.equal(decodeMessage(encodeMessage(message)).docs.map(plainDocument), plain)
      }),
      { numRuns: 150 },
    )
  })
}

test.run()
