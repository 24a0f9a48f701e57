import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_NESTING } from '../../lib/doc/json-value.js'
import { inPieces, parseJson, TooDeep } from '../../lib/wire/json-text.js'

const RUNS = { seed: 148, numRuns: 3000 }

/** JSON as others write it: any whitespace, any escapes, names that stand twice, numbers as they are. */
const blank = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r'), maxLength: 3 })
const name = fc.constantFrom('a', 'b', '', '0', '1', '10', '__proto__', 'constructor', 'toString', 'ä€😀', 'a"b', '\\', '\u2028')
const escaped = fc.oneof(name, fc.string(), fc.string({ unit: 'binary' })).map((text) => JSON.stringify(text))
const raw = fc.constantFrom('"\\u0041"', '"\\u005f_proto__"', '"\\ud800"', '"\\\\"', '"\\\\\\""', '"\\/\\b\\f\\n\\r\\t"', '"[{,:]}"', '"\\"[{,"')
const number = fc.constantFrom('0', '-0', '1e400', '-1.5E-3', '12345678901234567890', '0.1', '1e5')
const { value: json } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 6, depthSize: 'small' }, fc.constantFrom('null', 'true', 'false'), number, escaped, raw, tie('list'), tie('object')),
  list: fc
    .tuple(blank, fc.array(fc.tuple(blank, tie('value'), blank), { maxLength: 6 }))
    .map(([inner, items]) => `[${inner}${items.map((item) => item.join('')).join(',')}]`),
  object: fc
    .tuple(
      blank,
      fc.array(
        fc.tuple(
          blank,
          fc.oneof(
            name.map((name) => JSON.stringify(name)),
            raw,
          ),
          blank,
          blank,
          tie('value'),
          blank,
        ),
        { maxLength: 6 },
      ),
    )
    .map(([inner, items]) => `{${inner}${items.map(([a, name, b, c, value, d]) => `${a}${name}${b}:${c}${value}${d}`).join(',')}}`),
}))
const text = fc.tuple(blank, json, blank).map((parts) => parts.join(''))

/** What comes of it: names in their order, and every -0. */
function told(value: unknown): string {
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(told).join()}]`
  assert.is(Object.getPrototypeOf(value), Object.prototype)
  return `{${Object.entries(value).map(([name, inner]) => `${JSON.stringify(name)}:${told(inner)}`)}}`
}

async function outcome(parse: () => unknown): Promise<string> {
  try {
    return told(await parse())
  } catch (error) {
    return (error as Error).name
  }
}

async function same(text: string, size: number): Promise<void> {
  assert.is(await outcome(() => inPieces(text, size)), await outcome(() => JSON.parse(text)), `${text} by ${size}`)
}

test('148: what is parsed in pieces is what JSON.parse makes of it', async () => {
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 40 }), (text, size) => same(text, size)),
    RUNS,
  )
})

test('148: what JSON.parse refuses is refused: cut off anywhere, with a character too few, too many or changed', async () => {
  const character = fc.constantFrom('', '[', ']', '{', '}', ',', ':', '"', '\\', ' ', '1', 'a', 'null', '\u0000', ',,', '[]', '{}')
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.nat(),
      fc.integer({ min: 0, max: 2 }),
      character,
      fc.boolean(),
      fc.integer({ min: 1, max: 20 }),
      async (text, place, gone, more, end, size) => {
        const at = place % (text.length + 1)
        await same(text.slice(0, at) + more + (end ? '' : text.slice(at + gone)), size)
      },
    ),
    { ...RUNS, numRuns: 6000 },
  )
})

test('148: a text is looked at piece by piece, and each name and value of it once', async () => {
  const text = JSON.stringify({ data: Array.from({ length: 50 }, (_, i) => ({ id: `d${i}`, tags: { n: i } })), more: { __proto: 1 } })
  const ids: string[] = []
  const look = (value: unknown): void => {
    for (const inner of Object.values(value as object)) {
      if (typeof inner !== 'object' || inner === null) continue
      if ('id' in inner) ids.push(inner.id)
      look(inner)
    }
  }
  await inPieces(text, 100, { look })
  assert.is(new Set(ids).size, ids.length)
  const stop = new Error('stop')
  const thrown = await inPieces(text, 100, {
    look: () => {
      throw stop
    },
  }).catch((error) => error)
  assert.is(thrown, stop)
})

test('148: nesting is bound alike in short texts and in long ones', async () => {
  for (const padding of [0, 300_000]) {
    const nested = (levels: number) => `${'['.repeat(levels)}"${' '.repeat(padding)}"${']'.repeat(levels)}`
    await parseJson(nested(MAX_NESTING))
    const error = await outcomeOf(nested(MAX_NESTING + 1))
    assert.instance(error, TooDeep)
  }
})

async function outcomeOf(text: string): Promise<unknown> {
  try {
    return await parseJson(text)
  } catch (error) {
    return error
  }
}

test.run()
