// Partial answers of generators, over the wire.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { turn } from '../../support/turn.js'
import { within } from '../../support/within.js'
import { world } from './world.js'

test('E9: pieces come at once, in their order, and the whole answer last', async () => {
  const door = deferred<void>()
  await using it = await world(async function* () {
    yield { id: 'a', text: 'first' }
    await door.promise
    yield { id: 'b', text: 'second' }
  } as any)
  const responses = it.post('/', [{ text: 'q' }])
  const first = (await within(10_000, responses.next())).value!
  assert.is(first.partial, true)
  assert.is(first.ordinal, 0)
  assert.equal(first.docs.texts, ['first'])
  door.resolve()
  const { items } = await within(10_000, collect(responses))
  assert.equal(
    items.map(({ partial, ordinal, docs }) => [partial, ordinal, docs.texts]),
    [
      [true, 1, ['second']],
      [false, 2, ['first', 'second']],
    ],
  )
})

test('E9: a slow consumer pauses the generator', async () => {
  let made = 0
  await using it = await world(async function* () {
    for (;;) yield { id: 'same', text: `${made++}` }
  } as any)
  const consume = async () => {
    let received = 0
    for await (const _ of it.post('/', [{ text: 'q' }])) {
      received++
      for (let i = 0; i < 10; i++) await turn()
      assert.ok(made - received <= 40, `${made - received} are on the way`)
      if (received === 200) break
    }
  }
  await within(20_000, consume())
})

test('E9: pieces that wait for their turn do not hold up those before them', async () => {
  const door = deferred<void>()
  let made = 0
  await using it = await world(async function* ({ docs }: any) {
    if (docs[0].text === 'head') {
      await door.promise
      yield { text: 'head' }
    } else for (let i = 0; i < 100; i++) yield { id: 'same', text: `${made++}` }
  } as any)
  const received = collect(it.post('/', [{ text: 'head' }, { text: 'tail' }], { requestSize: 1, resultsInOrder: true }))
  while (made < 16) await turn()
  for (let i = 0; i < 100; i++) await turn()
  door.resolve()
  const { items, error } = await within(10_000, received)
  assert.is(error, undefined)
  assert.is(items.length, 1 + 1 + 100 + 1)
})

test('R43: a consumer that leaves between pieces closes the generator', async () => {
  const closed = deferred<void>()
  await using it = await world(async function* () {
    try {
      for (let i = 0; ; i++) yield { id: 'same', text: `${i}` }
    } finally {
      closed.resolve()
    }
  } as any)
  for await (const _ of it.post('/', [{ text: 'q' }])) break
  await within(1000, closed.promise)
})

test.run()
