// A queue between those who ask and those who answer: each may go and come back.
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
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

const serve = (address: string, uses: (call: Call) => any, durable: any = true, shown: object = {}) =>
  new Flow({ nats: { address, durable, ...shown }, closeTimeout: 200, onError: () => {} }).add({ name: 'actor', uses }).open()

/** Messages in a stream of an executor. */
async function kept(address: string, what: 'work' | 'results' | 'dead' | 'parts'): Promise<number> {
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
    const end = performance.now() + 2500
    while (performance.now() < end);
  }
  const [one, other] = [await serve(nats, busy), await serve(nats, busy)]
  await using client = new Client(nats, { nats: { durable: true } })
  assert.is((await client.post('/', ['a', 'b'], { requestSize: 1 }).docs()).length, 2)
  assert.equal(calls, { a: 1, b: 1 })
  await Promise.all([one.close(), other.close()])
})

test('F14: what comes again, as a machine was so busy that nobody heard of progress in time, stays with whoever has it', async () => {
  const nats = await place()
  const door = deferred<void>()
  const calls: Record<string, string> = {}
  const worker = (name: string, prefetch: number): Promise<Flow<any>> => {
    const uses = async ({ docs }: Call): Promise<void> => {
      const { text } = docs[0]!
      calls[text] = `${calls[text] ?? ''}${name}`
      if (text === 'a') await door.promise
    }
    return new Flow({ nats: { address: nats, durable: true }, prefetch, closeTimeout: 200, onError: () => {} }).add({ name: 'actor', uses }).open()
  }
  // It asks for nothing more while it has something.
  const one = await worker('one', 1)
  await using client = new Client(nats, { nats: { durable: true } })
  const first = client.post('/', ['a']).docs()
  await until(() => calls['a'] === 'one')
  const other = await worker('other', 16)
  const info = () => behind((jsm) => jsm.consumers.info(`${wordOf(nats)}-work`, 'workers'))
  // As if nothing had been heard of it for as long as ackWait.
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  stranger.publish(`$JS.ACK.${wordOf(nats)}-work.workers.1.1.1.${Date.now()}000000.0`, '-NAK')
  await until(async () => (await info()).delivered.consumer_seq === 2)
  // The other worker has looked at what came again when it does what came later.
  assert.is((await client.post('/', ['b']).docs()).length, 1)
  await until(async () => (await info()).num_ack_pending === 1)
  door.resolve()
  assert.is((await within(8000, first)).length, 1)
  assert.equal(calls, { a: 'one', b: 'other' })
  await until(async () => (await kept(nats, 'work')) === 0)
  await stranger.close()
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

const failure = (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => assert.unreachable('it succeeds'),
    (error) => error,
  )

/** What somebody does to the streams behind the back of all. */
async function behind<V>(work: (jsm: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<V>): Promise<V> {
  const connection = await connect({ servers: `127.0.0.1:${server.port}` })
  try {
    return await work(await jetstreamManager(connection))
  } finally {
    await connection.close()
  }
}
const wordOf = (address: string): string => `sluice${new URL(address.replace('nats', 'http')).pathname}`.replaceAll('/', '_')

test('F14: what is larger than a message of NATS goes through the queue in parts, there and back, and nothing stays behind', async () => {
  const nats = await place()
  const far = await serve(nats, ({ docs }) => {
    const [doc] = docs
    if (doc!.text === 'bad') throw new RangeError('not this one')
    doc!.tags['seen'] = doc!.blob?.length ?? 0
    if (doc!.text === 'grow') doc!.blob = new Uint8Array(3_000_000).fill(7)
  })
  await using client = new Client(nats, { nats: { durable: true } })
  const [large] = await client.post('/', [{ blob: new Uint8Array(2_500_000).fill(5) }]).docs()
  assert.equal([large!.tags['seen'], large!.blob!.length, large!.blob![2_499_999]], [2_500_000, 2_500_000, 5])
  const [grown] = await client.post('/', [{ text: 'grow' }]).docs()
  assert.equal([grown!.blob!.length, grown!.blob![2_999_999]], [3_000_000, 7])
  await until(async () => (await kept(nats, 'work')) + (await kept(nats, 'results')) + (await kept(nats, 'parts')) === 0)
  await far.close()
})

test('F14: a large request that nobody can do is a dead letter, with its parts; one that is too large for who answers is one at once', async () => {
  const nats = await place()
  let tries = 0
  const uses = (): void => {
    tries++
    throw new RangeError('not this one')
  }
  const far = await new Flow({ nats: { address: nats, durable: { attempts: 2 } }, maxMessageBytes: 3_000_000, onError: () => {} })
    .add({ name: 'actor', uses })
    .open()
  await using client = new Client(nats, { nats: { durable: true } })
  const blob = (length: number) => [{ blob: new Uint8Array(length) }]
  assert.match((await failure(client.post('/', blob(2_000_000)).drain())).message, /not this one/)
  assert.is(tries, 2)
  const parts = await kept(nats, 'parts')
  assert.ok(parts >= 8, `${parts} parts`)
  assert.is((await failure(client.post('/', blob(4_000_000)).drain())).code, 'ERR_TOO_LARGE')
  assert.is(tries, 2)
  await using small = new Client(nats, { nats: { durable: true }, maxMessageBytes: 1000 })
  assert.is((await failure(small.post('/', blob(2000)).drain())).code, 'ERR_TOO_LARGE')
  await far.close()
})

test('F14: a queue can be opened while nobody answers, and one that is not there is said to be none', async () => {
  const nats = await place()
  const far = await serve(nats, () => {})
  await far.close()
  await using client = new Client(nats, { nats: { durable: true } })
  await client.open()
  assert.is(await client.isFlowReady(), true)
  await using none = new Client(await place(), { nats: { durable: true } })
  assert.match((await failure(none.open())).message, /there is no queue under that name/)
  assert.is(await none.isFlowReady(), false)
})

test('133: a worker that is closed when it is about to be done puts its answers down, and nobody does them again', async () => {
  const nats = await place()
  const calls: Record<string, number> = {}
  const door = deferred<void>()
  const work =
    (waits: boolean) =>
    async ({ docs }: Call) => {
      calls[docs[0]!.text] = (calls[docs[0]!.text] ?? 0) + 1
      if (waits) await door.promise
    }
  const numbers = { ackWait: 300 }
  const one = await serve(nats, work(true), numbers)
  await using client = new Client(nats, { nats: { durable: true } })
  const inputs = Array.from({ length: 16 }, (_, at) => `${at}`)
  const answered = client.post('/', inputs, { requestSize: 1 }).docs()
  await until(() => Object.keys(calls).length === 16)
  const other = await serve(nats, work(false), numbers)
  const closing = one.close()
  door.resolve()
  await closing
  assert.is((await within(8000, answered)).length, 16)
  // Longer than what is not acknowledged waits.
  await new Promise((resolve) => setTimeout(resolve, 600))
  assert.equal(
    Object.values(calls),
    inputs.map(() => 1),
  )
  await other.close()
})

test('F14: what somebody deletes of the queue is made anew by its workers', async () => {
  const nats = await place()
  const far = await serve(nats, ({ docs }) => void (docs[0]!.text += '!'))
  await using client = new Client(nats, {
    nats: { durable: true },
    retries: { attempts: 50, delay: 100, maxDelay: 200 },
    retryBudget: Infinity,
    breaker: false,
  })
  const word = wordOf(nats)
  const ask = async () => assert.equal((await within(12_000, client.post('/', ['x']).docs())).texts, ['x!'])
  await ask()
  // The server may find a file that it has just written in the folder that it takes away, and says so: the consumer is gone all the same.
  await behind((jsm) => jsm.consumers.delete(`${word}-work`, 'workers')).catch((error) => assert.match(error.message, 'directory not empty'))
  await ask()
  for (const what of ['results', 'work'] as const) {
    await behind((jsm) => jsm.streams.delete(`${word}-${what}`))
    await ask()
  }
  await until(async () => (await kept(nats, 'results')) === 0)
  await far.close()
})

test('F14: who waits for what somebody took out of the queue hears of it', async () => {
  const nats = await place()
  const far = await serve(nats, () => {})
  await far.close()
  await using client = new Client(nats, { nats: { durable: true } })
  const lost = failure(client.post('/', ['x']).drain())
  await until(async () => (await kept(nats, 'work')) === 1)
  await behind((jsm) => jsm.streams.purge(`${wordOf(nats)}-work`))
  const error = await within(12_000, lost)
  assert.is(error.code, 'ERR_DISCONNECTED')
  assert.match(error.message, /neither in the queue any more nor answered/)
})

test('F14: who may not use the queue, and what is larger than it takes, is refused, and does not wait for ever', async () => {
  await using own = await natsServer({
    jetstream: true,
    config: 'authorization { users: [ { user: w, password: w }, { user: c, password: c, permissions: { publish: ["sluice.>"], subscribe: ["_INBOX.>"] } } ] }',
  })
  const address = `nats://127.0.0.1:${own.port}/durable/closed`
  const far = await serve(address, () => {}, true, { user: 'w', password: 'w' })
  await using stranger = new Client(address, { nats: { durable: true, user: 'c', password: 'c' } })
  for (const work of [stranger.open(), stranger.post('/', ['x']).drain()]) {
    const error = await within(4000, failure(work))
    assert.is(error.code, 'ERR_REFUSED')
    assert.match(error.message, /does not let use the queue.*subscribes sluice\.durable\.closed\.results/)
  }
  await far.close()
  const nats = await place()
  const here = await serve(nats, () => {})
  await behind(async (jsm) => {
    const { config } = await jsm.streams.info(`${wordOf(nats)}-work`)
    await jsm.streams.update(config.name, { ...config, max_msg_size: 500 })
  })
  await using client = new Client(nats, { nats: { durable: true } })
  const error = await within(4000, failure(client.post('/', ['x'.repeat(1000)]).drain()))
  assert.is(error.code, 'ERR_TOO_LARGE')
  assert.match(error.message, /max_msg_size/)
  await here.close()
})

test('F14: a queue that is full takes a request when there is room, and says so where there is none for connectTimeout', async () => {
  const nats = await place()
  await (await serve(nats, () => {})).close()
  await behind(async (jsm) => {
    const { config } = await jsm.streams.info(`${wordOf(nats)}-work`)
    await jsm.streams.update(config.name, { ...config, max_msgs: 1 })
  })
  await using client = new Client(nats, { nats: { durable: true }, connectTimeout: 600 })
  const first = client.post('/', ['first']).docs()
  await until(async () => (await kept(nats, 'work')) === 1)
  const error = await within(8000, failure(client.post('/', ['second']).drain()))
  assert.is(error.code, 'ERR_UNREACHABLE')
  assert.match(error.message, /the queue takes nothing now: .*maximum messages exceeded/)
  await using patient = new Client(nats, { nats: { durable: true } })
  const third = patient.post('/', ['third']).docs()
  const far = await serve(nats, ({ docs }) => void (docs[0]!.text += '!'))
  assert.equal(
    (await within(8000, Promise.all([first, third]))).map(({ texts }) => texts),
    [['first!'], ['third!']],
  )
  await far.close()
})

test('F14: the rights that docs/nats.md names are enough', async () => {
  const user = (name: string, publish: string[], subscribe: string[]): string =>
    `{ user: ${name}, password: x, permissions: { publish: ${JSON.stringify(publish)}, subscribe: ${JSON.stringify(subscribe)} } }`
  await using own = await natsServer({
    jetstream: true,
    config: `authorization { users: [
      ${user('answers', ['_INBOX.>'], ['sluice.>'])}
      ${user('asks', ['sluice.>'], ['_INBOX.>'])}
      ${user('works', ['_INBOX.>', 'sluice.>', '$JS.API.>', '$JS.ACK.>'], ['sluice.>', '_INBOX.>'])}
      ${user('puts', ['sluice.>', '$JS.API.>'], ['_INBOX.>', 'sluice.*.*.results.>'])} ] }`,
  })
  for (const [durable, answers, asks] of [
    [false, 'answers', 'asks'],
    [true, 'works', 'puts'],
  ] as const) {
    const address = `nats://127.0.0.1:${own.port}/rights/${answers}`
    let calls = 0
    const errors: Error[] = []
    const nats = { address, durable: durable && { ackWait: 300 }, user: answers, password: 'x' }
    const far = await new Flow({ nats, onError: (error) => void errors.push(error) }).add({ name: 'actor', uses: () => void calls++ }).open()
    await using client = new Client(address, { nats: { durable, user: asks, password: 'x' } })
    await client.open()
    const [doc] = await within(8000, client.post('/', [{ blob: new Uint8Array(2_000_000) }]).docs())
    assert.is(doc!.blob!.length, 2_000_000)
    // Longer than what is not acknowledged waits.
    await new Promise((resolve) => setTimeout(resolve, 600))
    assert.is(calls, 1)
    assert.equal(errors, [])
    await far.close()
  }
})

test('F14: garbage in the queue is a dead letter each, and the others go on', async () => {
  const nats = await place()
  const far = await serve(nats, () => {})
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  const work = `sluice${new URL(nats.replace('nats', 'http')).pathname.replaceAll('/', '.')}.work`
  const told = (all: Record<string, string>) => {
    const given = headers()
    for (const [name, value] of Object.entries(all)) given.set(name, value)
    return { headers: given }
  }
  stranger.publish(`${work}.a`, 'no message')
  stranger.publish(`${work}.a.b.c.d`, '')
  stranger.publish(`${work}.b`, '', told({ 'sluice-size': 'much' }))
  stranger.publish(`${work}.c`, '', told({ 'sluice-size': '999999999999' }))
  stranger.publish(`${work}.d`, '', told({ 'sluice-size': '10' }))
  stranger.publish(`${work}.e`, '', told({ 'sluice-size': '10', 'sluice-parts': '*.>' }))
  stranger.publish(`${work}.f`, '', told({ 'sluice-size': '10', 'sluice-parts': 'none' }))
  await stranger.flush()
  await using client = new Client(nats, { nats: { durable: true } })
  assert.is((await client.post('/', ['x']).docs()).length, 1)
  await until(async () => (await kept(nats, 'work')) === 0)
  // An empty message is one, of no documents.
  assert.is(await kept(nats, 'dead'), 6)
  await stranger.close()
  await far.close()
})

all.after(async () => {
  await server?.[Symbol.asyncDispose]()
})
all.run()
