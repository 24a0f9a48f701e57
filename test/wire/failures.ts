// Documents that failed, over every wire: the others of their request come back, and they come with what they failed at.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { type Call, each, Flow } from '../../lib/index.js'

const protocols = ['grpc', 'http', 'websocket'] as const
const picky = each(
  (doc) => {
    if (doc.text.startsWith('bad')) throw new Error(`no ${doc.text}, see file:///srv/secret/list.txt`)
    doc.text += '!'
  },
  { retries: 1, delay: 0 },
)
const serve = () => new Flow({ protocol: [...protocols], port: [0, 0, 0], graphql: true }).add({ name: 'picky', uses: picky }).open()
const inputs = [
  { id: '1', text: 'a', tags: { n: 1 } },
  { id: '2', text: 'bad one', tags: { n: 2 } },
  { id: '3', text: 'b' },
]

function held(response: any, executor = 'picky'): void {
  assert.equal(
    response.docs.map(({ text }: any) => text),
    ['a!', 'b!'],
  )
  assert.is(response.status.code, 'SUCCESS')
  assert.is(response.failures.length, 1)
  const [{ doc, attempts, error, ...failure }] = response.failures
  assert.equal([doc.id, doc.text, doc.tags, failure.executor, attempts], ['2', 'bad one', { n: 2 }, executor, 2])
  assert.equal([error.name, error.code, error.requestId, error.executor], ['ExecutorError', 'ERR_EXECUTOR', response.requestId, executor])
  assert.match(error.message, /^picky failed at \/ for document 2 of request \S+: no bad one/)
  assert.not.match(error.message, /secret/)
}

for (const protocol of protocols) {
  test(`failures: a Client over ${protocol}`, async () => {
    await using flow = await serve()
    await using client = new Client(flow.addresses[protocol]!)
    const heard: string[] = []
    const [response] = await client.post('/', inputs, { onFailure: ({ doc }) => void heard.push(doc.text) }).toArray()
    held(response)
    assert.equal(heard, ['bad one'])
    // They are no parameters of anybody.
    const [again] = await client.post('/', inputs, { continueOnError: true, parameters: response!.parameters }).toArray()
    held(again)
    try {
      await client.post('/', inputs).docs()
      assert.unreachable()
    } catch (error) {
      assert.match((error as Error).message, /^picky failed at \/ for document 2/)
    }
  })

  test(`failures: an external executor over ${protocol}`, async () => {
    await using elsewhere = await serve()
    await using flow = await new Flow()
      .add({ name: 'before', uses: ({ docs }: Call) => void docs.append({ id: 'x', text: 'bad too' }) })
      .add({ name: 'remote', external: true, host: elsewhere.addresses[protocol]!, retries: 2 })
      .open()
    const [response] = await flow.post('/', inputs, { continueOnError: true }).toArray()
    assert.equal(
      response!.failures.map(({ doc, executor }) => [doc.text, executor]),
      [
        ['bad one', 'picky'],
        ['bad too', 'picky'],
      ],
    )
    assert.equal(
      response!.docs.map(({ text }) => text),
      ['a!', 'b!'],
    )
  })
}

test('failures: Jina messages have them below parameters', async () => {
  await using flow = await serve()
  const answer = await fetch(`${flow.addresses['http']}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data: inputs, execEndpoint: '/' }),
  })
  const { parameters, header } = (await answer.json()) as any
  const [{ doc, executor, attempts, status }] = parameters.__failures__
  assert.equal([doc.id, executor, attempts, status.code, status.exception.executor, status.exception.stacks], ['2', 'picky', 2, 'ERROR', 'picky', []])
  assert.is(header.status.code, 0)
})

test('failures: GraphQL has them in extensions, of a mutation and of each event', async () => {
  await using flow = await serve()
  await using client = new Client(flow.addresses['http']!)
  const data = inputs.map(({ id, text }) => ({ id, text }))
  const {
    data: got,
    errors,
    extensions,
  } = await client.mutate('mutation ($data: [StrawberryDocumentInput!]!) { docs(data: $data, execEndpoint: "/") { text } }', { data })
  assert.equal([got.docs.map(({ text }: any) => text), errors], [['a!', 'b!'], undefined])
  assert.equal(
    extensions.failures.map(({ doc, executor }: any) => [doc.id, executor]),
    [['2', 'picky']],
  )
  const events: any[] = []
  const subscription =
    'subscription ($data: [StrawberryDocumentInput!]!) { docs(data: $data, execEndpoint: "/", requestSize: 2, resultsInOrder: true) { docs { text } } }'
  for await (const event of client.subscribe(subscription, { data })) events.push(event)
  assert.equal(
    events.map(({ data, extensions }) => [data.docs.docs.map(({ text }: any) => text), extensions?.failures.map(({ doc }: any) => doc.id)]),
    [
      [['a!'], ['2']],
      [['b!'], undefined],
    ],
  )
})

test('failures: one that cannot be written has its id and text, and fails nobody else', async () => {
  const poisoned = each((doc) => {
    if (doc.text !== 'bad') return
    doc.tags = { size: 1n, self: doc }
    throw new Error('no')
  })
  await using flow = await new Flow({ protocol: [...protocols], port: [0, 0, 0] }).add({ uses: poisoned }).open()
  for (const protocol of protocols) {
    await using client = new Client(flow.addresses[protocol]!)
    const [response] = await client
      .post(
        '/',
        [
          { id: '1', text: 'a' },
          { id: '2', text: 'bad' },
        ],
        { continueOnError: true },
      )
      .toArray()
    assert.equal([response!.docs.texts, response!.failures.map(({ doc }) => [doc.id, doc.text, doc.tags])], [['a'], [['2', 'bad', {}]]], protocol)
  }
})

test('failures: what is none is a wrong answer, and no failure', async () => {
  const { createServer } = await import('node:http')
  const server = createServer((_, res) => {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ header: { requestId: 'x' }, parameters: { __failures__: [{ doc: 5 }] }, data: [] }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  try {
    await using client = new Client(`http://127.0.0.1:${(server.address() as any).port}`)
    await client.post('/', ['a']).docs()
    assert.unreachable()
  } catch (error) {
    assert.is((error as any).code, 'ERR_PROTOCOL')
    assert.match((error as Error).message, /__failures__/)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test.run()
