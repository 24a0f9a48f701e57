// What goes with a request beside what it asks for: the trace and the time that it has, by every wire, from clients that are not ours, from our own, and
// on to executors elsewhere.
import { Metadata } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { Client } from '../../lib/client/index.js'
import { createHttp, Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { type Call, DocumentArray, Flow } from '../../lib/index.js'
import { post } from '../../lib/post/post.js'
import type { Handler } from '../../lib/request/handler.js'
import type { Request } from '../../lib/request/request.js'
import { Response } from '../../lib/request/response.js'
import type { Protocol } from '../../lib/wire/address.js'
import { deadlineOf } from '../../lib/wire/context-headers.js'
import { connect } from '../../lib/wire/grpc/client/connect.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage, encodeSingle } from '../../lib/wire/proto/index.js'
import { within } from '../support/within.js'
import { Raw } from './grpc/raw.js'

const TRACE = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  tracestate: 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
  baggage: 'tenant=acme,tier=gold%20plated;p=1',
}
/** What must never go on, whoever sends it. */
const SECRET = { authorization: 'Bearer secret', cookie: 'session=secret', 'x-api-key': 'secret', 'x-forwarded-for': '10.0.0.1', 'sluice-other': 'x' }

interface Seen {
  headers: unknown
  /** Milliseconds that were left. */
  left: number | undefined
}

/** Notes what comes with requests, and answers them unless it is told to wait. */
class Recorder implements Handler {
  readonly seen: Seen[] = []
  readonly aborted: Promise<unknown>
  #abort!: (reason: unknown) => void
  hangs = false

  constructor() {
    this.aborted = new Promise((resolve) => (this.#abort = resolve))
  }

  accepts(): boolean {
    return true
  }

  handle({ contextHeaders, scope }: Request): void | Promise<void> {
    this.seen.push({ headers: contextHeaders && { ...contextHeaders }, left: scope.deadline?.left })
    if (!this.hangs) return
    return new Promise((_, reject) =>
      scope.watch((reason) => {
        this.#abort(reason)
        reject(reason)
      }),
    )
  }
}

async function world(options: GatewayOptions = {}, peer: Handler = new Recorder()) {
  const recorder = peer as Recorder
  const gateway = await Gateway.serve(peer, { protocol: ['grpc', 'http', 'websocket'], port: [0, 0, 0], graphql: true, onError: () => {}, ...options })
  return {
    recorder,
    gateway,
    at: (protocol: Protocol): string => gateway.addresses[protocol]!,
    async [Symbol.asyncDispose]() {
      await gateway.close(0)
    },
  }
}

type World = Awaited<ReturnType<typeof world>>
type Headers = Readonly<Record<string, string>>

/** How a client that is not ours sends a request with these, and this time; what it gets is said in one line. */
interface Sender {
  readonly name: string
  send(it: World, headers: Headers, timeout?: number | string): Promise<string>
  /** What it gets whose time is up. */
  readonly late: string
  /** The same for a time that is none. */
  readonly refused: string
}

const docs = DocumentArray.from([{ text: 'x' }])
const message = emptyMessage({ requestId: 'r1', docs })

function metadataOf(headers: Headers): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  return metadata
}

/** gRPC has the time where the platform's own clients put it. */
async function overGrpc(it: World, method: string, bytes: Buffer, headers: Headers, timeout?: number | string): Promise<string> {
  using raw = new Raw(it.at('grpc'))
  const metadata = metadataOf(headers)
  const options = timeout === undefined ? {} : { deadline: Date.now() + Number(timeout) }
  const same = (bytes: Buffer): Buffer => bytes
  return await new Promise((resolve) => {
    const call =
      method === METHODS.single
        ? raw.client.makeUnaryRequest(method, same, same, bytes, metadata, options, () => {})
        : method === METHODS.document
          ? raw.client.makeServerStreamRequest(method, same, same, bytes, metadata, options)
          : raw.client.makeBidiStreamRequest(method, same, same, metadata, options)
    call.on('status', ({ code }) => setImmediate(resolve, String(code))).on('error', () => {})
    if (method !== METHODS.single) (call as any).resume()
    if (method === METHODS.call) (call as any).end(bytes)
  })
}

const grpc = (name: string, method: string, bytes: Buffer): Sender => ({
  name: `gRPC ${name}`,
  send: (it, headers, timeout) => overGrpc(it, method, bytes, headers, timeout),
  late: '4',
  refused: '4',
})

const asked = async (response: globalThis.Response): Promise<string> => {
  const text = await response.text()
  return `${response.status}${/ERR_TIMEOUT|"TIMEOUT"/.test(text) ? ' late' : ''}`
}

const http = (name: string, request: (headers: Headers) => RequestInit & { path: string }, late: string): Sender => ({
  name: `HTTP ${name}`,
  async send(it, headers, timeout) {
    const { path, ...init } = request({ ...headers, ...(timeout !== undefined && { 'sluice-timeout': String(timeout) }) })
    return asked(await fetch(`${it.at('http')}${path}`, init))
  },
  late,
  refused: '400',
})

const graphql = (name: string, body: (all: Headers) => object, headers: (all: Headers) => Headers): Sender => ({
  name: `GraphQL ${name}`,
  async send(it, given, timeout) {
    const all = { ...given, ...(timeout !== undefined && { 'sluice-timeout': String(timeout) }) }
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers(all) }, body: JSON.stringify(body(all)) }
    return asked(await fetch(`${it.at('http')}/graphql`, init))
  },
  late: '504 late',
  refused: '400',
})

