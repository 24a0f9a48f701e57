// Graphs of every kind, in any timing, with failures and aborts at every node: every document arrives exactly as often as the graph says.
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, type Call, Document, Executor, ExecutorError, Flow, type Join, type Polling } from '../../lib/index.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'

interface Place {
  /** Indices of places before it, or -1 for the gateway. */
  readonly needs: readonly number[]
  readonly join: Join
  readonly parallel: number
  readonly polling: Polling
  readonly floating: boolean
}

type Shape = readonly Place[]

// ── what there is ────────────────────────────────────────────────────────────────────────────────────────

const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at)
const chain = (length: number): number[][] => numbers(length).map((at) => [at - 1])
const known: number[][][] = [
  chain(1),
  chain(8),
  chain(32),
  // A diamond; a fork of 16 and its join; two joins, one behind the other.
  [[-1], [0], [0], [1, 2]],
  [[-1], ...numbers(16).map(() => [0]), numbers(16).map((at) => at + 1)],
  [[-1], [-1], [0, 1], [-1, 0], [2, 3]],
]

const random: fc.Arbitrary<number[][]> = fc
  .integer({ min: 1, max: 9 })
  .chain((size) => fc.tuple(...numbers(size).map((at) => fc.uniqueArray(fc.integer({ min: -1, max: at - 1 }), { minLength: 1, maxLength: 3 }))))

const kind = fc.record({
  join: fc.constantFrom<Join>('concat', 'merge'),
  // Most places are plain.
  parallel: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 8 }) }),
  polling: fc.constantFrom<Polling>('ANY', 'ALL', 'ALL_ASYNC'),
  floating: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
})

const shapes: fc.Arbitrary<Shape> = fc
  .oneof({ weight: 3, arbitrary: random }, { weight: 2, arbitrary: fc.constantFrom(...known) })
  .chain((graph) => fc.tuple(...graph.map((needs) => kind.map((more) => ({ needs, ...more })))))

// ── what is to come ──────────────────────────────────────────────────────────────────────────────────────

/** How often a document arrives at each place, its replicas counted each, and at the end. */
function arrivals(shape: Shape): { at: number[]; end: number; afloat: boolean[] } {
  const at: number[] = []
  const out: number[] = []
  const afloat: boolean[] = []
  for (const { needs, join, parallel, polling, floating } of shape) {
    const sum = needs.reduce((sum, need) => sum + (need === -1 ? 1 : out[need]!), 0)
    // What unites by id puts the n-th of one branch together with the n-th of the others.
    const comes = needs.length > 1 && join === 'merge' ? Math.max(...needs.map((need) => (need === -1 ? 1 : out[need]!))) : sum
    at.push(comes * (polling === 'ANY' ? 1 : parallel))
    out.push(comes)
    afloat.push(floating || needs.some((need) => afloat[need]))
  }
  const leaves = numbers(shape.length).filter((leaf) => !afloat[leaf] && !shape.some(({ needs }, index) => !afloat[index] && needs.includes(leaf)))
  return { at, end: leaves.length === 0 ? 1 : leaves.reduce((sum, leaf) => sum + out[leaf]!, 0), afloat }
}

// ── a Flow that is watched ───────────────────────────────────────────────────────────────────────────────

/** What executors wait for before they answer. */
type Pause = (place: number, call: Call) => Promise<unknown>

class Watched {
  /** Documents by place. */
  readonly seen: number[]
  readonly reports: any[] = []
  readonly flow: Flow<string>
  open = 0
  closed = 0
  running = 0

