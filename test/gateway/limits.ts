// What holds for all requests to a gateway, whatever they come by: time, and how many there are at once.
import { status as Code, Metadata } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { DocumentArray } from '../../lib/doc/array.js'
import { Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { Limiter, type Limits } from '../../lib/handler/limits.js'
import { Refused } from '../../lib/handler/refused.js'
import { type Call, Document, Executor, Flow, type LogRecord } from '../../lib/index.js'
import type { Handler } from '../../lib/request/handler.js'
import { Header, Request } from '../../lib/request/request.js'
import { Permits } from '../../lib/stream/permits.js'
import { Scope } from '../../lib/stream/scope.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage, encodeSingle } from '../../lib/wire/proto/index.js'
import { deferred } from '../support/deferred.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const WIRES = ['grpc', 'http', 'websocket'] as const

/** An executor that waits at a door, and a gateway before it. */
async function started(options: GatewayOptions = {}) {
  const it = { inside: 0, highest: 0, begun: 0, told: 0, door: deferred<void>() }
  class Worker extends Executor {
    static requests = { '/wait': 'wait', '/parts': 'parts', '/deaf': 'deaf', '/default': 'quick' } as const
    quick({ docs }: Call) {
      for (const doc of docs) doc.text += '!'
    }
    async wait({ signal }: Call) {
      it.begun++
      it.highest = Math.max(it.highest, ++it.inside)
      const told = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(void it.told++)))
      await Promise.race([it.door.promise, told])
      await turn()
      it.inside--
    }
    async deaf() {
      it.begun++
      it.inside++
      await it.door.promise
      it.inside--
    }
    async *parts(call: Call) {
      yield { id: 'first', text: 'first' }
      await this.wait(call)
      yield { id: 'second', text: 'second' }
    }
  }
  const flow = await new Flow({ closeTimeout: 100 }).add({ name: 'worker', uses: Worker }).open()
  const reported: Error[] = []
  const gateway = await Gateway.serve(flow, { protocol: WIRES, graphql: true, onError: (error) => reported.push(error), ...options })
  const raw = new Raw(gateway.addresses.grpc!)
  return Object.assign(it, {
    gateway,
    reported,
    raw,
    until: (holds: () => boolean) => until(holds, 20_000),
    async [Symbol.asyncDispose]() {
      it.door.resolve()
      raw[Symbol.dispose]()
      await gateway.close(0)
      await flow.close()
    },
  })
}

const bytesOf = (execEndpoint: string, requestId = 'r1'): Buffer =>
  Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint, docs: [new Document({ text: 'a' })] as never })))

const json = (execEndpoint: string): string => JSON.stringify({ data: [{ text: 'a' }], execEndpoint })

async function ask({ gateway }: { gateway: Gateway }, body: string, more: Record<string, string> = {}, path = '/post') {
  const headers = { 'content-type': 'application/json', ...more }
  const response = await fetch(gateway.addresses.http! + path, { method: 'POST', headers, body })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

const docs = (endpoint: string): string => `{ docs(data: [{ text: "a" }], execEndpoint: "${endpoint}") { text } }`
const query = (it: { gateway: Gateway }, endpoint: string) => ask(it, JSON.stringify({ query: docs(endpoint) }), {}, '/graphql')

/** A WebSocket, and what has come over it. */
async function dial({ gateway }: { gateway: Gateway }, path = '/') {
  const socket = new WebSocket(gateway.addresses.websocket! + path)
  const answers: { header: { request_id: string; status: { code: number; description: string } }; partial?: boolean }[] = []
  socket.on('message', (data) => answers.push(JSON.parse(String(data))))
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  await within(5000, new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject)))
  return { socket, answers, closed }
}

