// An executor elsewhere at several addresses: one of them dies with requests in it. Where an executor is, and what is said of it in vain.
import { type ChildProcess, fork } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Gateway } from '../../lib/gateway/index.js'
import { type AddOptions, type ConnectionError, ExecutorError, Flow, FlowBuildError } from '../../lib/index.js'
import { code } from '../support/code.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { tap } from '../support/tap.js'
import { within } from '../support/within.js'

type Far = AddOptions<string, never>

/** A process that answers with its name, or holds what it gets. */
async function replica(name: string, hangs = false) {
  const child: ChildProcess = fork(code('test/network/replica'), [name, hangs ? 'hangs' : ''])
  const port = deferred<number>()
  const holds = deferred<void>()
  child.on('message', (message) => (message === 'holds' ? holds.resolve() : port.resolve(message as number)))
  return {
    port: await within(20_000, port.promise),
    holds: holds.promise,
    kill: () => child.kill('SIGKILL'),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}

const inputs = Array.from({ length: 30 }, (_, i) => `text ${i}`)

test('F11, R107: a replica of an external executor is killed in the middle of a post: the others answer all of it, each document once', async () => {
  using dying = await replica('dying', true)
  using one = await replica('one')
  using two = await replica('two')
  await using flow = await new Flow().add({ name: 'far', external: true, port: [dying.port, one.port, two.port] }).open()
  const answered = collect(flow.post('/', inputs, { requestSize: 1, resultsInOrder: true }))
  await within(10_000, dying.holds)
  dying.kill()
  const { items, error } = await within(20_000, answered)
  assert.is(error, undefined, String(error))
  const texts = items.flatMap(({ docs }) => docs.texts)
  assert.equal(
    texts.map((text) => text.replace(/ by (one|two)$/, '')),
    inputs,
  )
})

test('F11, R107: the only one is killed: what it held fails with who and where, and continueOnError goes on', async () => {
  using dying = await replica('dying', true)
  await using flow = await new Flow().add({ name: 'far', external: true, port: dying.port }).open()
  const answered = collect(flow.post('/', ['a', 'b'], { requestSize: 1, continueOnError: true }))
  await within(10_000, dying.holds)
  dying.kill()
  const { items, error } = await within(20_000, answered)
  assert.is(error, undefined, String(error))
  assert.is(items.length, 2)
  for (const { error } of items) {
    assert.instance(error, ExecutorError)
    assert.is((error as ExecutorError).executor, 'far')
    const { code, address } = error!.cause as ConnectionError
    assert.is(address, `grpc://127.0.0.1:${dying.port}`)
    assert.ok(code === 'ERR_UNREACHABLE' || code === 'ERR_DISCONNECTED', 'it was not there when it was asked again, or died with it')
  }
})

async function marks(name: string, log: string[]) {
  const flow = await new Flow().add({ uses: () => void log.push(name) }).open()
  const gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'] })
  return {
    port: gateway.port,
    async [Symbol.asyncDispose]() {
      await gateway.close(0)
      await flow.close()
    },
  }
}

test('F11: hosts and ports go together one by one, or one of them is for all', async () => {
  const log: string[] = []
  await using a = await marks('a', log)
  await using b = await marks('b', log)
  const given: Far[] = [
    { host: ['127.0.0.1', 'localhost'], port: [a.port, b.port] },
    { host: '127.0.0.1', port: [a.port, b.port] },
    { port: [a.port, b.port] },
    { host: [`http://127.0.0.1:${a.port}`, `ws://localhost:${b.port}`] },
  ]
  for (const options of given) {
    log.length = 0
    await using flow = await new Flow().add({ external: true, polling: 'ALL', ...options }).open()
    await flow.post('/', 'x').drain()
    assert.equal(log.sort(), ['a', 'b'], JSON.stringify(options))
  }
  const wrong: Far[] = [{}, { host: ['a', 'b'], port: [1, 2, 3] }, { host: ['a', 'b', 'c'], port: [1, 2] }]
  for (const options of wrong) {
    const error = await new Flow()
      .add({ name: 'far', external: true, ...options })
      .open()
      .catch((error) => error)
    assert.instance(error, FlowBuildError)
    assert.match(error.message, /^far /)
  }
})

test('F11: what would do nothing is refused, and named: for one that runs elsewhere, and for one that does not', async () => {
  const codeOf = async (options: Far) =>
    (await new Flow()
      .add({ name: 'one', ...options })
      .open()
      .catch((error) => error)) as FlowBuildError
  const elsewhere: Far = {
    host: 'a',
    port: 1,
    protocol: 'http',
    tls: true,
    headers: {},
    metadata: {},
    compression: 'gzip',
    maxMessageBytes: 1,
    docarray: 'v1',
  }
  for (const [name, value] of Object.entries(elsewhere)) {
    const error = await codeOf({ [name]: value })
    assert.is(error.code, 'ERR_USES_INVALID', name)
    assert.match(error.message, new RegExp(`^one runs here, where ${name} would do nothing. Say external: true`))
  }
  const here: Far = { uses: () => {}, usesWith: {}, usesMetas: {}, usesRequests: {}, parallel: 2, replicas: 2, shards: 2, workspace: 'a', env: {} }
  for (const [name, value] of Object.entries(here)) {
    const error = await codeOf({ external: true, port: 1, [name]: value })
    assert.is(error.code, 'ERR_USES_INVALID', name)
    assert.match(error.message, new RegExp(`^one is external.* Take ${name} out`))
  }
})

test('F11, C3: compression, metadata, headers and maxMessageBytes get to the Client of an external executor', async () => {
  await using flow = await new Flow().add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text = 'x'.repeat(50_000))) }).open()
  await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'] })
  await using wire = await tap(gateway.port)
  const far: Far = { external: true, protocol: 'http', port: wire.port, metadata: { 'x-told': 'yes' }, headers: { 'x-too': 'also' }, compression: 'gzip' }
  await using plenty = await new Flow().add(far).open()
  assert.is((await plenty.post('/', ['y'.repeat(5000)]).docs())[0]!.text.length, 50_000)
  for (const header of [/x-told: yes/, /x-too: also/, /content-encoding: gzip/]) assert.match(wire.sent, header)
  await using strict = await new Flow().add({ ...far, maxMessageBytes: 10_000 }).open()
  const { error } = await collect(strict.post('/', ['y']))
  assert.is(error.cause.code, 'ERR_TOO_LARGE')
})

test.run()
