import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Fifo } from '../../lib/stream/fifo.js'
import { numbers } from '../support/source.js'

test('first in, first out, at every length and fill', () => {
  for (const lead of [0, 1, 15, 16, 17, 100]) {
    const fifo = new Fifo<number>()
    const expected: number[] = []
    let n = 0
    const push = () => {
      fifo.push(n)
      expected.push(n++)
    }
    for (let i = 0; i < lead; i++) push()
    for (let i = 0; i < 500; i++) {
      push()
      if (i % 3 === 0) push()
      assert.is(fifo.length, expected.length)
      assert.is(fifo.peek(), expected[0])
      assert.is(fifo.shift(), expected.shift())
    }
    while (expected.length > 0) assert.is(fifo.shift(), expected.shift())
    assert.is(fifo.length, 0)
  }
})

test('empty, there is nothing to peek at; undefined is an item like others', () => {
  const fifo = new Fifo<number | undefined>()
  assert.is(fifo.peek(), undefined)
  fifo.push(undefined)
  fifo.push(1)
  assert.is(fifo.length, 2)
  assert.is(fifo.shift(), undefined)
  assert.is(fifo.shift(), 1)
})

test('clear() forgets all, and it goes on', () => {
  const fifo = new Fifo<number>()
  for (const n of numbers(40)) fifo.push(n)
  fifo.shift()
  fifo.clear()
  assert.equal([fifo.length, fifo.peek()], [0, undefined])
  for (const n of numbers(20)) fifo.push(n)
  assert.equal(
    numbers(20).map(() => fifo.shift()),
    numbers(20),
  )
})

test('promise 10: a hundred thousand items wait as cheaply as ten', () => {
  const time = (count: number) => {
    const fifo = new Fifo<number>()
    for (let i = 0; i < count; i++) fifo.push(i)
    const { user } = process.cpuUsage()
    for (let i = 0; i < 200_000; i++) fifo.push(fifo.shift())
    return process.cpuUsage().user - user
  }
  const best = (count: number) => Math.min(...numbers(7).map(() => time(count)))
  assert.ok(best(100_000) < 10 * Math.max(best(10), 1000))
})

test.run()
