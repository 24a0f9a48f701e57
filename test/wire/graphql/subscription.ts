import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Call } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import { deferred } from '../../support/deferred.js'
import { serve } from '../../support/graphql.js'
import { events } from '../../support/sse.js'
import { within } from '../../support/within.js'

const subscribe = async (url: string, query: string, variables?: object) =>
  events(
    await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query, variables }),
    }),
  )

test('G2: a subscription gives each response when it is there, before the others are', async () => {
  const doors = { slow: deferred<void>(), fast: deferred<void>() }
  await using flow = await new Flow().add({ uses: ({ docs }: Call) => doors[docs[0]!.text as 'slow' | 'fast'].promise }).open()
  await using server = await serve(flow)
  const stream = await subscribe(
    server.url,
    'subscription { docs(data: [{ text: "slow" }, { text: "fast" }], requestSize: 1) { docs { text } status { code } } }',
  )
  const first = within(2000, stream.next())
  doors.fast.resolve()
  assert.equal((await first).value, { event: 'next', data: { data: { docs: { docs: [{ text: 'fast' }], status: { code: 'SUCCESS' } } } } })
  doors.slow.resolve()
  assert.equal((await within(2000, stream.next())).value?.data.data.docs.docs, [{ text: 'slow' }])
  assert.is((await within(2000, stream.next())).value?.event, 'complete')
})

test('229: nobody in between keeps the answers of a subscription back', async () => {
  await using flow = await new Flow().add({}).open()
  await using server = await serve(flow)
  const ask = (accept: string, query: string) =>
    fetch(server.url, { method: 'POST', headers: { 'content-type': 'application/json', accept }, body: JSON.stringify({ query }) })
  const streamed = await ask('text/event-stream', 'subscription { docs(data: { text: "a" }) { requestId } }')
  assert.is(streamed.headers.get('x-accel-buffering'), 'no')
  await streamed.text()
  assert.is((await ask('application/json', '{ docs(data: { text: "a" }) { id } }')).headers.get('x-accel-buffering'), null)
})

test('G2: with resultsInOrder responses come in the order of the documents', async () => {
  const slow = deferred<void>()
  const uses = ({ docs }: Call) => {
    if (docs[0]!.text === 'slow') return slow.promise
    slow.resolve()
  }
  await using flow = await new Flow().add({ uses }).open()
  await using server = await serve(flow)
  const stream = await subscribe(
    server.url,
    'subscription { docs(data: [{ text: "slow" }, { text: "fast" }], requestSize: 1, resultsInOrder: true) { docs { text } } }',
  )
  const texts: string[] = []
  for await (const { event, data } of stream) {
    if (event === 'complete') break
    texts.push(data.data.docs.docs[0].text)
  }
  assert.equal(texts, ['slow', 'fast'])
})

test('G2: a response has its id, endpoint, parameters with results, and routes', async () => {
  await using flow = await new Flow().add({ name: 'count', uses: ({ docs }: Call) => ({ documents: docs.length }) }).open()
  await using server = await serve(flow)
  const stream = await subscribe(
    server.url,
    'subscription { docs(data: { text: "x" }, execEndpoint: "/count", parameters: { a: 1 }) { requestId execEndpoint parameters routes { executor startTime endTime } status { code description exception { name } } } }',
  )
  const { requestId, routes, ...rest } = (await within(2000, stream.next())).value!.data.data.docs
  assert.match(requestId, /^[0-9a-f]{32}$/)
  assert.equal(
    routes.map(({ executor }: { executor: string }) => executor),
    ['gateway', 'count'],
  )
  assert.ok(Date.parse(routes[1].endTime) >= Date.parse(routes[1].startTime))
  assert.equal(rest, {
    execEndpoint: '/count',
    parameters: { a: 1, __results__: { count: { documents: 1 } } },
    status: { code: 'SUCCESS', description: '', exception: null },
  })
  await stream.return(undefined)
})

