// For how long a worker is waited for that is being begun, and what is heard of one that ends meanwhile.
import '../support/clock.js'

import { serialize } from 'node:v8'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openAll, type Part } from '../../lib/base/lifecycle.js'
import { FramedWorker } from '../../lib/place/framed-worker.js'
import type { Host, LinkEvents } from '../../lib/place/host.js'
import { Supervisor } from '../../lib/place/supervisor.js'
import type { LifeEvents, Worker } from '../../lib/place/worker-life.js'
import { Scope } from '../../lib/stream/scope.js'
import { FRAME, jsonFrame } from '../../lib/wire/port/frames.js'
import { deferred } from '../support/deferred.js'
import { clock } from '../support/hand-clock.js'
import { turn } from '../support/turn.js'

const DESCRIPTION = { endpoints: ['/'], metas: {}, schemas: {} }

/** A worker that has a second to be ready, and says what it is told to. */
function beginning(begun?: Promise<void>) {
  let its!: LinkEvents
  const killed: string[] = []
  const host: Host = {
    kind: 'thread',
    write: serialize,
    start(_, events) {
      its = events
      return { send() {}, kill: (how) => void killed.push(how!), hold() {}, ...(begun && { begun }) }
    },
  }
  const spec = { name: 'doing', shardId: 0, options: {}, env: {}, workspace: undefined, model: 'v1', over: { input: {}, output: {} } } as const
  const life = { answered() {}, ready() {}, end() {} }
  const worker = new FramedWorker(host, spec, { name: 'doing', shardId: 0, readyTimeout: 1000 } as any, new Set(['doing']), 'thread doing/0', life)
  return { worker, killed, says: (kind: number, value: unknown) => its.receive(jsonFrame(kind, value)), end: () => its.end({ how: 'ended' }) }
}

test('places: a worker that does not make its executor in time is ended', async () => {
  using time = clock()
  const { worker, killed } = beginning()
  void worker.make()
  await time.pass(999)
  assert.equal(killed, [])
  await time.pass(1)
  assert.equal(killed, ['did not make its executor within 1000 ms (readyTimeout)'])
})

test('places: what making its executor took is gone for opening it, what others took in between is not', async () => {
  using time = clock()
  const { worker, killed, says } = beginning()
  const made = worker.make()
  await time.pass(400)
  says(FRAME.made, DESCRIPTION)
  await made
  await time.pass(5000)
  void worker.open()
  await time.pass(599)
  assert.equal(killed, [])
  await time.pass(1)
  assert.equal(killed, ['did not open its executor within 1000 ms (readyTimeout)'])
})

test('places: the time begins when the worker does, and ends with it', async () => {
  using time = clock()
  const daemon = deferred<void>()
  const { worker, killed, says, end } = beginning(daemon.promise)
  const made = worker.make()
  await time.pass(5000)
  assert.equal(killed, [])
  daemon.resolve()
  await time.pass(900)
  says(FRAME.made, DESCRIPTION)
  await made
  void worker.open()
  await time.pass(50)
  end()
  await time.pass(5000)
  assert.equal(killed, [])
})

test('places: one that ends between being made and being opened keeps its Flow from opening, by name', async () => {
  let its!: LifeEvents
  const worker = { calls: new Set(), make: async () => DESCRIPTION, open: () => assert.unreachable(), kill() {}, hold() {} } as unknown as Worker
  const settings = { name: 'doing', shardId: 0, kind: 'thread', maxDeaths: 3, polling: undefined, closeTimeout: 1000, logger: undefined }
  const supervisor = new Supervisor((events) => {
    its = events
    return worker
  }, settings)
  await supervisor.start()
  its.end({ how: 'ended with exit code 7', exitCode: 7, log: 'no model.bin here' })
  const failure: any = await supervisor.open().then(
    () => assert.unreachable(),
    (error) => error,
  )
  assert.is(failure.code, 'ERR_EXECUTOR_OPEN')
  assert.is(failure.message, 'doing did not open: its thread ended with exit code 7. The end of its log:\nno model.bin here')
  assert.is(failure.cause.exitCode, 7)
})

test('places: one that says that it is open while it is being ended is not open, and who ends it hears of its end', async () => {
  let its!: LifeEvents
  const asked = deferred<void>()
  const opens = deferred<void>()
  const worker = {
    calls: new Set(),
    make: async () => DESCRIPTION,
    open: () => {
      asked.resolve()
      return opens.promise
    },
    close: () => new Promise(() => {}),
    kill() {},
    hold() {},
  } as unknown as Worker
  const settings = { name: 'late', shardId: 0, kind: 'thread', maxDeaths: 3, polling: undefined, closeTimeout: 1000, logger: undefined }
  const late = new Supervisor((events) => {
    its = events
    return worker
  }, settings)
  await late.start()
  const closing = new Scope()
  const never: Part = { name: 'never', open: () => new Promise(() => {}), close() {} }
  const opened = openAll([late, never], closing).catch((error) => error.message)
  await asked.promise
  await turn()
  closing.abort(new Error('no time left'))
  // What it said before is read before its end.
  opens.resolve()
  await turn()
  its.end({ how: 'was ended' })
  assert.is(await opened, 'late, never did not open: no time left')
})

test.run()
