// Several instances of one executor that answer as one: who gets what, how many at once, and what becomes of the others.
import '../support/clock.js'

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Background } from '../../lib/graph/background.js'
import { Replicas } from '../../lib/handler/replicas.js'
import { type Call, Document, DocumentArray, Executor, Flow, type LogRecord } from '../../lib/index.js'
import { Header, Request } from '../../lib/request/request.js'
import { Scope } from '../../lib/stream/scope.js'
import { fake } from '../support/clock.js'
import { type Deferred, deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'
import { turn as oneTurn, pending } from '../support/turn.js'
import { until } from '../support/until.js'
import { within } from '../support/within.js'

/** Turns of the event loop, more than one: what was under way for long steps aside for a turn. */
const turn = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await oneTurn()
}

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`)
const failure = (promise: Promise<unknown>): Promise<any> =>
  within(
    2000,
    promise.then(
      () => assert.unreachable('It was to fail'),
      (error) => error,
    ),
  )

/** Executors that do what they are told, instance by instance. */
function staff(work: (shardId: number, call: Call) => any) {
  const opened: number[] = []
  const closed: number[] = []
  class Worker extends Executor {
    static requests = { '/default': 'work' }
    override open() {
      opened.push(this.shardId)
    }
    override close() {
      closed.push(this.shardId)
    }
    work(call: Call) {
      return work(this.shardId, call)
    }
  }
  return { opened, closed, Worker }
}

/** Doors by request: who stands before which, and who opens them. */
class Doors {
  readonly waiting: { shardId: number; text: string; signal: AbortSignal; door: Deferred<void> }[] = []

  readonly wait = async (shardId: number, { docs, signal }: Call): Promise<void> => {
    const door = deferred<void>()
    this.waiting.push({ shardId, text: docs[0]?.text ?? '', signal, door })
    await door.promise
  }

  get shards(): number[] {
    return this.waiting.map(({ shardId }) => shardId)
  }

  open(text: string): void {
    const at = this.waiting.findIndex((one) => one.text === text)
    this.waiting.splice(at, 1)[0]!.door.resolve()
  }

  openAll(): void {
    for (const { door } of this.waiting.splice(0)) door.resolve()
  }
}

/** Runs with a clock that is set by hand: milliseconds. */
async function clocked(run: (clock: { now: number }) => Promise<void>): Promise<void> {
  const clock = { now: performance.now() }
  fake.now = () => clock.now
  try {
    await run(clock)
  } finally {
    fake.now = undefined
  }
}

// ── instances ────────────────────────────────────────────────────────────────────────────────────────────

test('F4, E6: each replica is an instance of its own, with its shardId and its workspace, opened and closed once', async () => {
  const workspace = new Folder().path
  const instances = new Set<Executor>()
  const folders: string[] = []
  class Worker extends Executor {
    override open() {
      instances.add(this)
      folders[this.shardId] = this.workspace
    }
    override close() {
      assert.ok(instances.delete(this))
    }
  }
  for (const count of [{ parallel: 3 }, { replicas: 3 }, { shards: 3 }]) {
    const flow = await new Flow({ workspace }).add({ name: 'w', uses: Worker, ...count }).open()
    assert.is(instances.size, 3)
    assert.equal(
      folders.splice(0),
      [0, 1, 2].map((shardId) => `${workspace}/w/${shardId}`),
    )
    await flow.close()
    assert.is(instances.size, 0)
  }
})

test('F4: wrong numbers and pollings are refused at the call, by the name of the option', () => {
  const wrong = (options: object, code: string, pattern: RegExp) =>
    assert.throws(
      () => new Flow().add(options as any),
      (error: any) => error.code === code && pattern.test(error.message),
      JSON.stringify(options),
    )
  for (const name of ['parallel', 'replicas', 'shards']) {
    for (const value of [0, -1, 1.5, 1001, Number.NaN]) wrong({ [name]: value }, 'ERR_OPTION_RANGE', new RegExp(`^${name} `))
    for (const value of ['3', null]) wrong({ [name]: value }, 'ERR_OPTION_TYPE', new RegExp(`^${name} `))
  }
  wrong({ parallel: 2, replicas: 3 }, 'ERR_OPTION_RANGE', /^parallel must be the same as replicas and shards/)
  wrong({ replicas: 2, shards: 3 }, 'ERR_OPTION_RANGE', /the same as replicas and shards/)
  new Flow().add({ parallel: 2, replicas: 2, shards: 2 })
  wrong({ concurrency: 0 }, 'ERR_OPTION_RANGE', /^concurrency /)
  for (const polling of ['SOME', { '/x': 'SOME' }, { '/x': ['ALL'] }, ['ALL'], null, 3]) wrong({ polling }, 'ERR_OPTION_RANGE', /^polling /)
})

test('F4, E6, R55: a replica that fails to open closes the others, and the Flow does not open', async () => {
  const closed: number[] = []
  class Worker extends Executor {
    override async open() {
      await turn()
      if (this.shardId === 1) throw new Error('no room')
    }
    override close() {
      closed.push(this.shardId)
    }
  }
  const flow = new Flow().add({ name: 'w', uses: Worker, parallel: 4 })
  const error = await failure(flow.open())
  assert.equal([error.code, error.executor, error.cause.message], ['ERR_EXECUTOR_OPEN', 'w', 'no room'])
  assert.equal(closed, [3, 2, 0])
  assert.not(flow.isOpen)
})

// ── ANY ──────────────────────────────────────────────────────────────────────────────────────────────────

test('F4: ANY goes to the least loaded', () =>
  clocked(async () => {
    const doors = new Doors()
    const { Worker } = staff(doors.wait)
    await using flow = await new Flow().add({ uses: Worker, parallel: 3 }).open()
    const posts = texts(6).map((text) => flow.post('/', text).docs())
    await turn()
    assert.equal(doors.shards.toSorted(), [0, 0, 1, 1, 2, 2])
    const { shardId, text } = doors.waiting[4]!
    doors.open(text)
    await posts[Number(text)]
    posts.push(flow.post('/', 'more').docs())
    await turn()
    assert.is(doors.waiting.at(-1)!.shardId, shardId, 'the only one with one request less')
    doors.openAll()
    assert.is((await within(2000, Promise.all(posts))).length, 7)
  }))

test('F4, R34: a slow replica does not hold others', async () => {
  const door = deferred<void>()
  const served: number[] = []
  const { Worker } = staff(async (shardId, { docs }) => {
    if (docs[0]!.text === '0') await door.promise
    else await turn()
    served.push(shardId)
  })
  await using flow = await new Flow().add({ uses: Worker, parallel: 2, concurrency: 1 }).open()
  const post = flow.post('/', texts(30), { requestSize: 1, prefetch: 4 })
  const first: string[] = []
  for (let i = 0; i < 29; i++) first.push((await within(2000, post.next())).value.docs[0]!.text)
  assert.not(first.includes('0'))
  assert.is(new Set(served).size, 1, 'the free one did it all')
  door.resolve()
  assert.is((await within(2000, post.next())).value.docs[0]!.text, '0')
})

test('F4, R34: a replica that hangs from its first request on is not taken for a fast one', () =>
  clocked(async (clock) => {
    const doors = new Doors()
    const { Worker } = staff(doors.wait)
    const flow = await new Flow({ closeTimeout: 1 }).add({ uses: Worker, parallel: 2 }).open()
    const hung = flow.post('/', 'hung').drain()
    await turn()
    for (let i = 0; i < 20; i++) {
      const post = flow.post('/', `${i}`).drain()
      await turn()
      assert.is(doors.waiting.at(-1)!.shardId, 1, `request ${i}`)
      clock.now += 50
      doors.open(`${i}`)
      await within(1000, post)
    }
    doors.openAll()
    await within(1000, hung)
    await flow.close()
  }))

test('216: a replica that fails at once is not taken for a fast one', () =>
  clocked(async (clock) => {
    const asked: number[] = []
    const { Worker } = staff(async (shardId) => {
      asked.push(shardId)
      if (shardId === 0) throw new Error('down')
      clock.now += 5
    })
    await using flow = await new Flow().add({ uses: Worker, parallel: 2 }).open()
    for (let i = 0; i < 20; i++) await flow.post('/', `${i}`, { continueOnError: true }).drain()
    assert.equal(asked.slice(0, 2).toSorted(), [0, 1])
    assert.is(asked.filter((shardId) => shardId === 0).length, 1)
  }))

test('F4: a replica that was slow once gets another chance', () =>
  clocked(async (clock) => {
    const doors = new Doors()
    const { Worker } = staff(doors.wait)
    await using flow = await new Flow().add({ uses: Worker, parallel: 2 }).open()
    const one = async (text: string, milliseconds: number): Promise<number> => {
      const post = flow.post('/', text).drain()
      await turn()
      const { shardId } = doors.waiting.at(-1)!
      clock.now += milliseconds
      doors.open(text)
      await within(1000, post)
      return shardId
    }
    assert.is(await one('slow', 1000), 0)
    const asked: number[] = []
    for (let i = 0; i < 60; i++) {
      asked.push(await one(`${i}`, 5))
      clock.now += 1000
    }
    assert.equal(asked.slice(0, 10), new Array(10).fill(1))
    assert.ok(asked.includes(0))
  }))

test('F4: one answer for each request, whatever polls', async () => {
  const { Worker } = staff(async () => turn())
  for (const polling of ['ANY', 'ALL', 'ALL_ASYNC', 'any', 'all', 'all_async'] as const) {
    await using flow = await new Flow().add({ uses: Worker, parallel: 3, polling }).open()
    const docs = await within(2000, flow.post('/', texts(20), { requestSize: 3, resultsInOrder: true }).docs())
    assert.equal(docs.texts, texts(20), polling)
  }
})

// ── concurrency ──────────────────────────────────────────────────────────────────────────────────────────

test('F4, R22, R23: concurrency is exact at every moment, for every replica, whatever polls, and it is used', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom('ANY' as const, 'ALL' as const, 'ALL_ASYNC' as const),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 }),
      async (parallel, concurrency, polling, turns) => {
        const inside = new Array<number>(parallel).fill(0)
        const peaks = new Array<number>(parallel).fill(0)
        let calls = 0
        const { Worker } = staff(async (shardId) => {
          peaks[shardId] = Math.max(peaks[shardId]!, ++inside[shardId]!)
          for (let i = turns[calls++ % turns.length]! + 1; i > 0; i--) await turn()
          inside[shardId]!--
          if (calls % 7 === 0 && polling !== 'ALL') throw new Error('bad luck')
        })
        const flow = await new Flow({ onBackgroundError: () => {} }).add({ uses: Worker, parallel, concurrency, polling }).open()
        const count = await within(5000, flow.post('/', texts(20), { requestSize: 1, prefetch: 0, continueOnError: true }).drain())
        await flow.close()
        assert.is(count, 20)
        assert.is(calls, polling === 'ANY' || parallel === 1 ? 20 : 20 * parallel)
        assert.equal(peaks, new Array(parallel).fill(concurrency))
      },
    ),
    { numRuns: 30 },
  )
})

test('217: once what was begun ends with its time all but up, those who came last are next: what waited as long would be late too', async () => {
  for (const polling of ['ANY', 'ALL'] as const) {
    const begun: { name: string; end(): void }[] = []
    const handle = ({ header }: Request): Promise<void> => new Promise((end) => begun.push({ name: header.execEndpoint, end }))
    const replicas = new Replicas([{ accepts: () => true, handle }], { name: 'x', concurrency: 1, polling, background: new Background(undefined) })
    const ask = (name: string, left: number): void => {
      const request = new Request(new Header(name, {}), new DocumentArray(), new Scope())
      request.scope.deadline = { left, given: 1000 }
      void replicas.handle(request)
    }
    for (const [name, left] of [
      ['a', 900],
      ['b', 20],
      ['c', 800],
      ['d', 900],
    ] as const)
      ask(name, left)
    for (let at = 0; at < 4; at++) {
      begun[at]!.end()
      await turn()
    }
    assert.equal(
      begun.map(({ name }) => name),
      ['a', 'b', 'd', 'c'],
    )
  }
})

test('F4: those who wait for a replica are served first come, first served', async () => {
  const started: string[] = []
  const door = deferred<void>()
  const { Worker } = staff(async (_, { docs }) => {
    started.push(docs[0]!.text)
    await door.promise
  })
  await using flow = await new Flow().add({ uses: Worker, concurrency: 1 }).open()
  const posts: Promise<number>[] = []
  for (const text of texts(12)) {
    posts.push(flow.post('/', text).drain())
    await turn()
  }
  assert.equal(started, ['0'])
  door.resolve()
  await within(2000, Promise.all(posts))
  assert.equal(started, texts(12))
})

test('F4: ANY and ALL wait in one line for a replica', async () => {
  const started: string[] = []
  const doors = new Doors()
  const { Worker } = staff((shardId, call) => {
    started.push(`${call.docs[0]!.text}/${shardId}`)
    return doors.wait(shardId, call)
  })
  await using flow = await new Flow().add({ uses: Worker, parallel: 2, concurrency: 1, polling: { '/all': 'ALL', '*': 'ANY' } }).open()
  const posts: Promise<number>[] = []
  for (const [on, text] of ['/ a', '/ b', '/all c', '/ d', '/all e'].map((post) => post.split(' '))) {
    posts.push(flow.post(on!, text).drain())
    await turn()
  }
  assert.equal(started, ['a/0', 'b/1'])
  doors.open('b')
  await turn()
  assert.equal(started, ['a/0', 'b/1', 'c/1'], 'c came before d')
  doors.open('c')
  await turn()
  assert.equal(started.at(-1), 'd/1')
  for (let i = 0; i < 8; i++) {
    doors.openAll()
    await turn()
  }
  await within(2000, Promise.all(posts))
  assert.equal(started.filter((name) => name.startsWith('e')).toSorted(), ['e/0', 'e/1'])
})

test('F4: the time of an attempt begins when nobody of it waits in line any more: with ANY and ALL; with ALL_ASYNC, when one has begun', async () => {
  const doors: (() => void)[] = []
  const handlers = [0, 1].map(() => ({ accepts: () => true, handle: () => new Promise<void>((resolve) => doors.push(resolve)) }))
  const polling = { '/all': 'ALL', '/first': 'ALL_ASYNC' } as const
  const started: string[] = []
  for (const endpoint of ['/any', '/all', '/first']) {
    const replicas = new Replicas(handlers, { name: 'x', concurrency: 1, polling, background: new Background(() => {}) })
    const ask = (endpoint: string): unknown => {
      const request = new Request(new Header(endpoint, {}), new DocumentArray(), new Scope())
      request.attempt = { tried: new Set(), onStart: () => started.push(endpoint) }
      return replicas.handle(request)
    }
    const busy = [ask('/one'), ...(endpoint === '/any' ? [ask('/two')] : [])]
    started.length = 0
    const asked = ask(endpoint)
    await turn()
    assert.equal(started, endpoint === '/first' ? ['/first'] : [], endpoint)
    doors.shift()!()
    await turn()
    assert.is(started.includes(endpoint), true, endpoint)
    for (const open of doors.splice(0)) open()
    await within(1000, Promise.all([...busy, asked]))
  }
})

test('F4, P12: who waits for a replica and leaves is never run, and gives no place away', async () => {
  const doors = new Doors()
  const { Worker } = staff(doors.wait)
  await using flow = await new Flow().add({ uses: Worker, concurrency: 1 }).open()
  const controller = new AbortController()
  const first = flow.post('/', 'first').drain()
  await turn()
  const aborted = failure(flow.post('/', ['x', 'y'], { requestSize: 1, signal: controller.signal }).drain())
  const left = flow.post('/', 'z')
  const waiting = left.next()
  const last = flow.post('/', 'last').drain()
  await turn()
  controller.abort('enough')
  await left.return()
  assert.is(await aborted, 'enough')
  assert.ok((await within(1000, waiting)).done)
  doors.open('first')
  await within(1000, first)
  await turn()
  assert.equal(
    doors.waiting.map(({ text }) => text),
    ['last'],
  )
  doors.openAll()
  assert.is(await within(1000, last), 1)
  await within(1000, flow.close())
})

test('F4, R30: thousands who wait for an executor that answers at once do not fill the stack', async () => {
  const door = deferred<void>()
  const { Worker } = staff((_, { docs }) => (docs[0]!.text === 'first' ? door.promise : undefined))
  await using flow = await new Flow().add({ uses: Worker, concurrency: 1 }).open()
  const first = flow.post('/', 'first').drain()
  await turn()
  const others = flow.post('/', texts(20_000), { requestSize: 1, prefetch: 0 }).drain()
  await turn()
  door.resolve()
  assert.equal(await within(5000, Promise.all([first, others])), [1, 20_000])
})

test('F4: executors that answer at once need no promise, and one that throws at once frees its place', async () => {
  const { Worker } = staff((_, { docs }) => {
    if (docs[0]!.text === '1') throw new Error('no')
  })
  await using flow = await new Flow().add({ uses: Worker, parallel: 2, concurrency: 1 }).open()
  for (let i = 0; i < 4; i++) {
    const responses = await within(1000, flow.post('/', texts(3), { requestSize: 1, continueOnError: true, resultsInOrder: true }).toArray())
    assert.equal(
      responses.map(({ error }) => error?.message.slice(-2)),
      [undefined, 'no', undefined],
    )
  }
})

// ── ALL ──────────────────────────────────────────────────────────────────────────────────────────────────

test('F4: ALL asks every replica once, each with documents of its own, and unites what they found by id', async () => {
  const { Worker } = staff((shardId, { docs }) => {
    for (const doc of docs) {
      assert.is(doc.matches.length, 0)
      doc.matches = [{ id: `m${shardId}` }, { id: 'shared' }]
      doc.chunks = [{ id: 'c', matches: [{ id: `cm${shardId}` }] }]
      doc.tags[`t${shardId}`] = shardId
      doc.tags.first ??= shardId
    }
    return shardId === 2 ? [...docs, new Document({ id: 'new' })] : undefined
  })
  await using flow = await new Flow().add({ uses: Worker, parallel: 3, polling: 'ALL' }).open()
  const docs = await within(
    1000,
    flow
      .post(
        '/',
        ['a', 'b'].map((id) => ({ id })),
      )
      .docs(),
  )
  assert.equal(
    docs.map(({ id }) => id),
    ['a', 'b', 'new'],
  )
  for (const { matches, chunks, tags } of docs.slice(0, 2)) {
    assert.equal(
      matches.map(({ id }) => id),
      ['m0', 'shared', 'm1', 'm2'],
    )
    assert.equal(
      chunks.map(({ id, matches }) => [id, ...matches.map(({ id }) => id)]),
      [['c', 'cm0', 'cm1', 'cm2']],
    )
    assert.equal(tags, { t0: 0, t1: 1, t2: 2, first: 0 })
  }
})

test('F4, R36: ALL is the same in any order of arrival', async () => {
  const answers = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), async (order) => {
      const doors = new Doors()
      const { Worker } = staff(async (shardId, call) => {
        await doors.wait(shardId, call)
        for (const doc of call.docs) doc.matches = [{ id: `${shardId}` }]
        return shardId % 2 === 1 ? [...call.docs, { id: `by ${shardId}` }] : { found: shardId }
      })
      await using flow = await new Flow().add({ name: 'w', uses: Worker, parallel: 4, polling: 'ALL' }).open()
      const post = flow.post('/', { id: 'x' }).toArray()
      await until(() => doors.waiting.length >= 4)
      for (const shard of order) {
        doors.waiting.find(({ shardId }) => shardId === shard)!.door.resolve()
        await turn()
      }
      const [{ docs, parameters }] = (await within(1000, post)) as any
      answers.add(JSON.stringify([docs, parameters]))
    }),
    { numRuns: 24 },
  )
  assert.is(answers.size, 1)
  const [docs, parameters] = JSON.parse([...answers][0]!)
  assert.equal(
    docs.map(({ id }: Document) => id),
    ['x', 'by 1', 'by 3'],
  )
  assert.equal(parameters.__results__, { 'w/0': { found: 0 }, 'w/2': { found: 2 } })
})

test('F4, E3: with ALL, plain objects stand under name/shard, beside those of other executors; with ANY, under the name', async () => {
  const { Worker } = staff((shardId) => ({ shardId }))
  await using flow = await new Flow()
    .add({ name: 'before', uses: () => ({ is: 'kept' }) })
    .add({ name: 'w', uses: Worker, parallel: 2, polling: { '/all': 'all' } })
    .open()
  const results = async (on: string) => (await flow.post(on, 'x').toArray())[0]!.parameters.__results__
  assert.equal(await results('/all'), { before: { is: 'kept' }, 'w/0': { shardId: 0 }, 'w/1': { shardId: 1 } })
  const { before, w, ...others } = await results('/any')
  assert.equal([before, typeof w.shardId, others], [{ is: 'kept' }, 'number', {}])
})

test('F4, R53: with ALL, a failure tells the others, does not wait for them; close() does', async () => {
  const doors = new Doors()
  const closed: string[] = []
  class Worker extends Executor {
    static requests = { '/default': 'work' }
    async work(call: Call) {
      if (this.shardId === 2) {
        await turn()
        throw new Error('shard 2')
      }
      await doors.wait(this.shardId, call)
      closed.push(`done ${this.shardId}`)
    }
    override close() {
      closed.push(`closed ${this.shardId}`)
    }
  }
  const flow = await new Flow().add({ name: 'w', uses: Worker, parallel: 3, polling: 'ALL' }).open()
  const error = await failure(flow.post('/', 'x').drain())
  assert.equal([error.code, error.executor, error.cause.message], ['ERR_EXECUTOR', 'w', 'shard 2'])
  assert.equal(doors.shards, [0, 1])
  for (const { signal } of doors.waiting) assert.ok(signal.aborted)
  const closing = flow.close()
  assert.ok(await pending(closing))
  assert.equal(closed, [])
  doors.openAll()
  await within(1000, closing)
  assert.equal(closed, ['done 0', 'done 1', 'closed 2', 'closed 1', 'closed 0'])
})

test('F4, R49: with ALL, all that fail at once: one error, none unhandled', async () => {
  const { Worker } = staff(async (shardId) => {
    throw new Error(`${shardId}`)
  })
  const reports: Error[] = []
  const flow = await new Flow({ onBackgroundError: (error) => reports.push(error) }).add({ name: 'w', uses: Worker, parallel: 3, polling: 'ALL' }).open()
  const responses = await within(1000, flow.post('/', texts(5), { requestSize: 1, continueOnError: true }).toArray())
  assert.equal(
    responses.map(({ status }) => status.exception?.executor),
    new Array(5).fill('w'),
  )
  await within(1000, flow.close())
  assert.equal(reports, [])
})

test('F4, P12: with ALL, a consumer that leaves tells every replica', async () => {
  const doors = new Doors()
  const { Worker } = staff(doors.wait)
  const flow = await new Flow().add({ uses: Worker, parallel: 3, polling: 'ALL' }).open()
  const post = flow.post('/', 'x')
  const next = post.next()
  await turn()
  const signals = doors.waiting.map(({ signal }) => signal)
  await within(1000, post.return())
  assert.ok((await next).done)
  assert.equal(
    signals.map(({ aborted }) => aborted),
    [true, true, true],
  )
  doors.openAll()
  await within(1000, flow.close())
})

test('F4: polling by endpoint, * being all others, in small letters too', async () => {
  const asked: string[] = []
  const { Worker } = staff((shardId, { endpoint }) => void asked.push(`${endpoint}/${shardId}`))
  const counts = async (polling: any): Promise<Record<string, number>> => {
    await using flow = await new Flow().add({ uses: Worker, parallel: 2, polling }).open()
    asked.length = 0
    for (const on of ['/index', '/search', '/constructor']) await flow.post(on, 'x').drain()
    return Object.fromEntries(['/index', '/search', '/constructor'].map((on) => [on.slice(1), asked.filter((name) => name.startsWith(on)).length]))
  }
  assert.equal({ ...(await counts({ '/search': 'all', '*': 'any' })) }, { index: 1, search: 2, constructor: 1 })
  assert.equal({ ...(await counts({ '/index': 'ANY', '*': 'ALL' })) }, { index: 1, search: 2, constructor: 2 })
  assert.equal({ ...(await counts({ '/index': 'ALL' })) }, { index: 2, search: 1, constructor: 1 })
  assert.equal({ ...(await counts(undefined)) }, { index: 1, search: 1, constructor: 1 })
})

// ── ALL_ASYNC ────────────────────────────────────────────────────────────────────────────────────────────

test('F4: with ALL_ASYNC the first answer goes on, alone; the others go on undisturbed, close() waits for them, and tells what failed', async () => {
  const doors = new Doors()
  const ends: string[] = []
  const reports: any[] = []
  const { Worker } = staff(async (shardId, call) => {
    await doors.wait(shardId, call)
    for (const doc of call.docs) doc.text += ` by ${shardId}`
    ends.push(`${shardId} ${call.signal.aborted}`)
    if (shardId === 2) throw new Error('too late')
    return { shardId }
  })
  const flow = await new Flow({ onBackgroundError: (error) => reports.push(error) })
    .add({ name: 'w', uses: (call) => (call.docs[0]!.tags.seen = true) && undefined })
    .add({ name: 'x', uses: Worker, parallel: 3, polling: 'ALL_ASYNC' })
    .open()
  const post = flow.post('/', 'doc').toArray()
  await turn()
  assert.equal(doors.shards, [0, 1, 2])
  doors.waiting[1]!.door.resolve()
  const [response] = (await within(1000, post)) as any
  assert.equal(response.docs.texts, ['doc by 1'])
  assert.equal(response.parameters.__results__, { x: { shardId: 1 } })
  const closing = flow.close()
  assert.ok(await pending(closing))
  doors.openAll()
  await within(1000, closing)
  assert.equal(ends, ['1 false', '0 false', '2 false'])
  assert.equal(response.docs.texts, ['doc by 1'])
  assert.is(reports.length, 1)
  assert.equal([reports[0].code, reports[0].executor, reports[0].cause.message], ['ERR_EXECUTOR', 'x', 'too late'])
})

test('F4: with ALL_ASYNC a failure before the first answer is no answer, and is not lost', async () => {
  const doors = new Doors()
  const reports: any[] = []
  const { Worker } = staff(async (shardId, call) => {
    if (shardId === 0) throw new Error('early')
    await doors.wait(shardId, call)
  })
  const flow = await new Flow({ onBackgroundError: (error) => reports.push(error) }).add({ uses: Worker, parallel: 2, polling: 'ALL_ASYNC' }).open()
  const post = flow.post('/', 'doc').docs()
  await turn()
  doors.openAll()
  assert.equal((await within(1000, post)).texts, ['doc'])
  await within(1000, flow.close())
  assert.equal(
    reports.map(({ cause }) => cause.message),
    ['early'],
  )
})

test('F4: with ALL_ASYNC, when all fail the first failure is the answer, and the others are reported', async () => {
  const reports: any[] = []
  const { Worker } = staff(async (shardId) => {
    for (let i = shardId; i < 2; i++) await turn()
    throw new Error(`${shardId}`)
  })
  const flow = await new Flow({ onBackgroundError: (error) => reports.push(error) }).add({ name: 'w', uses: Worker, parallel: 3, polling: 'ALL_ASYNC' }).open()
  const error = await failure(flow.post('/', 'x').drain())
  assert.equal([error.executor, error.cause.message], ['w', '2'])
  await within(1000, flow.close())
  assert.equal(
    reports.map(({ cause }) => cause.message),
    ['1', '0'],
  )
})

test('F4, P12: with ALL_ASYNC a consumer that leaves before the first answer stops all, and nothing is reported', async () => {
  const signals: AbortSignal[] = []
  const reports: unknown[] = []
  const { Worker } = staff(async (_, { signal }) => {
    signals.push(signal)
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
  })
  const flow = await new Flow({ onBackgroundError: (error) => reports.push(error) }).add({ uses: Worker, parallel: 3, polling: 'ALL_ASYNC' }).open()
  const post = flow.post('/', 'x')
  const next = post.next()
  await turn()
  await within(1000, post.return())
  assert.ok((await next).done)
  assert.equal(
    signals.map(({ aborted }) => aborted),
    [true, true, true],
  )
  await within(1000, flow.close())
  assert.equal(reports, [])
})

test('F4: with ALL_ASYNC what a replica throws of being told to stop is not reported, though another answers after it', async () => {
  const told = deferred<void>()
  const reports: unknown[] = []
  const { Worker } = staff(async (shardId, { signal }) => {
    await new Promise((stop) => signal.addEventListener('abort', stop))
    if (shardId === 0) throw signal.reason
    await turn()
    told.resolve()
  })
  await using flow = await new Flow({ onBackgroundError: (error) => reports.push(error) })
    .add({ name: 'w', uses: Worker, parallel: 2, polling: 'ALL_ASYNC' })
    .add({
      name: 'fails',
      needs: 'gateway',
      uses: async () => {
        await turn()
        throw new Error('fails')
      },
    })
    .add({ name: 'join', needs: ['w', 'fails'] })
    .open()
  const error = await flow
    .post('/', 'x')
    .drain()
    .then(
      () => undefined,
      (error) => error,
    )
  assert.match(error.message, 'fails')
  await within(1000, told.promise)
  await within(1000, flow.close())
  assert.equal(reports, [])
})

test('F4: with ALL_ASYNC, close() tells those that hang when its time is up', async () => {
  const signals: AbortSignal[] = []
  const { Worker } = staff(async (shardId, { signal }) => {
    signals.push(signal)
    if (shardId > 0) await new Promise(() => {})
  })
  const flow = await new Flow({ closeTimeout: 5 }).add({ uses: Worker, parallel: 3, polling: 'ALL_ASYNC' }).open()
  await within(1000, flow.post('/', 'x').drain())
  assert.not(signals[1]!.aborted)
  await within(1000, flow.close())
  assert.ok(signals[1]!.aborted && signals[2]!.aborted)
})

// ── in a graph ───────────────────────────────────────────────────────────────────────────────────────────

test('F4, E9: replicas at a fork and at a join: branches and replicas never see the changes of others', async () => {
  const { Worker } = staff(async (shardId, { docs, docsMatrix }) => {
    await turn()
    assert.equal(
      docsMatrix?.map(({ texts }) => texts),
      [['-a'], ['-b']],
    )
    for (const doc of docs) doc.tags[`w${shardId}`] = docs.length
    for (const docs of docsMatrix ?? []) for (const doc of docs) doc.text += '!'
  })
  const say =
    (name: string) =>
    async ({ docs }: Call) => {
      await turn()
      for (const doc of docs) doc.text += name
    }
  await using flow = await new Flow()
    .add({ name: 'a', needs: 'gateway', uses: say('a'), parallel: 3, polling: 'ALL' })
    .add({ name: 'b', needs: 'gateway', uses: say('b'), parallel: 2, polling: 'ALL_ASYNC' })
    .needs(['a', 'b'], { name: 'join', join: 'merge', uses: Worker, parallel: 2, polling: 'ALL' })
    .open()
  const docs = await within(1000, flow.post('/', { id: 'x', text: '-' }).docs())
  assert.equal(
    docs.map(({ text, tags }) => [text, tags]),
    [['-a', { w0: 1, w1: 1 }]],
  )
})

test('F4, P5: a request with parameters only goes where others go: to one, or to every replica', async () => {
  const asked: string[] = []
  const { Worker } = staff(async (shardId, { endpoint, docs, parameters }) => void asked.push(`${endpoint} ${shardId} ${docs.length} ${parameters.p}`))
  await using flow = await new Flow().add({ name: 'w', uses: Worker, parallel: 2, polling: { '/all': 'ALL', '/async': 'ALL_ASYNC' } }).open()
  for (const on of ['/any', '/all', '/async']) {
    const [response] = await within(1000, flow.post(on, undefined, { parameters: { p: 1 } }).toArray())
    assert.is(response!.docs.length, 0)
  }
  await flow.close()
  assert.equal(asked, ['/any 0 0 1', '/all 0 0 1', '/all 1 0 1', '/async 0 0 1', '/async 1 0 1'])
})

test('F4, P6: replicas of an executor that is not meant, or not bound, are left alone', async () => {
  let calls = 0
  class Bound extends Executor {
    static requests = { '/bound': 'work' }
    work() {
      calls++
    }
  }
  await using flow = await new Flow({ unknownEndpoint: 'pass' }).add({ name: 'w', uses: Bound, parallel: 3, polling: 'ALL' }).open()
  assert.equal((await flow.post('/other', 'x').docs()).texts, ['x'])
  assert.equal((await flow.post('/bound', 'x', { targetExecutor: 'v' }).docs()).texts, ['x'])
  assert.is(calls, 0)
  await flow.post('/bound', 'x', { targetExecutor: 'w' }).drain()
  assert.is(calls, 3)
})

for (const hears of [true, false])
  test(`F4: when a request is given up, the time of those in line ${hears ? 'stands still, as its executor stops' : 'runs, as its executor goes on'}`, async () => {
    const handle = ({ scope }: Request): Promise<void> => new Promise((_, reject) => void (hears && scope.watch(reject)))
    const replicas = new Replicas([{ accepts: () => true, handle }], {
      name: 'x',
      concurrency: 1,
      polling: 'ANY',
      background: new Background(undefined),
    })
    const started = [0, 0, 0]
    const requests = started.map((_, i) => {
      const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
      request.attempt = { tried: new Set(), onStart: () => void started[i]!++ }
      return request
    })
    const answers = requests.map((request) => Promise.resolve(replicas.handle(request)).catch(() => {}))
    assert.equal(started, [1, 0, 0])
    requests[0]!.scope.abort(new Error('too long'))
    await turn()
    assert.equal(started, hears ? [1, 1, 0] : [1, 1, 1])
    if (hears) for (const { scope } of requests) scope.abort(new Error('enough'))
    if (hears) await within(2000, Promise.all(answers))
  })

test('217: a replica that is free begins nothing for those whose time is up, and waits for nobody to say so', async () => {
  const doors: (() => void)[] = []
  const handle = (): Promise<void> => new Promise((resolve) => doors.push(resolve))
  for (const polling of ['ANY', 'ALL'] as const) {
    const replicas = new Replicas(
      [0, 1].map(() => ({ accepts: () => true, handle })),
      { name: 'x', concurrency: 1, polling, background: new Background(undefined) },
    )
    /** Asked too often, it is asked for ever: this process would never end. */
    let looks = 0
    const over = {
      watched: true,
      get left(): number {
        if (++looks > 1000) throw new Error('it is asked again and again')
        return -1
      },
    }
    const ask = (deadline?: Scope['deadline']): { scope: Scope; answer: Promise<void> } => {
      const request = new Request(new Header('/', {}), new DocumentArray(), new Scope())
      request.scope.deadline = deadline
      const answer = Promise.resolve(replicas.handle(request))
      answer.catch(() => {})
      return { scope: request.scope, answer }
    }
    const busy = polling === 'ALL' ? [ask()] : [ask(), ask()]
    await turn()
    const late = ask(over)
    const last = ask({ watched: true, left: 60_000 })
    await turn()
    assert.is(doors.length, 2, polling)
    for (const open of doors.splice(0)) open()
    await turn()
    assert.is(doors.length, polling === 'ALL' ? 2 : 1, `${polling}: the last goes before it`)
    for (const open of doors.splice(0)) open()
    await within(2000, Promise.all([...busy, last].map(({ answer }) => answer)))
    late.scope.abort(new Error('late'))
    assert.is((await failure(late.answer)).message, 'late')
    const next = ask()
    await turn()
    for (const open of doors.splice(0)) open()
    await within(2000, next.answer)
  }
})

test('219: what goes on after its time gives its place to another a second later, to as many as there are places; what is beyond them waits', async () => {
  const doors = new Doors()
  const { Worker } = staff(doors.wait)
  await using flow = await new Flow({ closeTimeout: 0 }).add({ name: 'worker', uses: Worker, concurrency: 2, timeout: 100 }).open()
  const ask = async (): Promise<string> => (await failure(flow.post('/work', ['x']).drain())).code
  const begun = async (count: number): Promise<void> => {
    await until(() => doors.waiting.length >= count)
    await turn()
    assert.is(doors.waiting.length, count)
  }
  assert.equal(await Promise.all([ask(), ask(), ask(), ask()]), Array(4).fill('ERR_EXECUTOR_TIMEOUT'))
  await begun(2)
  // Its time is up in line, as nobody knows yet that they hang.
  assert.is(await ask(), 'ERR_EXECUTOR_TIMEOUT')
  await begun(2)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.equal(await Promise.all([ask(), ask(), ask()]), Array(3).fill('ERR_EXECUTOR_TIMEOUT'))
  await begun(4)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.is(await ask(), 'ERR_EXECUTOR_TIMEOUT')
  await begun(4)
  // Those that end make room: these two for one, as one gave its place away long ago.
  doors.openAll()
  await turn()
  const again = flow.post('/work', ['y']).drain()
  await begun(1)
  doors.openAll()
  await again
})

test('219: who waits gets the place of one that hangs, once who asked for that has left', async () => {
  const doors = new Doors()
  const { Worker } = staff(doors.wait)
  await using flow = await new Flow({ closeTimeout: 0 }).add({ name: 'worker', uses: Worker, concurrency: 1 }).open()
  const stop = new AbortController()
  const left = failure(flow.post('/work', ['hangs'], { signal: stop.signal }).drain())
  await until(() => doors.waiting.length >= 1)
  const waits = flow.post('/work', ['waits']).drain()
  await turn()
  stop.abort(new Error('left'))
  assert.is((await left).message, 'left')
  assert.is(doors.waiting.length, 1)
  for (let n = 0; n < 500 && doors.waiting.length < 2; n++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.is(doors.waiting.length, 2)
  doors.openAll()
  await within(5000, waits)
})

test('219: a replica that is told to stop and ends nothing is stuck: it is told, others are asked first; it is freed when it ends something', async () => {
  const doors = new Doors()
  const { Worker } = staff(doors.wait)
  const records: LogRecord[] = []
  const logger = (record: LogRecord): void => void records.push(record)
  await using flow = await new Flow({ closeTimeout: 0, logger }).add({ name: 'worker', uses: Worker, parallel: 2, stuckAfter: 100 }).open()
  const leave = new AbortController()
  const hangs = failure(flow.post('/work', ['x'], { signal: leave.signal }).drain())
  await until(() => doors.waiting.length === 1)
  leave.abort(new Error('left'))
  await hangs
  await until(() => records.length > 0)
  assert.equal(
    records.map(({ level, event, executor, fields }) => [level, event, executor, fields!['replica'], fields!['calls']]),
    [['warn', 'executor.stuck', 'worker', 0, 1]],
  )
  // However many it has, and however long it takes.
  const ask = (count: number) => texts(count).map((text) => flow.post('/work', [text]).drain())
  const many = ask(300)
  await new Promise((resolve) => setTimeout(resolve, 20))
  many.push(...ask(300))
  await until(() => doors.waiting.length === 601)
  assert.is(doors.shards.filter((shardId) => shardId === 0).length, 1, 'the other one had them all')
  doors.openAll()
  await within(5000, Promise.all(many))
  await until(() => records.some(({ event }) => event === 'executor.freed'))
  assert.equal(
    records.filter(({ fields }) => fields!['replica'] === 0).map(({ level, event }) => [level, event]),
    [
      ['warn', 'executor.stuck'],
      ['info', 'executor.freed'],
    ],
  )
})

test('219: one call that hangs says nothing of the next: of ten, or where there is no place left, nothing is to be expected', async () => {
  for (const [options, hanging, ready] of [
    [{ concurrency: 20 }, 1, true],
    [{ concurrency: 20 }, 9, true],
    [{ concurrency: 20 }, 10, false],
    // The second has the place that the first gives away; there is no third.
    [{ concurrency: 1 }, 2, false],
    // Where one of those that all are asked for answers nothing, nothing is answered.
    [{ concurrency: 20, parallel: 2, polling: 'ALL' }, 10, false],
  ] as const) {
    const doors = new Doors()
    const { Worker } = staff((shardId, call) => (shardId === 0 ? doors.wait(shardId, call) : undefined))
    const stuck = deferred<void>()
    const logger = ({ event }: LogRecord): void => (event === 'executor.stuck' ? stuck.resolve() : undefined)
    const flow = await new Flow({ closeTimeout: 0, logger }).add({ name: 'worker', uses: Worker, stuckAfter: 100, ...options }).open()
    for (let n = 1; n <= hanging; n++) {
      const leave = new AbortController()
      const asked = failure(flow.post('/work', ['x'], { signal: leave.signal }).drain())
      await until(() => doors.waiting.length === n)
      leave.abort(new Error('left'))
      await asked
    }
    await within(10_000, stuck.promise)
    const about = JSON.stringify([options, hanging])
    assert.is((await flow.health(true)).ready, ready, about)
    doors.openAll()
    await turn()
    assert.is((await flow.health(true)).ready, true, about)
    await flow.close()
  }
})

test('219: a replica that ends what it has, one after the other, is not stuck, nor is one that hears its signal', async () => {
  const { Worker } = staff(async (_, { docs, signal }) => {
    const heeds = docs[0]!.text === 'heeds'
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 250)
      if (heeds) signal.addEventListener('abort', () => resolve(clearTimeout(timer)))
    })
  })
  const records: LogRecord[] = []
  const logger = (record: LogRecord): void => void records.push(record)
  await using flow = await new Flow({ closeTimeout: 0, logger }).add({ name: 'worker', uses: Worker, concurrency: 9, timeout: 50, stuckAfter: 300 }).open()
  // For a second, some that do not hear are always under way, and are late; each ends after all.
  for (let n = 0; n < 10; n++) {
    for (const text of ['deaf', 'heeds'])
      flow
        .post('/work', [text])
        .drain()
        .catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.equal(records, [])
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test.run()
