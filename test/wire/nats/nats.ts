// Executors behind a server of NATS: who shares what comes, who comes and goes while it runs, what is counted, and what is lost.
import { once } from 'node:events'
import { connect, headers, type Msg } from '@nats-io/transport-node'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../../lib/client/index.js'
import { DocumentArray } from '../../../lib/doc/array.js'
import { Gateway } from '../../../lib/gateway/index.js'
import { type Call, Flow } from '../../../lib/index.js'
import { emptyMessage } from '../../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../../lib/wire/proto/index.js'
import { Command } from '../../support/command.js'
import { deferred } from '../../support/deferred.js'
import { Folder } from '../../support/folder.js'
import { type NatsServer, natsServer, withNats } from '../../support/nats.js'
import { road } from '../../support/road.js'
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

test('107: what a worker had whose connection alone breaks off, and comes back, fails, and does not wait for ever', async () => {
  const nats = await place()
  await using way = await road(server.port)
  const inside = deferred<void>()
  const far = await serve(nats.replace(`${server.port}`, `${way.port}`), async ({ docs, signal }) => {
    if (docs[0]!.text !== 'wait') return
    inside.resolve()
    await once(signal, 'abort')
  })
  await using client = new Client(nats)
  const lost = failure(client.post('/', ['wait']).drain())
  await inside.promise
  await new Promise((resolve) => setTimeout(resolve, 100))
  way.drop()
  assert.is((await within(8000, lost)).code, 'ERR_DISCONNECTED')
  // It is there again, under the same name.
  await until(
    async () =>
      (
        await client
          .post('/', ['x'])
          .docs()
          .catch(() => [])
      ).length === 1,
  )
  await far.close()
})

test('194: a generator whose client lost its connection, and came back, ends: its place is free again', async () => {
  const nats = await place()
  await using way = await road(server.port)
  let live = 0
  const far = await serve(nats, async function* ({ docs }) {
    live++
    try {
      for (;;) yield docs[0]!
    } finally {
      live--
    }
  })
  await using client = new Client(nats.replace(`${server.port}`, `${way.port}`))
  const pieces = client.post('/', ['x'])[Symbol.asyncIterator]()
  await pieces.next()
  way.drop()
  await failure(
    (async () => {
      while (!(await pieces.next()).done);
    })(),
  )
  // The connection stands again meanwhile.
  assert.is(await client.isFlowReady(), true)
  await within(
    8000,
    until(() => live === 0),
  )
  await far.close()
})

test('104: who announces a large request and does not send it has its bytes taken away when others wait for them', async () => {
  const nats = await place()
  const flow = await new Flow().add({ name: 'actor' }).open()
  const gateway = await Gateway.serve(flow, { nats, maxBytesInFlight: 2_000_000 })
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  const taken = deferred<void>()
  const refused = deferred<Msg>()
  stranger.subscribe('_INBOX.slow.*', { callback: (_, message) => (message.data.length === 0 ? taken.resolve() : refused.resolve(message)) })
  const size = headers()
  size.set('sluice-size', '2000000')
  stranger.publish(subject(nats, 'call'), '', { reply: '_INBOX.slow.1', headers: size })
  await taken.promise
  await using client = new Client(nats, { retries: { attempts: 100, delay: 50, maxDelay: 50 }, retryBudget: Infinity, breaker: false })
  assert.is((await within(15_000, client.post('/', [{ blob: new Uint8Array(300_000) }]).docs())).length, 1)
  assert.match(decodeMessage((await refused.promise).data).status!.exception!.args[1]!, /ERR_UNREACHABLE/)
  await stranger.close()
  await gateway.close()
  await flow.close()
})

test('F14: requests are numbered apart from questions, so that no answer is taken for another', async () => {
  const nats = await place()
  const spy = await connect({ servers: `127.0.0.1:${server.port}` })
  const seen: string[] = []
  spy.subscribe(subject(nats, '*'), { callback: (_, { subject, reply }) => void seen.push(`${subject.split('.').at(-1)} ${reply!.split('.').at(-1)}`) })
  await spy.flush()
  const far = await serve(nats, () => {})
  await using client = new Client(nats)
  await client.open()
  await client.post('/', Array.from('x'.repeat(40)), { requestSize: 1 }).docs()
  assert.is(seen.filter((one) => one.startsWith('call')).length, 40)
  for (const one of seen) assert.match(one, /^(call \d+|here h\d+)$/)
  await spy.close()
  await far.close()
})

test('64: who works says so before an executor begins, which may compute for long, to each client once', async () => {
  const nats = await place()
  const far = await serve(nats, ({ docs }) => void (docs[0]!.text = 'done'))
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  const heard: number[] = []
  stranger.subscribe('_INBOX.new.*', { callback: (_, { data }) => void heard.push(data.length) })
  const body = encodeMessage(emptyMessage({ execEndpoint: '/', docs: DocumentArray.from([{ text: 'x' }]) }))
  stranger.publish(subject(nats, 'call'), body, { reply: '_INBOX.new.1' })
  await until(() => heard.length === 2)
  stranger.publish(subject(nats, 'call'), body, { reply: '_INBOX.new.2' })
  await until(() => heard.length === 3)
  assert.equal(
    heard.map((length) => length > 0),
    [false, true, true],
  )
  await stranger.close()
  await far.close()
})

