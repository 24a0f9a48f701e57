// The same where there are microtasks only, as in browsers.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { strays } from './wrapped.js'

test('203: never more than prefetch between source and consumer, without nextTick', async () => {
  const { nextTick } = process
  Object.assign(process, { nextTick: undefined })
  const { Flow } = await import('../../lib/index.js').finally(() => Object.assign(process, { nextTick }))
  for (const uses of [() => {}, async () => void (await null)]) {
    await using flow = await new Flow().add({ uses }).open()
    assert.equal(await strays(flow), [])
  }
})

test.run()
