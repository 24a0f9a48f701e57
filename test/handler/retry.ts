// Time and attempts: what is tried again, how often, where, and what is left of an attempt that failed.
import '../support/clock.js'

import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Retry } from '../../lib/handler/retry.js'
import { type AddOptions, type Call, Document, DocumentArray, Executor, ExecutorError, Flow } from '../../lib/index.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { fake } from '../support/clock.js'
import { type Deferred, deferred } from '../support/deferred.js'
import { turn as oneTurn, pending } from '../support/turn.js'
import { within } from '../support/within.js'

/** Turns of the event loop, more than one: what was under way for long steps aside for a turn. */
const turn = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await oneTurn()
}

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const failure = (promise: Promise<unknown>): Promise<any> =>
  within(
    2000,
    promise.then(
      () => assert.unreachable('It was to fail'),
      (error) => error,
    ),
  )
const hang = (): Promise<never> => new Promise(() => {})
/** So short that nobody waits. */
const soon = { delay: 1, maxDelay: 1 }

const flowOf = (uses: AddOptions['uses'], options: AddOptions, flow = {}): Promise<Flow<string>> =>
  new Flow<string>(flow).add({ name: 'only', uses, ...options } as any).open()

/** Timers that hold the process. */
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

// ── timeout ──────────────────────────────────────────────────────────────────────────────────────────────

test('R168: an executor that throws at once leaves no timer of its timeout, with or without replicas', async () => {
  for (const options of [
    {},
    { attemptTimeout: 50_000 },
    { attemptTimeout: 50_000, parallel: 2 },
    { parallel: 2 },
    { concurrency: 1 },
    { retries: { attempts: 1, ...soon } },
  ]) {
    const flow = await flowOf(
      () => {
        throw new Error('at once')
      },
      { timeout: 60_000, ...options },
    )
    const before = timers()
    await flow.post('/', ['a', 'b'], { requestSize: 1, continueOnError: true }).drain()
    await turn()
    assert.is(timers(), before, JSON.stringify(options))
    await flow.close()
  }
})

test('216: an executor that answers at once leaves no timer of its timeout, with or without replicas', async () => {
  for (const options of [
    {},
    { attemptTimeout: 50_000 },
    { attemptTimeout: 50_000, parallel: 2 },
    { parallel: 2 },
    { concurrency: 1 },
    { retries: { attempts: 1, ...soon } },
  ]) {
    const flow = await flowOf(() => {}, { timeout: 60_000, ...options })
    const before = timers()
    await flow.post('/', ['a', 'b'], { requestSize: 1 }).drain()
    await turn()
    assert.is(timers(), before, JSON.stringify(options))
    await flow.close()
  }
})

test('R44: an executor that hangs is told, and its request fails by name, although it never answers', async () => {
  let told: unknown
  const flow = await flowOf(
    async ({ signal }) => {
      signal.addEventListener('abort', () => (told = signal.reason))
      await hang()
    },
    { timeout: 5 },
    { closeTimeout: 5 },
  )
  const error = await failure(flow.post('/slow', 'x').drain())
  assert.ok(error instanceof ExecutorError)
  assert.equal([error.code, error.executor, error.endpoint], ['ERR_EXECUTOR_TIMEOUT', 'only', '/slow'])
  assert.match(error.message, /only took longer than 5 ms at \/slow for request [0-9a-f]{32}/)
  assert.is(told, error)
  await within(1000, flow.close())
})

test('R44, P8: a request that takes too long is a failed response like any other; those that do not are done', async () => {
  const door = deferred<void>()
  await using flow = await flowOf(({ docs }) => (docs[0]!.text === 'slow' ? door.promise : undefined), { timeout: 20 })
  const responses = await within(2000, flow.post('/', ['a', 'slow', 'b'], { requestSize: 1, continueOnError: true, resultsInOrder: true }).toArray())
  assert.equal(
    responses.map(({ status }) => [status.code, status.exception?.executor]),
    [
      ['SUCCESS', undefined],
      ['ERROR', 'only'],
      ['SUCCESS', undefined],
    ],
  )
  door.resolve()
})

