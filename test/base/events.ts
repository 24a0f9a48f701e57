import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Events, publish, type Traces, Tracing } from '../../lib/base/events.js'
import { type Call, Flow } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'

/** What is heard of traced work meanwhile: the names of its channels, and its messages. */
async function traced<Name extends keyof Traces>(name: Name, work: () => Promise<unknown>): Promise<{ events: string[]; messages: Traces[Name][] }> {
  const events: string[] = []
  const messages = new Set<Traces[Name]>()
  const note = (event: string) => (message: unknown) => {
    events.push(event)
    messages.add(message as Traces[Name])
  }
  const all = { start: note('start'), end: note('end'), asyncStart: note('asyncStart'), asyncEnd: note('asyncEnd'), error: note('error') }
  const tracing = tracingChannel<object, object>(`sluice.${name}`)
  tracing.subscribe(all)
  try {
    await work()
  } finally {
    tracing.unsubscribe(all)
  }
  return { events, messages: [...messages] }
}

test('T2: a request is told from its beginning to its end, and so is each executor that has it', async () => {
  const door = deferred<void>()
  await using flow = await new Flow({ name: 'shop' })
    .add({ name: 'first', uses: () => {} })
    .add({ name: 'second', uses: () => door.promise })
    .open()
  let executors: Awaited<ReturnType<typeof traced<'executor'>>> | undefined
  const { events, messages } = await traced('request', async () => {
    executors = await traced('executor', async () => {
      const done = flow.post('/index', ['a', 'b']).drain()
      setImmediate(() => door.resolve())
      await done
    })
  })
  assert.equal(events, ['start', 'end', 'asyncStart', 'asyncEnd'])
  const [{ requestId, flow: name, endpoint, docs, arrival, milliseconds, error }] = messages as [Traces['request']]
  assert.match(requestId, /^[0-9a-f]{32}$/)
  assert.equal({ name, endpoint, docs, arrival, error }, { name: 'shop', endpoint: '/index', docs: 2, arrival: undefined, error: undefined })
  assert.ok(milliseconds! >= 0)
  // What is done at once is over at once, too.
  assert.equal(executors!.events, ['start', 'end', 'asyncStart', 'asyncEnd', 'start', 'end', 'asyncStart', 'asyncEnd'])
  assert.equal(
    executors!.messages.map(({ executor, requestId: id }) => [executor, id === requestId]),
    [
      ['first', true],
      ['second', true],
    ],
  )
})

