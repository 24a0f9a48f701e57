// Who comes in: asked on every wire, before anything of a body is read, and known to executors.
import { writeFileSync } from 'node:fs'
import { request as requestOf } from 'node:http'
import { connect } from 'node:net'
import { status as Code, credentials, Client as GrpcClient, Metadata, type ServiceError } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { Client } from '../../lib/client/index.js'
import { createHttp, type GatewayOptions } from '../../lib/gateway/index.js'
import { type Call, ConnectionError, Flow } from '../../lib/index.js'
import { createGraphQL } from '../../lib/wire/graphql/index.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'
import { heap } from '../support/gc.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'

const TOKEN = 'a-token-for-these-tests-0'
const OTHER = 'a-token-for-these-tests-1'
/** So many refusals; the whole of it is 100 000: `REFUSALS=100000 node test/run.mjs gateway/authenticate`. */
const REFUSALS = Number(process.env.REFUSALS ?? 2000)
const WIRES = ['grpc', 'http', 'websocket'] as const

/** A Flow that notes who asked. */
async function served(options: GatewayOptions, add: object = {}) {
  const seen: unknown[] = []
  const uses = ({ identity }: Call) => void seen.push(identity)
  const flow = new Flow({ protocol: [...WIRES], port: 0, graphql: true, ...options }).add({ name: 'note', uses, ...add })
  await flow.open()
  return {
    flow,
    seen,
    addresses: flow.addresses as Record<(typeof WIRES)[number], string>,
    port: Number(new URL(Object.values(flow.addresses)[0]!).port),
    [Symbol.asyncDispose]: () => flow.close(),
  }
}

/** What a request fails of. */
async function failure(work: Promise<unknown>): Promise<ConnectionError> {
  const error = await within(
    10_000,
    work.then(
      () => undefined,
      (error) => error,
    ),
  )
  assert.instance(error, ConnectionError)
  return error as ConnectionError
}

/** One HTTP request, as it is written, and what comes back until the connection ends or a head is there. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let all = ''
    socket.on('data', (data) => {
      all += data
      const head = all.indexOf('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(all)?.[1] ?? 0)
      if (head !== -1 && all.length >= head + 4 + length) {
        resolve(all)
        socket.destroy()
      }
    })
    socket.on('close', () => resolve(all)).on('error', reject)
  })
}

function ask(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const request = requestOf({ port, host: '127.0.0.1', method, path, headers, agent: false }, (answer) => {
      let text = ''
      answer.on('data', (data) => (text += data)).on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, body: text }))
    })
    request.on('error', reject).end(body)
  })
}

const bytes = (buffer: Buffer): Buffer => buffer

/** With which status a call of gRPC ends, and what it brings. */
function call(
  address: string,
  method: string,
  metadata: Record<string, string> = {},
  options: object = {},
): Promise<{ code: Code; error: ServiceError | null }> {
  const client = new GrpcClient(new URL(address).host, credentials.createInsecure(), options)
  const given = new Metadata()
  for (const [name, value] of Object.entries(metadata)) given.set(name, value)
  return new Promise((resolve) =>
    client.makeUnaryRequest(method, bytes, bytes, Buffer.alloc(0), given, (error) => {
      client.close()
      resolve({ code: error?.code ?? Code.OK, error })
    }),
  )
}

test('G6: who brings a token comes in on every wire, and nobody else; the error is the same, and nothing is sent again', async () => {
  let asked = 0
  const authenticate = (): undefined => {
    asked++
  }
  await using service = await served({ token: { door: TOKEN }, authenticate })
  for (const wire of WIRES) {
    await using known = new Client(service.addresses[wire], { token: () => Promise.resolve(TOKEN) })
    assert.is(await known.isFlowReady(), true, wire)
    await known.open()
    assert.is((await known.post('/', ['a', 'b']).docs()).length, 2, wire)
    const { data } = await known.mutate('mutation { docs(data: { text: "a" }) { text } }')
    assert.is(data.docs[0].text, 'a')
    for await (const { data } of known.subscribe('subscription { docs(data: { text: "a" }) { status { code } } }')) assert.ok(data.docs)
    assert.equal(service.seen.splice(0), Array(3).fill({ token: 'door' }), wire)
    for (const token of [undefined, OTHER]) {
      await using client = new Client(service.addresses[wire], { retries: { attempts: 2, delay: 1 }, ...(token !== undefined && { token }) })
      asked = 0
      const error = await failure(client.post('/', ['a']).drain())
      assert.is(asked, 1, `${wire} asks once`)
      assert.is(error.code, 'ERR_REFUSED', wire)
      assert.match(error.message, 'it does not let in whom it does not know (401). Give the token that it wants, by the option token')
      assert.not.match(error.message, OTHER)
      assert.is(await client.isFlowReady(), false, wire)
      assert.match((await failure(client.mutate('mutation { docs(data: { text: "a" }) { text } }'))).message, 'it does not let in whom it does not know')
      const subscription = client.subscribe('subscription { docs(data: { text: "a" }) { status { code } } }')
      assert.is((await failure(subscription.next())).code, 'ERR_REFUSED', wire)
    }
  }
  assert.equal(service.seen, [])
})

