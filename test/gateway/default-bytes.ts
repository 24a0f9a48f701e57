// What a gateway bounds bytes by that was not told.
import { getHeapStatistics } from 'node:v8'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defaultBytesInFlight } from '../../lib/gateway/default-bytes.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'

const heap = getHeapStatistics().heap_size_limit

test('222: the default is a quarter of what is less, the heap limit or what the container has', async () => {
  for (const none of [0, undefined, 2 ** 63]) assert.is(await defaultBytesInFlight({ constrainedMemory: () => none }), Math.floor(heap / 4))
  assert.is(await defaultBytesInFlight({}), Math.floor(heap / 4))
  assert.is(await defaultBytesInFlight({ constrainedMemory: () => 100_000_000 }), 25_000_000)
})

test('222: a gateway has it, as /status tells, and none with 0', async () => {
  await using flow = await new Flow().add({ uses: () => {} }).open()
  const limits = async (maxBytesInFlight?: number): Promise<{ maxBytesInFlight?: number }> => {
    await using gateway = await Gateway.serve(flow, { protocol: 'http', ...(maxBytesInFlight !== undefined && { maxBytesInFlight }) })
    return ((await (await fetch(`${gateway.addresses['http']}/status`)).json()) as any).sluice.limits
  }
  assert.is((await limits()).maxBytesInFlight, await defaultBytesInFlight())
  assert.is((await limits(0)).maxBytesInFlight, undefined)
})

test.run()
