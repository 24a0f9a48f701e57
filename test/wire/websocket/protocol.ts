import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { FlowStateError } from '../../../lib/base/errors.js'
import { DocumentArray } from '../../../lib/doc/array.js'
import { post } from '../../../lib/post/post.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { encodeMessage } from '../../../lib/wire/proto/index.js'
import { deferred } from '../../support/deferred.js'
import { serveWebSocket as serve } from '../../support/serving.js'
import { within } from '../../support/within.js'
import { frame, heard, raw, serving } from './support.js'

const TEXT = 1
const BINARY = 2
const PING = 9
const hello = JSON.stringify({ data: [{ text: 'hello' }], requestId: 'a' })
const BYTES = 'Sec-WebSocket-Protocol: bytes\r\n'

/** Writes frames to a server, and hears how it closes. */
async function after(port: number, frames: Uint8Array[], headers = '') {
  const socket = await raw(port, headers)
  socket.write(Buffer.concat(frames))
  return within(10_000, heard(socket))
}

for (const [what, expected, frames, headers] of [
  ['text that is no JSON', 1007, [frame(TEXT, '{"data": [')]],
  ['JSON that is no object', 1007, [frame(TEXT, '[1]')]],
  ['null', 1007, [frame(TEXT, 'null')]],
  ['bytes in json mode', 1003, [frame(BINARY, Uint8Array.of(10, 0, 1))]],
  ['text in bytes mode', 1003, [frame(TEXT, hello)], BYTES],
  ['bytes that are no message', 1007, [frame(BINARY, Uint8Array.of(10, 200, 1, 1))], BYTES],
] as [string, number, Buffer[], string?][]) {
  test(`R102: ${what} closes with ${expected}`, async () => {
    await using it = await serving(() => {}, { maxMessageBytes: 1_000_000 })
    assert.is((await after(it.server.port, frames, headers)).code, expected)
    // Nobody else noticed.
    assert.is(await it.connect().isReady(), true)
    assert.equal(it.reported, [])
  })
}

test('R102: the end in bytes mode is one byte, 0 or 1', async () => {
  await using it = await serving(() => {})
  for (const end of [0, 1]) {
    const { code } = await after(it.server.port, [frame(BINARY, encodeMessage(emptyMessage({ requestId: 'a' }))), frame(BINARY, Uint8Array.of(end))], BYTES)
    assert.is(code, 1000)
  }
})

test('R102: a flood of pings that nobody reads the answers of is cut off, and memory stays', async () => {
  await using it = await serving(() => {})
  const socket = await raw(it.server.port)
  const flood = Buffer.concat(Array.from({ length: 1000 }, () => frame(PING, 'a'.repeat(125))))
  const closed = new Promise((resolve) => socket.on('close', resolve))
  let written = 0
  const write = (): void => {
    while (!socket.destroyed && written < 2000 && socket.write(flood)) written++
  }
  socket.on('drain', write)
  write()
  // It never reads, so it hears of the end only by what it writes.
  const end = setInterval(write, 10)
  await within(20_000, closed)
  clearInterval(end)
  assert.is(await it.connect().isReady(), true)
})

test('R102: who never answers pings is left, and who does is not', async () => {
  const left = new Set<string>()
  const first = deferred<void>()
  await using it = await serving(
    ({ parameters, signal }) => new Promise(() => signal.addEventListener('abort', () => first.resolve(void left.add(parameters.who)))),
    {
      keepalive: 100,
    },
  )
  const dead = await raw(it.server.port)
  dead.write(frame(TEXT, JSON.stringify({ data: [''], parameters: { who: 'dead' } })))
  const alive = new WebSocket(it.server.address)
  await new Promise((resolve) => alive.on('open', resolve))
  let pings = 0
  alive.on('ping', () => pings++)
  alive.send(JSON.stringify({ data: [''], parameters: { who: 'alive' } }))
  dead.resume()
  await within(5000, first.promise)
  assert.equal([...left], ['dead'])
  const seen = pings
  await within(5000, new Promise<void>((resolve) => alive.on('ping', () => pings > seen + 4 && resolve())))
  assert.equal([...left], ['dead'])
  alive.terminate()
})

