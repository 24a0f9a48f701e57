// each(): one call a document, and an outcome for each.
import { AsyncLocalStorage } from 'node:async_hooks'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Call, Document, type EachCall, Executor, each, type Failure, Flow } from '../../lib/index.js'
import { deferred } from '../support/deferred.js'
import { within } from '../support/within.js'

const texts = (docs: Iterable<Document>) => Array.from(docs, ({ text }) => text)
const turns = async (count = 5) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate)
}

/** Opens a Flow of one executor. */
const flowOf = (uses: any, options: object = {}) => new Flow({ closeTimeout: 50 }).add({ name: 'one', uses, ...options }).open()

test('each: documents are changed in place, replaced, multiplied and dropped, in their order', async () => {
  await using flow = await flowOf(
    each((doc) => {
      if (doc.text === 'drop') return null
      if (doc.text === 'two') return [doc, { text: 'second' }]
      if (doc.text === 'none') return []
      if (doc.text === 'other') return { text: 'another' }
      doc.tags.seen = true
    }),
  )
  const docs = await flow.post('/', ['a', 'drop', 'two', 'none', 'other', 'b']).docs()
  assert.equal(texts(docs), ['a', 'two', 'second', 'another', 'b'])
  assert.equal(docs[0]!.tags, { seen: true })
})

test('each: a document that fails is tried again alone, then leaves alone; nothing of its tries is left', async () => {
  const calls = new Map<string, number>()
  await using flow = await flowOf(
    each(
      (doc, { attempt }) => {
        calls.set(doc.text, (calls.get(doc.text) ?? 0) + 1)
        doc.tags.tries = ((doc.tags.tries as number | undefined) ?? 0) + 1
        if (doc.text === 'bad') throw new Error('never')
        if (doc.text === 'once' && attempt === 1) throw new Error('not yet')
      },
      { retries: 2, delay: 0 },
    ),
  )
  const seen: Failure[] = []
  const [response] = await flow.post('/', ['a', 'bad', 'once', 'b'], { onFailure: (failure) => void seen.push(failure) }).toArray()
  assert.equal(texts(response!.docs), ['a', 'once', 'b'])
  assert.equal(
    response!.docs.map(({ tags }) => tags.tries),
    [1, 1, 1],
  )
  assert.equal(Object.fromEntries(calls), { a: 1, bad: 3, once: 2, b: 1 })
  assert.equal(response!.failures.length, 1)
  assert.is(seen[0], response!.failures[0])
  const { doc, executor, error, attempts } = seen[0]!
  assert.equal([doc.text, executor, attempts], ['bad', 'one', 3])
  assert.match(error.message, /^one failed at \/ for document \S+ of request \S+: never$/)
  assert.is((error.cause as Error).message, 'never')
  assert.is(response!.status.code, 'SUCCESS')
})

test('each: without anybody who looks at failures, the first ends the post behind all before it', async () => {
  await using flow = await flowOf(each((doc) => (doc.text === 'bad' ? Promise.reject(new Error('no')) : undefined)))
  const seen: string[] = []
  try {
    for await (const { docs } of flow.post('/', ['a', 'b', 'bad', 'c'], { requestSize: 1, prefetch: 2, resultsInOrder: true })) seen.push(...texts(docs))
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /^one failed at \/ for document \S+ of request \S+: no$/)
  }
  assert.equal(seen, ['a', 'b'])
})

test('each: what answers nonsense fails its document, and is not tried again', async () => {
  let calls = 0
  await using flow = await flowOf(
    each(
      (doc) => {
        calls++
        return doc.text === 'bad' ? (42 as never) : undefined
      },
      { retries: 5, delay: 0 },
    ),
  )
  const [response] = await flow.post('/', ['bad', 'a'], { continueOnError: true }).toArray()
  assert.equal(texts(response!.docs), ['a'])
  assert.match(response!.failures[0]!.error.message, /returned 42.*: return nothing, null, a document or documents/)
  assert.is((response!.failures[0]!.error as any).code, 'ERR_EXECUTOR_RESULT')
  assert.is(calls, 2)
})

