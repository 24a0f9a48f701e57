// The bound is exact through the library's own wrappers, and through `yield*`, as through a plain loop.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../lib/index.js'
import { strays } from './wrapped.js'

test('203: never more than prefetch between source and consumer, whoever hands the responses on', async () => {
  await using flow = await new Flow().add({ uses: () => {} }).open()
  assert.equal(await strays(flow), [])
})

test('203: nor with an executor that waits', async () => {
  await using flow = await new Flow().add({ uses: async () => void (await null) }).open()
  assert.equal(await strays(flow), [])
})

test.run()