test('R98: a request that cannot be run is answered as one, and the connection goes on', async () => {
  await using it = await serving(() => {})
  const bad = [
    { data: [{ text: 1 }], requestId: 'text' },
    { data: [{ blob: 'not base64!' }], requestId: 'blob' },
    { data: [null], requestId: 'null' },
    { data: 'x', requestId: 'data' },
    { data: [], parameters: [], requestId: 'parameters' },
    { data: [], execEndpoint: 1, requestId: 'endpoint' },
    { data: [], targetExecutor: '(', requestId: 'target' },
    { data: [{ tensor: [[1], [1, 2]] }], requestId: 'tensor' },
    { dta: [], requestId: 'key' },
  ]
  const { code, texts } = await after(it.server.port, [
    ...bad.map((request) => frame(TEXT, JSON.stringify(request))),
    frame(TEXT, '{"data": [], "parameters": {"__proto__": {"polluted": 1}}, "requestId": "proto"}'),
    frame(TEXT, hello),
    frame(TEXT, '{}'),
  ])
  assert.is(code, 1000)
  const answers = new Map(texts.map((text) => [JSON.parse(text).header.request_id, JSON.parse(text)]))
  for (const { requestId } of [...bad, { requestId: 'proto' }]) {
    const { status } = answers.get(requestId)!.header
    assert.is(status.code, 1, requestId)
    assert.ok(status.description.length > 0)
    assert.equal(status.exception.stacks, [])
    if (requestId === 'key') assert.match(status.description, /dta is no key of a request\. Did you mean data\?/)
  }
  assert.is(answers.get('a')!.data[0].text, 'hello')
  assert.is(({} as any).polluted, undefined)
})

test('R93: JSON a hundred thousand levels deep kills nobody', async () => {
  await using it = await serving(() => {})
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  for (const request of [
    `{"data":[{"tags":{"a":${deep}}}],"requestId":"a"}`,
    `{"data":[],"parameters":{"a":${deep}},"requestId":"a"}`,
    `{"data":[{"tensor":${deep}}],"requestId":"a"}`,
  ]) {
    const { code, texts } = await after(it.server.port, [frame(TEXT, request), frame(TEXT, '{}')])
    assert.is(code, 1000)
    assert.is(JSON.parse(texts[0]!).header.status.code, 1)
  }
  assert.equal(it.reported, [])
})

test('R99: ten thousand malformed messages, and the server is as before', async () => {
  await using it = await serving(({ docs }) => {
    for (const doc of docs) doc.text += doc.tags.a
  })
  let seed = 42
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  const good = [
    Buffer.from(
      encodeMessage(
        emptyMessage({
          requestId: 'a',
          parameters: { a: [1, { b: 'c' }] },
          docs: DocumentArray.from([
            { text: 'abc', tags: { a: [1] }, embedding: Float32Array.of(1, 2), chunks: [{ blob: Uint8Array.of(1) }], scores: { a: 1 } },
          ]),
        }),
      ),
    ),
    Buffer.from(JSON.stringify({ data: [{ text: 'abc', tags: { a: 1 }, chunks: [{ blob: 'AAAA' }] }], parameters: { a: 1 }, execEndpoint: '/' })),
  ]
  const mutated = (from: Buffer): Buffer => {
    const bytes = Buffer.from(from)
    for (let i = 1 + random(4); i > 0; i--) bytes[random(bytes.length)] = random(256)
    return random(3) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes
  }
  let count = 0
  const one = async (): Promise<void> => {
    while (count < 10_000) {
      const mode = random(2)
      const socket = new WebSocket(it.server.address, mode === 0 ? ['bytes'] : [])
      socket.on('error', () => {})
      await new Promise((resolve) => socket.on('open', resolve))
      // Most are refused with the first; the rest of the batch goes into a connection that closes.
      for (let i = 0; i < 10; i++, count++) socket.send(mutated(good[mode]!), { binary: mode === 0 })
      socket.send(mode === 0 ? Uint8Array.of(0) : '{}')
      const code = await new Promise((resolve) => socket.on('close', resolve))
      assert.ok([1000, 1003, 1007].includes(code as number), `closed with ${code}`)
    }
  }
  await within(100_000, Promise.all(Array.from({ length: 8 }, one)))
  assert.equal(it.reported, [])
  assert.equal((await within(5000, post(it.connect({ mode: 'json' }), '/', [{ text: 'a', tags: { a: 'b' } }]).docs())).texts, ['ab'])
  assert.is(({} as any).polluted, undefined)
})

