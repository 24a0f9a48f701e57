// A service that stops, and comes back: what clients asked is answered, in one time for all.
import { status } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { DocumentArray, Flow, type LogRecord } from '../../lib/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { deferred } from '../support/deferred.js'
import { Service } from '../support/service.js'
import { soonest, timed } from '../support/soonest.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const PROTOCOLS = ['grpc', 'http', 'websocket'] as const

test('205: close() of a served Flow takes its closeTimeout once, also when an executor hangs', async () => {
  // Each of the three ports and the executor with a time of its own would take a second more at least.
  await soonest(1900, async () => {
    const called = deferred<void>()
    const uses = () => {
      called.resolve()
      return new Promise<void>(() => {})
    }
    const flow = await new Flow({ protocol: [...PROTOCOLS], port: 0, closeTimeout: 1000 }).add({ uses }).open()
    await using client = new Client(flow.addresses.http!)
    const lost = client
      .post('/', ['a'])
      .docs()
      .catch((error) => error)
    await within(10_000, called.promise)
    const took = await timed(() => within(20_000, flow.close()))
    assert.is((await lost).code, 'ERR_UNREACHABLE')
    return took
  })
})

test('220: what is not done within closeTimeout is cut off: who waits hears why, over every wire, and the log has it', async () => {
  const records: LogRecord[] = []
  let called = 0
  const uses = () => {
    called++
    return new Promise<void>(() => {})
  }
  const flow = await new Flow({ protocol: [...PROTOCOLS], port: 0, graphql: true, closeTimeout: 500, logger: (record) => void records.push(record) })
    .add({ name: 'worker', uses })
    .open({ serve: { maxInFlight: 7 } })
  const { grpc, http, websocket } = flow.addresses
  const why = /Cut off: this service shuts down/
  const headers = { 'content-type': 'application/json' }
  const fetched = (path: string, body: object) =>
    fetch(http! + path, { method: 'POST', headers, body: JSON.stringify(body) }).then(async (response) => ({
      status: response.status,
      text: await response.text(),
    }))
  const clients = PROTOCOLS.map((protocol) => new Client(flow.addresses[protocol]!))
  const raw = new Raw(grpc!)
  const socket = new WebSocket(websocket!, ['json'])
  await new Promise((resolve) => socket.once('open', resolve))
  const closed = new Promise<[number, string]>((resolve) => socket.once('close', (code, reason) => resolve([code, String(reason)])))
  socket.send(JSON.stringify({ data: [{ text: 'a' }], header: { exec_endpoint: '/' }, execEndpoint: '/' }))
  const answers = [
    ...clients.map((client) =>
      client
        .post('/', ['a'])
        .docs()
        .catch((error) => error),
    ),
    raw.unary(METHODS.single, Buffer.from(encodeMessage(emptyMessage({ execEndpoint: '/', docs: DocumentArray.from([{ text: 'a' } as never]) })))),
    fetched('/post', { data: ['a'], execEndpoint: '/' }),
    fetched('/graphql', { query: 'mutation { docs(data: { text: "a" }, execEndpoint: "/") { id } }' }),
  ] as Promise<any>[]
  await until(() => called >= 7, 20_000)
  // It waits in line.
  const line = fetched('/post', { data: ['a'], execEndpoint: '/' })
  await until(async () => ((await (await fetch(`${http}/status`)).json()) as any).sluice.requests.waiting >= 1, 20_000)
  await within(20_000, flow.close())
  const [one, two, three, { status: end }, plain, graphql] = await within(5000, Promise.all(answers))
  for (const error of [one, two, three]) {
    assert.is(error.code, 'ERR_UNREACHABLE')
    assert.match(error.message, why)
  }
  assert.is(end.code, status.UNAVAILABLE)
  assert.match(end.details, why)
  for (const { status, text } of [plain, graphql, await within(5000, line)]) {
    assert.is(status, 503)
    assert.match(text, why)
  }
  assert.match(graphql.text, /SERVICE_UNAVAILABLE/)
  const [code, reason] = await within(5000, closed)
  assert.is(code, 1001)
  assert.match(reason, why)
  const story = records
    .filter(({ event }) => event.startsWith('drain.'))
    .map(({ level, event, fields }) => [level, event, fields!['requests'], fields!['executors']])
  assert.equal(story, [
    ['info', 'drain.began', 8, undefined],
    ['error', 'drain.cut', 8, 'worker (7)'],
    ['info', 'drain.ended', undefined, undefined],
  ])
  raw.client.close()
  for (const client of clients) await client.close()
})

