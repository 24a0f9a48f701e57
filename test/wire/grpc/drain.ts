// How a server ends.
import { status } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../../lib/index.js'
import { post } from '../../../lib/post/post.js'
import { connect } from '../../../lib/wire/grpc/client/connect.js'
import { METHODS } from '../../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { Service } from '../../support/service.js'
import { pending, turn } from '../../support/turn.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { Raw } from './raw.js'
import { world } from './world.js'

test('G5, R133: drain() waits for what is under way, which is answered, and takes nothing new', async () => {
  const called = deferred<void>()
  const door = deferred<void>()
  await using it = await world(async () => {
    called.resolve()
    await door.promise
  })
  const received = collect(it.post('/', [{ text: 'a' }]))
  await within(10_000, called.promise)
  const drained = it.server.drain()
  const late = connect(it.server.address)
  assert.is((await within(10_000, collect(post(late, '/', [{ text: 'b' }])))).error.code, 'ERR_UNREACHABLE')
  assert.is(await late.isReady(), false)
  assert.ok(await pending(drained))
  door.resolve()
  const { items, error } = await within(10_000, received)
  assert.is(error, undefined)
  assert.is(items.length, 1)
  await within(10_000, drained)
  late.close()
})

/** What a client of Jina sends: a request with a document. */
const asked = (requestId: string): Buffer =>
  Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint: '/', docs: DocumentArray.from([{ text: requestId }]) })))

test('155: clients of gRPC with calls of their own get their answers, and OK, though the server closes at once', async () => {
  const door = deferred<void>()
  let called = 0
  await using it = await world(() => {
    called++
    return door.promise
  })
  using raw = new Raw(it.server.address)
  const calls = Array.from({ length: 8 }, (_, at) => raw.unary(METHODS.single, asked(`request ${at}`)))
  await until(() => called >= 8)
  const closed = it.server.drain().then(() => it.server.close())
  door.resolve()
  for (const { answer, status: how } of await within(10_000, Promise.all(calls))) {
    assert.is(how.code, status.OK, how.details)
    assert.is(decodeMessage(answer!).docs.length, 1)
  }
  await within(10_000, closed)
})

test('155: the stream of a client that has sent all it had is answered to its end, with OK', async () => {
  const door = deferred<void>()
  const called = deferred<void>()
  await using it = await world(
    () => {
      called.resolve()
      return door.promise
    },
    { prefetch: 2 },
  )
  using raw = new Raw(it.server.address)
  const conversation = raw.converse(
    METHODS.call,
    Array.from({ length: 50 }, (_, at) => asked(`request ${at}`)),
  )
  await within(10_000, called.promise)
  const closed = it.server.drain().then(() => it.server.close())
  door.resolve()
  const { answers, status: how } = await within(10_000, conversation)
  assert.is(how.code, status.OK, how.details)
  assert.is(answers.length, 50)
  await within(10_000, closed)
})

test('155: partial answers go on to their end', async () => {
  const door = deferred<void>()
  await using it = await world(async function* () {
    yield { text: 'first' }
    await door.promise
    for (let at = 0; at < 40; at++) yield { text: `${at}` }
  } as any)
  const responses = it.post('/', [{ text: 'q' }])
  await within(10_000, responses.next())
  const closed = it.server.drain().then(() => it.server.close())
  door.resolve()
  const { items, error } = await within(10_000, collect(responses))
  assert.is(error, undefined)
  assert.is(items.length, 41)
  await within(10_000, closed)
})

test('155: what our own stream carries that the server has not begun goes to the one that comes in its place', async () => {
  const door = deferred<void>()
  const called = deferred<void>()
  await using first = await world(() => {
    called.resolve()
    return door.promise
  })
  let taken = 0
  await using second = await world(() => void taken++)
  await using service = await Service.before(first.server.port)
  const client = connect(`grpc://127.0.0.1:${service.port}`)
  const more = deferred<void>()
  const inputs = async function* () {
    yield 'a'
    await more.promise
    yield* ['b', 'c']
  }
  const received = collect(post(client, '/', inputs, { requestSize: 1 }))
  await within(10_000, called.promise)
  service.target = second.server.port
  const closed = first.server.drain().then(() => first.server.close())
  // It reads no more, and the client, which hears of that with its last answer, sends more.
  for (let i = 0; i < 5; i++) await turn()
  more.resolve()
  for (let i = 0; i < 20; i++) await turn()
  door.resolve()
  const { items, error } = await within(10_000, received)
  assert.is(error, undefined, String(error))
  assert.is(items.length, 3)
  assert.is(taken, 2)
  await within(10_000, closed)
  client.close()
})

test('R134: an endless stream ends with the drain; what was taken is answered', async () => {
  await using it = await world(() => {})
  let answered = 0
  const draining = deferred<void>()
  const endless = (async () => {
    const source = (function* () {
      for (;;) yield { text: 'again' }
    })()
    for await (const _ of it.post('/', source, { requestSize: 1 })) if (++answered === 100) draining.resolve()
  })()
  const failed = endless.then(
    () => undefined,
    (error) => error,
  )
  await within(10_000, draining.promise)
  await within(10_000, it.server.drain())
  assert.is((await within(10_000, failed)).code, 'ERR_UNREACHABLE')
})

test('R138: a stream on which nothing happens ends with the drain', async () => {
  await using it = await world(() => {})
  using raw = new Raw(it.server.address)
  const call = raw.bidi(METHODS.call)
  const ended = new Promise<any>((resolve) => call.on('error', resolve))
  await within(10_000, new Promise((resolve) => call.on('metadata', resolve)))
  await within(10_000, it.server.drain())
  assert.is((await within(10_000, ended)).code, status.UNAVAILABLE)
})

test('R137: close() ends what hangs, tells the executors, and can be called twice', async () => {
  const called = deferred<void>()
  const told = deferred<void>()
  await using it = await world(async ({ signal }) => {
    called.resolve()
    signal.addEventListener('abort', () => told.resolve())
    await told.promise
  })
  const received = collect(it.post('/', [{ text: 'a' }]))
  await within(10_000, called.promise)
  await within(5000, Promise.all([it.server.close(), it.server.close()]))
  await within(1000, told.promise)
  assert.is((await within(10_000, received)).error.code, 'ERR_DISCONNECTED')
})

test('R116: nobody but this machine, unless told otherwise', async () => {
  await using it = await world(() => {})
  assert.match(it.server.address, /^grpc:\/\/127\.0\.0\.1:\d+$/)
  await using six = await world(() => {}, { host: '::1' })
  assert.match(six.server.address, /^grpc:\/\/\[::1\]:\d+$/)
  assert.is((await within(10_000, collect(six.post('/', [{ text: 'a' }])))).items.length, 1)
})

test.run()
