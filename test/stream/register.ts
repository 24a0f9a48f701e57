import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Keyed } from '../../lib/stream/keyed.js'
import { Register } from '../../lib/stream/register.js'

test('a Register has who entered and has not left, the oldest first, and the same several times', () => {
  const register = new Register<string>()
  const leaves = ['one', 'two', 'two', 'three'].map((value) => register.enter(value))
  assert.equal([...register], ['one', 'two', 'two', 'three'])
  assert.is(leaves[1]!(), true)
  assert.is(leaves[1]!(), false, 'who leaves twice')
  assert.equal([[...register], register.size], [['one', 'two', 'three'], 3])
})

test('who leaves a Register while it is walked over is passed over, and the walk goes on', () => {
  const register = new Register<number>()
  const leaves = [0, 1, 2, 3, 4].map((value) => register.enter(value))
  const seen: number[] = []
  for (const value of register) {
    seen.push(value)
    if (value !== 1) continue
    for (const at of [1, 2, 3]) leaves[at]!()
    register.enter(5)
  }
  assert.equal(seen, [0, 1, 4])
  assert.equal([...register], [0, 4, 5])
})

test('a Keyed does what a Map does, whatever enters and leaves', () => {
  const keyed = new Keyed<string, { step: number }>()
  const map = new Map<string, { step: number }>()
  for (let step = 0; step < 5000; step++) {
    // Some stay long, some are put anew, some leave at once: as many as 100 are inside.
    const key = `key ${(step * 7919) % (step % 3 === 0 ? 100 : 1000)}`
    const value = { step }
    keyed.set(key, value)
    map.set(key, value)
    const gone = `key ${(step * 104_729) % 1000}`
    assert.is(keyed.delete(gone), map.delete(gone))
    assert.is(keyed.get(key), map.get(key))
    assert.equal([keyed.has(gone), keyed.get(gone), keyed.size], [false, undefined, map.size])
  }
  assert.equal([...keyed.values()], [...map.values()])
  keyed.clear()
  assert.equal([keyed.size, [...keyed.values()]], [0, []])
})

test('who leaves a Keyed while it is walked over is passed over', () => {
  const keyed = new Keyed<number, number>()
  for (let at = 0; at < 5; at++) keyed.set(at, at)
  const seen: number[] = []
  for (const value of keyed.values()) {
    seen.push(value)
    keyed.delete(value + 1)
  }
  assert.equal(seen, [0, 2, 4])
})

test.run()
