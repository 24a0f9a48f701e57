// What is most likely a mistake, and no failure: posts that nobody reads, and endpoints that nobody answers.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LogRecord } from '../../lib/base/logger.js'
import { Client } from '../../lib/client/index.js'
import { type Call, Executor, Flow, type FlowOptions } from '../../lib/index.js'

class Index extends Executor {
  static requests = { '/index': 'index' }
  index(): void {}
}

async function opened(options: FlowOptions = {}, more: (flow: any) => unknown = () => {}) {
  const told: string[] = []
  const logger = ({ level, event, endpoint, error }: LogRecord): void => {
    if (event === 'post.unread' || event === 'endpoint.unknown' || event === 'target.unknown')
      told.push(`${level} ${event} ${endpoint} ${(error as Error).message}`)
  }
  const flow = new Flow({ logger, ...options }).add({ name: 'index', uses: Index })
  more(flow)
  return { flow: (await flow.open()) as Flow<string>, told }
}

test('a post that nobody reads is told of once, when the Flow closes', async () => {
  const { flow, told } = await opened()
  flow.index('x')
  assert.equal(told, [])
  await flow.close()
  const advice = 'so nothing was sent. Loop over what it gives, or await its drain(), docs() or toArray()'
  assert.equal(told, [`warn post.unread /index flow: post('/index') was never read, ${advice}`])
  await flow.open()
  for (let at = 0; at < 3; at++) flow.index('x', { showProgress: at === 2 })
  await flow.index('x').drain()
  await flow.close()
  await flow.close()
  assert.equal(told.slice(1), [`warn post.unread /index flow: 3 calls of post('/index') were never read, ${advice}`])
})

test('so is a map() that nobody reads, and not one that was read, or left before', async () => {
  const { flow, told } = await opened()
  flow.map('x', { on: '/index' })
  await flow.map('x', { on: '/index' }).return!()
  await flow.map('x', { on: '/index' }).toArray()
  await flow.close()
  assert.equal(told, ["warn post.unread /index flow: map('/index') was never read, so nothing was sent. Loop over what it gives, or await its toArray()"])
})

test('a post or subscription of a Client that nobody reads is told of once, when the Client closes', async () => {
  await using flow = await new Flow({ graphql: true, port: 0 }).add({ name: 'index', uses: Index }).open()
  const told: string[] = []
  const logger = ({ level, event, endpoint, error }: LogRecord): void => void told.push(`${level} ${event} ${endpoint} ${(error as Error).message}`)
  const client = new Client(flow.addresses.http!, { logger })
  for (let at = 0; at < 2; at++) client.post('/index', 'x')
  const subscription = 'subscription { docs(data: { text: "x" }) { docs { text } } }'
  client.subscribe(subscription)
  await client.index('x').drain()
  await client.index('x').return()
  await client.subscribe(subscription).return!()
  for await (const _ of client.subscribe(subscription)) break
  assert.equal(told, [])
  await client.close()
  await client.close()
  assert.equal(told, [
    `warn post.unread /index Client of ${flow.addresses.http}: 2 calls of post('/index') were never read, so nothing was sent. Loop over what it gives, or await its drain(), docs() or toArray()`,
    `warn post.unread  Client of ${flow.addresses.http}: subscribe() was never read, so nothing was sent. Loop over what it gives`,
  ])
})

test('a post that was read, or left, or could not be made, is not told of', async () => {
  const { flow, told } = await opened()
  await flow.index('x').drain()
  for await (const _ of flow.index(['a', 'b'], { requestSize: 1 })) break
  await flow.index([]).drain()
  await flow.index('x').return()
  await flow.index('x', { showProgress: true }).return()
  await flow.map('x', { on: '/index' }).toArray()
  for await (const _ of flow.transform('/index')('x')) break
  assert.throws(() => flow.index('x', { requestSize: 'many' as never }))
  assert.throws(() => flow.post('/idnex' as '/index', 'x'))
  const late = flow.index('x')
  await flow.close()
  assert.is(told.length, 1)
  // Who comes too late changes nothing.
  await late.drain().catch(() => {})
  await flow.open()
  await flow.close()
  assert.is(told.length, 1)
})

