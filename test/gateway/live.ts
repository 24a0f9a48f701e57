// What the live page is told: one snapshot a second for all who look, of what came by this gateway, and nothing where nobody looks.
import { channel } from 'node:diagnostics_channel'
import { request as requestHttp } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Live } from '../../lib/gateway/live.js'
import { Limiter } from '../../lib/handler/limits.js'
import { type Call, DocumentArray, Flow } from '../../lib/index.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { KEPT, Numbers } from '../../lib/wire/live-numbers.js'
import { saidBy } from '../../lib/wire/said.js'
import { deferred } from '../support/deferred.js'
import { events } from '../support/sse.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

const TOKEN = 'a-token-of-the-live-page-0'

async function work({ docs, endpoint }: Call): Promise<void> {
  if (endpoint === '/fail') throw new TypeError('no, not <b>that</b>')
  for (const doc of docs) doc.text += '!'
}

async function served(more: object = {}, flow = new Flow({ name: 'live' }).add({ name: 'first', uses: work }).add({ name: 'second', uses: () => {} })) {
  await flow.open({ serve: { protocol: ['http', 'grpc'], ui: true, onError: () => {}, ...more } as never })
  return flow
}

/** Looks, and hears one event after the other. */
async function looking(flow: Flow<any>, headers: Record<string, string> = {}) {
  const controller = new AbortController()
  const response = await fetch(`${flow.addresses.http}/ui/events`, { headers, signal: controller.signal })
  const all = events(response)
  return {
    response,
    next: async (name?: string): Promise<any> => {
      for (;;) {
        const { value, done } = await within(20_000, all.next())
        assert.not.ok(done, 'more was to come')
        if (name === undefined || value!.event === name) return value!.data
      }
    },
    all,
    leave: () => controller.abort(),
  }
}

