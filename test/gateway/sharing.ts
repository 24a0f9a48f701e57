// What the posts of one Client share: connections, and streams on them.
import http from 'node:http'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import grpc from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client, type ClientOptions } from '../../lib/client/index.js'
import { DocumentArray } from '../../lib/doc/array.js'
import { Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { type Call, Flow } from '../../lib/index.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { deferred } from '../support/deferred.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

type Uses = (call: Call) => any

/** What the server says on the first connection is held back until then: all of it, or what comes behind the handshake. */
interface Held {
  readonly all?: Promise<void>
  readonly greeting?: Promise<void>
}

/** A gateway, behind something that counts connections; and how often somebody was let in: once a stream of gRPC, once a WebSocket, once a request of HTTP. */
async function world(uses: Uses, options: Partial<GatewayOptions> = {}, { concurrency, ...held }: Held & { concurrency?: number } = {}) {
  const flow = await new Flow({ closeTimeout: 100 }).add({ name: 'it', uses, ...(concurrency !== undefined && { concurrency }) }).open()
  const counted = { entries: 0, connections: 0 }
  const reported: Error[] = []
  const authenticate = ({ headers }: { headers: Readonly<Record<string, string>> }): string => {
    counted.entries++
    return headers['authorization'] ?? headers['x-who'] ?? 'somebody'
  }
  const gateway = await Gateway.serve(flow, {
    protocol: ['grpc', 'http', 'websocket'],
    authenticate,
    graphql: true,
    onError: (error) => reported.push(error),
    ...options,
  })
  const sockets = new Set<Socket>()
  const door = createServer((socket) => {
    const isFirst = counted.connections++ === 0
    const inner = connectTcp(gateway.port, '127.0.0.1')
    for (const [one, other] of [
      [socket, inner],
      [inner, socket],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {}).on('close', () => other.destroy())
      if (one === socket || !isFirst || (held.all ?? held.greeting) === undefined) one.pipe(other)
      else void holdBack(inner, socket, held)
    }
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  const { port } = door.address() as { port: number }
  const clients: Client[] = []
  return {
    counted,
    reported,
    gateway,
    flow,
    client(wire: keyof typeof SCHEMES, more: ClientOptions = {}): Client {
      const client = new Client(`${SCHEMES[wire]}://127.0.0.1:${port}`, more)
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close()
      door.close()
      for (const socket of sockets) socket.destroy()
      await gateway.close(1000)
      await flow.close()
    },
  }
}

async function holdBack(inner: Socket, socket: Socket, { all, greeting }: Held): Promise<void> {
  await all
  if (greeting !== undefined) {
    let head = Buffer.alloc(0)
    while (!head.includes('\r\n\r\n')) head = Buffer.concat([head, await new Promise<Buffer>((resolve) => inner.once('data', resolve))])
    inner.pause()
    const end = head.indexOf('\r\n\r\n') + 4
    socket.write(head.subarray(0, end))
    await greeting
    socket.write(head.subarray(end))
  }
  inner.pipe(socket)
}

/** As a gateway asks whose client chose the id. */
function asking(client: Client, id: string, text: string): Promise<string> {
  const request = new Request(new Header('/', {}), DocumentArray.from([{ text }]), new Scope())
  request.id = id
  return Promise.resolve(client.handle(request)).then(() => request.docs[0]!.text!)
}

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const WHO = ['ann', 'bob', 'cyd', 'dan', 'eve']

const SCHEMES = { grpc: 'grpc', http: 'http', websocket: 'ws' } as const
const SHARED = ['grpc', 'websocket'] as const

for (const wire of SHARED) {
  test(`223: ${wire}: three hundred posts of one Client share a few streams`, async () => {
    const door = deferred<void>()
    let inside = 0
    await using it = await world(() => {
      inside++
      return door.promise
    })
    const client = it.client(wire)
    const posts = Array.from({ length: 300 }, (_, at) => client.post('/', [`${at}`]).docs())
    await until(() => inside >= 200, 20_000)
    door.resolve()
    const all = await within(20_000, Promise.all(posts))
    // Each has its own.
    assert.equal(
      all.map(([doc]) => doc!.text),
      all.map((_, at) => `${at}`),
    )
    assert.ok(it.counted.entries <= 4, `${it.counted.entries} streams`)
    assert.ok(it.counted.connections <= (wire === 'grpc' ? 1 : 4), `${it.counted.connections} connections`)
  })

  test(`223: ${wire}: a post that is left takes back what it asked for, and others on its stream go on`, async () => {
    const door = deferred<void>()
    const left = deferred<void>()
    let inside = 0
    await using it = await world(async ({ docs, signal }) => {
      inside++
      if (docs[0]!.text === 'stays') return door.promise
      signal.addEventListener('abort', () => left.resolve())
      return new Promise(() => {})
    })
    const client = it.client(wire)
    const stays = client.post('/', ['stays']).docs()
    stays.catch(() => {})
    await until(() => inside >= 1, 20_000)
    const controller = new AbortController()
    const leaves = client
      .post('/', ['leaves'], { signal: controller.signal })
      .drain()
      .catch((error) => error)
    await until(() => inside >= 2, 20_000)
    controller.abort(new Error('enough'))
    assert.is((await within(20_000, leaves)).message, 'enough')
    await within(20_000, left.promise)
    door.resolve()
    assert.is((await within(20_000, stays)).length, 1)
    assert.is(it.counted.entries, 1)
  })

  test(`223: ${wire}: what is late is taken back, and its place is another's`, async () => {
    let inside = 0
    await using it = await world(
      ({ docs, signal }) => {
        if (docs[0]!.text !== 'hangs') return
        inside++
        return new Promise<void>((_, reject) =>
          signal.addEventListener('abort', () => {
            inside--
            reject(signal.reason)
          }),
        )
      },
      { prefetch: 1 },
    )
    const client = it.client(wire)
    await within(20_000, client.post('/', ['warm']).drain())
    const impatient = it.client(wire, { timeout: 300 })
    const late = await within(
      20_000,
      Promise.all(
        Array.from({ length: 20 }, () =>
          impatient
            .post('/', ['hangs'])
            .drain()
            .catch((error) => error),
        ),
      ),
    )
    assert.equal(
      late.map(({ code }) => code),
      late.map(() => 'ERR_TIMEOUT'),
    )
    await until(() => inside === 0, 20_000)
    assert.is((await within(20_000, impatient.post('/', ['quick']).docs())).length, 1)
  })

  test(`223: ${wire}: one who does not read what comes in parts holds up none of the others on the stream`, async () => {
    let made = 0
    await using it = await world(async function* ({ docs }: Call) {
      if (docs[0]!.text !== 'much') return
      for (; made < 100_000; made++) yield { text: 'x'.repeat(10_000) }
    })
    const client = it.client(wire)
    const slow = client.post('/', ['much'])[Symbol.asyncIterator]()
    await within(20_000, slow.next())
    for (let at = 0; at < 50; at++) assert.is((await within(20_000, client.post('/', ['little']).docs())).length, 1)
    assert.ok(made < 1000, `${made} were made that nobody reads`)
    assert.is(it.counted.entries, 1)
    await slow.return!()
  })

  test(`223: ${wire}: nobody's work runs as another's`, async () => {
    let token = 'one'
    const seen: string[] = []
    await using it = await world(({ docs, identity }) => {
      seen.push(`${docs[0]!.text} ${identity}`)
    })
    const client = it.client(wire, { token: () => token })
    await within(20_000, client.post('/', ['a']).drain())
    token = 'two'
    await within(20_000, client.post('/', ['b']).drain())
    token = 'one'
    await within(20_000, client.post('/', ['c']).drain())
    assert.equal(seen, ['a Bearer one', 'b Bearer two', 'c Bearer one'])
    assert.ok(it.counted.entries >= 2)
  })

  test(`223: ${wire}: of who goes away, nobody hears`, async () => {
    const left = deferred<void>()
    let inside = 0
    // One is worked for, and the others wait.
    const uses = ({ signal }: Call): Promise<void> => {
      inside++
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          left.resolve()
          reject(signal.reason)
        }),
      )
    }
    // Some of them for a place on their connection.
    await using it = await world(uses, { prefetch: 1 }, { concurrency: 1 })
    const client = it.client(wire)
    const posts = Array.from({ length: 40 }, () =>
      client
        .post('/', ['a'])
        .drain()
        .catch((error) => error.code),
    )
    await until(() => inside >= 1, 20_000)
    for (let at = 0; at < 50; at++) await turn()
    await client.close()
    assert.equal([...new Set(await within(20_000, Promise.all(posts)))], ['ERR_DISCONNECTED'])
    await within(20_000, left.promise)
    for (let at = 0; at < 20; at++) await turn()
    assert.equal(it.reported, [])
  })

  test(`223: ${wire}: while a server shuts down, posts do not wait for the slowest on their stream`, async () => {
    const door = deferred<void>()
    let inside = 0
    await using it = await world(({ docs }) => {
      inside++
      return docs[0]!.text === 'slow' ? door.promise : undefined
    })
    const client = it.client(wire)
    const slow = client.post('/', ['slow']).docs()
    slow.catch(() => {})
    await until(() => inside >= 1, 20_000)
    const closed = it.gateway.close(10_000)
    // It is not taken here, and nobody else is there.
    const error = await within(
      5000,
      client
        .post('/', ['new'])
        .drain()
        .catch((error) => error),
    )
    assert.match(error.code, /^ERR_(UNREACHABLE|DISCONNECTED)$/)
    door.resolve()
    assert.is((await within(20_000, slow)).length, 1)
    await within(20_000, closed)
  })
}

