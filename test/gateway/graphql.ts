// GraphQL at a gateway: beside HTTP, and with everything that a gateway promises.
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { type Call, Flow } from '../../lib/index.js'
import { asProgram, codeUrl } from '../support/code.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { RawHttp } from '../support/raw-http.js'
import { events } from '../support/sse.js'
import { within } from '../support/within.js'

const MUTATION = 'mutation { docs(data: { text: "wait" }) { text } }'
const SUBSCRIPTION = 'subscription { docs(data: [{ text: "a" }, { text: "wait" }], requestSize: 1) { docs { text } } }'

async function* once<T>(promise: Promise<T>): AsyncGenerator<T> {
  yield await promise
}

/** A service whose executor waits, for documents that say so, at a door. */
async function started(options: GatewayOptions = {}) {
  const waiting = deferred<AbortSignal>()
  const door = deferred<void>()
  const work = async ({ docs, signal }: Call) => {
    if (docs[0]?.text === 'wait') {
      waiting.resolve(signal)
      await door.promise
    }
    for (const doc of docs) doc.text += '!'
  }
  const flow = await new Flow({ closeTimeout: 100 }).add({ uses: work }).open()
  const gateway = await Gateway.serve(flow, { protocol: 'http', graphql: true, onError: () => {}, ...options })
  const url = `${gateway.addresses.http}/graphql`
  return {
    gateway,
    url,
    waiting: waiting.promise,
    door,
    ask: (query: string, init: RequestInit = {}, at = url) =>
      fetch(at, {
        method: 'POST',
        body: JSON.stringify({ query }),
        ...init,
        headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
      }),
    async [Symbol.asyncDispose]() {
      door.resolve()
      await gateway.close(0)
      await flow.close()
    },
  }
}

test('G5, R133: a mutation under way is answered, and the connection ends; what comes after is refused with 503', async () => {
  await using it = await started()
  // A connection that is there already: there are no new ones.
  using late = new RawHttp(it.gateway.port)
  assert.match(await late.ask('GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n'), '{"ready":true}')
  const answered = it.ask(MUTATION)
  await within(5000, it.waiting)
  const closing = it.gateway.close()
  const refused = await late.ask('GET /graphql?query={__typename} HTTP/1.1\r\nhost: localhost\r\n\r\n')
  assert.match(refused, /^HTTP\/1\.1 503 /)
  assert.match(refused, /^connection: close\r$/im)
  assert.match(refused, /^retry-after: 1\r$/im)
  assert.match(refused, '"code":"SERVICE_UNAVAILABLE"')
  it.door.resolve()
  const answer = await within(5000, answered)
  assert.is(answer.headers.get('connection'), 'close')
  assert.equal(await answer.json(), { data: { docs: [{ text: 'wait!' }] } })
  await within(5000, closing)
})

test('G5, R133: a subscription under way is let finish', async () => {
  await using it = await started()
  const stream = events(await it.ask(SUBSCRIPTION, { headers: { accept: 'text/event-stream' } }))
  const first = await within(5000, stream.next())
  assert.equal(first.value!.data.data.docs.docs, [{ text: 'a!' }])
  await within(5000, it.waiting)
  const closing = it.gateway.close()
  it.door.resolve()
  const second = await within(5000, stream.next())
  assert.equal(second.value!.data.data.docs.docs, [{ text: 'wait!' }])
  assert.is((await within(5000, stream.next())).value?.event, 'complete')
  await within(5000, closing)
})

test('G5, R134: at the deadline, mutations and subscriptions hear that they are cut off, and their executors too', async () => {
  for (const query of [MUTATION, SUBSCRIPTION]) {
    await using it = await started()
    await using client = new Client(it.gateway.addresses.http!)
    const work = collect(query === MUTATION ? once(client.mutate(query)) : client.subscribe(query))
    const signal = await within(5000, it.waiting)
    await within(5000, it.gateway.close(50))
    assert.is((await within(5000, work)).error?.code, 'ERR_UNREACHABLE')
    await within(5000, new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve()))))
  }
})