test('205: the time that a consumer takes is not the executor’s, whichever of its replicas hands something on', async () => {
  class Pieces extends Executor {
    static requests = { '/default': 'work' }
    async *work() {
      for (let at = 0; at <= (1 - this.shardId) * 2; at++) yield { text: `${this.shardId} ${at}` }
    }
  }
  await using flow = await flowOf(Pieces, { timeout: 200, shards: 2, polling: 'ALL' })
  let parts = 0
  for await (const { partial } of flow.post('/', 'x')) {
    if (!partial) continue
    // The first comes to wait with its next; then the second is let go on, and ends, while the first waits.
    if (++parts === 1) for (let i = 0; i < 5; i++) await turn()
    if (parts === 2) await new Promise((resolve) => setTimeout(resolve, 800))
  }
  assert.is(parts, 4)
})

test('R44: close() waits for an executor whose time was up, until closeTimeout, before it closes it', async () => {
  for (const ends of [true, false]) {
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
    const flow = await flowOf(Slow, { timeout: 1 }, { closeTimeout: ends ? 60_000 : 1 })
    await failure(flow.post('/', 'x').drain())
    const closing = flow.close()
    if (ends) {
      assert.ok(await pending(closing))
      door.resolve()
    }
    await within(2000, closing)
    assert.equal(log, ends ? ['done', 'closed'] : ['closed'])
  }
})

test('R44: close() waits for a floating executor whose time was up, too', async () => {
  const door = deferred<void>()
  const reported = deferred<any>()
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
  const flow = await flowOf(Slow, { timeout: 1, floating: true }, { closeTimeout: 60_000, onBackgroundError: (error: Error) => reported.resolve(error) })
  await within(1000, flow.post('/', 'x').drain())
  assert.is((await within(1000, reported.promise)).code, 'ERR_EXECUTOR_TIMEOUT')
  const closing = flow.close()
  assert.ok(await pending(closing))
  door.resolve()
  await within(1000, closing)
  assert.equal(log, ['done', 'closed'])
})

test('R57: what an executor throws when its time is up is nobody’s', async () => {
  const flow = await flowOf(
    async ({ signal }) => {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('my own'))))
    },
    { timeout: 1 },
  )
  assert.is((await failure(flow.post('/', 'x').drain())).code, 'ERR_EXECUTOR_TIMEOUT')
  await within(1000, flow.close())
})

test('R45: no timer is left when the answer is there, nor when nobody wants it any more', async () => {
  const before = timers()
  const flow = await flowOf(({ docs }) => (docs[0]!.text === 'hangs' ? hang() : turn()), { timeout: 60_000, retries: 3 }, { closeTimeout: 1 })
  await flow.post('/', 'x').drain()
  assert.is(timers(), before)
  const post = flow.post('/', 'hangs')
  const next = post.next()
  await turn()
  assert.is(timers(), before + 1)
  await post.return()
  await next
  assert.is(timers(), before)
  await within(1000, flow.close())
  assert.is(timers(), before)
})

test('F4, R44: in the line before a replica that does not stop, time runs too', async () => {
  const calls: string[] = []
  const door = deferred<void>()
  const flow = await flowOf(
    ({ docs }) => {
      calls.push(docs[0]!.text)
      return door.promise
    },
    { attemptTimeout: 10, concurrency: 1 },
  )
  const responses = await within(2000, flow.post('/', ['a', 'b'], { requestSize: 1, continueOnError: true }).toArray())
  for (const { error } of responses) assert.is((error as ExecutorError).code, 'ERR_EXECUTOR_TIMEOUT')
  door.resolve()
  await within(1000, flow.close())
  assert.equal(calls, ['a'], 'nobody wants b any more when its turn comes')
})

