// Requests that are sent again: how often, after what waits, and until when. Waits are read from where they are asked for, not from a clock.
import '../support/clock.js'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, type ClientOptions, type ConnectionError } from '../../lib/client/index.js'
import { Flow } from '../../lib/index.js'
import { PROTOCOLS, texts } from '../network/ways.js'
import { fake, real } from '../support/clock.js'
import { collect } from '../support/collect.js'
import { deadPort } from '../support/nobody.js'
import { Service } from '../support/service.js'
import { within } from '../support/within.js'
import { world } from './world.js'

/** Hangs up on whoever comes as soon as they speak, but for those who are let through to a server behind. */
async function fickle(hangUps: number, behind?: number) {
  const sockets = new Set<Socket>()
  let attempts = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    attempts++
    if (attempts <= hangUps || behind === undefined) return void socket.once('data', () => socket.destroy())
    const far = connect({ port: behind, host: '127.0.0.1' })
    far.on('error', () => {})
    socket.pipe(far).pipe(socket)
    sockets.add(far)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    /** Connections, those included that ask why it hung up. */
    get attempts() {
      return attempts
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Longer than any other timer is set to. */
const UNIT = 4_000_000

/** Runs without waiting between attempts, all by the same chance, and tells what the waits would have been. */
async function waits<T>(chance: number, work: () => Promise<T>): Promise<{ waited: number[]; result: T }> {
  const { setTimeout: timeout } = real
  const { random } = Math
  const waited: number[] = []
  Math.random = () => chance
  fake.setTimeout = (callback, milliseconds = 0, ...args) => {
    if (milliseconds >= UNIT) waited.push(milliseconds)
    return timeout(callback, milliseconds < UNIT ? milliseconds : 0, ...args)
  }
  try {
    return { waited, result: await work() }
  } finally {
    fake.setTimeout = undefined
    Math.random = random
  }
}

const failing = (port: number, protocol: 'grpc' | 'http' | 'websocket', options: ClientOptions) => async () => {
  await using client = new Client({ host: '127.0.0.1', port, protocol, ...options })
  return (await within(20_000, collect(client.post('/', 'a')))).error as ConnectionError
}

for (const protocol of PROTOCOLS) {
  test(`C3: ${protocol}: a request is sent maxAttempts times, and once by default`, async () => {
    for (const maxAttempts of [undefined, 1, 2, 5]) {
      const port = await deadPort()
      const { waited, result } = await waits(0.5, failing(port, protocol, { maxAttempts, initialBackoff: 4 * UNIT, maxBackoff: 400 * UNIT }))
      assert.is(result.code, 'ERR_UNREACHABLE')
      assert.is(waited.length, (maxAttempts ?? 1) - 1)
    }
  })

  test(`C3: ${protocol}: one that comes through at last is answered, once`, async () => {
    await using it = await world()
    await using server = await fickle(4, it.gateway.port)
    await using client = new Client({ host: '127.0.0.1', port: server.port, protocol, maxAttempts: 9, initialBackoff: 1, maxBackoff: 2 })
    assert.equal(await within(20_000, texts(protocol, client, ['a'])), ['a!'])
    assert.equal(it.calls, ['a'])
    assert.ok(server.attempts > 4)
  })

  test(`C3: ${protocol}: timeout is for all attempts together`, async () => {
    await using server = await fickle(Infinity)
    const error = await failing(server.port, protocol, { maxAttempts: Infinity, initialBackoff: 1, maxBackoff: 5, timeout: 300 })()
    assert.is(error.code, 'ERR_TIMEOUT')
    assert.match(error.message, /within 300 ms/)
    assert.ok(server.attempts > 1)
  })

  test(`C3: ${protocol}: what an executor fails at is not sent again`, async () => {
    await using it = await world()
    await using client = new Client({ port: it.gateway.port, protocol, maxAttempts: 5, initialBackoff: 1 })
    const { error } = await collect(client.post('/', 'bad'))
    assert.is(error.code, 'ERR_EXECUTOR')
    assert.equal(it.calls, ['bad'])
  })
}

for (const protocol of PROTOCOLS) {
  test(`216: ${protocol}: a request is not sent again after a partial answer`, async () => {
    let calls = 0
    await using flow = await new Flow({ protocol, port: 0, closeTimeout: 100 })
      .add({
        uses: async function* ({ signal }) {
          calls++
          yield 'piece'
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        },
      })
      .open()
    await using between = await Service.before(Number(new URL(flow.addresses[protocol]!).port))
    await using client = new Client({ host: '127.0.0.1', port: between.port, protocol, maxAttempts: 3, initialBackoff: 1 })
    const post = client.post('/', 'a')
    const { value } = await within(20_000, post.next())
    assert.ok(value.partial)
    between.cut()
    assert.is((await within(20_000, collect(post))).error.code, 'ERR_DISCONNECTED')
    assert.is(calls, 1)
  })
}

test('C3: waits grow by backoffMultiplier up to maxBackoff, and are a random part of that', async () => {
  const parts = async (chance: number, options: ClientOptions) =>
    (await waits(chance, failing(await deadPort(), 'http', { maxAttempts: 6, ...options }))).waited.map((wait) => wait / UNIT)
  const options = { initialBackoff: 100 * UNIT, backoffMultiplier: 2, maxBackoff: 500 * UNIT }
  assert.equal(await parts(1, options), [100, 200, 400, 500, 500])
  assert.equal(await parts(0.25, options), [25, 50, 100, 125, 125])
  assert.equal(await parts(1, { ...options, backoffMultiplier: undefined }), [100, 150, 225, 337.5, 500])
  assert.equal(await parts(1, { ...options, backoffMultiplier: 1 }), [100, 100, 100, 100, 100])
})

test.run()