test('G5: after a subscription to an executor that never ends, the process ends by itself', async () => {
  const program = `
    import { Client } from '${codeUrl('lib/client/index')}'
    import { Flow } from '${codeUrl('lib/index')}'
    const uses = ({ docs }) => docs[0].text === 'wait' ? new Promise(() => {}) : undefined
    const flow = await new Flow({ protocol: 'http', port: 0, graphql: true, closeTimeout: 50, onError() {} }).add({ uses }).open()
    const client = new Client(flow.addresses.http)
    const stream = client.subscribe(${JSON.stringify(SUBSCRIPTION)})
    console.log(JSON.stringify(await stream.next()))
    const next = stream.next().catch(({ code }) => code)
    await flow.close()
    console.log(await next)
    await client.close()
  `
  const child = spawn(process.execPath, asProgram(program), { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', (data) => (said += data))
  child.stderr.on('data', (data) => (said += data))
  const code = await within(30_000, new Promise((resolve) => child.on('close', resolve))).finally(() => child.kill('SIGKILL'))
  assert.is(code, 0, said)
  assert.match(said, /"data".*\nERR_UNREACHABLE\n$/)
})

test('G4: queries, mutations and subscriptions are answered beside HTTP, gRPC and WebSocket, and /post beside them', async () => {
  await using it = await started({ protocol: ['grpc', 'http', 'websocket'] })
  for (const kind of ['query', 'mutation']) {
    const answer = await it.ask(`${kind} { docs(data: [{ text: "a" }, { text: "b" }]) { text } }`)
    assert.is(answer.status, 200)
    assert.equal(await answer.json(), { data: { docs: [{ text: 'a!' }, { text: 'b!' }] } })
  }
  const stream = await it.ask('subscription { docs(data: [{ text: "a" }, { text: "b" }], requestSize: 1) { docs { text } } }', {
    headers: { accept: 'text/event-stream' },
  })
  const texts: string[] = []
  for await (const { event, data } of events(stream)) if (event === 'next') texts.push(data.data.docs.docs[0].text)
  assert.equal(texts.sort(), ['a!', 'b!'])
  for (const address of Object.values(it.gateway.addresses)) {
    await using client = new Client(address)
    assert.equal((await client.post('/', ['c']).docs()).texts, ['c!'])
  }
})

test('G4: of one connection, no more requests are under way than over HTTP', async () => {
  await using service = await started({ prefetch: 2 })
  const [body, port] = [JSON.stringify({ query: MUTATION }), service.gateway.port]
  const socket = connect(port, '127.0.0.1')
  const text = `POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  let all = ''
  socket.on('data', (data) => {
    all += data
  })
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.write(text.repeat(5))
  await service.waiting
  service.door.resolve()
  await within(10_000, closed)
  assert.equal(all.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 429'])
})

test('G4: a WebSocket behind a request that is not answered yet is none: the answers would mix', async () => {
  await using service = await started({ protocol: ['http', 'websocket'] })
  const body = '{"data":[{"text":"wait"}]}'
  const socket = connect(service.gateway.port, '127.0.0.1')
  let all = ''
  socket.on('data', (data) => {
    all += data
  })
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  const key = 'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=='
  socket.write(
    `POST /post HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n${key}\r\n\r\n`,
  )
  await within(10_000, closed)
  assert.is(all, '')
})

test('G4: it has its own path, and nothing is at the other', async () => {
  await using it = await started({ graphql: { path: '/api/graph' } })
  const at = `${it.gateway.addresses.http}/api/graph`
  assert.equal(await (await it.ask('{ docs(data: { text: "a" }) { text } }', {}, at)).json(), { data: { docs: [{ text: 'a!' }] } })
  assert.is((await it.ask('{ __typename }', {}, `${at}/`)).status, 200)
  for (const other of [it.url, `${at}/below`, `${at}s`]) assert.is((await it.ask('{ __typename }', {}, other)).status, 404, other)
})

test('G4, R92: its limits hold, and those that are set', async () => {
  await using it = await started({ graphql: { maxBodyBytes: 2000, maxAliases: 2 } })
  const accept = { headers: { accept: 'application/graphql-response+json' } }
  const aliases = Array.from({ length: 3 }, (_, i) => `a${i}: docs(data: []) { id }`).join(' ')
  assert.is((await it.ask(`{ ${aliases} }`, accept)).status, 400)
  assert.is((await it.ask(`{ docs(data: []) { ${'chunks { '.repeat(13)} id ${'}'.repeat(13)} } }`, accept)).status, 400)
  assert.is((await it.ask(`{ docs(data: { text: "${'x'.repeat(2000)}" }) { text } }`)).status, 413)
  assert.is((await it.ask('{ __typename }', { headers: { 'content-type': 'text/plain' } })).status, 415)
  assert.is((await fetch(`${it.url}?query={docs{id}}`)).status, 403)
})

test('G4, R117: pages of other origins may read what the gateway, or GraphQL itself, lets them, also that it shuts down', async () => {
  const mine = { headers: { origin: 'https://mine.example' } }
  const granted = async (it: Awaited<ReturnType<typeof started>>) => (await it.ask('{ __typename }', mine)).headers.get('access-control-allow-origin')
  await using closed = await started()
  assert.is(await granted(closed), null)
  await using own = await started({ cors: true, graphql: { cors: ['https://other.example'] } })
  assert.is(await granted(own), null)
  await using open = await started({ cors: ['https://mine.example'] })
  assert.is(await granted(open), 'https://mine.example')
  const asked = await fetch(open.url, { method: 'OPTIONS', headers: { ...mine.headers, 'access-control-request-method': 'POST' } })
  assert.equal([asked.status, asked.headers.get('access-control-allow-methods')], [204, 'GET, POST'])
  using late = new RawHttp(open.gateway.port)
  await late.ask('GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const answered = open.ask(MUTATION)
  await within(5000, open.waiting)
  const closing = open.gateway.close()
  assert.match(await late.ask('GET /graphql HTTP/1.1\r\nhost: localhost\r\norigin: https://mine.example\r\n\r\n'), /allow-origin: https:\/\/mine\.example\r\n/)
  open.door.resolve()
  await (await answered).text()
  await within(5000, closing)
})

test.run()
