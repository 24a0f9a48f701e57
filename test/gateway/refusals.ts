// What docs/protocol.md says of requests that are not answered, said again by a real gateway: raw clients, one row after the other.
import { Agent, request as requestHttp } from 'node:http'
import { status as Code } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Gateway } from '../../lib/gateway/index.js'
import { type Call, Document, Flow } from '../../lib/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { deferred } from '../support/deferred.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const LIMIT = 10_000

let door = deferred<void>()
let called = deferred<void>()

async function act({ docs, endpoint }: Call) {
  if (endpoint === '/fail') throw new TypeError('cannot do that')
  if (endpoint === '/wait') {
    called.resolve()
    await door.promise
  }
  for (const doc of docs) doc.text += '!'
}

async function started() {
  const flow = await new Flow({ closeTimeout: 100 }).add({ name: 'worker', uses: act }).open()
  const reported: Error[] = []
  const gateway = await Gateway.serve(flow, {
    protocol: ['grpc', 'http', 'websocket'],
    graphql: { maxBodyBytes: LIMIT },
    maxMessageBytes: LIMIT,
    onError: (error) => reported.push(error),
  })
  return {
    flow,
    gateway,
    reported,
    raw: () => new Raw(gateway.addresses.grpc!),
    async [Symbol.asyncDispose]() {
      await gateway.close(0)
      await flow.close()
    },
  }
}

const bytesOf = (execEndpoint: string, text = 'a', requestId = 'r1'): Buffer =>
  Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint, docs: [new Document({ text })] as never })))

const json = (execEndpoint: string, text = 'a'): string => JSON.stringify({ data: [{ text }], execEndpoint })

async function ask(gateway: Gateway, body: string | Uint8Array, path = '/post', more: RequestInit = {}) {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(gateway.addresses.http! + path, { method: 'POST', headers, body: body as BodyInit, ...more })
  const text = await response.text()
  return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
}

/** Sends messages, and says what came back and how it ended. */
async function converse(gateway: Gateway, dialect: 'bytes' | 'json', messages: (string | Uint8Array)[], path = '/') {
  const socket = new WebSocket(gateway.addresses.websocket! + path, dialect === 'bytes' ? ['bytes'] : [])
  const answers: (string | Buffer)[] = []
  const ended = new Promise<{ code: number; reason: string; answers: (string | Buffer)[] }>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data, isBinary) => answers.push(isBinary ? (data as Buffer) : String(data)))
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason), answers }))
  })
  await within(5000, new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject)))
  for (const message of messages) socket.send(message)
  return within(5000, ended)
}

const END = { bytes: Uint8Array.of(0), json: '{}' }

test('C6, P8: grpc: an executor failed: an answer that says so, and the trailer where there is one request in the call', async () => {
  await using it = await started()
  using raw = it.raw()
  const streamed = await raw.converse(METHODS.call, [bytesOf('/fail'), bytesOf('/')])
  assert.is(streamed.status.code, Code.OK)
  assert.equal(streamed.answers.map((answer) => decodeMessage(answer).status?.code ?? 'SUCCESS').sort(), ['ERROR', 'SUCCESS'])
  const alone = await raw.unary(METHODS.single, bytesOf('/fail'))
  assert.is(alone.status.code, Code.OK)
  assert.equal(alone.status.metadata.get('is-error'), ['true'])
  assert.equal(decodeMessage(alone.answer!).status!.exception, { name: 'TypeError', args: ['cannot do that'], stacks: [], executor: 'worker' })
})

test('C6, P8: http, websocket: an executor failed: 200 with the status, an answer with the status; the connection goes on', async () => {
  await using it = await started()
  const { status, json: answer } = await ask(it.gateway, json('/fail'))
  assert.is(status, 200)
  assert.equal(answer.header.status.exception, { name: 'TypeError', args: ['cannot do that'], stacks: [], executor: 'worker' })
  const text = await converse(it.gateway, 'json', [json('/fail'), json('/'), END.json])
  assert.is(text.code, 1000)
  assert.equal(text.answers.map((answer) => JSON.parse(answer as string).header.status?.code ?? 0).sort(), [0, 1])
  const binary = await converse(it.gateway, 'bytes', [bytesOf('/fail'), bytesOf('/'), END.bytes])
  assert.is(binary.code, 1000)
  assert.equal(binary.answers.map((answer) => decodeMessage(answer as Buffer).status?.code ?? 'SUCCESS').sort(), ['ERROR', 'SUCCESS'])
})

