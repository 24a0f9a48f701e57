// Bytes of requests and of answers: what is let in, what waits, what is refused, and who is hung up on.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { status as Code } from '@grpc/grpc-js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LogRecord } from '../../lib/base/logger.js'
import { Client } from '../../lib/client/index.js'
import { Gateway, type GatewayOptions } from '../../lib/gateway/index.js'
import { Limiter } from '../../lib/handler/limits.js'
import { Refused } from '../../lib/handler/refused.js'
import { Executor, Flow } from '../../lib/index.js'
import { createGraphQL } from '../../lib/wire/graphql/index.js'
import { Charges } from '../../lib/wire/grpc/server/charges.js'
import { closedWith } from '../../lib/wire/websocket/client/failures.js'
import { code, flags } from '../support/code.js'
import { deferred } from '../support/deferred.js'
import { turn } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { frame, raw } from '../wire/websocket/support.js'
import { type Fate, sharing, ways } from './heavy.js'

/** A gateway before an executor that waits at a door. */
async function started(options: GatewayOptions) {
  const it = { begun: 0, door: deferred<void>() }
  class Worker extends Executor {
    static requests = { '/in': 'take', '/big': 'big', '/small': 'small' } as const
    async take() {
      it.begun++
      await it.door.promise
      return []
    }
    big() {
      return [{ text: 'x'.repeat(8_000_000) }]
    }
    small() {}
  }
  const flow = await new Flow({ closeTimeout: 100 }).add({ name: 'worker', uses: Worker }).open()
  const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true, onError: () => {}, ...options })
  return Object.assign(it, {
    port: gateway.port,
    until: (holds: () => boolean) => until(holds, 20_000),
    /** @param cut whether what waits at the door is not let through, and cut off */
    async [Symbol.asyncDispose](cut?: number) {
      if (cut === undefined) it.door.resolve()
      await gateway.close(0)
      await flow.close()
    },
  })
}

const SIZE = 100_000
const all = ways(SIZE)
/** Bytes that one of them counts for. */
const weightOf = (name: string): number => (/json|graphql/.test(name) ? 8 : 1) * SIZE * 1.2

