import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ReadableStream } from 'node:stream/web'
import { pipe } from 'it-pipe'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Call, Document, DocumentArray, ExecutorError, Flow, FlowStateError, InputError, type PostOptions, type Response } from '../../lib/index.js'
import { inFlight } from '../../lib/stream/in-flight.js'
import { deferred } from '../support/deferred.js'
import { letsOthersIn } from '../support/gap.js'
import { pending } from '../support/turn.js'
import { within } from '../support/within.js'

const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `d${i}`)

/** An open Flow of one executor. */
const flowOf = (uses: (call: Call) => any, options = {}): Promise<Flow<'only'>> => new Flow(options).add({ name: 'only', uses }).open() as Promise<Flow<'only'>>

/** Turns of the event loop until something holds. */
async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 30_000
  while (!holds()) {
    if (performance.now() > end) throw new Error('It did not come to hold within 30 s')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function fails(run: () => unknown, code: string, pattern?: RegExp): Promise<any> {
  try {
    await within(5000, Promise.resolve().then(run))
  } catch (error) {
    assert.is((error as any).code, code, String(error))
    if (pattern) assert.match((error as Error).message, pattern)
    return error
  }
  assert.unreachable(`expected ${code}`)
}

test('D5: inputs of every kind arrive as documents', async () => {
  await using flow = await flowOf(() => {})
  const bytes = new Uint8Array([1, 2])
  const text = async (inputs: any) => (await flow.post('/', inputs).docs()).texts
  assert.equal(await text('one'), ['one'])
  assert.equal(await text(new Document({ text: 'one' })), ['one'])
  assert.equal(await text({ text: 'one' }), ['one'])
  assert.equal((await flow.post('/', bytes).docs())[0]!.blob, bytes)
  assert.equal((await flow.post('/', new Float32Array([1])).docs())[0]!.tensor!.shape, [1])
  assert.equal(await text(['a', { text: 'b' }, new Document({ text: 'c' })]), ['a', 'b', 'c'])
  assert.equal(await text(DocumentArray.from(['a', 'b'])), ['a', 'b'])
  assert.equal(await text(new Set(['a', 'b'])), ['a', 'b'])
  const generator = function* () {
    yield* ['a', 'b']
  }
  const asynchronous = async function* () {
    yield* ['a', 'b']
  }
  for (const inputs of [
    generator,
    generator(),
    asynchronous,
    asynchronous(),
    () => ['a', 'b'],
    async () => ['a', 'b'],
    Promise.resolve(['a', 'b']),
    ReadableStream.from(['a', 'b']),
  ]) {
    assert.equal(await text(inputs), ['a', 'b'])
  }
  const { Readable } = await import('node:stream')
  assert.equal(await text(Readable.from(['a', 'b'])), ['a', 'b'])
  assert.equal((await flow.post('/').toArray()).length, 1)
  assert.equal((await flow.post('/', () => undefined).toArray()).length, 1)
  assert.equal(await flow.post('/', []).drain(), 0)
  assert.equal(await flow.post('/', asynchronous, { requestSize: 1 }).drain(), 2)
})

test('D5: what is no document is refused, and says where it stands', async () => {
  await using flow = await flowOf(() => {})
  await fails(() => flow.post('/', 5 as any).next(), 'ERR_INPUT', /not 5/)
  await fails(() => flow.post('/', ['a', 5 as any]).drain(), 'ERR_INPUT', /Input 1 .*not from 5/)
  await fails(() => flow.post('/', ['a', Promise.resolve(5 as any)]).drain(), 'ERR_INPUT', /Input 1 .*not from 5/)
  await fails(() => flow.post('/', [['nested'] as any]).drain(), 'ERR_INPUT', /Input 0/)
  await fails(() => flow.post('/', () => 5 as any).drain(), 'ERR_INPUT')
})

test('D5, R8: documents before a bad one, or before a failure of the source, still arrive', async () => {
  await using flow = await flowOf(() => {})
  const bad = ['a', 'b', 'c', 5 as any, 'e']
  const failing = function* () {
    yield* ['a', 'b', 'c']
    throw new Error('source')
  }
  const failingAsync = async function* () {
    yield* failing()
  }
  const sources: [string, any][] = [
    ['array', bad],
    ['set', new Set(bad)],
    [
      'async',
      (async function* () {
        yield* bad
      })(),
    ],
    ['generator', failing],
    ['generator object', failing()],
    ['async generator', failingAsync],
    ['async generator object', failingAsync()],
  ]
  for (const [name, inputs] of sources) {
    const arrived: string[] = []
    let error: any
    try {
      for await (const response of flow.post('/', inputs, { requestSize: 2 })) arrived.push(...response.docs.texts)
    } catch (caught) {
      error = caught
    }
    assert.equal(arrived.sort(), ['a', 'b', 'c'], name)
    assert.ok(error instanceof InputError || error.message === 'source', name)
  }
})

test('216: a batch whose first document is bad sends no request, not even an empty one', async () => {
  const bad = ['a', 'b', 5 as any, 'd']
  const sources: Record<string, any> = {
    array: bad,
    set: new Set(bad),
    generator: function* () {
      yield* bad
    },
    asynchronous: async function* () {
      yield* bad
    },
    promises: bad.map((item) => Promise.resolve(item)),
  }
  for (const [name, inputs] of Object.entries(sources)) {
    for (const [requestSize, sizes] of [
      [2, [2]],
      [1, [1, 1]],
    ] as const) {
      const seen: number[] = []
      await using flow = await flowOf(({ docs }) => void seen.push(docs.length))
      await fails(() => flow.post('/', inputs, { requestSize }).drain(), 'ERR_INPUT', /Input 2 /)
      assert.equal(seen, sizes, name)
    }
  }
})

test('R1, R5: a source whose item is no document is closed once', async () => {
  await using flow = await flowOf(() => {})
  for (const asynchronous of [false, true]) {
    let closed = 0
    const iterator = {
      next: () => ({ done: false, value: 5 }),
      return: () => {
        closed++
        return { done: true, value: undefined }
      },
    }
    const source = asynchronous
      ? { [Symbol.asyncIterator]: () => ({ next: async () => iterator.next(), return: async () => iterator.return() }) }
      : { [Symbol.iterator]: () => iterator }
    await fails(() => flow.post('/', source as any).drain(), 'ERR_INPUT')
    assert.is(closed, 1)
  }
})

test('P1: the four verbs post to their endpoints', async () => {
  await using flow = await flowOf(({ endpoint }) => ({ endpoint }))
  for (const verb of ['index', 'search', 'update', 'delete'] as const) {
    const [response] = await flow[verb]('x').toArray()
    assert.equal(response!.parameters.__results__, { only: { endpoint: `/${verb}` } })
  }
})

test('P2: nothing is read before the first response is asked for', async () => {
  await using flow = await flowOf(() => {})
  let read = 0
  const post = flow.post('/', function* () {
    read++
    yield 'a'
  })
  await Promise.resolve()
  assert.is(read, 0)
  await post.next()
  assert.is(read, 1)
  // Nor is a function called that has its inputs at once.
  let called = 0
  const later = flow.post('/', () => {
    called++
    return ['a']
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(called, 0)
  await later.drain()
  assert.is(called, 1)
})

test('P2: responses come as they complete, or in order when asked', async () => {
  for (const resultsInOrder of [false, true]) {
    const first = deferred<void>()
    await using flow = await flowOf(async ({ docs }) => {
      if (docs[0]!.text === 'd0') await first.promise
    })
    const post = flow.post('/', texts(3), { requestSize: 1, resultsInOrder })
    const one = post.next()
    if (!resultsInOrder) assert.equal((await within(1000, one)).value.docs.texts, ['d1'])
    first.resolve()
    const rest = await within(1000, post.toArray())
    const order = [(await one).value as Response, ...rest].map((response) => response.docs.texts[0])
    assert.equal(order, resultsInOrder ? ['d0', 'd1', 'd2'] : ['d1', 'd2', 'd0'])
  }
})

test('P2, R16: iterated again, a post is over', async () => {
  await using flow = await flowOf(() => {})
  const post = flow.post('/', texts(3), { requestSize: 1 })
  assert.is(await post.drain(), 3)
  assert.is(await post.drain(), 0)
})

test('P3: 100 documents at 10 give ten requests; 0 or less puts all in one', async () => {
  await using flow = await flowOf(() => {})
  const sizes = async (inputs: any, requestSize?: number) =>
    (await flow.post('/', inputs, { requestSize, resultsInOrder: true }).toArray()).map(({ docs }) => docs.length)
  for (const inputs of [texts(100), new Set(texts(100)), ReadableStream.from(texts(100))]) assert.equal(await sizes(inputs, 10), Array(10).fill(10))
  for (const inputs of [texts(25), new Set(texts(25)), ReadableStream.from(texts(25))]) assert.equal(await sizes(inputs, 10), [10, 10, 5])
  for (const size of [0, -1, Infinity]) assert.equal(await sizes(texts(250), size), [250])
  assert.equal(await sizes(texts(250)), [100, 100, 50])
})

test('P4, R22–R24: never more than prefetch requests between the input and the consumer, and all of them used', async () => {
  for (const prefetch of [1, 3, 16]) {
    await using flow = await flowOf(async () => {}, { prefetch })
    let taken = 0
    let received = 0
    let peak = 0
    const inputs = async function* () {
      for (;;) {
        taken++
        peak = Math.max(peak, taken - received)
        yield 'x'
      }
    }
    for await (const _ of flow.post('/', inputs, { requestSize: 1 })) {
      received++
      // A consumer that is away for a while: the input must not run ahead.
      if (received % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      if (received === 500) break
    }
    assert.is(peak, prefetch)
  }
})

test('P4: the option of a post wins over the Flow’s; 0 removes the bound', async () => {
  const door = deferred<void>()
  let running = 0
  await using flow = await flowOf(
    async () => {
      running++
      await door.promise
    },
    { prefetch: 2 },
  )
  const count = async (options: PostOptions): Promise<number> => {
    running = 0
    const post = flow.post('/', texts(40), { requestSize: 1, ...options })
    const pending = post.next()
    await new Promise((resolve) => setImmediate(resolve))
    const seen = running
    await post.return()
    await pending
    return seen
  }
  assert.is(await count({}), 2)
  assert.is(await count({ prefetch: 5 }), 5)
  assert.is(await count({ prefetch: 0 }), 40)
  door.resolve()
})

test('P5, E7: parameters are a copy, per request and per executor', async () => {
  const seen: Record<string, any> = {}
  await using flow = await new Flow()
    .add({ name: 'a', uses: ({ parameters }) => void (seen.a = parameters) })
    .add({ name: 'my-executor-1', uses: ({ parameters }) => void (seen.b = parameters) })
    .open()
  const parameters = { param: 5, deep: { list: [1] }, 'my-executor-1': { param: 10 }, a__param: 7, 'my-executor-1__other': 1, none__of: 'yours' }
  const [response] = await flow.post('/', undefined, { parameters }).toArray()
  assert.is(seen.a.param, 7)
  assert.is(seen.b.param, 10)
  assert.is(seen.b.other, 1)
  assert.not('a__param' in seen.b)
  assert.not('none__of' in seen.a)
  assert.equal(response!.parameters, { ...parameters, __results__: {} })
  seen.a.deep.list.push(2)
  assert.equal(seen.b.deep.list, [1])
  assert.equal(parameters.deep.list, [1])
})

test('R81: parameters named as prototypes harm nobody', async () => {
  await using flow = await flowOf(({ parameters }) => ({ seen: Object.keys(parameters) }))
  await fails(() => flow.post('/', 'x', { parameters: JSON.parse('{"__proto__": {"polluted": 1}}') }), 'ERR_OPTION_TYPE')
  for (const parameters of [
    JSON.parse('{"only__constructor": {"x": 1}, "only": {"__proto__": {"polluted": 1}}}'),
    JSON.parse('{"a": {"__proto__": {"polluted": 1}}}'),
  ]) {
    await flow.post('/', 'x', { parameters }).drain()
    assert.is(({} as any).polluted, undefined)
  }
})

test('P6, R85: targetExecutor matches the start of names, in linear time', async () => {
  const calls: string[] = []
  const note = (name: string) => () => void calls.push(name)
  await using flow = await new Flow()
    .add({ name: 'foo', uses: note('foo') })
    .add({ name: 'foo_bar', uses: note('foo_bar') })
    .add({ name: 'baz', uses: note('baz') })
    .open()
  const hit = async (targetExecutor: string): Promise<string[]> => {
    calls.length = 0
    await flow.post('/', texts(2), { targetExecutor, requestSize: 1, resultsInOrder: true, prefetch: 1 }).drain()
    return [...new Set(calls)]
  }
  assert.equal(await hit('foo'), ['foo', 'foo_bar'])
  assert.equal(await hit('ba*'), ['baz'])
  assert.equal(await hit('foo$|baz'), ['foo', 'baz'])
  assert.equal(await hit('oo'), [])
  // One that tries all ways would not be done before the suite is ended.
  assert.equal(await hit('(a+)+$'), [])
  await using slow = await new Flow().add({ name: `${'a'.repeat(60)}_`, uses: () => {} }).open()
  await slow.post('/', 'x', { targetExecutor: '^(a+)+$' }).drain()
  await fails(() => flow.post('/', 'x', { targetExecutor: '(' }).drain(), 'ERR_OPTION_RANGE', /targetExecutor/)
})

test('P8, R51: the first failure ends the iteration, after what had finished, with an error that names executor, endpoint and request', async () => {
  const boom = new TypeError('boom')
  let calls = 0
  const door = deferred<void>()
  const told = deferred<unknown>()
  await using flow = await flowOf(
    async ({ docs, signal }) => {
      calls++
      const [{ text } = { text: '' }] = docs
      if (text === 'd2') {
        await door.promise
        throw boom
      }
      if (text === 'd3') {
        signal.addEventListener('abort', () => told.resolve(signal.reason))
        await new Promise(() => {})
      }
    },
    { closeTimeout: 0 },
  )
  const post = flow.post('/index', texts(20), { requestSize: 1, prefetch: 4 })
  assert.equal((await post.next()).value.docs.texts, ['d0'])
  await new Promise((resolve) => setImmediate(resolve))
  door.resolve()
  const seen: string[] = []
  const error = await fails(
    async () => {
      for await (const response of post) seen.push(response.docs.texts[0]!)
    },
    'ERR_EXECUTOR',
    /^only failed at \/index for request [0-9a-f]{32}: boom$/,
  )
  assert.ok(error instanceof ExecutorError)
  assert.is(error.cause, boom)
  assert.is(error.executor, 'only')
  assert.is(error.endpoint, '/index')
  assert.equal(seen, ['d1', 'd4'])
  assert.is((await within(1000, told.promise)) instanceof ExecutorError, true)
  const before = calls
  assert.equal(await post.next(), { done: true, value: undefined })
  assert.is(calls, before)
})

test('P8: with continueOnError or onError, failed responses are handed on and the stream goes on', async () => {
  await using flow = await flowOf(({ docs }) => {
    if (docs[0]!.text === 'd1') throw new RangeError('no')
  })
  const errors: string[] = []
  for (const options of [{ continueOnError: true }, { onError: (_: Response, error: Error) => errors.push(error.message) }]) {
    const responses = await flow.post('/', texts(3), { requestSize: 1, resultsInOrder: true, ...options }).toArray()
    assert.equal(
      responses.map(({ status }) => status.code),
      ['SUCCESS', 'ERROR', 'SUCCESS'],
    )
    const { status, routes } = responses[1]!
    assert.match(status.description, /only failed at \/ .*: no/)
    assert.is(status.exception!.name, 'RangeError')
    assert.equal(status.exception!.args, ['no'])
    assert.is(status.exception!.executor, 'only')
    assert.is(routes[1]!.status!.code, 'ERROR')
  }
  assert.is(errors.length, 1)
})

test('216: with continueOnError, what is no failure of a request still ends the iteration', async () => {
  for (const options of [{ continueOnError: true }, { onError: () => {} }]) {
    const flow = await flowOf(() => {})
    const door = deferred<void>()
    const post = flow.post(
      '/',
      async function* () {
        yield 'before'
        await door.promise
        yield 'behind'
      },
      { requestSize: 1, ...options },
    )
    assert.is((await post.next()).value.status.code, 'SUCCESS')
    await flow.close()
    door.resolve()
    await fails(() => post.next(), 'ERR_FLOW_NOT_OPEN')
  }
})

test('P12, R37–R41: a signal ends the iteration with its reason and tells the executors', async () => {
  const told = deferred<unknown>()
  const inside = deferred<void>()
  await using flow = await flowOf(async ({ signal }) => {
    inside.resolve()
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  flow.post('/', 'x')
  const controller = new AbortController()
  let closed = 0
  const inputs = async function* () {
    try {
      for (;;) yield 'x'
    } finally {
      closed++
    }
  }
  const post = flow.post('/', inputs, { signal: controller.signal, requestSize: 1 })
  const pending = post.next()
  await within(1000, inside.promise)
  controller.abort('stop')
  told.resolve('seen')
  assert.is(
    await within(
      1000,
      pending.catch((reason) => reason),
    ),
    'stop',
  )
  assert.equal(await post.next(), { done: true, value: undefined })
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(closed, 1)
  const late = flow.post('/', inputs, { signal: AbortSignal.abort('early') })
  assert.is(await late.next().catch((reason) => reason), 'early')
  assert.is(closed, 1)
})

test('P12: break closes the inputs once, waits for that, and tells the executors', async () => {
  const told: unknown[] = []
  await using flow = await flowOf(async ({ docs, signal }) => {
    if (docs[0]!.text === 'd0') return
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(void told.push(signal.reason.name))))
  })
  let closed = 0
  const inputs = {
    *[Symbol.iterator]() {
      try {
        yield* texts(100)
      } finally {
        closed++
      }
    },
  }
  for await (const _ of flow.post('/', inputs, { requestSize: 1, prefetch: 4 })) break
  assert.is(closed, 1)
  assert.equal(told, ['AbortError', 'AbortError', 'AbortError'])
})

test('P11: posts run side by side with each other and with other jobs', async () => {
  const doors = [deferred<void>(), deferred<void>()]
  await using flow = await flowOf(async ({ docs }) => {
    await doors[Number(docs[0]!.text)]!.promise
  })
  const first = flow.post('/', '0').docs()
  const second = flow.post('/', '1').docs()
  const heavy = (async () => {
    doors[1]!.resolve()
    await second
    doors[0]!.resolve()
    return 'done'
  })()
  const [[found], job] = await within(1000, Promise.all([first, heavy]))
  assert.is(found!.text, '0')
  assert.is(job, 'done')
})

test('P13: a response has its id, header, parameters, routes, docs and status', async () => {
  await using flow = await new Flow()
    .add({ name: 'one', uses: () => {} })
    .add({ name: 'two', uses: () => ({ n: 2 }) })
    .open()
  const before = Date.now()
  const [response] = await flow.post('/x', ['a'], { parameters: { p: 1 }, targetExecutor: 'one|two' }).toArray()
  assert.match(response!.requestId, /^[0-9a-f]{32}$/)
  assert.is(response!.requestId, response!.header.requestId)
  assert.is(response!.header.execEndpoint, '/x')
  assert.is(response!.header.targetExecutor, 'one|two')
  assert.equal(response!.parameters, { p: 1, __results__: { two: { n: 2 } } })
  assert.equal(
    response!.routes.map(({ executor }) => executor),
    ['gateway', 'one', 'two'],
  )
  for (const { startTime, endTime } of response!.routes) assert.ok(before <= +startTime && +startTime <= +endTime! && +endTime! <= Date.now())
  assert.is(response!.data.docs, response!.docs)
  assert.equal(response!.status, { code: 'SUCCESS', description: '' })
  const json = JSON.parse(JSON.stringify(response))
  assert.is(json.data.docs === undefined ? json.data[0].text : json.data.docs[0].text, 'a')
})

test('P14: transform() is a step of an it-pipe pipeline', async () => {
  await using upper = await flowOf(({ docs }) => {
    for (const doc of docs) doc.text = doc.text.toUpperCase()
  })
  await using twice = await flowOf(({ docs }) => docs.flatMap((doc) => [doc.text, doc.text]))
  const out: string[] = []
  await pipe(
    (async function* () {
      yield* texts(3)
    })(),
    upper.transform('/', { requestSize: 1, resultsInOrder: true }),
    twice.transform('/', { requestSize: 2, resultsInOrder: true }),
    async (documents) => {
      for await (const { text } of documents) out.push(text)
    },
  )
  assert.equal(out, ['D0', 'D0', 'D1', 'D1', 'D2', 'D2'])
})

test('R170: transform() hears the signal that pipeline() of node:stream hands to its steps, and its own', async () => {
  for (const whose of ['pipeline', 'own', 'pipeline beside its own']) {
    const [controller, other] = [new AbortController(), new AbortController()]
    const started = deferred<void>()
    let told: unknown
    let closed = 0
    const flow = await new Flow({ closeTimeout: 0 })
      .add({
        uses: ({ signal }) =>
          new Promise((_, reject) => {
            started.resolve()
            signal.onabort = () => reject((told = signal.reason))
          }),
      })
      .open()
    const inputs = async function* () {
      try {
        for (;;) {
          yield 'x'
          await new Promise((resolve) => setImmediate(resolve))
        }
      } finally {
        closed++
      }
    }
    const own = whose === 'own' ? controller.signal : whose === 'pipeline' ? undefined : other.signal
    const run = pipeline(
      inputs,
      flow.transform('/', { requestSize: 1, signal: own }),
      new Writable({ objectMode: true, write: (_document, _encoding, done) => done() }),
      {
        signal: whose === 'own' ? undefined : controller.signal,
      },
    ).catch((error) => error)
    await within(5000, started.promise)
    controller.abort(new Error('enough'))
    const error: any = await within(5000, run)
    assert.ok(error instanceof Error)
    assert.ok(told !== undefined, whose)
    await until(() => closed > 0)
    await flow.close()
  }
})

test('P6, R57, R84: a pattern that is no pattern fails the post that is iterated, and nothing else', async () => {
  let unhandled = 0
  const count = (): void => void unhandled++
  process.on('unhandledRejection', count)
  await using flow = await new Flow().open()
  flow.post('/', 'x', { targetExecutor: '(' })
  await fails(() => flow.post('/', 'x', { targetExecutor: '(' }).drain(), 'ERR_OPTION_RANGE', /targetExecutor/)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', count)
  assert.is(unhandled, 0)
})

test('P12, R51: after break, executors that were not reached are not started', async () => {
  const door = deferred<void>()
  const inside = deferred<void>()
  let reached = 0
  await using flow = await new Flow()
    .add({
      uses: async () => {
        inside.resolve()
        await door.promise
      },
    })
    .add({ uses: () => void reached++ })
    .open()
  const post = flow.post('/', 'x')
  const pending = post.next()
  await inside.promise
  await post.return()
  door.resolve()
  await pending
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(reached, 0)
})

test('P13: what a consumer does to the parameters of a response, no other sees', async () => {
  await using flow = await flowOf(({ parameters }) => ({ top: parameters.ranker.top }))
  for await (const { parameters } of flow.post('/', texts(3), { requestSize: 1, prefetch: 1, parameters: { ranker: { top: 9 } } })) {
    assert.is(parameters.__results__.only.top, 9)
    parameters.ranker.top = 1
  }
})

test('E7: underscores stand for the hyphens of a name too', async () => {
  let seen: any
  await using flow = await new Flow()
    .add({
      name: 'my-executor-1',
      uses: ({ parameters }) => {
        seen = parameters
      },
    })
    .open()
  await flow.post('/', undefined, { parameters: { param: 5, my_executor_1__param: 7 } }).drain()
  assert.equal(seen, { param: 7 })
})

test('R31: documents that all go into one request do not hold timers back', async () => {
  await using flow = await flowOf(() => {})
  const documents = Array.from({ length: 300_000 }, () => ({ text: 'x' }))
  for (const inputs of [documents, new Set(documents)]) await letsOthersIn(0.2, () => flow.post('/', inputs, { requestSize: 0 }).drain())
})

test('R42: a signal that many posts share gets one listener', async () => {
  let warnings = 0
  const count = (): void => void warnings++
  process.on('warning', count)
  await using flow = await flowOf(() => {})
  const { signal } = new AbortController()
  const posts = Array.from({ length: 20 }, () => flow.post('/', texts(3), { requestSize: 1, signal }))
  await Promise.all(posts.map((post) => post.next()))
  await new Promise((resolve) => setImmediate(resolve))
  assert.is(warnings, 0)
  assert.equal(await Promise.all(posts.map((post) => post.drain())), Array(20).fill(2))
  process.off('warning', count)
})

test('flushAfter: a request that is not full goes out when the source idles, and only then', async () => {
  await using flow = await flowOf(() => {})
  const more = deferred<void>()
  const inputs = async function* () {
    yield 'a'
    yield 'b'
    await more.promise
    yield 'c'
  }
  const post = flow.post('/', inputs, { requestSize: 10, flushAfter: 5 })
  assert.equal((await within(1000, post.next())).value.docs.texts, ['a', 'b'])
  more.resolve()
  assert.equal((await within(1000, post.next())).value.docs.texts, ['c'])
  assert.is((await post.next()).done, true)
})

test('R20: a ping-pong client gets each answer before it gives the next document', async () => {
  await using flow = await flowOf(() => {})
  let door = deferred<void>()
  const inputs = async function* () {
    for (let i = 0; i < 5; i++) {
      yield `${i}`
      await door.promise
    }
  }
  const seen: string[] = []
  await within(
    3000,
    (async () => {
      for await (const response of flow.post('/', inputs, { requestSize: 100, flushAfter: 0 })) {
        seen.push(...response.docs.texts)
        const opened = door
        door = deferred<void>()
        opened.resolve()
      }
    })(),
  )
  assert.equal(seen, ['0', '1', '2', '3', '4'])
})

test('R20, R171: a source that waits for the answer to what it gave gets it by default, and with Infinity a full request', async () => {
  await using flow = await flowOf(() => {})
  const pingPong = () => {
    const doors = [0, 1, 2].map(() => deferred<void>())
    const inputs = async function* () {
      for (const [i, door] of doors.entries()) {
        yield `${i}`
        await door.promise
      }
    }
    return { doors, inputs }
  }
  for (const wrapped of [false, true]) {
    const { doors, inputs } = pingPong()
    const seen: string[] = []
    const run = (async () => {
      for await (const response of flow.post('/', wrapped ? async () => inputs() : inputs())) {
        seen.push(...response.docs.texts)
        doors[seen.length - 1]!.resolve()
      }
    })()
    await within(30_000, run)
    assert.equal(seen, ['0', '1', '2'])
  }
  const { doors, inputs } = pingPong()
  const post = flow.post('/', inputs, { flushAfter: Infinity })
  const next = post.next()
  await new Promise((resolve) => setTimeout(resolve, 250))
  assert.ok(await pending(next))
  for (const door of doors) door.resolve()
  assert.equal((await within(30_000, next)).value.docs.texts, ['0', '1', '2'])
})

test('R160: promises among the inputs are read as `for await` reads them, within the bound, and in full requests', async () => {
  await using flow = await flowOf(() => {})
  const later = (text: string) => new Promise<string>((resolve) => setImmediate(resolve, text))
  class Thenable {
    constructor(readonly text: string) {}
    then(done: (text: string) => void): void {
      done(this.text)
    }
  }
  const lists = {
    'all promises': () => [0, 1, 2, 3, 4, 5, 6].map((n) => later(`${n}`)),
    mixed: () => ['0', '1', '2', later('3'), '4', later('5'), '6'],
    'the last': () => ['0', '1', '2', '3', '4', '5', later('6')],
    thenables: () => [0, 1, 2, 3, 4, 5, 6].map((n) => new Thenable(`${n}`)),
  }
  const kinds = {
    array: (list: unknown[]) => list,
    generator: function* (list: unknown[]) {
      yield* list
    },
    function: (list: unknown[]) => () => list,
    'async function': (list: unknown[]) => async () => list,
    'another iterable': (list: unknown[]) => ({ [Symbol.iterator]: () => list.values() }),
  }
  for (const [where, list] of Object.entries(lists))
    for (const [kind, of] of Object.entries(kinds))
      for (const requestSize of [1, 2, 3, 4, 100, 0]) {
        const sizes: number[] = []
        const seen: string[] = []
        for await (const { docs } of flow.post('/', of(list()) as any, { requestSize, resultsInOrder: true })) {
          sizes.push(docs.length)
          seen.push(...docs.texts)
        }
        assert.equal(seen, ['0', '1', '2', '3', '4', '5', '6'], `${where}, ${kind}, ${requestSize}`)
        const size = requestSize || 7
        assert.equal(
          sizes,
          Array.from({ length: Math.ceil(7 / size) }, (_, i) => Math.min(size, 7 - i * size)),
          `${where}, ${kind}, ${requestSize}`,
        )
      }
  let begun = 0
  let received = 0
  const load = function* () {
    for (let n = 0; n < 20; n++) {
      assert.ok(++begun - received <= 3, 'within the bound')
      yield later(`${n}`)
    }
  }
  for await (const _ of flow.post('/', load as any, { requestSize: 1, prefetch: 3 })) {
    received++
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.is(received, 20)
})

test('R160: a promise that is rejected is a failure of the input, closes it, and none is unhandled, also of those never reached', async () => {
  const unhandled: unknown[] = []
  const hear = (reason: unknown) => void unhandled.push(String(reason))
  process.on('unhandledRejection', hear)
  await using flow = await flowOf(() => {})
  const load = async (n: number) => {
    if (n % 3 === 2) throw new Error(`404 for ${n}`)
    return `${n}`
  }
  const numbers = [0, 1, 2, 3, 4, 5]
  const tail = () => ['x', ...numbers.map(load)]
  for (const inputs of [() => numbers.map(load), tail, () => async () => numbers.map(load)]) {
    const seen: string[] = []
    const error: any = await (async () => {
      for await (const { docs } of flow.post('/', inputs() as any)) seen.push(...docs.texts)
    })().catch((error) => error)
    assert.is(error.message, '404 for 2')
    assert.equal(seen.slice(-2), ['0', '1'])
  }
  // A generator's next promise is not made before the last was there.
  let closed = 0
  const generator = function* () {
    try {
      for (const n of numbers) yield load(n)
    } finally {
      closed++
    }
  }
  for (const requestSize of [1, 2, 100]) {
    const error: any = await flow
      .post('/', generator() as any, { requestSize })
      .drain()
      .catch((error) => error)
    assert.is(error.message, '404 for 2')
  }
  assert.is(closed, 3)
  // Never begun, left at once, and left while one is awaited.
  flow.post('/', numbers.map(load) as any)
  for await (const _ of flow.post('/', numbers.map(load) as any, { requestSize: 1, prefetch: 1 })) break
  const hangs = flow.post('/', [new Promise(() => {}), ...numbers.map(load)] as any)
  const next = hangs.next()
  await new Promise((resolve) => setImmediate(resolve))
  await within(5000, hangs.return())
  assert.is((await within(5000, next)).done, true)
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', hear)
  assert.equal(unhandled, [])
})

test('216: what is no document is named by its position, also behind promises', async () => {
  await using flow = await flowOf(() => {})
  const list = ['0', '1', '2', Promise.resolve('3'), '4', 5]
  const kinds: Record<string, () => unknown> = {
    array: () => list,
    set: () => new Set(list),
    'async generator': async function* () {
      yield* list as any
    },
  }
  for (const [kind, inputs] of Object.entries(kinds))
    for (const requestSize of [1, 2, 4, 100])
      await fails(() => flow.post('/', inputs() as any, { requestSize }).drain(), 'ERR_INPUT', /^Input 5 of post\(\)/).catch((error) =>
        assert.unreachable(`${kind}, ${requestSize}: ${error.message}`),
      )
})

test('R168: inputs that come when nobody wants them any more are closed', async () => {
  await using flow = await flowOf(() => {})
  for (const how of ['return', 'abort'])
    for (const kind of ['iterable', 'generator of its own', 'stream', 'rejected promises', 'nothing']) {
      const controller = new AbortController()
      const [asked, opened] = [deferred<void>(), deferred<unknown>()]
      const post = flow.post(
        '/',
        () => {
          asked.resolve()
          return opened.promise as any
        },
        { signal: controller.signal },
      )
      const next = post.next().catch(() => {})
      await asked.promise
      if (how === 'return') await within(5000, post.return())
      else controller.abort()
      await within(5000, next)
      const source = { reads: 0, returns: 0 }
      const iterable = {
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: ++source.reads > 0, value: undefined }),
          return: async () => ({ done: ++source.returns > 0, value: undefined }),
        }),
      }
      const stream = Readable.from(['a'])
      if (kind === 'iterable') opened.resolve(iterable)
      else if (kind === 'stream') opened.resolve(stream)
      else if (kind === 'rejected promises') opened.resolve([Promise.reject(new Error('late'))])
      else if (kind === 'nothing') opened.resolve(undefined)
      else opened.resolve((async function* () {})())
      await until(() => (kind === 'iterable' ? source.returns > 0 : kind !== 'stream' || stream.destroyed))
      if (kind === 'iterable') assert.equal(source, { reads: 0, returns: 1 })
      if (kind === 'stream') assert.ok(stream.destroyed)
      stream.destroy()
    }
})

test('R168: a stream that is given is destroyed, however early the post ends', async () => {
  await using flow = await flowOf(() => {})
  // Where the turn of the event loop is used up, it is opened, and read in the next: then its iterator closes nothing by itself.
  for (const [how, through] of ['return', 'abort'].flatMap((how) => ['post', 'a turn that is used up', 'inFlight'].map((through) => [how, through]))) {
    const controller = new AbortController()
    const stream = Readable.from(['a', 'b'])
    const { signal } = controller
    const post = through === 'inFlight' ? inFlight(stream, (item) => item, { limit: 1, signal }) : flow.post('/', stream, { signal })
    const next = post.next().catch(() => {})
    if (through !== 'post') for (const began = performance.now(); performance.now() - began < 15; );
    if (how === 'return') await within(5000, post.return!())
    else controller.abort()
    await within(5000, next)
    await until(() => stream.destroyed)
    assert.ok(stream.destroyed, `${how} ${through}`)
  }
})

test('R208: sources and proxies that throw wherever they are touched fail the post, and nothing else', async () => {
  await using flow = await flowOf(() => {})
  const broken = new Error('trap')
  const trap = (target: object, from: number): any => {
    let touched = 0
    const touch = <A extends unknown[], R>(reflect: (...rest: A) => R) => {
      return (...rest: A): R => {
        if (touched++ >= from) throw broken
        return reflect(...rest)
      }
    }
    return new Proxy(target, {
      get: touch(Reflect.get),
      has: touch(Reflect.has),
      getPrototypeOf: touch(Reflect.getPrototypeOf),
      ownKeys: touch(Reflect.ownKeys),
    })
  }
  const step = (from: number) => trap({ done: false, value: 'x' }, from)
  const kinds: Record<string, (from: number) => unknown> = {
    array: (from) => trap(['a', 'b'], from),
    'sync, throws in next': () => ({
      [Symbol.iterator]: () => ({
        next: () => {
          throw broken
        },
      }),
    }),
    'async, throws in next': () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          throw broken
        },
      }),
    }),
    'sync step': (from) => ({ [Symbol.iterator]: () => ({ next: () => step(from) }) }),
    'async step': (from) => ({ [Symbol.asyncIterator]: () => ({ next: async () => step(from) }) }),
    'a promise that cannot be touched': (from) => ({ [Symbol.asyncIterator]: () => ({ next: () => trap(Promise.resolve({ done: true }), from) }) }),
    iterator: (from) => ({ [Symbol.asyncIterator]: () => trap({ next: async () => ({ done: true }) }, from) }),
    item: (from) => [trap({ text: 'x' }, from)],
    'item of an async source': async function* (from) {
      yield trap({ text: 'x' }, from)
    },
  }
  for (const [kind, source] of Object.entries(kinds))
    for (const from of [0, 1, 2, 3, 5, 8]) {
      const run = async () => {
        for await (const _ of flow.post('/', source(from) as any, { requestSize: 1 })) break
      }
      const error: any = await within(
        5000,
        run().catch((error) => error),
      )
      if (error !== undefined) assert.ok(error === broken || error.cause === broken || error instanceof TypeError, `${kind}, ${from}: ${error}`)
    }
  assert.is(await flow.post('/', 'x').drain(), 1)
})

