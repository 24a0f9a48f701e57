// Executors behind a server of NATS: who shares what comes, who comes and goes while it runs, what is counted, and what is lost.
import { once } from 'node:events'
import { connect, type Msg } from '@nats-io/transport-node'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../../lib/client/index.js'
import { DocumentArray } from '../../../lib/doc/array.js'
import { type Call, Flow } from '../../../lib/index.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { Command } from '../../support/command.js'
import { deferred } from '../../support/deferred.js'
import { Folder } from '../../support/folder.js'
import { type NatsServer, natsServer, withNats } from '../../support/nats.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'

const all = suite('nats')
const test = withNats(all)
let server: NatsServer
let names = 0

/** A name of its own for each test, at one server. */
async function place(at?: NatsServer): Promise<string> {
  server ??= await natsServer()
  return `nats://127.0.0.1:${(at ?? server).port}/test/n${names++}`
}

const subject = (address: string, what: string): string => `sluice${new URL(address.replace('nats', 'http')).pathname.replaceAll('/', '.')}.${what}`

const serve = (nats: any, uses: (call: Call) => any, more: object = {}) =>
  new Flow({ nats, closeTimeout: 200, onError: () => {}, ...more }).add({ name: 'actor', uses }).open()

const failure = (work: Promise<unknown>): Promise<any> =>
  work.then(
    () => assert.unreachable('it succeeds'),
    (error) => error,
  )

test('F14: those of one name share what comes; who joins is asked, who leaves has answered all that it took', async () => {
  const nats = await place()
  const asked: Record<string, number> = { a: 0, b: 0, c: 0 }
  const actor = (name: string) => serve(nats, ({ docs }) => void (docs[0]!.text = name))
  const [a, b] = await Promise.all([actor('a'), actor('b')])
  await using client = new Client(nats)
  let joined: Awaited<ReturnType<typeof actor>> | undefined
  let seen = 0
  for await (const { docs } of client.post(
    '/',
    (function* () {
      for (let i = 0; i < 600; i++) yield `${i}`
    })(),
    { requestSize: 1 },
  )) {
    asked[docs.texts[0]!]!++
    if (++seen === 200) joined = await actor('c')
    // Beside the post, which goes on.
    if (seen === 400) void a.close()
  }
  assert.is(seen, 600)
  assert.ok(asked['a']! > 20 && asked['b']! > 100 && asked['c']! > 50, JSON.stringify(asked))
  await Promise.all([a.close(), b.close(), joined!.close()])
})

test('F14: nobody under a name is an error like a port that refuses, at once, and by every question', async () => {
  const nats = await place()
  await using client = new Client(nats)
  const error = await failure(client.post('/', ['x']).drain())
  assert.is(error.code, 'ERR_UNREACHABLE')
  assert.match(error.message, /nobody answers there under that name/)
  assert.is((await failure(client.open())).code, 'ERR_UNREACHABLE')
  assert.is(await client.isFlowReady(), false)
})

test('F14: another prefix is another world', async () => {
  const nats = await place()
  const far = await serve({ address: nats, prefix: 'team.one' }, () => {})
  await using stranger = new Client(nats)
  await using friend = new Client(nats, { nats: { prefix: 'team.one' } })
  assert.is((await failure(stranger.post('/', ['x']).drain())).code, 'ERR_UNREACHABLE')
  assert.is((await friend.post('/', ['x']).docs()).length, 1)
  await far.close()
})

test('F14: a consumer that pauses stops a generator after a window of pieces', async () => {
  const nats = await place()
  let made = 0
  const far = await serve(nats, async function* ({ docs }) {
    for (; made < 500; made++) yield docs[0]!
  })
  await using client = new Client(nats)
  const iterator = client.post('/', ['x'])[Symbol.asyncIterator]()
  await iterator.next()
  let before = -1
  // Until nothing more is made.
  await until(async () => {
    await new Promise((resolve) => setTimeout(resolve, 50))
    const same = made === before
    before = made
    return same
  })
  assert.ok(made <= 40, `${made} pieces were made ahead`)
  let rest = 0
  for (let step = await iterator.next(); !step.done; step = await iterator.next()) rest++
  assert.is(rest, 500)
  await far.close()
})

test('F14: messages beyond max_payload go in parts, no more of which are on their way than a window, there and back', async () => {
  await using small = await natsServer({ config: 'max_payload: 32768' })
  const nats = await place(small)
  const spy = await connect({ servers: `127.0.0.1:${small.port}` })
  let ahead = 0
  let most = 0
  const count = (_: Error | null, { subject, data, headers }: Msg): void => {
    const got = headers?.get('sluice-got')
    if (got) ahead -= 4
    else if (subject.endsWith('.got')) ahead -= 4
    else if (data.length > 16_000) most = Math.max(most, ++ahead)
    else ahead = 0
  }
  spy.subscribe('>', { callback: count })
  await spy.flush()
  const far = await serve(nats, ({ docs }) => void (docs[0]!.tags['seen'] = docs[0]!.blob!.length))
  await using client = new Client(nats)
  const [doc] = await client.post('/', [{ blob: new Uint8Array(1_000_000).fill(5) }]).docs()
  assert.is(doc!.blob!.length, 1_000_000)
  assert.is(doc!.blob![999_999], 5)
  assert.is(doc!.tags['seen'], 1_000_000)
  assert.ok(most <= 16, `${most} parts were on their way`)
  await spy.close()
  await far.close()
})

