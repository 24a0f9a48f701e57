import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Call } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import { createGraphQL } from '../../../lib/wire/graphql/index.js'
import { deferred } from '../../support/deferred.js'
import { serve } from '../../support/graphql.js'
import { soonest } from '../../support/soonest.js'
import { events } from '../../support/sse.js'
import { within } from '../../support/within.js'

/** An executor that says when it was called, and when its signal aborts; it never answers by itself. */
function hanging() {
  const called = deferred<void>()
  const aborted = deferred<number>()
  const uses = ({ signal }: Call) => {
    called.resolve()
    return new Promise<void>((_, reject) =>
      signal.addEventListener('abort', () => {
        aborted.resolve(performance.now())
        reject(signal.reason)
      }),
    )
  }
  return { called: called.promise, aborted: aborted.promise, uses }
}

for (const operation of ['mutation', 'query', 'subscription'])
  test(`R43: a client that leaves a ${operation} reaches the executor's signal within 100 ms`, async () => {
    await soonest(100, async () => {
      const { called, aborted, uses } = hanging()
      await using flow = await new Flow().add({ uses }).open()
      await using server = await serve(flow)
      const client = new AbortController()
      const selection = operation === 'subscription' ? '{ docs { id } }' : '{ id }'
      const accept = operation === 'subscription' ? 'text/event-stream' : 'application/json'
      const answer = fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: JSON.stringify({ query: `${operation} { docs(data: { text: "x" }) ${selection} }` }),
        signal: client.signal,
      }).then((response) => response.text())
      answer.catch(() => {})
      await within(20_000, called)
      const left = performance.now()
      client.abort()
      const took = (await within(20_000, aborted)) - left
      // It is no error: nobody is told of one, also once everything is over.
      await server.ask('{ __typename }')
      assert.equal(server.reported, [])
      return took
    })
  })

for (const way of ['node:http', 'fetch'])
  test(`17: a client that leaves a mutation whose text came before reaches the executor's signal, over ${way}`, async () => {
    const { called, aborted, uses } = hanging()
    await using flow = await new Flow().add({ uses: (call) => (call.docs[0]!.text === 'first' ? undefined : uses(call)) }).open()
    await using server = await serve(flow)
    const handler = createGraphQL(flow, { onError: (error) => server.reported.push(error) })
    const ask = async (text: string, signal?: AbortSignal): Promise<string> => {
      const body = JSON.stringify({ query: 'mutation M($data: [StrawberryDocumentInput!]) { docs(data: $data) { text } }', variables: { data: [{ text }] } })
      const init: RequestInit = { method: 'POST', headers: { 'content-type': 'application/json' }, body, ...(signal && { signal }) }
      return await (await (way === 'fetch' ? handler.fetch(new Request(server.url, init)) : fetch(server.url, init))).text()
    }
    const answer = '{"data":{"docs":[{"text":"first"}]}}'
    assert.is(await ask('first'), answer)
    assert.is(await ask('first'), answer)
    const client = new AbortController()
    const left = ask('second', client.signal).then(assert.unreachable, (error) => error)
    await within(20_000, called)
    const reason = new Error('I go')
    client.abort(reason)
    assert.is(await within(20_000, left), reason)
    await within(20_000, aborted)
    assert.is(await ask('first'), answer)
    assert.equal(server.reported, [])
  })

test('R43: a client that leaves after the first response of a subscription stops the other requests', async () => {
  const { called, aborted, uses } = hanging()
  await using flow = await new Flow().add({ uses: (call) => (call.docs[0]!.text === 'first' ? undefined : uses(call)) }).open()
  await using server = await serve(flow)
  const client = new AbortController()
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { docs(data: [{ text: "first" }, { text: "second" }], requestSize: 1) { docs { text } } }' }),
    signal: client.signal,
  })
  const stream = events(response)
  const first = await within(2000, stream.next())
  assert.equal(first.value?.data, { data: { docs: { docs: [{ text: 'first' }] } } })
  await within(2000, called)
  client.abort()
  await within(1000, aborted)
})

test("R43: the signal of a Request reaches the executor's, without a server", async () => {
  const { called, aborted, uses } = hanging()
  await using flow = await new Flow().add({ uses }).open()
  const client = new AbortController()
  const answer = createGraphQL(flow).fetch(
    new Request('http://localhost/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'mutation { docs(data: { text: "x" }) { id } }' }),
      signal: client.signal,
    }),
  )
  answer.catch(() => {})
  await within(2000, called)
  client.abort()
  await within(1000, aborted)
})

test('R43: a thousand requests leave no listener behind and no warning', async () => {
  const warnings: Error[] = []
  const warn = (warning: Error) => warnings.push(warning)
  process.on('warning', warn)
  await using flow = await new Flow().add({ uses: () => {} }).open()
  const { fetch } = createGraphQL(flow)
  const { signal } = new AbortController()
  const body = JSON.stringify({ query: 'mutation { docs(data: { text: "x" }) { text } }' })
  for (let i = 0; i < 1000; i++)
    await (await fetch(new Request('http://localhost/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal }))).text()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', warn)
  assert.equal(warnings, [])
})

test.run()