for (const wire of SHARED)
  for (const state of ['cold', 'warm', 'token'] as const)
    test(`223: ${wire}: requests of one id get an answer each, their own (${state})`, async () => {
      const door = deferred<void>()
      let inside = 0
      await using it = await world(async ({ docs }) => {
        if (docs[0]!.text === 'warm') return
        inside++
        await door.promise
        docs[0]!.text += ' seen'
      })
      const client = it.client(wire, state === 'token' ? { token: async () => 'one' } : {})
      if (state !== 'cold') await within(20_000, client.post('/', ['warm']).drain())
      const asked = Promise.all(WHO.map((who) => asking(client, 'same', who)))
      await until(() => inside >= WHO.length, 20_000)
      door.resolve()
      assert.equal(
        await within(20_000, asked),
        WHO.map((who) => `${who} seen`),
      )
    })

for (const wire of SHARED) {
  test(`223: ${wire}: what is late after its first piece is taken back`, async () => {
    const told = deferred<void>()
    await using it = await world(async function* ({ docs, signal }: Call) {
      if (docs[0]!.text !== 'hangs') return
      yield { text: 'piece' }
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      told.resolve()
    })
    const client = it.client(wire, { timeout: 300 })
    const late = client
      .post('/', ['hangs'])
      .drain()
      .catch((error) => error)
    let over = false
    void told.promise.then(() => (over = true))
    // Others keep the stream.
    const others = (async () => {
      while (!over) await client.post('/', ['little']).drain()
    })()
    assert.is((await within(20_000, late)).code, 'ERR_TIMEOUT')
    try {
      await within(5000, told.promise)
    } finally {
      over = true
      await others
    }
  })

  test(`223: ${wire}: while a server shuts down, it hears who leaves, and who does not read is sent no more`, async () => {
    const left = deferred<void>()
    let inside = 0
    let made = 0
    await using it = await world(async function* ({ docs, signal }: Call) {
      inside++
      if (docs[0]!.text === 'much') for (; made < 100_000; made++) yield { text: 'x'.repeat(1000) }
      else if (docs[0]!.text === 'leaves') {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        left.resolve()
      }
    })
    const client = it.client(wire)
    const slow = client.post('/', ['much'])[Symbol.asyncIterator]()
    await within(20_000, slow.next())
    const controller = new AbortController()
    const leaves = client
      .post('/', ['leaves'], { signal: controller.signal })
      .drain()
      .catch((error) => error)
    await until(() => inside >= 2, 20_000)
    const closed = it.gateway.close(10_000)
    // By then, this Client has heard of it.
    await within(
      5000,
      client
        .post('/', ['new'])
        .drain()
        .catch((error) => error),
    )
    controller.abort(new Error('enough'))
    await within(5000, leaves)
    await within(5000, left.promise)
    for (let at = 0; at < 100; at++) await turn()
    assert.ok(made < 100, `${made} were made that nobody reads`)
    await within(20_000, slow.return!())
    await within(20_000, closed)
  })

  test(`223: ${wire}: a request has the trace that it brings, whatever a tracer puts on what posts share`, async () => {
    const seen: unknown[] = []
    await using it = await world(({ headers }) => void seen.push(headers))
    const { makeBidiStreamRequest } = grpc.Client.prototype
    const { request } = http
    grpc.Client.prototype.makeBidiStreamRequest = function (this: grpc.Client, ...given: any[]) {
      given[3].set('traceparent', TRACE)
      return (makeBidiStreamRequest as any).apply(this, given)
    }
    http.request = ((given: { headers: object }, ...more: any[]) =>
      (request as any)({ ...given, headers: { ...given.headers, traceparent: TRACE } }, ...more)) as typeof request
    try {
      await within(20_000, it.client(wire).post('/', ['a']).drain())
      await within(
        20_000,
        it
          .client(wire, { headers: { Baggage: 'tier=gold' } })
          .post('/', ['a'])
          .drain(),
      )
    } finally {
      grpc.Client.prototype.makeBidiStreamRequest = makeBidiStreamRequest
      http.request = request
    }
    assert.equal(seen, [undefined, { baggage: 'tier=gold' }])
  })
}

