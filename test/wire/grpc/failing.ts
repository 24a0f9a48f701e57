// What goes wrong between a client and a server: one error with a code, never a hang.

import { fork } from 'node:child_process'
import { createServer as createHttp } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError } from '../../../lib/base/errors.js'
import { Gateway } from '../../../lib/gateway/index.js'
import { Flow } from '../../../lib/index.js'
import { post } from '../../../lib/post/post.js'
import { connect } from '../../../lib/wire/grpc/client/connect.js'
import { METHODS } from '../../../lib/wire/grpc/methods.js'
import type { GrpcConnectOptions } from '../../../lib/wire/grpc/options.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { code } from '../../support/code.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { serveGrpc as serve } from '../../support/serving.js'
import { certificates } from '../../support/tls.js'
import { within } from '../../support/within.js'
import { world } from './world.js'

/** The code of the error that one request ends with. */
async function codeAt(address: string, options: GrpcConnectOptions = {}): Promise<string> {
  const client = connect(address, options)
  try {
    const { items, error } = await within(10_000, collect(post(client, '/', [{ text: 'a' }])))
    if (error === undefined) return `${items.length} answered`
    assert.instance(error, ConnectionError, String(error))
    assert.is(error.address, client.address)
    assert.ok(error.message.startsWith(client.address), error.message)
    return error.code
  } finally {
    client.close()
  }
}

/** Something that listens at a port of loopback. */
async function listening(server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown; close(): unknown }) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

test('C5: nobody there', async () => {
  const server = createServer()
  const port = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  assert.is(await codeAt(`grpc://127.0.0.1:${port}`), 'ERR_UNREACHABLE')
  assert.is(await codeAt(`grpcs://127.0.0.1:${port}`), 'ERR_UNREACHABLE')
  assert.is(await codeAt(`grpc://127.0.0.1:${port}`, { unary: true }), 'ERR_UNREACHABLE')
  assert.is(await codeAt('grpc://no-such-host.invalid:1'), 'ERR_UNREACHABLE')
})

test('C5: somebody who listens and says nothing', async () => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket))
  const port = await listening(server)
  assert.is(await codeAt(`grpc://127.0.0.1:${port}`, { connectTimeout: 300 }), 'ERR_UNREACHABLE')
  for (const socket of sockets) socket.destroy()
  server.close()
})

test('C5: somebody who speaks something else', async () => {
  const server = createHttp((_, response) => response.end('hello'))
  const port = await listening(server)
  assert.is(await codeAt(`grpc://127.0.0.1:${port}`), 'ERR_PROTOCOL')
  server.closeAllConnections()
  server.close()
})

test('C5: an HTTP/2 server without our services', async () => {
  const { createServer } = await import('node:http2')
  const server = createServer((_, response) => response.writeHead(404).end())
  const port = await listening(server)
  assert.is(await codeAt(`grpc://127.0.0.1:${port}`), 'ERR_PROTOCOL')
  server.close()
})

test('C5: a gateway that cannot reach an executor: an answer with nothing in it is none, when an error follows', async () => {
  const { Server, ServerCredentials, status } = await import('@grpc/grpc-js')
  const same = (bytes: Buffer): Buffer => bytes
  for (const fails of [true, false]) {
    const server = new Server()
    const call = (call: any): void => {
      call.on('data', (bytes: Buffer) => {
        call.write(Buffer.from(encodeMessage(emptyMessage({ requestId: decodeMessage(bytes).requestId }))))
        if (fails) call.emit('error', { code: status.UNAVAILABLE, details: 'the executor is down' })
      })
      call.on('end', () => call.end())
    }
    server.register(METHODS.call, call as never, same, same, 'bidi')
    const port = await new Promise<number>((resolve) => server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, port) => resolve(port)))
    assert.is(await codeAt(`grpc://127.0.0.1:${port}`), fails ? 'ERR_DISCONNECTED' : '1 answered')
    server.forceShutdown()
  }
})

test('C5: answers that cannot be read', async () => {
  const { Server, ServerCredentials } = await import('@grpc/grpc-js')
  const same = (bytes: Buffer): Buffer => bytes
  const server = new Server()
  server.register(METHODS.call, ((call: any) => void call.on('data', () => call.write(Buffer.from([0xff])))) as never, same, same, 'bidi')
  const port = await new Promise<number>((resolve) => server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, port) => resolve(port)))
  assert.is(await codeAt(`grpc://127.0.0.1:${port}`), 'ERR_PROTOCOL')
  server.forceShutdown()
})

