import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'

for (const protocol of ['grpc', 'http', 'websocket'] as const)
  test(`${protocol}: where the time of a request goes, in the order of the executors`, async () => {
    await using flow = await new Flow()
      .add({ name: 'actor', uses: () => {} })
      .add({ name: 'second', uses: () => {} })
      .open()
    await using gateway = await Gateway.serve(flow, { protocol })
    await using client = new Client(gateway.addresses[protocol]!)
    const { roundtrip, server, executors } = await client.profiling()
    assert.ok(roundtrip >= 0 && server >= 0)
    assert.equal(Object.keys(executors), ['actor', 'second'])
  })

test.run()
