import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Numbered } from '../../lib/stream/numbered.js'

test('does what a Map does, whatever enters and leaves', () => {
  // A number at or above 1 enters, one below ends the oldest, the newest, or one between.
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { maxLength: 600 }), (steps) => {
      const numbered = new Numbered<{ step: number }>()
      const map = new Map<number, { step: number }>()
      for (const [step, one] of steps.entries()) {
        if (one >= 1 || map.size === 0) {
          const value = { step }
          const number = numbered.add(value)
          assert.not.ok(map.has(number), 'a number that is in use')
          map.set(number, value)
        } else {
          const number = [...map.keys()][Math.floor(one * map.size)]!
          assert.is(numbered.get(number), map.get(number))
          assert.is(numbered.delete(number), map.delete(number))
          assert.is(numbered.delete(number), false)
          assert.is(numbered.get(number), undefined)
        }
        assert.is(numbered.size, map.size)
      }
      assert.equal([...numbered], [...map.values()])
    }),
  )
})

test('numbers go round behind 32 bits, and those that stay are passed over', () => {
  const numbered = new Numbered<string>()
  numbered.set(2 ** 32 - 2, 'old')
  assert.is(numbered.add('last'), 2 ** 32 - 1)
  assert.is(numbered.add('first'), 0)
  assert.equal([...numbered], ['old', 'last', 'first'])
  for (let at = 0; at < 1000; at++) numbered.delete(numbered.add(`passing ${at}`))
  assert.equal([numbered.get(2 ** 32 - 2), numbered.get(2 ** 32 - 1), numbered.get(0), numbered.size], ['old', 'last', 'first', 3])
})

test('who is told the numbers finds each by its own, in whatever order they come', () => {
  const numbered = new Numbered<number>()
  const all = [7, 7 + 64, 7 + 128, 7 + 4096, 3]
  for (const number of all) numbered.set(number, number)
  assert.equal(
    all.map((number) => numbered.get(number)),
    all,
  )
  assert.is(numbered.get(7 + 2 ** 20), undefined, 'what has the same place is another')
  assert.throws(() => numbered.set(7, 0), /7 is in use/)
  assert.equal([numbered.get(7), numbered.size], [7, all.length])
})

test.run()
