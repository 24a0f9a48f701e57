// What close() of a Client ends: all that is under way, in the same words on every protocol, and for good.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, ConnectionError } from '../../lib/client/index.js'
import { DocumentArray } from '../../lib/index.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { connect } from '../../lib/wire/grpc/client/connect.js'
import { PROTOCOLS, texts, WAYS } from '../network/ways.js'
import { collect } from '../support/collect.js'
import { deadPort, silence } from '../support/nobody.js'
import { tap } from '../support/tap.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { world } from './world.js'

function assertClosed(error: unknown, about?: string): void {
  assert.instance(error, ConnectionError, `${about}: ${error}`)
  assert.is((error as ConnectionError).code, 'ERR_DISCONNECTED', about)
  assert.match((error as ConnectionError).message, /this Client was closed$/, about)
}

for (const way of WAYS)
  for (const retries of [0, { attempts: 4, delay: 1 }])
    test(`C3: ${way}: close() fails what is under way, and it is not sent again (retries ${JSON.stringify(retries)})`, async () => {
      await using it = await world()
      const client = new Client(it.address(way), { retries })
      const failed = texts(way, client, ['hang']).catch((error) => error)
      await within(10_000, it.arrived())
      await within(5000, client.close())
      assertClosed(await within(5000, failed))
      // The executor is told by its signal; a second call would have come before the answer to this one.
      await using another = new Client(it.address(way))
      assert.equal(await within(10_000, texts(way, another, ['later'])), ['later!'])
      assert.equal(it.calls, ['hang', 'later'])
    })

for (const protocol of PROTOCOLS)
  for (const retries of [0, { attempts: 99, delay: 60_000, maxDelay: 60_000 }])
    test(`183: ${protocol}: a Client has one life: what is asked for after close() fails, at once and for good (retries ${JSON.stringify(retries)})`, async () => {
      await using it = await world()
      await using wire = await tap(it.gateway.port)
      for (const used of [true, false]) {
        const client = new Client({ port: wire.port, protocol, retries })
        if (used) {
          assert.equal(await within(10_000, texts(protocol, client, ['a'])), ['a!'])
          await client.mutate('{ __typename }')
          assert.ok(await client.isFlowReady())
        }
        const before = wire.connections
        await within(5000, Promise.all([client.close(), client.close()]))
        await client.close()
        const asked: Record<string, () => Promise<unknown>> = {
          post: () => client.post('/', 'a').docs(),
          open: () => client.open(),
          mutate: () => client.mutate('{ __typename }'),
          subscribe: () => client.subscribe('subscription { docs { docs { text } } }').next(),
          profiling: () => client.profiling(),
        }
        for (const [what, ask] of Object.entries(asked))
          assertClosed(
            await within(
              5000,
              ask().then(
                () => undefined,
                (error) => error,
              ),
            ),
            what,
          )
        assert.is(await client.isFlowReady(), false)
        assert.is(wire.connections, before, 'nobody connected')
      }
    })

for (const protocol of PROTOCOLS)
  test(`183: ${protocol}: close() while open() connects, or isFlowReady() asks, wins`, async () => {
    await using silent = await silence()
    const client = new Client({ port: silent.port, protocol, connectTimeout: 60_000 })
    const opening = client.open().catch((error) => error)
    const ready = client.isFlowReady()
    await until(() => silent.connections > 0)
    await within(5000, client.close())
    assertClosed(await within(5000, opening))
    assert.is(await within(5000, ready), false)
    const fresh = new Client({ port: silent.port, protocol, connectTimeout: 60_000 })
    const never = fresh.open().catch((error) => error)
    await within(5000, fresh.close())
    assertClosed(await within(5000, never))
  })

test('183: a call of gRPC of its own ends with close(), too, as those on a stream', async () => {
  await using it = await world()
  const connection = connect(it.address('grpc'), { unary: true })
  const reason = new Error('closed')
  const request = new Request(new Header('/', {}), DocumentArray.from([{ text: 'hang' }]), new Scope())
  const failed = connection.handle(request) as Promise<void>
  await within(10_000, it.arrived())
  connection.close(reason)
  assert.is(
    await within(
      5000,
      failed.catch((error) => error),
    ),
    reason,
  )
})

test('C3, C4: close() ends a subscription, and mutate() by a Client of any protocol', async () => {
  await using it = await world()
  for (const protocol of ['grpc', 'http', 'websocket'] as const) {
    await using gateway = await (await import('../../lib/gateway/index.js')).Gateway.serve(it.flow, { protocol: [...PROTOCOLS], graphql: true })
    it.again()
    const client = new Client(gateway.addresses[protocol]!)
    const document = 'subscription ($data: [StrawberryDocumentInput!]) { docs(data: $data, requestSize: 1) { docs { text } } }'
    const subscription = client.subscribe(document, { data: [{ text: 'fast' }, { text: 'hang' }] })
    assert.is((await within(10_000, subscription.next())).value.data.docs.docs[0].text, 'fast!')
    await within(10_000, it.arrived())
    const rest = collect(subscription)
    await client.close()
    assertClosed((await within(5000, rest)).error, protocol)
  }
})

for (const protocol of PROTOCOLS)
  test(`C3: ${protocol}: close() ends the wait for a next attempt, and that for a connection`, async () => {
    const client = new Client({ host: '127.0.0.1', port: await deadPort(), protocol, retries: { attempts: 99, delay: 60_000, maxDelay: 60_000 } })
    const failed = collect(client.post('/', ['a']))
    // Until it rests between two attempts; or before the first, which must end in the same way.
    await new Promise((resolve) => setTimeout(resolve, 50))
    await within(5000, client.close())
    assertClosed((await within(5000, failed)).error)
  })

for (const protocol of PROTOCOLS)
  test(`C3: ${protocol}: a Client that is closed while it loads its wire leaves nothing behind`, async () => {
    await using it = await world()
    const client = new Client(it.address(protocol), { retries: 2 })
    const failed = collect(client.post('/', ['hang']))
    await client.close()
    const { error } = await within(5000, failed)
    assertClosed(error)
    assert.equal(it.calls, [])
  })

test.run()
