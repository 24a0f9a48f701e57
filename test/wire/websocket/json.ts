import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Executor } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import { post } from '../../../lib/post/post.js'
import { connect } from '../../../lib/wire/websocket/client/connect.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { attach } from '../../support/serving.js'
import { turn } from '../../support/turn.js'
import { within } from '../../support/within.js'
import { serving } from './support.js'

const upper = async ({ docs }: any) => {
  for (const doc of docs) doc.text = doc.text.toUpperCase()
}
const words = Array.from({ length: 200 }, (_, i) => `word ${i}`)

/** An executor that looks at itself when a gateway asks. */
class Down extends Executor {
  static requests = { _jina_dry_run_: 'look' }
  look() {
    throw new Error('not up')
  }
}

// The other mode, in bytes, is the Client's: test/contract tells of it.
for (const mode of ['json'] as const) {
  test(`C1: ${mode}: a stream of documents goes there and comes back, in order if asked`, async () => {
    await using it = await serving(async (call) => {
      if (Number(call.docs[0].text.slice(5)) % 3 === 0) await turn()
      await upper(call)
    })
    const all = await within(20_000, post(it.connect({ mode }), '/index', words, { requestSize: 1, resultsInOrder: true }).docs())
    assert.equal(
      all.texts,
      words.map((word) => word.toUpperCase()),
    )
  })

  test(`C1: ${mode}: endpoint, parameters and target get there; results and routes come back`, async () => {
    let seen: any
    await using it = await serving(({ parameters, endpoint, docs }) => {
      seen = { parameters, endpoint }
      docs[0].tags.deep = { list: [1, null, true, 'é'] }
      return { count: docs.length }
    })
    const connection = it.connect({ mode })
    const [response] = await within(5000, post(connection, '/search', ['a'], { parameters: { top: 5, it: { top: 9 } } }).toArray())
    assert.equal(seen.parameters.top, 9)
    assert.equal(response!.parameters.__results__, { it: { count: 1 } })
    assert.equal(response!.parameters.top, 5)
    assert.equal(response!.docs[0]!.tags, { deep: { list: [1, null, true, 'é'] } })
    assert.ok(response!.routes.some(({ executor }) => executor === 'it'))
    seen = undefined
    await within(5000, post(connection, '/search', ['a'], { targetExecutor: 'other' }).drain())
    assert.is(seen, undefined)
  })

  test(`C1: ${mode}: every field of a document survives`, async () => {
    await using it = await serving(() => {})
    const fields = {
      id: 'x',
      blob: Uint8Array.of(0, 255, 7),
      embedding: Float32Array.of(1.5, -2),
      uri: 'u',
      mimeType: 'text/plain',
      weight: 0.5,
      parentId: 'p',
      granularity: 1,
      adjacency: 2,
      modality: 'm',
      offset: 0.25,
      location: [1, 2],
      tags: { a: [1, { b: 'c' }] },
      scores: { cos: { value: 0.5, opName: 'o', description: 'd', refId: 'r' } },
      chunks: [{ id: 'c', text: 'chunk', mimeType: 'text/x' }],
      matches: [{ id: 'm', text: 'match', matches: [{ id: 'mm', parentId: 'deep' }] }],
    }
    const [document] = await within(5000, post(it.connect({ mode }), '/', [fields]).docs())
    const json = JSON.parse(JSON.stringify(document))
    assert.equal(
      { ...json, tags: document!.tags },
      {
        ...JSON.parse(JSON.stringify({ ...fields, blob: 'AP8H', embedding: [1.5, -2] })),
      },
    )
  })

  test(`R56: ${mode}: what an executor fails at is an answer, and the connection goes on`, async () => {
    await using it = await serving(({ docs }) => {
      if (docs[0].text === 'bad') throw new TypeError('no such thing')
    })
    const connection = it.connect({ mode })
    const responses = await within(
      5000,
      post(connection, '/', ['good', 'bad', 'fine'], { requestSize: 1, continueOnError: true, resultsInOrder: true }).toArray(),
    )
    assert.equal(
      responses.map(({ status }) => status.code),
      ['SUCCESS', 'ERROR', 'SUCCESS'],
    )
    const error = responses[1]!.error as any
    assert.is(error.code, 'ERR_EXECUTOR')
    assert.is(error.executor, 'it')
    assert.is(error.cause.name, 'TypeError')
    assert.is(error.cause.message, 'no such thing')
    assert.not.match(error.cause.stack, /json\.[jt]s/)
    assert.is(it.server.port > 0, true)
  })

  test(`G3: ${mode}: partial answers come ahead of the whole, in order`, async () => {
    await using it = await serving(async function* ({ docs }: any) {
      for (const n of [0, 1, 2]) yield [{ text: `${docs[0].text}${n}` }]
    })
    const responses = await within(5000, post(it.connect({ mode }), '/', ['a']).toArray())
    assert.equal(
      responses.map(({ partial, ordinal, docs }) => [partial, ordinal, ...docs.texts]),
      [
        [true, 0, 'a0'],
        [true, 1, 'a1'],
        [true, 2, 'a2'],
        [false, 3, 'a0', 'a1', 'a2'],
      ],
    )
  })

  test(`F5: ${mode}: never more than prefetch at the client, nor at the server`, async () => {
    let inside = 0
    let most = 0
    await using it = await serving(
      async () => {
        most = Math.max(most, ++inside)
        await turn()
        inside--
      },
      { prefetch: 3 },
    )
    let read = 0
    let taken = 0
    let ahead = 0
    const source = (function* () {
      for (; read < 300; read++) {
        ahead = Math.max(ahead, read - taken)
        yield { text: String(read) }
      }
    })()
    for await (const _ of post(it.connect({ mode }), '/', source, { requestSize: 1, prefetch: 7 })) taken++
    assert.is(taken, 300)
    assert.ok(ahead <= 7, `${ahead} ahead`)
    assert.is(most, 3)
  })

  test(`R43: ${mode}: executors hear that a consumer left`, async () => {
    const aborted = deferred<void>()
    const called = deferred<void>()
    await using it = await serving(({ signal }) => {
      called.resolve()
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(aborted.resolve() as any)))
    })
    const stop = new AbortController()
    const running = collect(post(it.connect({ mode }), '/', words, { requestSize: 1, signal: stop.signal }))
    await called.promise
    stop.abort(new Error('enough'))
    assert.is((await running).error.message, 'enough')
    await within(20_000, aborted.promise)
  })

  test(`F5: ${mode}: a document of 20 MB goes through`, async () => {
    await using it = await serving(() => {}, { maxJsonBytes: 30_000_000 })
    const blob = new Uint8Array(20_000_000).fill(65)
    const [document] = await within(20_000, post(it.connect({ mode }), '/', [{ blob }]).docs())
    assert.is(document!.blob!.length, blob.length)
    assert.is(document!.blob!.at(-1), 65)
  })

  test(`G1: ${mode}: fifty clients at once get their own documents`, async () => {
    await using it = await serving(upper)
    await within(
      60_000,
      Promise.all(
        Array.from({ length: 50 }, async (_, client) => {
          const texts = Array.from({ length: 20 }, (_, i) => `client ${client} ${i}`)
          const all = await post(it.connect({ mode, connectTimeout: 60_000 }), '/', texts, { requestSize: 1, resultsInOrder: true }).docs()
          assert.equal(
            all.texts,
            texts.map((text) => text.toUpperCase()),
          )
        }),
      ),
    )
  })

  test(`C1: ${mode}: whether a Flow is ready`, async () => {
    await using it = await serving(Down)
    assert.is(await it.connect({ mode }).isReady(), false)
    await using other = await serving(() => {})
    assert.is(await other.connect({ mode }).isReady(), true)
    await other.server.close()
    assert.is(await other.connect({ mode }).isReady(), false)
  })
}