test('R56: a request that fails is a response with the status ERROR, and the stream goes on', async () => {
  const uses = ({ docs }: Call) => {
    if (docs[0]!.text === 'bad') throw new RangeError('too bad')
  }
  await using flow = await new Flow().add({ name: 'judge', uses }).open()
  await using server = await serve(flow)
  const stream = await subscribe(
    server.url,
    'subscription { docs(data: [{ text: "bad" }, { text: "good" }], requestSize: 1, resultsInOrder: true) { docs { text } status { code description exception { name executor } } } }',
  )
  const [bad, good, end] = await within(2000, Promise.all([stream.next(), stream.next(), stream.next()]))
  const { status } = bad.value!.data.data.docs
  assert.is(status.code, 'ERROR')
  assert.match(status.description, /^judge failed at \/search for request [0-9a-f]{32}: too bad$/)
  assert.equal(status.exception, { name: 'RangeError', executor: 'judge' })
  // 180: beside the documents, which are as they were: who asks for no status must not take them for done.
  const [error, ...more] = bad.value!.data.errors
  assert.equal([error.message, error.path, more], [status.description, ['docs'], []])
  assert.equal(Object.keys(error.extensions), ['code', 'executor', 'endpoint', 'requestId'])
  assert.equal(good.value?.data.data.docs.docs, [{ text: 'good' }])
  assert.is(good.value?.data.errors, undefined)
  assert.is(end.value?.event, 'complete')
  assert.is(server.reported.length, 1)
})

test('180: partial answers say that they are, and which; an argument leaves them out', async () => {
  async function* uses({ docs }: Call) {
    for (const token of ['a', 'b']) {
      docs[0]!.text += token
      yield docs[0]!
    }
  }
  await using flow = await new Flow().add({ uses }).open()
  await using server = await serve(flow)
  const responses = async (more: string) => {
    const given: object[] = []
    for await (const { event, data } of await subscribe(server.url, `subscription { docs(data: { text: "" }${more}) { partial ordinal docs { text } } }`))
      if (event === 'next') given.push(data.data.docs)
    return given
  }
  const [a, ab, whole, ...none] = await within(2000, responses(''))
  assert.equal(a, { partial: true, ordinal: 0, docs: [{ text: 'a' }] })
  assert.equal(ab, { partial: true, ordinal: 1, docs: [{ text: 'ab' }] })
  assert.equal(whole, { partial: false, ordinal: 2, docs: [{ text: 'ab' }] })
  assert.equal(none, [])
  assert.equal(await within(2000, responses(', partial: false')), [{ partial: false, ordinal: 0, docs: [{ text: 'ab' }] }])
})

test('R98: an invalid document ends a subscription with an error that names it', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  const stream = await subscribe(server.url, 'subscription { docs(data: { blob: "?" }) { requestId } }')
  const { errors } = (await within(2000, stream.next())).value!.data
  assert.match(errors[0].message, /^data\[0\]\.blob/)
  assert.is(errors[0].extensions.code, 'BAD_USER_INPUT')
})

test('P4: a client that does not read holds back the executors', async () => {
  let started = 0
  // Responses large enough to fill every buffer on the way.
  const uses = ({ docs }: Call) => {
    started++
    docs[0]!.text = 'x'.repeat(4_000_000)
  }
  await using flow = await new Flow().add({ uses }).open()
  await using server = await serve(flow, { prefetch: 2 })
  const documents = Array.from({ length: 200 }, () => ({ text: 'x' }))
  const client = new AbortController()
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({
      query: 'subscription S($data: [StrawberryDocumentInput!]) { docs(data: $data, requestSize: 1) { docs { text } } }',
      variables: { data: documents },
    }),
    signal: client.signal,
  })
  let before = -1
  // Until two looks, with time for everything that is ready in between, see no change.
  while (before !== started) {
    before = started
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  assert.ok(started < 12, `${started} requests for a client that reads nothing`)
  client.abort()
  await response.body?.cancel().catch(() => {})
})

test.run()
