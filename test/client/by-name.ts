// A name behind which several stand, who come and go: as a Service of Kubernetes without an address of its own, and a service of Compose.
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { Flow } from '../../lib/index.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { deadPort } from '../support/nobody.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'

const PROTOCOLS = ['grpc', 'http', 'websocket'] as const
const SCHEMES = { grpc: 'grpc', http: 'http', websocket: 'ws' } as const

/** What stands behind names that end in `.test`: asked in place of the system. Nothing is no address. */
const behind = new Map<string, readonly string[]>()
let looks = 0
/** What an answer for a name waits for. */
const held = new Map<string, Promise<unknown>>()
const system = dns.promises.lookup
dns.promises.lookup = (async (host: string, options: any) => {
  if (!behind.has(host) && !host.endsWith('.test')) return system(host, options)
  looks++
  await held.get(host)
  const found = behind.get(host) ?? []
  if (found.length === 0) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' })
  return found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
}) as never

interface Pod {
  readonly host: string
  /** How often it was asked. */
  asked: number
  /** Who hangs up on all, at once. */
  kill(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** One of those behind a name: it says at which address it is. */
async function pod(host: string, port: number, more: { work?: (text: string) => unknown; tls?: object } = {}): Promise<Pod> {
  const { work, tls } = more
  const uses = async ({ docs }: any): Promise<void> => {
    own.asked++
    await work?.(docs[0].text)
    for (const doc of docs) doc.text = host
  }
  const flow = await new Flow({ closeTimeout: 1 }).add({ name: 'worker', uses }).open()
  const gateway = await Gateway.serve(flow, { protocol: PROTOCOLS, port, host, allowedHosts: true, ...(tls !== undefined && { tls: tls as never }) })
  const kill = async (): Promise<void> => {
    await gateway.close(0)
    await flow.close()
  }
  const own: Pod = { host, asked: 0, kill, [Symbol.asyncDispose]: kill }
  return own
}

const [ONE, TWO, THREE] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const
const ask = async (client: Client, text = 'x'): Promise<string> => (await client.post('/', [text]).docs())[0]!.text

/** Asks on and on, by so many at once, until it is told to stop. */
function load(client: { post: Client['post'] | Flow['post'] }, many = 4) {
  let over = false
  const seen: string[] = []
  const failures: unknown[] = []
  const one = async (): Promise<void> => {
    while (!over) {
      try {
        for await (const { docs } of (client as Client).post('/', ['x'])) seen.push(docs[0]!.text)
      } catch (error) {
        failures.push(error)
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  const all = Array.from({ length: many }, one)
  return {
    seen,
    failures,
    async end() {
      over = true
      await Promise.all(all)
    },
  }
}

async function until(what: () => boolean, milliseconds: number): Promise<number> {
  const start = performance.now()
  while (!what()) {
    if (performance.now() - start > milliseconds) throw new Error(`not so within ${milliseconds} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - start
}

test('F13, R110: under load, who comes is used in less than 5 s and who goes is left, on every wire; none is lost', async () => {
  await Promise.all(
    PROTOCOLS.map(async (protocol) => {
      const port = await deadPort()
      await using _one = await pod(ONE, port)
      await using two = await pod(TWO, port)
      await using _three = await pod(THREE, port)
      const name = `${protocol}.pods.test`
      behind.set(name, [ONE])
      await using client = new Client(`${SCHEMES[protocol]}://${name}:${port}`)
      const under = load(client)
      // The first of all loads what speaks.
      await until(() => under.seen.length > 20, 30_000)
      assert.is(new Set(under.seen).size, 1)
      behind.set(name, [ONE, TWO, THREE])
      const came = await until(() => new Set(under.seen).size === 3, 5000)
      behind.set(name, [TWO])
      const left = await until(() => under.seen.length > 50 && under.seen.slice(-50).every((host) => host === TWO), 5000)
      await under.end()
      assert.equal(under.failures, [], protocol)
      assert.ok(two.asked > 50)
      console.log(
        `${protocol}: who came was used after ${Math.round(came)} ms, who had gone was left after ${Math.round(left)} ms, of ${under.seen.length} requests none failed`,
      )
    }),
  )
})

test('F13, 64: an executor elsewhere, by name: its pods are killed in turn under load, and nothing is lost', async () => {
  const port = await deadPort()
  behind.set('killed.test', [ONE, TWO, THREE])
  const pods = new Map<string, Pod>()
  for (const host of [ONE, TWO, THREE]) pods.set(host, await pod(host, port))
  await using flow = await new Flow().add({ name: 'far', external: true, host: `grpc://killed.test:${port}` }).open()
  const under = load(flow, 8)
  for (const host of [ONE, TWO, THREE]) {
    await until(() => new Set(under.seen.slice(-60)).size >= 2, 5000)
    await pods.get(host)!.kill()
    const at = under.seen.length
    await until(() => under.seen.length > at + 40, 5000)
    pods.set(host, await pod(host, port))
    await until(() => pods.get(host)!.asked > 0, 5000)
  }
  await under.end()
  for (const one of pods.values()) await one.kill()
  assert.equal(under.failures, [])
  console.log(`of ${under.seen.length} requests none was lost, as each of three pods was killed and came back`)
})

for (const protocol of PROTOCOLS) {
  test(`R110: ${protocol}: addresses where nobody is are in nobody's way, and nothing is done twice`, async () => {
    const port = await deadPort()
    await using one = await pod(ONE, port)
    behind.set('half.test', ['127.0.0.7', ONE, '127.0.0.8'])
    await using client = new Client(`${SCHEMES[protocol]}://half.test:${port}`)
    for (let at = 0; at < 20; at++) assert.is(await within(2000, ask(client)), ONE)
    assert.is(one.asked, 20)
  })

  test(`R110: ${protocol}: who is asked when it dies may have done it: a Client without retries says so, one with retries asks another at once`, async () => {
    for (const retries of [0, 1]) {
      const port = await deadPort()
      const begun = deferred<string>()
      const never = new Promise(() => {})
      // Whichever is asked first.
      const work = (host: string) => (text: string) => {
        if (text !== 'hang') return undefined
        begun.resolve(host)
        return begun.promise.then((first) => (first === host ? never : undefined))
      }
      await using one = await pod(ONE, port, { work: work(ONE) })
      await using two = await pod(TWO, port, { work: work(TWO) })
      behind.set('dying.test', [ONE, TWO])
      await using client = new Client(`${SCHEMES[protocol]}://dying.test:${port}`, { retries })
      await ask(client)
      const answer = collect(client.post('/', ['hang']))
      const [dying, other] = (await begun.promise) === ONE ? [one, two] : [two, one]
      const before = other.asked
      await dying.kill()
      const { items, error } = await within(5000, answer)
      if (retries === 0) assert.equal([/^ERR_(DISCONNECTED|UNREACHABLE)$/.test(error?.code), other.asked], [true, before], String(error))
      else assert.equal([error, items[0]?.docs[0]?.text], [undefined, other.host])
    }
  })
}

test('who has least to do is asked first', async () => {
  const port = await deadPort()
  await using slow = await pod(ONE, port, { work: () => new Promise((resolve) => setTimeout(resolve, 50)) })
  await using fast = await pod(TWO, port)
  behind.set('uneven.test', [ONE, TWO])
  await using client = new Client(`grpc://uneven.test:${port}`)
  await client.post('/', new Array(200).fill('x'), { requestSize: 1, prefetch: 4 }).drain()
  assert.ok(slow.asked > 0 && fast.asked > 5 * slow.asked, `${slow.asked} and ${fast.asked}`)
})

test('a name is looked up by requests, and not by each of them; one without an answer leaves those that are known', async () => {
  const port = await deadPort()
  await using one = await pod(ONE, port)
  behind.set('quiet.test', [ONE])
  await using client = new Client(`grpc://quiet.test:${port}`)
  looks = 0
  for (let at = 0; at < 100; at++) await ask(client)
  assert.ok(looks <= 3, `${looks} looks`)
  behind.set('quiet.test', [])
  const start = performance.now()
  while (performance.now() - start < 2500) assert.is(await ask(client), ONE)
  assert.ok(looks >= 2)
  assert.ok(one.asked > 100)
})

test('R110: a name without an address says so, as does open(); when it gets one, the next request goes there', async () => {
  const port = await deadPort()
  behind.set('late.test', [])
  await using client = new Client(`grpc://late.test:${port}`)
  for (const failing of [ask(client), client.open()] as Promise<unknown>[]) {
    const error = await within(
      5000,
      failing.then(
        () => assert.unreachable(),
        (error) => error,
      ),
    )
    assert.is(error.code, 'ERR_UNREACHABLE')
    assert.match(error.message, /its name has no address \(getaddrinfo ENOTFOUND late\.test\)/)
  }
  assert.not(await client.isFlowReady())
  await using _ = await pod(ONE, port)
  behind.set('late.test', [ONE])
  assert.is(await within(5000, ask(client)), ONE)
  assert.ok(await client.isFlowReady())
  assert.is(await client.open(), client)
})

test('TLS is for the name, whatever the address', async () => {
  const { wrongName, ca } = await certificates()
  for (const protocol of PROTOCOLS) {
    const port = await deadPort()
    await using _one = await pod(ONE, port, { tls: wrongName })
    await using _two = await pod(TWO, port, { tls: wrongName })
    behind.set('elsewhere.example', [ONE, TWO])
    behind.set('others.test', [ONE, TWO])
    await using client = new Client(`${SCHEMES[protocol]}s://elsewhere.example:${port}`, { tls: { ca } })
    assert.match(await within(5000, ask(client)), /^127/)
    await using other = new Client(`${SCHEMES[protocol]}s://others.test:${port}`, { tls: { ca } })
    const error = await within(
      5000,
      ask(other).then(assert.unreachable, (error) => error),
    )
    assert.is(error.code, 'ERR_TLS', error.message)
  }
})

/** Who takes connections, and says nothing: as an address that is a pod's no more, to who speaks first. */
async function silent(host: string, port: number): Promise<AsyncDisposable> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => void sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('R110: who waits for those who have gone goes on to those who have come, and not when he has waited long enough', async () => {
  const port = await deadPort()
  await using _one = await pod(ONE, port)
  await using _two = await silent(TWO, port)
  await using _three = await silent(THREE, port)
  behind.set('moved.test', [TWO, THREE])
  await using client = new Client(`grpc://moved.test:${port}`, { connectTimeout: 60_000 })
  const first = ask(client)
  await until(() => looks > 0, 5000)
  await new Promise((resolve) => setTimeout(resolve, 2100))
  behind.set('moved.test', [ONE])
  assert.equal(await within(2000, Promise.all([first, ask(client)])), [ONE, ONE])
  // Where nobody is there either, it is said of those, and not of who has gone.
  behind.set('moved.test', [TWO, THREE])
  await using other = new Client(`grpc://moved.test:${port}`, { connectTimeout: 60_000 })
  const before = looks
  const failing = ask(other).then(assert.unreachable, (error) => error)
  await until(() => looks > before, 5000)
  await new Promise((resolve) => setTimeout(resolve, 2100))
  behind.set('moved.test', ['127.0.0.8', '127.0.0.9'])
  void ask(other).catch(() => {})
  assert.match((await within(2000, failing)).message, /ECONNREFUSED/)
})

for (const protocol of PROTOCOLS) {
  test(`R110: ${protocol}: close() ends what waits for a name, and for those behind it`, async () => {
    const port = await deadPort()
    const { connect } = net
    net.connect = ((to: any, ...more: any[]) => (`${to?.host}`.startsWith('127.1.') ? new net.Socket() : (connect as any)(to, ...more))) as never
    syncBuiltinESMExports()
    try {
      await using _two = await silent(TWO, port)
      await using _three = await silent(THREE, port)
      behind.set('waits.test', protocol === 'grpc' ? [TWO, THREE] : ['127.1.0.1', '127.1.0.2'])
      for (const hold of [undefined, new Promise(() => {})]) {
        if (hold !== undefined) held.set('waits.test', hold)
        const client = new Client(`${SCHEMES[protocol]}://waits.test:${port}`, { connectTimeout: 60_000 })
        const before = looks
        const asked = ask(client).then(assert.unreachable, (error) => error)
        await until(() => looks > before, 5000)
        await new Promise((resolve) => setTimeout(resolve, 50))
        await within(1000, client.close())
        assert.is((await within(1000, asked)).code, 'ERR_DISCONNECTED')
      }
    } finally {
      held.delete('waits.test')
      net.connect = connect
      syncBuiltinESMExports()
    }
  })
}

test('whoever closes it hears of nothing later, and no handle stays', async () => {
  const port = await deadPort()
  await using _one = await pod(ONE, port, { work: (text) => text === 'hang' && new Promise(() => {}) })
  behind.set('closed.test', [ONE, TWO])
  const client = new Client(`grpc://closed.test:${port}`)
  await ask(client)
  const hanging = ask(client, 'hang').then(assert.unreachable, (error) => error)
  await new Promise((resolve) => setTimeout(resolve, 20))
  await client.close()
  assert.is((await within(2000, hanging)).code, 'ERR_DISCONNECTED')
})

test.run()