test('F4, R44: in the line before a replica that works, time stands still', async () => {
  const doors = [deferred<void>(), deferred<void>()]
  let calls = 0
  await using flow = await flowOf(() => doors[calls++]!.promise, { attemptTimeout: 300, concurrency: 1 })
  const answered = flow.post('/', ['a', 'b'], { requestSize: 1 }).drain()
  const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
  // Together more than the time that each has.
  await wait(200)
  doors[0]!.resolve()
  await wait(200)
  doors[1]!.resolve()
  assert.is(await within(2000, answered), 2)
})

test('183: timeout is for the whole request: its tries, the waits between them, and the line before a replica', async () => {
  const started = performance.now()
  let calls = 0
  await using failing = await flowOf(
    () => {
      calls++
      throw new Error(`failed ${calls}`)
    },
    { timeout: 50_000, retries: { attempts: 5, delay: 200_000, maxDelay: 200_000 } },
  )
  const early = await failure(failing.post('/', 'x').drain())
  assert.is(early.code, 'ERR_EXECUTOR_TIMEOUT', 'who would wait for longer than there is time does not')
  assert.match(early.message, /only took longer than 50000 ms/)
  assert.is(early.cause.message, 'failed 1', 'what failed stays visible')
  const flow = await flowOf(hang, { timeout: 300, attemptTimeout: 100, retries: { attempts: Infinity, ...soon } }, { closeTimeout: 1 })
  const late = await failure(flow.post('/', 'x').drain())
  assert.is(late.code, 'ERR_EXECUTOR_TIMEOUT')
  assert.match(late.message, /only took longer than 300 ms/)
  await within(1000, flow.close())
  const door = deferred<void>()
  const lined = await flowOf(() => door.promise, { timeout: 100, attemptTimeout: 60_000, concurrency: 1 }, { closeTimeout: 1 })
  const responses = await within(2000, lined.post('/', ['a', 'b'], { requestSize: 1, continueOnError: true }).toArray())
  for (const { error } of responses) assert.match((error as Error).message, /only took longer than 100 ms/)
  door.resolve()
  await within(1000, lined.close())
  assert.ok(performance.now() - started < 40_000)
})

test('183: the end of a try is a failure like others, and the next may succeed', async () => {
  let calls = 0
  await using flow = await flowOf(
    () => (calls++ === 0 ? hang() : undefined),
    { timeout: 60_000, attemptTimeout: 5, retries: { attempts: 1, ...soon } },
    { closeTimeout: 1 },
  )
  assert.is(await within(2000, flow.post('/', 'x').drain()), 1)
  assert.is(calls, 2)
})

test('183: neither timeout, nor attemptTimeout, leaves a timer when nobody wants the answer any more, or it is there', async () => {
  const before = timers()
  const flow = await flowOf(
    ({ docs }) => (docs[0]!.text === 'hangs' ? hang() : turn()),
    { timeout: 60_000, attemptTimeout: 50_000, retries: 3 },
    { closeTimeout: 1 },
  )
  await flow.post('/', 'x').drain()
  assert.is(timers(), before)
  const post = flow.post('/', 'hangs')
  const next = post.next()
  await turn()
  assert.is(timers(), before + 2)
  await post.return()
  await next
  assert.is(timers(), before)
  await within(1000, flow.close())
})

// ── retries ──────────────────────────────────────────────────────────────────────────────────────────────

test('R113: attempts are counted exactly, whether the executor throws at once or later', async () => {
  for (const asynchronous of [false, true])
    for (const attempts of [0, 1, 4])
      for (const failing of [0, attempts, attempts + 1]) {
        let calls = 0
        const work = () => {
          if (++calls <= failing) throw new Error(`attempt ${calls}`)
        }
        await using flow = await flowOf(asynchronous ? async () => work() : work, { retries: { attempts, ...soon } })
        const [response] = await within(2000, flow.post('/', 'x', { continueOnError: true }).toArray())
        assert.is(calls, Math.min(failing + 1, attempts + 1))
        assert.is(response!.error?.message.slice(-9), failing > attempts ? `attempt ${failing}` : undefined)
      }
})

