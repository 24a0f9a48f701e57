// A server that is away is not asked by each request, and asked again as soon as it is back.
import { createServer, type Server } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, type ClientOptions } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { PROTOCOLS } from '../network/ways.js'
import { connections } from '../support/connections.js'
import { deferred } from '../support/deferred.js'
import { deadPort } from '../support/nobody.js'
import { within } from '../support/within.js'

const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** What a post of one document comes to. */
const ask = (poster: { post(on: string, inputs: string): AsyncIterable<{ docs: readonly { text: string }[] }> }): Promise<any> =>
  (async () => {
    for await (const { docs } of poster.post('/', 'a')) return docs[0]!.text
  })().catch((error) => error)

async function until(condition: () => unknown): Promise<void> {
  while (!condition()) await sleep(10)
}

const serving = (protocol: (typeof PROTOCOLS)[number], port: number): Promise<Flow<string>> =>
  new Flow<string>({ protocol, port, closeTimeout: 100 }).add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) }).open()

/** Asks again and again until its breaker is open. */
async function open(client: Client): Promise<void> {
  while (client.breaker.state === 'closed') {
    await Promise.all(Array.from({ length: 3 }, () => ask(client)))
    await sleep(20)
  }
}

for (const protocol of PROTOCOLS) {
  const clientOf = (port: number, options: ClientOptions = {}): Client => new Client({ host: '127.0.0.1', port, protocol, ...options })

  test(`224: ${protocol}: who is away is not asked by each request; those without retries fail at once, and say why`, async () => {
    const port = await deadPort()
    await using client = clientOf(port)
    await within(20_000, open(client))
    using connected = connections(port)
    const failures = await within(10_000, Promise.all(Array.from({ length: 200 }, () => ask(client))))
    for (const error of failures) assert.is(error.code, 'ERR_UNREACHABLE')
    assert.ok(failures.some(({ message }) => /nobody answers there.*its circuit breaker is open, as \d+ .* found nobody there/s.test(message)))
    assert.ok(connected.count <= 20, `${connected.count} connections`)
    assert.is(client.breaker.address, `${protocol === 'websocket' ? 'ws' : protocol}://127.0.0.1:${port}`)
    assert.type(client.breaker.reason, 'string')
  })

  test(`224: ${protocol}: who is back is asked, by those who waited too`, async () => {
    const port = await deadPort()
    await using client = clientOf(port, { retries: 100, timeout: 20_000 })
    const asked = Promise.all(Array.from({ length: 10 }, () => ask(client)))
    await within(
      20_000,
      until(() => client.breaker.state !== 'closed'),
    )
    await using _ = await serving(protocol, port)
    assert.equal(await within(20_000, asked), Array(10).fill('a!'))
    assert.is(client.breaker.state, 'closed')
  })

  test(`224: ${protocol}: a piece is an answer: the first closes it, while the rest is still to come`, async () => {
    const port = await deadPort()
    await using client = clientOf(port)
    await within(20_000, open(client))
    const door = deferred<void>()
    await using _ = await new Flow<string>({ protocol, port, closeTimeout: 100 })
      .add({
        async *uses() {
          yield { text: 'first' }
          await door.promise
        },
      })
      .open()
    const pieces = async (): Promise<string[]> => {
      const states: string[] = []
      for await (const { partial } of client.post('/', 'a')) {
        states.push(client.breaker.state)
        if (partial) door.resolve()
      }
      return states
    }
    const states = await within(
      20_000,
      (async () => {
        for (;;) {
          const states = await pieces().catch(() => undefined)
          if (states !== undefined) return states
          await sleep(20)
        }
      })(),
    )
    assert.equal(states, ['closed', 'closed'])
  })

  test(`224: ${protocol}: with breaker: false, each request asks`, async () => {
    const port = await deadPort()
    await using client = clientOf(port, { breaker: false })
    using connected = connections(port)
    for (let round = 0; round < 8; round++) {
      await Promise.all(Array.from({ length: 5 }, () => ask(client)))
      await sleep(40)
    }
    assert.is(client.breaker.state, 'closed')
    // Over gRPC, those who ask at once ask together.
    assert.ok(connected.count >= 8)
  })
}

test('224: of an executor elsewhere with one address, requests with retries wait until it is back', async () => {
  const port = await deadPort()
  await using flow = await new Flow<string>().add({ name: 'far', external: true, host: '127.0.0.1', port, retries: 100, timeout: 20_000 } as any).open()
  const asked = Promise.all(Array.from({ length: 10 }, () => ask(flow)))
  await sleep(500)
  await using _ = await serving('grpc', port)
  assert.equal(await within(20_000, asked), Array(10).fill('a!'))
})

test('224: who accepts connections and hangs up on all of them is away, too, and looked at as seldom', async () => {
  const server: Server = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await using client = new Client({ host: '127.0.0.1', port, protocol: 'http' })
  await within(20_000, open(client))
  using connected = connections(port)
  for (let at = 0; at < 100; at++) {
    await ask(client)
    await sleep(5)
  }
  assert.ok(connected.count < 60, `${connected.count} connections`)
  await new Promise((resolve) => server.close(resolve))
})

test.run()
