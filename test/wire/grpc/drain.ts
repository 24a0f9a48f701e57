// How a server ends.
import { status } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { post } from '../../../lib/post/post.js'
import { connect } from '../../../lib/wire/grpc/index.js'
import { METHODS } from '../../../lib/wire/grpc/methods.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { pending } from '../../support/turn.js'
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
  assert.is((await within(10_000, failed)).code, 'ERR_DISCONNECTED')
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