const failure = async (posted: Promise<unknown>): Promise<string> => {
  try {
    await within(10_000, posted)
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'none'
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────────────

const LATE = { timeout: 100 }

test('G4, R44: what is not answered in time is 504, and its executor is told; a stream that has begun says so in a line and goes on', async () => {
  await using it = await started(LATE)
  const alone = await within(5000, ask(it, json('/wait')))
  assert.is(alone.status, 504)
  assert.match(JSON.parse(alone.text).header.status.description, /100 ms/)
  await it.until(() => it.told === 1)
  const options = '?exec_endpoint=/when&request_size=1&continue_on_error=true'
  const lines = await within(
    5000,
    ask(it, '{"text":"a"}\n{"text":"b"}\n', { 'content-type': 'application/x-ndjson' }, `/post${options.replace('/when', '/wait')}`),
  )
  assert.is(lines.status, 200)
  const statuses = lines.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).header.status)
  assert.equal(
    statuses.map(({ code }) => code),
    [1, 1],
  )
  for (const { description } of statuses) assert.match(description, /100 ms/)
  await it.until(() => it.told === 3)
  const first = await within(5000, ask(it, '{"text":"a"}\n', { 'content-type': 'application/x-ndjson' }, '/post?exec_endpoint=/wait'))
  assert.is(first.status, 504, 'nothing had begun')
  assert.equal(it.reported, [])
})

test('G4, R44: over gRPC it is DEADLINE_EXCEEDED, and within a stream an answer with the status ERROR', async () => {
  await using it = await started(LATE)
  const one = bytesOf('/wait')
  for (const [method, bytes] of [
    [METHODS.single, one],
    [METHODS.several, Buffer.concat([Buffer.of(0x0a, one.length), one])],
  ] as const) {
    const { status } = await within(5000, it.raw.unary(method, bytes))
    assert.is(status.code, Code.DEADLINE_EXCEEDED, method)
    assert.match(status.details, /100 ms/)
  }
  const { answers, status } = await within(5000, it.raw.converse(METHODS.call, [bytesOf('/wait', 'slow'), bytesOf('/', 'quick')]))
  assert.is(status.code, Code.OK)
  const all = answers.map((answer) => decodeMessage(answer))
  assert.equal(
    all.map(({ requestId, status }) => [requestId, status?.code ?? 'SUCCESS']),
    [
      ['quick', 'SUCCESS'],
      ['slow', 'ERROR'],
    ],
  )
  await it.until(() => it.told === 3)
  const document = it.raw.server(
    METHODS.document,
    Buffer.from(encodeSingle(emptyMessage({ execEndpoint: '/wait', docs: [new Document()] as never }), { model: 'v1' } as never)),
  )
  document.on('data', () => {}).on('error', () => {})
  const ended = await within(5000, new Promise<{ code: Code }>((resolve) => document.on('status', resolve)))
  assert.is(ended.code, Code.DEADLINE_EXCEEDED)
  await it.until(() => it.told === 4)
  assert.equal(it.reported, [])
})

test('G4, R44: over WebSocket it is an answer with the status ERROR, and the connection goes on', async () => {
  await using it = await started(LATE)
  for (const path of ['/', '/?partial=1']) {
    const { socket, answers, closed } = await dial(it, path)
    for (const body of [json('/wait'), json('/'), '{}']) socket.send(body)
    assert.is(await within(5000, closed), 1000)
    assert.equal(
      answers.map(({ header }) => header.status?.code ?? 0),
      [0, 1],
    )
    assert.match(answers[1]!.header.status.description, /100 ms/)
  }
  await it.until(() => it.told === 2)
  assert.equal(it.reported, [])
})

test('G4, R44: over GraphQL it is an error with the code TIMEOUT, and 504, also for what an executor makes in parts', async () => {
  await using it = await started(LATE)
  for (const endpoint of ['/wait', '/parts']) {
    const { status, text } = await within(5000, query(it, endpoint))
    assert.is(status, 504)
    assert.is(JSON.parse(text).errors[0].extensions.code, 'TIMEOUT')
  }
  await it.until(() => it.told === 2)
  assert.equal(it.reported, [])
})

