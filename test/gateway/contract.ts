// One story, told through every protocol: what post() promises in one process, it promises over a wire.
import { createServer, type Socket } from 'node:net'
import { test as register } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { type Call, ConnectionError, Document, Executor, ExecutorError, Flow } from '../../lib/index.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { certificates } from '../support/tls.js'
import { within } from '../support/within.js'

/** Does what its endpoint says. */
class Actor extends Executor {
  static requests = {
    '/shout': 'shout',
    '/fail': 'fail',
    '/tokens': 'tokens',
    '/wait': 'wait',
    '/forever': 'forever',
    '/count': 'count',
    '/default': 'other',
  } as const
  static inside = 0
  static most = 0
  static waiting = deferred<AbortSignal>()
  static door = deferred<void>()
  static ended = deferred<void>()

  async shout({ docs, parameters }: Call) {
    Actor.most = Math.max(Actor.most, ++Actor.inside)
    await new Promise((resolve) => setImmediate(resolve))
    for (const doc of docs) doc.text = `${doc.text.toUpperCase()}${parameters.mark ?? ''}`
    Actor.inside--
  }
  fail({ docs }: Call) {
    if (docs.some(({ text }) => text.includes('bad'))) throw new TypeError('cannot do bad')
  }
  async *tokens({ docs }: Call) {
    for (const doc of docs)
      for (const token of ['a', 'b', 'c']) {
        doc.text += token
        yield doc
      }
  }
  async wait({ signal, docs }: Call) {
    if (docs[0]?.text !== 'wait') return
    Actor.waiting.resolve(signal)
    await Promise.race([Actor.door.promise, new Promise((resolve) => signal.addEventListener('abort', resolve))])
  }
  async *forever({ docs }: Call) {
    try {
      for (;;) yield docs[0]!
    } finally {
      Actor.ended.resolve()
    }
  }
  count({ docs }: Call) {
    return { count: docs.length }
  }
  other() {}
}

const flowOf = () =>
  new Flow({ name: 'story' })
    .add({ name: 'actor', uses: Actor })
    .add({ name: 'second', uses: () => {} })
    .open()

const SCHEMES = { grpc: 'grpc', http: 'http', websocket: 'ws' } as const