test('each: concurrency counts documents of all requests, of each replica; it is exact and it is used', async () => {
  const running = new Map<unknown, number>()
  const most = new Map<unknown, number>()
  class Model extends Executor {
    static requests = {
      '/default': each<any>(
        async function (this: unknown) {
          const now = (running.get(this) ?? 0) + 1
          running.set(this, now)
          most.set(this, Math.max(now, most.get(this) ?? 0))
          await turns(1)
          running.set(this, running.get(this)! - 1)
        },
        { concurrency: 3 },
      ),
    }
  }
  await using flow = await flowOf(Model, { parallel: 2 })
  const posts = Array.from({ length: 3 }, (_, at) =>
    flow
      .post(
        '/',
        Array.from({ length: 40 }, (_, i) => `${at} ${i}`),
        { requestSize: 7 },
      )
      .docs(),
  )
  assert.equal(
    (await Promise.all(posts)).map(({ length }) => length),
    [40, 40, 40],
  )
  assert.equal([...most.values()], [3, 3])
})

test('each: in any run, never more than concurrency, nothing lost or doubled, only failed documents repeated', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        sizes: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 5 }),
        concurrency: fc.integer({ min: 1, max: 6 }),
        retries: fc.integer({ min: 0, max: 2 }),
        parallel: fc.integer({ min: 1, max: 2 }),
        fails: fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
        waits: fc.infiniteStream(fc.integer({ min: -1, max: 3 })),
      }),
      async ({ sizes, concurrency, retries, parallel, fails, waits }) => {
        const running = new Map<unknown, number>()
        const calls = new Map<string, number>()
        const failsOf = new Map<string, number>()
        let above = 0
        const uses = each<any>(
          function (this: unknown, doc): void | Promise<void> {
            const now = (running.get(this) ?? 0) + 1
            running.set(this, now)
            if (now > concurrency) above++
            const call = (calls.get(doc.text) ?? 0) + 1
            calls.set(doc.text, call)
            if (!failsOf.has(doc.text)) failsOf.set(doc.text, fails.next().value)
            const leave = () => {
              running.set(this, running.get(this)! - 1)
              if (call <= failsOf.get(doc.text)!) throw new Error('as planned')
            }
            const wait = waits.next().value
            return wait < 0 ? leave() : turns(wait).then(leave)
          },
          { concurrency, retries, delay: 0 },
        )
        await using flow = await flowOf(uses, { parallel })
        const asked = sizes.map((size, at) => Array.from({ length: size }, (_, i) => `${at} ${i}`))
        const answers = await Promise.all(
          asked.map((inputs) => flow.post('/', inputs, { requestSize: 4, resultsInOrder: true, continueOnError: true }).toArray()),
        )
        assert.is(above, 0)
        answers.forEach((responses, at) => {
          const good = responses.flatMap(({ docs }) => texts(docs))
          const bad = responses.flatMap(({ failures }) => failures.map(({ doc }) => doc.text))
          assert.equal(
            good,
            asked[at]!.filter((text) => failsOf.get(text)! <= retries),
          )
          assert.equal(bad.sort(), asked[at]!.filter((text) => failsOf.get(text)! > retries).sort())
        })
        for (const [text, count] of calls) assert.is(count, Math.min(failsOf.get(text)!, retries) + 1)
      },
    ),
    { numRuns: 60, seed: 11 },
  )
})

test('each: in no time of the length of its rate more than the limit, by count and by weight, over all replicas', async () => {
  const begun: { time: number; weight: number }[] = []
  const weight = (doc: Document) => doc.text.length
  await using flow = await flowOf(
    each(
      (doc) => {
        begun.push({ time: performance.now(), weight: weight(doc as Document) })
        return turns(1)
      },
      {
        concurrency: 50,
        rate: [
          { limit: 10, per: 60 },
          { limit: 30, per: 50, weight },
        ],
      },
    ),
    { parallel: 2 },
  )
  const docs = await within(
    20_000,
    flow
      .post(
        '/',
        Array.from({ length: 60 }, (_, at) => 'x'.repeat(1 + (at % 7))),
        { requestSize: 9 },
      )
      .docs(),
  )
  assert.is(docs.length, 60)
  for (const { time } of begun) {
    assert.ok(begun.filter((other) => other.time >= time && other.time < time + 60).length <= 10)
    const sum = begun.filter((other) => other.time >= time && other.time < time + 50).reduce((sum, { weight }) => sum + weight, 0)
    assert.ok(sum <= 30, `${sum}`)
  }
})