test('G4, R44: a Client hears of it as ERR_TIMEOUT, by whatever it comes', async () => {
  await using it = await started(LATE)
  for (const wire of WIRES) {
    await using client = new Client(it.gateway.addresses[wire]!)
    assert.is(await failure(client.post('/wait', ['a']).docs()), 'ERR_TIMEOUT', wire)
    assert.equal((await client.post('/', ['a']).docs()).texts, ['a!'])
    if (wire === 'http') assert.is(await failure(client.mutate(docs('/wait'))), 'ERR_TIMEOUT', 'GraphQL')
  }
})

test('G4: an answer in parts must begin in time, and has no end', async () => {
  await using it = await started(LATE)
  for (const wire of WIRES) {
    it.door = deferred()
    await using client = new Client(it.gateway.addresses[wire]!)
    const texts: string[][] = []
    for await (const { docs, partial } of client.post('/parts', ['a'])) {
      texts.push(docs.map(({ text }) => text))
      if (!partial || texts.length > 1) continue
      // Longer than it may take to begin.
      await new Promise((resolve) => setTimeout(resolve, 300))
      it.door.resolve()
    }
    assert.equal(texts.at(-1), ['first', 'second'], wire)
  }
  assert.is(it.told, 0)
})

test('R44: the deadline of a call is that of its executors', async () => {
  await using it = await started()
  const { client } = it.raw
  const call = client.makeUnaryRequest(
    METHODS.single,
    (b: Buffer) => b,
    (b: Buffer) => b,
    bytesOf('/wait'),
    new Metadata(),
    { deadline: Date.now() + 1000 },
    () => {},
  )
  const { code } = await within(5000, new Promise<{ code: Code }>((resolve) => call.on('status', resolve)))
  assert.is(code, Code.DEADLINE_EXCEEDED)
  await it.until(() => it.told === 1)
})
// ── number ───────────────────────────────────────────────────────────────────────────────────────────────

/** Two inside and 32 in line, so that of 40 at once six are refused. */
const FEW = { maxInFlight: 2 }
const MANY = Array.from({ length: 40 }, (_, at) => at)

/** Has many ask at once: says what the refused are told, and sees the rest answered in turn. */
async function crowd<A>(it: Awaited<ReturnType<typeof started>>, asked: Promise<A>[], isRefused: (answer: A) => boolean, refused = 6): Promise<A[]> {
  const answers: A[] = []
  for (const one of asked) void one.then((answer) => answers.push(answer))
  await it.until(() => answers.length === refused)
  assert.is(it.inside, 2)
  assert.ok(answers.every(isRefused))
  it.door.resolve()
  const all = await within(10_000, Promise.all(asked))
  assert.is(all.filter(isRefused).length, refused)
  assert.is(it.highest, 2, 'never more than the bound')
  assert.is(it.begun, all.length - refused, 'nobody looked at those that were refused')
  assert.equal(it.reported, [])
  return all.filter(isRefused)
}

test('217: a refusal has no stack, which costs more than all the rest of it; other errors keep theirs', () => {
  const { cause, stack } = new Refused('ERR_TIMEOUT', 'Not answered within 5 ms')
  for (const one of [stack, cause.stack]) assert.not.match(one!, /\n\s+at /)
  assert.match(new Error('another').stack!, /\n\s+at /)
})

test('G4, R33: of many by HTTP, so many are inside, more wait, and the rest are 503 at once', async () => {
  await using it = await started(FEW)
  const all = MANY.map(() => ask(it, json('/wait')))
  for (const { headers, text } of await crowd(it, all, ({ status }) => status === 503)) {
    assert.is(headers.get('retry-after'), '1')
    assert.is(headers.get('sluice-retry-after'), '1000')
    assert.match(JSON.parse(text).header.status.description, /Busy: as many requests are under way as may be \(2\)/)
  }
})

test('G4, R33: of many by GraphQL, the rest are 503 with an error', async () => {
  await using it = await started(FEW)
  const all = MANY.map(() => query(it, '/wait'))
  for (const { headers, text } of await crowd(it, all, ({ status }) => status === 503)) {
    assert.is(headers.get('retry-after'), '1')
    const { extensions } = JSON.parse(text).errors[0]
    assert.equal([extensions.code, extensions['sluice-retry-after']], ['SERVICE_UNAVAILABLE', 1000])
  }
})