const QUERY = 'mutation { docs(data: { text: "x" }, execEndpoint: "/") { id } }'

/** Over a WebSocket, with what its handshake brings, and what its message does. */
const websocket = (name: string, protocols: string[], write: (all: Headers) => string | Uint8Array, handshake = false): Sender => ({
  name: `WebSocket ${name}`,
  send: (it, headers, timeout) =>
    new Promise((resolve, reject) => {
      const all = { ...(handshake ? {} : headers), ...(timeout !== undefined && { 'sluice-timeout': String(timeout) }) }
      const socket = new WebSocket(`${it.at('websocket').replace('ws:', 'ws:')}/`, protocols, handshake ? { headers } : {})
      socket.on('open', () => socket.send(write(all)))
      socket.on('error', reject)
      socket.on('message', (data: Buffer, binary) => {
        const status = binary ? decodeMessage(data).status : JSON.parse(String(data)).header.status
        const args = status?.exception?.args ?? []
        resolve(args[1] ?? 'answered')
        socket.terminate()
      })
    }),
  late: 'ERR_TIMEOUT',
  refused: 'ERR_REFUSED',
})

const inJson = (all: Headers): string => JSON.stringify({ data: [{ text: 'x' }], header: { requestId: 'r1', ...all } })

const ALL: readonly Sender[] = [
  grpc('process_single_data', METHODS.single, Buffer.from(encodeMessage(message))),
  grpc('Call', METHODS.call, Buffer.from(encodeMessage(message))),
  grpc('stream_doc', METHODS.document, Buffer.from(encodeSingle(message))),
  {
    name: 'gRPC Call, in the message',
    async send(it, headers, timeout) {
      using raw = new Raw(it.at('grpc'))
      const all = { ...headers, ...(timeout !== undefined && { 'sluice-timeout': String(timeout) }) }
      const { answers, status } = await raw.converse(METHODS.call, [Buffer.from(encodeMessage({ ...message, headers: all }))])
      return decodeMessage(answers[0]!).status?.exception?.args[1] ?? String(status.code)
    },
    late: 'ERR_TIMEOUT',
    refused: 'ERR_REFUSED',
  },
  http(
    'JSON',
    (headers) => ({ path: '/post', method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"data":[{"text":"x"}]}' }),
    '504 late',
  ),
  http(
    'NDJSON',
    (headers) => ({ path: '/index', method: 'POST', headers: { 'content-type': 'application/x-ndjson', ...headers }, body: '{"text":"x"}\n' }),
    '504 late',
  ),
  websocket('JSON', ['json'], inJson),
  websocket('bytes', ['bytes'], (all) => encodeMessage({ ...message, headers: all })),
  graphql(
    'headers',
    () => ({ query: QUERY }),
    (all) => all,
  ),
  graphql(
    'extensions',
    (all) => ({ query: QUERY, extensions: all }),
    () => ({}),
  ),
]

/** One that brings headers for all its requests, and its time with none of them. */
const HANDSHAKE = websocket('handshake', ['json'], inJson, true)

/** What a tracer in this process does. */
const bringing = (inner: Handler): Handler => ({
  accepts: () => true,
  handle(request) {
    request.contextHeaders = { ...TRACE, ...SECRET }
    return inner.handle(request)
  },
})

const isTime = (left: number | undefined, given: number): boolean => left !== undefined && left > 0 && left <= given

for (const sender of [...ALL, HANDSHAKE]) {
  test(`217: ${sender.name}: trace and baggage reach the executors, and nothing else does`, async () => {
    await using it = await world()
    await within(10_000, sender.send(it, { ...SECRET, ...TRACE }))
    await within(10_000, sender.send(it, {}))
    assert.equal(it.recorder.seen, [
      { headers: TRACE, left: undefined },
      { headers: undefined, left: undefined },
    ])
  })
}

for (const sender of ALL) {
  test(`217: ${sender.name}: the time that is left reaches the executors, and ends them`, async () => {
    await using it = await world()
    await within(10_000, sender.send(it, {}, 60_000))
    assert.ok(isTime(it.recorder.seen[0]!.left, 60_000), String(it.recorder.seen[0]!.left))
    it.recorder.hangs = true
    assert.is(await within(10_000, sender.send(it, {}, 400)), sender.late)
    await within(10_000, it.recorder.aborted)
  })

  test(`217: ${sender.name}: who has no time left is not begun; what is no time is refused`, async () => {
    await using it = await world()
    assert.is(await within(10_000, sender.send(it, {}, 0)), sender.late)
    if (!sender.name.startsWith('gRPC') || sender.late !== '4') {
      for (const hostile of ['soon', '-5', '1e3', '12345678901', '5 m', '0x10'])
        assert.is(await within(10_000, sender.send(it, {}, hostile)), sender.refused, hostile)
      // Longer than any timer: no end at all.
      await within(10_000, sender.send(it, {}, '9999999999'))
      assert.is(it.recorder.seen.pop()?.left, undefined)
    }
    // grpc-js begins a call whose time is up before it sees that.
    if (sender.late !== '4') assert.equal(it.recorder.seen, [])
  })
}

test('217: what is too large, or would break a header or a line of a log, is left out, and the rest goes on', async () => {
  await using it = await world()
  const wire = ALL.find(({ name }) => name === 'WebSocket JSON')!
  await wire.send(it, { ...TRACE, baggage: `a=${'x'.repeat(8200)}` })
  await wire.send(it, { ...TRACE, tracestate: 'a=1\r\nset-cookie: x' })
  await wire.send(it, { ...TRACE, traceparent: '', tracestate: 'é=1', baggage: 'x\0' })
  await wire.send(it, { ...TRACE, traceparent: 5 as any, tracestate: ['a'] as any, baggage: null as any })
  await wire.send(it, Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`x-${at}`, 'y'])))
  const { traceparent, tracestate, baggage } = TRACE
  assert.equal(
    it.recorder.seen.map(({ headers }) => headers),
    [{ traceparent, tracestate }, { traceparent, baggage }, undefined, undefined, undefined],
  )
  const bytes = ALL.find(({ name }) => name === 'WebSocket bytes')!
  const many = Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`x-${at}`, 'y']))
  // Sixteen names are looked at, however many there are.
  await bytes.send(it, { ...TRACE, ...many })
  await bytes.send(it, { ...many, ...TRACE })
  await bytes.send(it, { ...TRACE, baggage: 'x'.repeat(100_000) })
  assert.equal(
    it.recorder.seen.slice(5).map(({ headers }) => headers),
    [TRACE, undefined, { traceparent, tracestate }],
  )
})

