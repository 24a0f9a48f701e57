// Connections that end as they are used again, and servers that go while others come: what nobody has looked at goes out again, unasked.
import '../support/clock.js'

import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer as createTcp, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Document, Executor, Flow } from '../../lib/index.js'
import { world } from '../client/world.js'
import { fake, real } from '../support/clock.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { Service } from '../support/service.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'
import { PROTOCOLS, SCHEMES, texts, WAYS } from './ways.js'

// Both ends and what is between them share a process here, on a machine that has other things to do, and a round trip takes its time: the clock goes slower.
const SLOWER = 50
test.before.each(() => {
  fake.now = () => real.now() / SLOWER
})

/**
 * Stands before a server. Once told, whoever says more on a connection that stood then is hung up on, and what was said gets nowhere.
 * @param hold milliseconds before
 */
async function crossing(port: number, reset = false, hold = 0) {
  const sockets = new Set<Socket>()
  const ended = new Set<Socket>()
  let connections = 0
  const server = createTcp((near) => {
    connections++
    const far = connect(port, '127.0.0.1')
    near.on('data', (chunk) => {
      if (!ended.has(near)) far.write(chunk)
      else if (hold > 0) setTimeout(() => near.destroy(), hold)
      else if (reset) near.resetAndDestroy()
      else near.destroy()
    })
    far.pipe(near)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => void other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    cross() {
      for (const socket of sockets) ended.add(socket)
    },
    /** Takes no more connections. */
    stop: () => void server.close(),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

for (const way of WAYS)
  for (const reset of [false, true])
    test(`177: ${way}: what was written to a connection that ended meanwhile, and gave nothing back, is sent again (${reset ? 'reset' : 'closed'})`, async () => {
      await using it = await world()
      await using between = await crossing(it.gateway.port, reset)
      const host = `${SCHEMES[way]}://127.0.0.1:${between.port}`
      await using client = new Client(host)
      await using outer = await new Flow().add({ name: 'far', external: true, host, retries: 0 }).open()
      for (const asked of [client, outer] as Client[]) {
        if (asked !== client && way === 'graphql') continue
        it.calls.length = 0
        assert.equal(await within(10_000, texts(way, asked, ['a'])), ['a!'])
        for (const text of ['b', 'c']) {
          between.cross()
          assert.equal(await within(10_000, texts(way, asked, [text])), [`${text}!`])
        }
        assert.equal(it.calls, ['a', 'b', 'c'])
      }
    })

for (const way of WAYS)
  test(`177: ${way}: who had it for longer than it takes to cross may have done it: it is not sent again`, async () => {
    fake.now = undefined
    await using it = await world()
    await using between = await crossing(it.gateway.port, false, 200)
    await using client = new Client(`${SCHEMES[way]}://127.0.0.1:${between.port}`)
    assert.equal(await within(10_000, texts(way, client, ['a'])), ['a!'])
    between.cross()
    const failed = texts(way, client, ['b']).catch((error) => error)
    assert.is((await within(10_000, failed)).code, 'ERR_DISCONNECTED')
    assert.equal(it.calls, ['a'])
  })

for (const way of WAYS)
  test(`177: ${way}: where nobody comes in its place, that is said of the first`, async () => {
    const it = await world()
    const between = await crossing(it.gateway.port)
    await using client = new Client(`${SCHEMES[way]}://127.0.0.1:${between.port}`)
    assert.equal(await within(10_000, texts(way, client, ['a'])), ['a!'])
    between.cross()
    between.stop()
    const failed = texts(way, client, ['b']).catch((error) => error)
    assert.is((await within(10_000, failed)).code, 'ERR_DISCONNECTED')
    await between[Symbol.asyncDispose]()
    await it[Symbol.asyncDispose]()
  })

test('177: after a 500, a connection is not used again: some close it without saying so, as uvicorn does', async () => {
  let connections = 0
  const used = new Set<Socket>()
  const again: string[] = []
  let status = 500
  const server = createServer((request: IncomingMessage, response) => {
    if (used.has(request.socket)) again.push(request.url!)
    used.add(request.socket)
    request.resume().on('end', () => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ header: {}, data: [] })))
  }).on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await using client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  for (const [given, expected] of [
    [500, 0],
    [200, 1],
    [404, 2],
    [503, 3],
  ] as const) {
    status = given
    await collect(client.post('/', 'a'))
    await client.mutate('{ __typename }').catch(() => {})
    assert.is(again.filter((url) => url === '/post').length, given === 500 ? 0 : expected - 1, `${given}`)
  }
  assert.ok(connections >= 3)
  server.closeAllConnections()
  server.close()
})