test('G4, R33: of many calls of gRPC, the rest are RESOURCE_EXHAUSTED', async () => {
  await using it = await started(FEW)
  const all = MANY.map(() => it.raw.unary(METHODS.single, bytesOf('/wait')))
  for (const { status } of await crowd(it, all, ({ status }) => status.code === Code.RESOURCE_EXHAUSTED)) {
    assert.match(status.details, /Busy/)
    assert.equal(status.metadata.get('grpc-retry-pushback-ms'), ['1000'])
  }
})

test('G4, R33: of many within streams of gRPC and WebSocket, the rest are answers with the status ERROR', async () => {
  await using grpc = await started(FEW)
  const calls = [0, 1, 2].map(() => grpc.raw.bidi(METHODS.call))
  const answered = calls.flatMap((call, at) => {
    const waiting = new Map<string, (failed: boolean) => void>()
    call.on('error', () => {})
    call.on('data', (bytes: Buffer) => {
      const { requestId, status } = decodeMessage(bytes)
      waiting.get(requestId)!(status?.code === 'ERROR')
    })
    const own = MANY.slice(0, 16).map((id) => new Promise<boolean>((resolve) => waiting.set(`${at}-${id}`, resolve)))
    for (const id of waiting.keys()) call.write(bytesOf('/wait', id))
    return own
  })
  await crowd(grpc, answered, (failed) => failed, 14)
  for (const call of calls) call.cancel()

  await using it = await started(FEW)
  const lines = await Promise.all([0, 1, 2].map(() => dial(it)))
  const all = lines.flatMap(({ socket }) => {
    const waiting: ((failed: boolean) => void)[] = []
    socket.on('message', (data) => waiting.shift()!(JSON.parse(String(data)).header.status?.code === 1))
    const own = MANY.slice(0, 16).map(() => new Promise<boolean>((resolve) => waiting.push(resolve)))
    for (const _ of own) socket.send(json('/wait'))
    return own
  })
  await crowd(it, all, (failed) => failed, 14)
  for (const { socket, closed } of lines) {
    socket.send('{}')
    assert.is(await within(5000, closed), 1000)
  }
})

test('G4: one bound for all wires; a Client hears ERR_UNREACHABLE; who asks whether it is well is answered', async () => {
  await using it = await started({ maxInFlight: 1 })
  let refused = 0
  const all = MANY.slice(0, 18).map(async (at) => {
    if (at % 2 === 0) refused += Number((await ask(it, json('/wait'))).status === 503)
    else refused += Number((await it.raw.unary(METHODS.single, bytesOf('/wait'))).status.code === Code.RESOURCE_EXHAUSTED)
  })
  await it.until(() => refused === 1)
  for (const wire of WIRES) {
    await using client = new Client(it.gateway.addresses[wire]!)
    assert.is(await failure(client.post('/', ['a']).docs()), 'ERR_UNREACHABLE', wire)
    assert.is(await within(5000, client.isFlowReady()), true, wire)
    if (wire === 'http') assert.is(await failure(client.mutate(docs('/'))), 'ERR_UNREACHABLE', 'GraphQL')
  }
  for (const path of ['/', '/healthz', '/ready', '/dry_run', '/status', '/openapi.json']) {
    const { status } = await within(5000, fetch(it.gateway.addresses.http! + path))
    assert.is(status, 200, path)
  }
  assert.is((await within(5000, it.raw.unary(METHODS.check, Buffer.alloc(0)))).status.code, Code.OK)
  it.door.resolve()
  await within(10_000, Promise.all(all))
  assert.is(it.begun, 17)
  assert.is(it.highest, 1)
})