test('217: a service whose own timeout is shorter keeps to that', async () => {
  await using it = await world({ timeout: 60 })
  const wire = ALL.find(({ name }) => name === 'HTTP JSON')!
  await wire.send(it, {}, 60_000)
  assert.ok(isTime(it.recorder.seen[0]!.left, 60))
  it.recorder.hangs = true
  assert.is(await wire.send(it, {}, 60_000), '504 late')
})

test('217: createHttp() keeps the time of a request without a timeout of its own', async () => {
  const recorder = new Recorder()
  recorder.hangs = true
  const { fetch } = createHttp(recorder, { onError: () => {} })
  const headers = { 'content-type': 'application/json', 'sluice-timeout': '50', ...TRACE }
  const response = await fetch(new globalThis.Request('http://localhost/post', { method: 'POST', headers, body: '{"data":[]}' }))
  assert.is(await asked(response), '504 late')
  assert.equal(recorder.seen[0]!.headers, TRACE)
})

test('217: once an answer has begun, it may take as long as it takes', async () => {
  const left: (number | undefined)[] = []
  const peer: Handler = {
    accepts: () => true,
    async handle(request) {
      const { scope } = request
      left.push(scope.deadline?.left)
      await request.emit?.(new Response(request, undefined, request.countPart()))
      left.push(scope.deadline?.left)
    },
  }
  await using it = await world({}, peer)
  const headers = { 'content-type': 'application/json', accept: 'application/x-ndjson', 'sluice-timeout': '20000' }
  const response = await fetch(`${it.at('http')}/post`, { method: 'POST', headers, body: '{"data":[{"text":"x"}]}' })
  assert.is((await response.text()).trim().split('\n').length, 2)
  assert.ok(isTime(left[0], 20_000))
  assert.is(left[1], Infinity)
})

