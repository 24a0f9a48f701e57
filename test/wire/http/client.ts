import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../../lib/doc/array.js'
import { Document } from '../../../lib/doc/document.js'
import { post } from '../../../lib/post/post.js'
import { Header, Request } from '../../../lib/request/request.js'
import { Scope } from '../../../lib/stream/scope.js'
import type { Connection } from '../../../lib/wire/connection.js'
import { connect, connectByFetch } from '../../../lib/wire/http/client/connect.js'
import { failureOf } from '../../../lib/wire/http/client/failures.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { serveHttp as serve } from '../../support/serving.js'
import { certificates } from '../../support/tls.js'
import { turn } from '../../support/turn.js'
import { within } from '../../support/within.js'
import { started } from './started.js'

/** Under Node, and where only fetch is there. */
const WAYS = { connect, connectByFetch }

async function listening<S extends TcpServer>(server: S): Promise<{ port: number; url: string } & AsyncDisposable> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      ;(server as { closeAllConnections?: () => void }).closeAllConnections?.()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function fails(client: Connection, code: string, about: string, on = '/'): Promise<any> {
  const { error } = await within(10_000, collect(post(client, on, ['a'])))
  assert.is(error?.code, code, `${about}: ${error}`)
  assert.ok(error.address === undefined || error.message.includes(error.address), about)
  await client.close()
  return error
}

