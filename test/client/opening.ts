// open() of a Client connects; and a Client that is idle keeps no process alive.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, ConnectionError } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { PROTOCOLS, texts } from '../network/ways.js'
import { codeUrl, flags } from '../support/code.js'
import { deadPort, silence } from '../support/nobody.js'
import { tap } from '../support/tap.js'
import { within } from '../support/within.js'
import { world } from './world.js'

const run = promisify(execFile)

for (const protocol of PROTOCOLS) {
  test(`C2: ${protocol}: open() connects, and the first request goes the same way`, async () => {
    await using it = await world()
    await using wire = await tap(it.gateway.port)
    await using client = new Client({ port: wire.port, protocol })
    assert.is(await within(10_000, client.open()), client)
    assert.ok(wire.sent.length > 0)
    assert.equal(await texts(protocol, client, ['a']), ['a!'])
    assert.is(wire.connections, 1)
    await client.open()
  })

  test(`C2, C5: ${protocol}: open() says that nobody is there, or answers`, async () => {
    const codeOf = async (port: number) => {
      const error = await within(
        5000,
        new Client({ port, protocol, connectTimeout: 200, retries: 8 }).open().catch((error) => error),
      )
      assert.instance(error, ConnectionError)
      return error.code
    }
    assert.is(await codeOf(await deadPort()), 'ERR_UNREACHABLE')
    await using silent = await silence()
    assert.is(await codeOf(silent.port), protocol === 'http' ? 'ERR_TIMEOUT' : 'ERR_UNREACHABLE')
    // A Client that found nobody can be asked again.
    await using client = new Client({ port: await deadPort(), protocol })
    for (let i = 0; i < 2; i++) assert.is((await client.open().catch((error) => error)).code, 'ERR_UNREACHABLE')
  })

  test(`C3: ${protocol}: a Client that is not closed keeps no process alive once it is idle`, async () => {
    await using it = await world()
    const program = `
      import { Client } from '${codeUrl('lib/client/index')}'
      const client = new Client(${JSON.stringify(it.address(protocol))})
      console.log((await client.post('/', 'a').docs()).texts[0])
      console.log((await client.post('/', 'b').docs()).texts[0])
      // Comes to be only if something else keeps the process alive for so long.
      setTimeout(() => console.log('still there'), 500).unref()`
    const { stdout } = await within(20_000, run(process.execPath, [...flags, '--input-type=module', '-e', program]))
    assert.equal(stdout.trim().split('\n'), ['a!', 'b!'])
  })
}

test('F11: a Flow opens with nobody at the address of an external executor', async () => {
  await using flow = await new Flow().add({ external: true, port: await deadPort() }).open()
  assert.is(flow.isOpen, true)
})

test.run()
