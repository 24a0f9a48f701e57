// Timers that a test runner puts in the place of the platform's, and clocks that are set back, stop nothing.
import { mock } from 'node:test'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Executor, Flow } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { within } from '../support/within.js'

// Those of this file are the platform's own, too.
const { clearTimeout, setImmediate, setTimeout } = globalThis
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Node's own fake timers. */
function nodes(): () => void {
  mock.timers.enable()
  return () => mock.timers.reset()
}

/** As Jest's and Sinon's: nothing is called, and no time passes. */
function sinons(): () => void {
  const names = ['setImmediate', 'setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'queueMicrotask'] as const
  const real = names.map((name) => globalThis[name])
  for (const name of names) (globalThis as any)[name] = () => ({ ref() {}, unref() {} })
  const { nextTick } = process
  const { now } = performance
  const wall = Date.now
  process.nextTick = () => {}
  performance.now = () => 0
  Date.now = () => 0
  return () => {
    for (const [at, name] of names.entries()) (globalThis as any)[name] = real[at]
    process.nextTick = nextTick
    performance.now = now
    Date.now = wall
  }
}

const soon = <T>(promise: Promise<T>): Promise<T> => {
  let timer: ReturnType<typeof setTimeout>
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Nothing happened within 30 s')), 30_000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

for (const [name, fake] of Object.entries({ "Node's": nodes, "Jest's and Sinon's": sinons })) {
  test(`199: a long post goes on under fake timers like ${name}, and so do those after it`, async () => {
    await using flow = await new Flow().add({ uses: () => {} }).open()
    const count = 20_000
    const post = (): Promise<number> =>
      flow
        .post(
          '/',
          (function* () {
            for (let i = 0; i < count; i++) yield 'x'
          })(),
          { requestSize: 1 },
        )
        .drain()
    assert.is(await soon(post()), count)
    const real = fake()
    try {
      assert.is(await soon(post()), count)
    } finally {
      real()
    }
    await turn()
    assert.is(await soon(post()), count)
  })

  test(`199: retries, time limits, batches and close() go by real time under fake timers like ${name}`, async () => {
    let tries = 0
    const flow = await new Flow({ closeTimeout: 20 })
      .add({
        uses: () => {
          if (++tries < 2) throw new Error('not yet')
        },
        retries: { attempts: 1, delay: 2 },
      })
      .add({ name: 'batched', uses: async () => {}, dynamicBatching: { preferredBatchSize: 9, timeout: 2 } })
      .add({ name: 'slow', uses: ({ docs }) => (docs[0]!.text === 'slow' ? new Promise<void>(() => {}) : undefined), timeout: 20 })
      .add({ name: 'slower', uses: ({ docs }) => (docs[0]!.text === 'slower' ? new Promise<void>(() => {}) : undefined) })
      .open()
    const real = fake()
    try {
      assert.is(await soon(flow.post('/', 'x').drain()), 1)
      assert.is(
        await soon(
          flow
            .post('/', 'slow')
            .drain()
            .catch(({ code }) => code),
        ),
        'ERR_EXECUTOR_TIMEOUT',
      )
      const slower = flow
        .post('/', 'slower')
        .drain()
        .catch(({ code }) => code)
      await turn()
      await soon(flow.close())
      assert.is(await slower, 'ERR_FLOW_CLOSED')
    } finally {
      real()
    }
  })
}

test('199: a clock that is set back hides no free replica', async () => {
  const { now } = Date
  const doors = [deferred<void>(), deferred<void>()]
  const called: number[] = []
  class Door extends Executor {
    static requests = { '/': 'run' } as const
    run(): Promise<void> {
      called.push(this.shardId)
      return doors[called.length - 1]!.promise
    }
  }
  await using flow = await new Flow().add({ parallel: 2, uses: Door }).open()
  try {
    const first = flow.post('/', 'a').drain()
    Date.now = () => now() - 3_600_000
    const second = flow.post('/', 'b').drain()
    await turn()
    assert.equal([...called].sort(), [0, 1])
    for (const door of doors) door.resolve()
    await within(1000, Promise.all([first, second]))
  } finally {
    Date.now = now
  }
})

test.run()
