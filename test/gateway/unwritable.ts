// What executors make and nobody can write is found late, where answers are written: it must fail its own request, and nothing else.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { type Call, Document, Flow, type LogRecord } from '../../lib/index.js'
import { post } from '../../lib/post/post.js'
import { createHttp } from '../../lib/wire/http/server/fetch.js'
import { connect } from '../../lib/wire/websocket/client/connect.js'
import { collect } from '../support/collect.js'
import { events } from '../support/sse.js'
import { within } from '../support/within.js'

/** By the text of the document in which it is put, with what is said of it. */
const UNWRITABLE: Record<string, [(doc: Document) => object | void, RegExp]> = {
  'a bigint': [(doc) => void (doc.tags.id = 5n), /id is a bigint/],
  'a bigint in a list': [(doc) => void (doc.tags.list = [1, 2n]), /list(\[1\])? is a bigint/],
  'a toJSON that throws': [(doc) => void (doc.tags.v = { toJSON: () => thrown('not today') }), /not today/],
  'a toJSON that gives a bigint': [(doc) => void (doc.tags.v = { toJSON: () => 5n }), /v is a bigint/],
  'a getter that throws': [(doc) => void (doc.tags.v = Object.defineProperty({}, 'a', { enumerable: true, get: () => thrown('nor now') })), /nor now/],
  'what contains itself': [(doc) => void (doc.tags.self = doc.tags), /contain themselves/],
  'a document that contains itself in tags': [(doc) => void (doc.tags.v = inItself()), /contain themselves/],
}
/** What has no field that GraphQL's queries here ask for. */
const FURTHER: typeof UNWRITABLE = {
  'a document that is its own chunk': [(doc) => void doc.chunks.append(doc), /contain themselves/],
  'a bigint among results': [() => ({ a: 1n }), /a is a bigint/],
  'a document among results that has a bigint': [() => ({ d: new Document({ tags: { a: 5n } }) }), /a is a bigint/],
}
const ALL = { ...UNWRITABLE, ...FURTHER }

function thrown(message: string): never {
  throw new Error(message)
}

function inItself(): Document {
  const document = new Document({ text: 'x' })
  document.chunks.append(document)
  return document
}

const spoil = ({ docs }: Call) => {
  for (const doc of docs) if (Object.hasOwn(ALL, doc.text)) return ALL[doc.text]![0](doc)
}

const flowOf = () =>
  new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0, graphql: true, onError: () => {} }).add({ name: 'spoiler', uses: spoil as () => void })

const inputs = (what: string) => [{ text: 'before' }, { id: 'culprit', text: what }, { text: 'behind' }]

test('146: over every wire, an answer that cannot be written fails its own request, which says which document and why', async () => {
  await using flow = await flowOf().open()
  const { grpc, http, websocket } = flow.addresses
  const json = connect(websocket!, { mode: 'json' })
  for (const [address, peer] of [
    [grpc, new Client(grpc!)],
    [http, new Client(http!)],
    [websocket, new Client(websocket!)],
    [`${websocket} as JSON`, json],
  ] as const) {
    await using client = { [Symbol.asyncDispose]: async () => void (await peer.close()) }
    void client
    for (const [what, [, why]] of Object.entries(ALL)) {
      const options = { requestSize: 1, resultsInOrder: true, continueOnError: true }
      const posted = peer instanceof Client ? peer.post('/', inputs(what), options) : post(peer, '/', inputs(what), options)
      const responses = await within(5000, posted.toArray())
      assert.equal(
        responses.map(({ status }) => status.code),
        ['SUCCESS', 'ERROR', 'SUCCESS'],
        `${address}: ${what}`,
      )
      const { description, exception } = responses[1]!.status
      assert.match(description, why)
      if (!what.includes('results')) assert.match(description, /document culprit/)
      assert.is(exception!.executor, 'spoiler')
    }
  }
})

