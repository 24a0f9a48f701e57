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
import { turn } from '../support/turn.js'
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
  test(`C3: ${protocol}: a request is sent again as often as retries says, and once by default`, async () => {
    for (const attempts of [undefined, 0, 1, 4]) {
      const port = await deadPort()
      const retries = attempts === undefined ? undefined : { attempts, delay: 4 * UNIT, maxDelay: 400 * UNIT }
      const { waited, result } = await waits(0.5, failing(port, protocol, { retries }))
      assert.is(result.code, 'ERR_UNREACHABLE')
      assert.is(waited.length, attempts ?? 0)
    }
  })

  test(`C3: ${protocol}: one that comes through at last is answered, once`, async () => {
    await using it = await world()
    await using server = await fickle(4, it.gateway.port)
    await using client = new Client({ host: '127.0.0.1', port: server.port, protocol, retries: { attempts: 8, delay: 1, maxDelay: 2 } })
    assert.equal(await within(20_000, texts(protocol, client, ['a'])), ['a!'])
    assert.equal(it.calls, ['a'])
    assert.ok(server.attempts > 4)
  })

  test(`C3: ${protocol}: timeout is for all tries together`, async () => {
    await using server = await fickle(Infinity)
    const error = await failing(server.port, protocol, { retries: { attempts: Infinity, delay: 1, maxDelay: 5 }, retryBudget: Infinity, timeout: 300 })()
    assert.is(error.code, 'ERR_TIMEOUT')
    assert.match(error.message, /within 300 ms/)
    assert.ok(server.attempts > 1)
  })

  test(`C3: ${protocol}: what an executor fails at is not sent again`, async () => {
    await using it = await world()
    await using client = new Client({ port: it.gateway.port, protocol, retries: { attempts: 4, delay: 1 } })
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
    await using client = new Client({ host: '127.0.0.1', port: between.port, protocol, retries: { attempts: 2, delay: 1 } })
    const post = client.post('/', 'a')
    const { value } = await within(20_000, post.next())
    assert.ok(value.partial)
    between.cut()
    assert.is((await within(20_000, collect(post))).error.code, 'ERR_DISCONNECTED')
    assert.is(calls, 1)
  })
}

for (const protocol of PROTOCOLS) {
  test(`183: ${protocol}: attemptTimeout ends one try, and the next may succeed; without retries, nothing follows`, async () => {
    await using it = await world()
    await using client = new Client({ port: it.gateway.port, protocol, attemptTimeout: 300, retries: { attempts: 1, delay: 1 }, timeout: 60_000 })
    it.again()
    const { error } = await within(20_000, collect(client.post('/', 'hang')))
    assert.is(error.code, 'ERR_TIMEOUT')
    assert.equal(it.calls, ['hang', 'hang'])
    await using once = new Client({ port: it.gateway.port, protocol, attemptTimeout: 300 })
    assert.is((await within(20_000, collect(once.post('/', 'hang')))).error.code, 'ERR_TIMEOUT')
    assert.equal(it.calls, ['hang', 'hang', 'hang'])
  })
}

const parts = async (chance: number, options: ClientOptions) =>
  (await waits(chance, failing(await deadPort(), 'http', options))).waited.map((wait) => wait / UNIT)

test('C3: waits double up to maxDelay, less a random part of up to a half', async () => {
  const retries = { attempts: 5, delay: 100 * UNIT, maxDelay: 500 * UNIT }
  assert.equal(await parts(0, { retries }), [100, 200, 400, 500, 500])
  assert.equal(await parts(0.5, { retries }), [75, 150, 300, 375, 375])
})

test('183: the names of before go on to work, and are told once', async () => {
  const told: string[] = []
  const hear = ({ name, message }: Error): void => void (name === 'DeprecationWarning' && told.push(message))
  process.on('warning', hear)
  const old = { maxAttempts: 6, initialBackoff: 100 * UNIT, backoffMultiplier: 2, maxBackoff: 500 * UNIT }
  assert.equal(await parts(0, old), [100, 200, 400, 500, 500])
  assert.equal(await parts(0, { ...old, backoffMultiplier: undefined }), [100, 150, 225, 337.5, 500])
  assert.equal(await parts(0, { ...old, backoffMultiplier: 1 }), [100, 100, 100, 100, 100])
  await turn()
  process.off('warning', hear)
  assert.is(told.filter((message) => message.startsWith('maxAttempts of a Client is called retries')).length, 1)
  assert.is(told.length, 4)
  assert.throws(() => new Client({ retries: 1, maxAttempts: 2 }), /^maxAttempts must be left out where retries is given$/)
})

test.run()