test('G1: JSON as Jina has it: camel or snake in, snake out, {} ends it and the server says goodbye', async () => {
  await using it = await serving(upper)
  const socket = new WebSocket(it.server.address)
  const got: any[] = []
  socket.on('message', (data) => got.push(JSON.parse(String(data))))
  await new Promise((resolve) => socket.on('open', resolve))
  assert.is(socket.protocol, '')
  for (const request of [
    { data: [{ text: 'a', mime_type: 'text/x', prop: 3 }], execEndpoint: '/one', requestId: 'one' },
    { data: { docs: [{ text: 'b' }] }, exec_endpoint: '/two', parameters: null, header: { request_id: 'two' } },
    { data: null, request_id: 'three' },
    { data: [{ text: 'c' }] },
    {},
    { data: [{ text: 'behind the end' }] },
  ])
    socket.send(JSON.stringify(request))
  const code = await within(5000, new Promise((resolve) => socket.on('close', resolve)))
  assert.is(code, 1000)
  assert.is(got.length, 4)
  const [one, two, three, four] = got
  assert.is(one.header.request_id, 'one')
  assert.is(one.header.exec_endpoint, '/one')
  assert.is(one.header.status, undefined)
  assert.equal(one.data[0].tags, { prop: 3 })
  assert.is(one.data[0].mime_type, 'text/x')
  assert.is(one.data[0].text, 'A')
  assert.equal(Object.keys(one.routes[0]), ['executor', 'start_time', 'end_time'])
  assert.is(one.routes[0].executor, 'gateway')
  assert.is(two.data[0].text, 'B')
  assert.equal(three.data, [])
  assert.match(four.header.request_id, /^[0-9a-f]{32}$/)
})