test('146, 184: on every wire, the logger hears of it as of other failures of its executor', async () => {
  const records: LogRecord[] = []
  const logger = (record: LogRecord) => void records.push(record)
  await using flow = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0, graphql: true, logger })
    .add({ name: 'spoiler', uses: spoil as () => void })
    .open()
  const { grpc, http, websocket } = flow.addresses
  const json = connect(websocket!, { mode: 'json' })
  const told = (way: string, requestId?: string): void => {
    assert.is(records.length, 1, `${way}: ${JSON.stringify(records)}`)
    const [{ level, event, executor, endpoint, error, ...record }] = records.splice(0) as [LogRecord]
    assert.equal([level, event, executor, endpoint], ['error', 'executor.failed', 'spoiler', '/spoil'], way)
    assert.match((error as Error).message, /spoiler cannot be sent: .*document culprit: .*id is a bigint/, way)
    if (requestId !== undefined) assert.is(record.requestId, requestId, way)
  }
  const options = { requestSize: 1, continueOnError: true }
  for (const address of [grpc, http, websocket]) {
    await using client = new Client(address!)
    const responses = await within(5000, client.post('/spoil', inputs('a bigint'), options).toArray())
    told(address!, responses.find(({ status }) => status.code === 'ERROR')!.requestId)
    await within(5000, client.post('/spoil', inputs('a bigint'), { requestSize: 0, continueOnError: true }).toArray())
    told(`${address!}, in one request`)
  }
  await within(5000, post(json, '/spoil', inputs('a bigint'), options).toArray())
  json.close()
  told('WebSocket, in JSON')
  await using client = new Client(http!)
  const documents = `docs(data: { id: "culprit", text: "a bigint" }, execEndpoint: "/spoil")`
  await client.mutate(`mutation { ${documents} { tags } }`).catch(() => {})
  told('a mutation')
  for await (const _ of client.subscribe(`subscription { ${documents} { docs { tags } } }`)) {
    // It comes with errors.
  }
  told('a subscription')
})

test('146: over GraphQL, it is an error of its field, and the subscription goes on', async () => {
  await using flow = await flowOf().open()
  const ask = (query: string, accept: string) =>
    fetch(`${flow.addresses.http}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json', accept }, body: JSON.stringify({ query }) })
  for (const [what, [, why]] of Object.entries(UNWRITABLE)) {
    const data = `data: [{ text: "before" }, { id: "culprit", text: ${JSON.stringify(what)} }, { text: "behind" }]`
    const mutation: any = await (await ask(`mutation { docs(${data}) { text tags } }`, 'application/json')).json()
    assert.equal(mutation.data.docs[1], { text: what, tags: null }, what)
    assert.equal([mutation.data.docs[0].text, mutation.errors.length, mutation.errors[0].path], ['before', 1, ['docs', 1, 'tags']])
    assert.match(mutation.errors[0].message, why)
    assert.match(mutation.errors[0].message, /document culprit: tags/)
    const { code, executor } = mutation.errors[0].extensions
    assert.equal([code, executor], ['ERR_EXECUTOR', 'spoiler'])

    const stream = events(await ask(`subscription { docs(${data}, requestSize: 1, resultsInOrder: true) { docs { text tags } } }`, 'text/event-stream'))
    const [first, second, third, end] = (await within(5000, collect(stream))).items
    assert.equal([first!.data.data.docs.docs[0].text, third!.data.data.docs.docs[0].text, end!.event], ['before', 'behind', 'complete'])
    assert.equal(second!.data.data.docs.docs, [{ text: what, tags: null }])
    assert.match(second!.data.errors[0].message, why)
  }
  const results = events(await ask('subscription { docs(data: { text: "a bigint among results" }) { parameters } }', 'text/event-stream'))
  assert.match((await within(5000, results.next())).value!.data.errors[0].message, /parameters\.__results__\.spoiler\.a is a bigint/)
})

test('146: what is not seen before it is written is one event with errors, and ends nothing', async () => {
  const reported: unknown[] = []
  // As is more text than a string can hold, which takes longer to make.
  const boxed = Object(5n)
  await using flow = await new Flow({ protocol: 'http', port: 0, graphql: { onError: (error) => reported.push(error) } })
    .add({ uses: ({ docs }: Call) => void (docs[0]!.text === 'bad' && (docs[0]!.tags.boxed = boxed)) })
    .open()
  const query = 'subscription { docs(data: [{ text: "bad" }, { text: "good" }], requestSize: 1, resultsInOrder: true) { docs { text tags } } }'
  const response = await fetch(`${flow.addresses.http}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query }),
  })
  const [bad, good, end] = (await within(5000, collect(events(response)))).items
  assert.match(bad!.data.errors[0].message, /^The answer cannot be sent: /)
  assert.is(bad!.data.data, null)
  assert.equal(good!.data, { data: { docs: { docs: [{ text: 'good', tags: {} }] } } })
  assert.is(end!.event, 'complete')
  assert.is(reported.length, 1)
})

