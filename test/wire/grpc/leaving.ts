// Who leaves is noticed, and leaves nothing behind.
import { fork } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ConnectionError } from '../../../lib/base/errors.js'
import { post } from '../../../lib/post/post.js'
import { connect } from '../../../lib/wire/grpc/client/connect.js'
import { code } from '../../support/code.js'
import { collect } from '../../support/collect.js'
import { deferred } from '../../support/deferred.js'
import { heap } from '../../support/gc.js'
import { turn } from '../../support/turn.js'
import { until } from '../../support/until.js'
import { within } from '../../support/within.js'
import { world } from './world.js'

/** An executor that never answers, and tells when it is told to stop. */
function hanging() {
  const called = deferred<void>()
  const told = deferred<any>()
  return {
    called,
    told,
    uses: async ({ signal }: { signal: AbortSignal }) => {
      called.resolve()
      await new Promise<void>((resolve) => {
        const stop = () => {
          told.resolve(signal.reason)
          resolve()
        }
        if (signal.aborted) stop()
        else signal.addEventListener('abort', stop)
      })
    },
  }
}

test('R43: the consumer leaves: the executor is told at once', async () => {
  const { called, told, uses } = hanging()
  await using it = await world(uses)
  const responses = it.post('/', [{ text: 'a' }, { text: 'b' }], { requestSize: 1 })
  const next = responses.next()
  await within(10_000, called.promise)
  await within(10_000, responses.return())
  // It takes some milliseconds; ten times that when everything runs for the first time.
  assert.is((await within(1000, told.promise)).name, 'AbortError')
  await next
})

test('R43: the same for a call of its own', async () => {
  const { called, told, uses } = hanging()
  await using it = await world(uses, {}, { unary: true })
  const responses = it.post('/', [{ text: 'a' }])
  const next = responses.next()
  await within(10_000, called.promise)
  await within(10_000, responses.return())
  await within(1000, told.promise)
  await next
})

test('R38: an abort rejects with its own reason, and tells the executor', async () => {
  const { called, told, uses } = hanging()
  await using it = await world(uses)
  const aborter = new AbortController()
  const next = collect(it.post('/', [{ text: 'a' }], { signal: aborter.signal }))
  await within(10_000, called.promise)
  const reason = new Error('enough')
  aborter.abort(reason)
  assert.is((await within(1000, next)).error, reason)
  await within(1000, told.promise)
})

test('R43: a client that is killed is one that left', async () => {
  const { called, told, uses } = hanging()
  await using it = await world(uses)
  const child = fork(code('test/wire/grpc/client'), [it.server.address], { stdio: 'inherit' })
  await within(20_000, called.promise)
  child.kill('SIGKILL')
  assert.is((await within(1000, told.promise)).name, 'AbortError')
})

test('R44: at the deadline of the call the executor is told, and the client too', async () => {
  const { told, uses } = hanging()
  await using it = await world(uses, {}, { unary: true, timeout: 150 })
  const { error } = await within(10_000, collect(it.post('/', [{ text: 'a' }])))
  assert.instance(error, ConnectionError)
  assert.is(error.code, 'ERR_TIMEOUT')
  assert.match((await within(1000, told.promise)).name, /TimeoutError|AbortError/)
})

test('R10: a request that takes too long fails alone', async () => {
  const door = deferred<void>()
  await using it = await world(
    async ({ docs }) => {
      if (docs[0]!.text === 'slow') await door.promise
    },
    {},
    { timeout: 300 },
  )
  const late = await within(10_000, collect(it.post('/', [{ text: 'slow' }])))
  assert.is(late.error.code, 'ERR_TIMEOUT')
  assert.match(late.error.message, '300 ms')
  assert.is((await within(10_000, collect(it.post('/', [{ text: 'fast' }])))).items.length, 1)
  door.resolve()
})

test('R60: a thousand clients that leave in the middle leave nothing behind', async () => {
  let inside = 0
  await using it = await world(async ({ signal }) => {
    inside++
    await new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve())))
    inside--
  })
  const leave = async () => {
    const connection = connect(it.server.address)
    const responses = post(connection, '/', [{ text: 'a' }])
    const next = responses.next()
    const before = inside
    await until(() => inside !== before)
    await responses.return()
    connection.close()
    await next
  }
  for (let i = 0; i < 20; i++) await within(10_000, leave())
  await within(10_000, settle())
  const [memory, handles] = [await heap(), process.getActiveResourcesInfo().length]
  for (let i = 0; i < 50; i++) await within(20_000, Promise.all(Array.from({ length: 20 }, leave)))
  await within(10_000, settle())
  assert.is(inside, 0)
  const grown = (await heap()) - memory
  assert.ok(grown < 8, `the heap grew by ${grown} MB`)
  // The system closes sockets in its own time.
  const end = performance.now() + 10_000
  while (process.getActiveResourcesInfo().length > handles + 2 && performance.now() < end) await turn()
  assert.ok(process.getActiveResourcesInfo().length <= handles + 2, process.getActiveResourcesInfo().join())

  async function settle() {
    await until(() => inside === 0)
    for (let i = 0; i < 200; i++) await turn()
  }
})

test('R45: a connection and a server that were closed leave no handles', async () => {
  const before = process.getActiveResourcesInfo().length
  {
    await using it = await world(() => {})
    await within(10_000, collect(it.post('/', [{ text: 'a' }])))
  }
  for (let i = 0; i < 20; i++) await turn()
  assert.ok(process.getActiveResourcesInfo().length <= before, process.getActiveResourcesInfo().join())
})

test('R45: a process ends by itself after its last post, without a close', async () => {
  await using it = await world(() => {})
  const child = fork(code('test/wire/grpc/client'), [it.server.address], { stdio: 'inherit' })
  const ended = deferred<unknown>()
  child.on('exit', ended.resolve)
  assert.is(await within(20_000, ended.promise), 0)
})

test.run()
