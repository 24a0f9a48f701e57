// What a Client is told of sending gets to the other side, on every protocol: headers, packing, and the way out.
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, type ClientOptions } from '../../lib/client/index.js'
import type { PostOptions } from '../../lib/index.js'
import { SCHEMES, texts, WAYS, type Way } from '../network/ways.js'
import { tap } from '../support/tap.js'
import { within } from '../support/within.js'
import { world } from './world.js'

/** What a server hears in headers of a call, which it refuses. */
async function heard(way: Way, options: ClientOptions): Promise<IncomingHttpHeaders> {
  const all: IncomingHttpHeaders[] = []
  const server =
    way === 'grpc'
      ? createHttp2().on('stream', (stream, headers) => {
          all.push(headers)
          stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '7' }, { endStream: true })
        })
      : createServer((request, response) => {
          all.push(request.headers)
          response.writeHead(403).end()
        }).on('upgrade', (request, socket) => {
          all.push(request.headers)
          socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
        })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = new Client(`${SCHEMES[way]}://127.0.0.1:${(server.address() as AddressInfo).port}`, options)
  await within(
    10_000,
    texts(way, client, ['a']).catch(() => {}),
  )
  await client.close()
  server.close()
  return all.at(-1)!
}

for (const way of WAYS) {
  test(`C3: ${way}: headers and metadata of a Client go with each call`, async () => {
    const { authorization, ...others } = await heard(way, {
      headers: { Authorization: 'Bearer t', 'x-both': 'headers' },
      metadata: { 'x-meta': 'm', 'x-both': 'metadata' },
    })
    assert.is(authorization, 'Bearer t')
    assert.is(others['x-meta'], 'm')
    assert.is(others['x-both'], 'headers')
    assert.is((await heard(way, { headers: new Headers({ 'x-told': 'by the platform' }) }))['x-told'], 'by the platform')
  })

  test(`C3: ${way}: compression packs what is sent, and what comes back is understood`, async () => {
    await using it = await world()
    const long = 'long '.repeat(20_000)
    for (const compression of [undefined, 'gzip', 'deflate'] as const) {
      await using wire = await tap(it.gateway.port)
      await using client = new Client({ host: '127.0.0.1', port: wire.port, protocol: way === 'graphql' ? 'http' : way, compression })
      assert.equal(await texts(way, client, [long]), [`${long}!`], compression)
      // GraphQL goes as it is: servers of it need not understand anything else. A WebSocket's other end must agree, which this one does not.
      const packed = compression !== undefined && (way === 'grpc' || way === 'http')
      assert.is(wire.sent.length < 20_000, packed, `${compression}: ${wire.sent.length} bytes`)
    }
  })
}

test('C3: websocket: compression is offered to the other end', async () => {
  assert.match((await heard('websocket', { compression: 'gzip' }))['sec-websocket-extensions']!, 'permessage-deflate')
  assert.is((await heard('websocket', {}))['sec-websocket-extensions'], undefined)
})

for (const way of ['http', 'graphql'] as const)
  test(`C3: ${way}: a fetch of one's own is the way out`, async () => {
    await using it = await world()
    const asked: string[] = []
    const own: typeof fetch = (input, init) => {
      asked.push(`${init?.method} ${new URL(String(input)).pathname} ${new Headers(init?.headers).get('x-told')}`)
      return fetch(input, init)
    }
    await using client = new Client(it.address('http'), { fetch: own, headers: { 'x-told': 'yes' } })
    assert.equal(await texts(way, client, ['a']), ['a!'])
    assert.equal(asked.slice(1), [`POST ${way === 'http' ? '/post' : '/graphql'} yes`])
    assert.match(asked[0]!, /^GET \/ /, 'whether anybody is there')
  })

test('C3, C4: a Client of another protocol sends mutate() by its fetch too', async () => {
  await using it = await world()
  const asked: string[] = []
  const own: typeof fetch = (input, init) => {
    asked.push(String(init?.method))
    return fetch(input, init)
  }
  await using client = new Client(it.address('grpc'), { fetch: own })
  assert.equal(await texts('graphql', client, ['a']), ['a!'])
  assert.equal(asked, ['GET', 'POST'])
})

for (const protocol of ['grpc', 'http', 'websocket'] as const)
  test(`${protocol}: prefetchDocuments of a Client bounds the documents of its posts, which may say otherwise`, async () => {
    await using it = await world()
    await using client = new Client(`${SCHEMES[protocol]}://127.0.0.1:${it.gateway.port}`, { prefetchDocuments: 3 })
    /** How many documents are read while none is answered. */
    const ahead = async (options?: PostOptions): Promise<number> => {
      let read = 0
      const asked = client.post(
        '/',
        (function* () {
          while (read++ < 1000) yield 'hang'
        })(),
        options,
      )
      it.again()
      const first = asked.next()
      await within(10_000, it.arrived())
      await asked.return()
      await first
      return read
    }
    assert.is(await ahead(), 3)
    assert.is(await ahead({ prefetchDocuments: 2, requestSize: 1 }), 2)
    assert.ok((await ahead({ prefetchDocuments: Infinity, requestSize: 10 })) >= 10)
  })

test.run()
