// What those who run a service ask of it.
import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { createHttp, Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { Executor, Flow, type FlowOptions } from '../../lib/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { decodeInfo } from '../../lib/wire/proto/index.js'
import { deferred } from '../support/deferred.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

test('G1: /status and _status tell the version of sluice, beside those of what it runs on', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  // As it is published: the build puts the version in.
  const { Flow } = await import(new URL('../../dist/index.js', import.meta.url).href)
  await using flow = await new Flow({ protocol: ['http', 'grpc'], port: 0 }).open()
  const { jina, envs } = (await (await fetch(`${flow.addresses.http}/status`)).json()) as any
  assert.is(jina.sluice, version)
  assert.equal([jina.runtime, jina.version], ['node', process.versions.node])
  assert.equal(envs, {})
  using raw = new Raw(flow.addresses.grpc)
  assert.is(decodeInfo((await raw.unary(METHODS.info, Buffer.alloc(0))).answer!).jina.sluice, version)
})

test('R106: a request that is sent again under its id, as after a lost connection, is run again', async () => {
  const ids: string[] = []
  await using flow = await new Flow({ protocol: ['http', 'websocket'], port: 0 })
    .add({
      uses: ({ requestId }) => {
        ids.push(requestId)
      },
    })
    .open()
  const body = JSON.stringify({ data: [{ text: 'a' }], requestId: 'mine' })
  for (const last of [{}, { 'last-event-id': '0' }]) {
    const answer = await fetch(`${flow.addresses.http}/post`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'x-request-id': 'mine', ...last },
      body,
    })
    const text = await answer.text()
    // Nothing that a client could go on from.
    assert.not.match(text, /^id:/m)
    assert.match(text, 'event: response')
  }
  assert.equal(ids, ['mine', 'mine'])
  for (let again = 0; again < 2; again++) {
    const socket = new WebSocket(flow.addresses.websocket!)
    await once(socket, 'open')
    socket.send(body)
    assert.is(JSON.parse(String((await once(socket, 'message'))[0])).header.request_id, 'mine')
    socket.terminate()
  }
  assert.equal(ids, ['mine', 'mine', 'mine', 'mine'])
})

test('R132: who asks is checked in front of the service, in constant time, before the body is read', async () => {
  await using flow = await new Flow().add({ uses: ({ docs }) => void (docs[0]!.text += '!') }).open()
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const wanted = digest('Bearer open sesame')
  const { fetch } = createHttp(flow)
  const guarded = async (request: Request): Promise<Response> =>
    timingSafeEqual(digest(request.headers.get('authorization') ?? ''), wanted) ? fetch(request) : new Response(null, { status: 401 })
  const ask = (authorization: string, body: BodyInit): Request =>
    new Request('http://127.0.0.1/post', {
      method: 'POST',
      body,
      headers: { authorization, 'content-type': 'application/json' },
      duplex: 'half',
    } as RequestInit)
  for (const wrong of ['', 'Bearer', 'Bearer open sesamE']) {
    let reads = 0
    const body = new ReadableStream({ pull: () => void reads++ }, { highWaterMark: 0 })
    assert.is((await guarded(ask(wrong, body))).status, 401)
    assert.is(reads, 0)
  }
  const answer = await guarded(ask('Bearer open sesame', '{"data":[{"text":"a"}]}'))
  assert.is(((await answer.json()) as any).data[0].text, 'a!')
})

test('C1: HTTP and GraphQL go through the fetch that a Client is given, without credentials unless it adds them', async () => {
  await using flow = await new Flow({ protocol: 'http', port: 0, graphql: true }).add({ uses: ({ docs }) => void (docs[0]!.text += '!') }).open()
  const sent: [string, string | undefined][] = []
  const fetch: typeof globalThis.fetch = (url, init) => {
    sent.push([new URL(String(url)).pathname, init?.credentials])
    return globalThis.fetch(url, init)
  }
  await using client = new Client(flow.addresses.http!, { fetch })
  assert.equal((await client.post('/', 'a').docs()).texts, ['a!'])
  assert.equal((await client.mutate('mutation { docs(data: { text: "b" }) { text } }')).data, { docs: [{ text: 'b!' }] })
  assert.equal(sent, [
    ['/', 'omit'],
    ['/post', 'omit'],
    ['/', 'omit'],
    ['/graphql', 'omit'],
  ])
  // What speaks otherwise has no use for it.
  await using flow2 = await new Flow({ port: 0 }).open()
  await using other = new Client(flow2.addresses.grpc!, { fetch })
  assert.is(await other.isFlowReady(), true)
})