test('G4, R33: next to who asks again and again, another waits for its turn and no longer', async () => {
  await using it = await started({ maxInFlight: 1 })
  it.door.resolve()
  let greedy = 0
  let over = false
  const flood = MANY.slice(0, 8).map(async () => {
    while (!over) {
      await ask(it, json('/wait'))
      greedy++
    }
  })
  await it.until(() => greedy > 8)
  await using client = new Client(it.gateway.addresses.grpc!)
  await client.post('/', ['a']).docs()
  for (let round = 0; round < 5; round++) {
    const before = greedy
    assert.is((await within(10_000, client.post('/wait', ['a']).docs())).length, 1)
    assert.ok(greedy - before <= 32, `${greedy - before} others were answered`)
  }
  over = true
  await Promise.all(flood)
})

test('G4: a request that is late keeps its place while its executor may just be about to end', async () => {
  await using it = await started({ maxInFlight: 1, timeout: 100 })
  for (let at = 0; at < 2; at++) assert.is((await within(5000, ask(it, json('/deaf')))).status, 504)
  assert.is(it.begun, 1, 'the others waited for it, and were late')
  it.door.resolve()
  assert.is((await within(5000, ask(it, json('/')))).status, 200)
})

test('219: a second after their time is up, requests whose executors hang give their places to others; as many as there are places', async () => {
  await using it = await started({ maxInFlight: 4, timeout: 100 })
  const hang = () => Promise.all([1, 2, 3, 4].map(async () => (await within(5000, ask(it, json('/deaf')))).status))
  assert.equal(await hang(), [504, 504, 504, 504])
  assert.is(it.begun, 4)
  assert.is((await within(5000, ask(it, json('/')))).status, 504, 'they hold all places')
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.is((await within(5000, ask(it, json('/')))).status, 200)
  assert.equal(await hang(), [504, 504, 504, 504])
  assert.is(it.begun, 8)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.is((await within(5000, ask(it, json('/')))).status, 504, 'no more of them than there are places')
  it.door.resolve()
  await until(() => it.inside === 0)
  it.door = deferred()
  it.highest = 0
  const all = MANY.slice(0, 12).map(() => ask(it, json('/wait')))
  await it.until(() => it.inside === 4)
  it.door.resolve()
  await within(5000, Promise.all(all))
  assert.is(it.highest, 4, 'there are as many places as before')
})

// ── the line ─────────────────────────────────────────────────────────────────────────────────────────────

const request = (endpoint = '/', scope = new Scope()): Request => new Request(new Header(endpoint, {}), DocumentArray.from([new Document()]), scope)

/** A peer that is opened by hand, request by request. */
function doors(limits: Limits) {
  const inside: { request: Request; done: (error?: unknown) => void }[] = []
  const peer: Handler = {
    accepts: () => true,
    handle: (request) => new Promise((resolve, reject) => inside.push({ request, done: (error) => (error === undefined ? resolve() : reject(error)) })),
  }
  return { inside, limited: new Limiter(peer, limits) }
}

test('G4: places are given in order; who is told to stop leaves the line; who fails gives its place back', async () => {
  const { inside, limited } = doors({ maxInFlight: 1 })
  const requests = MANY.slice(0, 5).map(() => request())
  const ends = requests.map((one) => Promise.resolve(limited.handle(one)).catch((error) => String(error)))
  await turn()
  assert.equal(
    inside.map(({ request }) => requests.indexOf(request)),
    [0],
  )
  requests[1]!.scope.abort('left')
  assert.is(await ends[1], 'left')
  inside[0]!.done(new Error('failed'))
  assert.is(await ends[0], 'Error: failed')
  inside[1]!.done()
  await turn()
  assert.equal(
    inside.map(({ request }) => requests.indexOf(request)),
    [0, 2, 3],
  )
  // It is inside: its place is free when it is done, and not before.
  requests[3]!.scope.abort('left')
  await turn()
  assert.is(inside.length, 3)
  inside[2]!.done()
  await turn()
  inside[3]!.done()
  assert.equal(await Promise.all(ends.slice(2)), [undefined, undefined, undefined])
  const again = limited.handle(request())
  assert.is(inside.length, 5, 'nobody is left inside')
  inside[4]!.done()
  await again
})