test('175: requests of one post keep the scope they share, and so a stream to a server, where nothing ends a try alone', async () => {
  const post = new Scope()
  for (const [options, shared] of [
    [{}, true],
    [{ timeout: 60_000 }, false],
    [{ attemptTimeout: 60_000 }, false],
    [{ signal: new AbortController().signal }, false],
  ] as const) {
    const scopes = new Set<Scope>()
    const handle = async ({ scope }: Request): Promise<void> => {
      scopes.add(scope)
      throw new Error('no')
    }
    const retry = new Retry({ accepts: () => true, handle }, { name: 'only', retries: { attempts: 1, delay: 0 }, ...options })
    assert.is((await failure(retry.handle(new Request(new Header('/', {}), new DocumentArray(), post)))).message, 'no')
    assert.equal([scopes.size, scopes.has(post)], shared ? [1, true] : [2, false])
  }
})

test('R113: a number stands for its attempts; what is none is refused', async () => {
  let calls = 0
  await using flow = await flowOf(
    () => {
      if (++calls < 2) throw new Error('again')
    },
    { retries: 1 },
  )
  await within(2000, flow.post('/', 'x').drain())
  assert.is(calls, 2)
  const wrong = (retries: any, pattern: RegExp): void => {
    assert.throws(
      () => new Flow().add({ retries }),
      (error: any) => /^ERR_OPTION_/.test(error.code) && pattern.test(error.message),
      JSON.stringify(retries),
    )
  }
  for (const retries of [-1, 1.5, Number.NaN, '3', null]) wrong(retries, /retries/)
  for (const retries of [{}, { delay: 1 }, { attempts: -1 }, { attempts: 1, delay: -1 }, { attempts: 1, maxDelay: 'x' }, { attempts: 1, wait: 1 }])
    wrong(retries, /attempts|delay|maxDelay|retries/)
})

test('R109: waits double up to the most, less a random part of up to a half', async () => {
  const { setTimeout } = globalThis
  const waits: number[] = []
  let calls = 0
  const flow = await flowOf(
    () => {
      calls++
      throw new Error('no')
    },
    { retries: { attempts: 6, delay: 1000, maxDelay: 10_000 } },
  )
  fake.setTimeout = (run, milliseconds, ...rest) => {
    if (milliseconds < 500) return setTimeout(run, milliseconds, ...rest)
    waits.push(milliseconds)
    return setTimeout(run, 0)
  }
  try {
    await flow
      .post('/', 'x')
      .drain()
      .catch(() => {})
  } finally {
    fake.setTimeout = undefined
  }
  assert.is(calls, 7)
  const most = [1000, 2000, 4000, 8000, 10_000, 10_000]
  assert.is(waits.length, most.length)
  for (const [at, wait] of waits.entries()) assert.ok(wait > most[at]! / 2 - 1 && wait <= most[at]!, `${wait} of ${most[at]}`)
  assert.is.not(new Set(waits.map((wait, at) => wait / most[at]!)).size, 1, 'those who failed together do not come back together')
  await flow.close()
})

test('197: once close() began, a request is tried once more at most, and Infinity ends there', async () => {
  for (const retries of [{ attempts: Infinity, delay: 0 }, Infinity, { attempts: 1e6, delay: 60_000 }]) {
    let calls = 0
    const second = deferred<void>()
    const flow = await flowOf(
      () => {
        if (++calls === (typeof retries === 'object' && retries.delay === 0 ? 2 : 1)) second.resolve()
        throw new Error(`no ${calls}`)
      },
      { retries },
      { closeTimeout: 60_000 },
    )
    const failing = failure(flow.post('/', 'x').drain())
    await within(1000, second.promise)
    const before = calls
    await within(1000, flow.close())
    assert.match((await failing).message, `no ${calls}`)
    assert.ok(calls - before <= 1, `${calls - before} more`)
    const reached = calls
    await turn()
    assert.is(calls, reached)
    // Opened again, it is as patient as before.
    await flow.open()
    const again = flow.post('/', 'x').drain()
    again.catch(() => {})
    if (typeof retries === 'object' && retries.delay === 0) while (calls < reached + 3) await turn()
    else assert.ok(await pending(again))
    await within(1000, flow.close())
  }
})

