// How it is: all probes, over all wires, tell the same, by the rule of docs/operations.md.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Client } from '../../lib/client/index.js'
import { defaultBytesInFlight } from '../../lib/gateway/default-bytes.js'
import { Gateway } from '../../lib/gateway/index.js'
import { type AddOptions, type Call, Executor, Flow, type FlowOptions, type LogRecord } from '../../lib/index.js'
import { readFields, writeFields } from '../../lib/wire/grpc/fields.js'
import { METHODS } from '../../lib/wire/grpc/methods.js'
import { Command } from '../support/command.js'
import { type Deferred, deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'
import { deadPort } from '../support/nobody.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'
import { Raw } from '../wire/grpc/raw.js'

const WIRES = ['grpc', 'http', 'websocket'] as const
const ALL = { protocol: [...WIRES], port: 0, graphql: true } satisfies FlowOptions

/** What each probe says: `true` where it is to be sent requests. Liveness apart. */
async function probes(addresses: Readonly<Record<string, string>>): Promise<{ alive: unknown[]; ready: Record<string, boolean> }> {
  const { grpc = '', http, websocket } = addresses
  const raw = new Raw(grpc)
  const check = async (service: string): Promise<number> => readFields((await raw.unary(METHODS.check, writeFields([1, service]))).answer!)[0]![1] as number
  const alive: unknown[] = [await check('liveness')]
  const ready: Record<string, boolean> = {}
  for (const service of ['', 'readiness', 'jina.JinaRPC']) ready[`grpc ${service}`] = (await check(service)) === 1
  for (const [wire, address] of Object.entries(addresses)) {
    await using client = new Client(address)
    ready[`isFlowReady ${wire}`] = await client.isFlowReady({ timeout: 10_000 })
  }
  for (const base of [http, websocket?.replace('ws:', 'http:')]) {
    if (base === undefined) continue
    for (const path of ['/', '/healthz']) alive.push((await fetch(base + path)).status)
    ready[`${base} /ready`] = (await fetch(`${base}/ready`)).status === 200
    ready[`${base} /dry_run`] = ((await (await fetch(`${base}/dry_run`)).json()) as { code: number }).code === 0
    const { sluice } = (await (await fetch(`${base}/status`)).json()) as any
    ready[`${base} /status`] = sluice.health.ready
  }
  if (http !== undefined) {
    const query = 'mutation { docs(execEndpoint: "_jina_dry_run_") { id } }'
    const headers = { 'content-type': 'application/json' }
    ready.graphql = (await fetch(`${http}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) })).status === 200
  }
  raw.client.close()
  return { alive, ready }
}

/** Waits until all of them say so. */
async function untilAll(addresses: Readonly<Record<string, string>>, is: boolean): Promise<void> {
  let ready: Record<string, boolean> = {}
  for (let n = 0; n < 60; n++) {
    const told = await within(20_000, probes(addresses))
    assert.ok(
      told.alive.every((alive) => alive === 1 || alive === 200),
      `it lives: ${told.alive}`,
    )
    ready = told.ready
    if (Object.values(ready).every((said) => said === is)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.unreachable(`all were to say ${is}: ${JSON.stringify(ready)}`)
}

const post = async (http: string, endpoint: string): Promise<number> => {
  const body = JSON.stringify({ data: [{ text: 'x' }], execEndpoint: endpoint })
  const response = await fetch(`${http}/post`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  await response.arrayBuffer()
  return response.status
}

class Worker extends Executor<{ door: Deferred<void> }> {
  static requests = { '/hang': 'hang', '/ok': 'ok' }
  hang() {
    return this.config.door.promise
  }
  ok({ docs }: Call) {
    for (const doc of docs) doc.text += '!'
  }
}

test('219, 225: 1,000 calls that hang: all probes say so within stuckAfter, liveness does not; their places are free; it is well as soon as it ends something', async () => {
  const door = deferred<void>()
  const records: LogRecord[] = []
  const logger = ({ level, ...record }: LogRecord): void => void (level !== 'debug' && record.event !== 'request.late' && records.push({ level, ...record }))
  await using flow = await new Flow({ ...ALL, logger, closeTimeout: 0 })
    .add({ name: 'worker', uses: Worker, usesWith: { door }, stuckAfter: 2000 })
    .open({ serve: { timeout: 500 } })
  const { http } = flow.addresses
  await untilAll(flow.addresses, true)
  const statuses = await within(60_000, Promise.all(Array.from({ length: 1000 }, () => post(http!, '/hang'))))
  assert.equal([...new Set(statuses)], [504])
  await untilAll(flow.addresses, false)
  const status = async () => ((await (await fetch(`${http}/status`)).json()) as any).sluice
  let told = await status()
  assert.equal(told.health, { ready: false, reason: 'worker is stuck' })
  assert.is(told.executors[0].replicas[0].state, 'stuck')
  assert.equal([told.requests.late, told.wires.http.late], [1000, 1000])
  // Their places are free: of those that were begun in time, which on a slow machine are not all. Each is free a second after its time is up.
  let isOver = false
  const free = async (): Promise<void> => {
    await until(async () => isOver || (told = await status()).requests.lingering >= told.executors[0].inFlight, 20_000)
  }
  await within(20_000, free()).finally(() => (isOver = true))
  assert.equal([told.requests.lingering, told.executors[0].replicas[0].lingering], [told.executors[0].inFlight, told.executors[0].inFlight])
  assert.ok(told.requests.lingering > 100, String(told.requests.lingering))
  assert.equal(
    records.slice(0, 2).map(({ level, event, executor }) => [level, event, executor]),
    [
      ['warn', 'executor.stuck', 'worker'],
      ['warn', 'health.lost', undefined],
    ],
  )
  assert.is(await post(http!, '/ok'), 200)
  door.resolve()
  await untilAll(flow.addresses, true)
  assert.ok(['executor.freed', 'health.back'].every((event) => records.some((record) => record.event === event)))
})

test('219, 225: the same of an executor in a process of its own: it and the gateway before it agree, and its loss is told', async () => {
  const folder = new Folder()
  folder.file('package.json', '{ "type": "module" }')
  const module = folder.file(
    'worker.mjs',
    `const requests = { '/hang': 'hang', '/ok': 'ok' }
    export default ({ header, endpoint, docs }) => (endpoint === '/hang' ? new Promise(() => {}) : undefined)`,
  )
  await using worker = new Command(['executor', module, '--port', '0', '--stuck-after', '1000'])
  await worker.has('stderr', 'Reach')
  const [, grpc] = /gRPC +(\S+)/.exec(worker.stderr)!
  const records: LogRecord[] = []
  const logger = (record: LogRecord): void => void records.push(record)
  await using flow = await new Flow({ ...ALL, logger, closeTimeout: 0 }).add({ name: 'worker', external: true, host: grpc! }).open({ serve: { timeout: 300 } })
  const { http } = flow.addresses
  await untilAll(flow.addresses, true)
  const statuses = await within(60_000, Promise.all(Array.from({ length: 50 }, () => post(http!, '/hang'))))
  assert.equal([...new Set(statuses)], [504])
  await untilAll({ grpc: grpc! }, false)
  await untilAll(flow.addresses, false)
  await worker.has('stderr', 'executor.stuck')
  const ping = new Command(['ping', flow.addresses.grpc!])
  assert.is((await within(20_000, ping.end)).code, 1)
  assert.match(ping.stderr, /worker cannot be reached/)
  // Its places are free, there too: whoever asks it all the same is answered.
  await using client = new Client(grpc!)
  assert.is((await within(5000, client.post('/ok', ['x']).docs())).length, 1)
  // As long as it ends something each second. Fifty still hang.
  let isAsked = true
  const asked = (async () => {
    for (; isAsked; await new Promise((resolve) => setTimeout(resolve, 50))) await client.post('/ok', ['x']).docs()
  })()
  await untilAll({ grpc: grpc! }, true)
  await untilAll(flow.addresses, true)
  isAsked = false
  await asked
  worker.child.kill('SIGKILL')
  await worker.end
  await untilAll(flow.addresses, false)
  assert.ok(records.some(({ event, fields }) => event === 'health.lost' && fields!['reason'] === 'worker cannot be reached'))
})

test('225: requests do without who floats and who has a condition; an endpoint that can be answered is enough', async () => {
  const away = { external: true, host: '127.0.0.1', port: await deadPort() } as const
  for (const [others, is] of [
    [[{ ...away, floating: true }], true],
    [[{ ...away, when: { text: { $eq: 'x' } } }], true],
    // Behind it comes only what it lets through.
    [
      [
        { name: 'some', uses: () => {}, when: { text: { $eq: 'x' } } },
        { ...away, needs: 'some' },
      ],
      true,
    ],
    [[away], false],
  ] as [AddOptions[], boolean][]) {
    const flow = new Flow<string>({ ...ALL, closeTimeout: 0 }).add({ uses: () => {} })
    for (const other of others) flow.add(other)
    await flow.open()
    await untilAll(flow.addresses, is)
    await flow.close()
  }
})

test('225: who is busy is not ill, nor is a gateway whose places are all taken', async () => {
  const door = deferred<void>()
  await using flow = await new Flow({ ...ALL, closeTimeout: 0 }).add({ uses: () => door.promise, concurrency: 1 }).open({ serve: { maxInFlight: 2 } })
  const all = Array.from({ length: 20 }, () => post(flow.addresses.http!, '/'))
  await until(async () => ((await (await fetch(`${flow.addresses.http}/status`)).json()) as any).sluice.requests.waiting >= 18)
  await untilAll(flow.addresses, true)
  door.resolve()
  assert.equal([...new Set(await Promise.all(all))], [200])
})

test('225: an executor with a method for dry runs has its say, over every wire', async () => {
  let well = false
  class Judge extends Executor {
    static requests = { '/default': 'pass', _jina_dry_run_: 'judge' }
    pass() {}
    judge() {
      if (!well) throw new Error('the model is not there')
    }
  }
  await using flow = await new Flow(ALL).add({ name: 'judge', uses: Judge }).open()
  await untilAll(flow.addresses, false)
  well = true
  await untilAll(flow.addresses, true)
})

test('225: what is not open, or shuts down, is not ready, and lives', async () => {
  const flow = new Flow().add({ uses: () => {} })
  await using gateway = await Gateway.serve(flow, ALL)
  await untilAll(gateway.addresses, false)
  await flow.open()
  await untilAll(gateway.addresses, true)
  await flow.close()
  await untilAll(gateway.addresses, false)
})

test('225: /status says what is under way, by executor, replica and wire; no addresses to strangers', async () => {
  let door = deferred<void>()
  const elsewhere = await new Flow({ protocol: 'grpc', port: 0 }).add({ uses: () => door.promise }).open()
  const host = elsewhere.addresses.grpc!
  for (const token of [undefined, 'a-token-for-these-tests-0']) {
    door = deferred()
    await using flow = await new Flow({ ...ALL, ...(token !== undefined && { token }), closeTimeout: 0 })
      .add({ name: 'twins', uses: () => {}, parallel: 2, retries: 2 })
      .add({ name: 'far', external: true, host })
      .open()
    await using client = new Client(flow.addresses.websocket!, token === undefined ? {} : { token })
    const asked = client.post('/', ['a', 'b', 'c'], { requestSize: 1 }).drain()
    asked.catch(() => {})
    const status = async (): Promise<any> => {
      const response = await fetch(`${flow.addresses.http}/status`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })
      return response.json()
    }
    let told = await status()
    while (told.sluice.executors[1].inFlight < 3) told = await status()
    const { jina, envs, sluice } = told
    assert.is(jina.sluice, sluice.version)
    assert.equal(envs, {})
    assert.is(sluice.wires.websocket.inFlight, 3)
    assert.is(sluice.requests.inFlight, 3)
    assert.equal(sluice.health, { ready: true })
    assert.equal(sluice.limits, { maxInFlight: 1024, maxBytesInFlight: await defaultBytesInFlight() })
    assert.is(sluice.executors[0].retried, 0)
    assert.is(
      sluice.executors[0].replicas.reduce((sum: number, { answered }: any) => sum + answered, 0),
      3,
    )
    assert.is(sluice.executors[1].replicas[0].address, token && host)
    assert.is(JSON.stringify(told).includes(host.slice('grpc://'.length)), token !== undefined)
    assert.not.match(JSON.stringify(told), /a-token-for/)
    if (token !== undefined) assert.is((await fetch(`${flow.addresses.http}/status`)).status, 401)
    door.resolve()
    await asked
    assert.is((await status()).sluice.wires.websocket.answered, 3)
  }
  await elsewhere.close()
})

test('224, 225: /status says of each address of an executor elsewhere whether it is asked, since when, and why not', async () => {
  const elsewhere = await new Flow({ protocol: 'grpc', port: 0 }).add({ uses: () => {} }).open()
  const there = elsewhere.addresses.grpc!
  const nowhere = `grpc://127.0.0.1:${await deadPort()}`
  const token = 'a-token-for-these-tests-0'
  await using flow = await new Flow({ protocol: 'http', port: 0, token, closeTimeout: 0 })
    .add({ name: 'one', external: true, host: nowhere, retries: 0 })
    .add({ name: 'two', external: true, host: [there, there], needs: 'gateway' })
    .open()
  const executors = async (): Promise<any[]> => {
    const response = await fetch(`${flow.addresses.http}/status`, { headers: { authorization: `Bearer ${token}` } })
    return ((await response.json()) as any).sluice.executors
  }
  const closed = { state: 'closed' }
  const breakers = (all: any[]) => all.map(({ replicas }) => replicas.map(({ breaker }: any) => breaker))
  assert.equal(breakers(await executors()), [[closed], [closed, closed]])
  const began = Date.now()
  const told = await within(
    20_000,
    (async () => {
      for (;;) {
        await flow
          .post('/', ['a'], { targetExecutor: 'one' })
          .drain()
          .catch(() => {})
        const told = await executors()
        if (told[0].replicas[0].breaker.state !== 'closed') return told
      }
    })(),
  )
  const [[{ since, reason }], others] = breakers(told)
  assert.ok(since >= began && since <= Date.now())
  assert.match(reason, /found nobody there$/)
  assert.equal(others, [closed, closed])
  assert.equal([told[0].replicas[0].state, told[0].replicas[0].address], ['away', nowhere])
  await elsewhere.close()
})

test.run()
