// An executor elsewhere that is not there, or too late: what our gateway says of it on the wire, as Jina 3.27's does, and what our Client makes of it.
import { createServer } from 'node:http'
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { status as Code } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { ConnectionError, Document, ExecutorError, Flow } from '../../lib/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { collect } from '../support/collect.js'
import { deadPort, silence } from '../support/nobody.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const PROTOCOLS = ['grpc', 'http', 'websocket'] as const

/** A Flow with an executor `near` in this process, and `far` elsewhere, behind all protocols. */
async function world(port: number, timeout?: number) {
  const flow = await new Flow({ closeTimeout: 100 })
    .add({ name: 'near', uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) })
    .add({ name: 'far', external: true, port, ...(timeout !== undefined && { timeout }) })
    .open()
  const reported: Error[] = []
  const gateway = await Gateway.serve(flow, { protocol: [...PROTOCOLS], graphql: true, onError: (error) => reported.push(error) })
  return {
    flow,
    gateway,
    reported,
    url: gateway.addresses.http!,
    far: `grpc://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await gateway.close(0)
      await flow.close()
    },
  }
}

const request = (requestId: string) => Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint: '/x', docs: [new Document({ text: 'a' })] as never })))

/** What one message ends with, for a client that does not ask for partial answers. */
function closes(url: string, protocols: string[], message: Buffer | string): Promise<{ code: number; reason: string }> {
  const socket = new WebSocket(url, protocols)
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('open', () => socket.send(message))
    socket.on('message', (data) => reject(new Error(`answered: ${data}`)))
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }))
  })
}

for (const { what, code, status, kind, says } of [
  { what: 'is out of reach', code: Code.UNAVAILABLE, status: 503, kind: 'ERR_UNREACHABLE', says: /far.*grpc:\/\/127\.0\.0\.1:\d+: nobody answers there/s },
  { what: 'is too late', code: Code.DEADLINE_EXCEEDED, status: 504, kind: 'ERR_TIMEOUT', says: /far took longer than 150 ms/ },
] as const) {
  const late = kind === 'ERR_TIMEOUT'
  const start = async () => {
    const silent = await silence()
    const it = await world(late ? silent.port : await deadPort(), late ? 150 : undefined)
    return {
      ...it,
      async [Symbol.asyncDispose]() {
        await it[Symbol.asyncDispose]()
        await silent[Symbol.asyncDispose]()
      },
    }
  }

  test(`C6, F11: grpc: an executor elsewhere ${what}: Call answers with an id alone, then ends with the status; so do single calls`, async () => {
    await using it = await start()
    using raw = new Raw(it.gateway.addresses.grpc!)
    const streamed = await within(10_000, raw.converse(METHODS.call, [request('r1')]))
    assert.is(streamed.status.code, code)
    assert.match(streamed.status.details, says)
    assert.equal(
      streamed.answers.map((bytes) => decodeMessage(bytes)).map(({ requestId, routes, docs }) => ({ requestId, routes: [...routes], docs: docs.length })),
      [{ requestId: 'r1', routes: [], docs: 0 }],
    )
    for (const method of [METHODS.single, METHODS.document]) {
      const { answer, status } = await within(10_000, raw.unary(method, request('r2')))
      assert.is(status.code, code, method)
      assert.match(status.details, says)
      assert.is(answer, undefined)
    }
    assert.equal(it.reported, [])
  })

  test(`C6, F11: http: an executor elsewhere ${what}: ${status}, with the envelope`, async () => {
    await using it = await start()
    for (const accept of ['application/json', 'application/x-ndjson']) {
      const response = await fetch(`${it.url}/post`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept, 'x-request-id': 'r1' },
        body: JSON.stringify({ data: [{ text: 'a' }], execEndpoint: '/x', parameters: { a: 1 } }),
      })
      assert.is(response.status, status)
      const { header, parameters, routes } = (await response.json()) as any
      assert.is(header.requestId, 'r1')
      assert.is(header.status.code, 1)
      assert.match(header.status.description, says)
      assert.is(header.status.exception.executor, 'far')
      assert.equal(header.status.exception.stacks, [])
      assert.is(parameters.a, 1)
      assert.ok(routes.some(({ executor, status }: any) => executor === 'far' && status.code === 1))
    }
    const dry = await fetch(`${it.url}/dry_run`)
    assert.is(dry.status, 200)
    assert.is(((await dry.json()) as any).code, 1, 'not an error of the probe')
    assert.equal(it.reported, [])
  })

  test(`C6, F11: websocket: an executor elsewhere ${what}: 1011, and who and where`, async () => {
    await using it = await start()
    const { websocket } = it.gateway.addresses
    const json = JSON.stringify({ data: [{ text: 'a' }], execEndpoint: '/x' })
    for (const closed of [await within(10_000, closes(websocket!, ['bytes'], request('r1'))), await within(10_000, closes(websocket!, [], json))]) {
      assert.is(closed.code, 1011)
      assert.match(closed.reason, says)
    }
    assert.equal(it.reported, [])
  })

  for (const protocol of PROTOCOLS)
    test(`C5, F11: ${protocol}: an executor elsewhere ${what}: our Client throws what the Flow would here, for that request alone`, async () => {
      await using it = await start()
      await using client = new Client(it.gateway.addresses[protocol]!)
      const { error } = await within(10_000, collect(client.post('/x', ['a'])))
      const here = (await within(10_000, collect(it.flow.post('/x', ['a'])))).error
      for (const { code, executor, endpoint, cause } of [error, here] as ExecutorError[]) {
        assert.is(executor, 'far')
        assert.is(endpoint, '/x')
        assert.is(code, late ? 'ERR_EXECUTOR_TIMEOUT' : 'ERR_EXECUTOR')
        assert.is((cause as ConnectionError | undefined)?.code, late ? undefined : kind)
        assert.is((cause as ConnectionError | undefined)?.address, late ? undefined : it.far)
      }
      assert.instance(error, ExecutorError)
      assert.match(error.message, says)
      const failing = collect(client.post('/x', ['a', 'b'], { requestSize: 1, continueOnError: true }))
      assert.equal((await within(10_000, client.post('/x', ['a'], { targetExecutor: 'near' }).docs())).texts, ['a!'])
      assert.equal(
        (await within(10_000, failing)).items.map(({ status }) => status.code),
        ['ERROR', 'ERROR'],
      )
      if (!late) assert.is(await client.isFlowReady(), false)
    })

  test(`C5, F11: graphql: an executor elsewhere ${what}: an error that names it`, async () => {
    await using it = await start()
    await using client = new Client(it.url)
    const error = await within(
      10_000,
      client.mutate('mutation { docs(data: [{ text: "a" }], execEndpoint: "/x") { text } }').then(
        () => undefined,
        (error) => error,
      ),
    )
    // As post() has it on every wire: the executor is named.
    assert.instance(error, ExecutorError)
    assert.is(error.executor, 'far')
    assert.match(error.message, /far/)
  })
}

test('R107: the gateway before a gateway that cannot reach its executor does not ask again: executors there have worked', async () => {
  let asked = 0
  const inner = await new Flow()
    .add({ name: 'near', uses: () => void asked++ })
    .add({ name: 'far', external: true, port: await deadPort() })
    .open()
  const gateway = await Gateway.serve(inner, { protocol: [...PROTOCOLS] })
  for (const protocol of PROTOCOLS) {
    asked = 0
    const outer = await new Flow().add({ name: 'hop', external: true, host: gateway.addresses[protocol]! }).open()
    const { error } = await within(10_000, collect(outer.post('/x', ['a'])))
    assert.instance(error, ExecutorError)
    assert.is(error.executor, 'far')
    assert.instance(error.cause, ConnectionError)
    assert.match(error.message, /far/)
    assert.is(asked, 1, protocol)
    await outer.close()
  }
  await gateway.close()
  await inner.close()
})

/** Asked by `retries`, with one way to be refused. */
async function attempts(host: string, more: object = {}): Promise<ExecutorError> {
  const flow = await new Flow().add({ name: 'far', external: true, host, retries: { attempts: 2, delay: 1, maxDelay: 1 }, ...more }).open()
  const { error } = await within(10_000, collect(flow.post('/x', ['a'])))
  await flow.close()
  assert.instance(error, ExecutorError)
  return error
}

test('whom an executor elsewhere does not let in, retries do not send again: over each protocol', async () => {
  let asked = 0
  const inner = await new Flow().add({ name: 'near' }).open()
  const authenticate = () => {
    asked++
    return undefined
  }
  const gateway = await Gateway.serve(inner, { protocol: [...PROTOCOLS], authenticate })
  for (const protocol of PROTOCOLS) {
    asked = 0
    const error = await attempts(gateway.addresses[protocol]!)
    assert.is((error.cause as ConnectionError).code, 'ERR_REFUSED', protocol)
    // A page's WebSocket is let in before it is refused, so that it hears why; ours is not.
    assert.is(asked, 1, protocol)
  }
  await gateway.close()
  await inner.close()
})

test('nor what the same request would be refused for again; but what passes by itself', async () => {
  let asked = 0
  let status = 0
  const server = createServer((_, response) => {
    asked++
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"detail":"no"}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  for (const protocol of ['http', 'ws'])
    for (const [given, times] of [
      [400, 1],
      [401, 1],
      [403, 1],
      [404, 1],
      [413, 1],
      [422, 1],
      [429, 3],
      [500, 3],
      [502, 3],
      [503, 3],
    ] as const) {
      ;[asked, status] = [0, given]
      const error = await attempts(`${protocol}://127.0.0.1:${port}`)
      assert.instance(error.cause, ConnectionError)
      assert.is(asked, times, `${protocol} ${given}`)
    }
  server.closeAllConnections()
  server.close()
  let said = ''
  const grpc = createHttp2()
  grpc.on('stream', (stream: ServerHttp2Stream) => {
    asked++
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status), 'grpc-message': said }, { endStream: true })
  })
  await new Promise<void>((resolve) => grpc.listen(0, '127.0.0.1', resolve))
  const address = `grpc://127.0.0.1:${(grpc.address() as AddressInfo).port}`
  for (const [code, times, words = 'no'] of [
    [Code.UNAUTHENTICATED, 1],
    [Code.PERMISSION_DENIED, 1],
    [Code.INVALID_ARGUMENT, 1],
    [Code.UNIMPLEMENTED, 1],
    [Code.RESOURCE_EXHAUSTED, 3],
    [Code.RESOURCE_EXHAUSTED, 1, 'grpc: received message larger than max (5000000 vs. 4194304)'],
    [Code.RESOURCE_EXHAUSTED, 1, 'SERVER: Received message larger than max (8 vs. 4)'],
    [Code.RESOURCE_EXHAUSTED, 1, 'gRPC message exceeds maximum size 4194304: 5000000'],
    [Code.RESOURCE_EXHAUSTED, 3, 'Requests per minute: quota exceeded'],
    [Code.INTERNAL, 3],
  ] as const) {
    ;[asked, status, said] = [0, code, words]
    const error = await attempts(address)
    assert.instance(error.cause, ConnectionError)
    assert.is(asked, times, `${Code[code]}: ${words}`)
  }
  grpc.close()
})

test('C6: what Jina says of executors it cannot reach has the same code on each protocol', async () => {
  const { failureOf } = await import('../../lib/wire/grpc/client/failures.js')
  const { closedWith } = await import('../../lib/wire/websocket/client/failures.js')
  const details = "failed to connect |Gateway: Communication error with deployment far at address(es) {'127.0.0.1:1'}. Head or worker(s) may be down."
  const reason = "Network error while connecting to deployment at {'127.0.0.1:1'}. It may be down."
  assert.is(failureOf('grpc://x:1', { code: Code.UNAVAILABLE, details }, true).code, 'ERR_UNREACHABLE')
  assert.is(closedWith('ws://x:1', 1011, reason).code, 'ERR_UNREACHABLE')
  assert.is(closedWith('ws://x:1', 1011, "Connection to deployment at {'x'} timed out. You can adjust `timeout_send` attribute.").code, 'ERR_TIMEOUT')
  assert.is(closedWith('ws://x:1', 1011, 'something else').code, 'ERR_DISCONNECTED')
})

test.run()