test('F14: whoever speaks NATS asks by one message, and gets one', async () => {
  const nats = await place()
  const far = await serve(nats, async function* ({ docs }) {
    docs[0]!.text += '!'
    yield docs[0]!
  })
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  const body = encodeMessage(emptyMessage({ requestId: 'r1', execEndpoint: '/', docs: DocumentArray.from([{ text: 'x' }]) }))
  const answer = decodeMessage((await stranger.request(subject(nats, 'ask'), body)).data)
  assert.is(answer.docs[0]!.text, 'x!')
  assert.is(answer.ordinal, undefined)
  const garbage = decodeMessage((await stranger.request(subject(nats, 'ask'), 'no message')).data)
  assert.is(garbage.status?.code, 'ERROR')
  assert.equal(garbage.status?.exception?.args[1], 'ERR_REFUSED')
  await stranger.close()
  await far.close()
})

test('F14: a request whose worker is gone fails as if its connection had broken off, though nobody says so', async () => {
  const nats = await place()
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  const taken = deferred<void>()
  stranger.subscribe(subject(nats, 'call'), { queue: 'sluice', callback: () => taken.resolve() })
  await stranger.flush()
  await using client = new Client(nats)
  const lost = failure(client.post('/', ['x']).drain())
  await taken.promise
  await stranger.close()
  const error = await within(8000, lost)
  assert.is(error.code, 'ERR_DISCONNECTED')
})

test('F14: what a killed worker had is asked of another, in less than 5 s', async () => {
  const nats = await place()
  const folder = new Folder('.sluice')
  const file = folder.file('slow.js', `export const slow = async ({ docs }) => { process.stderr.write('took\\n'); await new Promise(() => {}) }`)
  await using worker = new Command(['executor', `${file}#slow`, '--nats', `nats://127.0.0.1:${server.port}`, '--name', nats.split('/').slice(3).join('/')])
  await worker.has('stderr', 'NATS')
  await using client = new Client(nats, { retries: { attempts: 5, delay: 10 } })
  const answered = client.post('/', ['x']).docs()
  await worker.has('stderr', 'took')
  const other = await serve(nats, ({ docs }) => void (docs[0]!.text = 'other'))
  // Until the client knows who has it, as it does of what takes longer than a moment.
  await new Promise((resolve) => setTimeout(resolve, 100))
  worker.child.kill('SIGKILL')
  const killed = performance.now()
  assert.equal((await within(8000, answered)).texts, ['other'])
  const took = performance.now() - killed
  assert.ok(took < 5000, `${took} ms`)
  await other.close()
})

test('F14: an executor hears of it when who asked is gone without a word', async () => {
  const nats = await place()
  const called = deferred<AbortSignal>()
  const far = await serve(nats, ({ signal }) => {
    called.resolve(signal)
    return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  })
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  const inbox = `_INBOX.stranger`
  stranger.subscribe(`${inbox}.*`, { callback: () => {} })
  stranger.publish(subject(nats, 'call'), encodeMessage(emptyMessage({ execEndpoint: '/', docs: DocumentArray.from([{ text: 'x' }]) })), {
    reply: `${inbox}.1`,
  })
  const signal = await called.promise
  await stranger.close()
  if (!signal.aborted) await within(8000, once(signal, 'abort'))
  await far.close()
})

test('F14: a server of NATS that restarts loses nothing that may be sent again, and both ends find it', async () => {
  await using own = await natsServer()
  const nats = await place(own)
  const told: string[] = []
  const logger = ({ event }: { event: string }): void => void (event.startsWith('nats.') && told.push(event))
  const door = deferred<void>()
  const inside = deferred<void>()
  const far = await serve(
    nats,
    async ({ docs }) => {
      inside.resolve()
      if (docs[0]!.text === 'wait') await door.promise
    },
    { logger },
  )
  await using once = new Client(nats)
  await using again = new Client(nats, { retries: { attempts: 20, delay: 50, maxDelay: 200 } })
  const cut = failure(once.post('/', ['wait']).drain())
  await inside.promise
  await own.restart()
  assert.is((await within(8000, cut)).code, 'ERR_DISCONNECTED')
  door.resolve()
  assert.is((await again.post('/', ['x', 'y'], { requestSize: 1 }).docs()).length, 2)
  await far.close()
  // That it ends itself is no news.
  assert.equal(told, ['nats.lost', 'nats.back'])
})

test('F14: an unread answer, and one that is too large, fail their request, and its executor is told', async () => {
  const nats = await place()
  const far = await serve(nats, ({ docs }) => void (docs[0]!.text = 'x'.repeat(50_000)))
  await using client = new Client(nats, { maxMessageBytes: 10_000 })
  assert.is((await failure(client.post('/', ['x']).drain())).code, 'ERR_TOO_LARGE')
  await far.close()
})

all.after(async () => {
  await server?.[Symbol.asyncDispose]()
})
all.run()