test('197: between two attempts there is a turn of the event loop, whatever the delay, also while the Flow closes', async () => {
  let turns = 0
  let running = true
  const count = (): void => {
    turns++
    if (running) setImmediate(count)
  }
  setImmediate(count)
  // A busy machine may go from the first attempt to timers that are due, before any immediate.
  const tick = (): void => {
    turns++
    if (running) setTimeout(tick, 0)
  }
  setTimeout(tick, 0)
  const seen: number[] = []
  const door = deferred<void>()
  const waits = deferred<void>()
  const flow = await flowOf(
    async () => {
      if (seen.length === 3) {
        waits.resolve()
        await door.promise
      }
      seen.push(turns)
      throw new Error('no')
    },
    { retries: { attempts: 1000, delay: 0 } },
  )
  const failing = failure(flow.post('/', 'x').drain())
  await within(1000, waits.promise)
  const closing = flow.close()
  await turn()
  door.resolve()
  await within(1000, closing)
  await failing
  running = false
  assert.is(seen.length, 5)
  assert.is(new Set(seen).size, 5, seen.join())
})

test('a failed attempt leaves no trace: no document twice, no tag, no result, no change by way of docsMatrix', async () => {
  for (const asynchronous of [false, true]) {
    let calls = 0
    const work = ({ docs, docsMatrix, parameters }: Call) => {
      assert.equal(docs.texts, ['a', 'b'])
      assert.equal(parameters, { p: { q: 1 } })
      for (const docs of docsMatrix ?? []) for (const doc of docs) assert.is(doc.modality, undefined)
      for (const doc of docs) {
        assert.equal(doc.tags, { mine: { yes: true } })
        assert.is(doc.matches.length, 0)
        doc.text += '!'
        Object.assign(doc.tags.mine as object, { calls })
        doc.matches.append('match')
      }
      for (const docs of docsMatrix ?? []) for (const doc of docs) doc.modality = 'seen'
      parameters.p.q = 2
      docs.append('new')
      docs.shift()
      if (calls++ < 3) throw new Error('again')
      return { calls }
    }
    await using flow = await new Flow()
      .add({ name: 'a', needs: 'gateway', when: { text: { $eq: 'a' } } })
      .add({ name: 'b', needs: 'gateway', when: { text: { $eq: 'b' } } })
      .needs(['a', 'b'], { name: 'only', uses: asynchronous ? async (call: Call) => work(call) : work, retries: { attempts: 3, ...soon } })
      .open()
    const inputs = ['a', 'b'].map((text) => new Document({ id: text, text, tags: { mine: { yes: true } } }))
    const [response] = await within(2000, flow.post('/', inputs, { parameters: { p: { q: 1 } } }).toArray())
    assert.equal(response!.docs.texts, ['b!', 'new'])
    assert.equal(response!.docs[0]!.tags, { mine: { yes: true, calls: 3 } })
    assert.is(response!.docs[0]!.matches.length, 1)
    assert.equal(response!.parameters, { p: { q: 1 }, __results__: { only: { calls: 4 } } })
    assert.equal(
      response!.routes.map(({ executor, status }) => [executor, status]),
      ['gateway', 'a', 'b', 'only'].map((name) => [name, undefined]),
    )
  }
})

test('what a request brought from executors before stays, whatever happens in an attempt', async () => {
  let calls = 0
  await using flow = await new Flow()
    .add({ name: 'before', uses: () => ({ is: 'kept' }) })
    .add({
      name: 'only',
      retries: { attempts: 1, ...soon },
      uses: async () => {
        if (calls++ === 0) throw new Error('again')
      },
    })
    .open()
  const [response] = await within(1000, flow.post('/', 'x').toArray())
  assert.equal(response!.parameters.__results__, { before: { is: 'kept' } })
})

