// What streamed tokens cost on each wire, and who gets what: deltas go to who asks for them, documents to all others.
import { createServer } from 'node:http'
import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket, { WebSocketServer } from 'ws'
import { Client } from '../../lib/client/index.js'
import { Gateway } from '../../lib/gateway/index.js'
import { type Call, Document, DocumentArray, delta, Flow } from '../../lib/index.js'
import { Numbers } from '../../lib/wire/deltas.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { deferred } from '../support/deferred.js'
import { events } from '../support/sse.js'
import { tap } from '../support/tap.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'
import { Raw } from './grpc/raw.js'

const test = suite('deltas on the wires')
const TOKENS = 2000
/** As a model says them, one by one: 8,000 characters. */
const token = (at: number): string => ` ${String.fromCharCode(97 + (at % 26)).repeat(3)}`
const TEXT = Array.from({ length: TOKENS }, (_, at) => token(at)).join('')
const MOST = 3 * TEXT.length + 60 * TOKENS

async function* talk({ docs: [doc], parameters }: Call<any, any>) {
  for (let at = 0; at < (parameters.tokens ?? TOKENS); at++) yield delta(doc!, { text: token(at) })
}

let flow: any
let gateway: Gateway
let at: Record<'grpc' | 'http' | 'websocket', { host: string; port: number }>
test.before(async () => {
  flow = await new Flow({ name: 'near' }).add({ name: 'actor', uses: talk as any }).open()
  gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true, onError: () => {} })
  at = Object.fromEntries(Object.entries(gateway.addresses).map(([name, host]) => [name, { host, port: Number(new URL(host!).port) }])) as typeof at
})
test.after(async () => {
  await gateway.close(0)
  await flow.close()
})

/** All copies of documents that are made meanwhile, at both ends. */
async function clones(work: () => Promise<unknown>): Promise<number> {
  const came = decodeMessage(encodeMessage(emptyMessage({ docs: DocumentArray.from(['']) }))).docs[0]!
  const kinds = [Document.prototype, Object.getPrototypeOf(came) as Document<any>].map((prototype) => ({ prototype, clone: prototype.clone }))
  let count = 0
  for (const { prototype, clone } of kinds)
    prototype.clone = function (this: Document<any>) {
      count++
      return clone.call(this)
    }
  try {
    await work()
  } finally {
    for (const { prototype, clone } of kinds) prototype.clone = clone
  }
  return count
}

const SCHEMES = { grpc: 'grpc', http: 'http', websocket: 'ws' }

for (const protocol of ['grpc', 'http', 'websocket'] as const) {
  test(`2,000 tokens cost what they are, over ${protocol}, and no copy of their document each`, async () => {
    await using between = await tap(at[protocol].port)
    await using client = new Client(`${SCHEMES[protocol]}://127.0.0.1:${between.port}`)
    const seen: string[] = []
    let whole = ''
    const copies = await clones(async () => {
      for await (const response of client.post('/', [{ id: 'x', text: '' }])) {
        if (response.partial) seen.push(response.delta![0]!.text!)
        else whole = response.docs[0]!.text
      }
    })
    assert.is(seen.join(''), TEXT)
    assert.is(whole, TEXT)
    assert.ok(between.received <= MOST, `${between.received} bytes, not ${MOST}`)
    assert.ok(copies < 10, `${copies} copies`)
  })

  test(`an executor elsewhere, over ${protocol}: what it appends is handed on, and never put together`, async () => {
    await using between = await tap(at[protocol].port)
    await using front = await new Flow({ name: 'front' })
      .add({ name: 'elsewhere', external: true, host: `${SCHEMES[protocol]}://127.0.0.1:${between.port}` })
      .open()
    await using door = await Gateway.serve(front, { protocol, onError: () => {} })
    await using outer = await tap(Number(new URL(door.addresses[protocol]!).port))
    await using client = new Client(`${SCHEMES[protocol]}://127.0.0.1:${outer.port}`)
    let text = ''
    let pieces = 0
    const copies = await clones(async () => {
      for await (const { delta, partial } of client.post('/', [{ id: 'x', text: '' }])) {
        if (!partial) continue
        pieces++
        text += delta![0]!.text
      }
    })
    assert.is(text, TEXT)
    assert.is(pieces, TOKENS)
    for (const { received } of [between, outer]) assert.ok(received <= MOST, `${received} bytes, not ${MOST}`)
    assert.ok(copies < 20, `${copies} copies`)
  })
}