test('223: websocket: a greeting that comes late is taken', async () => {
  const greeting = deferred<void>()
  await using it = await world(
    async function* ({ docs }: Call) {
      if (docs[0]!.text === 'much') for (let at = 0; at < 40; at++) yield { text: `${at}` }
    },
    {},
    { greeting: greeting.promise },
  )
  const client = it.client('websocket')
  let parts = 0
  const much = (async () => {
    for await (const { partial } of client.post('/', ['much'])) if (partial) parts++
  })()
  // It waits for the greeting no longer than that takes, and has a socket of its own then.
  await within(20_000, client.post('/', ['little']).drain())
  assert.is(it.counted.entries, 2)
  greeting.resolve()
  await within(20_000, much)
  assert.is(parts, 40)
  await within(20_000, client.post('/', ['little']).drain())
  assert.is(it.counted.entries, 2)
})

test('223: websocket: nothing is asked of a Client that was closed meanwhile', async () => {
  const all = deferred<void>()
  let inside = 0
  await using it = await world(() => void inside++, {}, { all: all.promise })
  const waiting = it.client('websocket')
  const posts = WHO.map((who) =>
    waiting
      .post('/', [who])
      .drain()
      .catch((error) => error.code),
  )
  await until(() => it.counted.connections >= 1, 20_000)
  const token = deferred<string>()
  const asked = deferred<void>()
  const bringing = it.client('websocket', {
    token: () => {
      asked.resolve()
      return token.promise
    },
  })
  posts.push(
    bringing
      .post('/', ['a'])
      .drain()
      .catch((error) => error.code),
  )
  await within(20_000, asked.promise)
  await Promise.all([waiting.close(), bringing.close()])
  token.resolve('one')
  all.resolve()
  assert.equal([...new Set(await within(20_000, Promise.all(posts)))], ['ERR_DISCONNECTED'])
  for (let at = 0; at < 50; at++) await turn()
  assert.is(inside, 0)
  assert.is(it.counted.connections, 1)
})

