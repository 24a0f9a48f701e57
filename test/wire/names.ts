// Names that come from outside are data: the same ones are refused on every wire, before an executor hears of them.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { within } from '../support/within.js'

/** A Flow on all wires, which counts the requests that reach its executor. */
async function counted() {
  let reached = 0
  const flow = await new Flow().add({ uses: () => void reached++ }).open()
  const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true })
  return {
    port: gateway.port,
    addresses: gateway.addresses,
    reached: () => reached,
    async [Symbol.asyncDispose]() {
      await gateway.close()
      await flow.close()
    },
  }
}

const BAD = ['/a\r\nforged line', '/a\0', '/\x1b[2J', `/${'a'.repeat(1024)}`]

test('152: an endpoint with control characters, or without end, is refused on every wire', async () => {
  await using it = await counted()
  for (const [protocol, address] of Object.entries(it.addresses)) {
    await using client = new Client(address)
    for (const endpoint of BAD) {
      const error: any = await within(10_000, client.post(endpoint, ['a']).drain()).then(
        () => undefined,
        (error) => error,
      )
      assert.ok(error, `${protocol} ${JSON.stringify(endpoint.slice(0, 20))}`)
      assert.not(/forged/.test(error.message) || error.message.includes('\x1b'), protocol)
    }
    await client.post('/fine', ['a']).drain()
  }
  const asked = async (execEndpoint: string): Promise<[number, any]> => {
    const body = JSON.stringify({ query: 'mutation ($on: String!) { docs(data: { text: "a" }, execEndpoint: $on) { id } }', variables: { on: execEndpoint } })
    const answer = await fetch(`http://127.0.0.1:${it.port}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return [answer.status, await answer.json()]
  }
  for (const endpoint of BAD) assert.is((await asked(endpoint))[1].errors?.[0].extensions.code, 'BAD_USER_INPUT', endpoint.slice(0, 20))
  assert.is(it.reached(), Object.keys(it.addresses).length)
  assert.is((await asked('/fine'))[1].errors, undefined)
})

test('152: so is a request id over WebSocket, and others on its connection go on', async () => {
  await using it = await counted()
  const socket = new WebSocket(it.addresses.websocket!)
  await within(5000, new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject)))
  const ask = (request_id: string): Promise<any> => {
    const answer = new Promise((resolve) => socket.once('message', (data) => resolve(JSON.parse(String(data)))))
    socket.send(JSON.stringify({ header: { request_id, exec_endpoint: '/' }, data: [{ text: 'a' }] }))
    return within(5000, answer) as Promise<any>
  }
  for (const id of ['a\r\nforged line', '\x1b[2J', 'a'.repeat(129)]) assert.is((await ask(id)).header.status.code, 1, id.slice(0, 20))
  assert.is(it.reached(), 0)
  assert.is.not((await ask('a'.repeat(128))).header.status?.code, 1)
  assert.is(it.reached(), 1)
  socket.terminate()
})

test.run()