test('G6: authenticate hears the wire, headers and address, and says who it is', async () => {
  const heard: string[] = []
  const identity = { id: 7, of: ['a'] }
  await using service = await served({
    async authenticate({ wire, headers, address, peerCertificate, signal }) {
      heard.push(wire)
      assert.instance(signal, AbortSignal)
      assert.is(peerCertificate, undefined)
      assert.ok(address === '127.0.0.1' || address === '::ffff:127.0.0.1', address)
      if (headers['x-who'] === 'thrower') throw new Error('no')
      return headers['x-who'] === 'ada' ? identity : headers['x-who'] === 'false' ? false : null
    },
  })
  for (const wire of WIRES) {
    await using ada = new Client(service.addresses[wire], { headers: { 'x-who': 'ada' } })
    await ada.post('/', 'a').drain()
    await ada.mutate('mutation { docs(data: { text: "a" }) { text } }')
    for (const who of ['bob', 'false', 'thrower']) {
      await using bob = new Client(service.addresses[wire], { headers: { 'x-who': who } })
      assert.is((await failure(bob.post('/', 'a').drain())).code, 'ERR_REFUSED', wire)
    }
  }
  assert.equal(service.seen, Array(6).fill(identity))
  assert.ok(
    service.seen.every((seen) => Object.isFrozen(seen) && Object.isFrozen((seen as typeof identity).of)),
    'nobody can change it',
  )
  assert.equal([...new Set(heard)].sort(), ['graphql', 'grpc', 'http', 'websocket'])
})

test('G6: a refusal comes before a byte of the body is asked for', async () => {
  await using service = await served({ token: TOKEN })
  const head = (path: string, more: string): string => `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}\r\n`
  // All at once: some answers end with their connection, a second later.
  const asked = ['/post', '/graphql'].flatMap((path) => [
    ...['Content-Length: 90000000\r\nExpect: 100-continue\r\n', 'Content-Length: 90000000\r\n', 'Transfer-Encoding: chunked\r\n'].map(async (more) => {
      const answer = await within(5000, raw(service.port, head(path, more)))
      assert.match(answer, /^HTTP\/1.1 401 /, `${path} ${more}`)
      assert.match(answer, /www-authenticate: Bearer/i)
    }),
    // Who is let in is asked for it.
    within(5000, raw(service.port, head(path, `Content-Length: 9\r\nExpect: 100-continue\r\nAuthorization: Bearer ${TOKEN}\r\n`))).then((welcome) =>
      assert.match(welcome, /^HTTP\/1.1 100 /, path),
    ),
  ])
  await Promise.all(asked)
  // A connection that pours on is hung up on.
  const socket = connect(service.port, '127.0.0.1')
  const gone = new Promise((resolve) => socket.on('close', resolve))
  socket.on('error', () => {})
  socket.on('data', () => {})
  socket.write(head('/post', 'Content-Length: 900000000\r\n'))
  const pour = (): void => {
    if (socket.destroyed) return
    if (socket.write(Buffer.alloc(65_536))) setImmediate(pour)
    else socket.once('drain', pour)
  }
  pour()
  await within(10_000, gone)
  assert.ok(socket.bytesWritten < 50_000_000, `${socket.bytesWritten} bytes`)
})

