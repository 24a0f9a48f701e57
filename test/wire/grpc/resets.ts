// Calls that are given up, as breaks, aborts and deadlines do: nothing happens to the others on their connection.
import { status } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray } from '../../../lib/index.js'
import { METHODS } from '../../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { encodeMessage } from '../../../lib/wire/proto/index.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { Raw } from './raw.js'
import { world } from './world.js'

/** An executor that answers the innocent when the door opens, streams to those that break, and never answers others. */
function hanging() {
  const door = deferred<void>()
  const called = { innocent: 0, other: 0 }
  const uses = async function* ({ docs, signal }: any) {
    if (docs[0].text === 'innocent') {
      called.innocent++
      await door.promise
      return
    }
    called.other++
    if (docs[0].text === 'breaks') for (let i = 0; i < 3; i++) yield { text: `${i}` }
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  } as any
  return { uses, door, called }
}
const asked = (text: string): Buffer => Buffer.from(encodeMessage(emptyMessage({ requestId: text, execEndpoint: '/', docs: DocumentArray.from([{ text }]) })))

test('154: a thousand calls of a client of gRPC are given up at once: another on their connection is answered', async () => {
  const { uses, door, called } = hanging()
  await using it = await world(uses, { prefetch: 0 })
  using raw = new Raw(it.server.address)
  const innocent = raw.unary(METHODS.single, asked('innocent'))
  const calls = Array.from({ length: 1000 }, () => {
    const call = raw.bidi(METHODS.call)
    call.on('error', () => {})
    call.write(asked('hangs'))
    return call
  })
  await until(() => called.other >= 1000, 20_000)
  for (const call of calls) call.cancel()
  // Others go on meanwhile, by whatever connection.
  for (let i = 0; i < 20; i++) {
    const { status: how } = await within(10_000, raw.unary(METHODS.info, Buffer.alloc(0)))
    assert.is(how.code, status.OK, how.details)
  }
  door.resolve()
  const { status: how } = await within(10_000, innocent)
  assert.is(how.code, status.OK, how.details)
})

test('154: a Client that breaks twelve hundred posts, one after the other: another post of it is answered', async () => {
  const { uses, door, called } = hanging()
  await using it = await world(uses)
  const innocent = collect(it.post('/', ['innocent']))
  await until(() => called.innocent > 0)
  for (let i = 0; i < 1200; i++) for await (const { partial } of it.post('/', ['breaks'])) if (partial) break
  door.resolve()
  const { error, items } = await within(10_000, innocent)
  assert.is(error, undefined, String(error))
  assert.is(items.length, 1)
})

test.run()