  constructor(
    readonly shape: Shape,
    pause: Pause,
    failing?: number,
    more: readonly AddOptions[] = [{}],
  ) {
    this.seen = shape.map(() => 0)
    this.flow = new Flow<string>({ closeTimeout: 4000, onBackgroundError: (error) => this.reports.push(error) })
    const watched = this
    shape.forEach(({ needs, ...options }, place) => {
      class Place extends Executor {
        static requests = { '/default': 'work' }
        #state = 'made'
        override open() {
          assert.is(this.#state, 'made')
          this.#state = 'open'
          watched.open++
        }
        override close() {
          assert.is(this.#state, 'open')
          this.#state = 'closed'
          watched.closed++
        }
        async work(call: Call) {
          watched.running++
          try {
            await pause(place, call)
            assert.is(this.#state, 'open')
            if (place === failing) throw new Error(`n${place}`)
            watched.seen[place]! += call.docs.length
            for (const doc of call.docs) doc.tags.path = `${doc.tags.path ?? ''}/${place}`
          } finally {
            watched.running--
          }
        }
      }
      const extra = more[place % more.length]!
      const names = needs.map((need) => (need === -1 ? 'gateway' : `n${need}`))
      this.flow.add({ name: `n${place}`, needs: names, uses: Place, ...options, ...extra } as AddOptions)
    })
  }

  /** All instances were opened and closed once, and none is at work. */
  isOver(): void {
    const instances = this.shape.reduce((sum, { parallel }) => sum + parallel, 0)
    assert.equal([this.open, this.closed, this.running], [instances, instances, 0])
  }
}

const turns = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 9 })

/** Some turns of the event loop, or until it is told to stop. */
const pausing =
  (turns: readonly number[]): Pause =>
  async (place, { signal }) => {
    for (let i = turns[place % turns.length]!; i > 0; i--) {
      await turn()
      if (signal.aborted) throw signal.reason
    }
  }

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

function delivered(shape: Shape, count: number, docs: readonly Document[]): void {
  const { end } = arrivals(shape)
  assert.is(docs.length, end * count)
  const copies = new Map<string, number>()
  for (const { id } of docs) copies.set(id, (copies.get(id) ?? 0) + 1)
  assert.ok([...copies.values()].every((times) => times === end))
  // Copies of one document share nothing that can change.
  assert.is(new Set(docs).size, docs.length)
  assert.is(new Set(docs.map(({ tags }) => tags)).size, docs.length)
}

const inputs = (count: number): Document[] => numbers(count).map((id) => new Document({ id: `${id}` }))

// ── properties ───────────────────────────────────────────────────────────────────────────────────────────

test('F3, F4, E9: every document arrives exactly as often as the graph says, in any timing', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, turns, fc.integer({ min: 1, max: 5 }), async (shape, turns, count) => {
      const watched = new Watched(shape, pausing(turns))
      await watched.flow.open()
      delivered(shape, count, await within(5000, watched.flow.post('/', inputs(count), { requestSize: 2 }).docs()))
      await within(5000, watched.flow.close())
      assert.equal(
        watched.seen,
        arrivals(shape).at.map((times) => times * count),
      )
      assert.equal(watched.reports, [])
      watched.isOver()
    }),
    { numRuns: 200 },
  )
})

test('F3, F4, E9, R36: the same when executors answer one by one, in any order', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.scheduler(), fc.boolean(), async (shape, scheduler, resultsInOrder) => {
      const watched = new Watched(shape, (place) => scheduler.schedule(Promise.resolve(), `n${place}`))
      await watched.flow.open()
      const docs = await within(5000, scheduler.waitFor(watched.flow.post('/', inputs(3), { requestSize: 2, resultsInOrder }).docs()))
      delivered(shape, 3, docs)
      await within(5000, scheduler.waitFor(watched.flow.close()))
      assert.equal(
        watched.seen,
        arrivals(shape).at.map((times) => times * 3),
      )
      watched.isOver()
    }),
    { numRuns: 160 },
  )
})

test('R53, R55: a failure at any node comes out once, by its name, or is reported where no response waits for it; and nothing hangs', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, turns, fc.nat(), async (shape, turns, pick) => {
      const failing = pick % shape.length
      const watched = new Watched(shape, pausing(turns), failing)
      await watched.flow.open()
      const outcome: any = await within(
        5000,
        watched.flow
          .post('/', ['a', 'b', 'c'], { requestSize: 1 })
          .drain()
          .catch((error) => error),
      )
      await within(5000, watched.flow.close())
      if (arrivals(shape).afloat[failing]) {
        assert.is(outcome, 3)
        assert.ok(watched.reports.length >= 3)
      } else {
        assert.ok(outcome instanceof ExecutorError)
        assert.is(outcome.executor, `n${failing}`)
      }
      for (const error of watched.reports) assert.is(error.executor, `n${failing}`)
      assert.is(watched.seen[failing], 0)
      watched.isOver()
    }),
    { numRuns: 160 },
  )
})