test('F2: post() outside of open() says what to do', async () => {
  const flow = new Flow().add({ uses: () => {} })
  assert.throws(
    () => flow.post('/'),
    (error: any) => error instanceof FlowStateError && error.code === 'ERR_FLOW_NOT_OPEN' && /Open it first/.test(error.message),
  )
  await flow.open()
  const post = flow.post('/', 'x')
  await flow.close()
  assert.throws(() => flow.post('/'), /not open/)
  await fails(() => post.next(), 'ERR_FLOW_NOT_OPEN')
})

test('R86: options are checked at the call', async () => {
  await using flow = await flowOf(() => {})
  const refused: [any, string][] = [
    [{ requestSize: Number.NaN }, 'ERR_OPTION_RANGE'],
    [{ requestSize: 1.5 }, 'ERR_OPTION_RANGE'],
    [{ requestSize: '10' }, 'ERR_OPTION_TYPE'],
    [{ requestSize: null }, 'ERR_OPTION_TYPE'],
    [{ prefetch: -1 }, 'ERR_OPTION_RANGE'],
    [{ prefetch: Number.NaN }, 'ERR_OPTION_RANGE'],
    [{ prefetch: 2.5 }, 'ERR_OPTION_RANGE'],
    [{ prefetch: '4' }, 'ERR_OPTION_TYPE'],
    [{ flushAfter: -1 }, 'ERR_OPTION_RANGE'],
    [{ flushAfter: 0x80000000 }, 'ERR_OPTION_RANGE'],
    [{ flushAfter: Number.NaN }, 'ERR_OPTION_RANGE'],
    [{ signal: {} }, 'ERR_OPTION_TYPE'],
    [{ onDone: 1 }, 'ERR_OPTION_TYPE'],
    [{ parameters: [] }, 'ERR_OPTION_TYPE'],
    [{ targetExecutor: /x/ }, 'ERR_OPTION_TYPE'],
    [{ continueOnError: 'yes' }, 'ERR_OPTION_TYPE'],
    [{ request_size: 10 }, 'ERR_OPTION_TYPE'],
  ]
  for (const [options, code] of refused) {
    assert.throws(
      () => flow.post('/', 'x', options),
      (error: any) =>
        error.code === code && error instanceof (code === 'ERR_OPTION_TYPE' ? TypeError : RangeError) && error.message.includes(Object.keys(options)[0]!),
      JSON.stringify(options),
    )
  }
  assert.throws(() => flow.post(undefined as any), /endpoint/)
  assert.is(await flow.post('/', texts(3), { requestSize: 1e12 }).drain(), 1)
})