test('223: websocket: of a socket that was left before anybody greeted, nothing is learnt', async () => {
  const all = deferred<void>()
  await using it = await world(() => {}, {}, { all: all.promise })
  const client = it.client('websocket')
  const controller = new AbortController()
  const first = client
    .post('/', ['first'], { signal: controller.signal })
    .drain()
    .catch((error) => error)
  await until(() => it.counted.connections >= 1, 20_000)
  const others = Array.from({ length: 20 }, () => client.post('/', ['a']).drain())
  for (let at = 0; at < 20; at++) await turn()
  // As a timer does it: what the socket says of its end comes before anybody goes on who waits for it.
  setImmediate(() => controller.abort(new Error('enough')))
  await within(20_000, Promise.all([first, ...others]))
  assert.is(it.counted.connections, 2)
})

for (const wire of ['grpc', 'websocket', 'http'] as const)
  test(`218: ${wire}: an executor hears that its request was cut off, also where its Flow stays open`, async () => {
    const inside = deferred<void>()
    const told = deferred<void>()
    await using it = await world(({ signal }) => {
      inside.resolve()
      return new Promise<void>(() => signal.addEventListener('abort', () => told.resolve()))
    })
    const error = it
      .client(wire, { retries: 0 })
      .post('/', ['a'])
      .drain()
      .catch((error) => error)
    await within(20_000, inside.promise)
    await within(20_000, it.gateway.close(50))
    assert.match((await within(20_000, error)).message, /Cut off/)
    await within(5000, told.promise)
  })

