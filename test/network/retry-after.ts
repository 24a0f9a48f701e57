// When to ask again, which whoever is refused is told, by our gateways and by others.
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { status as Code } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, type ConnectionError } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { within } from '../support/within.js'
import { WAYS, type Way } from './ways.js'

/** What asking once fails at. */
const failure = async (address: string): Promise<ConnectionError> => {
  await using client = new Client(address)
  return (await within(10_000, collect(client.post('/', 'a')))).error as ConnectionError
}

async function asking(way: Way, address: string): Promise<any> {
  await using client = new Client(address)
  const asked = way === 'graphql' ? client.mutate('mutation { docs(data: [{ text: "a" }]) { text } }') : client.post('/', 'a').drain()
  return await Promise.resolve(asked).catch((error) => error)
}

for (const way of WAYS)
  test(`217: ${way}: a Client that is refused as there is too much to do hears so at once, and when to ask again`, async () => {
    const door = deferred<void>()
    const flow = await new Flow().add({ uses: () => door.promise }).open()
    const gateway = await Gateway.serve(flow, {
      protocol: way === 'graphql' ? ['http'] : [way],
      port: 0,
      maxInFlight: 1,
      ...(way === 'graphql' && { graphql: true }),
    })
    const address = Object.values(gateway.addresses)[0]!.replace(/\/graphql$/, '')
    // One inside, and 16 in line.
    const asked = Array.from({ length: 20 }, () => asking(way, address))
    const errors: any[] = []
    for (const one of asked) void one.then((error) => errors.push(error))
    await within(
      10_000,
      (async () => {
        while (errors.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
      })(),
    )
    for (const error of errors) {
      assert.is(error.code, 'ERR_UNREACHABLE')
      // GraphQL has one code for all that may pass.
      assert.is(error.busy, way === 'graphql' ? undefined : true)
      assert.is(error.retryAfter, 1000)
      assert.is(error.permanent, undefined)
    }
    door.resolve()
    assert.is((await within(10_000, Promise.all(asked))).filter((error) => error instanceof Error).length, 3)
    await gateway.close()
    await flow.close()
  })

/** What our Client makes of a server of HTTP that always answers so. */
async function answering(scheme: string, answer: RequestListener): Promise<ConnectionError> {
  const server = createServer(answer)
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const error = await failure(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`)
  server.closeAllConnections()
  server.close()
  return error
}

test('224: servers and proxies that are not ours are heard, too: seconds, dates, or nothing that makes sense', async () => {
  for (const [status, header, least, most, busy] of [
    [503, '2', 2000, 2000, undefined],
    [429, '0', 0, 0, true],
    [503, new Date(Date.now() + 60_000).toUTCString(), 50_000, 61_000, undefined],
    [503, 'soon', undefined, undefined, undefined],
  ] as const) {
    const error = await answering('http', (_, response) => void response.writeHead(status, { 'retry-after': header }).end())
    assert.equal([error.code, error.busy], ['ERR_UNREACHABLE', busy], header)
    assert.ok(least === undefined ? error.retryAfter === undefined : error.retryAfter! >= least && error.retryAfter! <= most, `${header}: ${error.retryAfter}`)
  }
  assert.is((await answering('ws', () => {})).retryAfter, 3000)
})

test('224: gRPC: what stands behind a call says when, and never where it is less than 0', async () => {
  let trailers = {}
  const server = createHttp2()
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-message': 'no', ...trailers }, { endStream: true })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const [code, pushback, retryAfter, busy, permanent] of [
    [Code.RESOURCE_EXHAUSTED, '1500', 1500, true, undefined],
    [Code.UNAVAILABLE, '700', 700, undefined, undefined],
    [Code.UNAVAILABLE, '-1', undefined, undefined, true],
    [Code.UNAVAILABLE, undefined, undefined, undefined, undefined],
  ] as const) {
    trailers = { 'grpc-status': String(code), ...(pushback !== undefined && { 'grpc-retry-pushback-ms': pushback }) }
    const error = await failure(address)
    assert.equal([error.code, error.retryAfter, error.busy, error.permanent], ['ERR_UNREACHABLE', retryAfter, busy, permanent], `${Code[code]} ${pushback}`)
  }
  server.close()
})

test('224: what a server refuses for good by an answer is not asked for again', async () => {
  for (const protocol of ['grpc', 'http', 'websocket'] as const) {
    await using inner = await new Flow({ protocol, port: 0, maxDocuments: 1 }).add({ uses: () => {} }).open()
    const address = Object.values(inner.addresses)[0]!
    await using client = new Client(address)
    const { error } = await collect(client.post('/', ['a', 'b']))
    assert.equal([error.code, error.permanent], ['ERR_TOO_LARGE', true], protocol)
  }
})

test.run()
