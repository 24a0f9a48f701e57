import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromBase64, toBase64 } from '../../lib/doc/json.js'
import { toNdArray, toNested } from '../../lib/doc/ndarray.js'
import { Document, DocumentError, fromNdarray, fromNdjson, type TypedArray } from '../../lib/index.js'

const refused = (value: unknown, message: RegExp): void =>
  assert.throws(
    () => toNdArray(value as any, 'embedding'),
    (error: any) => error instanceof DocumentError && error.code === 'ERR_DOCUMENT' && message.test(error.message),
    String(message),
  )

test('D1: a typed array is a tensor of one dimension, and is shared', () => {
  for (const data of [new Float32Array([1, 2]), new Uint8Array(3), new BigInt64Array(1)]) {
    const tensor = toNdArray(data)
    assert.is(tensor.data, data)
    assert.equal(tensor.shape, [data.length])
  }
})

test('D1: nested lists become Float64, with their shape', () => {
  assert.equal(
    toNdArray([
      [1, 2, 3],
      [4, 5, 6],
    ]),
    { data: Float64Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] },
  )
  assert.equal(toNdArray([]), { data: new Float64Array(0), shape: [0] })
  assert.equal(toNdArray([[], []]), { data: new Float64Array(0), shape: [2, 0] })
})

test('R98: what is no tensor is refused by the name of the field', () => {
  refused([[1, 2], [3]], /^embedding must have rows of one length/)
  refused([[1], 2], /rows of one length/)
  refused([1, [2]], /numbers only, not an array of 1/)
  refused([1, '2'], /numbers only, not "2"/)
  refused([1, undefined], /numbers only, not undefined/)
  refused([1, 2n], /numbers only/)
  refused({ data: [1, 2], shape: [2] }, /typed array/)
  refused({ data: new Float32Array(4), shape: [3] }, /4 elements, which do not fill the shape \[3\]/)
  for (const shape of [[-2, -2], [1.5], [NaN], ['4'], [4, 0]]) refused({ data: new Float32Array(4), shape }, /do not fill the shape/)
  for (const value of [null, undefined, 'text', true, {}, new DataView(new ArrayBuffer(4)), new ArrayBuffer(4), new Date()])
    refused(value, /must be a typed array/)
})

test('198: a tensor with nothing in it has a bounded number of rows, however it is given', async () => {
  const empty = (...shape: number[]): any => ({ data: new Float32Array(0), shape })
  for (const shape of [
    [20_000_000, 0],
    [4_294_967_295, 0],
    [256, 257, 0],
    [1e200, 1e200, 0],
  ])
    refused(empty(...shape), /^embedding (has more than 65536 empty rows|.*do not fill)/)
  refused(new Array(65_537).fill([]), /more than 65536 empty rows/)
  for (const shape of [
    [65_536, 0],
    [0, 20_000_000],
    [0, 3, 224, 224],
  ])
    assert.equal(toNdArray(empty(...shape)).shape, shape)
  assert.throws(() => fromNdarray(empty(20_000_000, 0)), /more than 65536 empty rows/)
  assert.throws(() => Document.from(empty(20_000_000, 0)), /tensor has more than 65536 empty rows/)
  const line = `{"embedding": [${new Array(65_537).fill('[]')}]}\n`
  await fromNdjson([line])
    .next()
    .then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /more than 65536 empty rows/),
    )
})

test('R98: lists nested without end are refused, and do not exhaust the stack', () => {
  let deep: unknown[] = []
  for (let i = 0; i < 100_000; i++) deep = [deep]
  refused(deep, /at most 64 dimensions/)
})

test('D1: any tensor survives its nested lists', () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 })
  fc.assert(
    fc.property(shapes, fc.constantFrom<(new (values: number[]) => TypedArray)[]>(Float64Array, Float32Array, Int16Array, Uint8Array), (shape, Type) => {
      const data = new Type(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i % 100))
      const again = toNdArray(JSON.parse(JSON.stringify(toNested({ data, shape }))))
      assert.equal([...again.data], [...data])
      assert.equal(again.shape, shape)
    }),
  )
  assert.equal(toNested({ data: BigInt64Array.of(1n, -2n), shape: [2] }), [1, -2])
})

test('R98: base64 is read as RFC 4648 has it, and nothing else is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.is(toBase64(bytes), Buffer.from(bytes).toString('base64'))
      assert.equal([...fromBase64(toBase64(bytes), 'blob')], [...bytes])
    }),
  )
  for (const wrong of ['A', 'AA', 'AAA', 'A===', '====', 'AA=A', 'AAA-', 'AAA_', 'AA A', 'AAAA\n', 'ÄÄÄÄ'])
    assert.throws(
      () => fromBase64(wrong, 'blob'),
      (error: any) => error instanceof DocumentError && /^blob must be bytes or their base64/.test(error.message),
      wrong,
    )
})

test('base64 without Buffer, as in browsers, is the same', () => {
  const { Buffer: buffer } = globalThis
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i % 256)
  const text = toBase64(bytes)
  try {
    ;(globalThis as any).Buffer = undefined
    assert.is(toBase64(bytes), text)
    assert.equal(fromBase64(text, 'blob'), bytes)
  } finally {
    globalThis.Buffer = buffer
  }
})

test.run()