test('112: a server of NATS whose first word comes byte by byte is one', async () => {
  const nats = await place()
  const far = await serve(nats, () => {})
  await using way = await road(server.port, { slice: 7 })
  await using client = new Client(nats.replace(`${server.port}`, `${way.port}`))
  assert.is((await client.post('/', ['x']).docs()).length, 1)
  await far.close()
})

test('F14: large headers leave less room for a request, and those that leave none are refused by name', async () => {
  const nats = await place()
  const far = await serve(nats, () => {})
  const docs = [{ blob: new Uint8Array(1_044_000) }]
  await using client = new Client(nats, { headers: { 'x-large': 'a'.repeat(6000) } })
  assert.is((await client.post('/', docs).docs()).length, 1)
  await using none = new Client(nats, { headers: { 'x-large': 'a'.repeat(1_100_000) } })
  const error = await failure(none.post('/', docs).drain())
  assert.is(error.code, 'ERR_TOO_LARGE')
  assert.match(error.message, /the headers of a request have 1100\d+ bytes.*max_payload/)
  await far.close()
})

test('121: nobody has a worker ask its server of NATS for something by a reply subject', async () => {
  const nats = await place()
  const far = await serve(nats, () => new Promise((resolve) => setTimeout(resolve, 50)))
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  const asked: string[] = []
  stranger.subscribe('$JS.>', { callback: (_, { subject }) => void asked.push(subject) })
  const body = encodeMessage(emptyMessage({ execEndpoint: '/', docs: DocumentArray.from([{ text: 'x' }]) }))
  for (const what of ['call', 'ask', 'here', 'who']) stranger.publish(subject(nats, what), body, { reply: `$JS.API.STREAM.DELETE.${what}` })
  await stranger.request(subject(nats, 'ask'), body)
  await stranger.flush()
  assert.equal(asked, [])
  await stranger.close()
  await far.close()
})

test('126: who is not let in again, when what it shows is not taken any more, says so, and comes in when it is', async () => {
  const token = (one: string): string => `authorization { token: "${one}" }`
  await using own = await natsServer({ config: token('old') })
  const folder = new Folder('.sluice')
  const tokenFile = folder.file('token', 'old')
  const nats = await place(own)
  const told: string[] = []
  const far = await serve({ address: nats, tokenFile }, () => {}, { onError: ({ message }: Error) => void told.push(message) })
  await using client = new Client(nats, { nats: { tokenFile }, connectTimeout: 1500, retries: 0 })
  await client.post('/', ['x']).drain()
  await own.restart(token('new'))
  await until(() => told.some((one) => one.includes('does not let in')))
  const error = await failure(client.post('/', ['x']).drain())
  assert.is(error.code, 'ERR_UNREACHABLE')
  assert.match(error.message, /does not let in who connects: .*authorization/i)
  folder.file('token', 'new')
  await within(
    10_000,
    until(
      async () =>
        (
          await client
            .post('/', ['x'])
            .docs()
            .catch(() => [])
        ).length === 1,
    ),
  )
  await far.close()
})

test('F14: who may not ask under a name is told so at once', async () => {
  await using own = await natsServer({
    config: 'authorization { users: [ { user: w, password: w }, { user: c, password: c, permissions: { publish: ["other.>"], subscribe: ["_INBOX.>"] } } ] }',
  })
  const nats = await place(own)
  const far = await serve({ address: nats, user: 'w', password: 'w' }, () => {})
  await using client = new Client(nats, { nats: { user: 'c', password: 'c' } })
  for (const work of [client.post('/', ['x']).drain(), client.open()]) {
    const error = await within(3000, failure(work))
    assert.is(error.code, 'ERR_REFUSED')
    assert.match(error.message, /does not let ask there/)
  }
  await far.close()
})

test('F14: with an inboxPrefix of its own, nobody else of those who ask can hear what one is answered, in parts, in pieces, or when it asks who is there', async () => {
  const user = (name: string): string => `{ user: ${name}, password: x, permissions: { publish: ["sluice.>"], subscribe: ["_INBOX.${name}.>"] } }`
  await using own = await natsServer({
    config: `authorization { users: [ { user: works, password: x, permissions: { publish: ["_INBOX.>"], subscribe: ["sluice.>"] } }, ${user('anna')}, ${user('bert')} ] }`,
  })
  const nats = await place(own)
  const far = await serve({ address: nats, user: 'works', password: 'x' }, async function* ({ docs: [{ text }] }: any) {
    yield { text: 'piece' }
    yield { text: text.repeat(2) }
  })
  const shown = (name: string, inboxPrefix?: string) => ({ nats: { user: name, password: 'x', ...(inboxPrefix && { inboxPrefix }) } })
  await using client = new Client(nats, shown('anna', '_INBOX.anna'))
  assert.ok(await client.isFlowReady())
  const { texts } = await client.post('/', ['x'.repeat(1_000_000)]).docs()
  assert.equal(
    [...texts].map((text) => text!.length),
    [5, 2_000_000],
  )
  const listener = await connect({ servers: `127.0.0.1:${own.port}`, user: 'bert', pass: 'x', noAsyncTraces: true })
  const denied = deferred<void>()
  listener.subscribe('_INBOX.anna.>', { callback: (error) => void (error !== null && denied.resolve()) })
  await within(3000, denied.promise)
  await listener.close()
  // Who does not say it hears nothing, and is told so.
  await using other = new Client(nats, shown('bert'))
  assert.is((await within(3000, failure(other.post('/', ['x']).drain()))).code, 'ERR_REFUSED')
  await far.close()
})

