// open() of a Client connects; and a Client that is idle keeps no process alive.
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, ConnectionError } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { PROTOCOLS, texts } from '../network/ways.js'
import { asProgram, codeUrl } from '../support/code.js'
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
    assert.is(await codeOf(silent.port), 'ERR_UNREACHABLE')
    // A Client that found nobody can be asked again.
    await using client = new Client({ port: await deadPort(), protocol })
    for (let i = 0; i < 2; i++) assert.is((await client.open().catch((error) => error)).code, 'ERR_UNREACHABLE')
    // So do all who ask at the same time.
    await using beside = new Client({ port: await deadPort(), protocol })
    const codes = [beside.open(), beside.open(), beside.reach()].map((opened) => opened.then(String, (error) => error.code))
    assert.equal(await within(5000, Promise.all(codes)), ['ERR_UNREACHABLE', 'ERR_UNREACHABLE', 'ERR_UNREACHABLE'])
  })

  test(`233: ${protocol}: open() fails for who is not let in, as a request does, and not for who is`, async () => {
    const token = 'the-token-of-this-test'
    for (const openHealth of [true, false]) {
      await using it = await world({ token, openHealth })
      for (const [given, code] of [[undefined, 'ERR_REFUSED'] as const, ['another-token-than-that', 'ERR_REFUSED'] as const, [token, 'open'] as const]) {
        await using client = new Client({ host: it.address(protocol), ...(given !== undefined && { token: given }) })
        const codes = async (act: Promise<unknown>): Promise<string> =>
          act.then(
            () => 'open',
            (error) => `${error.code}`,
          )
        assert.is(await codes(within(10_000, client.open())), code, `${given}`)
        assert.is(await codes(client.post('/', 'a').drain()), code, `${given}`)
        assert.is(await client.isFlowReady(), code === 'open', `${given}`)
      }
    }
  })

  test(`233: ${protocol}: what a proxy says for a server that is not there is not open, and not ready`, async () => {
    for (const status of [502, 503, 504, 401, 403]) {
      const proxy = createServer((_, response) => response.writeHead(status).end())
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
      const { port } = proxy.address() as AddressInfo
      await using client = new Client({ port, protocol })
      const error: any = await within(10_000, client.open()).catch((error) => error)
      const wanted = protocol === 'grpc' ? 'ERR_PROTOCOL' : status === 504 ? 'ERR_TIMEOUT' : status < 500 ? 'ERR_REFUSED' : 'ERR_UNREACHABLE'
      assert.is(error.code, wanted, `${status}: ${error.message}`)
      assert.is(await client.isFlowReady(), false)
      proxy.closeAllConnections()
      proxy.close()
    }
  })

  test(`233: ${protocol}: isFlowReady() waits for as long as connectTimeout says`, async () => {
    await using silent = await silence()
    await using client = new Client({ port: silent.port, protocol, connectTimeout: 100 })
    // It was 5 s on one wire, whatever was said.
    assert.is(await within(4000, client.isFlowReady()), false)
  })

  test(`233: ${protocol}: isFlowReady() takes a time without end, and one that is longer than timers are`, async () => {
    await using it = await world()
    await using client = new Client(it.address(protocol))
    for (const timeout of [Infinity, 3e9]) assert.is(await within(10_000, client.isFlowReady({ timeout })), true, `${timeout}`)
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
    const { stdout } = await within(20_000, run(process.execPath, asProgram(program)))
    assert.equal(stdout.trim().split('\n'), ['a!', 'b!'])
  })
}

test('F11: a Flow opens with nobody at the address of an external executor', async () => {
  await using flow = await new Flow().add({ external: true, port: await deadPort() }).open()
  assert.is(flow.isOpen, true)
})

test.run()