test('R21: documents travel by reference: an executor changes the very document that was given', async () => {
  await using flow = await flowOf(({ docs }) => {
    for (const doc of docs) doc.tags.seen = true
  })
  const document = new Document({ text: 'a' })
  const init = { text: 'b', tags: { own: 1 } }
  const docs = await flow.post('/', [document, init]).docs()
  assert.is(docs[0], document)
  assert.is(document.tags.seen, true)
  assert.equal(init, { text: 'b', tags: { own: 1 } })
})

test('await using closes a post that was begun', async () => {
  await using flow = await flowOf(() => {})
  let closed = 0
  {
    await using post = flow.post('/', function* () {
      try {
        for (;;) yield 'x'
      } finally {
        closed++
      }
    })
    await post.next()
  }
  assert.is(closed, 1)
})

test('prefetchDocuments: never more documents between input and consumer, with any request size and prefetch', async () => {
  for (const [prefetchDocuments, requestSize, prefetch] of [
    [1, 100, 16],
    [7, 3, 16],
    [50, 100, 16],
    [64, 4, 2],
    [10, 0, 0],
  ] as const) {
    let under = 0
    let most = 0
    await using flow = await new Flow().add({ uses: () => new Promise<void>((done) => void setImmediate(done)) }).open()
    const inputs = (function* () {
      for (let i = 0; i < 100; i++) {
        most = Math.max(most, ++under)
        yield `${i}`
      }
    })()
    let seen = 0
    for await (const { docs } of flow.post('/', inputs, { prefetchDocuments, requestSize, prefetch })) {
      under -= docs.length
      seen += docs.length
    }
    assert.is(seen, 100)
    assert.ok(most <= prefetchDocuments, `${most} of ${prefetchDocuments}`)
    assert.ok(most >= Math.min(prefetchDocuments - requestSize, 4), `${most} of ${prefetchDocuments}`)
  }
  await using flow = await new Flow().open()
  for (const name of ['prefetchDocuments', 'maxDocuments']) assert.throws(() => flow.post('/', [], { [name]: 0 }), new RegExp(`${name} must be an integer ≥ 1`))
})