test('220: of a Flow that two gateways serve, one that closes cuts off what came by it, and nothing else', async () => {
  const door = deferred<void>()
  let called = 0
  const uses = () => {
    called++
    return door.promise
  }
  await using flow = await new Flow().add({ uses }).open()
  const serve = () => Gateway.serve(flow, { port: 0, protocol: 'http' })
  const [one, other] = await Promise.all([serve(), serve()])
  const clients = [one, other].map(({ addresses }) => new Client(addresses.http!))
  const [cut, stays] = clients.map((client) => client.post('/', ['a']).docs())
  const inside = flow.post('/', ['a']).docs()
  cut!.catch(() => {})
  await until(() => called >= 3)
  await within(10_000, one.close(0))
  const said = await within(
    10_000,
    cut!.catch((error) => error),
  )
  assert.is((said as { code?: string }).code, 'ERR_UNREACHABLE')
  door.resolve()
  for (const post of [stays!, inside]) assert.equal((await within(10_000, post)).texts, ['a'])
  for (const client of clients) await client.close()
  await other.close(0)
})

test('205: what waits for a batch is sent out when a served Flow closes', async () => {
  let came = 0
  const flow = await new Flow({ protocol: [...PROTOCOLS], port: 0, closeTimeout: 60_000 })
    .add({ uses: () => void came++ })
    .add({ uses: () => {}, dynamicBatching: { preferredBatchSize: 100, timeout: 120_000 } })
    .open()
  const clients = PROTOCOLS.map((protocol) => new Client(flow.addresses[protocol]!))
  for (const client of clients) await client.open()
  const answered = clients.map((client) => client.post('/', ['a']).docs())
  await until(() => came >= 3)
  const closed = flow.close()
  for (const docs of await within(10_000, Promise.all(answered))) assert.is(docs.length, 1)
  await within(10_000, closed)
  for (const client of clients) await client.close()
})

test('155, 205: executors elsewhere and a gateway are restarted one by one under load, and no request fails', async () => {
  const work = () => new Promise<void>((resolve) => setTimeout(resolve, 5))
  const executor = (port: number) =>
    new Flow({ protocol: 'grpc', port })
      .add({ name: 'work', uses: async ({ docs }) => work().then(() => docs.forEach((doc) => void (doc.text += '!'))) })
      .open()
  const executors = [await executor(0), await executor(0)]
  const ports = executors.map(({ addresses }) => Number(new URL(addresses.grpc!).port))
  const gateway = () =>
    new Flow({ protocol: 'grpc', port: 0 }).add({ name: 'encode', external: true, host: ports.map((port) => `grpc://127.0.0.1:${port}`) }).open()
  let front = await gateway()
  const portOf = ({ addresses }: Flow<any>): number => Number(new URL(addresses.grpc!).port)
  const service = await Service.before(portOf(front))
  const raw = new Raw(`127.0.0.1:${service.port}`)
  const client = new Client(`grpc://127.0.0.1:${service.port}`)
  const failures: string[] = []
  let answered = 0
  let over = false
  const note = (text: string | undefined, why: string): void => {
    if (text === 'a!') answered++
    else failures.push(why)
  }
  const load = [
    async () => {
      const { answer, status: how } = await raw.unary(METHODS.single, asked())
      note(how.code === status.OK ? decodeMessage(answer!).docs[0]?.text : undefined, `unary: ${how.code} ${how.details}`)
    },
    async () => {
      const { answers, status: how } = await raw.converse(METHODS.call, [asked(), asked(), asked()])
      note(how.code === status.OK && answers.length === 3 ? decodeMessage(answers[2]!).docs[0]?.text : undefined, `Call: ${how.code} ${how.details}`)
    },
    async () => {
      const texts = await client
        .post('/', ['a', 'a', 'a'], { requestSize: 1 })
        .docs()
        .then(({ texts }) => texts)
        .catch((error) => [String(error)])
      note(texts.length === 3 ? texts[2] : undefined, `Client: ${texts}`)
    },
  ]
  const running = [...load, ...load].map(async (once) => {
    while (!over) await once()
  })
  const more = async (count: number): Promise<void> => {
    const wanted = answered + count
    await until(() => answered >= wanted || failures.length > 0, 20_000)
  }
  for (let round = 0; round < 2; round++) {
    for (const at of [0, 1]) {
      await more(30)
      await within(20_000, executors[at]!.close())
      await more(10)
      executors[at] = await executor(ports[at]!)
    }
    await more(30)
    const next = await gateway()
    service.target = portOf(next)
    await within(20_000, front.close())
    front = next
  }
  await more(30)
  over = true
  await within(20_000, Promise.all(running))
  assert.equal(failures, [])
  await client.close()
  raw[Symbol.dispose]()
  for (const one of [front, ...executors]) await one.close()
  await service[Symbol.asyncDispose]()
})

function asked(): Buffer {
  return Buffer.from(encodeMessage(emptyMessage({ requestId: 'one', execEndpoint: '/', docs: DocumentArray.from([{ text: 'a' }]) })))
}

test.run()
