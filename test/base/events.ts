import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Events, publish } from '../../lib/base/events.js'
import { Flow } from '../../lib/index.js'

test('a batch is told to those who listen', async () => {
  const heard: Events['batch'][] = []
  const hear = (message: unknown): void => void heard.push(message as Events['batch'])
  subscribe('sluice.batch', hear)
  try {
    await using flow = await new Flow().add({ name: 'store', uses: () => {}, dynamicBatching: { preferredBatchSize: 4, timeout: 1000 } }).open()
    await flow.post('/index', ['a', 'b', 'c', 'd'], { requestSize: 2 }).drain()
  } finally {
    unsubscribe('sluice.batch', hear)
  }
  assert.is(heard.length, 1)
  const { requestId, ...told } = heard[0]!
  assert.match(requestId, /^[0-9a-f]{32}$/)
  assert.equal(told, { executor: 'store', endpoint: '/index', docs: 4, requests: 2 })
})

test('nothing is made where nobody listens', () => {
  assert.not(channel('sluice.place').hasSubscribers)
  publish('place', () => assert.unreachable('it was made') as never)
})

test.run()
