// Clients that take their time, or say what means one thing to us and another to who stands in front.
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { certificates } from '../support/tls.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { call, FLAG, frame, TYPE, Wire } from '../wire/grpc/frames.js'

const TIME = 150

async function serving(options: GatewayOptions) {
  const flow = await new Flow().add({ name: 'worker', uses: () => {} }).open()
  const gateway = await Gateway.serve(flow, { headersTimeout: TIME, bodyTimeout: TIME, ...options })
  return {
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway.close()
      await flow.close()
    },
  }
}

/** Says something, and a letter more now and then, until the other side hangs up. @returns what came back */
function trickle(socket: Socket, said: string): Promise<string> {
  let heard = ''
  socket.on('data', (data) => {
    heard += data
  })
  socket.on('error', () => {})
  socket.write(said)
  const more = setInterval(() => socket.write('x'), TIME / 5)
  return within(
    10_000,
    new Promise((resolve) =>
      socket.on('close', () => {
        clearInterval(more)
        resolve(heard)
      }),
    ),
  )
}

const HEAD = 'POST /post HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'
const ALL = ['grpc', 'http', 'websocket'] as const

for (const protocol of [['http'], ALL] as const)
  test(`R104: who trickles at a port of ${protocol} is hung up on, and others are served meanwhile`, async () => {
    await using it = await serving({ protocol, graphql: true })
    const slow = [
      trickle(connect(it.gateway.port, '127.0.0.1'), 'POST /post HTTP/1.1\r\nhost: localhost\r\nx-long: '),
      trickle(connect(it.gateway.port, '127.0.0.1'), 'G'),
      trickle(connect(it.gateway.port, '127.0.0.1'), `${HEAD}content-length: 1000\r\n\r\n{"data":["`),
      trickle(connect(it.gateway.port, '127.0.0.1'), `${HEAD.replace('/post', '/graphql')}content-length: 1000\r\n\r\n{"query":"`),
      trickle(connect(it.gateway.port, '127.0.0.1'), `${HEAD.replace('/post', '/nowhere')}content-length: 1000\r\n\r\n{`),
      trickle(connect(it.gateway.port, '127.0.0.1'), 'GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nx: '),
    ]
    await using client = new Client(it.gateway.addresses.http!)
    assert.equal((await within(5000, client.post('/', ['a']).docs())).texts, ['a'])
    const [headers, , body] = await Promise.all(slow)
    assert.match(headers!, /^HTTP\/1.1 408/)
    assert.match(body!, /^HTTP\/1.1 408/)
    assert.equal((await within(5000, client.post('/', ['b']).docs())).texts, ['b'])
  })

test('R104: who connects and says nothing, or no more than its first letters, is hung up on', async () => {
  await using it = await serving({ protocol: ALL })
  for (const said of ['', 'P', 'PR']) {
    const socket = connect(it.gateway.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(said)
    await within(5000, new Promise((resolve) => socket.resume().on('close', resolve)))
  }
})

test('R104: TLS that is never agreed on is hung up on, and so is who says nothing after it', async () => {
  const { ca, key, cert } = await certificates()
  await using it = await serving({ protocol: ALL, tls: { key, cert } })
  const silent = connect(it.gateway.port, '127.0.0.1')
  silent.on('error', () => {})
  silent.write(Buffer.of(0x16, 3, 1, 2, 0, 1))
  await within(5000, new Promise((resolve) => silent.resume().on('close', resolve)))
  const agreed = connectTls({ port: it.gateway.port, host: '127.0.0.1', ca, ALPNProtocols: ['http/1.1'] })
  agreed.on('error', () => {})
  await within(5000, new Promise((resolve) => agreed.resume().on('close', resolve)))
  await using client = new Client(it.gateway.addresses.grpc!.replace('127.0.0.1', 'localhost'), { tls: { ca } })
  assert.equal((await within(5000, client.post('/', ['a']).docs())).texts, ['a'])
})

test('R112: what a client says first may come octet by octet', async () => {
  await using it = await serving({ protocol: ALL, headersTimeout: 10_000 })
  const sliced = async (socket: Socket, bytes: Uint8Array): Promise<void> => {
    socket.setNoDelay(true)
    for (const byte of bytes) {
      socket.write(Uint8Array.of(byte))
      await turn()
    }
  }
  const wire = new Wire(it.gateway.port, false)
  await sliced(
    wire.socket,
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(TYPE.settings, 0, 0), frame(TYPE.headers, FLAG.endHeaders, 1, call(METHODS.info))]),
  )
  wire.say(frame(TYPE.data, FLAG.endStream, 1, Buffer.alloc(5)))
  await until(() => wire.heard.has(TYPE.data))
  wire.socket.destroy()
  const http = connect(it.gateway.port, '127.0.0.1')
  const heard = new Promise((resolve) => http.once('data', (data) => resolve(String(data))))
  await sliced(http, Buffer.from('PUT /post HTTP/1.1\r\nhost: localhost\r\n\r\n'))
  assert.match(String(await within(5000, heard)), /^HTTP\/1.1 405/)
  http.destroy()
})

test('R105: requests that others may read in another way are refused', async () => {
  await using it = await serving({ protocol: ALL, graphql: true })
  const upgrade = 'upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  for (const [what, said] of Object.entries({
    'a length and chunks': `${HEAD}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    'two lengths': `${HEAD}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
    'a length that is none': `${HEAD}content-length: +2\r\n\r\n{}`,
    'chunks of another kind': `${HEAD}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`,
    'chunks, and then more': `${HEAD}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    'a space before the colon': `${HEAD}content-length : 2\r\n\r\n{}`,
    'a folded header': `${HEAD}x: a\r\n b\r\n\r\n`,
    'a NUL in a header': `${HEAD}x: a\0b\r\n\r\n`,
    'no host': 'POST /post HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}',
    'two hosts': `${HEAD}Host: y\r\ncontent-length: 2\r\n\r\n{}`,
    'two hosts, for GraphQL': 'GET /graphql?query={__typename} HTTP/1.1\r\nhost: localhost\r\nhost: y\r\n\r\n',
    'two hosts, for a WebSocket': `GET / HTTP/1.1\r\nhost: localhost\r\nhost: y\r\n${upgrade}`,
    'a whole address': 'POST http://other/post HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}',
    'a path with NUL': 'GET /docs%00 HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'a path upwards': 'GET /docs/../post HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'a path upwards, hidden': 'GET /docs/%2e%2e/post HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'a path upwards, hidden well': 'GET /docs/..%5cpost HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'no path': 'OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'another version': 'GET /status HTTP/7.3\r\nhost: localhost\r\n\r\n',
  })) {
    const socket = connect(it.gateway.port, '127.0.0.1')
    socket.on('error', () => {})
    const heard = new Promise((resolve) => socket.once('data', (data) => resolve(String(data))).once('close', () => resolve('nothing')))
    socket.write(Buffer.from(said, 'latin1'))
    assert.match(String(await within(5000, heard)), /^HTTP\/1.1 400/, what)
    socket.destroy()
  }
})

test.run()