test('222: how large answers of an endpoint are is learned here, too: of what is known to be large, one is made at a time, and of what is small, all', async () => {
  const nats = await place()
  const door = { '/big': deferred<void>(), '/small': deferred<void>() }
  const begun = { '/big': 0, '/small': 0 }
  const far = await serve(
    nats,
    async ({ docs, endpoint }: any) => {
      const at = endpoint as keyof typeof door
      begun[at]++
      if (docs[0].text === 'wait') await door[at].promise
      docs[0].text = 'x'.repeat(at === '/big' ? 1_500_000 : 10)
    },
    { protocol: 'http', port: 0, maxBytesInFlight: 8_000_000 },
  )
  const waiting = async (): Promise<number> => ((await (await fetch(`${far.addresses['http']}/status`)).json()) as any).sluice.bytes.waiting
  await using client = new Client(nats)
  const post = (on: string, texts: readonly string[]) => client.post(on, [...texts], { requestSize: 1 }).drain()
  for (const on of ['/big', '/small']) await post(on, ['once'])
  begun['/big'] = begun['/small'] = 0
  const eight = Array.from({ length: 8 }, () => 'wait')
  const small = post('/small', eight)
  await until(() => begun['/small'] === 8)
  door['/small'].resolve()
  await small
  const big = post('/big', eight)
  await until(async () => (await waiting()) === 7)
  assert.is(begun['/big'], 1)
  door['/big'].resolve()
  await big
  await far.close()
})

test('59: more requests than go in one message are asked after in several, and nothing ends the process', async () => {
  await using small = await natsServer({ config: 'max_payload: 8192' })
  const nats = await place(small)
  const stranger = await connect({ servers: `127.0.0.1:${small.port}` })
  stranger.subscribe(subject(nats, 'call'), { queue: 'sluice', callback: () => {} })
  await stranger.flush()
  const far = await serve(nats, () => {})
  await using client = new Client(nats)
  const all = Array.from({ length: 1000 }, () =>
    client
      .post('/', ['x'])
      .drain()
      .then(
        () => 'ok',
        ({ code }) => code,
      ),
  )
  const codes = await within(20_000, Promise.all(all))
  assert.equal([...new Set(codes)].sort(), ['ERR_DISCONNECTED', 'ok'])
  await stranger.close()
  await far.close()
})

test('T4: each of those under a name says what it does to who looks, and to nobody else who has no token', async () => {
  const nats = await place()
  const token = 'a-token-of-the-live-page-0'
  const actors = await Promise.all([0, 1].map(() => serve(nats, () => {}, { token })))
  await using near = await new Flow({ name: 'near' })
    .add({ name: 'there', external: true, host: nats, token })
    .open({ serve: { protocol: 'http', token, onError: () => {} } })
  await using client = new Client({ host: nats, token })
  await client.post('/', Array(40).fill('x'), { requestSize: 1 }).drain()
  const said = async (): Promise<any[]> => {
    const response = await fetch(`${near.addresses.http}/status?live=1`, { headers: { authorization: `Bearer ${token}` } })
    return ((await response.json()) as any).sluice.executors[0].replicas[0].said ?? []
  }
  await until(async () => (await said()).length === 2)
  const both = await said()
  assert.is(both[0].answered + both[1].answered, 40)
  assert.ok(both.every(({ address, answered }) => address.startsWith(`${nats}#`) && answered > 0))
  assert.is(new Set(both.map(({ address }) => address)).size, 2)
  // Who asks as this client does, without a token, hears who is there, and no number.
  const stranger = await connect({ servers: `127.0.0.1:${server.port}` })
  const heard: string[] = []
  const inbox = stranger.subscribe('stranger', { callback: (_, { data }) => void heard.push(new TextDecoder().decode(data)) })
  const asking = headers()
  asking.set('sluice-live', 'own')
  stranger.publish(subject(nats, 'who'), '', { reply: 'stranger', headers: asking })
  // Both answer each of these, and so have answered that before, if at all.
  for (const count of [2, 4]) {
    stranger.publish(subject(nats, 'who'), '', { reply: 'stranger' })
    await until(() => heard.length >= count)
  }
  assert.ok(
    heard.every((one) => !one.includes('{')),
    heard.join(),
  )
  inbox.unsubscribe()
  await stranger.close()
  await Promise.all(actors.map((actor) => actor.close()))
})

all.after(async () => {
  await server?.[Symbol.asyncDispose]()
})
all.run()
