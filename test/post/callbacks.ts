import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CallbackError, Flow, type Response } from '../../lib/index.js'
import { collect } from '../support/collect.js'
import { deferred } from '../support/deferred.js'
import { within } from '../support/within.js'

const open = () =>
  new Flow()
    .add({
      name: 'only',
      uses: ({ docs }) => {
        if (docs[0]!.text === 'bad') throw new Error('no')
      },
    })
    .open()

const name = (response: Response): string => response.docs.texts[0]!

test('P7: onDone or onError, then onAlways, awaited, before the response is handed on', async () => {
  await using flow = await open()
  const log: string[] = []
  const slowly = async (entry: string): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    log.push(entry)
  }
  for await (const response of flow.post('/', ['a', 'bad', 'c'], {
    requestSize: 1,
    resultsInOrder: true,
    onDone: (response) => slowly(`done ${name(response)}`),
    onError: (response, error) => slowly(`error ${name(response)} ${error.message.slice(-2)}`),
    onAlways: (response) => slowly(`always ${name(response)}`),
  })) {
    const entry = `received ${name(response)}`
    assert.ok(log.includes(`always ${name(response)}`), 'called before it is handed on')
    log.push(entry)
  }
  assert.equal(
    log.filter((entry) => !entry.startsWith('received')),
    ['done a', 'always a', 'error bad no', 'always bad', 'done c', 'always c'],
  )
})

test('P7: callbacks run in the order in which responses are handed on, one at a time', async () => {
  for (const resultsInOrder of [true, false]) {
    const first = deferred<void>()
    await using flow = await new Flow()
      .add({
        uses: async ({ docs }) => {
          if (docs[0]!.text === '0') await first.promise
        },
      })
      .open()
    const called: string[] = []
    let inside = 0
    const received: string[] = []
    const run = (async () => {
      for await (const response of flow.post('/', ['0', '1', '2', '3'], {
        requestSize: 1,
        resultsInOrder,
        onDone: async (response) => {
          assert.is(++inside, 1)
          await new Promise((resolve) => setImmediate(resolve))
          inside--
          called.push(name(response))
        },
      })) {
        received.push(name(response))
        if (received.length === 3 && !resultsInOrder) first.resolve()
      }
    })()
    if (resultsInOrder) first.resolve()
    await within(2000, run)
    assert.equal(called, resultsInOrder ? ['0', '1', '2', '3'] : ['1', '2', '3', '0'])
    assert.equal(received, called)
  }
})

test('P8, R52: a callback that throws ends the iteration once; onAlways still runs; the inputs are closed', async () => {
  await using flow = await open()
  for (const throwing of ['onDone', 'onAlways'] as const) {
    const log: string[] = []
    let closed = 0
    const inputs = function* () {
      try {
        for (;;) yield 'a'
      } finally {
        closed++
      }
    }
    let error: any
    try {
      await flow
        .post('/', inputs, {
          requestSize: 1,
          prefetch: 1,
          onDone: () => {
            log.push('done')
            if (throwing === 'onDone') throw new Error('callback')
          },
          onAlways: () => {
            log.push('always')
            if (throwing === 'onAlways') throw new Error('callback')
          },
        })
        .drain()
    } catch (caught) {
      error = caught
    }
    assert.ok(error instanceof CallbackError)
    assert.is(error.code, 'ERR_CALLBACK')
    assert.is(error.callback, throwing)
    assert.match(error.message, new RegExp(`^${throwing} threw for request [0-9a-f]{32}: callback`))
    assert.equal(log, ['done', 'always'])
    assert.is(closed, 1)
  }
})

test('P8: responses that finished before a callback threw are delivered before its error', async () => {
  await using flow = await open()
  const seen: string[] = []
  try {
    for await (const response of flow.post('/', ['0', '1', '2', '3'], {
      requestSize: 1,
      onDone: (response) => {
        if (name(response) === '2') throw new Error('callback')
      },
    })) {
      seen.push(name(response))
    }
    assert.unreachable()
  } catch (error) {
    assert.ok(error instanceof CallbackError)
  }
  assert.equal(seen, ['0', '1'])
})

test('P8: with continueOnError, a callback that throws is logged and the stream goes on', async () => {
  await using flow = await open()
  const logged: string[] = []
  const { error } = console
  console.error = (message: string) => void logged.push(message)
  try {
    const count = await flow
      .post('/', ['a', 'bad', 'c'], {
        requestSize: 1,
        continueOnError: true,
        onDone: () => {
          throw new Error('mine')
        },
      })
      .drain()
    assert.is(count, 3)
  } finally {
    console.error = error
  }
  assert.is(logged.length, 2)
  assert.match(logged[0]!, /onDone threw .*mine/)
})

