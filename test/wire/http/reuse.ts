// A client keeps its connections for the requests that follow.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../../lib/client/client.js'
import { Flow } from '../../../lib/flow/flow.js'
import { createListener } from '../../../lib/wire/http/server/speaker.js'

for (const prefetch of [1, 4]) {
  test(`C2: over HTTP, requests that follow each other take ${prefetch} connections, with ${prefetch} under way`, async () => {
    await using flow = await new Flow().add({ uses: () => {} }).open()
    const http = await createListener(flow)
    let connections = 0
    const server = createServer((req, res) => http.take(req, res)).on('connection', () => connections++)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await using client = new Client({ port: (server.address() as AddressInfo).port, protocol: 'http', prefetch })
    let answered = 0
    for await (const response of client.post('/', Array(60).fill('x'), { requestSize: 1 })) answered += response.docs.length
    assert.is(answered, 60)
    assert.ok(connections <= prefetch, `${connections} connections`)
    await client.close()
    await http.close()
    server.close()
  })
}

test.run()