test('C5: a server that is killed in the middle', async () => {
  const child = fork(code('test/wire/grpc/server'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const address = await within(20_000, new Promise<string>((resolve) => child.once('message', (address) => resolve(String(address)))))
  const client = connect(address)
  const responses = post(client, '/', [{ text: 'fast' }, { text: 'hang' }, { text: 'hang' }], { requestSize: 1 })
  assert.is((await within(10_000, responses.next())).value!.docs[0]!.text, 'fast')
  child.kill('SIGKILL')
  const { error } = await within(10_000, collect(responses))
  assert.is(error.code, 'ERR_DISCONNECTED')
  assert.is(await codeAt(address), 'ERR_UNREACHABLE')
  client.close()
})

test('R109: a server that comes back is found again', async () => {
  const flow = await new Flow().add({ name: 'worker', uses: () => {} }).open()
  const first = await serve(flow)
  const client = connect(first.address)
  const answered = async () => (await collect(post(client, '/', [{ text: 'a' }]))).error?.code ?? 'answered'
  assert.is(await within(10_000, answered()), 'answered')
  await first.close()
  assert.is(await within(10_000, answered()), 'ERR_UNREACHABLE')
  const second = await serve(flow, { port: first.port })
  assert.is(await within(10_000, answered()), 'answered')
  client.close()
  await second.close()
  await flow.close()
})

test('C3, R111: TLS: who is trusted, and who is not', async () => {
  const { ca, key, cert, expired, wrongName, selfSigned, client } = await certificates()
  const flow = await new Flow().add({ name: 'worker', uses: () => {} }).open()
  const at = async (tls: { key: string; cert: string; ca?: string }, options: GrpcConnectOptions, plain = false) => {
    const server = await serve(flow, { tls })
    assert.ok(server.address.startsWith('grpcs://'))
    const code = await codeAt(plain ? server.address.replace('grpcs', 'grpc') : server.address, options)
    await server.close()
    return code
  }
  assert.is(await at({ key, cert }, { tls: { ca } }), '1 answered')
  assert.is(await at({ key, cert }, {}), 'ERR_TLS', 'an authority that nobody knows')
  assert.is(await at(expired, { tls: { ca } }), 'ERR_TLS', 'expired')
  assert.is(await at(wrongName, { tls: { ca } }), 'ERR_TLS', 'another name')
  assert.is(await at(wrongName, { tls: { ca, serverName: 'elsewhere.example' } }), '1 answered', 'the name that was asked for')
  assert.is(await at(selfSigned, { tls: { ca } }), 'ERR_TLS', 'signed by itself')
  assert.is(await at({ key, cert, ca }, { tls: { ca } }), 'ERR_TLS', 'no certificate of the client')
  assert.is(await at({ key, cert, ca }, { tls: { ca, ...client } }), '1 answered', 'with one')
  assert.is(await at({ key, cert, ca }, { tls: { ca, ...selfSigned } }), 'ERR_TLS', 'with one that nobody signed')
  assert.is(await at({ key, cert }, {}, true), 'ERR_PROTOCOL', 'no TLS on this side')
  const plain = await serve(flow)
  assert.is(await codeAt(plain.address.replace('grpc', 'grpcs'), { tls: { ca } }), 'ERR_TLS', 'no TLS on the other side')
  await plain.close()
  await flow.close()
})

test('C3: TLS: who took the place of a server while a request was on its way there is not trusted, and not out of reach', async () => {
  const { ca, key, cert, wrongName } = await certificates()
  const flow = await new Flow().add({ name: 'worker', uses: () => {} }).open()
  for (const unary of [false, true]) {
    const server = await serve(flow, { tls: { key, cert } })
    let asked = (): void => {}
    let token: Promise<string> = Promise.resolve('a')
    const bring = (): Promise<string> => {
      asked()
      return token
    }
    const client = connect(server.address, { tls: { ca }, token: bring, unary })
    await post(client, '/', ['a']).drain()
    // The connection stands when the second one looks, and is gone when it has what it brings.
    const held = deferred<string>()
    const looked = deferred<void>()
    token = held.promise
    asked = looked.resolve
    const second = within(10_000, collect(post(client, '/', ['b'])))
    await looked.promise
    await server.close()
    const other = await serve(flow, { tls: wrongName, port: server.port })
    held.resolve('a')
    assert.is(((await second).error as ConnectionError).code, 'ERR_TLS', unary ? 'alone' : 'in a stream')
    client.close()
    await other.close()
  }
  await flow.close()
})

test('G4: a message over the limit is refused on the end where it arrives', async () => {
  const text = 'x'.repeat(100_000)
  for (const [served, connected] of [
    [{ maxMessageBytes: 50_000 }, {}],
    [{}, { maxMessageBytes: 50_000 }],
    [{ maxMessageBytes: 50_000 }, { compression: 'gzip' }],
  ] as const) {
    await using it = await world(() => {}, served, connected)
    const { error } = await within(10_000, collect(it.post('/', [{ text }])))
    assert.is(error.code, 'ERR_TOO_LARGE', error.message)
    assert.is((await within(10_000, collect(it.post('/', [{ text: 'small' }])))).items.length, 1)
  }
})

test('R71: a port that is taken', async () => {
  await using it = await world(() => {})
  const error = await Gateway.serve(it.flow, { port: it.server.port }).then(
    () => undefined,
    (error) => error,
  )
  assert.instance(error, ConnectionError)
  assert.match(error!.message, String(it.server.port))
  assert.match(error!.message, 'EADDRINUSE')
})

test('R87: options that are none', async () => {
  for (const [address, options] of [
    ['localhost:1', {}],
    ['http://localhost', {}],
    ['grpc://user:password@localhost', {}],
    ['grpc://localhost/path', {}],
    ['grpc://localhost:99999', {}],
    ['grpcs://localhost:1', { tls: false }],
    ['grpc://localhost:1', { tls: true }],
    ['grpc://localhost:1', { headers: { a: 'b\r\nc: d' } }],
    ['grpc://localhost:1', { headers: { 'grpc-timeout': '1S' } }],
    ['grpc://localhost:1', { timeout: -1 }],
    ['grpcs://localhost:1', { tls: { key: 'no key', cert: 'no certificate' } }],
  ] as const) {
    let code: string | undefined
    try {
      connect(address, options as any).close()
    } catch (error) {
      code = (error as { code?: string }).code
    }
    assert.match(code ?? 'nothing', /^ERR_OPTION_/, `${address} ${JSON.stringify(options)}`)
  }
})

test('C5: whoever closes a connection says why', async () => {
  await using it = await world(() => {})
  const reason = new Error('closed')
  it.client.close(reason)
  const { error } = await within(10_000, collect(it.post('/', [{ text: 'a' }])))
  assert.is(error, reason)
  assert.is(await it.client.isReady(), false)
})

test.run()
