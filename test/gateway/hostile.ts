// What a message can do to others: a document that cannot be read, on every way in and every shape of a graph.
import { status as Code } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Document, DocumentArray, Flow } from '../../lib/index.js'
import { type Post, post } from '../../lib/post/post.js'
import { madeOf } from '../../lib/wire/documents.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage, type Message } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { connect } from '../../lib/wire/websocket/client/connect.js'
import { mutated, random } from '../support/mutated.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const shout = ({ docs }: { docs: DocumentArray }): void => docs.forEach((doc) => void (doc.text = doc.text.toUpperCase()))
const work = { name: 'work', uses: shout } as const

/** How many times as many messages as CI sends. */
const RUNS = Number(process.env.SLUICE_FUZZ_RUNS ?? 1)

/** Flows in which documents of several requests meet, are copied, compared, or read when nobody waits any more. */
const SHAPES: Record<string, () => Flow> = {
  chain: () => new Flow().add(work),
  'a batch': () => new Flow().add({ ...work, dynamicBatching: { preferredBatchSize: 2, timeout: 50 } }),
  'a batch by weight': () => new Flow().add({ ...work, dynamicBatching: { preferredBatchSize: 9, timeout: 50, weight: (doc) => doc.text.length } }),
  'a condition': () => new Flow().add({ ...work, when: (doc) => doc.text !== 'none' }),
  'a query': () => new Flow().add({ ...work, when: { text: { $neq: 'none' } } }),
  'a fork and a join': () =>
    new Flow()
      .add(work)
      .add({ name: 'one', needs: 'work', uses: () => {} })
      .add({ name: 'two', needs: 'work', uses: () => {} })
      .needs(['one', 'two'], { name: 'both', join: 'merge' }),
  'replicas that all answer': () => new Flow().add({ ...work, parallel: 2, polling: 'ALL' }),
  'the first of replicas': () => new Flow().add({ ...work, parallel: 2, polling: 'ALL_ASYNC' }),
  retries: () => new Flow().add({ ...work, retries: 1, timeout: 1000 }),
  'one that floats': () => new Flow({ onBackgroundError: () => {} }).add(work).add({ name: 'aside', floating: true, uses: shout }),
}

/** A message whose only document is no document: a field with the number 0, right away or in a chunk. */
const poison = (requestId: string, inChunk = false): Buffer => {
  const bytes = Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint: '/', docs: DocumentArray.from([{ id: 'id', chunks: [{ id: 'c' }] }]) })))
  bytes.fill(0, bytes.indexOf(inChunk ? Buffer.from('c') : Buffer.from('id')) - 2, bytes.length)
  return bytes
}
const good = (requestId: string): Buffer =>
  Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint: '/', docs: DocumentArray.from([{ text: 'good' }]) })))

/** What came back over a WebSocket for messages, by request id. */
async function overWebSocket(address: string, messages: readonly Buffer[]): Promise<Message[]> {
  const socket = new WebSocket(address, ['bytes'])
  const answers: Message[] = []
  await within(
    5000,
    new Promise<void>((resolve, reject) => {
      socket.on('open', () => {
        for (const message of messages) socket.send(message)
        socket.send(Buffer.of(0))
      })
      socket.on('message', (data) => answers.push(decodeMessage(data as Buffer)))
      socket.on('close', () => resolve())
      socket.on('error', reject)
    }),
  )
  return answers
}

/** A gateway before a Flow, and an innocent client of it; all gone at the end of the block, quickly. */
async function beside(flow: Flow) {
  await flow.open()
  const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], port: 0, onError: () => {} })
  const innocent = new Client(gateway.addresses.http!)
  return {
    addresses: gateway.addresses as Record<'grpc' | 'http' | 'websocket', string>,
    ask: async () => (await within(5000, innocent.post('/', ['innocent']).docs())).texts,
    async [Symbol.asyncDispose]() {
      await innocent.close()
      await within(2000, gateway.close())
      await within(2000, flow.close())
    },
  }
}

