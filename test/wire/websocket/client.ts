import { createServer as createHttp } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type WebSocket, WebSocketServer } from 'ws'
import { DocumentArray } from '../../../lib/doc/array.js'
import { Flow } from '../../../lib/flow/flow.js'
import { post } from '../../../lib/post/post.js'
import { Header, Request } from '../../../lib/request/request.js'
import { Scope } from '../../../lib/stream/scope.js'
import type { Connection } from '../../../lib/wire/connection.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { NOT_BEGUN } from '../../../lib/wire/unseen.js'
import { connect } from '../../../lib/wire/websocket/client/connect.js'
import type { WebSocketConnectOptions } from '../../../lib/wire/websocket/client/options.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { attach, serveWebSocket as serve } from '../../support/serving.js'
import { certificates } from '../../support/tls.js'
import { turn } from '../../support/turn.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { serving } from './support.js'

/** How a post to an address ends. */
async function failure(to: string | Connection, options: WebSocketConnectOptions = {}): Promise<any> {
  const connection = typeof to === 'string' ? connect(to, options) : to
  try {
    return (await within(10_000, collect(post(connection, '/', ['a'])))).error
  } finally {
    connection.close()
  }
}

/** A server that is not what it should be. */
async function strange(server: Server | ReturnType<typeof createHttp>) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => (server as Server).listen(0, '127.0.0.1', resolve))
  return {
    address: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('R44: nobody there', async () => {
  const gone = await strange(createServer())
  await gone[Symbol.asyncDispose]()
  const error = await failure(gone.address)
  assert.is(error.code, 'ERR_UNREACHABLE')
  assert.is(error.address, gone.address)
  assert.match(error.message, 'ECONNREFUSED')
  assert.is((await failure('ws://no-such-host.invalid')).code, 'ERR_UNREACHABLE')
})

test('R44: somebody there who never agrees', async () => {
  await using mute = await strange(createServer())
  const error = await failure(mute.address, { connectTimeout: 50 })
  assert.is(error.code, 'ERR_UNREACHABLE')
  assert.match(error.message, '50 ms')
  const connection = connect(mute.address)
  assert.is(await connection.isReady({ timeout: 50 }), false)
  assert.is(await connection.isReady({ signal: AbortSignal.abort() }), false)
})

test('R44: somebody there who speaks another language', async () => {
  await using garbage = await strange(createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')))
  assert.is((await failure(garbage.address)).code, 'ERR_PROTOCOL')
  for (const [status, code] of [
    [200, 'ERR_PROTOCOL'],
    [302, 'ERR_PROTOCOL'],
    [400, 'ERR_REFUSED'],
    [404, 'ERR_PROTOCOL'],
    [401, 'ERR_REFUSED'],
    [403, 'ERR_REFUSED'],
    [503, 'ERR_UNREACHABLE'],
  ] as const) {
    await using http = await strange(createHttp((_, response) => response.writeHead(status).end('no')))
    const error = await failure(http.address)
    assert.is(error.code, code, String(status))
    assert.match(error.message, String(status))
  }
})

test('R44: somebody there who hangs up at once', async () => {
  await using rude = await strange(createServer((socket) => socket.destroy()))
  assert.is((await failure(rude.address)).code, 'ERR_DISCONNECTED')
})

test('R107: a server that dies in the middle', async () => {
  const server = createHttp()
  await using it = await strange(server)
  const sockets = new WebSocketServer({ server, handleProtocols: () => false })
  sockets.on('connection', (socket) => socket.on('message', () => socket.terminate()))
  for (const mode of ['bytes', 'json'] as const) assert.is((await failure(it.address, { mode })).code, 'ERR_DISCONNECTED')
})

test('R44: what close codes mean', async () => {
  const server = createHttp()
  await using it = await strange(server)
  let code = 1000
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', () => socket.close(code, 'because')))
  for (const [given, expected] of [
    [1000, 'ERR_DISCONNECTED'],
    [1001, 'ERR_DISCONNECTED'],
    [1002, 'ERR_PROTOCOL'],
    [1003, 'ERR_PROTOCOL'],
    [1007, 'ERR_PROTOCOL'],
    [1008, 'ERR_REFUSED'],
    [1009, 'ERR_TOO_LARGE'],
    [1011, 'ERR_DISCONNECTED'],
    [1013, 'ERR_UNREACHABLE'],
  ] as const) {
    code = given
    const error = await failure(it.address)
    assert.is(error.code, expected, String(given))
    assert.match(error.message, 'because')
    assert.match(error.message, it.address)
  }
})

test('223: a server that answers twice, or what nobody asked, ends nothing, and gets no more requests than it takes', async () => {
  const server = createHttp()
  await using it = await strange(server)
  const came: string[] = []
  let socket!: WebSocket
  const answer = (requestId: string): void => socket.send(encodeMessage(emptyMessage({ requestId, status: { code: 'SUCCESS', description: '' } })))
  new WebSocketServer({ server, handleProtocols: () => 'bytes' }).on('connection', (opened) => {
    socket = opened
    socket.send(encodeMessage(emptyMessage({ ordinal: 16 })))
    socket.on('message', (bytes: Buffer) => bytes.length > 1 && came.push(decodeMessage(bytes).requestId))
  })
  const connection = connect(it.address)
  const all = collect(
    post(
      connection,
      '/',
      Array.from({ length: 40 }, () => ({ text: 'a' })),
      { requestSize: 1, prefetch: 40, continueOnError: true },
    ),
  )
  for (let at = 0; at < 40; at++) {
    await until(() => came.length > at)
    for (let turns = 0; turns < 10; turns++) await turn()
    assert.ok(came.length <= 16 + at, `${came.length} were sent when ${at} were answered`)
    for (const id of ['x', came[at]!, came[at]!, 'x']) answer(id)
  }
  assert.is((await within(10_000, all)).items.length, 40)
  connection.close()
})

test('223: the first answer counts, also where it waits for its pieces to be taken', async () => {
  const server = createHttp()
  await using it = await strange(server)
  new WebSocketServer({ server, handleProtocols: () => 'bytes' }).on('connection', (socket) => {
    socket.send(encodeMessage(emptyMessage({ ordinal: 16 })))
    socket.on('message', (bytes: Buffer) => {
      if (bytes.length === 1) return
      const { requestId } = decodeMessage(bytes)
      const saying = (text: string) => emptyMessage({ requestId, docs: DocumentArray.from([{ text }]), status: { code: 'SUCCESS' as const, description: '' } })
      socket.send(encodeMessage({ ...saying('piece'), ordinal: 0 }))
      for (const text of ['first', 'second']) socket.send(encodeMessage(saying(text)))
      socket.on('pong', () => came.resolve())
      socket.ping()
    })
  })
  const came = deferred<void>()
  const door = deferred<void>()
  const connection = connect(it.address)
  const request = new Request(new Header('/', {}), DocumentArray.from([{ text: 'a' }]), new Scope())
  request.emit = () => door.promise
  const answered = Promise.resolve(connection.handle(request))
  await within(10_000, came.promise)
  for (let turns = 0; turns < 20; turns++) await turn()
  door.resolve()
  await within(10_000, answered)
  assert.equal(request.docs.texts, ['first'])
  connection.close()
})

test('223: until a server has said anything, it is sent sixteen requests', async () => {
  const server = createHttp()
  await using it = await strange(server)
  const came: string[] = []
  let socket!: WebSocket
  new WebSocketServer({ server, handleProtocols: () => 'bytes' }).on('connection', (opened) => {
    socket = opened
    socket.on('message', (bytes: Buffer) => bytes.length > 1 && came.push(decodeMessage(bytes).requestId))
  })
  const connection = connect(it.address)
  const all = collect(
    post(
      connection,
      '/',
      Array.from({ length: 40 }, () => ({ text: 'a' })),
      { requestSize: 1, prefetch: 40, continueOnError: true },
    ),
  )
  await until(() => came.length >= 16)
  for (let turns = 0; turns < 20; turns++) await turn()
  assert.is(came.length, 16)
  // An answer without a greeting is that of an older server, or of Jina's.
  const answer = (requestId: string): void => socket.send(encodeMessage(emptyMessage({ requestId, status: { code: 'SUCCESS', description: '' } })))
  answer(came[0]!)
  await until(() => came.length >= 40)
  for (const id of came.slice(1)) answer(id)
  assert.is((await within(10_000, all)).items.length, 40)
  connection.close()
})

test('R44: answers that are none', async () => {
  const server = createHttp()
  await using it = await strange(server)
  let answer: string | Uint8Array = ''
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', () => socket.send(answer)))
  for (const [mode, given] of [
    ['json', '{'],
    ['json', '[]'],
    ['json', '{"data": 5}'],
    ['json', Uint8Array.of(1)],
    ['bytes', 'text'],
    ['bytes', Uint8Array.of(10, 200, 1, 1)],
  ] as const) {
    answer = given
    assert.is((await failure(it.address, { mode })).code, 'ERR_PROTOCOL', `${mode} ${given}`)
  }
})

test('R44: nobody answers in time; the server hears of it', async () => {
  const aborted = deferred<void>()
  await using it = await serving(({ signal }) => new Promise(() => signal.addEventListener('abort', () => aborted.resolve())))
  const error = await failure(it.connect({ timeout: 100 }))
  assert.is(error.code, 'ERR_TIMEOUT')
  assert.match(error.message, '100 ms')
  await within(5000, aborted.promise)
})

test('R44: the time is for all of a request, however often it is sent', async () => {
  const server = createHttp()
  await using it = await strange(server)
  const given: number[] = []
  new WebSocketServer({ server }).on('connection', (socket) =>
    socket.on('message', (data) => {
      given.push(Number(/"sluice-timeout": ?"(\d+)"/.exec(String(data))![1]))
      if (given.length < 2) setTimeout(() => socket.close(1001, NOT_BEGUN), 100)
    }),
  )
  const error = await failure(it.address, { mode: 'json', timeout: 2000 })
  assert.is(error.code, 'ERR_TIMEOUT')
  assert.match(error.message, '2000 ms')
  assert.is(given.length, 2)
  assert.ok(given[1]! <= given[0]! - 90, given.join())
})

test('R108: a server that gives no sign of life is left', async () => {
  const server = createHttp()
  await using it = await strange(server)
  const sockets = new WebSocketServer({ server, autoPong: false })
  sockets.on('connection', () => {})
  assert.is((await failure(it.address, { keepalive: 50 })).code, 'ERR_DISCONNECTED')
})

test('F5: too large, in either direction', async () => {
  await using it = await serving(({ docs }) => [{ text: 'a'.repeat(Number(docs[0].text)) }], { maxMessageBytes: 100_000 })
  const ask = async (text: string, options: WebSocketConnectOptions) => (await within(5000, collect(post(it.connect(options), '/', [text])))).error?.code
  assert.is(await ask('5'.padStart(200_000, '0'), {}), 'ERR_TOO_LARGE')
  assert.is(await ask('50000', { maxMessageBytes: 10_000 }), 'ERR_TOO_LARGE')
  assert.is(await ask('50000', {}), undefined)
})

test('R111: TLS: who answers is who it should be, or nobody hears anything', async () => {
  const { ca, key, cert, expired, wrongName } = await certificates()
  await using flow = await new Flow().open()
  const outcome = async (tls: { key: string; cert: string }, options: WebSocketConnectOptions = { tls: { ca } }) => {
    const server = await serve(flow, { tls })
    try {
      assert.match(server.address, /^wss:/)
      return (await failure(server.address, options))?.code
    } finally {
      await server.close()
    }
  }
  assert.is(await outcome({ key, cert }), undefined)
  assert.is(await outcome({ key, cert }, {}), 'ERR_TLS')
  assert.is(await outcome({ key, cert }, { tls: { ca, serverName: 'elsewhere.example' } }), 'ERR_TLS')
  assert.is(await outcome(expired), 'ERR_TLS')
  assert.is(await outcome(wrongName), 'ERR_TLS')
  await using plain = await serving(() => {})
  assert.is((await failure(plain.server.address.replace('ws:', 'wss:'))).code, 'ERR_TLS')
})

test('R111: a server that wants to know its clients', async () => {
  const { ca, key, cert } = await certificates()
  await using flow = await new Flow().open()
  const server = await serve(flow, { tls: { key, cert, ca } })
  assert.ok((await failure(server.address, { tls: { ca } })) !== undefined)
  assert.is(await failure(server.address, { tls: { ca, key, cert } }), undefined)
  await server.close()
})

test('R126: headers and names get there, and into no error', async () => {
  const server = createHttp((_, response) => response.end())
  await using it = await strange(server)
  const seen: any[] = []
  server.on('upgrade', (request, socket) => {
    seen.push(request.headers)
    socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
  })
  const error = await failure(it.address.replace('//', '//ann:s%20cret@'), { headers: { 'x-mine': 'yes' } })
  assert.is(error.code, 'ERR_REFUSED')
  assert.is(seen[0]['x-mine'], 'yes')
  assert.is(seen[0].authorization, `Basic ${btoa('ann:s cret')}`)
  assert.not.match(error.message, 'cret')
})

test('C1: JSON without ids, as Jina answers it: one request after the other', async () => {
  const server = createHttp()
  await using it = await strange(server)
  let most = 0
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    // Each has a turn of its own: a post may take several.
    let inside = 0
    socket.on('message', (data) => {
      most = Math.max(most, ++inside)
      setImmediate(() => {
        inside--
        const { data: docs } = JSON.parse(String(data))
        socket.send(JSON.stringify({ header: { request_id: 'made up', exec_endpoint: '/' }, parameters: {}, routes: [], data: docs }))
      })
    })
  })
  const connection = connect(it.address, { mode: 'json' })
  const texts = ['a', 'b', 'c', 'd', 'e']
  assert.equal((await within(5000, post(connection, '/', texts, { requestSize: 1, resultsInOrder: true }).docs())).texts, texts)
  assert.is(most, 1)
  connection.close()
})