const post = (port: number, accept: string, headers: object, tokens = TOKENS) =>
  fetch(`http://127.0.0.1:${port}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept, ...headers },
    body: JSON.stringify({ data: [{ id: 'x', text: '' }], execEndpoint: '/', parameters: { tokens } }),
  })

const ASK = { 'sluice-deltas': '1' }

for (const accept of ['application/x-ndjson', 'text/event-stream'])
  test(`2,000 tokens cost what they are, as ${accept}`, async () => {
    await using between = await tap(at.http.port)
    const text = await (await post(between.port, accept, ASK)).text()
    assert.is(text.match(/"delta":/g)?.length, TOKENS)
    assert.ok(between.received <= MOST, `${between.received} bytes, not ${MOST}`)
  })

test('2,000 tokens that are packed cost less', async () => {
  const sizes: Record<string, number> = {}
  for (const coding of ['identity', 'gzip', 'deflate', 'br']) {
    await using between = await tap(at.http.port)
    await (await post(between.port, 'text/event-stream', { ...ASK, 'accept-encoding': coding })).text()
    sizes[coding] = between.received
  }
  for (const coding of ['gzip', 'deflate', 'br']) assert.ok(sizes[coding]! < 0.6 * sizes.identity!, JSON.stringify(sizes))
})

test('2,000 tokens of an upload cost what they are', async () => {
  await using between = await tap(at.http.port)
  const response = await fetch(`http://127.0.0.1:${between.port}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', ...ASK },
    body: '{"id":"x","text":""}\n',
  })
  assert.is((await response.text()).match(/"delta":/g)?.length, TOKENS)
  assert.ok(between.received <= MOST, `${between.received} bytes, not ${MOST}`)
})

/** What a WebSocket in JSON says to one request. */
async function frames(port: number, path: string, tokens: number): Promise<any[]> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, 'json')
  await new Promise((resolve) => socket.once('open', resolve))
  const all: any[] = []
  socket.on('message', (data) => all.push(JSON.parse(String(data))))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.send(JSON.stringify({ data: [{ id: 'x', text: '' }], execEndpoint: '/', parameters: { tokens } }))
  socket.send('{}')
  await closed
  return all
}

test('2,000 tokens cost what they are, over a WebSocket in JSON', async () => {
  await using between = await tap(at.websocket.port)
  const all = await frames(between.port, '/?partial=1&deltas=1', TOKENS)
  assert.is(all.filter(({ delta }) => delta).length, TOKENS)
  assert.ok(between.received <= MOST, `${between.received} bytes, not ${MOST}`)
})

const subscription = (fields: string) => `subscription { docs(data: [{ id: "x", text: "" }], execEndpoint: "/") { ${fields} } }`

test('2,000 tokens cost what they are, over GraphQL, where only they are asked for', async () => {
  await using between = await tap(at.http.port)
  await using client = new Client(`http://127.0.0.1:${between.port}`)
  let text = ''
  for await (const { data } of client.subscribe(subscription('delta { text }'))) text += data.docs.delta?.[0].text ?? ''
  assert.is(text, TEXT)
  assert.ok(between.received <= MOST, `${between.received} bytes, not ${MOST}`)
})

test('over GraphQL, documents beside deltas come whole at the beginning and at the end', async () => {
  await using between = await tap(at.http.port)
  await using client = new Client(`http://127.0.0.1:${between.port}`)
  const texts: string[][] = []
  let ordinals = 0
  for await (const { data } of client.subscribe(subscription('partial ordinal delta { at text } docs { text }'))) {
    const { partial, ordinal, docs } = data.docs
    assert.is(ordinal, ordinals++)
    if (!partial || docs.length > 0) texts.push(docs.map(({ text }: any) => text))
  }
  assert.equal(texts, [[''], [TEXT]])
  // The envelope of GraphQL, its events and the names of these fields: 130 bytes.
  assert.ok(between.received <= 3 * TEXT.length + 140 * TOKENS, `${between.received} bytes`)
})