test('C6, R93: grpc: what cannot be read is INVALID_ARGUMENT; a method that is none UNIMPLEMENTED', async () => {
  await using it = await started()
  using raw = it.raw()
  const garbage = Buffer.from([0xff, 0xff, 0xff])
  for (const method of [METHODS.single, METHODS.several, METHODS.document])
    assert.is((await raw.unary(method, garbage)).status.code, Code.INVALID_ARGUMENT, method)
  assert.is((await raw.converse(METHODS.call, [garbage])).status.code, Code.INVALID_ARGUMENT)
  // data { docs_bytes }: Python's pickle.
  const pickled = await raw.unary(METHODS.single, Buffer.from([0x22, 0x03, 0x12, 0x01, 0x80]))
  assert.is(pickled.status.code, Code.INVALID_ARGUMENT)
  assert.match(pickled.status.details, /pickle|docs_bytes/)
  assert.is((await raw.unary(METHODS.single, bytesOf('/', 'a', 'a\nb'))).status.code, Code.INVALID_ARGUMENT, 'control characters in an id')
  assert.is((await raw.unary('/jina.JinaExecutorSnapshot/snapshot', Buffer.alloc(0))).status.code, Code.UNIMPLEMENTED)
})

test('C6, R93: http: what is no JSON is 400, what is no request 422 with detail; 404, 405, 406, 415 for the rest', async () => {
  await using it = await started()
  const detail = async (expected: number, ...given: [body: string | Uint8Array, path?: string, more?: RequestInit]) => {
    const { status, json } = await ask(it.gateway, ...given)
    assert.is(status, expected, `${given}`)
    assert.ok(json.detail !== undefined, `${given}`)
  }
  await detail(400, '{"data":')
  await detail(400, Uint8Array.of(0xff))
  await detail(422, '{"data": ["a", 7]}')
  await detail(422, '{"data": [{"text": 7}]}')
  await detail(422, '{"data": [], "parameters": 7}')
  await detail(404, '{}', '/nowhere')
  await detail(405, '{}', '/update')
  await detail(415, 'a=b', '/post', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })
  await detail(406, '{}\n', '/post', { headers: { 'content-type': 'application/x-ndjson', accept: 'application/json' } })
})

test('C6, R93, R102: websocket: the wrong kind of frame is 1003, what cannot be read 1007; what is wrong with a request is its answer', async () => {
  await using it = await started()
  const lost = new WebSocket(`${it.gateway.addresses.websocket}/nowhere`)
  const refused = new Promise<number | undefined>((resolve) => lost.on('unexpected-response', (_, { statusCode }) => resolve(statusCode)))
  lost.on('error', () => {})
  assert.is(await within(5000, refused), 404)
  lost.terminate()
  assert.is((await converse(it.gateway, 'bytes', ['{}'])).code, 1003)
  assert.is((await converse(it.gateway, 'json', [bytesOf('/')])).code, 1003)
  assert.is((await converse(it.gateway, 'bytes', [Uint8Array.of(0xff, 0xff)])).code, 1007)
  assert.is((await converse(it.gateway, 'json', ['{"data":'])).code, 1007)
  const unfit = await converse(it.gateway, 'json', ['{"data": [{"text": 7}], "requestId": "r7"}', json('/'), END.json])
  assert.is(unfit.code, 1000)
  const answers = unfit.answers.map((answer) => JSON.parse(answer as string))
  assert.is(answers.find(({ header }) => header.request_id === 'r7').header.status.code, 1)
  assert.is(answers.length, 2)
})