/** How many documents are read ahead of the consumer, who takes one response. */
async function ahead(post: (inputs: Iterable<string>) => AsyncIterableIterator<unknown>): Promise<number> {
  let read = 0
  const responses = post(
    (function* () {
      for (; read < 1000; read++) yield `${read}`
    })(),
  )
  await responses.next()
  await new Promise((resolve) => setImmediate(resolve))
  await responses.return!()
  return read
}

test('prefetchDocuments of a Flow is that of its posts, of index(), transform() and map() too, which may say otherwise', async () => {
  await using flow = await new Flow({ prefetchDocuments: 4 }).add({ uses: async () => {} }).open()
  const few: [string, (inputs: Iterable<string>) => AsyncIterableIterator<unknown>][] = [
    ['post', (inputs) => flow.post('/', inputs)],
    ['index', (inputs) => flow.index(inputs)],
    ['transform', (inputs) => flow.transform('/')(inputs)],
    ['map', (inputs) => flow.map(inputs)],
    ['less', (inputs) => flow.post('/', inputs, { prefetchDocuments: 2, requestSize: 1 })],
    ['with the old name', (inputs) => flow.post('/', inputs, { maxDocuments: 2, requestSize: 1 })],
  ]
  for (const [name, post] of few) {
    const read = await ahead(post)
    assert.ok(read <= 4 + 4, `${name} read ${read}`)
  }
  assert.is(await ahead((inputs) => flow.post('/', inputs, { prefetchDocuments: Infinity })), 1000, 'its own wins')
  await using plain = await new Flow().add({ uses: async () => {} }).open()
  assert.is(await ahead((inputs) => plain.post('/', inputs)), 1000)
})

