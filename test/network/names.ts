// Names and the addresses behind them, as far as loopback goes: none, one, several of which some are dead, and both families.
import dns from 'node:dns'
import { createServer } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { ConnectionError, Flow } from '../../lib/index.js'
import { collect } from '../support/collect.js'
import { deadPort } from '../support/nobody.js'
import { within } from '../support/within.js'
import { PROTOCOLS, SCHEMES, texts, WAYS } from './ways.js'

const hasSix = await new Promise<boolean>((resolve) => {
  const server = createServer()
  server.on('error', () => resolve(false))
  server.listen(0, '::1', () => server.close(() => resolve(true)))
})
const behindLocalhost = (await dns.promises.lookup('localhost', { all: true })).map(({ address }) => address)

/** What stands behind the name `flow.test`: asked in place of the system, by Node's sockets and by gRPC. */
let behind: readonly string[] = []
const answers = () => behind.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
const system = { lookup: dns.lookup, promised: dns.promises.lookup }
const ours = (host: string): boolean => host === 'flow.test'
dns.lookup = ((host: string, options: any, done: any) => {
  if (!ours(host)) return (system.lookup as any)(host, options, done)
  const found = answers()
  process.nextTick(() => (options.all ? done(null, found) : done(null, found[0]!.address, found[0]!.family)))
}) as never
dns.promises.lookup = (async (host: string, options: any) => (ours(host) ? answers() : system.promised(host, options))) as never

/** A service of this machine is asked by that name only if it says so. */
const named = { protocol: PROTOCOLS, graphql: true, allowedHosts: ['flow.test'] } as const

const echo = () => new Flow({ closeTimeout: 100 }).add({ name: 'worker', uses: () => {} }).open()

for (const way of WAYS) {
  test(`R110: ${way}: a name behind which there is no address`, async () => {
    await using client = new Client(`${SCHEMES[way]}://no-such-host.invalid:1`, { connectTimeout: 2000 })
    const error = await within(
      10_000,
      texts(way, client, ['a']).catch((error) => error),
    )
    assert.instance(error, ConnectionError)
    assert.is(error.code, 'ERR_UNREACHABLE')
    assert.match(error.message, 'no-such-host.invalid')
  })

  for (const host of ['127.0.0.1', '127.0.0.2', '::1'])
    test(`R110: ${way}: a server at ${host} alone, asked by that address${behindLocalhost.includes(host) ? ', and by localhost, whose others are dead' : ''}`, async () => {
      if (host === '::1' && !hasSix) return
      await using flow = await echo()
      await using gateway = await Gateway.serve(flow, { protocol: PROTOCOLS, graphql: true, host })
      const asked = [host.includes(':') ? `[${host}]` : host, ...(behindLocalhost.includes(host) ? ['localhost'] : [])]
      for (const name of asked) {
        await using client = new Client(`${SCHEMES[way]}://${name}:${gateway.port}`)
        assert.equal(await within(10_000, texts(way, client, ['a'])), ['a'], name)
      }
    })
}

for (const way of WAYS) {
  test(`R110: ${way}: a name with several addresses: those that are dead are passed over, of whichever family`, async () => {
    await using flow = await echo()
    await using gateway = await Gateway.serve(flow, named)
    for (const addresses of [
      ['127.0.0.1'],
      ['127.0.0.7', '127.0.0.1'],
      ['::1', '127.0.0.1'],
      ['127.0.0.1', '::1'],
      ['127.0.0.7', '127.0.0.8', '::1', '127.0.0.1'],
    ]) {
      behind = addresses
      await using client = new Client(`${SCHEMES[way]}://flow.test:${gateway.port}`)
      assert.equal(await within(10_000, texts(way, client, ['a'])), ['a'], addresses.join())
    }
    behind = ['127.0.0.7', '127.0.0.8']
    await using nobody = new Client(`${SCHEMES[way]}://flow.test:${gateway.port}`)
    assert.is(
      (
        await within(
          10_000,
          texts(way, nobody, ['a']).catch((error) => error),
        )
      ).code,
      'ERR_UNREACHABLE',
    )
  })

  test(`R110: ${way}: a name whose address changes: who lost the old one finds the new one`, async () => {
    await using flow = await echo()
    const port = await deadPort()
    const old = await Gateway.serve(flow, { ...named, port, host: '127.0.0.1' })
    behind = ['127.0.0.1']
    await using client = new Client(`${SCHEMES[way]}://flow.test:${port}`, { retries: { attempts: 19, delay: 50, maxDelay: 200 } })
    assert.equal(await within(10_000, texts(way, client, ['a'])), ['a'])
    await old.close(0)
    behind = ['127.0.0.2']
    await using _ = await Gateway.serve(flow, { ...named, port, host: '127.0.0.2' })
    // A mutation is not repeated: where the end of the old connection was not heard of yet, the first one hears of it.
    const lost = (error: ConnectionError) => (way === 'graphql' && error.code === 'ERR_DISCONNECTED' ? texts(way, client, ['b']) : Promise.reject(error))
    assert.equal(await within(10_000, texts(way, client, ['b']).catch(lost)), ['b'])
  })
}

for (const protocol of PROTOCOLS)
  test(`R110, F11: ${protocol}: an executor at several addresses, one of them dead: the others are used`, async () => {
    await using flow = await echo()
    await using gateway = await Gateway.serve(flow, { protocol })
    const port = await deadPort()
    await using outer = await new Flow().add({ name: 'far', external: true, protocol, port: [port, gateway.port, port] }).open()
    const { items, error } = await within(10_000, collect(outer.post('/', new Array(20).fill('a'), { requestSize: 1 })))
    assert.is(error, undefined, String(error))
    assert.is(items.length, 20)
  })

test.run()