for (const [name, flowOf] of Object.entries(SHAPES)) {
  test(`145: a document that cannot be read fails its own request alone, as its sender's fault: ${name}`, async () => {
    await using server = await beside(flowOf())
    for (const inChunk of [false, true]) {
      const innocents = [server.ask(), server.ask()]
      using raw = new Raw(server.addresses.grpc)
      const { status } = await within(5000, raw.unary(METHODS.single, poison('u', inChunk)))
      assert.is(status.code, Code.INVALID_ARGUMENT)
      assert.match(status.details, /^The request cannot be read: The bytes are not a message of Jina/)

      const stream = await within(5000, raw.converse(METHODS.call, [good('a'), poison('p', inChunk), good('b')]))
      assert.is(stream.status.code, Code.OK)
      await alone(stream.answers.map((bytes) => decodeMessage(bytes)))
      await alone(await overWebSocket(server.addresses.websocket, [good('a'), poison('p', inChunk), good('b')]))
      for (const innocent of innocents) assert.equal(await innocent, ['INNOCENT'])
    }
    assert.equal(await server.ask(), ['INNOCENT'])
  })
}

/** Of three requests, the one in the middle failed. */
async function alone(answers: readonly Message[]): Promise<void> {
  const of = (id: string): Message => answers.find(({ requestId }) => requestId === id)!
  assert.equal([of('a').docs.texts, of('b').docs.texts], [['GOOD'], ['GOOD']])
  const { status, docs } = of('p')
  assert.equal([status?.code, status?.exception?.name, status?.exception?.stacks, docs.length], ['ERROR', 'ConnectionError', [], 0])
  assert.match(status!.description, /are not a message of Jina/)
}

test('145: a message without an id whose document cannot be read is no request: it ends its stream, and nothing else', async () => {
  await using server = await beside(SHAPES['a batch']!())
  const innocent = server.ask()
  using raw = new Raw(server.addresses.grpc)
  const { status } = await within(5000, raw.converse(METHODS.call, [poison('')]))
  assert.is(status.code, Code.INVALID_ARGUMENT)
  assert.equal(await overWebSocket(server.addresses.websocket, [poison('')]), [])
  assert.equal(await innocent, ['INNOCENT'])
})

test('148: a request has at most maxDocuments, chunks and matches included, on every wire', async () => {
  await using flow = await new Flow().add(work).open()
  await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], port: 0, graphql: true, maxDocuments: 10, onError: () => {} })
  const many = (count: number): object[] => [{ text: 'a', matches: [{ id: 'm' }], chunks: Array.from({ length: count - 2 }, (_, i) => ({ id: `${i}` })) }]
  const reason = /A request has more than 10 documents, chunks and matches included\. Send fewer at a time, or raise maxDocuments/
  const refused = async (asked: Promise<unknown>): Promise<void> => {
    const error: any = await asked.catch((error) => error)
    assert.match(error.message, reason)
    assert.equal([error.name, error.code], ['ConnectionError', 'ERR_TOO_LARGE'], error.message)
  }
  for (const [wire, address] of Object.entries(gateway.addresses)) {
    await using client = new Client(address)
    assert.equal((await client.post('/', many(10)).docs()).texts, ['A'], wire)
    await refused(client.post('/', many(11)).drain())
    const answers = await client.post('/', [...many(11), ...many(9)], { requestSize: 1, continueOnError: true, resultsInOrder: true }).toArray()
    assert.equal([answers[0]!.status.code, answers[1]!.docs.texts], ['ERROR', ['A']], `${wire}: others go on`)
  }
  // A call of one request, as other clients make it.
  using raw = new Raw(gateway.addresses.grpc!)
  const message = encodeMessage(emptyMessage({ requestId: 'r', docs: DocumentArray.from(many(11)) }))
  assert.is((await raw.unary(METHODS.single, Buffer.from(message))).status.code, Code.RESOURCE_EXHAUSTED)
  const json = connect(gateway.addresses.websocket!, { mode: 'json' })
  assert.equal((await post(json, '/', many(10)).docs()).texts, ['A'])
  await refused(post(json, '/', many(11)).drain())
  await json.close()
  await using client = new Client(gateway.addresses.http!)
  const mutation = 'mutation ($data: [StrawberryDocumentInput!]!) { docs(data: $data) { text } }'
  assert.equal((await client.mutate(mutation, { data: many(10) })).data.docs, [{ text: 'A' }])
  await refused(client.mutate(mutation, { data: many(11) }))
})

