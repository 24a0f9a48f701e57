import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flatten } from '../../lib/stream/flatten.js'
import { deferred } from '../support/deferred.js'
import { numbers, Source } from '../support/source.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'

const done = { done: true, value: undefined }
const flatten = (source: AsyncIterable<number[]>) => new Flatten(source, (items) => items)
const all = async <T>(source: AsyncIterable<T>): Promise<T[]> => {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

test('the items of all, one after the other; empty ones are passed over', async () => {
  assert.equal(await all(flatten(new Source([[], [1, 2], [], [], [3], []]))), [1, 2, 3])
  assert.equal(await all(flatten(new Source([]))), [])
  assert.equal(await all(flatten(new Source([[]]))), [])
})

test('what is read is read on demand', async () => {
  const source = new Source([[1, 2], [3]])
  const it = flatten(source)
  assert.is(source.reads, 0)
  await it.next()
  await it.next()
  await turn()
  assert.is(source.reads, 1)
})

test('R11, R12, R17, R35: several next()s at once: each item once, in order, then the ends', async () => {
  const source = new Source([[0, 1, 2], [3], [], [4, 5]], { before: () => turn() })
  const it = flatten(source)
  const results = await within(1000, Promise.all(numbers(9).map(() => it.next())))
  assert.equal(
    results.map(({ value }) => value),
    [...numbers(6), undefined, undefined, undefined],
  )
  assert.is(source.overlaps, 0)
  const shares = flatten(new Source([numbers(5), numbers(5)]))
  assert.is((await Promise.all([all(shares), all(shares), all(shares)])).flat().length, 10)
})

test('R6: an error goes to who asked, and the rest goes on as the source does', async () => {
  const it = flatten(
    new Source([[0], [1]], {
      before: (read) => {
        if (read === 1) throw new Error('source')
      },
    }),
  )
  const results = await within(1000, Promise.allSettled([it.next(), it.next()]))
  assert.equal(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
})

test('R1, R13: return() reaches the source at once, and drops what is left', async () => {
  const read = deferred<void>()
  const source = new Source([[0, 1, 2], [3]], { before: (n) => (n === 1 ? read.promise : undefined) })
  const it = flatten(source)
  await it.next()
  assert.equal(await it.return(), done)
  assert.is(source.returns, 1)
  const waiting = flatten(new Source([[0]], { before: () => read.promise }))
  const next = waiting.next()
  assert.equal(await within(1000, waiting.return()), done)
  read.resolve()
  await within(1000, next)
})

test.run()
