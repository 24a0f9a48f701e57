// A client keeps its connections for the requests that follow.
import { type AddressInfo, connect, createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../../lib/client/client.js'
import { Flow } from '../../../lib/flow/flow.js'
import { serveHttp } from '../../support/serving.js'

for (const prefetch of [1, 4]) {
  test(`C2: over HTTP, requests that follow each other take ${prefetch} connections, with ${prefetch} under way`, async () => {
    await using flow = await new Flow().add({ uses: () => {} }).open()
    const server = await serveHttp(flow)
    let connections = 0
    // What it goes through counts.
    const counting = createServer((near) => {
      connections++
      const far = connect(server.port, '127.0.0.1')
      near.pipe(far).pipe(near)
      near.on('error', () => far.destroy())
      far.on('error', () => near.destroy())
    })
    await new Promise<void>((resolve) => counting.listen(0, '127.0.0.1', resolve))
    await using client = new Client({ port: (counting.address() as AddressInfo).port, protocol: 'http', prefetch })
    let answered = 0
    for await (const response of client.post('/', Array(60).fill('x'), { requestSize: 1 })) answered += response.docs.length
    assert.is(answered, 60)
    assert.ok(connections <= prefetch, `${connections} connections`)
    await client.close()
    counting.close()
    await server.close()
  })
}

test.run()