test('P8: without onError, onAlways still sees the response that ends the iteration', async () => {
  await using flow = await open()
  const always: string[] = []
  let error: any
  try {
    await flow.post('/', ['bad'], { onAlways: (response) => always.push(response.status.code) }).drain()
  } catch (caught) {
    error = caught
  }
  assert.is(error.code, 'ERR_EXECUTOR')
  assert.equal(always, ['ERROR'])
})

test('216: an executor that failed is what ends it, also when a callback throws of that; which is logged', async () => {
  await using flow = await open()
  const { error: log } = console
  const logged: string[] = []
  console.error = (line: string) => void logged.push(line)
  const onAlways = () => {
    throw new Error('of the callback')
  }
  const error = await flow
    .post('/', ['bad'], { onAlways })
    .drain()
    .catch((error) => error)
  console.error = log
  assert.is(error.code, 'ERR_EXECUTOR')
  assert.is(logged.length, 1)
  assert.match(logged[0]!, /onAlways threw .*of the callback/)
})

test('P7: after the iteration ended, nobody is called back', async () => {
  const called: string[] = []
  const door = deferred<void>()
  await using flow = await new Flow()
    .add({
      uses: async ({ docs }) => {
        if (docs[0]!.text !== '0') await door.promise
      },
    })
    .open()
  const note = (response: Response) => called.push(name(response))
  for await (const _ of flow.post('/', ['0', '1', '2'], { requestSize: 1, onDone: note, onAlways: note })) break
  door.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(called, ['0', '0'])
})

test('P7: nor by onAlways, behind an onDone or onError that was under way when it ended', async () => {
  for (const [given, option] of [
    ['good', 'onDone'],
    ['bad', 'onError'],
  ] as const) {
    await using flow = await open()
    const called: string[] = []
    const begun = deferred<void>()
    const door = deferred<void>()
    const controller = new AbortController()
    const waits = async () => {
      called.push(option)
      begun.resolve()
      await door.promise
    }
    const post = flow.post('/', [given], { [option]: waits, onAlways: () => called.push('onAlways'), signal: controller.signal })
    const ended = post.drain().catch((reason) => reason)
    await within(1000, begun.promise)
    controller.abort('enough')
    assert.is(await within(1000, ended), 'enough')
    door.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(called, [option])
  }
})

test('P8: a callback that throws at a partial answer ends it all, too: none is called behind it', async () => {
  const others = deferred<void>()
  await using flow = await new Flow()
    .add({
      uses: async function* ({ docs }) {
        for (const doc of docs) if (doc.text === 'yields') yield doc
      },
    })
    .add({ uses: ({ docs }) => (docs[0]!.text === 'yields' ? undefined : others.promise) })
    .open()
  const called: string[] = []
  const onDone = (response: Response): void => {
    called.push(name(response))
    others.resolve()
    throw new Error('no')
  }
  const error = await within(
    1000,
    flow
      .post('/', ['yields', 'other', 'third'], { requestSize: 1, onDone })
      .drain()
      .catch((error) => error),
  )
  assert.instance(error, CallbackError)
  assert.equal(called, ['yields'])
})

test('P8: a callback that throws at a piece of one replica ends it all, though the others have pieces, too', async () => {
  const uses = async function* ({ docs }: { docs: Iterable<any> }) {
    for (const doc of docs)
      for (let piece = 0; piece < 2; piece++) {
        await undefined
        yield doc
      }
  }
  await using flow = await new Flow().add({ uses, parallel: 2, polling: 'ALL', concurrency: 1 }).open()
  const onAlways = (): void => {
    throw new Error('no')
  }
  const post = flow.post('/', ['a'], { onDone: () => {}, onAlways })
  const error = await within(
    1000,
    post.drain().catch((error) => error),
  )
  assert.instance(error, CallbackError)
})

test('P8: a failure ends the iteration without waiting for those that run', async () => {
  const door = deferred<void>()
  await using flow = await new Flow({ closeTimeout: 0 })
    .add({
      uses: async ({ docs }) => {
        if (docs[0]!.text === '0') await door.promise
        if (docs[0]!.text === 'bad') throw new Error('no')
      },
    })
    .open()
  const error: any = await within(
    1000,
    flow
      .post('/', ['0', 'bad'], { requestSize: 1, onDone: () => {} })
      .drain()
      .catch((error) => error),
  )
  assert.is(error.code, 'ERR_EXECUTOR')
  door.resolve()
})