test('G6: all but health is closed over HTTP, and health too with openHealth: false', async () => {
  await using service = await served({ token: TOKEN, exposeEndpoints: { '/rank': { methods: ['GET'] } } })
  for (const path of ['/status', '/docs', '/docs/page.js', '/openapi.json', '/dry_run', '/rank', '/nothing', '/graphql', '/graphql?query={__typename}'])
    assert.is((await ask(service.port, 'GET', path, { accept: 'text/html' })).status, 401, path)
  for (const path of ['/', '/healthz', '/ready']) assert.is((await ask(service.port, 'GET', path)).status, 200, path)
  assert.is((await ask(service.port, 'OPTIONS', '/post')).status, 401)
  assert.is((await ask(service.port, 'GET', '/status', { authorization: `bearer ${TOKEN}` })).status, 200)
  await using closed = await served({ token: TOKEN, openHealth: false })
  for (const path of ['/', '/healthz', '/ready']) assert.is((await ask(closed.port, 'GET', path)).status, 401, path)
  assert.is((await call(closed.addresses.grpc, METHODS.check)).code, Code.UNAUTHENTICATED)
})

test('G6: gRPC is closed, unary, streams and reflection, but for health', async () => {
  await using service = await served({ token: TOKEN })
  const { check, watch, ...closed } = METHODS
  for (const method of Object.values(closed)) {
    const { code, error } = await within(5000, call(service.addresses.grpc, method))
    assert.is(code, Code.UNAUTHENTICATED, method)
    assert.match(error!.details, 'Bring a token')
    assert.equal(error!.metadata.get('www-authenticate'), ['Bearer realm="sluice"'])
  }
  assert.is((await call(service.addresses.grpc, check)).code, Code.OK)
  assert.is((await call(service.addresses.grpc, METHODS.dryRun, { authorization: `Bearer ${TOKEN}` })).code, Code.OK)
  assert.equal(service.seen, [])
})