for (const by of ['post', 'mutate'] as const)
  test(`223: http: of three hundred calls of ${by}() of one Client, no more than 256 have a connection each`, async () => {
    const door = deferred<void>()
    let inside = 0
    await using it = await world(() => {
      inside++
      return door.promise
    })
    const client = it.client('http')
    const ask = (text: string): Promise<unknown> =>
      by === 'post'
        ? client.post('/', [text]).drain()
        : client.mutate('mutation ($text: String!) { docs(data: [{ text: $text }], execEndpoint: "/") { text } }', { text })
    const all = Array.from({ length: 300 }, (_, at) => ask(`${at}`))
    for (const one of all) one.catch(() => {})
    await until(() => inside >= 256, 20_000)
    for (let at = 0; at < 50; at++) await turn()
    assert.is(inside, 256)
    door.resolve()
    await within(20_000, Promise.all(all))
    assert.is(inside, 300)
    // Whoever owes an answer for a second is asked for a sign of life, on another.
    assert.ok(it.counted.connections <= 260, `${it.counted.connections} connections`)
  })

test('223: http: who waits for a connection may leave, and is next when there is one', async () => {
  const door = deferred<void>()
  let inside = 0
  let last = 0
  await using it = await world(async ({ docs }) => {
    if (docs[0]!.text === 'last') return void last++
    inside++
    await door.promise
  })
  const client = it.client('http')
  const all = Array.from({ length: 256 }, () => client.post('/', ['a']).drain())
  for (const one of all) one.catch(() => {})
  await until(() => inside >= 256, 20_000)
  const error = await within(
    20_000,
    client
      .post('/', ['late'], { signal: AbortSignal.timeout(50) })
      .drain()
      .catch((error) => error),
  )
  assert.is(error.name, 'TimeoutError')
  const next = client.post('/', ['last']).docs()
  for (let at = 0; at < 20; at++) await turn()
  assert.is(last, 0)
  door.resolve()
  await within(20_000, Promise.all([next, ...all]))
  assert.is(last, 1)
})

test.run()