for (const protocol of ['grpc', 'http', 'websocket'] as const) {
  const test = (name: string, story: () => Promise<void>): void => register(`${protocol}: ${name}`, story)
  let flow: Flow<any, any>
  let gateway: Gateway
  let client: Client

  register.before(async () => {
    flow = await flowOf()
    gateway = await Gateway.serve(flow, { protocol })
    client = new Client(gateway.addresses[protocol]!)
  })
  register.after(async () => {
    await client.close()
    await gateway.close()
    await flow.close()
  })

  test('C1, P2: an async generator streams through in order, with callbacks', async () => {
    async function* inputs() {
      for (let i = 0; i < 100; i++) yield { text: `text ${i}`, tags: { i } }
    }
    const done: number[] = []
    const texts: string[] = []
    let responses = 0
    for await (const response of client.post('/shout', inputs, { requestSize: 10, resultsInOrder: true, onDone: ({ docs }) => done.push(docs.length) })) {
      responses++
      texts.push(...response.docs.texts)
      assert.is(response.status.code, 'SUCCESS')
    }
    assert.is(responses, 10)
    assert.equal(
      texts,
      Array.from({ length: 100 }, (_, i) => `TEXT ${i}`),
    )
    assert.equal(done, new Array(10).fill(10))
  })

  test('P4: never more than prefetch requests are under way, at either end', async () => {
    let taken = 0
    let received = 0
    let most = 0
    Actor.most = 0
    function* inputs() {
      for (let i = 0; i < 200; i++) {
        most = Math.max(most, ++taken - received)
        yield 'x'
      }
    }
    for await (const _ of client.post('/shout', inputs, { requestSize: 1, prefetch: 4 })) received++
    assert.is(received, 200)
    assert.ok(most <= 4, `${most} between the input and the consumer`)
    assert.ok(Actor.most <= 4, `${Actor.most} in the executor`)
  })

  test('P5, P6, P13: parameters, target executor, results, routes', async () => {
    const [response] = await client.post('/shout', ['a'], { parameters: { mark: '?', actor: { mark: '!' }, other: [1, null, { deep: true }] } }).toArray()
    assert.equal(response!.docs.texts, ['A!'])
    assert.equal(response!.parameters, { mark: '?', actor: { mark: '!' }, other: [1, null, { deep: true }], __results__: {} })
    assert.ok(response!.routes.some(({ executor, startTime, endTime }) => executor === 'actor' && startTime instanceof Date && endTime instanceof Date))
    assert.equal((await client.post('/shout', ['a'], { targetExecutor: 'second' }).docs()).texts, ['a'])
    const [counted] = await client.post('/count', ['a', 'b']).toArray()
    assert.equal(counted!.parameters.__results__, { actor: { count: 2 } })
    assert.is((await client.post('/count').toArray()).length, 1)
  })

  test('C6: documents of every kind come back as they are', async () => {
    const given = new Document({
      id: 'one',
      text: 'grüße 🌊',
      embedding: { data: Float32Array.of(1.5, -2, 3.25, 0), shape: [2, 2] },
      tags: { text: 'x', number: 1.5, yes: true, none: null, list: [1, 'a', { b: false }], deep: { er: {} } },
      uri: 'file:///x',
      mimeType: 'text/plain',
      weight: 0.5,
      scores: { cos: { value: 0.25, opName: 'cosine' } },
      chunks: [{ id: 'c', blob: Uint8Array.of(0, 1, 255), chunks: [{ id: 'cc', tensor: Float64Array.of(1, 2) }] }],
      matches: [{ id: 'm', text: 'match' }],
    })
    const [back] = await client.post('/other', [given.clone()]).docs()
    assert.equal(JSON.parse(JSON.stringify(back)), JSON.parse(JSON.stringify(given)))
  })

  test('C6: typed arrays in tags are lists', async () => {
    const tags = { vector: Float32Array.of(1, 0.5), deep: [{ bytes: Uint8Array.of(7) }, 'x'], none: Float64Array.of() }
    assert.equal((await client.post('/other', [{ tags }]).docs())[0]!.tags, { vector: [1, 0.5], deep: [{ bytes: [7] }, 'x'], none: [] })
    assert.instance(tags.vector, Float32Array)
  })

  test('P8, C5: what an executor fails at is its error here too; the stream goes on when told to', async () => {
    const { error } = await collect(client.post('/fail', ['good', 'bad', 'fine'], { requestSize: 1, resultsInOrder: true }))
    assert.instance(error, ExecutorError)
    assert.match(error.message, 'cannot do bad')
    assert.is(error.executor, 'actor')
    assert.is(error.cause.name, 'TypeError')
    assert.not.match(error.cause.stack ?? '', 'contract.ts', 'stacks stay in the server')
    const codes: string[] = []
    for await (const { status } of client.post('/fail', ['good', 'bad', 'fine'], { requestSize: 1, resultsInOrder: true, continueOnError: true }))
      codes.push(status.code)
    assert.equal(codes, ['SUCCESS', 'ERROR', 'SUCCESS'])
  })

  test('E3: partial answers stream through', async () => {
    const seen: [boolean, number, string[]][] = []
    for await (const { partial, ordinal, docs } of client.post('/tokens', ['x', 'y'])) seen.push([partial, ordinal, docs.texts])
    assert.equal(seen, [
      [true, 0, ['xa']],
      [true, 1, ['xab']],
      [true, 2, ['xabc']],
      [true, 3, ['ya']],
      [true, 4, ['yab']],
      [true, 5, ['yabc']],
      [false, 6, ['xabc', 'yabc']],
    ])
  })

  test('P12, R43: a client that leaves stops the executor', async () => {
    Actor.waiting = deferred()
    for await (const _ of client.post('/wait', ['go', 'wait'], { requestSize: 1 })) break
    const signal = await within(5000, Actor.waiting.promise)
    await within(2000, new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve()))))
    Actor.waiting = deferred()
    const controller = new AbortController()
    const aborted = collect(client.post('/wait', ['wait'], { signal: controller.signal }))
    const second = await within(5000, Actor.waiting.promise)
    controller.abort('enough')
    assert.is((await within(2000, aborted)).error, 'enough')
    await within(2000, new Promise<void>((resolve) => (second.aborted ? resolve() : second.addEventListener('abort', () => resolve()))))
    assert.equal((await client.post('/shout', ['still there']).docs()).texts, ['STILL THERE'])
  })

  test('P12, R43: a client that leaves ends a generator that waits for nothing', async () => {
    Actor.ended = deferred()
    let pieces = 0
    for await (const _ of client.post('/forever', 'x')) if (++pieces === 50) break
    await within(5000, Actor.ended.promise)
    assert.is((await collect(client.post('/count', 'still there'))).items.length, 1)
  })

  test('P11: clients at the same time get their own documents', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, async (_, at) => {
        await using own = new Client(gateway.addresses[protocol]!)
        return (
          await own
            .post(
              '/shout',
              Array.from({ length: 20 }, (_, i) => `${at}-${i}`),
              { requestSize: 3 },
            )
            .docs()
        ).texts.sort()
      }),
    )
    answers.forEach((texts, at) => {
      assert.is(texts.length, 20)
      assert.ok(texts.every((text) => text.startsWith(`${at}-`)))
    })
  })

  test('C1: large documents', async () => {
    const [back] = await client.post('/other', [{ blob: new Uint8Array(5_000_000).fill(7) }]).docs()
    assert.is(back!.blob!.length, 5_000_000)
    assert.is(back!.blob![4_999_999], 7)
  })

  test('isFlowReady and profiling', async () => {
    assert.is(await client.isFlowReady(), true)
    const { roundtrip, server, executors } = await client.profiling()
    assert.ok(roundtrip >= 0 && server >= 0)
    assert.equal(Object.keys(executors), ['actor', 'second'])
  })

  test('G5, R133: the gateway lets what is under way finish, and is not ready meanwhile', async () => {
    const own = await flowOf()
    const leaving = await Gateway.serve(own, { protocol })
    Actor.waiting = deferred()
    Actor.door = deferred()
    await using visitor = new Client(leaving.addresses[protocol]!)
    const answered = collect(visitor.post('/wait', ['wait']))
    await within(5000, Actor.waiting.promise)
    const closing = leaving.close()
    Actor.door.resolve()
    const { items, error } = await within(5000, answered)
    assert.is(error, undefined)
    assert.is(items.length, 1)
    await within(5000, closing)
    assert.is(await visitor.isFlowReady({ timeout: 1000 }), false)
    await own.close()
  })

  // ── C5: one behaviour on all protocols ─────────────────────────────────────────────────────────────────

  const failure = async (address: string, options = {}, on = '/other'): Promise<ConnectionError> => {
    await using own = new Client(address, options)
    const { error } = await within(15_000, collect(own.post(on, ['x'])))
    assert.instance(error, ConnectionError, String(error?.stack ?? error))
    return error
  }

  test('C5: nobody there', async () => {
    assert.is((await failure(`${SCHEMES[protocol]}://127.0.0.1:1`)).code, 'ERR_UNREACHABLE')
  })

  test('C5: somebody who never answers', async () => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { port: number }
    const address = `${SCHEMES[protocol]}://127.0.0.1:${port}`
    assert.is((await failure(address, { timeout: 300 })).code, 'ERR_TIMEOUT')
    // Only HTTP has a connection before the server says a word.
    const { code } = await failure(address, { timeout: 3000, connectTimeout: 300 })
    assert.is(code, protocol === 'http' ? 'ERR_TIMEOUT' : 'ERR_UNREACHABLE')
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  test('C5: an executor that never answers', async () => {
    Actor.door = deferred()
    await using impatient = new Client(gateway.addresses[protocol]!, { timeout: 200 })
    const { error } = await within(10_000, collect(impatient.post('/wait', ['wait'])))
    assert.instance(error, ConnectionError, String(error))
    assert.is(error.code, 'ERR_TIMEOUT')
  })

  test('C5: a server that dies half-way: what was answered is delivered, then the error', async () => {
    const own = await flowOf()
    const dying = await Gateway.serve(own, { protocol })
    Actor.waiting = deferred()
    Actor.door = deferred()
    await using visitor = new Client(dying.addresses[protocol]!)
    const answered = collect(visitor.post('/wait', ['go', 'wait'], { requestSize: 1 }))
    await within(5000, Actor.waiting.promise)
    await dying.close(0)
    const { items, error } = await within(5000, answered)
    assert.is(items.length, 1)
    assert.instance(error, ConnectionError)
    assert.is(error.code, 'ERR_DISCONNECTED')
    await own.close()
  })

  test('C5: somebody who speaks another protocol', async () => {
    for (const another of ['grpc', 'http', 'websocket'] as const) {
      if (another === protocol) continue
      const other = await Gateway.serve(flow, { protocol: another })
      assert.is((await failure(`${SCHEMES[protocol]}://127.0.0.1:${other.port}`)).code, 'ERR_PROTOCOL', another)
      await other.close()
    }
  })

  test('C5, G4: a message over the limit', async () => {
    const strict = await Gateway.serve(flow, { protocol, maxMessageBytes: 10_000 })
    await using own = new Client(strict.addresses[protocol]!)
    const { error } = await within(10_000, collect(own.post('/other', [{ blob: new Uint8Array(50_000) }])))
    assert.is(error?.code, 'ERR_TOO_LARGE', String(error))
    assert.equal((await own.post('/shout', ['small']).docs()).texts, ['SMALL'])
    await strict.close()
  })

  test('C3, R111: TLS, and who it refuses', async () => {
    const { ca, key, cert, expired, wrongName } = await certificates()
    const secure = await Gateway.serve(flow, { protocol, tls: { key, cert } })
    const address = secure.addresses[protocol]!
    assert.match(address, /^(grpcs|https|wss):/)
    const plain = address.replace('s:', ':')
    await using trusting = new Client(plain.replace('127.0.0.1', 'localhost'), { tls: { ca } })
    assert.equal((await trusting.post('/shout', ['private']).docs()).texts, ['PRIVATE'])
    assert.is((await failure(address)).code, 'ERR_TLS', 'a stranger')
    await secure.close()
    for (const [name, wrong] of Object.entries({ expired, wrongName })) {
      const other = await Gateway.serve(flow, { protocol, tls: wrong })
      const { code } = await failure(other.addresses[protocol]!.replace('s:', ':').replace('127.0.0.1', 'localhost'), { tls: { ca } })
      assert.is(code, 'ERR_TLS', name)
      await other.close()
    }
  })
}

register.run()
