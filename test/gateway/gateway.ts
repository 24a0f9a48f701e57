// A gateway as those see it who set it up, watch it and take it down.
import '../support/clock.js'

import { once } from 'node:events'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { Gateway, type GatewayOptions, notice } from '../../lib/gateway/index.js'
import { plain, secure } from '../../lib/gateway/sockets.js'
import { Flow } from '../../lib/index.js'
import { readFields, writeFields } from '../../lib/wire/grpc/fields.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { fake, real } from '../support/clock.js'
import { deadPort, silence } from '../support/nobody.js'
import { RawHttp } from '../support/raw-http.js'
import { serveWebSocket } from '../support/serving.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const ALL = ['grpc', 'http', 'websocket'] as const
const [NOT_SERVING, SERVING] = [2, 1]

/** A service that shouts. */
async function started(options: GatewayOptions = {}) {
  const flow = await new Flow({ closeTimeout: 100 })
    .add({
      uses: ({ docs }) => {
        for (const doc of docs) doc.text += '!'
      },
    })
    .open()
  const gateway = await Gateway.serve(flow, { protocol: [...ALL], onError: () => {}, ...options })
  return {
    flow,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway.close(0)
      await flow.close()
    },
  }
}

async function refusal(options: object): Promise<any> {
  await using flow = await new Flow().open()
  const gateway = await Gateway.serve(flow, options).catch((error) => error)
  if (gateway instanceof Gateway) await gateway.close()
  return gateway
}

// ── Several protocols, several ports ──────────────────────────────────────────────────────────────────────

test('G1: a port for each protocol, one for several, zeros that are ports of their own', async () => {
  await using it = await started({ protocol: ['grpc', 'http'], port: [0, 0] })
  const [grpc, http] = [it.gateway.addresses.grpc!, it.gateway.addresses.http!].map((address) => Number(new URL(address).port))
  assert.is.not(grpc, http)
  assert.is(it.gateway.port, grpc)
  await using shared = await started({ port: 0 })
  assert.is(new Set(Object.values(shared.gateway.addresses).map((address) => new URL(address).port)).size, 1)
  // Two of three at one port, whose number is known by now.
  await it.gateway.close()
  await using mixed = await started({ port: [grpc!, http!, http!] })
  assert.equal(mixed.gateway.addresses, {
    grpc: `grpc://127.0.0.1:${grpc}`,
    http: `http://127.0.0.1:${http}`,
    websocket: `ws://127.0.0.1:${http}`,
  })
  for (const service of [it, shared, mixed].slice(1)) {
    for (const address of Object.values(service.gateway.addresses)) {
      await using client = new Client(address)
      assert.equal((await client.post('/', ['a']).docs()).texts, ['a!'], address)
    }
  }
  assert.match((await refusal({ protocol: ['grpc', 'http'], port: [grpc, 0] })).message, 'EADDRINUSE')
})

test('G3: gRPC health and reflection answer at a port that others share', async () => {
  await using it = await started()
  using raw = new Raw(it.gateway.addresses.grpc!)
  const { answer } = await within(5000, raw.unary(METHODS.check, writeFields([1, 'jina.JinaRPC'])))
  assert.equal(readFields(answer!), [[1, SERVING]])
  const listed = await within(5000, raw.converse(METHODS.reflection, [writeFields([7, ''])]))
  assert.match(listed.answers[0]!.toString('latin1'), 'jina.JinaRPC')
  assert.match(listed.answers[0]!.toString('latin1'), 'grpc.health.v1.Health')
  assert.is((await fetch(`${it.gateway.addresses.http}/ready`)).status, 200)
})

test('G1: exposeEndpoints: endpoints have paths of their own at a gateway', async () => {
  await using flow = await new Flow()
    .add({
      uses: ({ docs, endpoint }) => {
        docs[0]!.text += ` at ${endpoint}`
      },
    })
    .open()
  await using gateway = await Gateway.serve(flow, { protocol: 'http', exposeEndpoints: { '/rank': { path: '/v1/rank', methods: ['PUT'] } } })
  const ask = async (path: string, method: string) => {
    const answer = await fetch(gateway.addresses.http + path, { method, body: '{"data":[{"text":"a"}]}', headers: { 'content-type': 'application/json' } })
    return [answer.status, ((await answer.json()) as any).data?.[0].text]
  }
  assert.equal(await ask('/v1/rank', 'PUT'), [200, 'a at /rank'])
  assert.equal(await ask('/v1/rank', 'POST'), [405, undefined])
  assert.equal(await ask('/rank', 'POST'), [404, undefined])
})

