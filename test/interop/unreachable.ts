// What Python makes of executors that are not there, behind our gateway, and we behind Python's; and servers of its gRPC that let go of connections.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { ConnectionError, Flow } from '../../lib/index.js'
import { collect } from '../support/collect.js'
import { silence } from '../support/nobody.js'
import { road } from '../support/road.js'
import { within } from '../support/within.js'
import { client, flow, freePort, Script } from './process.js'
import { interop } from './python.js'
import { protocols } from './wires.js'

const pictures = [{ id: 'a', text: 'a' }]

await interop(test, async (python) => {
  test('C5, C6, F11: Python → our gateway, whose executor elsewhere is away, or too late: ConnectionError on each protocol, and it names it', async () => {
    await using script = client(python)
    await using silent = await silence()
    for (const [port, timeout] of [
      [await freePort(), undefined],
      [silent.port, 300],
    ] as const) {
      const ours = await new Flow({ closeTimeout: 100 }).add({ name: 'far', external: true, port, ...(timeout !== undefined && { timeout }) }).open()
      const gateway = await Gateway.serve(ours, { protocol: protocols })
      for (const protocol of protocols)
        for (const stream of protocol === 'grpc' ? [true, false] : [true]) {
          const address = gateway.addresses[protocol]!
          const { error } = await within(30_000, script.ask({ address, do: 'post', on: '/x', pictures, stream }))
          assert.is(error?.type, 'ConnectionError', `${protocol}: ${error?.message}`)
          assert.match(error.message, /far/, protocol)
        }
      await gateway.close(0)
      await ours.close()
    }
  })

  // One request each: Jina's gateway may never answer a second one while the executor is away.
  for (const protocol of protocols)
    test(`C5, C6, F11: our ${protocol} → Python's gateway, whose executor elsewhere is away: ERR_UNREACHABLE`, async () => {
      await using served = await flow(python, { protocol: [protocol], executors: [{ name: 'far', external: true, host: '127.0.0.1', port: await freePort() }] })
      await using own = new Client(served.address(protocol), { timeout: 30_000 })
      const { error } = await within(40_000, collect(own.post('/x', ['a'])))
      assert.instance(error, ConnectionError, String(error))
      assert.is(error.code, 'ERR_UNREACHABLE', error.message)
    })

  test('C6, R115: our grpc → a server of Python that lets go of connections: no post fails', async () => {
    const port = await freePort()
    await using server = new Script(python, 'aging.py', { port, age: 200 })
    await within(20_000, server.line())
    await using between = await road(port)
    await using own = new Client(`grpc://127.0.0.1:${between.port}`)
    const until = performance.now() + 2000
    while (performance.now() < until) assert.equal((await within(5000, own.post('/', ['a']).docs())).texts, ['a'])
    assert.ok(between.connections >= 3, `${between.connections} connections`)
  })
})

test.run()