for (const protocol of ['http', 'websocket'] as const)
  test(`230: ${protocol}: who tries again gets through a proxy that says 502 while its gateway restarts, also as an executor elsewhere`, async () => {
    await using it = await world()
    let refused = 0
    const proxy = createTcp((near) => {
      near.on('error', () => {})
      if (refused++ % 3 < 2) return void near.once('data', () => near.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'))
      const far = connect(it.gateway.port, '127.0.0.1')
      far.on('error', () => near.destroy())
      near.on('close', () => far.destroy())
      near.pipe(far).pipe(near)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const host = `${SCHEMES[protocol]}://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const retries = { attempts: 2, delay: 1 }
    await using client = new Client(host, { retries })
    await using outer = await new Flow().add({ name: 'far', external: true, host, retries }).open()
    for (const asked of [client, outer] as Client[]) {
      refused = 0
      assert.equal(await within(10_000, texts(protocol, asked, ['a'])), ['a!'])
      assert.is(refused, 3)
    }
    await client.close()
    await outer.close()
    await new Promise((resolve) => proxy.close(resolve))
  })

for (const protocol of PROTOCOLS)
  test(`230: ${protocol}: what is sent to a gateway that shuts down goes to who comes in its place, behind what it still answers`, async () => {
    await using it = await world()
    await using name = await Service.before(it.gateway.port)
    await using client = new Client(`${SCHEMES[protocol]}://127.0.0.1:${name.port}`)
    const gate = deferred<void>()
    async function* given() {
      yield 'hang'
      await gate.promise
      yield 'late'
    }
    const answers = collect(client.post('/', given(), { requestSize: 1, prefetch: 2 }))
    await within(10_000, it.arrived())
    await using next = await Gateway.serve(it.flow, { protocol })
    name.target = next.port
    const closing = it.gateway.close(10_000)
    for (let i = 0; i < 20; i++) await turn()
    gate.resolve()
    for (let i = 0; i < 20; i++) await turn()
    it.door.resolve()
    const { items, error } = await within(20_000, answers)
    assert.is(error, undefined, String(error))
    assert.equal(items.flatMap(({ docs }) => docs.texts).sort(), ['hang!', 'late!'])
    assert.equal(it.calls, ['hang', 'late'])
    await within(20_000, closing)
  })

for (const protocol of PROTOCOLS)
  test(`230: ${protocol}: what is answered already stays so when its gateway shuts down, also behind parts that wait for the consumer; it is not done again`, async () => {
    let runs = 0
    class Pieces extends Executor {
      static requests = { '/pieces': 'pieces' }
      async *pieces() {
        runs++
        for (let i = 0; i < 4; i++) yield new Document({ text: `${i}` })
      }
    }
    await using flow = await new Flow().add({ uses: Pieces }).open()
    await using gateway = await Gateway.serve(flow, { protocol })
    await using next = await Gateway.serve(flow, { protocol })
    await using name = await Service.before(gateway.port)
    await using client = new Client(`${SCHEMES[protocol]}://127.0.0.1:${name.port}`)
    const seen: string[] = []
    for await (const { docs, partial } of client.post('/pieces', 'a')) {
      seen.push(partial ? docs.texts.join() : 'all')
      if (seen.length > 1) continue
      name.target = next.port
      await within(20_000, gateway.close())
      for (let i = 0; i < 50; i++) await turn()
    }
    assert.equal(seen, ['0', '1', '2', '3', 'all'])
    assert.is(runs, 1)
  })

for (const protocol of PROTOCOLS)
  test(`230: ${protocol}: gateways that are restarted behind a name, under load, lose nothing, without retries`, async () => {
    await using flow = await new Flow().add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) }).open()
    let gateway = await Gateway.serve(flow, { protocol })
    await using name = await Service.before(gateway.port)
    const host = `${SCHEMES[protocol]}://127.0.0.1:${name.port}`
    await using client = new Client(host)
    await using outer = await new Flow().add({ name: 'far', external: true, host, retries: 0 }).open()
    let running = true
    let answered = 0
    const failures: unknown[] = []
    const load = async (asked: Client): Promise<void> => {
      while (running) {
        const { items, error } = await collect(asked.post('/', ['a', 'b', 'c', 'd'], { requestSize: 1, prefetch: 2 }))
        answered += items.filter(({ docs }) => docs[0]!.text.endsWith('!')).length
        if (error !== undefined) failures.push(error)
      }
    }
    const loads = [client, client, outer as unknown as Client, outer as unknown as Client].map(load)
    for (let restart = 0; restart < 6; restart++) {
      const until = answered + 60
      while (answered < until && failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      const next = await Gateway.serve(flow, { protocol })
      name.target = next.port
      await within(20_000, gateway.close())
      gateway = next
    }
    running = false
    await within(20_000, Promise.all(loads))
    await gateway.close()
    assert.equal(failures, [])
  })

test.run()