const post = (flow: Flow<any>, execEndpoint: string, texts: string[]) =>
  fetch(`${flow.addresses.http}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data: texts.map((text) => ({ text })), execEndpoint }),
  }).then((response) => response.json())

const isHeard = (): boolean => channel('tracing:sluice.executor:asyncEnd').hasSubscribers

test('T4: off by default; on, a page that runs its own script alone', async () => {
  {
    await using flow = await served({ ui: false })
    for (const path of ['/ui', '/ui/events', '/ui/documents']) assert.is((await fetch(flow.addresses.http + path)).status, 404, path)
  }
  await using flow = await served()
  const page = await fetch(`${flow.addresses.http}/ui`)
  const html = await page.text()
  assert.is(page.status, 200)
  assert.match(page.headers.get('content-type')!, 'text/html')
  const policy = page.headers.get('content-security-policy')!
  assert.match(policy, /default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'/)
  assert.not.match(policy, 'unsafe')
  assert.ok(html.length < 40_000, `${html.length} bytes`)
  assert.not.match(html.replaceAll('http://www.w3.org/2000/svg', ''), /https?:/, 'nothing of elsewhere')
})

test('T4: nobody listens until somebody looks, nor when the last has left', async () => {
  await using flow = await served()
  assert.is(isHeard(), false)
  const [one, other] = [await looking(flow), await looking(flow)]
  await one.next('hello')
  await other.next('hello')
  assert.is(isHeard(), true)
  one.leave()
  await other.next('tick')
  assert.is(isHeard(), true)
  other.leave()
  await until(() => !isHeard())
})

test('T4: the numbers are those of what was sent, by whatever wire', async () => {
  await using flow = await served()
  const eye = await looking(flow)
  const hello = await eye.next('hello')
  assert.equal([hello.title, hello.post, hello.documents], ['live', true, false])
  assert.equal(
    hello.picture.cards.map(({ name }: any) => name),
    ['gateway', 'first', 'second', 'gateway'],
  )
  await using client = new Client(flow.addresses.grpc!)
  for (let at = 0; at < 7; at++) await post(flow, '/go', ['a', 'b'])
  await client.post('/go', ['c'], { requestSize: 1 }).drain()
  await post(flow, '/fail', ['d'])
  const seen: any[] = []
  let [docs, calls] = [0, 0]
  let status: any
  while (seen.length < 9) {
    const tick = await eye.next('tick')
    seen.push(...tick.requests)
    status = tick.status
    docs += tick.rates.docsIn > 0 ? 1 : 0
    calls += tick.executors.first?.perSecond > 0 ? 1 : 0
  }
  assert.ok(docs > 0 && calls > 0)
  assert.equal([status.requests.answered, status.requests.failed], [8, 1])
  const [first, second] = status.executors
  assert.equal([first.replicas[0].answered, first.replicas[0].failed, second.replicas[0].answered], [8, 1, 8])
  assert.equal(
    seen.map(({ by }) => by),
    [...Array(7).fill('http'), 'grpc', 'http'],
  )
  for (const { way, error } of seen.slice(0, 8)) {
    assert.is(error, undefined)
    assert.equal(
      way.map(([name]: any) => name),
      ['first', 'second'],
    )
    assert.ok(way.every(([, after, took]: any) => after >= 0 && took >= 0))
  }
  const failed = seen.at(-1)
  assert.equal([failed.error, failed.message, failed.way.length, failed.way[0][3]], ['ERR_EXECUTOR', undefined, 1, 1], 'what errors say may hold documents')
  eye.leave()
})

test('T4: what other Flows of the process do, of the same names too, is not told', async () => {
  await using flow = await served()
  await using other = await served()
  const eye = await looking(flow)
  await eye.next('hello')
  await Promise.all(Array.from({ length: 5 }, () => post(other, '/go', ['x'])))
  await post(flow, '/go', ['mine'])
  await eye.next('tick')
  const tick = await eye.next('tick')
  const { requests } = await (async () => {
    const later = await looking(flow)
    const hello = await later.next('hello')
    later.leave()
    return hello
  })()
  assert.is(requests.length, 1)
  assert.is(tick.status.requests.answered, 1)
  eye.leave()
})

test('T4: what floats and what forks is counted, and forks are in the way of their request', async () => {
  const done = deferred<void>()
  const flow = new Flow({ name: 'forks' })
    .add({ name: 'left', needs: 'gateway', uses: () => {} })
    .add({ name: 'right', needs: 'gateway', uses: () => {} })
    .add({ name: 'both', needs: ['left', 'right'], uses: () => {} })
    .add({ name: 'aside', needs: 'both', floating: true, uses: () => void done.resolve() })
  await using open = await served({}, flow as never)
  const eye = await looking(open)
  await eye.next('hello')
  await post(open, '/go', ['a'])
  await done.promise
  const tick = await eye.next('tick')
  assert.equal(tick.requests[0].way.map(([name]: any) => name).sort(), ['both', 'left', 'right'])
  assert.equal(Object.keys(tick.executors).sort(), ['aside', 'both', 'left', 'right'])
  eye.leave()
})

test('T4: documents only where that is allowed, and as much of them as one reads', async () => {
  {
    await using flow = await served()
    const eye = await looking(flow)
    await eye.next('hello')
    await post(flow, '/go', ['secret'])
    const tick = await eye.next('tick')
    assert.not.match(JSON.stringify(tick), 'secret')
    assert.is((await fetch(`${flow.addresses.http}/ui/documents?of=${tick.requests[0].n}`)).status, 404)
    eye.leave()
  }
  await using flow = await served({ ui: { documents: true } })
  const eye = await looking(flow)
  await eye.next('hello')
  await post(flow, '/go', Array(50).fill('x'.repeat(9000)))
  await post(flow, '/fail', ['y'])
  const tick = await eye.next('tick')
  assert.not.match(JSON.stringify(tick), 'xxx', 'they are asked for one by one')
  assert.match(tick.requests[1].message, 'not <b>that</b>')
  const { total, docs } = await fetch(`${flow.addresses.http}/ui/documents?of=${tick.requests[0].n}`).then((response) => response.json() as Promise<any>)
  assert.equal([total, docs.length, docs[0].text.length], [50, 5, 2000])
  for (const of of ['999', 'x', '']) assert.is((await fetch(`${flow.addresses.http}/ui/documents?of=${of}`)).status, 404)
  eye.leave()
})

test('T4: the same door as all else: who is not known sees a page that asks for a token, and no number', async () => {
  await using flow = await served({ token: TOKEN })
  const page = await fetch(`${flow.addresses.http}/ui`)
  assert.is(page.status, 401)
  assert.match(page.headers.get('www-authenticate')!, 'Bearer')
  assert.match(page.headers.get('content-security-policy')!, "default-src 'none'")
  assert.match(await page.text(), 'id="door"')
  const ask = (path: string, headers: Record<string, string> = {}) => fetch(flow.addresses.http + path, { headers })
  for (const path of ['/ui/events', '/ui/documents?of=1']) assert.is((await ask(path)).status, 401, path)
  assert.is((await ask('/ui/events', { authorization: 'Bearer wrong-wrong-wrong' })).status, 401)
  assert.is(isHeard(), false)
  const eye = await looking(flow, { authorization: `Bearer ${TOKEN}` })
  assert.is((await eye.next('hello')).title, 'live')
  eye.leave()
})

test('T4: pages of other origins do not make it look, and hosts that are not its own do not either', async () => {
  await using flow = await served()
  const foreign = await fetch(`${flow.addresses.http}/ui/events`, { headers: { origin: 'https://other.example' } })
  assert.is(foreign.status, 403)
  assert.is((await fetch(`${flow.addresses.http}/status?live=1`, { headers: { origin: 'https://other.example' } })).status, 403)
  assert.is(isHeard(), false)
  const { port } = new URL(flow.addresses.http!)
  const named = await new Promise<number>((resolve) =>
    requestHttp({ port, host: '127.0.0.1', path: '/ui', headers: { host: 'other.example' } }, ({ statusCode }) => resolve(statusCode!)).end(),
  )
  assert.is(named, 403)
})

test('T4: where an executor elsewhere is, who has no token to bring is not told', async () => {
  await using far = await served({ protocol: 'grpc', ui: false })
  const host = far.addresses.grpc!
  for (const token of [undefined, TOKEN]) {
    const flow = new Flow({ name: 'near' }).add({ name: 'there', external: true, host })
    await using open = await served(token === undefined ? {} : { token }, flow as never)
    const eye = await looking(open, token === undefined ? {} : { authorization: `Bearer ${token}` })
    const hello = await eye.next('hello')
    const card = hello.picture.cards[1]
    assert.is(JSON.stringify(hello).includes(host.slice(7)), token !== undefined, JSON.stringify(card))
    assert.match(card.place, 'external')
    eye.leave()
  }
})

for (const protocol of ['grpc', 'http', 'websocket'] as const)
  test(`T4: an executor elsewhere tells its own numbers over ${protocol}, those of all who ask it, as long as somebody looks`, async () => {
    const door = deferred<void>()
    const wait = ({ endpoint }: Call) => (endpoint === '/fail' ? Promise.reject(new Error('no')) : endpoint === '/wait' ? door.promise : undefined)
    await using far = await served({ protocol, ui: false }, new Flow({ name: 'far' }).add({ name: 'encode', concurrency: 1, uses: wait }) as never)
    await using near = await served(
      { token: TOKEN },
      new Flow({ name: 'near' }).add({ name: 'there', external: true, host: far.addresses[protocol]! }) as never,
    )
    await using own = new Client({ host: near.addresses.grpc!, token: TOKEN })
    await using other = new Client(far.addresses[protocol]!)
    await own.post('/go', ['x']).drain()
    // Nobody is asked before somebody looks: what is heard is of the test before.
    await until(() => !isHeard())
    const eye = await looking(near, { authorization: `Bearer ${TOKEN}` })
    const replica = () => eye.next('tick').then(({ status }) => status.executors[0].replicas[0])
    const told = async (holds: (said: any) => boolean): Promise<any> => {
      for (;;) {
        const { said } = await replica()
        if (said !== undefined && holds(said[0])) return said[0]
      }
    }
    await told(({ answered }) => answered === 1)
    for (let at = 0; at < 4; at++) await other.post('/go', ['x']).drain()
    await other
      .post('/fail', ['x'])
      .drain()
      .catch(() => {})
    const said = await told(({ answered, failed }) => answered === 5 && failed === 1)
    assert.ok(said.p50 >= 0 && said.p99 >= said.p50, JSON.stringify(said))
    assert.is(said.address, far.addresses[protocol])
    const waiting = other.post('/wait', ['a', 'b', 'c'], { requestSize: 1 }).drain()
    await told(({ inFlight, waiting }) => inFlight === 3 && waiting === 2)
    door.resolve()
    await waiting
    await told(({ inFlight, perSecond }) => inFlight === 0 && perSecond > 0)
    const {
      answered,
      said: [last],
    } = await replica()
    assert.equal([answered, last.answered], [1, 8], 'what this gateway sent, and what all did')
    eye.leave()
    // Measured some seconds longer, for who only paused.
    await until(() => !isHeard())
  })

test('T4: of an executor elsewhere that says nothing of itself, that is known, and the numbers are those that its gateway sees', async () => {
  await using far = await served({ protocol: 'grpc', ui: false, noDebugEndpoints: true })
  await using near = await served(
    {},
    new Flow({ name: 'near' }).add({ name: 'there', external: true, host: far.addresses.grpc! }).add({ name: 'here', uses: () => {} }) as never,
  )
  const eye = await looking(near)
  await eye.next('hello')
  for (let at = 0; at < 3; at++) await post(near, '/go', ['x'])
  for (;;) {
    const { status, executors } = await eye.next('tick')
    const [there, here] = status.executors
    assert.is(here.replicas[0].said, undefined)
    if (there.replicas[0].said === undefined || executors.there === undefined) continue
    assert.equal(there.replicas[0].said, [])
    assert.is(there.replicas[0].answered, 3)
    assert.ok(executors.there.p50 >= 0)
    break
  }
  // Who was asked is not asked again for long, and it stays known all the same.
  for (let at = 0; at < 6; at++) assert.equal((await eye.next('tick')).status.executors[0].replicas[0].said, [])
  eye.leave()
})

test('T4: of what a server elsewhere says, numbers alone are taken, and of one that says none, nothing', () => {
  for (const status of [undefined, null, 1, 'x', [], {}, { requests: 1 }]) assert.is(saidBy(status), undefined)
  const requests = { inFlight: '<b>', waiting: 2, answered: -1, failed: Infinity, more: 'x' }
  assert.equal(saidBy({ requests, health: { ready: 'yes' }, times: { p50: 'x', p99: 3 }, executors: [null, { waiting: 1 }, { waiting: {} }] }), {
    ...{ ready: false, inFlight: 0, waiting: 3, answered: 0, failed: 0, p50: undefined, p99: 3 },
  })
})

test('T4: whoever looks keeps no Flow from closing, and hears its end', async () => {
  await until(() => !isHeard())
  const flow = await served()
  const eye = await looking(flow)
  await eye.next('hello')
  const start = performance.now()
  await flow.close()
  assert.ok(performance.now() - start < 5000, 'it was not waited for')
  for (;;) {
    const { value, done } = await eye.all.next()
    assert.not.ok(done)
    if (value!.event === 'end') break
  }
  assert.is(isHeard(), false)
})

test('T4: all who look are sent the same bytes, made once, and not cut in chunks for each', async () => {
  const limiter = new Limiter({ accepts: () => true, handle: () => {} } as never, {})
  const live = await Live.of(limiter, { ui: true }, false)
  const scopes = [new Scope(), new Scope(), new Scope()]
  const told = scopes.map((): Uint8Array[] => [])
  const over = scopes.map((scope, at) => live.watch((piece) => void told[at]!.push(piece), scope))
  // What comes first is each one's own: it says what was before it came.
  await until(() => told.every((pieces) => pieces.length >= 2))
  for (const pieces of told) assert.is(pieces[1], told[0]![1])
  assert.match(new TextDecoder().decode(told[0]![1]), /^event: tick\ndata: \{/)
  live.close()
  await Promise.all(over)
  assert.is(new TextDecoder().decode(told[2]!.at(-1)), 'event: end\ndata: {}\n\n')
  await using flow = await served()
  const eye = await looking(flow)
  assert.equal([eye.response.headers.get('transfer-encoding'), eye.response.headers.get('connection')], [null, 'close'])
  await eye.next('tick')
  eye.leave()
})

/** Somebody who looks at a Flow without a wire between: what it is told, event by event. */
async function eyes(flow: Flow<any>) {
  const limiter = new Limiter(flow as never, {})
  const live = await Live.of(limiter, { ui: true }, false)
  const look = (busy: () => Promise<void> | undefined = () => undefined): { event: string; data: any }[] => {
    const told: { event: string; data: any }[] = []
    void live.watch((piece) => {
      for (const [, event, data] of new TextDecoder().decode(piece).matchAll(/event: (\w+)\ndata: (.*)\n\n/g))
        told.push({ event: event!, data: JSON.parse(data!) })
      return busy()
    }, new Scope())
    return told
  }
  const ask = async (): Promise<void> => {
    const request = new Request(new Header('/go', {}), DocumentArray.from([{ text: 'x' }]), new Scope())
    request.entrance = limiter
    await flow.handle(request)
  }
  return { live, look, ask }
}

test('T4: who is slow is told with the next of what it missed, and not of all anew: it would be slower still', async () => {
  await using flow = await new Flow({ name: 'slow' }).add({ name: 'only', uses: () => {} }).open()
  const { live, look, ask } = await eyes(flow)
  let door: ReturnType<typeof deferred<void>> | undefined
  const slow = look(() => door?.promise)
  const quick = look()
  const knows = (told: typeof slow, n: number): boolean => told.some(({ data }) => data.requests?.some((request: any) => request.n === n))
  await ask()
  await until(() => knows(slow, 1) && knows(quick, 1))
  door = deferred<void>()
  await ask()
  await until(() => knows(slow, 2))
  for (const n of [3, 4]) {
    await ask()
    await until(() => knows(quick, n))
  }
  assert.not.ok(knows(slow, 3))
  const { resolve } = door
  door = undefined
  resolve()
  await ask()
  await until(() => knows(slow, 5))
  const { event, data } = slow.at(-1)!
  assert.equal([event, data.requests.map(({ n }: any) => n)], ['tick', [3, 4, 5]])
  assert.is(slow.filter(({ event }) => event === 'hello').length, 1)
  live.close()
})

test('T4: while nothing changes, viewers are told now and then that their server is there', async () => {
  await using flow = await new Flow({ name: 'idle' }).add({ name: 'only', uses: () => {} }).open()
  const { live, look } = await eyes(flow)
  const told = look()
  const ticks = (): any[] => told.filter(({ event }) => event === 'tick')
  await until(() => ticks().length >= 3, 30_000)
  const [, one, other] = ticks()
  assert.ok(other.data.status.uptime - one.data.status.uptime >= 4000, 'one of five')
  live.close()
})

test('T4: the more look, the less often they are told: a server pays no more for a thousand than for 500', async () => {
  await using flow = await new Flow({ name: 'many' }).add({ name: 'only', uses: () => {} }).open()
  const { live, look, ask } = await eyes(flow)
  const told = look(() => void ask())
  for (let at = 0; at < 1000; at++) look()
  const ticks = (): any[] => told.filter(({ event, data }) => event === 'tick' && data.requests.length > 0)
  await until(() => ticks().length >= 3, 30_000)
  const [, one, other] = ticks()
  assert.ok(other.data.status.uptime - one.data.status.uptime >= 2800, 'every third second')
  live.close()
})

test('T4: a gateway of what is no Flow has a page, too', async () => {
  await using gateway = await Gateway.serve({ accepts: () => true, handle: () => {} } as never, { protocol: 'http', ui: true })
  const eye = await looking({ addresses: gateway.addresses } as never)
  const hello = await eye.next('hello')
  assert.equal([hello.picture, hello.title], [undefined, 'gateway'])
  eye.leave()
})

test('T4: options of the page are checked, and it brings HTTP with it where no protocol is said', async () => {
  for (const ui of ['yes', { documents: 1 }, { more: true }, null]) {
    const error = await Promise.resolve()
      .then(() => Gateway.serve(new Flow(), { protocol: 'http', ui } as never))
      .then(
        () => undefined,
        (error) => error,
      )
    assert.match(error?.code, /^ERR_OPTION/)
    assert.match(error.message, /\bui\b/)
  }
  await new Flow({ protocol: 'grpc', ui: true })
    .open()
    .then(() => assert.unreachable())
    .catch((error) => assert.match(error.message, "Add 'http' to protocol"))
  await using flow = await new Flow({ ui: true }).add({ uses: () => {} }).open()
  assert.equal(Object.keys(flow.addresses), ['grpc', 'http'])
})

test('T4: what is kept has bounds, however much goes on', async () => {
  const entrance = {}
  const numbers = new Numbers(entrance, true)
  await using flow = await new Flow({ name: 'many' })
    .add({ name: 'only', uses: ({ endpoint }) => (endpoint === '/fail' ? Promise.reject(new Error('no')) : undefined) })
    .open()
  const end = numbers.listen()
  for (let round = 0; round < 20; round++) {
    for (let at = 0; at < 200; at++) {
      const request = new Request(new Header(at % 3 === 0 ? '/fail' : '/go', {}), DocumentArray.from([{ text: 'x' }]), new Scope())
      request.entrance = entrance
      await Promise.resolve(flow.handle(request)).catch(() => {})
    }
    const { executors, seen } = numbers.take()
    assert.is(seen.length, 30)
    assert.is(seen.filter(({ error }) => error !== undefined).length >= 10, true)
    assert.ok(executors.get('only')!.p99! >= executors.get('only')!.p50!)
  }
  assert.ok(numbers.last.length <= 2 * KEPT)
  assert.is(numbers.documents(1), undefined, 'forgotten')
  end()
})

test.run()
