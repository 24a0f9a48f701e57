// What close() of a Client ends: all that is under way, in the same words on every protocol, and for good.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, ConnectionError } from '../../lib/client/index.js'
import { PROTOCOLS, texts, WAYS } from '../network/ways.js'
import { collect } from '../support/collect.js'
import { deadPort } from '../support/nobody.js'
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
      assert.equal(await within(10_000, texts(way, client, ['later'])), ['later!'], 'what is asked for later connects again')
      assert.equal(it.calls, ['hang', 'later'])
      await client.close()
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
    assert.equal(await texts(protocol, client, ['again']), ['again!'])
    await client.close()
  })

test.run()
