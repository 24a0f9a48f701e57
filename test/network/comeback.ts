// Servers that go and come back, and clients that try again: as often as they may, as long as they may, and not all at once.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { now } from '../../lib/base/clock.js'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import type { Request } from '../../lib/request/request.js'
import { collect } from '../support/collect.js'
import { deadPort } from '../support/nobody.js'
import { road } from '../support/road.js'
import { soonest, timed } from '../support/soonest.js'
import { within } from '../support/within.js'
import { PROTOCOLS, SCHEMES } from './ways.js'

const echo = () => new Flow({ closeTimeout: 100 }).add({ name: 'worker', uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) }).open()

for (const protocol of PROTOCOLS) {
  test(`R109: ${protocol}: a server that restarts at its port is found again, by who waits for it`, async () => {
    await using flow = await echo()
    const first = await Gateway.serve(flow, { protocol })
    const { port } = first
    await using client = new Client(first.addresses[protocol]!, { retries: { attempts: 19, delay: 50, maxDelay: 200 } })
    assert.equal((await within(10_000, client.post('/', ['a']).docs())).texts, ['a!'])
    await first.close(0)
    const waiting = client.post('/', ['b']).docs()
    const second = await Gateway.serve(flow, { protocol, port })
    assert.equal((await within(10_000, waiting)).texts, ['b!'])
    await second.close()
  })

  test(`R109, F11: ${protocol}: an executor that moves behind several addresses: requests follow it, none fails`, async () => {
    await using flow = await echo()
    const ports = [await deadPort(), await deadPort()]
    let gateway = await Gateway.serve(flow, { protocol, port: ports[0]! })
    const outer = await new Flow().add({ name: 'far', external: true, protocol, port: ports }).open()
    for (const port of [ports[1]!, ports[0]!]) {
      for (let i = 0; i < 5; i++) assert.equal((await within(10_000, outer.post('/', ['a']).docs())).texts, ['a!'])
      await gateway.close(0)
      gateway = await Gateway.serve(flow, { protocol, port })
    }
    assert.equal((await within(10_000, outer.post('/', ['a']).docs())).texts, ['a!'])
    await outer.close()
    await gateway.close()
  })

  test(`R109, F11: ${protocol}: of two addresses, the one that was away gets its share again as soon as it is back`, async () => {
    await using flow = await echo()
    let served = 0
    const handle = (request: Request): void | Promise<void> => {
      served++
      return flow.handle(request)
    }
    const counted = { accepts: () => true, open() {}, close() {}, handle }
    await using other = await Gateway.serve(flow, { protocol })
    const first = await Gateway.serve(counted, { protocol })
    await using outer = await new Flow().add({ name: 'far', external: true, protocol, port: [other.port, first.port] }).open()
    const round = () => within(10_000, outer.post('/', ['a', 'b', 'c', 'd'], { requestSize: 1 }).drain())
    await round()
    assert.ok(served > 0)
    await first.close(0)
    for (let i = 0; i < 30; i++) await round()
    await using second = await Gateway.serve(counted, { protocol, port: first.port })
    assert.is(second.port, first.port)
    served = 0
    // It is seen to be back by a look between two requests.
    const back = now()
    while (served === 0) await round()
    assert.ok(now() - back < 4000 * Number(process.env.TEST_PATIENCE ?? 1), `${now() - back} ms`)
    // Who answers sooner gets more, and a busy machine disturbs one or the other: once, it must be a quarter.
    let share = 0
    for (let tries = 0; tries < 8 && share < 10; tries++) {
      served = 0
      for (let i = 0; i < 10; i++) await round()
      share = Math.max(share, served)
    }
    assert.ok(share >= 10, `${share} of 40`)
  })

  test(`R109, F11: ${protocol}: an executor that is away is not overrun: few connections for many requests, apart from each other`, async () => {
    const away = await deadPort()
    // What comes through here is counted, and finds nobody.
    await using between = await road(away)
    const outer = await new Flow().add({ name: 'far', external: true, protocol, port: between.port }).open()
    const { error } = await within(20_000, collect(outer.post('/', new Array(16).fill('a'), { requestSize: 1, prefetch: 16, continueOnError: true })))
    assert.is(error, undefined)
    // Three tries for each of 16 requests, and three questions, for all of them together, what is spoken there. Over gRPC, those that wait share a connection.
    const most = 3 * 16 + 3
    assert.ok(between.connections <= most, `${between.connections} connections`)
    await outer.close()
  })

  test(`R113: ${protocol}: no more attempts than told, and none when once was all that was said`, async () => {
    let calls = 0
    let cut: () => void = () => {}
    const flow = await new Flow({ closeTimeout: 100 })
      .add({
        name: 'worker',
        uses: async ({ signal }) => {
          calls++
          cut()
          await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve())))
        },
      })
      .open()
    const gateway = await Gateway.serve(flow, { protocol })
    await using between = await road(gateway.port)
    cut = () => between.drop()
    for (const [retries, expected] of [
      [undefined, 1],
      [0, 1],
      [{ attempts: 3, delay: 10, maxDelay: 20 }, 4],
    ] as const) {
      calls = 0
      await using client = new Client(`${SCHEMES[protocol]}://127.0.0.1:${between.port}`, { retries })
      const { error } = await within(10_000, collect(client.post('/', ['a'])))
      assert.is(error.code, 'ERR_DISCONNECTED')
      assert.is(calls, expected)
    }
    await gateway.close(0)
    await flow.close()
  })

  test(`R113: ${protocol}: all attempts together have the time of one`, async () => {
    await using nobody = new Client(`${SCHEMES[protocol]}://127.0.0.1:${await deadPort()}`, {
      retries: { attempts: 99_999, delay: 50, maxDelay: 50 },
      timeout: 300,
    })
    assert.is((await within(20_000, collect(nobody.post('/', ['a'])))).error.code, 'ERR_TIMEOUT')
    // The first attempt breaks off late, and the second would have all of the time again.
    let calls = 0
    let cut: () => void = () => {}
    const flow = await new Flow({ closeTimeout: 100 })
      .add({
        name: 'worker',
        uses: async ({ signal }) => {
          if (++calls === 1) setTimeout(() => cut(), 700)
          await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve())))
        },
      })
      .open()
    const gateway = await Gateway.serve(flow, { protocol })
    await soonest(1450, async () => {
      await using between = await road(gateway.port)
      cut = () => between.drop()
      calls = 0
      await using client = new Client(`${SCHEMES[protocol]}://127.0.0.1:${between.port}`, { retries: { attempts: 4, delay: 10, maxDelay: 10 }, timeout: 1000 })
      const took = await timed(async () => assert.is((await within(20_000, collect(client.post('/', ['a'])))).error.code, 'ERR_TIMEOUT'))
      // On a busy machine there may be no time left for a second one.
      return calls === 2 ? took : Infinity
    })
    await gateway.close(0)
    await flow.close()
  })
}

test.run()