// ── who does not ask ─────────────────────────────────────────────────────────────────────────────────────

const TEXTS = [' aaa', ' aaa bbb', ' aaa bbb ccc', ' aaa bbb ccc']

for (const [name, headers] of [
  ['', {}],
  ['with another word', { 'sluice-deltas': 'yes' }],
] as const)
  test(`who does not ask for deltas gets documents, in lines and events ${name}`, async () => {
    const lines = (await (await post(at.http.port, 'application/x-ndjson', headers, 3)).text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.equal(
      lines.map(({ data: [{ text }] }) => text),
      TEXTS,
    )
    assert.ok(lines.every((line) => !('delta' in line || 'of' in line)))
    const seen: [string, string][] = []
    for await (const { event, data } of events(await post(at.http.port, 'text/event-stream', headers, 3)))
      if (event !== 'end') seen.push([event, data.data[0].text])
    assert.equal(seen, [
      ['partial', TEXTS[0]],
      ['partial', TEXTS[1]],
      ['partial', TEXTS[2]],
      ['response', TEXTS[3]],
    ])
  })

test('who asks for one answer in JSON gets it, whatever else it asks for', async () => {
  const { data, ...rest } = await (await post(at.http.port, 'application/json', ASK, 3)).json()
  assert.is(data[0].text, TEXTS[3])
  assert.not('delta' in rest)
})

test('who does not ask for deltas gets documents, over a WebSocket', async () => {
  assert.equal(
    (await frames(at.websocket.port, '/?partial=1', 3)).map(({ data: [{ text }] }) => text),
    TEXTS,
  )
  // Without partial answers, there are none of deltas.
  assert.equal(
    (await frames(at.websocket.port, '/?deltas=1', 3)).map(({ data: [{ text }] }) => text),
    [TEXTS[3]],
  )
})

test('who does not ask for deltas gets documents, over gRPC', async () => {
  using raw = new Raw(at.grpc.host)
  const asked = async (...keys: string[]) => {
    const metadata = new Metadata()
    for (const key of keys) metadata.set(key, '1')
    const docs: DocumentArray = DocumentArray.from([{ id: 'x', text: '' }])
    const message = Buffer.from(encodeMessage(emptyMessage({ requestId: 'a', execEndpoint: '/', parameters: { tokens: 3 }, docs })))
    return (await raw.converse('/jina.JinaRPC/Call', [message], metadata)).answers.map((bytes) => decodeMessage(bytes))
  }
  assert.equal(
    (await asked('sluice-partial')).map(({ docs }) => docs.texts.join()),
    TEXTS,
  )
  assert.equal(
    (await asked('sluice-deltas')).map(({ docs }) => docs.texts.join()),
    [TEXTS[3]],
  )
  const pieces = await asked('sluice-partial', 'sluice-deltas')
  assert.equal(
    pieces.map(({ docs, deltas }) => [docs.texts, deltas?.of, deltas?.list.map(({ at, text }) => [at, text])]),
    [
      [[''], 0, [[0, ' aaa']]],
      [[], 0, [[0, ' bbb']]],
      [[], 0, [[0, ' ccc']]],
      [[TEXTS[3]], undefined, undefined],
    ],
  )
})

test('who does not ask for deltas gets documents, over GraphQL', async () => {
  await using client = new Client(at.http.host)
  const parameters = JSON.stringify({ tokens: 3 })
  const seen: string[] = []
  const query = `subscription ($parameters: JSONScalar, $no: Boolean!) { docs(data: [{ id: "x", text: "" }], execEndpoint: "/", parameters: $parameters) { docs { text } delta @include(if: $no) { text } } }`
  for await (const { data } of client.subscribe(query, { parameters, no: false })) seen.push(data.docs.docs[0].text)
  assert.equal(seen, TEXTS)
})

// ── what others may say ──────────────────────────────────────────────────────────────────────────────────

test('deltas are in protobuf what they are, also where they begin or end within a character', () => {
  const list = [
    { at: 0, fresh: true, text: 'a', tags: { n: [1, null, { deep: 'x' }], none: {} } },
    { at: 300, fresh: false, text: 'ü'.repeat(500) },
    { at: 1, fresh: false, text: '\ud83d' },
    { at: 1, fresh: false, text: '\ude00 and \ud83d' },
    { at: 2, fresh: false, blob: new Uint8Array(300).fill(7) },
  ]
  for (const [of, docs] of [
    [0, ['x']],
    [70_000, []],
  ] as const) {
    const sent = emptyMessage({
      requestId: docs.length > 0 ? 'r' : '',
      ordinal: 3,
      docs: DocumentArray.from(docs),
      deltas: { of, list: docs.length > 0 ? list : list.slice(1) },
    })
    const { deltas, ordinal, requestId, docs: came } = decodeMessage(encodeMessage(sent))
    assert.equal(
      deltas!.list.map((one) => ({ ...one })),
      sent.deltas!.list.map((one) => ({ ...one, ...(one.blob && { blob: new Uint8Array(one.blob) }) })),
    )
    assert.is(deltas!.of, of)
    assert.is(requestId, sent.requestId)
    assert.equal(came.texts, [...docs])
    // A head that is left out says no ordinal; it is a partial answer all the same.
    assert.is(ordinal, docs.length > 0 ? 3 : 0)
  }
})

/** What a Client makes of lines that somebody else says. */
async function toldBy(lines: readonly object[], options = {}): Promise<{ texts: string[]; error: any }> {
  const head = { header: { requestId: '', status: null }, parameters: {}, routes: [] }
  const text = lines.map((line) => `${JSON.stringify('data' in line ? { ...head, ...line } : line)}\n`).join('')
  const server = createServer((_, answer) => void answer.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(text))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = new Client(`http://127.0.0.1:${(server.address() as any).port}`, options)
  const texts: string[] = []
  try {
    for await (const { docs } of client.post('/', ['x'])) texts.push(...docs.texts)
    return { texts, error: undefined }
  } catch (error) {
    return { texts, error }
  } finally {
    await client.close()
    server.closeAllConnections()
    server.close()
  }
}

const first = { data: [{ id: 'x', text: 'a' }], partial: true, ordinal: 0, delta: [{ at: 5, id: 'x', text: 'b' }] }
const last = { data: [{ id: 'x', text: 'abc' }] }

test('whatever numbers a server gives, they are understood; fields that nobody knows are passed over', async () => {
  const { texts, error } = await toldBy([first, { delta: [{ at: 5, text: 'c', more: 1 }], more: 2 }, last])
  assert.is(error, undefined)
  assert.equal(texts, ['ab', 'abc', 'abc'])
})

for (const [name, line, reason] of [
  ['of a document that did not come', { delta: [{ at: 6, text: 'c' }] }, /delta 6 is of a document that did not come/],
  ['whose document did not come', { delta: [{ at: 6, id: 'y', text: 'c' }] }, /delta 6 comes without its document/],
  ['of bytes for a text', { delta: [{ at: 5, blob: 'AAAA' }] }, /a delta of blob for a document with a text/],
  ['without a number', { delta: [{ text: 'c' }] }, /delta\.at must be an integer/],
  ['with a text that is none', { delta: [{ at: 5, text: 7 }] }, /delta\.text must be a string/],
  ['with bytes that are none', { delta: [{ at: 5, blob: '%' }] }, /delta\.blob must be/],
  ['with tags that are none', { delta: [{ at: 5, tags: [] }] }, /delta\.tags must be an object/],
  ['that is none', { delta: [7] }, /delta must be a list of objects/],
] as const)
  test(`a delta ${name} is an answer that cannot be read`, async () => {
    const { texts, error } = await toldBy([first, line, last])
    assert.is(error.name, 'ConnectionError')
    assert.is(error.code, 'ERR_PROTOCOL')
    assert.match(error.message, reason)
    assert.equal(texts, ['ab'])
  })

for (const [name, list] of [
  ['of a document that did not come', [{ at: 6, fresh: false, text: 'c' }]],
  ['of bytes for a text', [{ at: 0, fresh: true, blob: Uint8Array.of(1) }]],
] as const)
  test(`a delta ${name} ends its request at once, over gRPC and over a WebSocket, whatever comes behind it`, async () => {
    const piece = (requestId: string) =>
      encodeMessage(emptyMessage({ requestId, ordinal: 0, docs: DocumentArray.from([{ id: 'x', text: 'a' }]), deltas: { of: 0, list } }))
    const grpc = new Server()
    const same = (bytes: Buffer) => bytes
    const method = {
      path: '/jina.JinaRPC/Call',
      requestStream: true,
      responseStream: true,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    }
    grpc.addService({ Call: method } as any, {
      Call(call: any) {
        const metadata = new Metadata()
        metadata.set('sluice-ahead', '16')
        call.sendMetadata(metadata)
        call.on('data', (bytes: Buffer) => call.write(Buffer.from(piece(decodeMessage(bytes).requestId))))
      },
    })
    const port = await new Promise<number>((resolve) => grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, port) => resolve(port)))
    const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'bytes' })
    sockets.on('connection', (socket) => socket.on('message', (bytes: Buffer) => bytes.length > 1 && socket.send(piece(decodeMessage(bytes).requestId))))
    await new Promise((resolve) => sockets.once('listening', resolve))
    try {
      for (const address of [`grpc://127.0.0.1:${port}`, `ws://127.0.0.1:${(sockets.address() as any).port}`]) {
        await using client = new Client(address, { keepalive: 0 })
        const error: any = await client
          .post('/', ['x'])
          .drain()
          .catch((error) => error)
        assert.is(error.code, 'ERR_PROTOCOL', `${address}: ${error}`)
      }
    } finally {
      grpc.forceShutdown()
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
    }
  })

