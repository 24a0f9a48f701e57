// GraphQL through a Client: mutate() and subscribe(), with all that they can be told.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, ConnectionError, ExecutorError } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { collect } from '../support/collect.js'
import { silence } from '../support/nobody.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'
import { world } from './world.js'

const MUTATION = 'mutation one($data: [StrawberryDocumentInput!]) { docs(data: $data) { text } } mutation two { docs(data: [{ text: "two" }]) { id text } }'
const SUBSCRIPTION = 'subscription ($data: [StrawberryDocumentInput!]) { docs(data: $data, requestSize: 1) { docs { text } } }'
const data = (...texts: string[]) => ({ data: texts.map((text) => ({ text })) })
const textOf = ({ data }: { data: any }): string => data.docs.docs[0].text

async function refused(failing: Promise<unknown>): Promise<ConnectionError> {
  const error = await within(
    10_000,
    failing.then(() => undefined).catch((error) => error),
  )
  assert.instance(error, ConnectionError, String(error))
  return error
}

test('C4: mutate(): variables, and which operation of several', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  assert.equal(await client.mutate(MUTATION, data('a', 'b'), { operationName: 'one' }), { data: { docs: [{ text: 'a!' }, { text: 'b!' }] } })
  const { data: both } = await client.mutate(MUTATION, {}, { operationName: 'two' })
  assert.is(both.docs[0].text, 'two!')
  assert.is(typeof both.docs[0].id, 'string')
  assert.is((await refused(client.mutate(MUTATION, {}))).code, 'ERR_REFUSED')
})

test('C4: mutate(): errors beside data are handed on; without data they are the cause', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  const document = 'mutation { good: docs(data: [{ text: "a" }]) { text } bad: docs(data: [{ text: "bad" }]) { text } }'
  // A field that may not be null takes all data with it.
  const error = await client.mutate(document).catch((error) => error)
  assert.match(error.message, 'cannot do bad')
  assert.match((error.cause as { message: string }[])[0]!.message, 'cannot do bad')
  const server = createServer((_, response) =>
    response.setHeader('content-type', 'application/json').end('{"data":{"a":1,"b":null},"errors":[{"message":"no b","path":["b"]}]}'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using other = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  assert.equal(await other.mutate('mutation { a b }'), { data: { a: 1, b: null }, errors: [{ message: 'no b', path: ['b'] }] })
  server.closeAllConnections()
  server.close()
})

test('157: what an executor fails at is an ExecutorError of mutate() and subscribe(), as of post() on every wire', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  const { code, executor, endpoint, message } = await client
    .post('/search', 'bad')
    .toArray()
    .catch((error) => error)
  const failed = await client.mutate(MUTATION, data('bad'), { operationName: 'one' }).catch((error) => error)
  assert.instance(failed, ExecutorError)
  const without = (text: string) => text.replace(/[\da-f]{32}/, 'ID')
  assert.equal([failed.code, failed.executor, failed.endpoint, without(failed.message)], [code, executor, endpoint, without(message)])
  assert.match(failed.requestId!, /^[\da-f]{32}$/)
  // Its documents stand beside it.
  const { errors } = (await client.subscribe(SUBSCRIPTION, data('bad')).next()).value
  assert.equal([errors[0].extensions.code, errors[0].extensions.executor], [code, executor])
  const answers = async (errors: object[]): Promise<Error> => {
    const fetch = async () => new Response(JSON.stringify({ errors, data: null }), { headers: { 'content-type': 'application/json' } })
    await using client = new Client({ port: 1, protocol: 'http', fetch })
    return await client.mutate('mutation { a }').catch((error) => error)
  }
  const late = await answers([{ message: 'late', extensions: { code: 'ERR_EXECUTOR_TIMEOUT', executor: 'e' } }])
  assert.equal([late.name, (late as ExecutorError).code], ['ExecutorError', 'ERR_EXECUTOR_TIMEOUT'])
  const foreign = await answers([{ message: 'no', extensions: { code: 'SOMETHING', executor: 'e' } }])
  assert.equal([foreign.name, (foreign as ExecutorError).code], ['ExecutorError', 'ERR_EXECUTOR'])
  const gone = await answers([{ message: 'late', extensions: { code: 'TIMEOUT' } }])
  assert.equal([gone.name, (gone as ConnectionError).code], ['ConnectionError', 'ERR_TIMEOUT'])
  const odd = await answers([null as any, { message: 5, extensions: { executor: 5 } }])
  assert.equal([odd.name, (odd as ConnectionError).code], ['ConnectionError', 'ERR_REFUSED'])
})