for (const [name, dial] of Object.entries(WAYS)) {
  test(`210: ${name} lets go of the connection of an answer that it does not read`, async () => {
    let open = 0
    const server = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(200, { 'content-type': 'text/html' }).write('x'))
    })
    const closed = deferred<void>()
    server.on('connection', (socket) => {
      open++
      socket.on('close', () => {
        if (--open <= 1) closed.resolve()
      })
    })
    await using service = await listening(server)
    const client = dial(service.url)
    for (let i = 0; i < 10; i++) {
      const { error } = await within(10_000, collect(post(client, '/', ['a'])))
      assert.is(error?.code, 'ERR_PROTOCOL')
    }
    await within(10_000, closed.promise)
    await client.close()
  })

  test(`C1: ${name} posts documents, and gets partial answers first`, async () => {
    await using service = await started(async function* ({ docs, parameters }: any) {
      for (const doc of docs) {
        doc.tags.k = parameters.k
        yield doc
      }
    } as any)
    const client = dial(service.url, { headers: { 'X-Any': 'thing' } })
    assert.ok(await client.isReady())
    const document = new Document({
      text: 'ü',
      mimeType: 'text/plain',
      tags: { deep: [{ a: null }] },
      embedding: Float32Array.of(1, 2),
      scores: { x: { value: 1, opName: 'o' } },
      chunks: ['c'],
    })
    const { items, error } = await collect(post(client, '/index', [document, 'b', new Uint8Array([1, 2, 3])], { requestSize: 3, parameters: { k: 7 } }))
    assert.is(error, undefined)
    assert.equal(
      items.map(({ partial, docs }) => [partial, docs.length]),
      [
        [true, 1],
        [true, 1],
        [true, 1],
        [false, 3],
      ],
    )
    const [first, , last] = items.at(-1)!.docs
    assert.is(first!.id, document.id)
    assert.equal(first!.tags, { deep: [{ a: null }], k: 7 })
    assert.equal([first!.mimeType, first!.scores.x!.opName, first!.chunks.texts, [...first!.embedding!.data]], ['text/plain', 'o', ['c'], [1, 2]])
    assert.equal(last!.blob, new Uint8Array([1, 2, 3]))
    assert.equal(
      items.at(-1)!.routes.map(({ executor }) => executor),
      ['gateway', 'echo'],
    )
    await client.close()
  })

  test(`C5: ${name}: one behaviour for everything that can go wrong`, async () => {
    await using service = await started(({ endpoint, signal }) => {
      if (endpoint === '/fail') throw new TypeError('no luck')
      return endpoint === '/slow' ? new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined))) : undefined
    })
    const failed = await fails(dial(service.url), 'ERR_EXECUTOR', 'executor', '/fail')
    assert.equal([failed.executor, failed.cause.name, failed.cause.message], ['echo', 'TypeError', 'no luck'])
    await fails(dial('http://127.0.0.1:1'), 'ERR_UNREACHABLE', 'absent')
    await fails(dial('http://no-such-host.invalid'), 'ERR_UNREACHABLE', 'no such name')
    await fails(dial(service.url, { timeout: 100 }), 'ERR_TIMEOUT', 'never answers', '/slow')
    await fails(dial(`${service.url}/elsewhere`), 'ERR_PROTOCOL', 'wrong path')
    await fails(dial(service.url, { maxMessageBytes: 10 }), 'ERR_TOO_LARGE', 'large answer')
    await using small = await started(() => {}, { maxMessageBytes: 10 })
    await fails(dial(small.url), 'ERR_TOO_LARGE', 'large request')
    await service.flow.close()
    assert.match((await fails(dial(service.url), 'ERR_UNREACHABLE', 'closed')).message, /not open/)
    assert.not(await dial(service.url).isReady())
    assert.not(await dial('http://127.0.0.1:1').isReady())
  })

  test(`C5: ${name}: servers that are none`, async () => {
    const answers = async (listener: RequestListener, code: string, about: string) => {
      await using server = await listening(createServer((req, res) => (req.method === 'GET' ? res.end() : listener(req, res))))
      await fails(dial(server.url), code, about)
    }
    const json = { 'content-type': 'application/json' }
    await answers((_, res) => res.end('hello'), 'ERR_PROTOCOL', 'text')
    await answers((_, res) => res.writeHead(200, json).end('{"a":1}'), 'ERR_PROTOCOL', 'foreign JSON')
    await answers((_, res) => res.writeHead(200, json).end('{"header":'), 'ERR_PROTOCOL', 'broken JSON')
    await answers((_, res) => res.writeHead(200, json).end('{"header":{},"data":[{"weight":"x"}]}'), 'ERR_PROTOCOL', 'no document')
    await answers((_, res) => res.writeHead(302, { location: '/other' }).end(), 'ERR_PROTOCOL', 'redirect')
    await answers((_, res) => res.writeHead(401, json).end('{"detail":"Who are you?"}'), 'ERR_REFUSED', 'unauthorized')
    await answers((_, res) => res.writeHead(502).end(), 'ERR_UNREACHABLE', 'proxy')
    await answers((_, res) => res.writeHead(504).end(), 'ERR_TIMEOUT', 'proxy gives up')
    await answers((_, res) => res.socket!.destroy(), 'ERR_DISCONNECTED', 'ends before the answer')
    await answers(
      (_, res) => void res.writeHead(200, { ...json, 'content-length': '100' }).write('{"header"', () => res.socket!.destroy()),
      'ERR_DISCONNECTED',
      'ends within',
    )
    await answers(
      (_, res) => res.writeHead(200, { 'content-type': 'application/x-ndjson' }).end('{"header":{},"data":[],"partial":true,"ordinal":0}\n'),
      'ERR_DISCONNECTED',
      'no last line',
    )
    await using tcp = await listening(
      createTcp((socket) =>
        socket
          .on('error', () => {})
          .resume()
          .end('SSH-2.0-OpenSSH\r\n'),
      ),
    )
    await fails(dial(tcp.url), 'ERR_PROTOCOL', 'another protocol')
    await using mute = await listening(createServer(() => {}))
    await fails(dial(mute.url, { timeout: 100, connectTimeout: 100 }), 'ERR_TIMEOUT', 'mute')
  })

  test(`R43: ${name} lets go when nobody wants the answer`, async () => {
    const begun = deferred<void>()
    const told = deferred<void>()
    await using service = await started(async ({ signal }) => {
      signal.addEventListener('abort', () => told.resolve())
      begun.resolve()
      await told.promise
    })
    const controller = new AbortController()
    const client = dial(service.url)
    const asking = collect(post(client, '/', ['a'], { signal: controller.signal }))
    await within(5000, begun.promise)
    controller.abort('stop')
    assert.is((await within(5000, asking)).error, 'stop')
    await within(5000, told.promise)
    await client.close()
  })
}

test('C5: who speaks no HTTP is known by the name of the error, too, as fetch gives it no code from Node 24 on', () => {
  const cause = Object.assign(new Error('Response does not match the HTTP/1.1 protocol'), { name: 'HTTPParserError', code: undefined })
  for (const [said, begun] of [
    ['fetch failed', false],
    ['terminated', true],
  ] as const) {
    const error = failureOf('http://x', new TypeError(said, { cause }), begun) as { code?: string }
    assert.is(error.code, 'ERR_PROTOCOL', said)
  }
})

test('C3: requests and answers are packed when asked to', async () => {
  await using service = await started(({ docs }) => docs)
  for (const dial of Object.values(WAYS)) {
    for (const compression of ['gzip', 'deflate'] as const) {
      const client = dial(service.url, { compression })
      const docs = await post(
        client,
        '/',
        Array.from({ length: 100 }, () => 'x'.repeat(100)),
      ).docs()
      assert.is(docs.length, 100)
      assert.is(docs[99]!.text.length, 100)
      await client.close()
    }
  }
})

