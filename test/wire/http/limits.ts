import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { deferred } from '../../support/deferred.js'
import { heap } from '../../support/gc.js'
import { within } from '../../support/within.js'
import { NDJSON_TYPE, Raw, send, started } from './started.js'

const HEAD = 'POST /post HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n'

test('R92: a body over the limit is refused, with and without its length, and not read on', async () => {
  await using service = await started(() => {}, { maxMessageBytes: 1000 })
  assert.is((await send(`${service.url}/post`, { data: ['x'.repeat(900)] })).status, 200)
  assert.is((await send(`${service.url}/post`, { data: ['x'.repeat(1000)] })).status, 413)
  // Said beforehand: refused before a byte of it came.
  const said = new Raw(service.port).say(`${HEAD}content-length: 1000000\r\n\r\n`)
  assert.match(await within(5000, said.until('\r\n\r\n')), /^HTTP\/1.1 413/)
  await within(5000, said.closed())
  // Not said: refused when it is over, and the connection ends though more would come.
  const unsaid = new Raw(service.port).say(`${HEAD}transfer-encoding: chunked\r\n\r\n`)
  const piece = `400\r\n${'x'.repeat(1024)}\r\n`
  unsaid.say(piece).say(piece)
  assert.match(await within(5000, unsaid.until('\r\n\r\n')), /^HTTP\/1.1 413/)
  await within(5000, unsaid.closed())
})

test('R94: packed bodies are taken, and measured unpacked', async () => {
  await using service = await started(() => {}, { maxMessageBytes: 100_000 })
  const post = (body: Uint8Array, encoding: string) =>
    fetch(`${service.url}/post`, { method: 'POST', headers: { 'content-type': 'application/json', 'content-encoding': encoding }, body: body as any })
  const json = JSON.stringify({ data: [{ text: 'a' }] })
  for (const [encoding, pack] of [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ] as const) {
    const fine = await post(pack(json), encoding)
    assert.is(fine.status, 200, encoding)
    assert.is(((await fine.json()) as any).data[0].text, 'a')
    const bomb = pack(Buffer.alloc(50_000_000, ' '))
    assert.ok(bomb.length < 100_000)
    assert.is((await post(bomb, encoding)).status, 413, encoding)
    assert.is((await post(Buffer.from('no such thing'), encoding)).status, 400, encoding)
    assert.is((await post(pack(json).subarray(0, -6), encoding)).status, 400, encoding)
  }
  assert.is((await post(Buffer.from(json), 'zstd')).status, 415)
  assert.is((await post(gzipSync(gzipSync(json)), 'gzip, gzip')).status, 415)
})