test('C4: mutate() runs queries; of a subscription, it says what to do, and nothing runs', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  assert.equal(await client.mutate('{ docs(data: { text: "a" }) { text } }'), { data: { docs: [{ text: 'a!' }] } })
  const before = it.calls.length
  const { code, message } = await refused(client.mutate(SUBSCRIPTION, data('a')))
  assert.is(code, 'ERR_REFUSED')
  assert.match(message, /A subscription is answered by server-sent events\. Use subscribe\(\)/)
  assert.is(it.calls.length, before)
  const { items } = await collect(client.subscribe('mutation { docs(data: { text: "a" }) { text } }'))
  assert.equal(items, [{ data: { docs: [{ text: 'a!' }] } }])
})

test('157: variables that JSON cannot say are named, before anything is sent', async () => {
  await using client = new Client({ port: 1, protocol: 'http' })
  const why = (variables: object) => client.mutate(MUTATION, variables).catch(({ name, code, message }) => [name, code, message])
  const [name, code, message] = (await why({ n: 5n })) as string[]
  assert.equal([name, code], ['DocumentError', 'ERR_DOCUMENT'])
  assert.match(message!, /variable n/)
  assert.equal(((await why({ data: [{ tags: { n: 5n } }] })) as string[]).slice(0, 2), ['DocumentError', 'ERR_DOCUMENT'])
})

test('C4: mutate() and subscribe(): a query that is none is refused with the reason', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  const asked = [
    () => client.mutate('mutation { nothing }'),
    () => client.subscribe('subscription { nothing }').next(),
    () => client.mutate('{'),
    () => client.subscribe('{').next(),
  ]
  for (const ask of asked) {
    const { code, message, cause } = await refused(ask())
    assert.is(code, 'ERR_REFUSED')
    assert.match(message, /nothing|Syntax Error/)
    assert.ok(Array.isArray(cause))
  }
})

test('C4: mutate(): timeout and signal, before and while it is under way; the executor is told', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  assert.is((await refused(client.mutate(MUTATION, data('hang'), { operationName: 'one', timeout: 200 }))).code, 'ERR_TIMEOUT')
  await using impatient = new Client(it.address('http'), { timeout: 200 })
  assert.is((await refused(impatient.mutate(MUTATION, data('hang'), { operationName: 'one' }))).code, 'ERR_TIMEOUT')
  it.again()
  const controller = new AbortController()
  const aborted = client.mutate(MUTATION, data('hang'), { operationName: 'one', signal: controller.signal }).catch((error) => error)
  await within(10_000, it.arrived())
  controller.abort('enough')
  assert.is(await within(5000, aborted), 'enough')
  const { calls } = it
  const before = calls.length
  assert.is(await client.mutate(MUTATION, data('a'), { operationName: 'one', signal: controller.signal }).catch((error) => error), 'enough')
  assert.is(calls.length, before)
  await within(10_000, it.over(3))
  assert.is(it.ended.length, 3)
})

test('C4: subscribe(): values come in their order, as they are there', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  const all: string[] = []
  for await (const value of client.subscribe(SUBSCRIPTION, data('a', 'b', 'c'))) all.push(textOf(value))
  assert.equal(all.sort(), ['a!', 'b!', 'c!'])
  const first = client.subscribe(SUBSCRIPTION, data('now', 'hang'))
  assert.is(textOf((await within(10_000, first.next())).value), 'now!', 'before the last is there')
  it.door.resolve()
  assert.is(textOf((await within(10_000, first.next())).value), 'hang!')
  assert.is((await within(10_000, first.next())).done, true)
})

test('C4: subscribe(): who breaks off ends it on the server', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  const values = client.subscribe(SUBSCRIPTION, data('now', 'hang'))
  for await (const _ of values) {
    await within(10_000, it.arrived())
    break
  }
  await within(10_000, it.over(1))
  assert.equal(it.ended, ['hang'])
})