async function small(port: number): Promise<number> {
  const body = '{"execEndpoint":"/small","data":["a"]}'
  const { status } = await fetch(`http://127.0.0.1:${port}/post`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return status
}

for (const name of Object.keys(all).filter((name) => !/chunked|ndjson/.test(name)))
  test(`222: ${name}: who says how much comes waits unread until there is room`, async () => {
    // Each asks on a connection of its own; there is room for one.
    await using it = await started({ maxBytesInFlight: weightOf(name) })
    const { send } = all[name]!
    const fates: Fate[] = []
    const one = send(it.port).then((fate) => fates.push(fate))
    await it.until(() => it.begun === 1)
    const others = [send(it.port), send(it.port)].map((fate) => fate.then((fate) => fates.push(fate)))
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.is(it.begun, 1)
    assert.is(await small(it.port), 200, 'what is small goes on')
    it.door.resolve()
    await within(10_000, Promise.all([one, ...others]))
    assert.equal(fates, ['answered', 'answered', 'answered'])
  })

for (const name of Object.keys(all).filter((name) => /chunked/.test(name) && !/ndjson/.test(name)))
  test(`222: ${name}: of whom nobody knows how much comes is refused when there is no more room, with the reason`, async () => {
    await using it = await started({ maxBytesInFlight: weightOf(name) })
    const { send } = all[name]!
    const one = send(it.port)
    await it.until(() => it.begun === 1)
    assert.is(await within(10_000, send(it.port)), 'busy')
    it.door.resolve()
    assert.is(await one, 'answered')
    assert.is(await within(10_000, send(it.port)), 'answered', 'room is given back')
  })

test('222: an upload is read no faster than there is room, and comes through', async () => {
  await using it = await started({ maxBytesInFlight: 8 * 200_000, prefetch: 2 })
  const sent = ways(2_000_000)['http ndjson']!.send(it.port)
  await it.until(() => it.begun > 0)
  const before = it.begun
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.ok(it.begun <= before + 2)
  it.door.resolve()
  assert.is(await within(20_000, sent), 'answered')
})

test('222: a message that is larger than all there may be is let in when nothing else is inside', async () => {
  await using it = await started({ maxBytesInFlight: 1000 })
  it.door.resolve()
  for (const [name, { send }] of Object.entries(all)) assert.is(await within(10_000, send(it.port)), 'answered', name)
})

test('222: WebSocket: who sends a message in pieces, for which there is no room, is told 1013', async () => {
  await using it = await started({ maxBytesInFlight: 1_000_000 })
  const one = all['websocket json']!.send(it.port)
  await it.until(() => it.begun === 1)
  const socket = await raw(it.port)
  const said: Buffer[] = []
  socket.on('data', (bytes) => said.push(bytes))
  socket.resume()
  socket.write(frame(1, '{"data":[', { fin: false }))
  socket.write(frame(0, 'x'.repeat(60_000), { fin: false }))
  await within(10_000, once(socket, 'close'))
  const bytes = Buffer.concat(said)
  assert.equal([bytes[0]! & 15, bytes.readUInt16BE(2)], [8, 1013])
  assert.match(bytes.subarray(4).toString(), /maxBytesInFlight/)
  it.door.resolve()
  assert.is(await one, 'answered')
})

test('222: GraphQL: what a client holds that leaves in the middle of its answer is given back', async () => {
  const flow = await new Flow().add({ uses: () => [{ text: 'x'.repeat(40_000_000) }] }).open()
  const limiter = new Limiter(flow, { maxBytesInFlight: 100_000_000 })
  const server = createServer(createGraphQL(limiter, { onError: () => {} }))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const body = JSON.stringify({ query: 'mutation { docs(data: { text: "x" }) { text } }' })
  socket.write(`POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  // It takes the beginning, and no more.
  await within(20_000, once(socket, 'readable'))
  assert.ok(limiter.bytes!.inside > 1_000_000)
  socket.destroy()
  let gone = false
  const all = async (): Promise<void> => {
    await until(() => gone || limiter.bytes!.inside === 0)
  }
  await within(20_000, all()).finally(async () => {
    gone = true
    server.closeAllConnections()
    server.close()
    await flow.close()
  })
})

test('222: 503 says when to ask again', async () => {
  await using it = await started({ maxBytesInFlight: weightOf('json') })
  const one = all['http json']!.send(it.port)
  await it.until(() => it.begun === 1)
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.alloc(200_000, ' '))
      controller.close()
    },
  })
  const answer = await fetch(`http://127.0.0.1:${it.port}/post`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    duplex: 'half',
  } as RequestInit)
  assert.is(answer.status, 503)
  assert.ok(Number(answer.headers.get('retry-after')) >= 1)
  assert.match(await answer.text(), /Busy: .*maxBytesInFlight/)
  it.door.resolve()
  assert.is(await one, 'answered')
})

test('222: beside answers that nobody takes, what is asked for the first time is answered at once, and what is known to be large waits', async () => {
  await using it = await started({ maxBytesInFlight: 1_000_000 })
  it.door.resolve()
  for (let at = 0; at < 2; at++) void all['http json']!.ask(it.port)
  const bytes = async (): Promise<any> => ((await (await fetch(`http://127.0.0.1:${it.port}/status`)).json()) as any).sluice.bytes
  await until(async () => (await bytes()).inside >= 1_000_000)
  void all['http json']!.ask(it.port)
  await until(async () => (await bytes()).waiting > 0)
  assert.is(await small(it.port), 200)
  assert.ok((await bytes()).inside >= 1_000_000, 'nobody had to be hung up on for it')
})

for (const [name, { ask }] of Object.entries(ways(1000)))
  test(`222: ${name}: of answers that nobody takes, no more are made than there is room for`, async () => {
    let made = 0
    class Worker extends Executor {
      static requests = { '/big': 'big' } as const
      async big() {
        made++
        await turn()
        // More than the system takes off one's hands.
        return [{ text: 'x'.repeat(8_000_000) }]
      }
    }
    await using flow = await new Flow({ closeTimeout: 100 }).add({ uses: Worker }).open()
    const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], graphql: true, onError: () => {}, maxBytesInFlight: 32_000_000 })
    for (let at = 0; at < 20; at++) void ask(gateway.port)
    await until(() => made > 0, 20_000)
    // Before anybody is hung up on: that would make room.
    await new Promise((resolve) => setTimeout(resolve, 800))
    await gateway.close(0)
    assert.ok(made < 12, `${made} of 20`)
  })