test('R94: a message that unpacks to more than the limit closes with 1009', async () => {
  await using it = await serving(() => {}, { maxMessageBytes: 1_000_000, compression: true })
  const socket = new WebSocket(it.server.address, { perMessageDeflate: true })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.on('open', resolve))
  assert.match(socket.extensions, 'permessage-deflate')
  socket.send('a'.repeat(50_000_000))
  assert.is(await within(5000, new Promise((resolve) => socket.on('close', resolve))), 1009)
})

test('G1: what should not happen inside closes with 1011, says so here, and no more than fits to the client', async () => {
  const reported: Error[] = []
  const broken = { accepts: () => true, handle: () => Promise.reject(new Error('secret '.repeat(100))) }
  const server = await serve(broken, { onError: (error) => reported.push(error) })
  const { code, reason } = await after(server.port, [frame(TEXT, hello)])
  assert.is(code, 1011)
  assert.not.match(reason, 'secret')
  assert.is(reported.length, 1)
  await server.close()
  const closed = { accepts: () => true, handle: () => Promise.reject(new FlowStateError('ERR_FLOW_NOT_OPEN', 'ü'.repeat(100))) }
  const other = await serve(closed)
  const end = await after(other.port, [frame(TEXT, hello)])
  assert.is(end.code, 1001)
  assert.is(end.reason, `${'ü'.repeat(60)}…`)
  await other.close()
})

test('R118: pages of other origins may not connect, unless they are named', async () => {
  const outcome = async (port: number, origin: string, host = `127.0.0.1:${port}`) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers: { origin, host } })
    const status = await new Promise((resolve) => {
      socket.on('open', () => resolve(101))
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode))
    })
    socket.on('error', () => {})
    socket.terminate()
    return status
  }
  await using it = await serving(() => {})
  const { port } = it.server
  assert.is(await outcome(port, `http://127.0.0.1:${port}`), 101)
  assert.is(await outcome(port, 'https://evil.example'), 403)
  assert.is(await outcome(port, `http://127.0.0.1:${port + 1}`), 403)
  assert.is(await outcome(port, 'null'), 403)
  // A name that was bent to this machine.
  assert.is(await outcome(port, `http://evil.example:${port}`, `evil.example:${port}`), 403)
  assert.is(await outcome(port, `http://localhost:${port}`, `localhost:${port}`), 101)
  await using open = await serving(() => {}, { origins: ['https://app.example'] })
  assert.is(await outcome(open.server.port, 'https://app.example'), 101)
  assert.is(await outcome(open.server.port, 'https://evil.example'), 403)
  await using wide = await serving(() => {}, { origins: '*' })
  assert.is(await outcome(wide.server.port, 'https://evil.example'), 101)
})

test('R105: handshakes that are none are refused, and paths that are none too', async () => {
  await using it = await serving(() => {})
  const { port } = it.server
  for (const path of ['/nope', '/%00', '/..', '//', '/dry_run/'])
    assert.match(await raw(port, '', path).then(String, (error) => error.message), /HTTP\/1.1 404/)
  assert.match(await raw(port, 'Sec-WebSocket-Extensions: a;;b\r\n').then(String, (error) => error.message), /HTTP\/1.1 400|object/)
  assert.is(await it.connect().isReady(), true)
})

test.run()
