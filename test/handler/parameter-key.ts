// Which requests may share a batch: those whose parameters no executor could tell apart.
import { isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { keyOf } from '../../lib/handler/parameter-key.js'
import { Flow } from '../../lib/index.js'
import { Header } from '../../lib/request/request.js'
import { within } from '../support/within.js'

const key = (value: unknown, endpoint = '/'): string => keyOf(new Header(endpoint, { value }))
class Own {
  one = 1
}
const own = new Own()
const symbol = Symbol('mine')

test('143: what JSON cannot tell apart has keys of its own', () => {
  const values: unknown[] = [
    null, undefined, Infinity, -Infinity, Number.NaN, 0, -0, 1, 1n, '1', '1n', 'null', 'NaN', true, 'true', [], {}, [undefined], [null], [[]], new Array(1),
    new Date(0), new Date(1), new Date(Number.NaN), new Date(0).toISOString(), new Set(), new Set([1]), new Set(['1']), new Map(), new Map([[1, 2]]), new Map([['1', 2]]), [[1, 2]],
    { 1: 2 }, { a: undefined }, { a: null }, Uint8Array.of(1, 2), Int8Array.of(1, 2), Uint8Array.of(12), Uint16Array.of(1, 2), [1, 2], new ArrayBuffer(2), '[1,2]', '{"a":1}', { a: 1 }, '"', '\\"',
    own, new Own(), () => {}, () => {}, symbol, Symbol('mine'), Symbol.for('mine'), '@"mine"', { [symbol]: 1 }, { a: [1, 2], b: 3 }, { a: [1], b: [2, 3] }, /a/, new URL('http://a.b'),
  ] // biome-ignore format: one list
  const keys = values.map((value) => key(value))
  assert.is(new Set(keys).size, values.length)
  values.forEach((value, at) => void assert.is(key(value), keys[at]))
})

test('143: order of keys, of maps and of sets does not count; nor does where an object was made', () => {
  assert.is(key({ a: 1, b: { c: 2, d: 3 } }), key({ b: { d: 3, c: 2 }, a: 1 }))
  assert.is(key(new Set([1, 'a'])), key(new Set(['a', 1])))
  assert.is(key(new Map([[{ a: 1 }, 1], [{ b: 1 }, 2]])), key(new Map([[{ b: 1 }, 2], [{ a: 1 }, 1]]))) // biome-ignore format: two lists
  assert.is(key(runInNewContext('({ a: [1] })')), key({ a: [1] }))
  assert.is.not(key({ a: 1 }, '/a'), key({ a: 1 }, '/b'))
})

test('143: two parameters have one key if, and only if, they are deeply equal', () => {
  const number = fc.constantFrom(0, -0, 1, Infinity, Number.NaN)
  const leaf = fc.oneof(
    number,
    fc.constantFrom(null, undefined, true, '', '1', 'null', 'a', 1n, 0n),
    number.map((time) => new Date(time)),
    fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 2 }).map((list) => Uint8Array.from(list)),
  )
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('value'), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom('a', 'b', '1', 'a,b', '"'), tie('value'), { maxKeys: 2, noNullPrototype: true }),
      fc.array(tie('value'), { maxLength: 2 }).map((list) => new Set(list)),
      fc.array(fc.tuple(fc.constantFrom('a', 1, '1'), tie('value')), { maxLength: 2 }).map((list) => new Map(list as any)),
    ),
  }))
  // Sets of two equal objects, which are equal to no smaller one, are compared by pairs: as here.
  fc.assert(
    fc.property(value, value, (one, other) => {
      assert.is(key(one) === key(other), isDeepStrictEqual(one, other), `${key(one)} ${key(other)}`)
      assert.is(key(one), key(structuredClone(one)))
    }),
    { seed: 143, numRuns: 3000 },
  )
})

test('143: requests share a batch only with those of equal parameters, and each is answered by its own', async () => {
  const some = [
    { top: Infinity },
    { top: null },
    { top: new Date(0) },
    { top: new Date(0).toJSON() },
    { top: new Set([1]) },
    { top: new Set([2]) },
    { top: 1n },
  ]
  const seen: unknown[] = []
  await using flow = await new Flow()
    .add({
      dynamicBatching: { preferredBatchSize: 2, timeout: 60_000 },
      uses: ({ docs, parameters }) => {
        seen.push(parameters)
        for (const doc of docs) doc.tags.same = isDeepStrictEqual(parameters, some[Number(doc.text)])
      },
    })
    .open()
  const posts = [...some.keys(), ...some.keys()].map((at) => flow.post('/', `${at}`, { parameters: some[at]! }).docs())
  const docs = (await within(2000, Promise.all(posts))).flat()
  assert.is(seen.length, some.length)
  assert.ok(docs.every(({ tags }) => tags.same))
})

test.run()