test('G1: no partial answers for who does not ask for them', async () => {
  await using it = await serving(async function* () {
    yield [{ text: 'a' }]
    yield [{ text: 'b' }]
  })
  const socket = new WebSocket(it.server.address)
  const got: any[] = []
  socket.on('message', (data) => got.push(JSON.parse(String(data))))
  await new Promise((resolve) => socket.on('open', resolve))
  socket.send('{"data":[""]}')
  socket.send('{}')
  await within(5000, new Promise((resolve) => socket.on('close', resolve)))
  assert.is(got.length, 1)
  assert.is(got[0].partial, undefined)
  assert.is(got[0].data.length, 2)
})

test('G1: subprotocols: what is asked for in due form is said back', async () => {
  await using it = await serving(() => {})
  const chosen = async (protocols: string[]) => {
    const socket = new WebSocket(it.server.address, protocols)
    await within(5000, new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject)))
    socket.terminate()
    return socket.protocol
  }
  assert.is(await chosen(['bytes']), 'bytes')
  assert.is(await chosen(['json']), 'json')
  assert.is(await chosen(['bytes', 'json']), 'json')
  assert.is(await chosen(['other', 'bytes']), 'bytes')
})

test('G1: HTTP and WebSocket share a port, each with its paths', async () => {
  await using flow = await new Flow().add({ uses: upper }).open()
  const server = createServer((request, response) => response.end(`http ${request.url}`))
  const attached = await attach(server, flow)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const connection = connect(`ws://127.0.0.1:${port}`)
  assert.equal((await within(5000, post(connection, '/', ['a']).docs())).texts, ['A'])
  assert.is(await (await fetch(`http://127.0.0.1:${port}/status`)).text(), 'http /status')
  const elsewhere = connect(`ws://127.0.0.1:${port}/elsewhere`)
  assert.is((await collect(post(elsewhere, '/', ['a']))).error.code, 'ERR_PROTOCOL')
  connection.close()
  await attached.close()
  await new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  })
})

test('G1: by HTTP, the server says that it lives', async () => {
  await using it = await serving(() => {})
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${it.server.port}${path}`)
    return [response.status, await response.json()]
  }
  assert.equal(await ask('/'), [200, {}])
  assert.equal(await ask('/dry_run'), [200, { code: 0, description: '', exception: null }])
  assert.is((await ask('/other'))[0], 404)
})

test('G6: by HTTP too, only who is let in has executors looked at', async () => {
  let looked = 0
  class Looks extends Executor {
    static requests = { _jina_dry_run_: 'look' }
    look() {
      looked++
    }
  }
  const token = 'a-token-for-these-tests-0'
  await using it = await serving(Looks, { token })
  const ask = async (path: string, headers = {}) => (await fetch(`http://127.0.0.1:${it.server.port}${path}`, { headers })).status
  assert.equal([await ask('/'), await ask('/dry_run'), await ask('/dry_run', { authorization: 'Bearer of-another-token' })], [200, 401, 401])
  assert.is(looked, 0)
  assert.is(await ask('/dry_run', { authorization: `Bearer ${token}`, origin: 'https://evil.example' }), 403)
  assert.is(await ask('/dry_run', { authorization: `Bearer ${token}` }), 200)
  assert.is(looked, 1)
})

test('R77: options that are none are refused at the call', async () => {
  for (const options of [{ mode: 'xml' }, { timeout: -1 }, { headers: { a: 1 } }, { headers: { a: 'b\r\nc: d' } }, { maxMessageBytes: 0 }, { unknown: 1 }])
    assert.throws(
      () => connect('ws://127.0.0.1:1', options as any),
      (error: any) => /^ERR_OPTION/.test(error.code),
    )
  assert.throws(() => connect('ftp://127.0.0.1'), 'ws://127.0.0.1:51000')
})

test.run()