test('R90, R93: what is no JSON, or nested without end, is a 400', async () => {
  await using service = await started(() => {})
  for (const body of [
    '',
    ' ',
    '{',
    '{"data":',
    'nope',
    "{'data':[]}",
    '{"data":[NaN]}',
    '{}x',
    `{"data":[{"tags":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}]}`,
    '['.repeat(100_000),
  ]) {
    const response = await send(`${service.url}/post`, body)
    assert.is(response.status, 400, body.slice(0, 40))
    assert.equal(((await response.json()) as any).detail[0].loc, ['body'])
  }
  const latin = await fetch(`${service.url}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{"data":["\xfc"]}', 'latin1'),
  })
  assert.is(latin.status, 400)
  const surrogate = (await (await send(`${service.url}/post`, '{"data":["\\ud800"]}')).json()) as any
  assert.is(surrogate.data[0].text, '\ud800')
})

test('R104: headers and bodies that trickle are ended, others are served', async () => {
  await using service = await started(() => {}, { headersTimeout: 200, bodyTimeout: 200 })
  const headers = new Raw(service.port).say('POST /post HTTP/1.1\r\nhost: localhost\r\n')
  const body = new Raw(service.port).say(`${HEAD}content-length: 100\r\n\r\n{"data":`)
  const lines = new Raw(service.port).say(`${HEAD.replace('json', 'x-ndjson')}transfer-encoding: chunked\r\n\r\n6\r\n"one"\n\r\n`)
  assert.is((await send(`${service.url}/post`, {})).status, 200)
  assert.match(await within(5000, headers.closed()), /^HTTP\/1.1 408/)
  assert.match(await within(5000, body.closed()), /^HTTP\/1.1 408/)
  const said = await within(5000, lines.closed())
  // The document before is answered; then the stream says why it ends.
  assert.match(said, /"text":"one"/)
  assert.match(said, /did not come in time/)
  assert.is((await send(`${service.url}/post`, {})).status, 200)
})

test('G4: nobody asks ahead without end on one connection', async () => {
  const gate = deferred<void>()
  let inside = 0
  await using service = await started(
    async () => {
      inside++
      await gate.promise
    },
    { prefetch: 3 },
  )
  const raw = new Raw(service.port).say(`${HEAD}content-length: 2\r\n\r\n{}`.repeat(10))
  while (inside < 3) await within(5000, new Promise((resolve) => setTimeout(resolve, 5)))
  assert.is((await send(`${service.url}/nix`, {})).status, 404)
  gate.resolve()
  const said = await within(5000, raw.closed())
  assert.equal(said.match(/HTTP\/1.1 \d+/g), [...Array(3).fill('HTTP/1.1 200'), 'HTTP/1.1 429'])
  assert.is(inside, 3)
})

test('R57, R90, R99: ten thousand malformed requests, and the service still answers', async () => {
  let calls = 0
  const errors: Error[] = []
  await using service = await started(
    () => {
      calls++
    },
    { onError: (error) => errors.push(error) },
  )
  let seed = 20240
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed % below
  }
  const seeds = [
    `${HEAD}content-length: 35\r\n\r\n{"data":[{"text":"a","tags":{"b":1}}]}`,
    `${HEAD}transfer-encoding: chunked\r\n\r\n5\r\n{"dat\r\n6\r\na":[]}\r\n0\r\n\r\n`,
    `${HEAD.replace('json', 'x-ndjson')}content-length: 26\r\n\r\n{"text":"a"}\n{"text":"b"}\n`,
    `${HEAD}content-encoding: gzip\r\ncontent-length: 12\r\n\r\n${gzipSync('{}').toString('latin1').slice(0, 12)}`,
    'GET /openapi.json?x=%00 HTTP/1.1\r\nhost: localhost\r\naccept: text/html;q=x,,;\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'GET http://other/post HTTP/1.1\r\nhost: localhost\r\n\r\n',
    `POST /post?requestSize=x&parameters={ HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: 0\r\n\r\n`,
  ]
  const mutate = (text: string): string => {
    const chars = text.split('')
    for (let n = 1 + random(6); n > 0; n--) {
      const at = random(chars.length)
      const how = random(4)
      if (how === 0) chars[at] = String.fromCharCode(random(256))
      else if (how === 1) chars.splice(at, random(8))
      else if (how === 2) chars.splice(at, 0, '{["\\\r\n\0:}'[random(10)] ?? 'x')
      else chars.length = Math.max(1, at)
    }
    return chars.join('')
  }
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      const raw = new Raw(service.port)
      raw.socket.once('close', () => resolve())
      raw.socket.once('data', () => raw.socket.destroy())
      raw.socket.end(Buffer.from(mutate(seeds[random(seeds.length)]!), 'latin1'))
    })
  for (let round = 0; round < 100; round++) await within(20_000, Promise.all(Array.from({ length: 100 }, one)))
  const before = calls
  assert.is((await send(`${service.url}/post`, { data: ['a'] })).status, 200)
  assert.is(calls, before + 1)
  assert.equal(errors.map(String), [])
})

test('R60: what was refused is let go of', async () => {
  await using service = await started(() => {}, { maxMessageBytes: 50_000 })
  const refuse = async () => {
    for (let i = 0; i < 200; i++) {
      await (await send(`${service.url}/post`, 'x'.repeat(40_000))).arrayBuffer()
      await (await fetch(`${service.url}/post?requestSize=0`, { method: 'POST', headers: NDJSON_TYPE, body: '{}\n' })).arrayBuffer()
    }
  }
  await refuse()
  const before = await heap()
  await refuse()
  assert.ok((await heap()) - before < 8)
})

test.run()
