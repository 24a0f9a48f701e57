// A queue between those who ask and those who answer: each may go and come back.
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../../lib/client/index.js'
import { type Call, Flow } from '../../../lib/index.js'
import { deferred } from '../../support/deferred.js'
import { type NatsServer, natsServer, withNats } from '../../support/nats.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'

const all = suite('nats: durable')
const test = withNats(all)
let server: NatsServer
let names = 0

async function place(): Promise<string> {
  server ??= await natsServer({ jetstream: true })
  return `nats://127.0.0.1:${server.port}/durable/n${names++}`
}

const serve = (address: string, uses: (call: Call) => any, durable: any = true) =>
  new Flow({ nats: { address, durable }, closeTimeout: 200, onError: () => {} }).add({ name: 'actor', uses }).open()

/** Messages in a stream of an executor. */
async function kept(address: string, what: 'work' | 'results' | 'dead'): Promise<number> {
  const connection = await connect({ servers: `127.0.0.1:${server.port}` })
  try {
    const word = `sluice${new URL(address.replace('nats', 'http')).pathname}`.replaceAll('/', '_')
    return (await (await jetstreamManager(connection)).streams.info(`${word}-${what}`)).state.messages
  } finally {
    await connection.close()
  }
}

test('F14: requests go through the queue, and nothing stays behind when all is fetched', async () => {
  const nats = await place()
  const far = await serve(nats, ({ docs, parameters }) => void (docs[0]!.text += parameters['mark']))
  await using client = new Client(nats, { nats: { durable: true } })
  const texts = (await client.post('/', ['a', 'b', 'c'], { requestSize: 1, resultsInOrder: true, parameters: { mark: '!' } }).docs()).texts
  assert.equal(texts, ['a!', 'b!', 'c!'])
  await until(async () => (await kept(nats, 'work')) + (await kept(nats, 'results')) === 0)
  await far.close()
})

test('F14: where no queue is, that is said', async () => {
  const nats = await place()
  await using client = new Client(nats, { nats: { durable: true } })
  const error = await client
    .post('/', ['x'])
    .drain()
    .then(
      () => assert.unreachable(),
      (error) => error,
    )
  assert.is(error.code, 'ERR_UNREACHABLE')
  assert.match(error.message, /there is no queue under that name/)
})

test('F14: what fails is tried as often as it may be, and is a dead letter then, with its error', async () => {
  const nats = await place()
  let tries = 0
  const far = await serve(
    nats,
    ({ docs }) => {
      if (docs[0]!.text !== 'bad') return
      tries++
      throw new TypeError('not this one')
    },
    { attempts: 2 },
  )
  await using client = new Client(nats, { nats: { durable: true } })
  const seen: string[] = []
  for await (const { error, docs } of client.post('/', ['bad', 'good'], { requestSize: 1, continueOnError: true }))
    seen.push(error === undefined ? docs.texts.join() : `${(error as any).code} ${error.message}`)
  assert.is(seen[0], 'good')
  assert.match(seen[1]!, /ERR_EXECUTOR .*not this one/)
  assert.is(tries, 2)
  assert.is(await kept(nats, 'dead'), 1)
  await far.close()
})

test('F14: an executor that computes without a pause, for longer than the queue waits, does nothing twice', async () => {
  const nats = await place()
  const calls: Record<string, number> = {}
  const busy = ({ docs }: Call): void => {
    const [doc] = docs
    calls[doc!.text] = (calls[doc!.text] ?? 0) + 1
    // Neither this thread nor anything in it is heard of meanwhile.
    const end = performance.now() + 1500
    while (performance.now() < end);
  }
  const numbers = { ackWait: 300 }
  const [one, other] = [await serve(nats, busy, numbers), await serve(nats, busy, numbers)]
  await using client = new Client(nats, { nats: { durable: true } })
  assert.is((await client.post('/', ['a', 'b'], { requestSize: 1 }).docs()).length, 2)
  assert.equal(calls, { a: 1, b: 1 })
  await Promise.all([one.close(), other.close()])
})

test('F14: who died comes back for the answers of its job, and nothing is computed again', async () => {
  const nats = await place()
  let calls = 0
  const door = deferred<void>()
  const inputs = ['a', 'b', 'b', 'c']
  const far = await serve(nats, async ({ docs }) => {
    calls++
    await door.promise
    docs[0]!.text += '!'
  })
  const options = { nats: { durable: true, job: 'nightly' } }
  const first = new Client(nats, options)
  const died = first
    .post('/', inputs, { requestSize: 1 })
    .drain()
    .catch((error) => error)
  await until(() => calls === 4)
  await first.close()
  assert.is((await died).code, 'ERR_DISCONNECTED')
  door.resolve()
  await until(async () => (await kept(nats, 'results')) === 4)
  await using second = new Client(nats, options)
  const texts = (await second.post('/', inputs, { requestSize: 1, resultsInOrder: true }).docs()).texts
  assert.equal(texts, ['a!', 'b!', 'b!', 'c!'])
  assert.is(calls, 4)
  // What was fetched is asked anew.
  assert.equal((await within(8000, second.post('/', ['a'], { requestSize: 1 }).docs())).texts, ['a!'])
  await far.close()
})

test('F14: a server of NATS that restarts keeps the queue, and what is under way is answered', async () => {
  const nats = await place()
  const door = deferred<void>()
  let calls = 0
  const far = await serve(nats, async () => {
    calls++
    await door.promise
  })
  await using client = new Client(nats, { nats: { durable: true } })
  const answered = client.post('/', ['a', 'b'], { requestSize: 1 }).docs()
  await until(() => calls === 2)
  await server.restart()
  door.resolve()
  assert.is((await within(15_000, answered)).length, 2)
  await far.close()
})

all.after(async () => {
  await server?.[Symbol.asyncDispose]()
})
all.run()
