// What is most likely a mistake, and no failure: posts that nobody reads, and endpoints that nobody answers.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LogRecord } from '../../lib/base/logger.js'
import { Client } from '../../lib/client/index.js'
import { Executor, Flow, type FlowOptions } from '../../lib/index.js'

class Index extends Executor {
  static requests = { '/index': 'index' }
  index(): void {}
}

async function opened(options: FlowOptions = {}) {
  const told: string[] = []
  const logger = ({ level, event, endpoint, error }: LogRecord): void => {
    if (event === 'post.unread' || event === 'endpoint.unknown') told.push(`${level} ${event} ${endpoint} ${(error as Error).message}`)
  }
  return { flow: await new Flow({ logger, ...options }).add({ name: 'index', uses: Index }).open(), told }
}

test('a post that nobody reads is told of once, when the Flow closes', async () => {
  const { flow, told } = await opened()
  flow.index('x')
  assert.equal(told, [])
  await flow.close()
  const advice = 'so nothing was sent. Loop over what post() gives, or await its drain(), docs() or toArray()'
  assert.equal(told, [`warn post.unread /index flow: post('/index') was never read, ${advice}`])
  await flow.open()
  for (let at = 0; at < 3; at++) flow.index('x', { showProgress: at === 2 })
  await flow.index('x').drain()
  await flow.close()
  await flow.close()
  assert.equal(told.slice(1), [`warn post.unread /index flow: 3 posts to '/index' were never read, ${advice}`])
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

test.run()