test('G4: those who leave make room in the line, and beyond it requests fail at once', async () => {
  const { limited } = doors({ maxInFlight: 1 })
  void limited.handle(request())
  const scopes = MANY.slice(0, 16).map(() => new Scope())
  const ends = scopes.map((scope) => Promise.resolve(limited.handle(request('/', scope))).catch(String))
  const busy = (): unknown => {
    try {
      void Promise.resolve(limited.handle(request())).catch(() => {})
      return undefined
    } catch (error) {
      return error
    }
  }
  assert.instance(busy(), Refused)
  for (const scope of scopes) scope.abort('left')
  assert.equal([...new Set(await Promise.all(ends))], ['left'])
  for (let at = 0; at < 16; at++) assert.is(busy(), undefined)
  assert.instance(busy(), Refused)
})

test('225: requests that are refused are two records: when it begins, and when it has ended, with how many there were', async () => {
  const records: LogRecord[] = []
  const { inside, limited } = doors({ maxInFlight: 1, logger: (record) => void records.push(record) })
  const told = (): unknown[] => records.filter(({ level }) => level !== 'debug').map(({ level, event, fields }) => [level, event, fields])
  const ends = MANY.slice(0, 30).map(async () => limited.handle(request()))
  assert.is((await Promise.allSettled(ends.slice(17))).filter(({ status }) => status === 'rejected').length, 13)
  assert.equal(told(), [['warn', 'overload.began', { limit: 1, waiting: 16 }]])
  limited.close()
  const [, [level, event, { refused, milliseconds }]] = told() as [unknown, [string, string, { refused: number; milliseconds: number }]]
  assert.equal([level, event, refused], ['info', 'overload.ended', 13])
  assert.ok(milliseconds >= 0)
  for (let at = 0; at < 17; at++) {
    inside[at]!.done()
    await turn()
  }
  await Promise.all(ends.slice(0, 17))
})

test('217: whose turn would come too late is refused, with the time in which to ask again, and its executors are told', async () => {
  const records: LogRecord[] = []
  const { inside, limited } = doors({ timeout: 60_000, logger: (record) => void records.push(record) })
  const http = limited.by('http')
  const asked = [http.handle(request()), http.handle(request())]
  const { scope } = inside[0]!.request
  scope.deadline!.shed!(5000)
  const refused = await within(
    5000,
    Promise.resolve(asked[0]).catch((error: Refused) => error),
  )
  assert.instance(refused, Refused)
  const { busy, message, cause } = refused as Refused
  assert.equal([busy, (cause as { retryAfter?: number }).retryAfter], [true, 5000])
  assert.match(message, /^Busy: .*Ask again later$/)
  assert.is(scope.reason, refused)
  inside[1]!.done()
  await asked[1]
  limited.close()
  assert.equal(
    records.filter(({ level }) => level !== 'debug').map(({ event }) => event),
    ['overload.began', 'overload.ended'],
  )
})

test('217: over wires whose clients leave without hanging up, nobody is refused early: that would cost more than who leaves', async () => {
  const { inside, limited } = doors({ timeout: 60_000 })
  const asked = ['grpc', 'http', 'graphql', 'websocket'].map((wire) => Promise.resolve(limited.by(wire).handle(request())).catch((error: Refused) => error))
  for (const { request } of inside) request.scope.deadline!.shed!(5000)
  assert.equal(
    inside.map(({ request }) => request.scope.aborted),
    [false, true, true, false],
  )
  for (const { done } of inside) done()
  await Promise.all(asked)
})

test('217: once some are refused whose turn would come too late, the newest go first in the lines that they were through', async () => {
  const { inside, limited } = doors({ maxInFlight: 1, timeout: 60_000 })
  const [first, second, third] = [request(), request(), request()]
  const http = limited.by('http')
  const asked = [first, second, third].map((one) => Promise.resolve(http.handle(one)).catch((error: Refused) => error))
  first.scope.deadline!.shed!(5000)
  assert.instance(await within(5000, asked[0]!), Refused)
  inside[0]!.done()
  await until(() => inside.length === 2)
  assert.is(inside[1]!.request, third)
  inside[1]!.done()
  await until(() => inside.length === 3)
  inside[2]!.done()
  await Promise.all(asked)
  assert.equal([limited.inside, limited.waiting], [0, 0])
})