test('R130: idle connections of HTTP are kept for 65 s, longer than proxies keep them', async () => {
  await using it = await started()
  const answer = await fetch(`${it.gateway.addresses.http}/`)
  assert.is(answer.headers.get('keep-alive'), 'timeout=65')
})

test('pieces leave when they are there: connections are without delay', async () => {
  const { key, cert } = await certificates()
  const servers = [await plain(0, () => {}), await secure({ key, cert }, 0, true, true, () => {})]
  for (const server of servers) assert.is((server as { noDelay?: boolean }).noDelay, true)
})

// ── Other protocols ───────────────────────────────────────────────────────────────────────────────────────

const OFFER = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n'

test('R87: a request that offers h2c, as curl and Java do, is answered as if it did not, whole with its body, and the connection goes on', async () => {
  for (const serve of [
    () => started(),
    async () => {
      const { key, cert } = await certificates()
      return started({ tls: { key, cert } })
    },
  ]) {
    await using it = await serve()
    using raw = new RawHttp(it.gateway.port, it.gateway.addresses.http!.startsWith('https'))
    const status = await raw.ask(`GET /status HTTP/1.1\r\nHost: localhost\r\n${OFFER}\r\n`)
    assert.match(status, /^HTTP\/1\.1 200 OK\r\n/)
    assert.match(status, '"jina"')
    assert.not.match(status, /^connection: close\r$/im)
    const body = '{"data":[{"text":"a"}]}'
    const head = `POST /post HTTP/1.1\r\nHost: localhost\r\n${OFFER}Content-Type: application/json\r\n`
    assert.match(await raw.ask(`${head}Content-Length: ${body.length}\r\n\r\n${body}`), '"text":"a!"')
    // In pieces, of which the first comes with the head, and once more without the offer.
    const first = raw.ask(`${head}Transfer-Encoding: chunked\r\n\r\n8\r\n${body.slice(0, 8)}\r\n`)
    raw.socket.write(`${(body.length - 8).toString(16)}\r\n${body.slice(8)}\r\n0\r\n\r\n`)
    assert.match(await first, '"text":"a!"')
    assert.match(await raw.ask('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 OK\r\n/)
    // What is wrong with a request stays wrong.
    using twice = new RawHttp(it.gateway.port, it.gateway.addresses.http!.startsWith('https'))
    assert.match(await twice.ask(`GET /status HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n${OFFER}\r\n`), /^HTTP\/1\.1 400 /)
  }
})

test('R87: so it is at a WebSocket server of its own, and WebSockets are what they were', async () => {
  await using flow = await new Flow().open()
  const { key, cert, ca } = await certificates()
  for (const tls of [undefined, { key, cert }]) {
    const server = await serveWebSocket(flow, { tls })
    using raw = new RawHttp(server.port, tls !== undefined)
    assert.match(await raw.ask(`GET /dry_run HTTP/1.1\r\nHost: localhost\r\n${OFFER}\r\n`), /^HTTP\/1\.1 200 OK\r\n/)
    const socket = new WebSocket(server.address, { ca })
    await within(5000, once(socket, 'open'))
    socket.terminate()
    await server.close()
  }
})

test('C6: beside WebSocket alone, /, /status, /dry_run and the probes answer as over HTTP; the rest is 426', async () => {
  await using it = await started({ protocol: 'websocket' })
  const at = it.gateway.addresses.websocket!.replace('ws', 'http')
  const ask = async (path: string, init?: RequestInit) => {
    const answer = await fetch(at + path, init)
    const text = await answer.text()
    return { status: answer.status, json: text.startsWith('{') ? JSON.parse(text) : text }
  }
  assert.equal(await ask('/'), { status: 200, json: {} })
  assert.equal(await ask('/dry_run'), { status: 200, json: { code: 0, description: '', exception: null } })
  assert.equal((await ask('/status')).json.envs, {})
  assert.equal(await ask('/ready'), { status: 200, json: { ready: true } })
  assert.is((await ask('/healthz')).status, 200)
  for (const path of ['/post', '/index', '/docs', '/openapi.json', '/nothing']) assert.is((await ask(path)).status, 426, path)
  assert.is((await ask('/post', { method: 'POST', body: '{}' })).status, 426)
  assert.is((await ask('/', { method: 'POST', body: '{}' })).status, 405)
})

// ── Leaving ───────────────────────────────────────────────────────────────────────────────────────────────

test('R135: during drainDelay, every protocol says that it is not ready, and serves', async () => {
  await using it = await started({ drainDelay: 1500 })
  await using alone = await started({ protocol: 'websocket', drainDelay: 1500 })
  const addresses = [...Object.values(it.gateway.addresses), alone.gateway.addresses.websocket!]
  using raw = new Raw(it.gateway.addresses.grpc!)
  const states: unknown[] = []
  const watch = raw.server(METHODS.watch, writeFields([1, '']))
  watch.on('data', (answer: Buffer) => states.push(readFields(answer)[0]![1])).on('error', () => {})
  await within(5000, once(watch, 'data'))
  const ready = (): Promise<boolean[]> =>
    Promise.all(
      addresses.map(async (address) => {
        await using client = new Client(address)
        // Awaited here: the client closes with this scope.
        return await client.isFlowReady({ timeout: 5000 })
      }),
    )
  assert.equal(await ready(), [true, true, true, true])
  let closed = false
  const closing = Promise.all([it.gateway.close(), alone.gateway.close()]).then(() => {
    closed = true
  })
  assert.equal(await ready(), [false, false, false, false])
  assert.equal(readFields((await raw.unary(METHODS.check, writeFields([1, '']))).answer!), [[1, NOT_SERVING]])
  for (const [gateway, protocol] of [
    [it.gateway, 'http'],
    [alone.gateway, 'websocket'],
  ] as const) {
    const http = gateway.addresses[protocol]!.replace('ws', 'http')
    const probe = await fetch(`${http}/ready`)
    assert.is(probe.status, 503)
    const dry = await fetch(`${http}/dry_run`)
    assert.is(dry.status, 200)
    const { code, description } = (await dry.json()) as any
    assert.is(code, 1)
    assert.match(description, 'shuts down')
    assert.is((await fetch(`${http}/healthz`)).status, 200)
  }
  for (const address of addresses) {
    await using client = new Client(address)
    assert.equal((await client.post('/', ['a']).docs()).texts, ['a!'], address)
  }
  assert.is(closed, false)
  assert.equal(states, [SERVING, NOT_SERVING])
  await within(10_000, closing)
})

// ── Options ───────────────────────────────────────────────────────────────────────────────────────────────

test('R126: an empty host is refused, by everything that listens: to Node it is every address', async () => {
  for (const host of ['', ' ']) {
    const { code, message } = await refusal({ host })
    assert.is(code, 'ERR_OPTION_RANGE')
    assert.match(message, "host must be an address: '127.0.0.1'")
    const flow = new Flow({ host, port: 0 })
    assert.match(await flow.open().catch(({ message }) => message), 'host must be an address')
  }
})

test('R87: options that make no sense are refused by name', async () => {
  const codes = async (options: object) => {
    const { code, message } = await refusal(options)
    return [code, message?.split(' ', 1)[0]]
  }
  const { key, cert } = await certificates()
  for (const tls of [{}, { key }, { cert }, { key: '', cert }]) assert.equal(await codes({ tls }), ['ERR_OPTION_TYPE', 'tls'])
  assert.equal(await codes({ tls: { key: 7, cert } }), ['ERR_OPTION_TYPE', 'tls.key'])
  assert.equal(await codes({ port: [] }), ['ERR_OPTION_RANGE', 'port'])
  assert.equal(await codes({ protocol: 'grpc', graphql: true }), ['ERR_OPTION_RANGE', 'graphql'])
  assert.equal(await codes({ protocol: ['grpc', 'websocket'], graphql: {} }), ['ERR_OPTION_RANGE', 'graphql'])
  for (const maxMessageBytes of [0, -1, 1.5, Infinity, 2 ** 31]) {
    assert.equal(await codes({ maxMessageBytes }), ['ERR_OPTION_RANGE', 'maxMessageBytes'])
  }
  for (const maxInFlight of ['AUTO', -1, 1.5])
    assert.match((await refusal({ maxInFlight })).message, "maxInFlight must be 'auto', an integer ≥ 0, or Infinity, not ")
  // As at a Flow, GraphQL alone brings HTTP.
  await using it = await started({ protocol: undefined, graphql: true })
  assert.equal(Object.keys(it.gateway.addresses), ['http'])
})

test('R87: a key, a certificate and a host that are none are named, and not in the words of OpenSSL', async () => {
  const { key, cert, client, ca } = await certificates()
  const told = async (options: object) => {
    const { code, message } = await refusal(options)
    assert.not.match(message, /OSSL|error:|routines/i)
    return `${code} ${message}`
  }
  assert.match(await told({ tls: { key: 'x', cert } }), /^ERR_TLS .*tls\.key must be a private key in PEM/)
  assert.match(await told({ tls: { key, cert: Buffer.from('x') } }), /^ERR_TLS .*tls\.cert must be a certificate in PEM/)
  assert.match(await told({ tls: { key, cert: client.cert } }), /^ERR_TLS .*tls\.key and tls\.cert do not belong together/)
  assert.match(await told({ tls: { key, cert, ca: 'x' } }), /^ERR_TLS .*tls\.ca must be certificates/)
  assert.match(await told({ host: 'nowhere.invalid' }), /^ERR_REFUSED nowhere\.invalid: the Flow cannot be served there/)
  await using it = await started({ tls: { key: Buffer.from(key), cert: Buffer.from(cert), ca } })
  assert.match(it.gateway.addresses.grpc!, 'grpcs://')
})

// ── What is said ──────────────────────────────────────────────────────────────────────────────────────────

test('216: when the second port is taken, the first one is free again', async () => {
  const [first, taken] = [await deadPort(), await silence()]
  await using _ = taken
  const error = await refusal({ protocol: ['grpc', 'http'], port: [first, taken.port] })
  assert.is(error.code, 'ERR_REFUSED')
  assert.match(error.message, new RegExp(`:${taken.port}`))
  await using again = await started({ protocol: ['grpc', 'http'], port: [first, 0] })
  assert.is(again.gateway.port, first)
})

test('216: no timer stays of a close() that was done before its time was up', async () => {
  const timers: { _destroyed?: boolean }[] = []
  fake.setTimeout = (run, milliseconds, ...rest) => {
    const timer = real.setTimeout(run, milliseconds, ...rest)
    if (milliseconds === 600_000) timers.push(timer as unknown as { _destroyed?: boolean })
    return timer
  }
  try {
    const { gateway, flow } = await started()
    await gateway.close(600_000)
    await flow.close()
  } finally {
    fake.setTimeout = undefined
  }
  assert.ok(timers.length > 0)
  const left = timers.filter(({ _destroyed }) => !_destroyed)
  for (const timer of left) clearTimeout(timer as unknown as NodeJS.Timeout)
  assert.equal(left.length, 0)
})

test('F9: the notice names protocols, addresses, docs and GraphQL, and who can reach them', async () => {
  const addresses = { grpc: 'grpc://127.0.0.1:1', http: 'http://127.0.0.1:2', websocket: 'ws://127.0.0.1:2' }
  assert.is(
    notice('shop', { addresses, options: { graphql: { path: '/api' } } }),
    [
      'shop is served',
      '  gRPC       grpc://127.0.0.1:1',
      '  HTTP       http://127.0.0.1:2',
      '  WebSocket  ws://127.0.0.1:2',
      '  Docs       http://127.0.0.1:2/docs',
      '  GraphQL    http://127.0.0.1:2/api',
      '  Reach      this machine only',
    ].join('\n'),
  )
  assert.match(notice('shop', { addresses, options: { graphql: true } }), 'http://127.0.0.1:2/graphql\n')
  assert.match(notice('shop', { addresses: { grpc: 'grpc://10.0.0.1:1' }, options: { host: '10.0.0.1' } }), /reach 10\.0\.0\.1, without TLS$/)
  await using it = await started({ host: '0.0.0.0' })
  const said = notice('shop', it.gateway)
  assert.match(said, `http://127.0.0.1:${it.gateway.port}/docs\n`)
  assert.not.match(said, '//0.0.0.0')
  assert.match(said, /everybody who can reach this machine \(0\.0\.0\.0\), without TLS$/)
  assert.match(notice('shop', { addresses: { http: 'http://[::]:2' }, options: { host: '::' } }), 'http://[::1]:2/docs')
})

test('F9: a Flow that is served says nothing by itself', async () => {
  const said: unknown[] = []
  const writes = [process.stdout, process.stderr].map((stream) => [stream, stream.write] as const)
  for (const [stream] of writes) stream.write = ((text: unknown) => said.push(text) > 0) as never
  try {
    const flow = await new Flow({ protocol: [...ALL], port: 0, graphql: true }).open()
    await using client = new Client(flow.addresses.http!)
    await client.post('/', 'a').drain()
    await flow.close()
  } finally {
    for (const [stream, write] of writes) stream.write = write
  }
  assert.equal(said, [])
})

test.run()
