// What clients of GraphQL try: what there is answers as they know it, and what there is not says what to do.
import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { Client } from '../../../lib/client/index.js'
import { delta, Flow } from '../../../lib/index.js'
import { createGraphQL } from '../../../lib/wire/graphql/index.js'
import { deferred } from '../../support/deferred.js'
import { serve } from '../../support/graphql.js'
import { within } from '../../support/within.js'

const JSON_TYPE = { 'content-type': 'application/json' }
const APOLLO = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/graphql-response+json,application/json;q=0.9'

const words = () =>
  new Flow().add({
    async *uses({ docs }) {
      for (const doc of docs) for (const text of ['It', ' is', ' raining']) yield delta(doc, { text })
    },
  })
const SUBSCRIPTION = 'subscription { docs(data: { text: "" }, execEndpoint: "/") { partial delta { text } docs { text } } }'

test('a hash of a persisted query, which is not kept, is answered so that links send the query', async () => {
  await using flow = await words().open()
  await using server = await serve(flow)
  const query = '{ __typename }'
  const extensions = { persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') } }
  const answers = [
    await server.send({ body: JSON.stringify({ extensions }) }),
    await server.send({
      body: JSON.stringify({ extensions, operationName: 'x', variables: {} }),
      headers: { ...JSON_TYPE, accept: 'application/graphql-response+json' },
    }),
    await server.send(
      { method: 'GET', headers: { accept: 'application/json', 'apollo-require-preflight': '1' } },
      `?extensions=${encodeURIComponent(JSON.stringify(extensions))}`,
    ),
  ]
  for (const { status, errors } of answers) {
    assert.is(status, 200)
    assert.equal(
      errors.map(({ message, extensions }) => [message, extensions.code]),
      [
        ['PersistedQueryNotFound', 'PERSISTED_QUERY_NOT_FOUND'],
        ['PersistedQueryNotSupported', 'PERSISTED_QUERY_NOT_SUPPORTED'],
      ],
    )
  }
  const { data } = await server.send({ body: JSON.stringify({ query, extensions }) })
  assert.equal(data, { __typename: 'Query' })
  // Without a hash, there is nothing to fall back from.
  const { errors } = await server.send({ body: JSON.stringify({ extensions: {} }) })
  assert.match(errors[0].message, /Must provide query string/)
})

test("a subscription as Apollo's link asks for it comes as parts of one answer, piece by piece", async () => {
  let more = deferred<void>()
  const left = deferred<void>()
  await using flow = await new Flow()
    .add({
      async *uses({ docs: [doc], signal }) {
        signal.addEventListener('abort', () => left.resolve())
        yield delta(doc!, { text: 'It' })
        await more.promise
        yield delta(doc!, { text: ' is' })
      },
    })
    .open()
  await using server = await serve(flow)
  const init = { method: 'POST', headers: { ...JSON_TYPE, accept: APOLLO }, body: JSON.stringify({ query: SUBSCRIPTION }) }
  const response = await fetch(server.url, init)
  assert.is(response.status, 200)
  assert.is(response.headers.get('content-type'), 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0"')
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const until = async (wanted: string): Promise<void> => {
    while (!text.includes(wanted)) {
      const { done, value } = await within(5000, reader.read())
      assert.not.ok(done, text)
      text += value
    }
  }
  await until('"It"')
  assert.not.ok(text.includes('" is"'))
  more.resolve()
  await until('--graphql--')
  assert.ok((await within(5000, reader.read())).done)
  const parts = text.split('\r\n--graphql').slice(1)
  assert.is(parts.pop(), '--\r\n')
  const said = parts.map((part) => {
    const [head, body] = part.split('\r\n\r\n')
    assert.is(head, '\r\ncontent-type: application/json')
    return JSON.parse(body!)
  })
  // The first says only that it stands.
  assert.equal(said[0], {})
  assert.equal(
    said.slice(1).map(({ payload }) => payload.data.docs.delta?.[0].text ?? payload.data.docs.docs[0].text),
    ['It', ' is', 'It is'],
  )

  // Who leaves ends the work.
  more = deferred<void>()
  const abort = new AbortController()
  const other = await fetch(server.url, { ...init, signal: abort.signal })
  await other.body!.getReader().read()
  abort.abort()
  await within(5000, left.promise)
  more.resolve()
})

test('what Apollo asks for and is wrong is JSON, and a query is', async () => {
  await using flow = await words().open()
  await using server = await serve(flow)
  const ask = async (query: string) => server.send({ body: JSON.stringify({ query }), headers: { ...JSON_TYPE, accept: APOLLO } })
  assert.match((await ask('subscription { docs(data: { text: "" }) { texts } }')).errors[0].message, /Cannot query field "texts"/)
  assert.equal((await ask('{ __typename }')).data, { __typename: 'Query' })
})

test('an answer that is wanted in a type that nobody writes says which there are', async () => {
  await using flow = await words().open()
  await using server = await serve(flow, { cors: ['https://app.example'] })
  for (const accept of ['text/plain', 'application/xml']) {
    const { status, errors, headers } = await server.send({
      body: '{"query":"{ __typename }"}',
      headers: { ...JSON_TYPE, accept, origin: 'https://app.example' },
    })
    assert.is(status, 406)
    assert.equal(errors, [
      {
        message: `Nothing is answered as "${accept}". Send accept: application/json, or text/event-stream for a subscription`,
        extensions: { code: 'NOT_ACCEPTABLE' },
      },
    ])
    assert.is(headers.get('access-control-allow-origin'), 'https://app.example')
  }
  const answer = await createGraphQL(flow).fetch(
    new Request('http://x/graphql', { method: 'POST', headers: { ...JSON_TYPE, accept: 'text/plain' }, body: '{"query":"{ __typename }"}' }),
  )
  assert.is(answer.status, 406)
  assert.match(await answer.text(), /Send accept: application\/json/)
})

test('a WebSocket that wants GraphQL is closed with a reason that names server-sent events, whatever else is served', async () => {
  for (const protocol of [['http'], ['http', 'websocket', 'grpc']] as const) {
    await using flow = await new Flow({ protocol: [...protocol], port: 0, graphql: true }).add({}).open()
    const { host } = new URL(flow.addresses.http!)
    const closed = (path: string, subprotocol?: string) =>
      within(
        5000,
        new Promise((resolve, reject) => {
          const socket = new WebSocket(`ws://${host}${path}`, subprotocol === undefined ? [] : [subprotocol])
          socket.on('close', (code, reason) => resolve([code, String(reason), socket.protocol]))
          socket.on('error', reject)
        }),
      )
    const why = 'GraphQL subscriptions come by server-sent events (graphql-sse), not by WebSocket: see docs/graphql.md'
    assert.equal(await closed('/graphql', 'graphql-transport-ws'), [4406, why, 'graphql-transport-ws'])
    assert.equal(await closed('/', 'graphql-ws'), [4406, why, 'graphql-ws'])
    assert.equal(await closed('/graphql?x=1'), [4406, why, ''])
    // What is none of GraphQL's is as it was.
    await using client = new Client(`http://${host}`)
    assert.is(await client.post('/', 'x').drain(), 1)
    if (protocol.length > 1) {
      await using other = new Client(`ws://${host}`)
      assert.is(await other.post('/', 'x').drain(), 1)
    }
    const upgrade = await fetch(`http://${host}/healthz`)
    assert.is(upgrade.status, 200)
  }
})

test('a server of others that hands over a WebSocket is told to refuse it', async () => {
  await using flow = await new Flow().open()
  const answer = await createGraphQL(flow).fetch(new Request('http://x/graphql', { headers: { upgrade: 'websocket', connection: 'Upgrade' } }))
  assert.is(answer.status, 426)
  assert.match((await answer.json()).errors[0].message, /server-sent events/)
})

test('a path where GraphQL is not says where it is', async () => {
  await using flow = await new Flow().open()
  const answer = await createGraphQL(flow).fetch(
    new Request('http://x/api/graphql', { method: 'POST', headers: JSON_TYPE, body: '{"query":"{ __typename }"}' }),
  )
  assert.is(answer.status, 404)
  assert.match(await answer.text(), /GraphQL is at \/graphql\. .*createGraphQL\(flow, \{ path: '\/api\/graphql' \}\)/)
})

test('C4: mutate() says what to do where nobody answers it', async () => {
  const refused = async (address: string) => {
    await using client = new Client(address)
    return await client.mutate('mutation { docs(data: { text: "a" }) { text } }').then(
      () => 'nothing',
      (error) => `${error.code} ${error.message}`,
    )
  }
  await using http = await new Flow({ protocol: 'http', port: 0 }).add({}).open()
  assert.match(await refused(http.addresses.http!), /^ERR_PROTOCOL .*no GraphQL answers there \(404\)\. Serve the Flow with graphql: true and protocol: 'http'/)
  await using websocket = await new Flow({ protocol: 'websocket', port: 0 }).add({}).open()
  assert.match(await refused(websocket.addresses.websocket!), /^ERR_PROTOCOL .*For HTTP and GraphQL, serve the Flow with protocol: 'http', too/)
  await using grpc = await new Flow({ protocol: 'grpc', port: 0 }).add({}).open()
  assert.match(await refused(grpc.addresses.grpc!), /^ERR_PROTOCOL .*serve the Flow with protocol: \['grpc', 'http'\]/)
})

test.run()