test('C3, C4, C5: GraphQL knows certificates, times and limits, and fails as everything else does', async () => {
  const { ca, key, cert } = await certificates()
  const waiting = deferred<AbortSignal>()
  await using flow = await new Flow({ protocol: 'http', port: 0, graphql: true, tls: { key, cert }, closeTimeout: 100 })
    .add({
      uses: async ({ docs, signal }) => {
        if (docs[0]!.text !== 'wait') return
        waiting.resolve(signal)
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    })
    .open()
  const host = flow.addresses.http!
  const docs = (text: string): string => `docs(data: { text: "${text}" }) { text }`
  const code = (work: Promise<unknown>): Promise<unknown> =>
    within(
      10_000,
      work.then(
        () => 'none',
        (error) => error.code ?? error,
      ),
    )
  await using client = new Client(host, { tls: { ca }, timeout: 60_000 })
  assert.equal((await client.mutate(`mutation { ${docs('a')} }`)).data, { docs: [{ text: 'a' }] })
  assert.is(await code(client.mutate(`mutation { ${docs('wait')} }`, {}, { timeout: 100 })), 'ERR_TIMEOUT')
  await within(5000, new Promise((resolve) => waiting.promise.then((signal) => (signal.aborted ? resolve(0) : signal.addEventListener('abort', resolve)))))
  assert.is(await code(client.mutate(`mutation { ${docs('a')} }`, {}, { signal: AbortSignal.abort('mine') })), 'mine')
  assert.is(await code(client.subscribe('subscription { docs { docs { id } } }', {}, { signal: AbortSignal.abort('mine') }).next()), 'mine')
  assert.is(await code(client.mutate('{ nothing }')), 'ERR_REFUSED')
  await using stranger = new Client(host, { tls: true })
  assert.is(await code(stranger.mutate(`mutation { ${docs('a')} }`)), 'ERR_TLS')
  assert.is(await code(stranger.subscribe('subscription { docs { docs { id } } }').next()), 'ERR_TLS')
  await using small = new Client(host, { tls: { ca }, maxMessageBytes: 100 })
  assert.is(await code(small.mutate(`mutation { ${docs('x'.repeat(200))} }`)), 'ERR_TOO_LARGE')
  await using nobody = new Client('http://127.0.0.1:1')
  assert.is(await code(nobody.mutate('{ docs { id } }')), 'ERR_UNREACHABLE')
  const stream = client.subscribe('subscription { docs(data: [{ text: "a" }, { text: "wait" }], requestSize: 1) { docs { text } } }')
  assert.equal((await stream.next()).value.data.docs.docs, [{ text: 'a' }])
  const next = stream.next()
  const closing = flow.close()
  assert.is(await code(next), 'ERR_UNREACHABLE')
  await closing
})

test('R139: await using closes a Flow and what it is served by, a Gateway, and a Client', async () => {
  const closed: string[] = []
  class Watched extends Executor {
    override close() {
      closed.push('executor')
    }
  }
  let address = ''
  let other = ''
  {
    await using flow = await new Flow({ protocol: 'http', port: 0 }).add({ uses: Watched }).open()
    await using gateway = await Gateway.serve(flow)
    await using client = new Client(gateway.addresses.grpc!)
    address = flow.addresses.http!
    other = gateway.addresses.grpc!
    assert.is(await client.isFlowReady(), true)
    assert.is((await fetch(`${address}/ready`)).status, 200)
    assert.equal(closed, [])
  }
  assert.equal(closed, ['executor'])
  for (const gone of [address, other]) {
    await using client = new Client(gone)
    assert.is(
      await client
        .post('/', 'x')
        .drain()
        .catch(({ code }) => code),
      'ERR_UNREACHABLE',
    )
  }
  // What was opened before a failure is closed too.
  const failing = async (): Promise<void> => {
    await using flow = await new Flow().add({ uses: Watched }).open()
    throw new Error(`in ${flow.name}`)
  }
  assert.is(await failing().catch(({ message }) => message), 'in flow')
  assert.equal(closed, ['executor', 'executor'])
})

test('183: what contradicts itself in how a Flow is served is told before an executor is opened', async () => {
  let opened = 0
  class Slow extends Executor {
    override open(): void {
      opened++
    }
  }
  const cases: [FlowOptions, GatewayOptions | undefined, RegExp][] = [
    [{ protocol: 'http', sslKeyfile: 'key.pem' }, undefined, /^sslKeyfile must be given together with sslCertfile/],
    [{ protocol: 'http', port: [1, 2] }, undefined, /^port must be one number, or one for each protocol/],
    [{ protocol: 'grpc', graphql: true }, undefined, /^graphql must be false where HTTP is not spoken/],
    [{ protocol: ['http', 'http'] }, undefined, /^protocol must be a list that names each protocol once/],
    [{ protocol: 'http', docarray: 'v2' }, undefined, /^docarray must be 'v1' without gRPC/],
    [{ protocol: 'http' }, { port: [1, 2] }, /^port must be one number/],
  ]
  for (const [options, serve, message] of cases) {
    const flow = new Flow(options).add({ uses: Slow })
    const error = await flow.open(serve && { serve }).then(
      () => assert.unreachable(String(message)),
      (error: Error) => error,
    )
    assert.match(error!.message, message)
    assert.is(opened, 0, String(message))
  }
  await using flow = await new Flow({ protocol: 'http', port: [1, 2] }).add({ uses: Slow }).open({ serve: { port: 0 } })
  assert.is(opened, 1, flow.name)
})

test.run()