test('209: subscribe(): who leaves while it waits for the next answer is let go at once, and ends it on the server', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  const values = client.subscribe(SUBSCRIPTION, data('now', 'hang'))
  await within(10_000, values.next())
  const pending = values.next()
  await within(10_000, it.arrived())
  await within(10_000, values.return!())
  assert.equal(await within(10_000, pending), { done: true, value: undefined })
  await within(10_000, it.over(1))
  assert.equal(it.ended, ['hang'])
  assert.equal(await values.next(), { done: true, value: undefined })
})

test('C4: subscribe(): the signal ends it with its reason; timeout is for its start alone', async () => {
  await using it = await world()
  await using client = new Client(it.address('http'))
  const ended = async (timeout: number): Promise<unknown> => {
    const controller = new AbortController()
    const values = client.subscribe(SUBSCRIPTION, data('now', 'hang'), { signal: controller.signal, timeout })
    const first = await within(
      60_000,
      values.next().catch((error) => error),
    )
    if (first.code === 'ERR_TIMEOUT') return first
    assert.is(textOf(first.value), 'now!')
    const next = values.next().catch((error) => error)
    await within(10_000, it.arrived())
    // Longer than its timeout: that nothing comes of it can only be waited for.
    await new Promise((resolve) => setTimeout(resolve, timeout + 100))
    controller.abort('enough')
    return within(5000, next)
  }
  // A busy machine may take longer to start it, but not each time.
  let end = await ended(200)
  for (let timeout = 400; end !== 'enough' && timeout < 10_000; timeout *= 2) end = await ended(timeout)
  assert.is(end, 'enough')
  await using silent = await silence()
  await using lonely = new Client({ port: silent.port, protocol: 'http', timeout: 60_000 })
  assert.is((await refused(lonely.subscribe(SUBSCRIPTION, data('a'), { timeout: 200 }).next())).code, 'ERR_TIMEOUT')
})

test('C4, R111: mutate() and subscribe() by TLS: with an authority of one’s own, and refused without', async () => {
  await using it = await world()
  const { ca, key, cert } = await certificates()
  for (const protocol of ['http', 'grpc', 'websocket'] as const) {
    await using gateway = await Gateway.serve(it.flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true, tls: { key, cert } })
    await using client = new Client({ host: 'localhost', port: gateway.port, protocol, tls: { ca } })
    assert.is((await client.mutate(MUTATION, data('a'), { operationName: 'one' })).data.docs[0].text, 'a!')
    const { items, error } = await collect(client.subscribe(SUBSCRIPTION, data('b')))
    assert.is(error, undefined)
    assert.equal(items.map(textOf), ['b!'])
    await using stranger = new Client({ host: 'localhost', port: gateway.port, protocol, tls: true })
    assert.is((await refused(stranger.mutate(MUTATION, data('a')))).code, 'ERR_TLS')
    assert.is((await refused(stranger.subscribe(SUBSCRIPTION, data('a')).next())).code, 'ERR_TLS')
  }
})

test('C4: headers of one operation stand beside those of the Client, and over them', async () => {
  const heard: (string | undefined)[][] = []
  const server = createServer(({ headers }, response) => {
    heard.push([headers['x-one'] as string, headers['x-both'] as string])
    response.setHeader('content-type', 'application/json').end('{"data":{}}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { headers: { 'X-Both': 'client' } })
  await client.mutate('mutation { a }')
  await client.mutate('mutation { a }', {}, { headers: { 'x-one': '1', 'x-BOTH': 'call' } })
  await client.subscribe('subscription { a }', {}, { headers: { 'x-one': '2' } }).next()
  assert.equal(heard, [
    [undefined, 'client'],
    ['1', 'call'],
    ['2', 'client'],
  ])
  server.closeAllConnections()
  server.close()
})

test('C4, C5: a port without GraphQL says that there is none', async () => {
  await using it = await world()
  for (const [protocol, says] of [
    ['grpc', /speaks HTTP\/2, as gRPC does, and no HTTP or GraphQL/],
    ['http', /no GraphQL answers there \(404\)\. Serve the Flow with graphql: true/],
    ['websocket', /it speaks another protocol \(426: websocket\)\. For HTTP and GraphQL, serve the Flow with protocol: 'http', too/],
  ] as const) {
    await using gateway = await Gateway.serve(it.flow, { protocol })
    await using client = new Client(gateway.addresses[protocol]!)
    const { code, message } = await refused(client.mutate(MUTATION))
    assert.is(code, 'ERR_PROTOCOL')
    assert.match(message, says)
  }
})

test.run()