/** Inputs without end, and a promise that they are closed. */
const endless: Record<string, (closed: () => void) => Iterable<string> | AsyncIterable<string>> = {
  'a stream': (closed) => Readable.from(Array(1000).fill('x')).on('close', closed),
  'a generator that was begun': (closed) => {
    const lines = (function* () {
      try {
        for (;;) yield 'x'
      } finally {
        closed()
      }
    })()
    lines.next()
    return lines
  },
  'an async iterable': (closed) => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false as const, value: 'x' }),
      async return() {
        closed()
        return { done: true as const, value: undefined }
      },
    }),
  }),
}

for (const [what, inputs] of Object.entries(endless))
  test(`return() closes ${what} once, also where what reads it is still being opened`, async () => {
    await using flow = await new Flow().add({ uses: () => {} }).open()
    const entries: Record<string, (source: any) => AsyncIterableIterator<unknown>> = {
      post: (source) => flow.post('/', source),
      ordered: (source) => flow.post('/', source, { resultsInOrder: true }),
      transform: (source) => flow.transform('/')(source),
      map: (source) => flow.map(source),
    }
    for (const [name, enter] of Object.entries(entries)) {
      let times = 0
      const closed = deferred<void>()
      const results = enter(
        inputs(() => {
          times++
          closed.resolve()
        }),
      )
      const next = results.next()
      await within(5000, results.return!())
      await within(5000, next)
      await within(5000, closed.promise)
      await new Promise((resolve) => setImmediate(resolve))
      assert.is(times, 1, name)
    }
  })

test.run()
