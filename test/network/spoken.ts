// Who answers in another language than the one that was spoken: one code on every protocol, as far as it can be told.
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, ConnectionError } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { SCHEMES, texts, WAYS, type Way } from './ways.js'

async function failure(way: Way, port: number): Promise<ConnectionError> {
  await using client = new Client(`${SCHEMES[way]}://localhost:${port}`)
  const error = await within(
    10_000,
    texts(way, client, ['a']).catch((error) => error),
  )
  assert.instance(error, ConnectionError, String(error))
  return error
}

async function listening(server: Server): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  for (const name of ['tlsClientError', 'sessionError']) server.on(name, () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

for (const way of WAYS) {
  test(`C5: ${way}: somebody who wants TLS, and was spoken to without`, async () => {
    const { key, cert } = await certificates()
    await using flow = await new Flow().open()
    await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], tls: { key, cert } })
    await using web = await listening(createHttps({ key, cert }))
    await using http2 = await listening(createSecureServer({ key, cert }))
    for (const [who, { port }] of Object.entries({ gateway, web, http2 })) {
      const { code, message } = await failure(way, port)
      assert.is(code, 'ERR_PROTOCOL', who)
      assert.match(message, /wants TLS: write (grpc|http|ws)+s:\/\//, who)
    }
  })

  test(`C5: ${way}: somebody who speaks something else, of this house or another`, async () => {
    await using flow = await new Flow().open()
    for (const protocol of ['grpc', 'http', 'websocket'] as const) {
      if (protocol === way) continue
      await using gateway = await Gateway.serve(flow, { protocol })
      const { code, message } = await failure(way, gateway.port)
      assert.is(code, 'ERR_PROTOCOL', protocol)
      if (protocol === 'grpc') assert.match(message, /speaks HTTP\/2, as gRPC does, and no (HTTP or GraphQL|WebSocket)/)
    }
    await using mail = await listening(createServer((socket) => void socket.write('220 mail.example ESMTP\r\n')))
    assert.is((await failure(way, mail.port)).code, 'ERR_PROTOCOL')
    if (way === 'grpc') return
    await using http2 = await listening(createHttp2())
    assert.is((await failure(way, http2.port)).code, 'ERR_PROTOCOL')
  })

  test(`C5: ${way}: somebody who hangs up without a word went away, whatever they speak`, async () => {
    await using atOnce = await listening(createServer((socket) => void socket.end()))
    await using afterwards = await listening(createServer((socket) => void socket.once('data', () => socket.resetAndDestroy())))
    for (const { port } of [atOnce, afterwards]) assert.is((await failure(way, port)).code, 'ERR_DISCONNECTED')
  })
}

test.run()
