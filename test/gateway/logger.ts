// What fails in a served Flow is told its logger, by whichever way it came; what the client did is none of its failures.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { type Call, type ExecutorError, Flow, type LogRecord } from '../../lib/index.js'
import { createGraphQL } from '../../lib/wire/graphql/index.js'
import { createHttp } from '../../lib/wire/http/server/fetch.js'
import { deferred } from '../support/deferred.js'
import { deadPort } from '../support/nobody.js'
import { within } from '../support/within.js'

const fail = ({ docs }: Call) => {
  if (docs[0]?.text === 'bad') throw new TypeError('cannot do bad')
}

function records() {
  const all: LogRecord[] = []
  return { all, logger: (record: LogRecord) => void all.push(record) }
}

function expect(all: LogRecord[], id?: string): void {
  assert.is(all.length, 1, JSON.stringify(all))
  const [{ level, time, event, requestId, executor, endpoint, error }] = all as [LogRecord]
  assert.equal([level, event, executor, endpoint], ['error', 'executor.failed', 'judge', '/judge'])
  assert.ok(Math.abs(time - Date.now()) < 60_000)
  assert.match(requestId!, /^[0-9a-f]{32}$/)
  if (id !== undefined) assert.is(requestId, id)
  assert.match(((error as ExecutorError).cause as Error).stack!, /cannot do bad[\s\S]*logger\.[jt]s/)
}

test('184: an executor that fails is one record, with request id, executor, endpoint and stack, over every wire', async () => {
  const { all, logger } = records()
  const heard: Error[] = []
  await using flow = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0, graphql: true, logger, onError: (error) => heard.push(error) })
    .add({ name: 'judge', uses: fail })
    .open()
  for (const address of Object.values(flow.addresses)) {
    await using client = new Client(address)
    const responses = await within(5000, client.post('/judge', ['good', 'bad'], { requestSize: 1, continueOnError: true }).toArray())
    expect(all.splice(0), responses.find(({ error }) => error !== undefined)!.requestId)
  }
  assert.equal(heard, [])
  await using client = new Client(flow.addresses.http!)
  await client.mutate('mutation { docs(data: { text: "bad" }, execEndpoint: "/judge") { id } }').catch(() => {})
  expect(all.splice(0))
  for await (const _ of client.subscribe('subscription { docs(data: { text: "bad" }, execEndpoint: "/judge") { requestId } }')) {
    // It comes with errors.
  }
  expect(all.splice(0))
})

test('184: handlers for other servers have a logger too', async () => {
  await using flow = await new Flow().add({ name: 'judge', uses: fail }).open()
  const { all, logger } = records()
  const headers = { 'content-type': 'application/json' }
  const ask = (body: object) => new Request('http://127.0.0.1/judge', { method: 'POST', headers, body: JSON.stringify(body) })
  await createHttp(flow, { logger, exposeEndpoints: { '/judge': {} } }).fetch(ask({ data: ['bad'] }))
  expect(all.splice(0))
  const query = 'mutation { docs(data: { text: "bad" }, execEndpoint: "/judge") { id } }'
  await createGraphQL(flow, { logger, path: '/judge' }).fetch(ask({ query }))
  expect(all.splice(0))
})

test('184: without a logger, nothing is written, but what always was', async () => {
  const { error } = console
  const written: unknown[] = []
  console.error = (...all) => written.push(all)
  try {
    await using flow = await new Flow({ protocol: 'http', port: 0, graphql: true }).add({ name: 'judge', uses: fail }).open()
    await using client = new Client(flow.addresses.http!)
    await client.post('/judge', 'bad', { continueOnError: true }).drain()
    const documents = 'docs(data: { text: "bad" }, execEndpoint: "/judge")'
    await client.mutate(`mutation { ${documents} { id } }`).catch(() => {})
    for await (const { errors } of client.subscribe(`subscription { ${documents} { docs { id } } }`)) assert.is(errors?.length, 1)
    const body = JSON.stringify({ query: `mutation { ${documents} { id } }` })
    await createGraphQL(flow).fetch(new Request('http://127.0.0.1/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body }))
    assert.equal(written, [])
  } finally {
    console.error = error
  }
})

test('184: a logger that throws changes nothing', async () => {
  const logger = () => {
    throw new Error('disk full')
  }
  await using flow = await new Flow({ protocol: 'grpc', port: 0, logger }).add({ name: 'judge', uses: fail }).open()
  await using client = new Client(flow.addresses.grpc!)
  const [response] = await client.post('/judge', 'bad', { continueOnError: true }).toArray()
  assert.match(response!.status.description, /cannot do bad/)
})

test('184: who left is no failure; what is late is a warning, what is refused a remark', async () => {
  const { all, logger } = records()
  const started = deferred<void>()
  const uses = ({ signal, docs }: Call) =>
    docs[0]?.text === 'quick'
      ? undefined
      : new Promise<void>((_, reject) => {
          started.resolve()
          signal.addEventListener('abort', () => reject(signal.reason))
        })
  await using flow = await new Flow({ protocol: 'http', port: 0, timeout: 200, logger }).add({ name: 'slow', uses }).open()
  await using client = new Client(flow.addresses.http!)
  const controller = new AbortController()
  const left = client.post('/', 'x', { signal: controller.signal }).drain()
  await within(5000, started.promise)
  controller.abort()
  await left.catch(() => {})
  await within(5000, client.post('/', 'late', { continueOnError: true }).drain()).catch(() => {})
  const events = all.map(({ level, event }) => `${level} ${event}`)
  assert.ok(events.includes('warn request.late'), String(events))
  assert.not.ok(
    events.some((event) => event.startsWith('error')),
    String(events),
  )
})

test('184: what fails in the background goes to the logger, unless onBackgroundError hears it', async () => {
  for (const own of [false, true]) {
    const { all, logger } = records()
    const heard: Error[] = []
    const onBackgroundError = own ? (error: Error) => void heard.push(error) : undefined
    const flow = await new Flow({ logger, onBackgroundError }).add({ name: 'audit', floating: true, uses: fail }).open()
    await flow.post('/', 'bad').drain()
    await flow.close()
    assert.equal([all.length, heard.length], own ? [0, 1] : [1, 0])
    if (!own) assert.equal([all[0]!.event, all[0]!.executor, all[0]!.level], ['background.failed', 'audit', 'error'])
  }
})

test('184: a Client tells of what it sends again', async () => {
  const { all, logger } = records()
  await using client = new Client(`http://127.0.0.1:${await deadPort()}`, { retries: { attempts: 2, delay: 1 }, logger })
  await client
    .post('/x', 'a', { continueOnError: true })
    .drain()
    .catch(() => {})
  assert.equal(
    all.map(({ level, event, endpoint }) => [level, event, endpoint]),
    [
      ['warn', 'request.retried', '/x'],
      ['warn', 'request.retried', '/x'],
    ],
  )
  assert.throws(() => new Client('http://127.0.0.1:1', { logger: 5 as any }), /logger must be a function/)
})

test.run()
