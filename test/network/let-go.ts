// Who gave up leaves nothing: a process ends by itself after its failures, though no Client in it is closed.
import { spawn } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { asProgram, codeUrl } from '../support/code.js'
import { deadPort, silence } from '../support/nobody.js'
import { road } from '../support/road.js'
import { within } from '../support/within.js'
import { schemeOf, WAYS } from './ways.js'

/** A process that asks by every way, tells what became of it and what is left, and must end then. @param freeze called when all have been answered once */
async function ends(port: number, secure: boolean, options: object, freeze?: () => void): Promise<string[]> {
  const asked = WAYS.map((way) => [way, `${schemeOf(way, secure)}://127.0.0.1:${port}`])
  const code = `
    import { Client } from ${JSON.stringify(codeUrl('lib/client/index'))}
    import { texts } from ${JSON.stringify(codeUrl('test/network/ways'))}
    const clients = ${JSON.stringify(asked)}.map(([way, host]) => [way, new Client(host, ${JSON.stringify(options)})])
    const ask = () => Promise.all(clients.map(([way, client]) => texts(way, client, ['a']).then(() => 'answered', (error) => error.code)))
    ${freeze === undefined ? '' : `await ask(); console.log('freeze'); await new Promise((go) => process.stdin.once('data', go)); process.stdin.unref()`}
    console.log((await ask()).join())
    // What holds it, if anything does.
    setTimeout(() => console.log('left: ' + process.getActiveResourcesInfo()), 1000).unref()`
  const child = spawn(process.execPath, asProgram(code), { stdio: ['pipe', 'pipe', 'ignore'] })
  let said = ''
  child.stdout.on('data', (data) => {
    said += data
    if (freeze === undefined || !String(data).includes('freeze')) return
    freeze()
    child.stdin.write('go')
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  try {
    await within(40_000, ended)
  } catch (error) {
    throw new Error(`it does not end: ${said}`, { cause: error })
  } finally {
    child.kill('SIGKILL')
  }
  return /^(ERR_.*)$/m.exec(said)?.[1]?.split(',') ?? [said]
}

for (const secure of [false, true])
  test(`232: a port that accepts connections and says nothing keeps no process alive, ${secure ? 'by TLS' : 'without TLS'}`, async () => {
    await using silent = await silence()
    const codes = await ends(silent.port, secure, { connectTimeout: 300, timeout: 1000 })
    assert.equal(new Set(codes.map((code) => /^ERR_(UNREACHABLE|TIMEOUT)$/.test(code))), new Set([true]), codes.join())
    assert.ok(silent.connections >= WAYS.length)
  })

test('173: where packets vanish, no process is kept alive', async () => {
  await using flow = await new Flow().add({ uses: () => {} }).open()
  await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true })
  await using between = await road(gateway.port)
  const codes = await ends(between.port, false, {}, () => between.freeze())
  assert.equal(
    codes,
    WAYS.map(() => 'ERR_DISCONNECTED'),
  )
})

test('173: nor where nobody is', async () => {
  assert.equal(
    await ends(await deadPort(), false, {}),
    WAYS.map(() => 'ERR_UNREACHABLE'),
  )
})

test.run()