test('an attempt that goes on when its time is up changes nothing in the answer of the next', async () => {
  const late: Deferred<void>[] = []
  const over: Promise<void>[] = []
  const flow = await flowOf(
    ({ docs }) => {
      if (late.length === 2) {
        docs[0]!.text += ' in time'
        return
      }
      const door = deferred<void>()
      late.push(door)
      const work = door.promise.then(() => {
        docs[0]!.text += ' too late'
        docs.append('too late')
      })
      over.push(work)
      return work.then(() => ({ late: true }))
    },
    { attemptTimeout: 2, retries: { attempts: 2, ...soon } },
  )
  const [response] = await within(2000, flow.post('/', 'x').toArray())
  for (const door of late) door.resolve()
  await Promise.all(over)
  await turn()
  assert.equal(response!.docs.texts, ['x in time'])
  assert.equal(response!.parameters.__results__, {})
  await within(1000, flow.close())
})

test('216: a document that a join has in its branches, too, is one document in each attempt', async () => {
  const seen: boolean[] = []
  await using flow = await new Flow()
    .add({ name: 'a', needs: 'gateway' })
    .add({ name: 'b', needs: 'gateway' })
    .needs(['a', 'b'], {
      name: 'both',
      retries: { attempts: 1, delay: 0 },
      uses: ({ docs, docsMatrix }) => {
        seen.push(docs[0] === docsMatrix![0]![0] && docs[1] === docsMatrix![1]![0])
        if (seen.length === 1) throw new Error('not yet')
      },
    })
    .open()
  await within(1000, flow.post('/', 'x').drain())
  assert.equal(seen, [true, true])
})

test('R113: no attempt follows an answer that has no meaning', async () => {
  let calls = 0
  await using flow = await flowOf(
    () => {
      calls++
      return 5 as any
    },
    { retries: { attempts: 5, ...soon } },
  )
  assert.is((await failure(flow.post('/', 'x').drain())).code, 'ERR_EXECUTOR_RESULT')
  assert.is(calls, 1)
})

test('E3, R113: no attempt follows partial answers, whose consumer has them already', async () => {
  let calls = 0
  await using flow = await flowOf(
    async function* () {
      calls++
      yield 'part'
      throw new Error('broken')
    },
    { retries: { attempts: 5, ...soon } },
  )
  const responses = await within(1000, flow.post('/', 'x', { continueOnError: true }).toArray())
  assert.is(calls, 1)
  assert.equal(
    responses.map(({ partial, status }) => [partial, status.code]),
    [
      [true, 'SUCCESS'],
      [false, 'ERROR'],
    ],
  )
})

test('E3, R113: an attempt follows a failure before the first partial answer, also when another branch has given some', async () => {
  let calls = 0
  const parted = deferred<void>()
  await using flow = await new Flow()
    .add({
      name: 'tokens',
      needs: 'gateway',
      uses: async function* () {
        yield 'a'
        yield 'b'
        parted.resolve()
      },
    })
    .add({
      name: 'only',
      needs: 'gateway',
      retries: { attempts: 1, ...soon },
      uses: async function* () {
        await parted.promise
        if (calls++ === 0) throw new Error('again')
        yield 'c'
      },
    })
    .open()
  const responses = await within(1000, flow.post('/', 'x').toArray())
  assert.is(calls, 2)
  assert.equal(responses.at(-1)!.docs.texts, ['a', 'b', 'c'])
  assert.equal(
    responses.map(({ ordinal }) => ordinal),
    [0, 1, 2, 3],
  )
})