test('217: a call of gRPC for each request has them as metadata, where executors of Jina read them', async () => {
  await using it = await world()
  const connection = connect(it.at('grpc'), { unary: true, timeout: 30_000 })
  await post(bringing(connection), '/', ['x']).drain()
  assert.equal(it.recorder.seen[0]!.headers, TRACE)
  assert.ok(isTime(it.recorder.seen[0]!.left, 30_025))
  connection.close()
})

for (const protocol of ['grpc', 'http', 'websocket'] as const) {
  test(`217: ${protocol}: a Client's timeout goes along, and its headers are those of each request`, async () => {
    await using it = await world()
    await using client = new Client(it.at(protocol), { timeout: 30_000, headers: TRACE })
    await client.post('/', ['x']).drain()
    const [{ headers, left }] = it.recorder.seen as [Seen]
    assert.equal(headers, TRACE)
    assert.ok(isTime(left, 30_025), String(left))
    await using none = new Client(it.at(protocol))
    await none.post('/', ['x']).drain()
    assert.equal(it.recorder.seen[1], { headers: undefined, left: undefined })
  })

  test(`217: ${protocol}: of what is tried again, each try has its own time, and the last what is left of the whole`, async () => {
    await using it = await world()
    await using client = new Client(it.at(protocol), { timeout: 30_000, attemptTimeout: 5000, retries: 1 })
    await client.post('/', ['x']).drain()
    assert.ok(isTime(it.recorder.seen[0]!.left, 5025))
  })

  test(`217: ${protocol}: an executor elsewhere gets the trace as it came and what is left of the time, and no credentials`, async () => {
    await using far = await world()
    await using flow = await new Flow()
      .add({ name: 'near' })
      .add({ name: 'far', external: true, host: far.at(protocol), retries: 1 })
      .add({ name: 'beside', needs: 'near' })
      .add({ name: 'both', needs: ['far', 'beside'] })
      .open()
    await using near = await world({}, flow as any)
    for (const sender of [...ALL, HANDSHAKE]) {
      const timeout = sender === HANDSHAKE ? undefined : 20_000
      far.recorder.seen.length = 0
      await within(10_000, sender.send(near, { ...SECRET, ...TRACE }, timeout))
      const [{ headers, left }] = far.recorder.seen as [Seen]
      assert.equal(headers, TRACE, sender.name)
      assert.ok(timeout === undefined ? left === undefined : isTime(left, 20_025), `${sender.name}: ${left}`)
    }
  })

  test(`217: ${protocol}: the timeout of an executor elsewhere goes to it`, async () => {
    await using far = await world()
    await using flow = await new Flow().add({ name: 'far', external: true, host: far.at(protocol), timeout: 10_000 }).open()
    await flow.post('/', ['x']).drain()
    assert.ok(isTime(far.recorder.seen[0]!.left, 10_025))
    far.recorder.hangs = true
    await using impatient = await new Flow({ closeTimeout: 100 }).add({ name: 'far', external: true, host: far.at(protocol), timeout: 800 }).open()
    const error = await impatient
      .post('/', ['x'])
      .drain()
      .catch((error) => error)
    assert.is(error.code, 'ERR_EXECUTOR_TIMEOUT')
    await within(10_000, far.recorder.aborted)
  })
}