test('each: a document that weighs more than the limit, or nonsense, fails by itself', async () => {
  await using flow = await flowOf(each(() => {}, { rate: { limit: 5, per: 1, weight: ({ text }) => (text === 'none' ? Number.NaN : text.length) } }))
  const [response] = await flow.post('/', ['a', 'too heavy', 'none', 'b'], { continueOnError: true }).toArray()
  assert.equal(texts(response!.docs), ['a', 'b'])
  assert.equal(
    response!.failures.map(({ error }) => error.message.replace(/^.*: /, '')),
    ['What weight of rate gives must be a number from 0 to its limit, 5, not 9', 'What weight of rate gives must be a number from 0 to its limit, 5, not NaN'],
  )
})

test('each: retryAfter of a failure holds for all documents, in each of its forms', async () => {
  for (const retryAfter of [30, new Date(Date.now() + 1100), '1']) {
    const least = retryAfter === 30 ? 30 : 900
    let asked: number | undefined
    const early: number[] = []
    const again: number[] = []
    await using flow = await flowOf(
      each(
        (doc, { attempt }) => {
          if (asked !== undefined && performance.now() - asked < least) early.push(performance.now() - asked)
          if (doc.text === 'busy' && attempt === 1) {
            asked = performance.now()
            throw Object.assign(new Error('429'), { retryAfter })
          }
          if (attempt > 1) again.push(attempt)
        },
        { concurrency: 1, retries: 1, delay: 0 },
      ),
      { parallel: 2 },
    )
    await within(10_000, flow.post('/', ['a', 'busy', 'b', 'c'], { requestSize: 1 }).docs())
    assert.equal(early, [])
    assert.equal(again, [2])
  }
})

test('each: attemptTimeout aborts the try, and a call that does not listen keeps its place until it ends', async () => {
  const door = deferred<void>()
  const aborted = deferred<unknown>()
  let second = false
  await using flow = await flowOf(
    each(
      async (doc, { signal }) => {
        if (doc.text !== 'slow') {
          second = true
          return
        }
        signal.addEventListener('abort', () => aborted.resolve(signal.reason))
        await door.promise
      },
      { concurrency: 1, attemptTimeout: 300 },
    ),
  )
  const post = flow.post('/', ['slow', 'next'], { continueOnError: true }).toArray()
  assert.match(((await within(5000, aborted.promise)) as Error).message, /took longer than 300 ms/)
  await turns()
  assert.not(second)
  door.resolve()
  const [response] = await within(5000, post)
  assert.equal(texts(response!.docs), ['next'])
  assert.is((response!.failures[0]!.error as any).code, 'ERR_EXECUTOR_TIMEOUT')
})

test('each: a call that never ends gives its place back after as long again', async () => {
  await using flow = await flowOf(each((doc) => (doc.text === 'hung' ? new Promise(() => {}) : undefined), { concurrency: 1, attemptTimeout: 20 }))
  const [response] = await within(5000, flow.post('/', ['hung', 'next'], { continueOnError: true }).toArray())
  assert.equal(texts(response!.docs), ['next'])
})