test('P12, R113: nobody tries again for a consumer that left, in an attempt or between two', async () => {
  for (const between of [false, true]) {
    let calls = 0
    const inside = deferred<void>()
    const flow = await flowOf(
      async ({ signal }) => {
        calls++
        inside.resolve()
        if (between) throw new Error('again')
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
      { retries: { attempts: 5, delay: 60_000, maxDelay: 60_000 } },
    )
    const post = flow.post('/', 'x')
    const next = post.next()
    await inside.promise
    await turn()
    await within(1000, post.return())
    assert.ok((await next).done)
    await within(1000, flow.close())
    assert.is(calls, 1)
  }
})

test('F12: the next attempt goes to another replica, until all had theirs', async () => {
  const asked: number[] = []
  class Worker extends Executor {
    static requests = { '/default': 'work' }
    async work() {
      asked.push(this.shardId)
      if (this.shardId !== 2) throw new Error(`${this.shardId} is broken`)
    }
  }
  await using flow = await flowOf(Worker, { parallel: 3, retries: { attempts: 2, ...soon } })
  for (let i = 0; i < 3; i++) {
    asked.length = 0
    assert.is(await within(1000, flow.post('/', 'x').drain()), 1)
    assert.is(new Set(asked).size, asked.length, `asked ${asked}`)
    assert.is(asked.at(-1), 2)
  }
})

test('F12, R113: when every replica had its attempt, they start over, and all have the same number', async () => {
  const asked = [0, 0]
  class Worker extends Executor {
    static requests = { '/default': 'work' }
    async work() {
      asked[this.shardId]!++
      throw new Error('no')
    }
  }
  await using flow = await flowOf(Worker, { parallel: 2, retries: { attempts: 5, ...soon } })
  await failure(flow.post('/', 'x').drain())
  assert.equal(asked, [3, 3])
})

test('F4, R113: with ALL an attempt is one of all replicas, and nothing of a failed one is seen', async () => {
  let round = 0
  class Worker extends Executor {
    static requests = { '/default': 'work' }
    async work({ docs }: Call) {
      if (this.shardId === 0) round++
      for (const doc of docs) doc.matches.append({ id: `${round}/${this.shardId}` })
      if (this.shardId === 1 && round < 3) throw new Error('again')
      return { round }
    }
  }
  await using flow = await flowOf(Worker, { parallel: 2, polling: 'ALL', retries: { attempts: 2, ...soon } })
  const [response] = await within(1000, flow.post('/', 'x').toArray())
  assert.equal(
    response!.docs[0]!.matches.map(({ id }) => id),
    ['3/0', '3/1'],
  )
  assert.equal(response!.parameters.__results__, { 'only/0': { round: 3 }, 'only/1': { round: 3 } })
})

test('R29: with failures and delays at random, every document is answered once, by an attempt that succeeded', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }), fc.integer({ min: 0, max: 3 }), async (fails, attempts) => {
      const calls = new Map<string, number>()
      const work = async ({ docs }: Call) => {
        const { id } = docs[0]!
        const call = (calls.get(id) ?? 0) + 1
        calls.set(id, call)
        docs.append(`new in ${call}`)
        if (call % 2 === 0) await turn()
        if (call <= fails[Number(id)]!) throw new Error('again')
      }
      await using flow = await flowOf(work, { retries: { attempts, ...soon }, parallel: 2 })
      const inputs = fails.map((_, at) => ({ id: `${at}` }))
      const responses = await within(5000, flow.post('/', inputs, { requestSize: 1, resultsInOrder: true, continueOnError: true }).toArray())
      assert.is(responses.length, fails.length)
      responses.forEach(({ docs, error }, at) => {
        const succeeds = fails[at]! <= attempts
        assert.is(error === undefined, succeeds)
        assert.is(calls.get(`${at}`), Math.min(fails[at]!, attempts) + 1)
        if (succeeds) assert.equal(docs.texts, ['', `new in ${fails[at]! + 1}`])
      })
    }),
    { numRuns: 25 },
  )
})

// ── signal ───────────────────────────────────────────────────────────────────────────────────────────────