test('217: of two ends of a time, the first counts', () => {
  assert.is(deadlineOf(undefined, undefined), undefined)
  assert.ok(isTime(deadlineOf(5000, undefined)!.left, 5000))
  assert.ok(isTime(deadlineOf(5000, { left: 100 })!.left, 100))
  assert.is(deadlineOf(undefined, { left: 100 })!.left, 100)
})

test("217: mutate() takes its time along in the operation's extensions", async () => {
  await using it = await world()
  await using client = new Client(it.at('http'), { timeout: 30_000 })
  await client.mutate(QUERY)
  assert.ok(isTime(it.recorder.seen[0]!.left, 30_025))
  await client.mutate(QUERY, {}, { timeout: 5000 })
  assert.ok(isTime(it.recorder.seen[1]!.left, 5025))
})

test('217: what a request brings is seen by executors as call.headers, in branches and replicas, and not in batches or by what floats past its time', async () => {
  const seen: Record<string, unknown> = {}
  const see = (name: string) => ({
    name,
    uses: ({ headers }: Call) => {
      seen[name] = headers && { ...headers }
    },
  })
  await using flow = await new Flow()
    .add(see('first'))
    .add({ ...see('left'), needs: 'first' })
    .add({ ...see('right'), needs: 'first', parallel: 2 })
    .add({ ...see('joined'), needs: ['left', 'right'] })
    .add({ ...see('tried'), retries: 2, timeout: 5000 })
    .add({ ...see('batched'), dynamicBatching: { preferredBatchSize: 1 } })
    .add({ ...see('floating'), floating: true })
    .open()
  await using it = await world({}, flow as any)
  await ALL[0]!.send(it, TRACE, 20_000)
  assert.equal(seen, { first: TRACE, left: TRACE, right: TRACE, joined: TRACE, tried: TRACE, batched: undefined, floating: TRACE })
})

test('217: headers set on a request of this process go on as well, those alone that may', async () => {
  await using far = await world()
  await using client = new Client(far.at('grpc'))
  await post(bringing(client), '/', ['x']).drain()
  assert.equal(far.recorder.seen[0]!.headers, TRACE)
})

test.run()
