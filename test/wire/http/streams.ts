import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { deferred } from '../../support/deferred.js'
import { heap } from '../../support/gc.js'
import { events } from '../../support/sse.js'
import { within } from '../../support/within.js'
import { linesOf, NDJSON_TYPE, Raw, send, started } from './started.js'

const upload = (url: string, body: any, init: any = {}): Promise<Response> =>
  fetch(url, { method: 'POST', duplex: 'half', ...init, body, headers: { ...NDJSON_TYPE, ...init.headers } } as RequestInit)

async function all(response: Response): Promise<any[]> {
  const lines = []
  for await (const line of linesOf(response)) lines.push(line)
  return lines
}

const generator = async function* ({ docs, endpoint }: any) {
  for (const doc of docs) {
    if (endpoint === '/fail' && doc.text === 'b') throw new Error('no luck')
    yield doc
  }
} as any

test('G1: partial answers come as lines, or as events, by Accept', async () => {
  await using service = await started(generator)
  const ask = (accept: string, execEndpoint = '/') => send(`${service.url}/post`, { data: ['a', 'b'], execEndpoint }, { headers: { accept } })
  const lines = await all(await ask('application/x-ndjson'))
  assert.equal(
    lines.map(({ partial, ordinal, data }) => [partial, ordinal, data.map(({ text }: any) => text)]),
    [
      [true, 0, ['a']],
      [true, 1, ['b']],
      [undefined, undefined, ['a', 'b']],
    ],
  )
  const seen = []
  for await (const { event, data } of events(await ask('text/event-stream;q=0.9, text/html;q=0.1'))) seen.push([event, data.data?.length])
  assert.equal(seen, [
    ['partial', 1],
    ['partial', 1],
    ['response', 2],
    ['end', undefined],
  ])
  // Who does not ask for them gets one answer.
  assert.is(((await (await ask('application/json, */*')).json()) as any).data.length, 2)
  const failed = await all(await ask('application/x-ndjson', '/fail'))
  assert.equal(
    failed.map(({ header }) => header.status.code),
    [0, 1],
  )
  const last = []
  for await (const { event, data } of events(await ask('text/event-stream', '/fail'))) last.push([event, data.header?.status.code])
  assert.equal(last, [
    ['partial', 0],
    ['error', 1],
    ['end', undefined],
  ])
})

for (const [accept, beat, ending] of [
  ['application/x-ndjson', '\n', /^\n+\{.*"text":"a".*\}\n$/],
  ['text/event-stream', ':\n\n', /^(:\n\n)+event: response\ndata: .*"text":"a".*\n\nevent: end\n/],
] as const)
  test(`229: an answer as ${accept} says that it lives while its executors work, and is whole`, async () => {
    const door = deferred<void>()
    await using service = await started(() => door.promise, { heartbeat: 20, compression: false })
    const response = await within(10_000, send(`${service.url}/post`, { data: ['a'] }, { headers: { accept } }))
    assert.is(response.headers.get('x-accel-buffering'), 'no')
    const reader = response.body!.pipeThrough(new TextDecoderStream() as any).getReader() as ReadableStreamDefaultReader<string>
    let text = ''
    while (text.length < beat.length * 2) text += (await within(10_000, reader.read())).value
    assert.match(text, new RegExp(`^(${beat})+$`))
    door.resolve()
    for (let step = await reader.read(); !step.done; step = await reader.read()) text += step.value
    assert.match(text, ending)
  })