test('C1: compression, for servers that can', async () => {
  for (const compression of [true, false]) {
    await using it = await serving(() => {}, { compression })
    const text = 'a lot of the same '.repeat(10_000)
    assert.is((await within(5000, post(it.connect({ compression: 'deflate' }), '/', [text]).docs()))[0]!.text, text)
  }
})

test('C1: a socket is kept for the next request, and closed when there is none', async () => {
  const server = createHttp()
  await using it = await strange(server)
  await using flow = await new Flow().open()
  const attached = await attach(server, flow)
  let sockets = 0
  const closed = deferred<void>()
  server.on('upgrade', (_, socket) => {
    sockets++
    socket.on('close', () => closed.resolve())
  })
  const connection = connect(it.address)
  for (let i = 0; i < 5; i++) await post(connection, '/', ['a']).drain()
  await post(connection, '/', ['a', 'b', 'c'], { requestSize: 1 }).drain()
  assert.is(sockets, 1)
  await within(5000, closed.promise)
  await post(connection, '/', ['a']).drain()
  assert.is(sockets, 2)
  connection.close()
  await attached.close()
})

test('C1: close() ends what is under way', async () => {
  const called = deferred<void>()
  await using it = await serving(() => {
    called.resolve()
    return new Promise(() => {})
  })
  const connection = it.connect()
  const running = collect(post(connection, '/', ['a']))
  await called.promise
  const reason = new Error('closed')
  connection.close(reason)
  assert.is((await within(5000, running)).error, reason)
})

test.run()
