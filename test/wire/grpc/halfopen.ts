// A peer that is gone without a word is noticed, by pings.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { post } from '../../../lib/post/post.js'
import { connect } from '../../../lib/wire/grpc/client/connect.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { soonest, timed } from '../../support/soonest.js'
import { within } from '../../support/within.js'
import { FLAG, frame, TYPE, Wire } from './frames.js'
import { relay } from './relay.js'
import { world } from './world.js'

const KEEPALIVE = 500

test('R108: a half-open connection is noticed on both ends in less than twice the keepalive', async () => {
  await soonest(2 * KEEPALIVE + 500, async () => {
    const called = deferred<void>()
    const told = deferred<void>()
    await using it = await world(
      async ({ signal }) => {
        called.resolve()
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        told.resolve()
      },
      { keepalive: KEEPALIVE },
    )
    using between = await relay(it.server.port)
    const client = connect(between.address, { keepalive: KEEPALIVE })
    const received = collect(post(client, '/', [{ text: 'a' }]))
    await within(10_000, called.promise)
    const took = await timed(async () => {
      between.silence()
      const { error } = await within(20_000, received)
      assert.is(error.code, 'ERR_DISCONNECTED', error.message)
      await within(20_000, told.promise)
    })
    client.close()
    return took
  })
})

test('R108: a connection that is only quiet is kept', async () => {
  const quiet = async (): Promise<unknown> => {
    const door = deferred<void>()
    const called = deferred<void>()
    await using it = await world(
      async () => {
        called.resolve()
        await door.promise
      },
      { keepalive: 100 },
      { keepalive: 100 },
    )
    const received = collect(it.post('/', [{ text: 'a' }]))
    await within(10_000, Promise.race([called.promise, received]))
    // Five rounds of pings. Nothing happens in them that could be waited for.
    await new Promise((resolve) => setTimeout(resolve, 500))
    door.resolve()
    return (await within(10_000, received)).error
  }
  // A machine that lets this process stand still for so long makes a silence that is none of its own, but not each time.
  let error: unknown = new Error('not tried')
  for (let tries = 0; tries < 10 && error !== undefined; tries++) error = await quiet()
  assert.is(error, undefined)
})

test('R104, R108: who begins HTTP/2 and says no more, or breaks it, is let go of; so is a server, right after', async () => {
  for (const said of ['PRI', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', frame(TYPE.headers, FLAG.endHeaders, 1, Buffer.alloc(9, 0xff))]) {
    await using it = await world(() => {}, { keepalive: 100 })
    const wire = new Wire(it.server.port, typeof said !== 'string').say(said)
    await within(5000, wire.closed)
    await within(5000, it.server.close())
  }
})

test('R108: a server closes also when a connection has just been found to be gone', async () => {
  for (let round = 0; round < 5; round++) {
    const told = deferred<void>()
    const called = deferred<void>()
    await using it = await world(
      async ({ signal }) => {
        signal.addEventListener('abort', () => told.resolve())
        called.resolve()
        await told.promise
      },
      { keepalive: 100 },
    )
    using between = await relay(it.server.port)
    const client = connect(between.address, { keepalive: 100 })
    const received = collect(post(client, '/', [{ text: 'a' }]))
    await within(10_000, called.promise)
    between.silence()
    await within(5000, told.promise)
    await within(5000, it.server.close())
    client.close()
    await within(5000, received)
  }
})

test.run()