test('229: no heartbeat where none is wanted, or where all is said at once', async () => {
  const door = deferred<void>()
  await using service = await started(({ docs }) => (docs[0]!.text === 'late' ? door.promise : undefined), { heartbeat: 0 })
  const ask = (text: string) => send(`${service.url}/post`, { data: [text] }, { headers: { accept: 'application/x-ndjson' } })
  assert.match(await (await ask('now')).text(), /^\{/)
  const late = ask('late')
  setTimeout(() => door.resolve(), 50)
  assert.match(await (await late).text(), /^\{/)
})

test('G1: one line without partial answers, with its length', async () => {
  await using service = await started(() => {})
  const response = await send(`${service.url}/post`, { data: ['a'] }, { headers: { accept: 'application/x-ndjson' } })
  assert.is(response.headers.get('transfer-encoding'), null)
  assert.is((await all(response)).length, 1)
})

test('G1: an upload is streamed through the executors, with its options in the query or in headers', async () => {
  const seen: unknown[] = []
  await using service = await started(({ docs, endpoint, parameters }) => {
    seen.push([endpoint, parameters, docs.length])
  })
  const body = Array.from({ length: 5 }, (_, i) => JSON.stringify({ text: `${i}` })).join('\n\n')
  const options = `requestSize=2&resultsInOrder=true&parameters=${encodeURIComponent('{"k":1}')}`
  const lines = await all(await upload(`${service.url}/index?${options}`, body))
  assert.equal(
    lines.map(({ data }) => data.map(({ text }: any) => text)),
    [['0', '1'], ['2', '3'], ['4']],
  )
  assert.equal(seen, [
    ['/index', { k: 1 }, 2],
    ['/index', { k: 1 }, 2],
    ['/index', { k: 1 }, 1],
  ])
  const headers = { 'x-exec-endpoint': '/x', 'x-request-size': '3', 'x-parameters': '{"k":2}', 'x-target-executor': 'ec' }
  seen.length = 0
  assert.is((await all(await upload(`${service.url}/post`, body, { headers }))).length, 2)
  assert.equal(seen[0], ['/x', { k: 2 }, 3])
  assert.equal(await all(await upload(`${service.url}/post`, '\n')), [])
  for (const query of ['requestSize=0', 'requestSize=x', 'requestSize=10001', 'prefetch=0', 'resultsInOrder=1', 'parameters=[]', 'parameters={'])
    assert.is((await upload(`${service.url}/post?${query}`, body)).status, 422, query)
  assert.is((await upload(`${service.url}/post`, body, { headers: { accept: 'application/json' } })).status, 406)
})

test('G1, R56: what goes wrong half-way is the last line, after what came before', async () => {
  await using service = await started(({ docs }) => {
    if (docs[0]!.text === 'bad') throw new Error('no luck')
  })
  const ask = async (body: string, query = '') => all(await upload(`${service.url}/post?requestSize=1&resultsInOrder=true${query}`, body))
  const codes = (lines: any[]) => lines.map(({ header }) => header.status.code)
  const line = await ask('"a"\n{"weight":"x"}\n"c"\n')
  assert.equal(codes(line), [0, 1])
  assert.match(line[1].header.status.description, /:2.*weight must be a number/)
  assert.match((await ask('"a"\n{bad\n'))[1].header.status.description, /:2.*JSON/)
  assert.match((await ask(`"a"\n${'['.repeat(100_000)}\n`))[1].header.status.description, /:2/)
  assert.equal(codes(await ask('"a"\n"bad"\n"c"\n')), [0, 1])
  assert.equal(codes(await ask('"a"\n"bad"\n"c"\n', '&continueOnError=true')), [0, 1, 0])
  // With no answer before it, it has a status of its own.
  assert.is((await upload(`${service.url}/post`, '{bad\n')).status, 422)
  await service.flow.close()
  assert.is((await upload(`${service.url}/post`, '"a"\n')).status, 503)
})

test('R20: an answer comes before the next document is sent', async () => {
  await using service = await started(() => {})
  const raw = new Raw(service.port).say(
    'POST /post?requestSize=1 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n',
  )
  for (const text of ['one', 'two', 'three']) {
    const line = `"${text}"\n`
    raw.say(`${line.length.toString(16)}\r\n${line}\r\n`)
    await within(5000, raw.until(`"text":"${text}"`))
  }
  raw.say('0\r\n\r\n')
  await within(5000, raw.until('\r\n0\r\n\r\n'))
  raw.socket.destroy()
})

test('R22, R24: an upload without end and a reader that pauses: the bound holds, in constant memory', async () => {
  let inside = 0
  let peak = 0
  await using service = await started(
    async ({ docs }) => {
      peak = Math.max(peak, ++inside)
      await new Promise((resolve) => setImmediate(resolve))
      inside--
      return docs
    },
    { prefetch: 4 },
  )
  const line = new TextEncoder().encode(`${JSON.stringify({ text: 'x'.repeat(10_000) })}\n`)
  let sent = 0
  let over = false
  const endless = new ReadableStream({
    pull(controller) {
      sent++
      if (over) controller.close()
      else controller.enqueue(line)
    },
  })
  const response = await upload(`${service.url}/post?requestSize=2&prefetch=1000`, endless, { headers: { 'accept-encoding': 'identity' } })
  const lines = linesOf(response)
  for (let i = 0; i < 50; i++) await lines.next()
  // Nobody reads: the sockets fill up, and then nothing is sent any more.
  let last = -1
  while (sent !== last) {
    last = sent
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const before = await heap()
  const external = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 1000; i++) await within(5000, lines.next())
  assert.ok(sent > last)
  assert.ok((await heap()) - before < 8, `${(await heap()) - before} MB`)
  assert.ok(process.memoryUsage().arrayBuffers - external < 16e6)
  assert.ok(peak <= 4, `${peak}`)
  over = true
  await lines.return(undefined)
})

test('R43: executors are told when the client leaves, at once', async () => {
  const begun = deferred<void>()
  const told = deferred<void>()
  await using service = await started(async ({ signal }) => {
    signal.addEventListener('abort', () => told.resolve())
    begun.resolve()
    await told.promise
  })
  const controller = new AbortController()
  const asking = send(`${service.url}/post`, { data: ['a'] }, { signal: controller.signal }).catch(() => {})
  await within(5000, begun.promise)
  controller.abort()
  // It hangs until it is told. How soon that is, test/network/leaving.ts sees.
  await within(20_000, told.promise)
  await asking
})

test('R43, R61: a thousand clients leave in the middle, and nothing stays', async () => {
  let inside = 0
  let told = 0
  await using service = await started(
    async function* ({ docs, signal }: any) {
      inside++
      try {
        yield docs[0]
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      } finally {
        told++
        inside--
      }
    } as any,
    { onError: (error) => assert.unreachable(String(error)) },
  )
  const body = JSON.stringify({ data: ['a'] })
  const head = `POST /post HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: application/x-ndjson\r\ncontent-length: ${body.length}\r\n\r\n`
  for (let round = 0; round < 20; round++) {
    await within(
      20_000,
      Promise.all(
        Array.from({ length: 50 }, async () => {
          const raw = new Raw(service.port).say(head + body)
          await raw.until('"partial":true')
          raw.socket.destroy()
        }),
      ),
    )
  }
  while (told < 1000) await within(5000, new Promise((resolve) => setTimeout(resolve, 5)))
  assert.is(inside, 0)
  await within(5000, service.server.drain())
})

test('G5, R135: draining finishes what is under way and refuses the rest; R138: closing ends idle connections', async () => {
  const gate = deferred<void>()
  const begun = deferred<void>()
  const service = await started(async () => {
    begun.resolve()
    await gate.promise
  })
  const idle = new Raw(service.port).say('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await within(5000, idle.until('{}'))
  const asking = send(`${service.url}/post`, { data: ['a'] })
  await within(5000, begun.promise)
  // Who connects now finds nobody; who is connected already is answered.
  const connected = [0, 1, 2].map(() => new Raw(service.port).say('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'))
  for (const one of connected) await within(5000, one.until('{}'))
  const drained = service.server.drain()
  const [ready, alive, post] = connected as [Raw, Raw, Raw]
  ready.say('GET /ready HTTP/1.1\r\nhost: localhost\r\n\r\n')
  alive.say('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
  post.say('POST /post HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"data":["b"]}')
  assert.match(await within(5000, ready.closed()), /HTTP\/1\.1 503 [\s\S]*"ready":false/)
  assert.match(await within(5000, alive.closed()), /HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 200 /)
  assert.match(await within(5000, post.closed()), 'HTTP/1.1 503 ')
  gate.resolve()
  assert.is((await within(5000, asking)).status, 200)
  await within(5000, drained)
  await within(5000, Promise.all([service.server.close(), service.server.close()]))
  await within(5000, idle.closed())
  await service.flow.close()
})

test('R134: closing ends streams without end', async () => {
  const told = deferred<void>()
  const service = await started(async ({ signal }) => {
    signal.addEventListener('abort', () => told.resolve())
    await told.promise
  })
  const asking = send(`${service.url}/post`, { data: ['a'] }).then(
    () => 'answered',
    () => 'ended',
  )
  await within(5000, new Promise<void>((resolve) => setTimeout(resolve, 50)))
  await within(5000, service.server.close())
  assert.is(await within(5000, asking), 'ended')
  await within(5000, told.promise)
  await service.flow.close()
})

test.run()
