// Servers that let go of a connection when it has been used for long, as balancers have them do: whoever is on it must not notice.
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { collect } from '../support/collect.js'
import { within } from '../support/within.js'

const same = (bytes: Buffer): Buffer => bytes
/** Milliseconds. */
const AGE = 150

/** A server that says GOAWAY after a while, and answers each request as it came, some time later. */
async function aging(delay: number, grace?: number) {
  const server = new Server({ 'grpc.max_connection_age_ms': AGE, ...(grace !== undefined && { 'grpc.max_connection_age_grace_ms': grace }) })
  const peers = new Set<string>()
  const call = (call: any): void => {
    peers.add(call.getPeer())
    let under = 0
    let over = false
    const end = () => over && under === 0 && call.end()
    call.on('data', (bytes: Buffer) => {
      under++
      setTimeout(() => {
        under--
        call.write(bytes)
        end()
      }, delay)
    })
    call.on('end', () => {
      over = true
      end()
    })
    call.on('error', () => {})
  }
  server.register(METHODS.call, call as never, same, same, 'bidi')
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  )
  return {
    port,
    /** How many connections requests came by. */
    get connections() {
      return peers.size
    },
    [Symbol.dispose]: () => server.forceShutdown(),
  }
}

test('R115: grpc: a connection that has its age: no post fails, those that follow go by another', async () => {
  using server = await aging(5)
  await using client = new Client(`grpc://127.0.0.1:${server.port}`)
  const go = async (): Promise<void> => {
    for (let posts = 0; posts <= 10 || server.connections < 3; posts++) assert.equal((await client.post('/', ['a']).docs()).texts, ['a'])
  }
  await within(20_000, go())
})

test('R115: grpc: a request that is under way when its connection has its age is answered', async () => {
  using server = await aging(4 * AGE)
  await using client = new Client(`grpc://127.0.0.1:${server.port}`)
  const { items, error } = await within(10_000, collect(client.post('/', ['a', 'b', 'c'], { requestSize: 1 })))
  assert.is(error, undefined)
  assert.is(items.length, 3)
})

test('R115: grpc: a post that lasts longer than its connection may, and than the grace: it goes on by another when told to try again', async () => {
  using server = await aging(5, AGE)
  await using client = new Client(`grpc://127.0.0.1:${server.port}`, { retries: { attempts: 4, delay: 10, maxDelay: 20 } })
  async function* inputs() {
    const until = performance.now() + 8 * AGE
    for (let given = 0; given < 20 || performance.now() < until; given++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      yield 'a'
    }
  }
  const { items, error } = await within(10_000, collect(client.post('/', inputs, { requestSize: 1 })))
  assert.is(error, undefined, String(error))
  assert.ok(items.length >= 20)
  assert.ok(server.connections >= 2, `${server.connections} connections`)
})

test.run()