test('222: gRPC: of a call that is refused in the middle of its message, grpc-js does not hear the end that comes right behind', async () => {
  let cut = (): void => {}
  const hold = { bytes: 0, ask() {}, watch: (given: () => void) => (cut = given), unwatch() {}, leave() {} }
  const stream = new PassThrough()
  const said: string[] = []
  Object.assign(stream, { respond: (headers: Record<string, string>) => said.push(headers['grpc-status']!), close: () => stream.destroy() })
  new Charges({ hold: () => hold, busy: () => new Refused('ERR_UNREACHABLE', 'Busy') } as never, { tenant: undefined, several: false }, stream as never, 1000)
  stream.on('data', () => {}).on('end', () => said.push('the end'))
  const message = Buffer.from([0, 0, 0, 0, 20, ...Array(20).fill(1)])
  stream.write(message.subarray(0, 10))
  await turn()
  cut()
  stream.end(message.subarray(10))
  await once(stream, 'close')
  assert.equal(said, [String(Code.RESOURCE_EXHAUSTED)])
})

test('222: 0 is no bound', async () => {
  await using it = await started({ maxBytesInFlight: 0 })
  const two = [all['http json']!.send(it.port), all['http json, chunked']!.send(it.port)]
  await it.until(() => it.begun === 2)
  it.door.resolve()
  assert.equal(await Promise.all(two), ['answered', 'answered'])
})

test('222: who does not take its answer is hung up on when another wants room, on each wire', async () => {
  const each = Object.entries(all).map(async ([name, { ask }]) => {
    await using it = await started({ maxBytesInFlight: 1_000_000 })
    it.door.resolve()
    void ask(it.port)
    // It waits for the room that the answer has.
    while ((await small(it.port)) !== 200);
    for (let at = 0; at < 3; at++) assert.is(await within(60_000, all['http json']!.send(it.port)), 'answered', name)
  })
  await Promise.all(each)
})

for (const [wire, scheme] of [
  ['grpc', 'grpc'],
  ['websocket', 'ws'],
] as const) {
  test(`222: ${wire}: what is small goes on beside what is large and waits for room, also from one Client`, async () => {
    await using it = await started({ maxBytesInFlight: 120_000 })
    const client = new Client(`${scheme}://127.0.0.1:${it.port}`)
    const large = (): Promise<unknown> => client.post('/in', ['x'.repeat(100_000)]).docs()
    assert.is((await client.post('/small', ['a']).docs()).length, 1)
    const first = large()
    await it.until(() => it.begun === 1)
    let settled = 0
    const others = Array.from({ length: 3 }, () => large().finally(() => settled++))
    for (let at = 0; at < 20; at++) assert.is((await within(10_000, client.post('/small', ['a'.repeat(1000)]).docs())).length, 1)
    assert.equal([it.begun, settled], [1, 0], 'they wait, and are not refused')
    it.door.resolve()
    await within(20_000, Promise.all([first, ...others]))
    assert.is(it.begun, 4)
    await client.close()
  })

  test(`222: ${wire}: of a shared stream, one that finds no room is refused as busy by itself, and those behind it are answered`, async () => {
    await using it = await started({ maxBytesInFlight: weightOf('grpc unary') })
    const one = all['grpc unary']!.send(it.port)
    await it.until(() => it.begun === 1)
    // As Clients do that know of no stream for large ones.
    const shared = await sharing[wire](it.port)
    shared.send('before', '/small', 10)
    shared.send('large', '/in', SIZE)
    for (let at = 0; at < 5; at++) shared.send(`behind ${at}`, '/small', 1000)
    const answers = await within(10_000, shared.answers(7))
    const { large, ...others } = answers
    assert.match(large!.status!.description, /^Busy: .*maxBytesInFlight/)
    assert.is(large!.status!.exception!.args[1], 'ERR_UNREACHABLE')
    assert.ok(Number(large!.headers!['sluice-retry-after']) > 0)
    assert.equal(
      Object.values(others).map(({ status }) => status?.code),
      Array(6).fill('SUCCESS'),
    )
    it.door.resolve()
    assert.is(await one, 'answered')
    shared.send('again', '/in', SIZE)
    assert.is((await within(10_000, shared.answers(1))).again!.status!.code, 'SUCCESS', 'it goes on')
    shared.close()
  })
}

