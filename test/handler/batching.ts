// Requests that share batches: which documents go out together, when, and what comes back to whom.
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, type Call, Document, DocumentArray, Executor, type ExecutorError, Flow } from '../../lib/index.js'
import { collect } from '../support/collect.js'
import { type Deferred, deferred } from '../support/deferred.js'
import { heap } from '../support/gc.js'
import { turn as oneTurn, pending } from '../support/turn.js'
import { within } from '../support/within.js'

/** Turns of the event loop, more than one: what was under way for long steps aside for a turn. */
const turn = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await oneTurn()
}

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

/** Nothing here may wait for it. */
const NEVER = 60_000
const texts = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`)
const failure = (promise: Promise<unknown>): Promise<any> =>
  within(
    2000,
    promise.then(
      () => assert.unreachable('It was to fail'),
      (error) => error,
    ),
  )

/** Starts one after the other has arrived. */
async function oneByOne<T>(starts: readonly (() => Promise<T>)[]): Promise<{ all: Promise<T>[] }> {
  const all: Promise<T>[] = []
  for (const start of starts) {
    const started = start()
    started.catch(() => {})
    all.push(started)
    await turn()
  }
  return { all }
}

/** A Flow of one executor that notes its batches. */
async function flowOf(dynamicBatching: AddOptions['dynamicBatching'], work: (call: Call) => any = () => {}, options: AddOptions = {}, flow = {}) {
  const batches: string[][] = []
  const uses = (call: Call) => {
    batches.push(call.docs.texts)
    return work(call)
  }
  return { batches, flow: await new Flow<string>(flow).add({ name: 'only', dynamicBatching, uses, ...options } as any).open() }
}

test('F4: a batch goes out by size, made of several requests, whose documents come back to them', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 4, timeout: NEVER }, ({ docs }) => {
    for (const doc of docs) doc.text += '!'
  })
  await using _ = flow
  const { all } = await oneByOne(texts(4).map((text) => () => flow.post('/', text).toArray()))
  const responses = await within(1000, Promise.all(all))
  assert.equal(batches, [texts(4)])
  assert.equal(
    responses.map(([response]) => response!.docs.texts),
    texts(4).map((text) => [`${text}!`]),
  )
  assert.is(new Set(responses.map(([response]) => response!.requestId)).size, 4)
})

test('F4: what does not fill a batch waits, and goes out when its time is up', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 4, timeout: 5 })
  await using _ = flow
  assert.equal((await within(1000, flow.post('/', texts(3)).docs())).texts, texts(3))
  assert.equal((await within(1000, flow.post('/', texts(6)).docs())).texts, texts(6))
  assert.equal(batches, [texts(3), texts(4), texts(2, 4)])
})

test('F4: requests larger than a batch are cut, and put together again in their order', async () => {
  const doors: Deferred<void>[] = []
  const { flow, batches } = await flowOf({ preferredBatchSize: 3, timeout: NEVER }, async ({ docs }) => {
    const door = deferred<void>()
    doors.push(door)
    await door.promise
    for (const doc of docs) doc.text += '!'
  })
  await using _ = flow
  const post = flow.post('/', texts(9)).docs()
  await turn()
  assert.equal(batches, [texts(3), texts(3, 3), texts(3, 6)])
  for (const door of doors.toReversed()) {
    assert.ok(await pending(post))
    door.resolve()
  }
  assert.equal(
    (await within(1000, post)).texts,
    texts(9).map((text) => `${text}!`),
  )
})

test('F4: flushAll hands over all that waits', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 3, timeout: NEVER, flushAll: true })
  await using _ = flow
  const { all } = await oneByOne([() => flow.post('/', texts(2)).docs(), () => flow.post('/', texts(6, 2)).docs()])
  assert.equal(
    (await within(1000, Promise.all(all))).flatMap((docs) => docs.texts),
    texts(8),
  )
  assert.equal(batches, [texts(8)])
})

test('F4: weight says what a document counts', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 10, timeout: NEVER, weight: ({ text }) => text.length })
  await using _ = flow
  await within(1000, flow.post('/', ['aaaa', 'bbbb', 'cccc', 'dddddddddddddddd']).drain())
  assert.equal(batches, [['aaaa', 'bbbb', 'cccc'], ['dddddddddddddddd']])
})

test('R48: a weight that throws fails its request, by the name of the executor, and no other', async () => {
  const { flow, batches } = await flowOf({
    preferredBatchSize: 2,
    timeout: NEVER,
    weight: ({ text }) => {
      if (text === 'bad') throw new Error('too heavy')
      return 1
    },
  })
  await using _ = flow
  const post = flow.post('/', 'a').drain()
  await turn()
  const error = await failure(flow.post('/', ['x', 'bad']).drain())
  assert.equal([error.executor, error.cause.message], ['only', 'too heavy'])
  await within(1000, Promise.all([post, flow.post('/', 'b').drain()]))
  assert.equal(batches, [['a', 'b']])
})

test('F4: requests whose weight throws leave nothing behind, whatever their parameters', async () => {
  const { flow } = await flowOf({
    preferredBatchSize: 2,
    weight: () => {
      throw new Error('too heavy')
    },
  })
  await using _ = flow
  const before = await heap()
  for (let i = 0; i < 200; i++) await failure(flow.post('/', 'x', { parameters: { long: `${i}${'x'.repeat(100_000)}` } }).drain())
  assert.ok((await heap()) - before < 10, 'less than half of the parameters')
})

test('F4: by endpoint, * being all others; without a rule there are no batches', async () => {
  const asked: string[] = []
  const { flow } = await flowOf(
    { '/pairs': { preferredBatchSize: 2, timeout: NEVER }, '*': { preferredBatchSize: 3, timeout: NEVER } },
    ({ docs, endpoint }) => {
      asked.push(`${endpoint} ${docs.texts}`)
    },
  )
  await using _ = flow
  const on = ['/pairs', '/pairs', '/a', '/a', '/a', '/b', '/b', '/b']
  const { all } = await oneByOne(on.map((endpoint, at) => () => flow.post(endpoint, `${at}`).drain()))
  await within(1000, Promise.all(all))
  assert.equal(asked.toSorted(), ['/a 2,3,4', '/b 5,6,7', '/pairs 0,1'])
  const plain = await flowOf({ '/pairs': { preferredBatchSize: 2, timeout: NEVER } })
  await using __ = plain.flow
  await within(1000, plain.flow.post('/other', 'x').drain())
  assert.equal(plain.batches, [['x']])
})

test('P5: requests with other parameters do not share a batch', async () => {
  const asked: string[] = []
  const { flow } = await flowOf({ preferredBatchSize: 2, timeout: NEVER }, ({ docs, parameters }) => {
    asked.push(`${parameters.top} ${docs.texts}`)
  })
  await using _ = flow
  const { all } = await oneByOne([1, 2, 1, 2].map((top, at) => () => flow.post('/', `${at}`, { parameters: { top } }).drain()))
  await within(1000, Promise.all(all))
  assert.equal(asked, ['1 0,2', '2 1,3'])
})

test('P5: requests without documents do not wait', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 2, timeout: NEVER })
  await using _ = flow
  assert.is(await within(1000, flow.post('/').drain()), 1)
  assert.equal(batches, [[]])
})

test('E3: documents that replace those of a batch come back in their order; plain objects go to all', async () => {
  const { flow } = await flowOf({ preferredBatchSize: 4, timeout: NEVER }, ({ docs }) =>
    docs[0]!.text === '0' ? docs.map(({ text }) => new Document({ text: `new ${text}` })) : { count: docs.length },
  )
  await using _ = flow
  const both = async (from: number) => {
    const { all } = await oneByOne([3, 1].map((count, at) => () => flow.post('/', texts(count, from + 3 * at)).toArray()))
    return Promise.all(all)
  }
  assert.equal(
    (await within(1000, both(0))).map(([response]) => response!.docs.texts),
    [['new 0', 'new 1', 'new 2'], ['new 3']],
  )
  for (const [response] of await within(1000, both(4))) assert.equal(response!.parameters.__results__, { only: { count: 4 } })
})

test('R54: an answer of another length is an error that names the executor, for all in the batch', async () => {
  for (const answer of [[], ['one'], ['1', '2', '3', '4', '5']]) {
    const { flow } = await flowOf({ preferredBatchSize: 4, timeout: NEVER }, () => answer, { retries: { attempts: 3, delay: 1 } })
    await using _ = flow
    for (const error of await Promise.all(texts(4).map((text) => failure(flow.post('/x', text).drain())))) {
      assert.equal([error.code, error.executor, error.endpoint], ['ERR_EXECUTOR_RESULT', 'only', '/x'])
      assert.match(error.message, new RegExp(`only answered a batch of 4 documents with ${answer.length} at /x`))
    }
  }
})

test('R53: a batch that fails, fails the requests with documents in it and no others', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 2, timeout: NEVER }, async ({ docs }) => {
    await turn()
    if (docs.texts.includes('bad')) throw new Error('no')
  })
  await using _ = flow
  const { all } = await oneByOne([['a'], ['b'], ['c', 'd', 'e'], ['bad'], ['f', 'g']].map((inputs) => () => flow.post('/', inputs).docs()))
  const outcomes = Promise.allSettled(all)
  const failed = (await within(1000, outcomes)).map((outcome) =>
    outcome.status === 'rejected' ? (outcome.reason as ExecutorError).executor : outcome.value.texts,
  )
  assert.equal(batches, [
    ['a', 'b'],
    ['c', 'd'],
    ['e', 'bad'],
    ['f', 'g'],
  ])
  assert.equal(failed, [['a'], ['b'], 'only', 'only', ['f', 'g']])
})

test('P8: with continueOnError a failed batch is as many failed responses, and the stream goes on', async () => {
  const { flow } = await flowOf({ preferredBatchSize: 2, timeout: NEVER }, ({ docs }) => {
    if (docs.texts.includes('2')) throw new Error('no')
  })
  await using _ = flow
  const responses = await within(1000, flow.post('/', texts(6), { requestSize: 1, continueOnError: true, resultsInOrder: true }).toArray())
  assert.equal(
    responses.map(({ docs, status }) => `${docs.texts} ${status.code}`),
    ['0 SUCCESS', '1 SUCCESS', '2 ERROR', '3 ERROR', '4 SUCCESS', '5 SUCCESS'],
  )
})

test('216: what a batch failed of is told to each request under its own id, not under that of the batch', async () => {
  const { flow } = await flowOf({ preferredBatchSize: 2, timeout: NEVER }, () => new Promise(() => {}), { timeout: 5 }, { closeTimeout: 1 })
  await using _ = flow
  const responses = await within(2000, flow.post('/', texts(2), { requestSize: 1, continueOnError: true }).toArray())
  assert.is(responses.length, 2)
  for (const { error, requestId } of responses) {
    assert.is((error as ExecutorError).code, 'ERR_EXECUTOR_TIMEOUT')
    assert.is((error as ExecutorError).requestId, requestId)
    assert.ok(error!.message.includes(requestId))
  }
})

test('a batch is tried again as a whole, and no document comes twice', async () => {
  let calls = 0
  const { flow, batches } = await flowOf(
    { preferredBatchSize: 3, timeout: NEVER },
    ({ docs }) => {
      for (const doc of docs) doc.text += '!'
      if (++calls < 3) throw new Error('again')
    },
    { retries: { attempts: 2, delay: 1 } },
  )
  await using _ = flow
  const { all } = await oneByOne(texts(3).map((text) => () => flow.post('/', text).docs()))
  const docs = await within(1000, Promise.all(all))
  assert.equal(
    docs.map(({ texts }) => texts),
    [['0!'], ['1!'], ['2!']],
  )
  assert.equal(batches, [texts(3), texts(3), texts(3)])
})

test('P12: a request that leaves takes its documents out of the line', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 3, timeout: NEVER })
  await using _ = flow
  const controller = new AbortController()
  const leaving = failure(flow.post('/', ['x', 'y'], { signal: controller.signal }).drain())
  await turn()
  controller.abort('enough')
  assert.is(await leaving, 'enough')
  const { all } = await oneByOne(texts(3).map((text) => () => flow.post('/', text).drain()))
  await within(1000, Promise.all(all))
  assert.equal(batches, [texts(3)])
})

test('216: who left while few did is not in the batch that goes out', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 4, timeout: NEVER })
  await using _ = flow
  const controller = new AbortController()
  const posts = [flow.post('/', 'a').drain(), flow.post('/', 'leaves', { signal: controller.signal }).drain(), flow.post('/', 'c').drain()]
  const left = failure(posts[1]!)
  await turn()
  controller.abort('enough')
  await left
  const { all } = await oneByOne(['d', 'e'].map((text) => () => flow.post('/', text).drain()))
  await within(1000, Promise.all([posts[0], posts[2], ...all]))
  assert.equal(batches, [['a', 'c', 'd', 'e']])
})

test('P12, R45: when all have left the line, no timer is left', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const { flow, batches } = await flowOf({ preferredBatchSize: 3, timeout: NEVER })
  const post = flow.post('/', 'x')
  const next = post.next()
  await turn()
  assert.is(timers(), before + 1)
  await post.return()
  await next
  assert.is(timers(), before)
  await flow.close()
  assert.equal(batches, [])
})

test('P12: a batch is told to stop when nobody wants any of it, and not before', async () => {
  const inside = deferred<AbortSignal>()
  const { flow } = await flowOf({ preferredBatchSize: 2, timeout: NEVER }, async ({ signal }) => {
    inside.resolve(signal)
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  const controllers = [new AbortController(), new AbortController()]
  const posts = controllers.map(({ signal }, at) => failure(flow.post('/', `${at}`, { signal }).drain()))
  const signal = await within(1000, inside.promise)
  controllers[0]!.abort('first')
  assert.is(await posts[0], 'first')
  assert.not(signal.aborted)
  controllers[1]!.abort('second')
  assert.is(await posts[1], 'second')
  assert.ok(signal.aborted)
  await within(1000, flow.close())
})

test('P12: who leaves takes nothing from those who share the batch', async () => {
  const door = deferred<void>()
  const { flow } = await flowOf({ preferredBatchSize: 2, timeout: NEVER }, () => door.promise)
  await using _ = flow
  const controller = new AbortController()
  const leaving = failure(flow.post('/', 'x', { signal: controller.signal }).drain())
  const staying = flow.post('/', 'y').docs()
  await turn()
  controller.abort('enough')
  await leaving
  door.resolve()
  assert.equal((await within(1000, staying)).texts, ['y'])
})

test('202: when many leave a long line, what is done for each does not grow with the line', async () => {
  const steps = async (requests: number): Promise<number> => {
    const { flow, batches } = await flowOf({ preferredBatchSize: 1e6, timeout: NEVER }, () => {}, {}, { closeTimeout: 0 })
    const controller = new AbortController()
    const post = flow.post('/', texts(requests * 10), { requestSize: 10, prefetch: 0, signal: controller.signal })
    const gone = failure(post.drain())
    await turn()
    let count = 0
    const { filter, reduce, every } = Array.prototype
    const counted = (method: Function) =>
      function (this: unknown[], ...rest: unknown[]) {
        count += this.length
        return method.apply(this, rest)
      }
    Object.assign(Array.prototype, { filter: counted(filter), reduce: counted(reduce), every: counted(every) })
    try {
      controller.abort('enough')
    } finally {
      Object.assign(Array.prototype, { filter, reduce, every })
    }
    assert.is(await gone, 'enough')
    assert.equal(batches, [])
    await within(1000, flow.close())
    return count
  }
  const few = await steps(100)
  assert.ok((await steps(1000)) < 15 * few)
})

test('202: those who leave a batch that is under way stop it, the last of them', async () => {
  const inside = deferred<AbortSignal>()
  const { flow } = await flowOf({ preferredBatchSize: 3, timeout: NEVER }, ({ signal }) => {
    inside.resolve(signal)
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  const controllers = texts(3).map(() => new AbortController())
  const posts = controllers.map(({ signal }, at) => failure(flow.post('/', `${at}`, { signal }).drain()))
  const signal = await within(1000, inside.promise)
  for (const at of [2, 0, 1]) {
    assert.not(signal.aborted)
    controllers[at]!.abort(`${at}`)
    assert.is(await posts[at], `${at}`)
  }
  assert.ok(signal.aborted)
  await within(1000, flow.close())
})

test('202: who stays in a line that many leave keeps its place, and weight counts what waits', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 4, timeout: NEVER, weight: ({ text }) => (text === 'heavy' ? Infinity : 1) })
  await using _ = flow
  const controller = new AbortController()
  const stay = [flow.post('/', 'a').drain()]
  const gone = texts(2).map((text) => failure(flow.post('/', text, { signal: controller.signal }).drain()))
  await turn()
  controller.abort('enough')
  await Promise.all(gone)
  for (const text of ['b', 'c']) stay.push(flow.post('/', text).drain())
  await turn()
  assert.equal(batches, [])
  stay.push(flow.post('/', 'heavy').drain())
  await within(1000, Promise.all(stay))
  const { all } = await oneByOne(texts(4).map((text) => () => flow.post('/', text).drain()))
  await within(1000, Promise.all(all))
  assert.equal(batches, [['a', 'b', 'c', 'heavy'], texts(4)])
})

test('G5: close() sends what waits at once', async () => {
  const { flow, batches } = await flowOf({ preferredBatchSize: 100, timeout: NEVER }, async () => turn())
  const { all } = await oneByOne([() => flow.post('/', texts(2)).docs(), () => flow.post('/', texts(2, 2), { parameters: { a: 1 } }).docs()])
  assert.equal(batches, [])
  await within(2000, flow.close())
  assert.equal(
    (await Promise.all(all)).map((docs) => docs.texts),
    [texts(2), texts(2, 2)],
  )
  assert.equal(batches, [texts(2), texts(2, 2)])
  await flow.open()
  const again = flow.post('/', 'x').docs()
  assert.ok(await pending(again), 'opened again, it waits again')
  await within(2000, flow.close())
  assert.equal((await again).texts, ['x'])
})

test('G5: close() sends at once, too, what reaches the executor only then', async () => {
  const door = deferred<void>()
  const flow = await new Flow()
    .add({ uses: () => door.promise })
    .add({ dynamicBatching: { preferredBatchSize: 100, timeout: NEVER } })
    .open()
  const post = flow.post('/', 'x').docs()
  await turn()
  const closing = flow.close()
  await turn()
  door.resolve()
  assert.equal((await within(2000, post)).texts, ['x'])
  await within(2000, closing)
})

test('G5: close() finds what waits behind a batch that failed', async () => {
  const door = deferred<void>()
  const { flow, batches } = await flowOf({ preferredBatchSize: 2, timeout: NEVER }, ({ docs }) => (docs[0]!.text === '0' ? door.promise : undefined))
  const failing = failure(flow.post('/', texts(2)).drain())
  await turn()
  const second = flow.post('/', '2').docs()
  await turn()
  door.reject(new Error('no'))
  await failing
  const third = flow.post('/', '3').docs()
  await within(1000, Promise.all([second, third]))
  assert.equal(batches, [texts(2), ['2', '3']], 'they share a batch')
  await within(1000, flow.close())
})

test('R44: close() waits for a batch whose time was up', async () => {
  const door = deferred<void>()
  const log: string[] = []
  class Slow extends Executor {
    static requests = { '/default': 'work' }
    async work() {
      await door.promise
      log.push('done')
    }
    override close() {
      log.push('closed')
    }
  }
  const flow = await new Flow().add({ name: 'only', uses: Slow, timeout: 1, dynamicBatching: { preferredBatchSize: 2, timeout: NEVER } }).open()
  for (const error of await Promise.all(texts(2).map((text) => failure(flow.post('/', text).drain())))) assert.is(error.code, 'ERR_EXECUTOR_TIMEOUT')
  const closing = flow.close()
  assert.ok(await pending(closing))
  door.resolve()
  await within(1000, closing)
  assert.equal(log, ['done', 'closed'])
})

test('216: close() waits for a batch whose request left', async () => {
  const door = deferred<void>()
  const log: string[] = []
  class Slow extends Executor {
    static requests = { '/default': 'work' }
    async work() {
      log.push('begun')
      await door.promise
      log.push('done')
    }
    override close() {
      log.push('closed')
    }
  }
  const flow = await new Flow().add({ name: 'only', uses: Slow, dynamicBatching: { preferredBatchSize: 1, timeout: NEVER } }).open()
  const controller = new AbortController()
  const left = failure(flow.post('/', 'x', { signal: controller.signal }).drain())
  await turn()
  assert.equal(log, ['begun'])
  controller.abort('enough')
  assert.is(await left, 'enough')
  const closing = flow.close()
  await turn()
  assert.equal(log, ['begun'])
  door.resolve()
  await within(1000, closing)
  assert.equal(log, ['begun', 'done', 'closed'])
})

test('F4, R22: batches are spread over replicas', async () => {
  const inside: Deferred<void>[] = []
  const shards: number[] = []
  class Worker extends Executor {
    static requests = { '/default': 'work' }
    async work() {
      shards.push(this.shardId)
      const door = deferred<void>()
      inside.push(door)
      await door.promise
    }
  }
  await using flow = await new Flow().add({ uses: Worker, parallel: 2, concurrency: 1, dynamicBatching: { preferredBatchSize: 2, timeout: NEVER } }).open()
  const post = flow.post('/', texts(6)).docs()
  await turn()
  assert.equal(shards, [0, 1])
  while (inside.length > 0) {
    inside.shift()!.resolve()
    await turn()
  }
  assert.equal((await within(1000, post)).texts, texts(6))
})

test('R29, R36: with any sizes and any order of arrival each request gets its own documents back, in its order, once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 6 }),
      fc.boolean(),
      fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }),
      async (sizes, preferredBatchSize, flushAll, turns) => {
        let calls = 0
        let seen = 0
        const { flow } = await flowOf({ preferredBatchSize, flushAll, timeout: 1 }, async ({ docs }) => {
          const call = calls++
          seen += docs.length
          if (!flushAll) assert.ok(docs.length <= preferredBatchSize)
          for (let i = turns[call % turns.length]!; i > 0; i--) await turn()
          if (call % 2 === 0) return DocumentArray.from(docs.map(({ id, text }) => ({ id, text: `${text}!` })))
          for (const doc of docs) doc.text += '!'
        })
        const inputs = sizes.map((size, request) => Array.from({ length: size }, (_, at) => ({ id: `${request}/${at}`, text: `${request}/${at}` })))
        const responses = await within(5000, Promise.all(inputs.map((docs) => flow.post('/', docs).docs())))
        responses.forEach((docs, at) => {
          assert.equal(
            docs.map(({ id }) => id),
            inputs[at]!.map(({ id }) => id),
          )
          assert.equal(
            docs.texts,
            inputs[at]!.map(({ text }) => `${text}!`),
          )
        })
        assert.is(
          seen,
          sizes.reduce((sum, size) => sum + size, 0),
        )
        await within(1000, flow.close())
      },
    ),
    { numRuns: 60 },
  )
})

test('R29, R53: with failures and aborts at random, each request ends once, by its own fate or that of its batch', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 5 }), leaves: fc.option(fc.nat(3)) }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(4),
      async (requests, preferredBatchSize, failing) => {
        let calls = 0
        const { flow } = await flowOf({ preferredBatchSize, timeout: 1 }, async ({ docs }) => {
          const call = calls++
          await turn()
          if (call === failing) throw new Error('no')
          for (const doc of docs) doc.text += '!'
        })
        const outcomes = requests.map(async ({ size, leaves }, request) => {
          const controller = new AbortController()
          const post = flow.post(
            '/',
            texts(size).map((text) => `${request}/${text}`),
            { signal: controller.signal },
          )
          const leave = async () => {
            for (let i = leaves!; i > 0; i--) await turn()
            controller.abort('left')
          }
          if (leaves !== null) leave()
          return post.docs().then(
            (docs) =>
              assert.equal(
                docs.texts,
                texts(size).map((text) => `${request}/${text}!`),
              ),
            (error) => assert.ok(error === 'left' || error.executor === 'only', String(error)),
          )
        })
        await within(5000, Promise.all(outcomes))
        await within(2000, flow.close())
      },
    ),
    { numRuns: 60 },
  )
})

test('F8: wrong options are refused when the Flow opens, by the names of executor and option', async () => {
  const wrong = async (dynamicBatching: any, pattern: RegExp) => {
    const error = await failure((async () => new Flow().add({ name: 'only', dynamicBatching }).open())())
    assert.match(error.code, /^ERR_OPTION_/)
    assert.match(error.message, pattern)
  }
  await wrong({ preferredBatchSize: 0 }, /preferredBatchSize in dynamicBatching of only/)
  await wrong({ timeout: 5 }, /preferredBatchSize in dynamicBatching of only/)
  await wrong({ '/x': { preferredBatchSize: 2, timeout: -1 } }, /timeout/)
  await wrong({ '/x': { preferredBatchSize: 2, size: 1 } }, /dynamicBatching of only for \/x/)
  await wrong({ preferredBatchSize: 2, weight: 1 }, /weight/)
  await wrong(5, /dynamicBatching/)
})

test('F4, R54: an answer in another order is refused: documents would go to those who did not send them', async () => {
  await using flow = await new Flow().add({ name: 'shuffle', dynamicBatching: { preferredBatchSize: 2 }, uses: ({ docs }) => [...docs].reverse() }).open()
  const outcomes = await Promise.all(['one', 'two'].map((text) => collect(flow.post('/', { text }))))
  for (const { error } of outcomes) {
    assert.is(error.code, 'ERR_EXECUTOR_RESULT')
    assert.match(error.message, /shuffle answered a batch in another order/)
  }
})

test('R54: a weight that is no number is refused, and the executor named', async () => {
  await using flow = await new Flow().add({ name: 'heavy', dynamicBatching: { preferredBatchSize: 2, weight: () => Number.NaN } }).open()
  const { error } = await collect(flow.post('/', 'x'))
  assert.match(error.message, /heavy.*a number ≥ 0/)
})

test('E3: a request that went out in several batches has the plain objects of all, key by key, in the order of its documents', async () => {
  const doors = [deferred<void>(), deferred<void>()]
  const { flow } = await flowOf({ preferredBatchSize: 2, timeout: NEVER }, async ({ docs }) => {
    await doors[docs.texts.includes('0') ? 0 : 1]!.promise
    return { ...Object.fromEntries(docs.map(({ text }) => [text, true])), last: docs.texts.at(-1), ['__proto__']: docs.texts[0] }
  })
  await using _ = flow
  const { all } = await oneByOne([() => flow.post('/', texts(4)).toArray()])
  doors[1]!.resolve()
  await turn()
  doors[0]!.resolve()
  const [[response]] = (await within(1000, Promise.all(all))) as any
  assert.equal(Object.entries(response.parameters.__results__.only), [
    ['0', true],
    ['1', true],
    ['2', true],
    ['3', true],
    ['last', '3'],
    ['__proto__', '2'],
  ])
  assert.is(({} as any).last, undefined)
})

test('E9: behind dynamicBatching there are no branches to tell apart: documents come united, as in Jina', async () => {
  const seen: unknown[] = []
  await using flow = await new Flow()
    .add({ name: 'a', needs: 'gateway', uses: ({ docs }) => docs.forEach((doc) => void (doc.tags.by = 'a')) })
    .add({ name: 'b', needs: 'gateway', uses: ({ docs }) => docs.forEach((doc) => void (doc.tags.by = 'b')) })
    .needs(['a', 'b'], {
      name: 'both',
      dynamicBatching: { preferredBatchSize: 2, timeout: NEVER },
      uses: ({ docs, docsMatrix, docsMap }) =>
        void seen.push(
          docs.map(({ tags }) => tags.by),
          docsMatrix,
          docsMap,
        ),
    })
    .open()
  await flow.post('/', 'x').drain()
  assert.equal(seen, [['a', 'b'], undefined, undefined])
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test.run()