test('what grows beyond what an answer may have ends its request', async () => {
  const { error } = await toldBy([first, ...Array.from({ length: 40 }, () => ({ delta: [{ at: 5, text: 'c'.repeat(100) }] })), last], { maxMessageBytes: 3000 })
  assert.is(error.code, 'ERR_TOO_LARGE')
  assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+: its documents grew beyond 3000 bytes \(maxMessageBytes\)/)
})

const many = (line: (at: number) => object) => toldBy([first, ...Array.from({ length: 40 }, (_, at) => line(at)), last], { maxMessageBytes: 3000 })
const HUNDRED = 'c'.repeat(100)

for (const [name, line] of [
  ['tags', (at: number) => ({ delta: [{ at: 5, tags: { [`n${at}`]: [HUNDRED] } }] })],
  ['documents', (at: number) => ({ ...first, data: [{ id: `${at}`, text: HUNDRED }], delta: [{ at: 6 + at, id: 'y', text: 'b' }] })],
  ['tags of documents', (at: number) => ({ ...first, data: [{ id: `${at}`, chunks: [{ tags: { HUNDRED } }] }], delta: [{ at: 6 + at, id: 'y', text: 'b' }] })],
] as const)
  test(`${name} count towards what an answer may have, too`, async () => {
    assert.is((await many(line)).error?.code, 'ERR_TOO_LARGE')
  })