test('each: an abort stops what is in work, begins nothing more, and leaves no timer', async () => {
  const begun: string[] = []
  const all = deferred<void>()
  await using flow = await flowOf(
    each(
      (doc, { signal }) => {
        begun.push(doc.text)
        if (begun.length === 2) all.resolve()
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
      { concurrency: 2, retries: 3 },
    ),
  )
  const abort = new AbortController()
  const post = flow.post('/', ['a', 'b', 'c', 'd'], { signal: abort.signal, continueOnError: true }).toArray()
  post.catch(() => {})
  await all.promise
  abort.abort(new Error('enough'))
  try {
    await within(5000, post)
    assert.unreachable()
  } catch (error) {
    assert.is((error as Error).message, 'enough')
  }
  await turns()
  assert.equal(begun, ['a', 'b'])
})

test('each: a document that cannot be copied fails by itself, where its tries need copies', async () => {
  await using flow = await flowOf(each((doc) => void (doc.tags.seen = true), { retries: 1, delay: 0 }))
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const poisoned = new Document({ text: 'poisoned' })
  poisoned.tags = circular
  const [response] = await within(5000, flow.post('/', [poisoned, 'a'], { continueOnError: true }).toArray())
  assert.equal([response!.docs.length + response!.failures.length, response!.docs.at(-1)!.text], [2, 'a'])
})

test('each: who waits for the rate and is not wanted any more leaves no timer', async () => {
  await using flow = await flowOf(each(() => {}, { rate: { limit: 1, per: 'hour' } }))
  const abort = new AbortController()
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const post = flow.post('/', ['a', 'b'], { signal: abort.signal }).drain()
  post.catch(() => {})
  await turns()
  assert.ok(timers() > before)
  abort.abort()
  await post.catch(() => {})
  await turns()
  assert.is(timers(), before)
})

test('141: each document is in the async context of its own post, whoever gave its place away', async () => {
  const storage = new AsyncLocalStorage<string>()
  const wrong: string[] = []
  const uses = each(
    async (doc) => {
      if (!doc.text.startsWith(storage.getStore()!)) wrong.push(doc.text)
      await turns(1)
      if (!doc.text.startsWith(storage.getStore()!)) wrong.push(doc.text)
      if (doc.text.endsWith('3')) throw new Error('again')
    },
    { concurrency: 2, retries: 1, delay: 0, rate: { limit: 4, per: 3 } },
  )
  await using flow = await flowOf(uses)
  const post = (who: string) =>
    storage.run(who, () =>
      flow
        .post(
          '/',
          Array.from({ length: 12 }, (_, at) => `${who}${at}`),
          { requestSize: 5, continueOnError: true },
        )
        .toArray(),
    )
  await within(10_000, Promise.all([post('a'), post('b')]))
  assert.equal(wrong, [])
})

test('each: the pieces of a document are partial answers, and its last versions the whole', async () => {
  await using flow = await flowOf(
    each(async function* (doc) {
      if (doc.text === 'plain') return
      doc.tags.at = 1
      yield
      yield [
        { id: doc.id, text: 'done' },
        { id: `${doc.id}x`, text: 'more' },
      ]
    }),
  )
  const all = await flow
    .post('/', [
      { id: '1', text: 'a' },
      { id: '2', text: 'plain' },
      { id: '3', text: 'c' },
    ])
    .toArray()
  const parts = all.filter(({ partial }) => partial)
  assert.equal(parts.length, 4)
  assert.equal(texts(all.at(-1)!.docs), ['done', 'more', 'plain', 'done', 'more'])
})

test('each: call.fail() of any executor takes a document out; batches deal failures back to whom they belong', async () => {
  // Taken out of the call, as all else may be.
  const uses = ({ docs, fail }: Call) => {
    for (const doc of docs) if (doc.text.startsWith('bad')) fail(doc, new Error('bad text'))
  }
  for (const options of [{}, { dynamicBatching: { preferredBatchSize: 5, timeout: 10 } }, { parallel: 2 }, { retries: 2 }]) {
    await using flow = await flowOf(uses, options)
    const responses = await flow
      .post('/', ['a', 'bad 1', 'b', 'bad 2', 'c', 'bad 3'], { requestSize: 2, continueOnError: true, resultsInOrder: true })
      .toArray()
    assert.equal(
      responses.map(({ docs, failures }) => [texts(docs), failures.map(({ doc }) => doc.text)]),
      [
        [['a'], ['bad 1']],
        [['b'], ['bad 2']],
        [['c'], ['bad 3']],
      ],
    )
    for (const { requestId, failures } of responses) assert.is((failures[0]!.error as any).requestId, requestId)
  }
})

test('each: in a graph, a document that failed in a branch leaves that branch; the failure is told once', async () => {
  const failing = each((doc) => {
    if (doc.text === 'bad') throw new Error('no')
    doc.tags.left = true
  })
  await using flow = await new Flow()
    .add({ name: 'first', uses: each((doc) => (doc.text === 'early' ? Promise.reject(new Error('early')) : undefined)) })
    .add({ name: 'left', uses: failing, needs: 'first' })
    .add({ name: 'right', uses: each((doc) => void (doc.tags.right = true)), needs: 'first' })
    .add({ name: 'joined', needs: ['left', 'right'], join: 'merge' })
    .open()
  const [response] = await flow.post('/', ['a', 'bad', 'early'], { continueOnError: true }).toArray()
  assert.equal(
    response!.docs.map(({ text, tags }) => [text, tags]),
    [
      ['a', { left: true, right: true }],
      ['bad', { right: true }],
    ],
  )
  assert.equal(
    response!.failures.map(({ doc, executor }) => [doc.text, executor]),
    [
      ['early', 'first'],
      ['bad', 'left'],
    ],
  )
})

test('each: failures of a floating executor go to onBackgroundError', async () => {
  const heard: string[] = []
  {
    await using flow = await new Flow({ onBackgroundError: (error) => void heard.push(error.message) })
      .add({ uses: () => {} })
      .add({ name: 'aside', floating: true, uses: each((doc) => (doc.text === 'bad' ? Promise.reject(new Error('no')) : undefined)) })
      .open()
    const [response] = await flow.post('/', ['a', 'bad']).toArray()
    assert.equal([texts(response!.docs), response!.failures], [['a', 'bad'], []])
  }
  assert.is(heard.length, 1)
  assert.match(heard[0]!, /^aside failed at \/ for document/)
})

test('each: bound to an endpoint of a class, with this, parameters and who asks', async () => {
  class Two extends Executor<{ by: number }> {
    static requests = {
      '/add': each<any, { more: number }>(function (this: Two, doc: Document<any>, { parameters, endpoint, requestId }: EachCall<{ more: number }>) {
        doc.tags = { sum: doc.tags.n + this.config.by + parameters.more, endpoint, id: requestId.length }
      } as never),
      '/other': 'other',
    }
    other({ docs }: Call): void {
      docs[0]!.text = 'other'
    }
  }
  await using flow = await new Flow().add({ uses: Two, usesWith: { by: 10 } }).open()
  assert.equal((await flow.post('/add', [{ tags: { n: 1 } }], { parameters: { more: 100 } }).docs())[0]!.tags, { sum: 111, endpoint: '/add', id: 32 })
  assert.is((await flow.post('/other', ['x']).docs())[0]!.text, 'other')
})

test('each: a short arrow that gives a text replaces nothing, and says so', async () => {
  await using flow = await flowOf(each(((doc: Document) => (doc.tags.summary = doc.text)) as never))
  const [response] = await flow
    .post('/', ['a'])
    .toArray()
    .catch((error) => [error])
  assert.match(String(response), /returned "a" .*return nothing, null, a document or documents/)
})

test('each: batches deal failures back by their place, where documents failed as copies, too', async () => {
  const bad = each((doc) => (doc.text === 'b' ? Promise.reject(new Error('no')) : undefined))
  const batching = { dynamicBatching: { preferredBatchSize: 4, timeout: 5 } }
  let replica = 0
  class Half extends Executor {
    readonly mine = replica++
    static requests = { '/default': 'run' }
    run(call: Call): void {
      for (const doc of call.docs) if (doc.text === 'b' && this.mine % 2 === 0) call.fail(doc, new Error('here'))
    }
  }
  for (const [uses, options, texts_] of [
    [bad, { retries: 1, ...batching }, ['a', 'c', 'd']],
    [bad, { replicas: 2, polling: 'ALL', ...batching }, ['a', 'c', 'd']],
    [Half, { replicas: 2, polling: 'ALL', ...batching }, ['a', 'b', 'c', 'd']],
    [Half, { replicas: 2, polling: 'ALL' }, ['a', 'b', 'c', 'd']],
  ] as const) {
    await using flow = await flowOf(uses, options)
    const [response] = await flow.post('/', ['a', 'b', 'c', 'd'], { continueOnError: true }).toArray()
    assert.equal(texts(response!.docs), texts_)
    assert.equal([...new Set(response!.failures.map(({ doc }) => doc.text))], ['b'])
  }
})

test('each: where all documents failed, executors behind are not called, and the failure is the one to be told', async () => {
  let called = 0
  await using flow = await new Flow()
    .add({ name: 'first', uses: each(() => Promise.reject(new Error('401'))) })
    .add({
      name: 'second',
      uses: ({ docs }) => {
        called++
        void docs[0]!.tags
      },
    })
    .open()
  try {
    await flow.post('/', ['a', 'b']).drain()
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /^first failed .*401$/)
  }
  assert.is(called, 0)
})