test('C6, R92, R100: over the limit: RESOURCE_EXHAUSTED, 413, 1009; and all go on for others', async () => {
  await using it = await started()
  const long = 'x'.repeat(LIMIT + 1)
  using raw = it.raw()
  assert.is((await raw.converse(METHODS.call, [bytesOf('/', long)])).status.code, Code.RESOURCE_EXHAUSTED)
  assert.is((await raw.unary(METHODS.single, bytesOf('/', long))).status.code, Code.RESOURCE_EXHAUSTED)
  assert.is((await raw.unary(METHODS.single, bytesOf('/'))).status.code, Code.OK)
  assert.is((await ask(it.gateway, json('/', long))).status, 413)
  assert.is((await ask(it.gateway, json('/'))).status, 200)
  assert.is((await ask(it.gateway, JSON.stringify({ query: `{ __typename # ${long}\n}` }), '/graphql')).status, 413)
  assert.is((await converse(it.gateway, 'bytes', [bytesOf('/', long)])).code, 1009)
  assert.is((await converse(it.gateway, 'json', [json('/', long)])).code, 1009)
})

test('C6, R133, R134: the server closes: UNAVAILABLE, 503, 1001; what is under way is answered', async () => {
  await using it = await started()
  door = deferred()
  called = deferred()
  using raw = it.raw()
  const { port } = it.gateway
  await within(5000, raw.unary(METHODS.single, bytesOf('/')))
  const socket = new WebSocket(it.gateway.addresses.websocket!, ['bytes'])
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  await within(5000, new Promise((resolve) => socket.on('open', resolve)))
  const [kept, busy] = [new Agent({ keepAlive: true, maxSockets: 1 }), new Agent({ keepAlive: true, maxSockets: 1 })]
  const posted = (endpoint: string, agent: Agent) =>
    new Promise<[number, string | undefined]>((resolve, reject) => {
      const sent = requestHttp(
        { port, host: '127.0.0.1', method: 'POST', path: '/post', agent, headers: { 'content-type': 'application/json' } },
        (response) => {
          response.resume()
          resolve([response.statusCode!, response.headers.connection])
        },
      )
      sent.on('error', reject)
      sent.end(json(endpoint))
    })
  assert.equal(await within(5000, posted('/', kept)), [200, 'keep-alive'])
  const first = posted('/wait', busy)
  await within(5000, called.promise)
  const closing = it.gateway.close()
  assert.is(await within(5000, closed), 1001)
  assert.is((await within(5000, raw.unary(METHODS.single, bytesOf('/')))).status.code, Code.UNAVAILABLE)
  assert.equal(await within(5000, posted('/', kept)), [503, 'close'])
  door.resolve()
  assert.equal(await within(5000, first), [200, 'close'], 'answered, and nothing more is to be asked there')
  await within(5000, closing)
  for (const agent of [kept, busy]) agent.destroy()
})

test('credentials: who is turned away again and again, on one connection, leaves no timer behind, at any path', async () => {
  await using flow = await new Flow({ protocol: 'http', port: 0, graphql: true, token: 'a-token-of-sixteen' }).add({ uses: act }).open()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const turnedAway = (path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const body = json('/')
      const headers = { 'content-type': 'application/json', 'content-length': body.length }
      requestHttp(flow.addresses['http']! + path, { method: 'POST', agent, headers }, (answer) => {
        answer.resume().on('close', () => resolve(answer.statusCode!))
      })
        .on('error', reject)
        .end(body)
    })
  try {
    for (const path of ['/post', '/graphql']) {
      assert.is(await turnedAway(path), 401)
      const before = timers()
      for (let i = 0; i < 50; i++) assert.is(await turnedAway(path), 401)
      const end = performance.now() + 20_000
      while (timers() > before + 5 && performance.now() < end) await new Promise(setImmediate)
      assert.ok(timers() <= before + 5, `${path}: ${timers()} timers, ${before} before`)
    }
  } finally {
    agent.destroy()
  }
})

test('C6: none of it is an error of the server', async () => {
  await using it = await started()
  using raw = it.raw()
  await raw.unary(METHODS.single, Buffer.from([0xff]))
  await ask(it.gateway, '{')
  await converse(it.gateway, 'json', ['{'])
  assert.equal(it.reported, [])
})

test.run()