test('P12: the signal of an executor ends what it does, refuses what comes after, and is left alone by close()', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const signals: AbortSignal[] = []
  const flow = await new Flow({ closeTimeout: 1 })
    .add({
      name: 'only',
      signal,
      retries: { attempts: 5, ...soon },
      uses: async (call) => {
        signals.push(call.signal)
        await hang()
      },
    })
    .open()
  assert.is(getEventListeners(signal, 'abort').length, 1)
  const running = Promise.all([failure(flow.post('/', 'x').drain()), failure(flow.post('/', 'x').drain())])
  await turn()
  controller.abort('enough')
  for (const error of await running) assert.equal([error.code, error.executor, error.cause], ['ERR_EXECUTOR', 'only', 'enough'])
  assert.equal(
    signals.map(({ reason }) => reason),
    ['enough', 'enough'],
  )
  const refused = await failure(flow.post('/', 'x').drain())
  assert.equal([refused.executor, refused.cause, signals.length], ['only', 'enough', 2])
  await within(1000, flow.close())
  assert.is(getEventListeners(signal, 'abort').length, 0)
})

test('P12: the signal of an executor ends a wait between attempts', async () => {
  const controller = new AbortController()
  let calls = 0
  await using flow = await flowOf(
    () => {
      calls++
      throw new Error('again')
    },
    { signal: controller.signal, retries: { attempts: 5, delay: 60_000, maxDelay: 60_000 } },
  )
  const running = failure(flow.post('/', 'x').drain())
  await turn()
  controller.abort('enough')
  assert.is((await running).cause, 'enough')
  assert.is(calls, 1)
})

test('P12, R42: however often a Flow opens and closes, and also when it does not open, no listener stays', async () => {
  const { signal } = new AbortController()
  const flow = new Flow().add({ signal, uses: async () => turn() }).add({ signal, timeout: 1000 })
  for (let i = 0; i < 20; i++) {
    await flow.open()
    await flow.post('/', ['a', 'b'], { requestSize: 1 }).drain()
    await flow.close()
    assert.is(getEventListeners(signal, 'abort').length, 0)
  }
  class Broken extends Executor {
    override open() {
      throw new Error('no')
    }
  }
  await failure(flow.add({ uses: Broken }).open())
  assert.is(getEventListeners(signal, 'abort').length, 0)
})

test('P12, R37: a signal that was aborted before refuses from the start', async () => {
  let calls = 0
  await using flow = await flowOf(() => void calls++, { signal: AbortSignal.abort('before') })
  const error = await failure(flow.post('/', 'x').drain())
  assert.equal([error.executor, error.cause, calls], ['only', 'before', 0])
})

test('R53: executors in other branches are not concerned by a time that is up, but by the failure', async () => {
  let told: unknown
  const flow = await new Flow({ closeTimeout: 1 })
    .add({ name: 'slow', needs: 'gateway', timeout: 3, uses: hang })
    .add({
      name: 'other',
      needs: 'gateway',
      uses: async ({ signal }) => {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        told = signal.reason
      },
    })
    .open()
  const error = await failure(flow.post('/', 'x').drain())
  assert.is(error.executor, 'slow')
  await turn()
  assert.is(told, error)
  await within(1000, flow.close())
})

test('216: the next attempt goes to a replica that had none, however fast the one that failed', async () => {
  let clock = 1
  fake.now = () => clock
  try {
    const doors = [deferred<void>(), deferred<void>()]
    const asked: number[] = []
    class Worker extends Executor {
      static requests = { '/warm': 'warm', '/': 'work' }
      warm(): Promise<void> {
        return doors[this.shardId]!.promise
      }
      work(): void {
        asked.push(this.shardId)
        if (this.shardId === 0) throw new Error('not here')
      }
    }
    await using flow = await flowOf(Worker, { parallel: 2, retries: { attempts: 1, ...soon } })
    const warm = flow.post('/warm', ['a', 'b'], { requestSize: 1 }).drain()
    await turn()
    doors[0]!.resolve()
    await turn()
    clock += 10_000
    doors[1]!.resolve()
    await within(1000, warm)
    await within(1000, flow.post('/', 'x').drain())
    assert.equal(asked, [0, 1])
  } finally {
    fake.now = undefined
  }
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test.run()