test('217: what an executor has begun with is not refused as if it could be asked for again: in the lines of those behind it, and of replicas that all get it', async () => {
  let door = deferred<void>()
  let begun = { quick: 0, slow: 0 }
  const quick = (): void => void begun.quick++
  const slow = (): Promise<void> => {
    begun.slow++
    return door.promise
  }
  const flows = [
    new Flow().add({ name: 'quick', uses: quick }).add({ name: 'slow', uses: slow, concurrency: 1 }),
    new Flow().add({ name: 'slow', uses: slow, concurrency: 1, replicas: 2, polling: 'ALL' }),
  ]
  for (const flow of flows) {
    door = deferred<void>()
    begun = { quick: 0, slow: 0 }
    await using _ = await flow.open()
    const limited = new Limiter(flow, { timeout: 60_000 })
    const asked = [request(), request()]
    const done = asked.map((one) => limited.handle(one))
    await until(() => (flow === flows[0] ? begun.quick === 2 && begun.slow === 1 : begun.slow === 2))
    await turn()
    // Those of the first have it, and nobody has begun with the other, where there is nobody before.
    const [one, other] = asked.map(({ scope }) => scope.deadline!)
    one!.shed?.(5000)
    if (flow === flows[0]) other!.shed?.(5000)
    assert.is(one!.shed, undefined)
    assert.is(other!.shed === undefined, flow === flows[0])
    door.resolve()
    await Promise.all(done)
  }
})

test('G4: an executor that needs no promise needs none below its limits, and any number of them may wait', async () => {
  let handled = 0
  let door: (() => void) | undefined
  const first = new Promise<void>((resolve) => {
    door = resolve
  })
  const peer: Handler = { accepts: () => true, handle: () => (handled++ === 0 ? first : undefined) }
  const limited = new Limiter(peer, { maxInFlight: 2000, timeout: 60_000 })
  const slow = limited.handle(request())
  assert.instance(slow, Promise)
  assert.is(limited.handle(request()), undefined)
  door!()
  await slow
  const permits = new Permits(1, Infinity)
  const who = { scope: new Scope() }
  permits.take()
  let went = 0
  const go = (): void => {
    went++
    permits.give()
  }
  for (let at = 0; at < 100_000; at++) void permits.wait(who, go, () => new Error('full'))
  permits.give()
  assert.is(went, 100_000)
  assert.is(permits.take(), true)
  assert.is(permits.take(), false)
})

test('222: while answers hold all the bytes there may be, nothing begins that would make another', async () => {
  let begun = 0
  const peer: Handler = { accepts: () => true, handle: () => void begun++ }
  const limited = new Limiter(peer, { maxBytesInFlight: 1_000_000 })
  const answer = limited.bytes!.hold('a', true)
  answer.set(2_000_000)
  const asked = limited.handle(request())
  await turn()
  assert.is(begun, 0)
  answer.leave()
  await within(10_000, Promise.resolve(asked))
  assert.is(begun, 1)
})

test('220: who waits in line for the place of one that is cut off hears of that, too, and does not begin', async () => {
  let begun = 0
  let cut: ((reason: Error) => void) | undefined
  const peer = {
    accepts: () => true,
    handle: () => {
      begun++
      return new Promise<void>((_, reject) => {
        cut = reject
      })
    },
    health: () => ({ ready: true }),
    status: () => [],
    cut(reason: Error) {
      cut!(reason)
      return 1
    },
  }
  const limited = new Limiter(peer, { maxInFlight: 1 })
  const asked = [request(), request()].map((one) => Promise.resolve(limited.handle(one)).catch((error) => error.message))
  limited.cut(new Error('it shuts down'))
  assert.equal(await within(10_000, Promise.all(asked)), ['it shuts down', 'it shuts down'])
  assert.is(begun, 1)
})

test.run()