test('148: a body in JSON has at most maxJsonBytes, one in protobuf maxMessageBytes', async () => {
  await using flow = await new Flow().add(work).open()
  await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], port: 0, maxJsonBytes: 1000, onError: () => {} })
  const answered = (asked: Post): Promise<string> =>
    asked.docs().then(
      (docs) => String(docs.texts[0]!.length),
      ({ code }) => code,
    )
  const ask = async (address: string): Promise<string> => {
    await using client = new Client(address)
    return await answered(client.post('/', 'a'.repeat(2000)))
  }
  const { grpc, http, websocket } = gateway.addresses
  const json = connect(websocket!, { mode: 'json' })
  const answers = [await ask(grpc!), await ask(websocket!), await ask(http!), await answered(post(json, '/', 'a'.repeat(2000)))]
  assert.equal(answers, ['2000', '2000', 'ERR_TOO_LARGE', 'ERR_TOO_LARGE'])
  await json.close()
})

test('148: others are served while the documents of a large body are made', async () => {
  const items = Array.from({ length: 5000 }, (_, at) => at)
  let turns = 0
  let over = false
  const others = (): void => {
    turns++
    if (!over) setImmediate(others)
  }
  setImmediate(others)
  // As long as a large document takes.
  const docs = await madeOf(items, (item) => {
    for (const end = performance.now() + 0.02; performance.now() < end; );
    return new Document({ id: String(item) })
  })
  over = true
  assert.equal([docs.length, docs[4999]!.id], [5000, '4999'])
  assert.ok(turns >= 4, `${turns} turns`)
  assert.not.instance(
    madeOf(items.slice(0, 100), (item) => new Document({ id: String(item) })),
    Promise,
  )
})

const DOCS = [
  { id: 'a', text: 'a text', tags: { lang: 'en', list: [1, { deep: null }] }, chunks: [{ id: 'c', embedding: new Float32Array(4) }] },
  { id: 'b', tensor: { data: new Float64Array(6), shape: [2, 3] }, scores: { cos: 0.5 }, location: [1, 2], matches: [{ id: 'm', blob: new Uint8Array(3) }] },
]

test(`${600 * RUNS} hostile messages to a Flow with every handler: the process lives, and an innocent client is answered`, async () => {
  const elsewhere = new Flow({ protocol: 'grpc', port: 0 }).add(work)
  await elsewhere.open()
  const flow = new Flow({ onBackgroundError: () => {} })
    .add({ ...work, dynamicBatching: { preferredBatchSize: 4, timeout: 5 }, retries: 1, timeout: 5000, parallel: 2 })
    .add({ name: 'kept', needs: 'work', when: { id: { $neq: 'none' } }, uses: ({ docs }) => docs.forEach((doc) => void doc.tags) })
    .add({ name: 'all', needs: 'work', parallel: 2, polling: 'ALL', uses: ({ docs }) => docs.forEach((doc) => void doc.chunks[0]?.embedding) })
    .add({ name: 'outside', needs: ['kept', 'all'], join: 'merge', external: true, host: elsewhere.addresses.grpc! })
    .add({ name: 'aside', needs: 'work', floating: true, uses: ({ docs }) => void JSON.stringify(docs) })
  const before = process.listenerCount('uncaughtException')
  {
    await using server = await beside(flow)
    using raw = new Raw(server.addresses.grpc)
    const below = random(145)
    const message = encodeMessage(emptyMessage({ requestId: 'r', execEndpoint: '/', parameters: { top: 5 }, docs: DocumentArray.from(DOCS) }))
    const json = Buffer.from(JSON.stringify({ data: DocumentArray.from(DOCS), execEndpoint: '/', requestId: 'r', parameters: { top: 5 } }))
    const ways: ((bytes: (from: Uint8Array) => Buffer) => Promise<unknown>)[] = [
      (bytes) => raw.unary(METHODS.single, bytes(message)),
      (bytes) => raw.converse(METHODS.call, [bytes(message), good('after')]),
      (bytes) => overWebSocket(server.addresses.websocket, [bytes(message), good('after')]).catch(() => {}),
      (bytes) =>
        fetch(`${server.addresses.http}/post`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: new Uint8Array(bytes(json)) }).then(
          async (answer) => {
            assert.ok(answer.status < 500, `${answer.status}: ${await answer.text()}`)
          },
        ),
    ]
    for (let round = 0; round < 30 * RUNS; round++) {
      const innocent = server.ask()
      await within(20_000, Promise.all(Array.from({ length: 20 }, () => ways[below(ways.length)]!((from) => mutated(Buffer.from(from), below)))))
      assert.equal(await innocent, ['INNOCENT'], `round ${round}`)
    }
  }
  assert.is(process.listenerCount('uncaughtException'), before)
  await elsewhere.close()
})

test.run()