for (const [name, line] of [
  ['takes the place of a tag', () => ({ delta: [{ at: 5, tags: { n: HUNDRED } }] })],
  ['comes whole again', () => ({ ...first, data: [{ id: 'x', text: HUNDRED }], delta: [{ at: 5, id: 'x', text: HUNDRED }] })],
] as const)
  test(`what ${name} counts once`, async () => {
    assert.is((await many(line)).error, undefined)
  })

test('a part is no answer where all of it is due', async () => {
  const server = createServer((_, answer) => void answer.writeHead(200, { 'content-type': 'application/json' }).end('{"delta":[]}'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await using client = new Client(`http://127.0.0.1:${(server.address() as any).port}`)
    const error: any = await client
      .post('/', ['x'])
      .drain()
      .catch((error) => error)
    assert.is(error.code, 'ERR_PROTOCOL')
    assert.match(error.message, /a part where all of it is due/)
  } finally {
    server.close()
  }
})

test('numbers are kept of those requests that something is to come for', () => {
  const numbers = new Numbers()
  const awaited = (id: string) => id === 'mine'
  const piece = (requestId: string, of: number) => numbers.idOf({ requestId, deltas: { of, list: [] } }, awaited)
  assert.equal([piece('mine', 1), piece('foreign', 2)], ['mine', 'foreign'])
  assert.equal([piece('', 1), piece('', 2)], ['mine', ''])
})

test('an executor whose pieces its client cannot take does not wait for it over gRPC, and those beside it go on', async () => {
  const door = deferred<void>()
  const ended = deferred<void>()
  const uses = async function* ({ docs: [doc] }: Call<any, any>) {
    if (doc!.id === 'other') await door.promise
    else
      try {
        for (let at = 0; at < 64; at++) yield delta(doc!, { text: 'x'.repeat(1000) })
      } finally {
        // It is told to stop, at the latest.
        ended.resolve()
      }
  }
  await using far = await new Flow({ protocol: 'grpc', port: 0 }).add({ uses }).open()
  await using client = new Client(far.addresses.grpc!, { maxMessageBytes: 20_000 })
  const codes: Record<string, string> = {}
  const posted = (async () => {
    const docs = [{ id: 'large', text: '' }, { id: 'other' }]
    for await (const { partial, status, error, docs: came } of client.post('/', docs, { requestSize: 1, continueOnError: true, resultsInOrder: false }))
      if (!partial) codes[came[0]!.id] = (error as any)?.code ?? status.code
  })()
  try {
    await within(10_000, ended.promise)
  } finally {
    door.resolve()
  }
  await within(10_000, posted)
  assert.equal(codes, { large: 'ERR_TOO_LARGE', other: 'SUCCESS' })
})

for (const protocol of ['grpc', 'http', 'websocket'] as const)
  for (const [name, piece] of [
    ['deltas', (doc: Document<any>) => delta(doc, { tags: { n: NaN } })],
    ['documents', (doc: Document<any>) => Object.assign(doc, { tags: { n: NaN } })],
  ] as const)
    test(`an executor elsewhere, over ${protocol}, hears that its ${name} cannot be handed on`, async () => {
      const ended = deferred<void>()
      const uses = async function* ({ docs: [doc] }: Call<any, any>) {
        try {
          for (;;) yield piece(doc!) as any
        } finally {
          ended.resolve()
        }
      }
      await using far = await new Flow({ protocol, port: 0 }).add({ uses }).open()
      await using near = await new Flow({ protocol: 'http', port: 0 }).add({ external: true, host: Object.values(far.addresses)[0]! }).open()
      await using client = new Client(near.addresses.http!)
      const error: any = await within(
        10_000,
        client
          .post('/', [{ id: 'x' }])
          .drain()
          .catch((error) => error),
      )
      assert.match(error.message, /tags\.n is NaN/)
      await within(10_000, ended.promise)
    })

test('an executor whose pieces its client cannot take hears of it over a WebSocket, once nobody else waits there', async () => {
  const answered = deferred<void>()
  const failed = deferred<void>()
  const ended = deferred<void>()
  const uses = async function* ({ docs: [doc], signal }: Call<any, any>) {
    if (doc!.id === 'other') await failed.promise
    else if (doc!.id === 'behind') await ended.promise
    else
      try {
        while (!signal.aborted) {
          yield delta(doc!, { text: 'x'.repeat(1000) })
          await turn()
        }
      } finally {
        ended.resolve()
      }
  }
  const docs = async function* () {
    yield { id: 'large', text: '' }
    yield { id: 'other' }
    await answered.promise
    yield { id: 'behind' }
  }
  await using far = await new Flow({ protocol: 'websocket', port: 0 }).add({ uses }).open()
  await using client = new Client(far.addresses.websocket!, { maxMessageBytes: 20_000 })
  const codes: Record<string, string> = {}
  const all = async () => {
    for await (const { partial, status, error, docs: came } of client.post('/', docs(), { requestSize: 1, continueOnError: true, resultsInOrder: false })) {
      if (partial) continue
      const { id } = came[0]!
      codes[id] = (error as any)?.code ?? status.code
      if (id === 'large') failed.resolve()
      if (id === 'other') answered.resolve()
    }
  }
  try {
    await within(10_000, all())
  } finally {
    ended.resolve()
  }
  assert.equal(codes, { large: 'ERR_TOO_LARGE', other: 'SUCCESS', behind: 'SUCCESS' })
})

test.run()