test('G6: a WebSocket is refused at the upgrade, and of a page by the code 4401; its token comes as a subprotocol', async () => {
  await using service = await served({ token: TOKEN })
  const outcome = (protocols: string[], headers: Record<string, string> = {}): Promise<unknown> =>
    within(
      5000,
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${service.port}/`, protocols, { headers })
        socket.on('unexpected-response', (_, { statusCode, headers }) => resolve([statusCode, headers['www-authenticate']]))
        socket.on('message', () => {
          resolve(socket.protocol)
          socket.close()
        })
        socket.on('open', () => socket.send(JSON.stringify({ data: [{ text: 'a' }] })))
        socket.on('close', (code, reason) => resolve([code, String(reason)]))
        socket.on('error', () => {})
      }),
    )
  const bearer = (token: string): string => `sluice.bearer.${Buffer.from(token).toString('base64url')}`
  const page = { origin: `http://127.0.0.1:${service.port}` }
  assert.equal(await outcome([]), [401, 'Bearer realm="sluice"'])
  assert.equal(await outcome(['json', bearer(OTHER)]), [401, 'Bearer realm="sluice"'])
  assert.is(await outcome(['json', bearer(TOKEN)]), 'json')
  const [code, reason] = (await outcome(['json', bearer(OTHER)], page)) as [number, string]
  assert.is(code, 4401)
  assert.match(reason, 'Not let in')
  assert.is(await outcome(['json', bearer(TOKEN)], page), 'json')
  assert.equal(service.seen, [{ token: 0 }, { token: 0 }])
})

test('G6: a token in an address is refused with words, on every wire', async () => {
  await using service = await served({ token: TOKEN })
  const right = { authorization: `Bearer ${TOKEN}` }
  for (const path of [`/status?token=${TOKEN}`, `/status?a=b&access_token=${TOKEN}`, `/graphql?query={__typename}&access_token=${TOKEN}`]) {
    const { status, body } = await ask(service.port, 'GET', path, right)
    assert.is(status, 401, path)
    assert.match(body, 'no place in an address')
    assert.not.match(body, TOKEN)
  }
  const upgrade = await raw(
    service.port,
    `GET /?token=${TOKEN} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  )
  assert.match(upgrade, /^HTTP\/1.1 401 /)
  assert.match(upgrade, 'no place in an address')
})

test('G6: what takes too long is refused, its signal aborts, and it aborts too when the client leaves', async () => {
  const told: unknown[] = []
  const asked = deferred<void>()
  await using service = await served({
    authTimeout: 30,
    authenticate: ({ signal }) => {
      signal.addEventListener('abort', () => told.push(signal.reason.name))
      asked.resolve()
      return new Promise(() => {})
    },
  })
  for (const wire of WIRES) {
    await using client = new Client(service.addresses[wire])
    assert.is((await failure(client.post('/', 'a').drain())).code, 'ERR_REFUSED', wire)
    assert.is((await failure(client.mutate('mutation { docs(data: { text: "a" }) { text } }'))).code, 'ERR_REFUSED')
  }
  // On a busy machine, a Client may ask once more: nobody has looked at what it asked.
  assert.ok(told.length >= 6, String(told))
  assert.equal([...new Set(told)], ['TimeoutError'])
  let asking = deferred<void>()
  let left = deferred<void>()
  await using patient = await served({
    authTimeout: 60_000,
    authenticate: ({ signal }) => {
      signal.addEventListener('abort', () => left.resolve())
      asking.resolve()
      return new Promise(() => {})
    },
  })
  for (const wire of WIRES) {
    asking = deferred()
    left = deferred()
    await using client = new Client(patient.addresses[wire])
    const leave = new AbortController()
    const gone = client.post('/', 'a', { signal: leave.signal }).drain()
    await within(10_000, asking.promise)
    leave.abort()
    await within(
      10_000,
      gone.catch(() => {}),
    )
    await client.close()
    await within(10_000, left.promise)
  }
})

test('G6: an identity that is no JSON, or too large, is refused with words to who runs the server', async () => {
  // What a query gives that found nobody is nobody: it let in whoever asked.
  for (const identity of ['x'.repeat(5000), 7n, () => 1, [], [{ user: 'a' }], 5, true, {}]) {
    const told: string[] = []
    await using service = await served({ authenticate: () => identity, onError: ({ message }) => void told.push(message) })
    assert.is((await ask(service.port, 'GET', '/status')).status, 401)
    assert.is((await call(service.addresses.grpc, METHODS.dryRun)).code, Code.UNAUTHENTICATED)
    assert.ok(told.length > 0)
    assert.match(told[0]!, /^authenticate: an identity must be (JSON|at most 4096 bytes as JSON, not 5002)/)
  }
})

test('G6: the identity is right in every branch, replica, attempt, floating executor and batch', async () => {
  const seen: [string, unknown, string[]][] = []
  const note =
    (name: string, more: () => void = () => {}) =>
    async ({ identity, docs }: Call) => {
      seen.push([name, identity, docs.texts])
      more()
    }
  const floated = deferred<void>()
  const failed = new Set<unknown>()
  const flow = new Flow({ protocol: [...WIRES], port: 0, authenticate: ({ headers }) => headers['x-who'] })
    .add({ name: 'replica', parallel: 2, polling: 'ALL', uses: note('replica') })
    .add({
      name: 'again',
      retries: { attempts: 1, delay: 1 },
      uses: async ({ identity }: Call) => {
        if (failed.size === failed.add(identity).size) return
        throw new Error('once')
      },
    })
    .add({ name: 'float', floating: true, uses: note('float', () => floated.resolve()) })
    .add({ name: 'left', needs: 'again', uses: note('left') })
    .add({ name: 'right', needs: 'again', uses: note('right') })
    .needs(['left', 'right'], { name: 'both', join: 'merge' })
    .add({ name: 'batch', dynamicBatching: { preferredBatchSize: 4, timeout: 20 }, uses: note('batch') })
  await flow.open()
  const work = WIRES.flatMap((wire) =>
    ['ada', 'bob'].map(async (who) => {
      await using client = new Client(flow.addresses[wire]!, { headers: { 'x-who': who } })
      await client.post('/', [who, who, who], { requestSize: 1 }).drain()
    }),
  )
  await within(20_000, Promise.all(work))
  await floated.promise
  await flow.close()
  for (const [name, identity, texts] of seen)
    assert.ok(
      texts.every((text) => text === identity),
      `${name} works for ${identity}: ${texts}`,
    )
  assert.equal([...new Set(seen.map(([name]) => name))].sort(), ['batch', 'float', 'left', 'replica', 'right'])
  assert.ok(
    seen.some(([name, , texts]) => name === 'batch' && texts.length > 1),
    'batches of several',
  )
})

test('G6: an identity goes on with forwardIdentity, and is believed from who came in by token or certificate', async () => {
  const { ca, key, cert, client } = await certificates()
  for (const wire of WIRES) {
    for (const [how, options, brought] of [
      ['token', { token: TOKEN }, { token: TOKEN }],
      ['certificate', { tls: { key, cert, ca } }, { tls: { ca, ...client } }],
    ] as const) {
      await using behind = await served({ ...options, protocol: wire, graphql: false })
      for (const forwardIdentity of [true, false]) {
        const flow = new Flow({ protocol: 'http', port: 0, authenticate: ({ headers }) => headers['x-who'] }).add({
          external: true,
          host: Object.values(behind.flow.addresses)[0]!,
          ...brought,
          forwardIdentity,
        })
        await flow.open()
        for (const who of ['ada', 'bob', 'ada']) {
          await using front = new Client(flow.addresses.http!, { headers: { 'x-who': who } })
          await front.post('/', 'a').drain()
        }
        await flow.close()
        assert.equal(
          behind.seen.splice(0),
          forwardIdentity ? ['ada', 'bob', 'ada'] : Array(3).fill(how === 'token' ? { token: 0 } : undefined),
          `${wire} ${how}`,
        )
      }
    }
  }
  const headers = { 'sluice-identity': Buffer.from('"eve"').toString('base64url') }
  for (const options of [{}, { authenticate: () => 'somebody' }]) {
    await using open = await served(options)
    for (const wire of WIRES) {
      await using eve = new Client(open.addresses[wire], { headers })
      await eve.post('/', 'a').drain()
    }
    assert.equal(open.seen, Array(3).fill('authenticate' in options ? 'somebody' : undefined), 'nobody is believed who did not come in by token')
  }
})

test('G6: an identity goes on as it is from floating executors too, whose requests all go on together', async () => {
  for (const wire of WIRES) {
    await using behind = await served({ token: TOKEN, protocol: wire, graphql: false })
    const flow = new Flow({ protocol: 'http', port: 0, authenticate: ({ headers }) => headers['x-who'] }).add({
      external: true,
      floating: true,
      host: Object.values(behind.flow.addresses)[0]!,
      token: TOKEN,
      forwardIdentity: true,
    })
    await flow.open()
    for (const who of ['ada', 'bob', 'ada', 'eve']) {
      await using front = new Client(flow.addresses.http!, { headers: { 'x-who': who } })
      await front.post('/', 'a').drain()
    }
    await flow.close()
    assert.equal(behind.seen.sort(), ['ada', 'ada', 'bob', 'eve'], wire)
  }
})

test('G6: a listener that throws changes nothing of a refusal', async () => {
  const said: string[] = []
  const { error } = console
  console.error = (text: string) => void said.push(text)
  try {
    for (const authenticate of [() => 'x'.repeat(5000), async () => 'x'.repeat(5000)]) {
      await using service = await served({
        authenticate,
        onError() {
          throw new Error('no disk')
        },
      })
      for (const wire of WIRES) {
        await using client = new Client(service.addresses[wire])
        assert.is((await failure(client.post('/', 'a').drain())).code, 'ERR_REFUSED', wire)
      }
    }
  } finally {
    console.error = error
  }
  assert.ok(said.length > 0)
  assert.match(said[0]!, /onError threw no disk when told: authenticate: an identity/)
})

test('G6: who is refused a WebSocket and does not leave is left, whatever it goes on to say', async () => {
  await using service = await served({ token: TOKEN })
  const socket = connect({ port: service.port, host: '127.0.0.1', allowHalfOpen: true })
  let answer = ''
  socket.on('data', (data) => {
    answer += data
  })
  const left = new Promise<void>((resolve) => socket.on('error', () => resolve()).on('close', () => resolve()))
  const key = 'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=='
  socket.write(`GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n${key}\r\n\r\n`)
  const talking = setInterval(() => socket.write('more'), 20)
  await within(10_000, left)
  clearInterval(talking)
  socket.destroy()
  assert.match(answer, /^HTTP\/1.1 401 /)
})

test('G6: a Client whose token does not come keeps its time limits, and can be closed', async () => {
  await using service = await served({ token: TOKEN })
  const token = (): Promise<string> => new Promise(() => {})
  /** Timers that hold the process. */
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  for (const wire of WIRES) {
    await using client = new Client(service.addresses[wire], { token, timeout: 50, connectTimeout: 60_000 })
    assert.is((await failure(client.post('/', 'a').drain())).code, 'ERR_TIMEOUT', wire)
    assert.is(await within(10_000, client.isFlowReady({ timeout: 50 })), false, wire)
    assert.is((await failure(client.mutate('{ __typename }'))).code, 'ERR_TIMEOUT', wire)
    const asked = [deferred<void>(), deferred<void>()]
    let calls = 0
    const patient = new Client(service.addresses[wire], {
      token() {
        asked[calls++]?.resolve()
        return token()
      },
    })
    const closed = [failure(patient.post('/', 'a').drain()), failure(patient.mutate('{ __typename }'))]
    await within(10_000, Promise.all(asked.map(({ promise }) => promise)))
    await patient.close()
    for (const { code } of await Promise.all(closed)) assert.is(code, 'ERR_DISCONNECTED', wire)
    const hasty = new Client(service.addresses[wire], { token: TOKEN })
    const early = [failure(hasty.post('/', 'a').drain()), failure(hasty.mutate('{ __typename }'))]
    await hasty.close()
    for (const { code } of await Promise.all(early)) assert.is(code, 'ERR_DISCONNECTED', `${wire}: closed before it was connected`)
    for (let n = 0; n < 200 && timers() > before; n++) await new Promise((resolve) => setImmediate(resolve))
    assert.is(timers(), before, `${wire}: nothing is left that waits for a token`)
  }
})

test('G6: files of tokens are read again when they change, and hold on while they are broken', async () => {
  const folder = new Folder()
  const file = folder.file('tokens', `# ours\nci: ${TOKEN}\n`)
  const told: string[] = []
  await using service = await served({ tokenFile: file, onError: ({ message }) => void told.push(message) })
  const status = async (token: string): Promise<number> => (await ask(service.port, 'GET', '/status', { authorization: `Bearer ${token}` })).status
  const becomes = async (token: string, wanted: number): Promise<void> => {
    while ((await status(token)) !== wanted) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.is(await status(TOKEN), 200)
  assert.is(await status(OTHER), 401)
  writeFileSync(file, `${OTHER}\n`)
  await within(10_000, becomes(TOKEN, 401))
  assert.is(await status(OTHER), 200)
  writeFileSync(file, 'short\n')
  await within(
    10_000,
    (async () => {
      while (told.length === 0) {
        assert.is(await status(OTHER), 200)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })(),
  )
  assert.match(told[0]!, file)
  assert.not.match(told[0]!, 'short')
  assert.is(await status(OTHER), 200)
  // And of who brings one.
  const own = folder.file('own', `${OTHER}\n`)
  const flow = new Flow().add({ external: true, host: service.addresses.grpc, tokenFile: own })
  await flow.open()
  await flow.post('/', 'a').drain()
  await flow.close()
})

test('G6: fetch handlers ask, too', async () => {
  await using flow = await new Flow().add({ uses: ({ docs, identity }) => docs.forEach((doc) => void (doc.text = JSON.stringify(identity))) }).open()
  const options = { token: { page: TOKEN } }
  let read = 0
  const body = () =>
    new ReadableStream(
      {
        pull(controller) {
          read++
          controller.close()
        },
      },
      { highWaterMark: 0 },
    )
  for (const [handler, path, text] of [
    [createHttp(flow, options), '/post', '{"data":[{"text":"a"}]}'],
    [createGraphQL(flow, options), '/graphql', '{"query":"mutation { docs(data: {text: \\"a\\"}) { text } }"}'],
  ] as const) {
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: body(), duplex: 'half' }
    const refused = await handler.fetch(new Request(`http://127.0.0.1${path}`, init as RequestInit))
    assert.is(refused.status, 401)
    assert.is(refused.headers.get('www-authenticate'), 'Bearer realm="sluice"')
    assert.is(read, 0, 'the body is not read')
    const answer = await handler.fetch(
      new Request(`http://127.0.0.1${path}`, { method: 'POST', headers: { ...headers, authorization: `Bearer ${TOKEN}` }, body: text }),
    )
    assert.is(answer.status, 200)
    assert.match(await answer.text(), '{\\"token\\":\\"page\\"}')
  }
})

test('G6: pages of granted origins are answered before they can bring a token, and may read why not', async () => {
  await using service = await served({ token: TOKEN, cors: ['https://app.example'] })
  const origin = 'https://app.example'
  for (const path of ['/post', '/graphql']) {
    const preflight = await ask(service.port, 'OPTIONS', path, {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    })
    assert.is(preflight.status, 204, path)
    assert.is(preflight.headers['access-control-allow-headers'], 'authorization', path)
    const refused = await ask(service.port, 'POST', path, { origin, 'content-type': 'application/json' }, '{}')
    assert.is(refused.status, 401)
    assert.is(refused.headers['access-control-allow-origin'], origin)
  }
})

test('G6: options are checked, and tokens shown nowhere', async () => {
  const short = 'shorty'
  for (const options of [
    { token: short },
    { token: [TOKEN, short] },
    { token: { a: short } },
    { token: '' },
    { token: 7 },
    { tokenFile: '' },
    { allowedHosts: ['http://x'] },
    { graphql: { token: TOKEN } },
  ]) {
    const flow = new Flow({ protocol: 'http', port: 0, ...(options as object) })
    const error = await flow.open().then(
      () => flow.close(),
      (error) => error,
    )
    assert.match(error?.code ?? 'none', /^ERR_OPTION_/, JSON.stringify(options))
    assert.not.match(String(error.stack), short)
    assert.not.match(String(error.stack), TOKEN)
  }
  for (const token of ['', 'a b', 7, 'ä']) assert.throws(() => new Client('http://127.0.0.1', { token: token as string }), /^token must be/)
  assert.throws(() => new Client('http://127.0.0.1', { token: TOKEN, headers: { Authorization: 'x' } }), /token must be left out/)
  await using service = await served({ token: TOKEN })
  const shown = [
    await service.flow.saveConfig().catch(String),
    await service.flow.plot(),
    (await ask(service.port, 'GET', '/status', { authorization: `Bearer ${TOKEN}` })).body,
  ]
  for (const text of shown) assert.not.match(text, TOKEN)
})

test('G6: refusals leave nothing behind', async () => {
  let slow = 0
  await using service = await served({
    token: TOKEN,
    authTimeout: 1,
    authenticate: () => (slow++ % 10 === 0 ? new Promise(() => {}) : undefined),
    onError: () => {},
  })
  const grpc = new GrpcClient(new URL(service.addresses.grpc).host, credentials.createInsecure())
  const wrong = new Metadata()
  wrong.set('authorization', `Bearer ${OTHER}`)
  const one = (at: number): Promise<unknown> => {
    const headers = at % 2 === 0 ? {} : { authorization: `Bearer ${OTHER}` }
    if (at % 4 === 0) return new Promise((resolve) => grpc.makeUnaryRequest(METHODS.single, bytes, bytes, Buffer.alloc(10), wrong, resolve))
    if (at % 4 === 1) return ask(service.port, 'POST', '/post', { ...headers, 'content-type': 'application/json' }, '{"data":[]}')
    if (at % 4 === 2) return ask(service.port, 'POST', '/graphql', { ...headers, 'content-type': 'application/json' }, '{}')
    return raw(
      service.port,
      `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
  }
  const round = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at += 20) await Promise.all(Array.from({ length: 20 }, (_, more) => one(at + more)))
  }
  await round(Math.max(400, REFUSALS / 10))
  const before = await heap()
  await round(REFUSALS)
  const grown = (await heap()) - before
  assert.ok(grown < 3, `${REFUSALS} refusals left ${grown} MB`)
  assert.equal(service.seen, [])
  grpc.close()
})

test('150: a foreign Host is refused on every wire where only this machine can ask, and named hosts are not', async () => {
  await using service = await served({})
  const { port } = service
  const upgrade = (host: string): string =>
    `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
  const json = { 'content-type': 'application/json' }
  const outcomes = async (port: number, address: string, host: string): Promise<unknown[]> => [
    (await ask(port, 'POST', '/index', { ...json, host }, '{"data":[{"text":"x"}]}')).status,
    (await ask(port, 'GET', '/status', { host })).status,
    (await ask(port, 'POST', '/graphql', { ...json, host }, '{"query":"mutation { docs(data: [{text: \\"x\\"}]) { id } }"}')).status,
    Number((await raw(port, upgrade(host))).split(' ')[1]),
    (await call(address, METHODS.dryRun, {}, { 'grpc.default_authority': host })).code,
  ]
  for (const host of [`evil.example:${port}`, 'evil.example', '10.0.0.1', 'localhost.evil.example', '127.0.0.1.evil.example', 'evil.example.'])
    assert.equal(await outcomes(port, service.addresses.grpc, host), [403, 403, 403, 403, Code.PERMISSION_DENIED], host)
  assert.equal(service.seen, [])
  for (const host of [`localhost:${port}`, 'localhost.', 'app.localhost', `127.0.0.1:${port}`, '[::1]:1'])
    assert.equal(await outcomes(port, service.addresses.grpc, host), [200, 200, 200, 101, Code.OK], host)
  await using named = await served({ allowedHosts: ['flow.example', '.inner.example'] })
  for (const [host, fine] of [
    ['flow.example:1', true],
    ['a.inner.example', true],
    ['evil.example', false],
    ['a.flow.example', false],
  ] as const)
    assert.equal(
      await outcomes(named.port, named.addresses.grpc, host),
      fine ? [200, 200, 200, 101, Code.OK] : [403, 403, 403, 403, Code.PERMISSION_DENIED],
      host,
    )
  await using wide = await served({ host: '0.0.0.0' })
  assert.equal(await outcomes(wide.port, `grpc://127.0.0.1:${wide.port}`, 'any.example'), [200, 200, 200, 101, Code.OK])
})

test('151: a page of another origin runs no executor, by GET neither, nor where it is of the same site', async () => {
  await using service = await served({ exposeEndpoints: { '/rank': { methods: ['GET', 'POST'] } } })
  const { port } = service
  const json = { 'content-type': 'application/json' }
  const body = '{"data":[{"text":"x"}]}'
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://127.0.0.1:${port + 1}`, 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example', host: `evil.example:${port}` },
  ] as Record<string, string>[]) {
    const about = JSON.stringify(headers)
    assert.is((await ask(port, 'GET', '/rank?data=[{"text":"x"}]'.replaceAll('"', '%22'), headers)).status, 403, about)
    assert.is((await ask(port, 'GET', '/dry_run', headers)).status, 403, about)
    assert.is((await ask(port, 'POST', '/rank', { ...headers, ...json }, body)).status, 403, about)
    if (headers.origin === undefined) continue
    assert.is(
      (await ask(port, 'POST', '/graphql', { ...headers, ...json }, '{"query":"mutation { docs(data: [{text: \\"x\\"}]) { id } }"}')).status,
      403,
      about,
    )
    assert.is(
      (await call(service.addresses.grpc, METHODS.single, headers.origin === undefined ? {} : { origin: headers.origin })).code,
      Code.PERMISSION_DENIED,
      about,
    )
  }
  assert.equal(service.seen, [])
  for (const headers of [{}, { origin: `http://127.0.0.1:${port}` }, { 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }] as Record<
    string,
    string
  >[])
    assert.is((await ask(port, 'GET', '/rank', headers)).status, 200, JSON.stringify(headers))
  await using granted = await served({ cors: ['https://app.example'], exposeEndpoints: { '/rank': { methods: ['GET'] } } })
  assert.is((await ask(granted.port, 'GET', '/rank', { origin: 'https://app.example', 'sec-fetch-site': 'cross-site' })).status, 200)
  assert.is((await ask(granted.port, 'GET', '/rank', { origin: 'https://evil.example' })).status, 403)
})

test('what would let in and is given as undefined is refused: a variable that is not set opens no door', async () => {
  for (const options of [{ token: undefined }, { tokenFile: undefined }, { authenticate: undefined }] as GatewayOptions[]) {
    const [name] = Object.keys(options) as [string]
    const error = await served(options).then(
      () => undefined,
      (error) => error,
    )
    assert.match(error?.message, new RegExp(`^${name} is given as undefined`))
    assert.throws(
      () => createHttp(new Flow(), options),
      (error: Error) => error.message.startsWith(name),
    )
  }
})

test('an authenticate that is broken, or too late, is told, once a second; what it throws to refuse is a remark', async () => {
  const told: string[] = []
  const refused: string[] = []
  let answer: () => unknown = () => (undefined as any).user
  await using world = await served({
    protocol: 'http',
    authenticate: () => answer(),
    authTimeout: 5,
    onError: (error) => told.push(error.message),
    logger: ({ event, error }) => event === 'request.refused' && refused.push((error as Error).message),
  })
  const ask = async () => {
    const { status } = await fetch(`http://127.0.0.1:${world.port}/post`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })
    assert.is(status, 401)
  }
  answer = () => {
    throw new Error('a token that is over')
  }
  await ask()
  assert.equal(told, [])
  answer = () => (undefined as any).user
  await ask()
  await ask()
  // No identity is a fault like any other.
  answer = () => []
  await ask()
  assert.is(told.length, 1)
  assert.match(told[0]!, /^authenticate: .*undefined/)
  assert.is(refused.length, 4)
  assert.match(refused[0]!, /over http: Not let in/)
})

test.run()