test('G3, R111: TLS, and who is not who it should be', async () => {
  const { ca, key, cert, expired, wrongName } = await certificates()
  const flow = { accepts: () => true, handle: () => {} }
  const one = async (identity: { key: string; cert: string }, tls: any, code: string | undefined, about: string) => {
    const server = await serve(flow, { tls: identity })
    const client = connect(server.address, tls === undefined ? {} : { tls })
    if (code !== undefined) await fails(client, code, about)
    else {
      assert.match(server.address, /^https:/)
      assert.ok(await client.isReady())
      assert.equal((await post(client, '/', ['a']).docs()).texts, ['a'], about)
      await client.close()
    }
    await server.close()
  }
  await one({ key, cert }, { ca }, undefined, 'all in order')
  await one(wrongName, { ca, serverName: 'elsewhere.example' }, undefined, 'by its name')
  await one({ key, cert }, undefined, 'ERR_TLS', 'unknown authority')
  await one(expired, { ca }, 'ERR_TLS', 'expired')
  await one(wrongName, { ca }, 'ERR_TLS', 'wrong name')
  const server = await serve(flow, { tls: { key, cert, ca } })
  const anonymous = await collect(post(connect(server.address, { tls: { ca } }), '/', ['a']))
  assert.ok(['ERR_TLS', 'ERR_DISCONNECTED'].includes(anonymous.error?.code), `no certificate: ${anonymous.error}`)
  const client = connect(server.address, { tls: { ca, key, cert } })
  assert.is((await post(client, '/', ['a']).docs()).length, 1)
  await client.close()
  await server.close()
})

test('C2: who goes over to another protocol, for which nobody asked, is no server of this one', async () => {
  const server = createTcp((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'))
  })
  await using service = await listening(server)
  await fails(connect(service.url), 'ERR_PROTOCOL', '101')
})

for (const [name, dial] of Object.entries(WAYS)) {
  test(`190: ${name} hands on nothing of an answer once it was told to stop`, async () => {
    const line = (text: string, more: object): string =>
      `${JSON.stringify({ ...more, header: { requestId: 'r' }, data: [{ id: text, text }], parameters: {}, routes: [] })}\n`
    const all = [0, 1, 2].map((ordinal) => line(`part ${ordinal}`, { partial: true, ordinal })).join('') + line('whole', {})
    const server = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(all))
    })
    await using service = await listening(server)
    const client = dial(service.url)
    const request = new Request(new Header('/', {}), DocumentArray.from([{ text: 'a' }]), new Scope())
    const seen: string[] = []
    const handedOn = deferred<void>()
    request.emit = async ({ docs }) => {
      seen.push(docs[0]!.text)
      request.scope.abort(new Error('enough'))
      await handedOn.promise
    }
    const error = await Promise.resolve(client.handle(request)).catch((reason) => reason)
    assert.is(error?.message, 'enough')
    handedOn.resolve()
    for (let turns = 0; turns < 5; turns++) await turn()
    assert.equal([seen, request.docs.texts, request.routes.length], [['part 0'], ['a'], 0])
    await client.close()
  })
}

test('C5: a connection that does not stand in time', async () => {
  await using tcp = await listening(createTcp((socket) => socket.on('error', () => {}).resume()))
  // It takes the connection, and never says a word of TLS.
  const error = await fails(connect(tcp.url.replace('http', 'https'), { connectTimeout: 100 }), 'ERR_UNREACHABLE', 'no handshake')
  assert.match(error.message, /within 100 ms/)
})

test('C2: addresses and options that cannot be are refused at the call', () => {
  const wrong = (address: any, options: any, code: string) => {
    assert.throws(
      () => connect(address, options),
      (error: any) => error.code === code,
    )
  }
  wrong(3, {}, 'ERR_OPTION_TYPE')
  wrong('ws://x', {}, 'ERR_OPTION_RANGE')
  wrong('localhost:8080', {}, 'ERR_OPTION_RANGE')
  wrong('http://user:secret@x', {}, 'ERR_OPTION_RANGE')
  wrong('http://x', { compression: 'br' }, 'ERR_OPTION_RANGE')
  wrong('http://x', { headers: { a: 'b\r\nc: d' } }, 'ERR_OPTION_RANGE')
  wrong('http://x', { headers: { 'a\n': 'b' } }, 'ERR_OPTION_RANGE')
  wrong('http://x', { timeout: -1 }, 'ERR_OPTION_RANGE')
  wrong('http://x', { nope: 1 }, 'ERR_OPTION_TYPE')
  assert.throws(() => connectByFetch('https://x', { tls: { serverName: 'x' } }), /trusts whom the platform trusts/)
})

test.run()
