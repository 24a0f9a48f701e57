// Connections that have their age: clients that look no name up again find who came later, and lose nothing.
import { Agent, request } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { connections } from '../support/connections.js'
import { within } from '../support/within.js'

const AGE = 100

test('F13, R115: over gRPC, clients go on by new connections, and no request fails', async () => {
  const uses = async ({ docs }: any) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    docs[0].text += '!'
  }
  await using flow = await new Flow({ protocol: 'grpc', maxConnectionAge: AGE }).add({ uses }).open()
  await using client = new Client(flow.addresses.grpc!)
  const go = async (): Promise<void> => {
    for (const start = performance.now(); performance.now() - start < 5 * AGE; ) assert.equal((await client.post('/', ['a']).docs()).texts, ['a!'])
  }
  await within(10_000, go())
})

test('F13: over HTTP, the first answer after its age ends the connection; before, it stays', async () => {
  await using flow = await new Flow({ protocol: 'http', maxConnectionAge: AGE }).add({ uses: () => {} }).open()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = () =>
    new Promise<{ connection: string | undefined; port: number | undefined }>((resolve, reject) => {
      request(`${flow.addresses.http}/healthz`, { agent }, (answer) => {
        const port = answer.socket.localPort
        answer.resume().on('end', () => resolve({ connection: answer.headers.connection, port }))
      })
        .on('error', reject)
        .end()
    })
  const first = await ask()
  assert.equal(await ask(), first)
  assert.is(first.connection, 'keep-alive')
  await new Promise((resolve) => setTimeout(resolve, AGE * 1.2))
  assert.equal(await ask(), { connection: 'close', port: first.port })
  const anew = await ask()
  assert.is(anew.connection, 'keep-alive')
  assert.is.not(anew.port, first.port)
  agent.destroy()
})

test('the longest age there is ends no connection at once', async () => {
  await using flow = await new Flow({ protocol: 'grpc', maxConnectionAge: 0x7fffffff }).add({ uses: () => {} }).open()
  const { port } = new URL(flow.addresses.grpc!.replace('grpc', 'http'))
  using made = connections(Number(port))
  await using client = new Client(flow.addresses.grpc!)
  for (let at = 0; at < 20; at++) {
    await client.post('/', ['a']).docs()
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.is(made.count, 1)
})

test.run()
