// Who asks at a wrong address hears what is there, and what to do.
import { createServer as createWeb } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { within } from '../support/within.js'

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const failed = (asked: Promise<unknown>): Promise<string> =>
  within(
    20_000,
    asked.then(
      () => 'fine',
      ({ code, message }) => `${code} ${message}`,
    ),
  )

test('a wrong address is told, with what to do, on every wire and for GraphQL', async () => {
  const pages = createWeb(({ url = '' }, response) => {
    if (url.startsWith('/page')) response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello</p>')
    else response.writeHead(404).end('nothing')
  })
  // It speaks first, and something else.
  const strange = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('SSH-2.0-OpenSSH_9\r\n')
  })
  const [web, ssh] = [await listening(pages), await listening(strange)]
  await using flow = await new Flow({ protocol: 'http', graphql: true, port: 0 }).add({ uses: () => {} }).open()
  const http = new URL(flow.addresses.http!).host
  try {
    const posts: [address: string, said: RegExp][] = [
      [`http://${web}`, /^ERR_PROTOCOL .*there is no \/post \(404\)\. Is it a gateway of Jina/],
      [`http://${web}/page`, /^ERR_PROTOCOL .*answers with "text\/html" where JSON is due.*See whether the address is right/],
      [`http://${http}/api`, /^ERR_PROTOCOL .*switched on there\? It says: Not Found: nothing is at \/api\/post/],
      [`ws://${http}`, /^ERR_PROTOCOL .*HTTP 200\. Look at the port and the path, or serve the Flow with protocol: 'websocket', too/],
      [`ws://${web}`, /^ERR_PROTOCOL .*HTTP 404\. Look at the port and the path/],
      [`grpc://${http}`, /^ERR_PROTOCOL .*does not speak gRPC\. See whether address and protocol are right/],
      [`http://${ssh}`, /^ERR_PROTOCOL .*does not speak HTTP \(\w+\)\. See whether address and protocol are right/],
      [`ws://${ssh}`, /^ERR_PROTOCOL .*does not speak WebSocket: .*\. See whether address and protocol are right/],
      [`grpc://${ssh}`, /^ERR_PROTOCOL .*does not speak gRPC\. See whether address and protocol are right/],
    ]
    for (const [address, said] of posts) {
      await using client = new Client(address)
      assert.match(await failed(client.post('/', 'a').docs()), said, address)
    }
    const operations: [address: string, said: RegExp][] = [
      [`http://${http}/graphql`, /^ERR_PROTOCOL .*there is no \/graphql\/graphql \(404\)\. Leave \/graphql out of the address/],
      [`http://${web}`, /^ERR_PROTOCOL .*no GraphQL answers there \(404\)\. Serve the Flow with graphql: true/],
      [`http://${web}/page`, /^ERR_PROTOCOL .*answers with "text\/html", which is no GraphQL\. See whether the address is right/],
      [`http://${ssh}`, /^ERR_PROTOCOL .*does not speak HTTP/],
    ]
    for (const [address, said] of operations) {
      await using client = new Client(address)
      assert.match(await failed(client.mutate('mutation { docs { text } }')), said, address)
      assert.match(await failed(client.subscribe('subscription { docs { text } }').next()), said, address)
    }
  } finally {
    pages.close()
    pages.closeAllConnections()
    strange.close()
  }
})

test.run()
