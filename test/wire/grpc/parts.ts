// Partial answers of generators, over the wire.
import { Metadata, status } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../../lib/client/index.js'
import { DocumentArray, Flow } from '../../../lib/index.js'
import { METADATA, METHODS } from '../../../lib/wire/grpc/methods.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { turn } from '../../support/turn.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { Raw } from './raw.js'
import { world } from './world.js'

test('E9: pieces come at once, in their order, and the whole answer last', async () => {
  const door = deferred<void>()
  await using it = await world(async function* () {
    yield { id: 'a', text: 'first' }
    await door.promise
    yield { id: 'b', text: 'second' }
  } as any)
  const responses = it.post('/', [{ text: 'q' }])
  const first = (await within(10_000, responses.next())).value!
  assert.is(first.partial, true)
  assert.is(first.ordinal, 0)
  assert.equal(first.docs.texts, ['first'])
  door.resolve()
  const { items } = await within(10_000, collect(responses))
  assert.equal(
    items.map(({ partial, ordinal, docs }) => [partial, ordinal, docs.texts]),
    [
      [true, 1, ['second']],
      [false, 2, ['first', 'second']],
    ],
  )
})

test('E9: a slow consumer pauses the generator', async () => {
  let made = 0
  await using it = await world(async function* () {
    for (;;) yield { id: 'same', text: `${made++}` }
  } as any)
  const consume = async () => {
    let received = 0
    for await (const _ of it.post('/', [{ text: 'q' }])) {
      received++
      for (let i = 0; i < 10; i++) await turn()
      assert.ok(made - received <= 40, `${made - received} are on the way`)
      if (received === 200) break
    }
  }
  await within(20_000, consume())
})

test('E9: pieces that wait for their turn do not hold up those before them', async () => {
  const door = deferred<void>()
  let made = 0
  await using it = await world(async function* ({ docs }: any) {
    if (docs[0].text === 'head') {
      await door.promise
      yield { text: 'head' }
    } else for (let i = 0; i < 100; i++) yield { id: 'same', text: `${made++}` }
  } as any)
  const received = collect(it.post('/', [{ text: 'head' }, { text: 'tail' }], { requestSize: 1, resultsInOrder: true }))
  await until(() => made >= 16)
  for (let i = 0; i < 100; i++) await turn()
  door.resolve()
  const { items, error } = await within(10_000, received)
  assert.is(error, undefined)
  assert.is(items.length, 1 + 1 + 100 + 1)
})

test('R43: a consumer that leaves between pieces closes the generator', async () => {
  const closed = deferred<void>()
  await using it = await world(async function* () {
    try {
      for (let i = 0; ; i++) yield { id: 'same', text: `${i}` }
    } finally {
      closed.resolve()
    }
  } as any)
  for await (const _ of it.post('/', [{ text: 'q' }])) break
  await within(1000, closed.promise)
})

test('193: replicas that all hand on their pieces, more than go ahead: all come, and all are let go on', async () => {
  const uses = async function* () {
    for (let i = 0; i < 40; i++) yield { text: `${i}` }
  }
  await using flow = await new Flow({ protocol: 'grpc', port: 0 }).add({ name: 'shards', uses, shards: 3, polling: 'ALL' }).open()
  await using client = new Client(flow.addresses.grpc!)
  const { items, error } = await within(10_000, collect(client.post('/', ['q'])))
  assert.is(error, undefined)
  assert.is(items.filter(({ partial }) => partial).length, 120)
})

const streaming = (requestId: string): Buffer =>
  Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint: '/', docs: DocumentArray.from([{ text: 'q' }]) })))
const windowed = (): Metadata => {
  const metadata = new Metadata()
  metadata.set(METADATA.partial, '1')
  metadata.set(METADATA.window, '16')
  return metadata
}

test('194: what a client gives up keeps no place, whatever ids its requests have', async () => {
  let running = 0
  const uses = async function* () {
    running++
    try {
      for (let i = 0; ; i++) yield { text: `${i}` }
    } finally {
      running--
    }
  }
  await using flow = await new Flow({ protocol: 'grpc', port: 0, maxInFlight: 2 }).add({ uses }).open()
  using raw = new Raw(flow.addresses.grpc!)
  for (let round = 0; round < 3; round++) {
    const call = raw.bidi(METHODS.call, windowed())
    let parts = 0
    call.on('error', () => {})
    call.on('data', () => parts++)
    call.write(streaming('same'))
    call.write(streaming('same'))
    await until(() => parts >= 32)
    assert.is(running, 2)
    call.cancel()
    await until(() => running === 0)
  }
})

test('195: partial answers wait for word in the stream itself, also behind requests that are not begun', async () => {
  let made = 0
  await using it = await world(
    async function* () {
      for (let i = 0; i < 50; i++) {
        made++
        yield { text: `${i}` }
      }
    } as any,
    { prefetch: 1 },
  )
  using raw = new Raw(it.server.address)
  const call = raw.bidi(METHODS.call, windowed())
  const parts: number[] = []
  const ended = new Promise<any>((resolve) => call.on('status', resolve))
  const ahead = new Promise<string>((resolve) => call.on('metadata', (metadata) => resolve(String(metadata.get(METADATA.ahead)[0]))))
  call.on('data', (bytes: Buffer) => {
    const { ordinal } = decodeMessage(bytes)
    if (ordinal !== undefined) parts.push(ordinal)
  })
  call.write(streaming('first'))
  assert.is(await within(5000, ahead), '16')
  for (let at = 1; at < 16; at++) call.write(streaming(`behind ${at}`))
  await until(() => parts.length >= 16)
  for (let i = 0; i < 50; i++) await turn()
  assert.is(parts.length, 16)
  assert.ok(made <= 17, `${made}`)
  call.write(Buffer.from(encodeMessage(emptyMessage({ requestId: 'first', ordinal: 9 }))))
  await until(() => parts.length >= 26)
  for (let i = 0; i < 50; i++) await turn()
  assert.is(parts.length, 26)
  // Whoever says that nothing more comes takes the rest as fast as the wire does.
  call.end()
  assert.is((await within(10_000, ended)).code, status.OK)
  assert.is(parts.length, 16 * 50)
})

test('195: a client that does not say what it took, as ours of 0.1.0, which said so in other calls, gets all there is', async () => {
  await using it = await world(async function* () {
    for (let i = 0; i < 50; i++) yield { text: `${i}` }
  } as any)
  using raw = new Raw(it.server.address)
  const metadata = new Metadata()
  metadata.set(METADATA.partial, '1')
  metadata.set('sluice-credit', 'a')
  const { answers, status: how } = await within(10_000, raw.converse(METHODS.call, [streaming('one')], metadata))
  assert.is(how.code, status.OK)
  assert.is(answers.length, 51)
})

test.run()