test('222: websocket: who is refused by the end of its connection hears that the server is busy, and not that nobody is there', () => {
  const error = closedWith('ws://here', 1013, 'Busy: so many')
  assert.equal([error.code, error.busy], ['ERR_UNREACHABLE', true])
})

test('222: what is said of bytes: /status, the log, and what was cut off', async () => {
  const log: LogRecord[] = []
  const it = await started({ maxBytesInFlight: weightOf('json'), logger: (record) => log.push(record) })
  const status = async (): Promise<any> => (await (await fetch(`http://127.0.0.1:${it.port}/status`)).json()).sluice
  const before = await status()
  assert.equal([before.limits.maxBytesInFlight, before.bytes], [weightOf('json'), { limit: weightOf('json'), inside: 0, waiting: 0, refused: 0, cut: 0 }])
  const one = all['http json']!.send(it.port)
  await it.until(() => it.begun === 1)
  const other = all['http json']!.send(it.port)
  while ((await status()).bytes.waiting !== 1);
  assert.is(await within(10_000, all['http json, chunked']!.send(it.port)), 'busy')
  const { bytes, health } = await status()
  assert.ok(bytes.inside > SIZE)
  assert.equal([bytes.waiting, bytes.refused, health], [1, 1, { ready: true }], 'who is busy is not ill')
  const [spent] = log.filter(({ event }) => event === 'bytes.spent')
  assert.equal([spent!.level, spent!.fields], ['warn', { limit: weightOf('json'), waiting: 1 }])
  await it[Symbol.asyncDispose](0)
  assert.match(await within(10_000, one), /^HTTP 503/)
  assert.match(await within(10_000, other), /^HTTP 503/)
  assert.equal(
    log.filter(({ event }) => event === 'drain.cut').map(({ fields }) => fields!.requests),
    [2],
  )
  assert.is(log.filter(({ event }) => event === 'bytes.restored').length, 1)
})

/** A gateway with a small heap, in a process of its own. @param answer bytes of its answers */
async function smallHeap(answer: number): Promise<{ child: ChildProcess; port: number; dead: () => boolean }> {
  const execArgv = ['--max-old-space-size=96', ...flags]
  const child = fork(code('test/gateway/small-heap'), [String(answer)], { execArgv, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  let dead = false
  child.once('exit', () => {
    dead = true
  })
  const [port] = (await once(child, 'message')) as [number]
  return { child, port, dead: () => dead }
}

test('222: 50 of 1 MB on all wires do not end a heap of 96 MB, nor do 40 that do not read 3 MB each, and others are served', async () => {
  const { child, port, dead } = await smallHeap(3_000_000)
  const heavy = Object.entries(ways(1_000_000))
  try {
    assert.is(await small(port), 200)
    let served = 0
    const look = async (): Promise<void> => {
      for (let at = 0; at < 20 && !dead(); at++)
        if (
          (await within(
            60_000,
            small(port).catch(() => 0),
          )) === 200
        )
          served++
    }
    const fates = heavy.flatMap(([name, { send }]) => Array.from({ length: 5 }, () => send(port).then((fate) => `${name}: ${fate}`)))
    await look()
    assert.is(served, 20, 'beside those that send much')
    const settled = await within(120_000, Promise.all(fates))
    assert.equal(
      settled.filter((fate) => !/: (answered|busy)$/.test(fate)),
      [],
    )
    for (const [, { ask }] of heavy) for (let at = 0; at < 4; at++) void ask(port)
    await look()
    assert.ok(!dead(), 'it lives')
    assert.is(served, 40, 'beside those that do not read')
  } finally {
    child.kill('SIGKILL')
  }
})

test('222: who leaves half a body behind holds nothing', async () => {
  await using it = await started({ maxBytesInFlight: 1_000_000 })
  it.door.resolve()
  const socket = connect(it.port, '127.0.0.1')
  socket.write(`POST /post HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 120000\r\n\r\n{"data":[`)
  const waits = all['http json']!.send(it.port)
  socket.destroy()
  assert.is(await within(10_000, waits), 'answered')
})

test.run()