test('P8, R53: with continueOnError every request is answered, whatever fails in any order', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.scheduler(), fc.nat(), async (shape, scheduler, pick) => {
      const failing = pick % shape.length
      const watched = new Watched(shape, (place) => scheduler.schedule(Promise.resolve(), `n${place}`), failing)
      await watched.flow.open()
      const responses = await within(5000, scheduler.waitFor(watched.flow.post('/', ['a', 'b', 'c'], { requestSize: 1, continueOnError: true }).toArray()))
      assert.is(responses.length, 3)
      const blamed = arrivals(shape).afloat[failing] ? undefined : `n${failing}`
      for (const { error } of responses) assert.is((error as ExecutorError | undefined)?.executor, blamed)
      await within(5000, scheduler.waitFor(watched.flow.close()))
      watched.isOver()
    }),
    { numRuns: 160 },
  )
})

const extras = fc.record(
  {
    concurrency: fc.integer({ min: 1, max: 3 }),
    timeout: fc.constant(4000),
    dynamicBatching: fc.record({ preferredBatchSize: fc.integer({ min: 1, max: 3 }), timeout: fc.constant(1), flushAll: fc.boolean() }),
  },
  { requiredKeys: [] },
)

test('F4: the same with bounds, batches, times, and a failure at each place that is tried again', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, turns, fc.array(extras, { minLength: 1, maxLength: 5 }), async (shape, turns, more) => {
      const pause = pausing(turns)
      const failed = new Set<string>()
      const once: Pause = async (place, call) => {
        await pause(place, call)
        const attempt = `${place} ${call.requestId}`
        if (failed.has(attempt)) return
        failed.add(attempt)
        throw new Error('again')
      }
      const retries = { attempts: 1, delay: 0 }
      const watched = new Watched(
        shape,
        once,
        undefined,
        more.map((one) => ({ ...one, retries })),
      )
      await watched.flow.open()
      delivered(shape, 3, await within(5000, watched.flow.post('/', inputs(3), { requestSize: 2 }).docs()))
      await within(5000, watched.flow.close())
      watched.isOver()
    }),
    { numRuns: 60 },
  )
})

test('P12: an abort or a break at any time ends with its reason, and close() finds nothing left', async () => {
  await fc.assert(
    fc.asyncProperty(
      shapes,
      turns,
      fc.integer({ min: 0, max: 6 }),
      fc.boolean(),
      fc.array(extras, { minLength: 1, maxLength: 5 }),
      async (shape, turns, when, leaves, more) => {
        const watched = new Watched(shape, pausing(turns), undefined, more)
        await watched.flow.open()
        const controller = new AbortController()
        const post = watched.flow.post('/', ['a', 'b', 'c', 'd'], { requestSize: 1, signal: controller.signal })
        const outcome = post.drain().catch((reason) => reason)
        for (let i = 0; i < when; i++) await turn()
        if (leaves) await within(5000, post.return())
        else controller.abort('enough')
        const ended = await within(5000, outcome)
        assert.ok(leaves ? ended <= 4 : ended === 'enough' || ended === 4, String(ended))
        await within(3900, watched.flow.close())
        watched.isOver()
        assert.equal(watched.reports, [])
      },
    ),
    { numRuns: 160 },
  )
})

test('P12, R57: an abort at each node in turn, of graphs of every known kind', async () => {
  for (const graph of known)
    for (let at = 0; at < graph.length; at += graph.length > 8 ? 5 : 1) {
      const controller = new AbortController()
      const shape = graph.map((needs): Place => ({ needs, join: 'concat', parallel: 1, polling: 'ANY', floating: false }))
      const watched = new Watched(shape, async (place) => {
        if (place === at) controller.abort(`at n${at}`)
        await turn()
      })
      await watched.flow.open()
      const reason = await within(
        1000,
        watched.flow
          .post('/', ['a', 'b'], { requestSize: 1, signal: controller.signal })
          .drain()
          .catch((reason) => reason),
      )
      assert.is(reason, `at n${at}`)
      await within(1000, watched.flow.close())
      watched.isOver()
    }
})

test('R57: all through, no rejection was left unhandled', async () => {
  await turn()
  assert.is(unhandled, 0)
})

test.run()