test('146: typed arrays of bigints are lists of numbers on every wire', async () => {
  await using flow = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0, graphql: true })
    .add({
      name: 'ids',
      uses: ({ docs }: Call) => {
        docs[0]!.tags.ids = new BigInt64Array([1n, -2n])
        return { ids: new BigUint64Array([3n]) } as any
      },
    })
    .open()
  for (const address of Object.values(flow.addresses)) {
    await using client = new Client(address)
    const [response] = await client.post('/', 'x').toArray()
    assert.equal(response!.docs[0]!.tags, { ids: [1, -2] })
    assert.equal(response!.parameters.__results__, { ids: { ids: [3] } })
  }
  await using client = new Client(flow.addresses.http!)
  assert.equal((await client.mutate('mutation { docs(data: { text: "x" }) { tags } }')).data.docs, [{ tags: { ids: [1, -2] } }])
})

test('146: in a stream of an upload, the lines behind it follow', async () => {
  await using flow = await new Flow().add({ name: 'spoiler', uses: spoil as () => void }).open()
  const { fetch } = createHttp(flow, { onError: () => {} })
  const body = inputs('a bigint')
    .map((input) => `${JSON.stringify(input)}\n`)
    .join('')
  const request = (accept: string) =>
    new Request('http://127.0.0.1/post?requestSize=1&resultsInOrder=true&continueOnError=true', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', accept },
      body,
    })
  const lines = (await (await fetch(request('application/x-ndjson'))).text()).trim().split('\n')
  assert.equal(
    lines.map((line) => JSON.parse(line).header.status.code),
    [0, 1, 0],
  )
  const kinds = (await (await fetch(request('text/event-stream'))).text()).match(/^event: .*$/gm)
  assert.equal(kinds, ['event: response', 'event: error', 'event: response', 'event: end'])
})

/** How often the generator below went on behind what could not be written. */
let past = 0

/** Hands on each document twice: the first piece of a bad one cannot be written, what comes after it could be. */
async function* twice({ docs }: Call) {
  for (const doc of docs) {
    if (doc.text === 'bad') doc.tags.n = 5n
    yield doc
    if (doc.text === 'bad') past++
    delete doc.tags.n
    yield doc
  }
}

test('157: on every wire, a piece that cannot be written fails its own request once, and no piece follows it', async () => {
  await using flow = await new Flow({ protocol: ['grpc', 'http', 'websocket'], port: 0, onError: () => {} }).add({ name: 'twice', uses: twice }).open()
  for (const address of Object.values(flow.addresses)) {
    await using client = new Client(address)
    const seen: string[] = []
    const options = { requestSize: 1, resultsInOrder: true, continueOnError: true }
    for await (const { docs, partial, status } of client.post('/', ['before', 'bad', 'behind'], options)) {
      if (status.code === 'SUCCESS') seen.push(`${docs.texts} ${partial}`)
      else seen.push(`${status.exception!.executor}: ${/n is a bigint/.exec(status.description)}`)
    }
    assert.equal(seen, ['before true', 'before true', 'before false', 'twice: n is a bigint', 'behind true', 'behind true', 'behind false'], address)
    assert.is(past, 0, address)
  }
})

test('157: nor does one follow it in the answers to an upload, whose generator is closed', async () => {
  past = 0
  let closed = 0
  async function* uses(call: Call) {
    try {
      yield* twice(call)
    } finally {
      closed++
    }
  }
  await using flow = await new Flow().add({ name: 'twice', uses }).open()
  const reported: string[] = []
  const { fetch } = createHttp(flow, { onError: ({ message }) => reported.push(message) })
  const response = await fetch(
    new Request('http://127.0.0.1/post?requestSize=1&resultsInOrder=true&continueOnError=true', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: '{"text":"before"}\n{"text":"bad"}\n{"text":"behind"}\n',
    }),
  )
  const lines = (await within(5000, response.text()))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(
    lines.map(({ header, data, partial = false }) => `${header.status.code} ${data.map(({ text }: any) => text)} ${partial}`),
    ['0 before true', '0 before true', '0 before false', '1  false', '0 behind true', '0 behind true', '0 behind false'],
  )
  assert.is(reported.length, 1)
  assert.match(reported[0]!, /n is a bigint/)
  assert.equal([past, closed], [0, 3])
})

test.run()