test('R169: callbacks of what fails and ends it all wait for their turn, and nobody is called back or started behind them', async () => {
  for (const resultsInOrder of [true, false]) {
    const failed = deferred<void>()
    const called = deferred<void>()
    const handled: string[] = []
    await using flow = await new Flow()
      .add({
        uses: async ({ docs }) => {
          const { text } = docs[0]!
          handled.push(text)
          if (text !== 'b') return
          await called.promise
          failed.resolve()
          throw new Error('no')
        },
      })
      .open()
    const log: string[] = []
    let inside = 0
    const received: string[] = []
    const inputs = async function* () {
      yield 'a'
      yield 'b'
      await failed.promise
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
      yield* ['c', 'd', 'e']
    }
    let error: any
    try {
      for await (const response of flow.post('/', inputs, {
        requestSize: 1,
        resultsInOrder,
        onAlways: async (response) => {
          assert.is(++inside, 1, 'one at a time')
          log.push(name(response))
          called.resolve()
          await failed.promise
          for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
          inside--
        },
      }))
        received.push(name(response))
    } catch (caught) {
      error = caught
    }
    assert.is(error.code, 'ERR_EXECUTOR')
    assert.equal([log, received, handled], [['a', 'b'], ['a'], ['a', 'b']])
  }
})

test('R156, R169: in order, callbacks of those before an error that nobody is called back for still come', async () => {
  const doors = [deferred<void>(), deferred<void>()]
  const log: string[] = []
  await using flow = await new Flow().add({ uses: async ({ docs }) => doors[Number(docs[0]!.text)]?.promise }).open()
  // A callback that throws in its turn, behind one that has to wait.
  const run = flow
    .post('/', ['0', '1', '2'], {
      requestSize: 1,
      resultsInOrder: true,
      onDone: (response) => {
        log.push(name(response))
        if (name(response) === '1') throw new Error('mine')
      },
    })
    .toArray()
    .catch((error) => error)
  doors[1]!.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(log, [])
  doors[0]!.resolve()
  assert.is((await within(1000, run)).code, 'ERR_CALLBACK')
  assert.equal(log, ['0', '1'])
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A Flow that fails at 'bad', and answers each text once its door is open. */
function behindDoors(...names: string[]) {
  const doors = Object.fromEntries(names.map((name) => [name, deferred<void>()]))
  const flow = new Flow().add({
    uses: async ({ docs }) => {
      await doors[docs[0]!.text]!.promise
      if (docs[0]!.text === 'bad') throw new Error('will not')
    },
  })
  return { doors, flow }
}

test('the input fails, then a request: all others are answered and called back, and the error is the input’s', async () => {
  const { doors, flow: closed } = behindDoors('bad', 'good')
  await using flow = await closed.open()
  const fault = new Error('the input fails')
  const called: string[] = []
  function* inputs() {
    yield 'bad'
    yield 'good'
    throw fault
  }
  const reading = collect(flow.post('/', inputs(), { requestSize: 1, onDone: ({ docs }) => void called.push(docs.texts.join()) }))
  await turn()
  doors.bad!.resolve()
  await turn()
  doors.good!.resolve()
  const { items, error } = await within(5000, reading)
  assert.is(error, fault)
  assert.equal(called, ['good'])
  assert.is(items.length, 1)
})

test('a request fails, then the input, before the callbacks had their turn: what was held back goes on', async () => {
  const { doors, flow: closed } = behindDoors('first', 'bad', 'late')
  await using flow = await closed.open()
  const fault = new Error('the input fails')
  const [callback, more] = [deferred<void>(), deferred<void>()]
  const called: string[] = []
  async function* inputs() {
    yield 'first'
    yield 'bad'
    await more.promise
    yield 'late'
    throw fault
  }
  const reading = collect(
    flow.post('/', inputs(), {
      requestSize: 1,
      flushAfter: Infinity,
      onDone: async ({ docs }) => {
        called.push(docs.texts.join())
        if (called.length === 1) await callback.promise
      },
    }),
  )
  doors.first!.resolve()
  await turn()
  doors.bad!.resolve()
  await turn()
  more.resolve()
  await turn()
  callback.resolve()
  doors.late!.resolve()
  const { error } = await within(5000, reading)
  assert.is(error, fault)
  assert.equal(called, ['first', 'late'])
})

test('onError hears of documents that failed, where there is no onFailure', async () => {
  await using flow = await new Flow()
    .add({
      uses: (call) => {
        call.fail(call.docs[0]!, new Error('the API is down'))
      },
    })
    .open()
  const told: string[] = []
  const onError = (_: unknown, error: Error): void => void told.push(error.message)
  await flow.post('/', ['a', 'b'], { onError }).drain()
  assert.is(told.length, 1)
  assert.match(told[0]!, 'the API is down')
  await flow.post('/', ['a', 'b'], { onError, onFailure: () => {} }).drain()
  assert.is(told.length, 1)
})

test.run()