test('without a logger, it is a warning of the process', async () => {
  const told: string[] = []
  const hear = ({ name, message }: Error): void => void (name === 'SluiceWarning' && told.push(message))
  process.on('warning', hear)
  const { flow } = await opened({ logger: undefined })
  flow.index('x')
  await flow.close()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', hear)
  assert.is(told.length, 1)
  assert.match(told[0]!, /^flow: post\('\/index'\) was never read/)
})

test("an endpoint that nobody answers is an error, or a warning told once (unknownEndpoint: 'warn'), or passes in silence, as in Jina", async () => {
  const { flow, told } = await opened({ unknownEndpoint: 'warn', protocol: 'http', port: 0 })
  for (let at = 0; at < 3; at++) assert.equal([...(await flow.post('/idnex', 'x').docs()).texts], ['x'])
  assert.equal(told, ['warn endpoint.unknown /idnex post() names /idnex, which is no endpoint there. There are /index. Did you mean /index?'])
  await using client = new Client(flow.addresses.http!)
  for (const on of ['/idnex', '/other']) assert.equal([...(await client.post(on, 'x').docs()).texts], ['x'])
  assert.is(told.length, 2)
  // However many are named from outside.
  for (let at = 0; at < 100; at++) await client.post(`/${at}`, 'x').drain()
  assert.is(told.length, 32)
  await flow.close()

  const { flow: silent, told: nothing } = await opened({ unknownEndpoint: 'pass' })
  await silent.post('/idnex' as string, 'x').drain()
  await silent.close()
  assert.equal(nothing, [])

  const { flow: strict } = await opened()
  assert.throws(() => strict.post('/idnex' as string, 'x'), /Did you mean \/index\?$/)
  await strict.close()
})

test('a targetExecutor that means no executor, or none that answers the endpoint, is told of once, whoever asks', async () => {
  class Search extends Executor {
    static requests = { '/search': 'search' }
    search({ docs }: Call): void {
      for (const doc of docs) doc.text += '!'
    }
  }
  const { flow, told } = await opened({ protocol: 'http', port: 0 }, (flow) => flow.add({ name: 'ranker', uses: Search }))
  const ask = async (on: '/index' | '/search', targetExecutor: string) => [...(await flow.post(on, 'x', { targetExecutor }).docs()).texts]
  for (let at = 0; at < 3; at++) assert.equal(await ask('/search', 'rnaker'), ['x'])
  assert.equal(await ask('/search', 'rank'), ['x!'])
  assert.equal(await ask('/search', '.*'), ['x!'])
  assert.equal(await ask('/index', 'index|ranker'), ['x'])
  assert.equal(told.splice(0), [
    `warn target.unknown /search targetExecutor "rnaker" of a request to flow matches the start of no executor's name. Did you mean ranker?`,
  ])
  assert.equal(await ask('/index', 'rank'), ['x'])
  assert.equal(await ask('/index', '^xx?'), ['x'])
  assert.equal(told.splice(0), [
    'warn target.unknown /index targetExecutor "rank" of a request to flow means ranker, which does not answer /index',
    `warn target.unknown /index targetExecutor "^xx?" of a request to flow matches the start of no executor's name. There are index, ranker`,
  ])
  // However many are named from outside, and however long.
  await using client = new Client(flow.addresses.http!)
  for (let at = 0; at < 40; at++) await client.post('/index', 'x', { targetExecutor: `${at}`.padStart(10_000, 'z') }).drain()
  assert.is(told.length, 1)
  for (let at = 0; at < 40; at++) await client.post('/index', 'x', { targetExecutor: `z${at}` }).drain()
  assert.is(told.length, 29)
  await flow.close()

  const { flow: silent, told: nothing } = await opened({ unknownEndpoint: 'pass' })
  await silent.index('x', { targetExecutor: 'nobody' }).drain()
  await silent.close()
  assert.equal(nothing, [])
})

test.run()
