import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { events } from '../../../lib/wire/graphql/client/events.js'
import { linesOf } from '../../../lib/wire/http/lines.js'
import { collect } from '../../support/collect.js'

/** A text in chunks of so many bytes. */
async function* cut(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  for (let at = 0, i = 0; at < bytes.length; i++) yield bytes.subarray(at, (at += sizes[i % sizes.length]!))
}

test('202: lines and events are the same, however they are cut', async () => {
  const text = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '😀', '\u2028', ':', ' '), maxLength: 12 }), { maxLength: 8 })
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(text, sizes, fc.constantFrom('\n', '\r\n'), async (lines, sizes, end) => {
      assert.equal((await collect(linesOf(cut(lines.map((line) => `${line}\n`).join(''), sizes), 100))).items, lines)
      const sent = lines.map((line, at) => ({ event: at % 2 ? 'next' : 'message', data: line }))
      const stream = sent.map(({ event, data }) => `${event === 'next' ? `event: next${end}` : ''}data: ${data}${end}${end}`).join('')
      assert.equal((await collect(events(cut(stream, sizes), 100))).items, sent)
    }),
    { seed: 202, numRuns: 300 },
  )
})

test('202, 182: a long line or event is looked at once, however many pieces it comes in', async () => {
  const looked: number[] = []
  const { indexOf } = String.prototype
  String.prototype.indexOf = function (this: string, ...rest: [string, number?]) {
    if (rest[0] === '\n') looked.push(this.length)
    return indexOf.apply(this, rest)
  }
  try {
    const long = 'x'.repeat(200_000)
    assert.equal((await collect(linesOf(cut(`${long}\n`, [1000]), 1e6))).items, [long])
    assert.equal((await collect(events(cut(`data: ${long}\n\n`, [1000]), 1e6))).items, [{ event: 'message', data: long }])
  } finally {
    String.prototype.indexOf = indexOf
  }
  assert.ok(
    looked.reduce((sum, length) => sum + length, 0) < 1_000_000,
    `${looked.length} looks at ${looked.reduce((sum, length) => sum + length, 0)} characters`,
  )
})

test('202: lines and events over the limit are refused', async () => {
  const lines = await collect(linesOf(cut('12345\n123456\n', [2]), 5))
  assert.equal([lines.items, lines.error.status], [['12345'], 413])
  const sent = await collect(events(cut('data: 1\n\ndata: 1\ndata: 2\ndata: 3\n\n', [3]), 16))
  assert.equal([sent.items, sent.error.status], [[{ event: 'message', data: '1' }], 413])
})

test.run()