test('each: a request that is given up before or while its first documents begin costs no more calls', async () => {
  for (const asynchronous of [false, true]) {
    let calls = 0
    const abort = new AbortController()
    await using flow = await flowOf(
      each(
        () => {
          calls++
          abort.abort(new Error('stop'))
          return asynchronous ? turns(1) : undefined
        },
        { concurrency: 1 },
      ),
    )
    try {
      await within(5000, flow.post('/', Array.from({ length: 50 }, String), { signal: abort.signal }).drain())
      assert.unreachable()
    } catch (error) {
      assert.is((error as Error).message, 'stop')
    }
    await turns()
    assert.is(calls, 1)
  }
})

test('each: a generator that throws at once is tried again, and its failure is its own', async () => {
  let calls = 0
  await using flow = await flowOf(
    each(
      // biome-ignore lint/correctness/useYield: it throws before
      function* (): Generator<Document> {
        calls++
        throw new Error('busy')
      },
      { retries: 2, delay: 0 },
    ),
  )
  const [response] = await flow.post('/', ['a'], { continueOnError: true }).toArray()
  assert.equal([calls, response!.failures[0]!.attempts, response!.failures[0]!.error.code], [3, 3, 'ERR_EXECUTOR'])
})

test('each: what a late call does to its document is not seen', async () => {
  const door = deferred<void>()
  await using flow = await flowOf(
    each(
      async (doc) => {
        await door.promise
        doc.tags.late = true
      },
      { attemptTimeout: 20 },
    ),
  )
  const [response] = await flow.post('/', ['a'], { continueOnError: true }).toArray()
  door.resolve()
  await turns()
  assert.equal(response!.failures[0]!.doc.tags, {})
})

test('each: options that cannot be are refused by name', () => {
  const bad: [object, RegExp][] = [
    [{ concurrency: 0 }, /concurrency must be an integer ≥ 1/],
    [{ rate: { limit: 0, per: 'second' } }, /limit must be a number > 0/],
    [{ rate: { limit: 0.5, per: 'second' } }, /limit of rate must be at least 1, which is what a document counts/],
    [{ attemptTimeout: 0 }, /attemptTimeout must be/],
    [{ rate: { limit: 1 } }, /per of rate must be milliseconds, or one of second, minute, hour, day, not undefined/],
    [{ rate: { limit: 1, per: 'week' } }, /per must be milliseconds/],
    [{ retries: -1 }, /retries must be an integer ≥ 0/],
    [{ attemptTimeout: '1s' }, /attemptTimeout must be a number of milliseconds/],
    [{ concurency: 1 }, /^each\(\) has no option "concurency"\. Did you mean concurrency\?$/],
  ]
  for (const [options, message] of bad) assert.throws(() => each(() => {}, options), message)
  assert.throws(() => each('x' as never), /What each\(\) calls must be a function/)
})

test.run()