test('T2: what fails is told with what it failed at, whether it throws at once or later', async () => {
  for (const uses of [
    () => {
      throw new Error('no paper')
    },
    async () => {
      throw new Error('no paper')
    },
  ]) {
    await using flow = await new Flow().add({ name: 'printer', uses }).open()
    const { events, messages } = await traced('executor', () => flow.post('/index', ['a'], { continueOnError: true }).drain())
    assert.equal(events, ['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
    assert.is((messages[0]!.error as Error).message, 'no paper')
  }
})

test('T2: an executor sees the context that a listener gives its request, and the one behind it does not', async () => {
  const seen: (string | undefined)[] = []
  const uses = ({ headers }: Call): void => void seen.push(headers?.traceparent)
  await using flow = await new Flow().add({ name: 'first', uses }).add({ name: 'second', uses }).open()
  const hear = (message: unknown): void => {
    const { executor } = message as Traces['executor']
    if (executor === 'first') (message as Traces['executor']).headers = { traceparent: 'mine' }
  }
  subscribe('tracing:sluice.executor:start', hear)
  try {
    await flow.post('/index', ['a']).drain()
  } finally {
    unsubscribe('tracing:sluice.executor:start', hear)
  }
  assert.equal(seen, ['mine', undefined])
})

test('T2: a batch is told with all requests that have documents in it', async () => {
  await using flow = await new Flow().add({ name: 'store', uses: () => {}, dynamicBatching: { preferredBatchSize: 4, timeout: 1000 } }).open()
  const { events, messages } = await traced('batch', () => flow.post('/index', ['a', 'b', 'c', 'd'], { requestSize: 2 }).drain())
  assert.equal(events, ['start', 'end', 'asyncStart', 'asyncEnd'])
  const [{ requestId, executor, endpoint, docs, requests, of }] = messages as [Traces['batch']]
  assert.match(requestId, /^[0-9a-f]{32}$/)
  assert.equal({ executor, endpoint, docs, requests }, { executor: 'store', endpoint: '/index', docs: 4, requests: 2 })
  assert.is(new Set(of.map(({ requestId }) => requestId)).size, 2)
})

test('T2: each partial answer is told, with the call that gives it', async () => {
  const heard: Events['part'][] = []
  const hear = (message: unknown): void => void heard.push(message as Events['part'])
  const listen = (): void => {}
  subscribe('sluice.part', hear)
  subscribe('tracing:sluice.executor:start', listen)
  try {
    await using flow = await new Flow()
      .add({
        name: 'writer',
        async *uses() {
          yield { text: 'a' }
          yield { text: 'b' }
        },
      })
      .open()
    await flow.post('/write', ['x']).drain()
  } finally {
    unsubscribe('sluice.part', hear)
    unsubscribe('tracing:sluice.executor:start', listen)
  }
  assert.equal(
    heard.map(({ executor, ordinal, docs, endpoint, call }) => [executor, ordinal, docs, endpoint, call.executor]),
    [
      ['writer', 0, 1, '/write', 'writer'],
      ['writer', 1, 1, '/write', 'writer'],
    ],
  )
})

/** Each way to begin to listen that there is, and how that ends. */
const WAYS: Readonly<Record<string, (name: string) => () => void>> = {
  'by the name of a channel'(name) {
    const hear = (): void => {}
    subscribe(name, hear)
    return () => void unsubscribe(name, hear)
  },
  'by a channel'(name) {
    const hear = (): void => {}
    channel(name).subscribe(hear)
    return () => void channel(name).unsubscribe(hear)
  },
  'by a store'(name) {
    const store = new AsyncLocalStorage()
    channel(name).bindStore(store)
    return () => void channel(name).unbindStore(store)
  },
}
const HEARD = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((event) => `tracing:sluice.executor:${event}`)

for (const [way, listen] of Object.entries(WAYS))
  test(`who listens is known ${way}: from then on, until the last ends it, and of those that were there before`, () => {
    // The second is another copy of the package, or a version of it.
    const [one, other] = [new Tracing('executor', 'part'), new Tracing('executor', 'part')]
    for (const name of [...HEARD, 'sluice.part', 'tracing:sluice.executor.sampled:asyncEnd']) {
      const isSampledAlone = name.includes('sampled')
      assert.equal([one.isHeard, other.isHeard], [false, false], name)
      const [end, endToo] = [listen(name), listen(name)]
      const late = new Tracing('executor', 'part')
      assert.equal(
        [one, other, late].map(({ isHeard }) => isHeard),
        [true, true, true],
        name,
      )
      assert.is(one.wants({ traceparent: `00-${'1'.repeat(32)}-${'1'.repeat(16)}-00` }), !isSampledAlone, name)
      end()
      assert.equal(
        [one, other, late].map(({ isHeard }) => isHeard),
        [true, true, true],
        name,
      )
      endToo()
      assert.equal(
        [one, other, late].map(({ isHeard }) => isHeard),
        [false, false, false],
        name,
      )
    }
  })

test('who listens to all five by a tracing channel is known', () => {
  const own = new Tracing('call')
  const tracing = tracingChannel<object, object>('sluice.call')
  const all = { start() {}, end() {}, asyncStart() {}, asyncEnd() {}, error() {} }
  tracing.subscribe(all)
  assert.is(own.isHeard, true)
  tracing.unsubscribe(all)
  assert.is(own.isHeard, false)
})

test('nothing is made where nobody listens', () => {
  assert.not(channel('sluice.place').hasSubscribers)
  publish('place', () => assert.unreachable('it was made') as never)
})

test.run()
