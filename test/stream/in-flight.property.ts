// The scheduler of fast-check decides in which order the source, the work and the consumers go on; what must hold holds in all.
import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inFlight } from '../../lib/stream/index.js'
import { turn } from '../support/turn.js'
import { within } from '../support/within.js'

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

/** Turns of the event loop after which nothing comes any more. */
const TURNS = 200

interface Plan {
  limit: number
  ordered: boolean
  /** How the source gives items: at once, or when the scheduler says so. */
  source: 'array' | 'sync' | 'async' | 'async generator'
  items: ('at once' | 'microtasks' | 'scheduled' | 'fails at once' | 'fails')[]
  /** The read at which the source fails instead. */
  sourceFails: number | undefined
  closingFails: boolean
  consumers: ('for await' | 'pauses' | 'twice')[]
  /** What ends it early, once so many results were received. */
  leaves: { how: 'break' | 'return' | 'abort'; after: number } | undefined
}

const plans = (faults: boolean, tail: fc.Arbitrary<Plan['leaves']>): fc.Arbitrary<Plan> =>
  fc.record({
    limit: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }) }, { weight: 1, arbitrary: fc.integer({ min: 5, max: 64 }) }),
    ordered: fc.boolean(),
    source: fc.constantFrom<Plan['source'][]>('array', 'sync', 'async', 'async generator'),
    items: fc.array(
      faults
        ? fc.oneof(
            { weight: 12, arbitrary: fc.constantFrom<Plan['items']>('at once', 'microtasks', 'scheduled', 'scheduled') },
            { weight: 1, arbitrary: fc.constantFrom<Plan['items']>('fails at once', 'fails') },
          )
        : fc.constantFrom<Plan['items']>('at once', 'microtasks', 'scheduled', 'scheduled'),
      { maxLength: 24, size: 'max' },
    ),
    sourceFails: faults ? fc.option(fc.nat(24), { nil: undefined, freq: 2 }) : fc.constant(undefined),
    closingFails: faults ? fc.boolean() : fc.constant(false),
    consumers: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Plan['consumers']>(['for await']) },
      { weight: 2, arbitrary: fc.array(fc.constantFrom<Plan['consumers']>('for await', 'pauses', 'twice'), { minLength: 1, maxLength: 5 }) },
    ),
    leaves: tail,
  })

const leaving: fc.Arbitrary<Plan['leaves']> = fc.record({ how: fc.constantFrom('break', 'return', 'abort'), after: fc.nat(12) })

class Run {
  inside = 0
  peak = 0
  readonly started: number[] = []
  /** In order of their end, and whether it was a success. */
  readonly finished: { item: number; ok: boolean }[] = []
  readonly received: number[] = []
  readonly errors: unknown[] = []
  readonly faults: string[] = []
  reading = false
  returns = 0
  sourceOver = false
  sourceError: unknown
  /** What had finished with success when the first failure of an item ended it. */
  doneBefore: number[] | undefined
  left = false
  aborted = false
  readonly controller = new AbortController()
  readonly signals: AbortSignal[] = []
  it!: AsyncIterableIterator<number>

  constructor(
    readonly plan: Plan,
    readonly scheduler: fc.Scheduler,
  ) {}

  // ── the source ──

  enter(): void {
    if (this.reading) this.faults.push('overlapping next()')
    if (this.returns > 0) this.faults.push('next() after return()')
    if (this.sourceOver) this.faults.push('next() after the end')
    this.reading = true
    this.peak = Math.max(this.peak, ++this.inside)
  }

  step(read: number): IteratorResult<number> {
    this.reading = false
    if (read === this.plan.sourceFails) {
      this.inside--
      this.sourceOver = true
      throw (this.sourceError = new Error('source'))
    }
    if (read < this.plan.items.length) return { done: false, value: read }
    this.inside--
    this.sourceOver = true
    return { done: true, value: undefined }
  }

  closed(): IteratorResult<number> {
    this.returns++
    if (this.sourceOver) this.faults.push('return() after the end')
    if (this.plan.closingFails) throw new Error('closing')
    return { done: true, value: undefined }
  }

  source(): Iterable<number> | AsyncIterable<number> {
    let read = 0
    switch (this.plan.source) {
      case 'array':
        // Its reads cannot be seen: an item counts when its work starts.
        return this.plan.items.map((_, i) => i)
      case 'sync':
        return {
          [Symbol.iterator]: () => ({
            next: () => {
              this.enter()
              return this.step(read++)
            },
            return: () => this.closed(),
          }),
        }
      case 'async':
        return {
          [Symbol.asyncIterator]: () => ({
            next: async () => {
              this.enter()
              await this.scheduler.schedule(Promise.resolve(), 'read')
              return this.step(read++)
            },
            return: async () => this.closed(),
          }),
        }
      case 'async generator':
        return this.generator()
    }
  }

  async *generator(): AsyncGenerator<number> {
    let ended = false
    try {
      for (let read = 0; ; read++) {
        this.enter()
        await this.scheduler.schedule(Promise.resolve(), 'read')
        let step: IteratorResult<number>
        try {
          step = this.step(read)
        } catch (error) {
          ended = true
          throw error
        }
        if (step.done) {
          ended = true
          return
        }
        yield step.value
      }
    } finally {
      if (!ended) this.closed()
    }
  }

  // ── the work ──

  readonly fn = (item: number, { signal }: { signal: AbortSignal }): number | Promise<number> => {
    if (this.plan.source === 'array') this.peak = Math.max(this.peak, ++this.inside)
    if (this.doneBefore !== undefined || this.left || this.aborted) this.faults.push('work started after the end')
    this.started.push(item)
    this.signals.push(signal)
    const kind = this.plan.items[item]!
    if (kind === 'at once') return this.end(item, true)
    if (kind === 'fails at once') return this.end(item, false)
    return (async () => {
      if (kind === 'microtasks') for (let i = 0; i < item % 4; i++) await undefined
      else await this.scheduler.schedule(Promise.resolve(), `work ${item}`)
      return this.end(item, kind !== 'fails')
    })()
  }

  end(item: number, ok: boolean): number {
    this.finished.push({ item, ok })
    if (ok) return item
    if (this.sourceError === undefined && !this.left && !this.aborted) {
      this.doneBefore ??= this.finished.filter(({ ok }) => ok).map(({ item }) => item)
    }
    throw new Error(`item ${item}`)
  }

  // ── the consumers ──

  receive(result: IteratorResult<number>): boolean {
    if (result.done) return false
    this.inside--
    this.received.push(result.value)
    const { leaves } = this.plan
    if (leaves !== undefined && !this.left && !this.aborted && this.received.length > leaves.after) {
      if (leaves.how === 'abort') {
        this.aborted = true
        this.controller.abort('enough')
      } else if (leaves.how === 'return') {
        this.left = true
        this.it.return!().catch(() => {})
      }
    }
    return true
  }

  async consume(kind: Plan['consumers'][number]): Promise<void> {
    const { it, plan } = this
    try {
      if (kind === 'twice') {
        for (let open = true; open; ) {
          const [a, b] = [it.next(), it.next()]
          b.catch(() => {})
          const first = this.receive(await a)
          open = this.receive(await b) && first
        }
        return
      }
      for await (const value of it) {
        this.receive({ done: false, value })
        if (plan.leaves?.how === 'break' && this.received.length > plan.leaves.after) {
          this.left = true
          break
        }
        if (kind === 'pauses') await this.scheduler.schedule(Promise.resolve(), 'consumer')
      }
    } catch (error) {
      this.errors.push(error)
    }
  }

  /** @param before is awaited before the first thing that is scheduled happens */
  async go(before: () => Promise<void>): Promise<void> {
    const { limit, ordered, consumers } = this.plan
    this.it = inFlight(this.source(), this.fn, { limit, ordered, signal: this.controller.signal })
    const all = Promise.all(consumers.map((kind) => this.consume(kind)))
    let over = false
    all.then(() => (over = true))
    await before()
    while (!over) {
      await this.scheduler.waitIdle()
      await turn()
      // On a busy machine every turn may be used up, and what steps aside waits for a few.
      for (let turns = 0; !over && this.scheduler.count() === 0; turns++) {
        if (turns === TURNS) throw new Error('something is pending for ever')
        await turn()
      }
    }
    // What was scheduled and is not wanted any more ends too, and must do no harm.
    await this.scheduler.waitIdle()
  }

  check(): void {
    const { plan, received } = this
    assert.equal(this.faults, [])
    assert.ok(this.peak <= plan.limit, `${this.peak} in flight, limit ${plan.limit}`)
    assert.equal(this.started, plan.items.map((_, i) => i).slice(0, this.started.length), 'items are started once, in order')
    assert.is(new Set(received).size, received.length, 'a result came twice')
    assert.ok(received.every((item) => this.finished.some((end) => end.ok && end.item === item)))
    if (plan.ordered && plan.consumers.length === 1)
      assert.equal(
        received,
        [...received].sort((a, b) => a - b),
        'out of order',
      )
    assert.ok(this.returns <= 1, 'closed twice')
    assert.is(getEventListeners(this.controller.signal, 'abort').length, 0, 'a listener stays')

    if (this.left || this.aborted) {
      if (plan.source !== 'array' && !this.sourceOver) assert.is(this.returns, 1, 'not closed')
      for (const error of this.errors) assert.ok(error === 'enough' || error instanceof Error)
      return
    }
    if (plan.ordered) return this.checkOrdered()
    if (this.doneBefore !== undefined) {
      for (const item of this.doneBefore) {
        assert.ok(received.includes(item), `finished result ${item} was dropped`)
      }
      assert.is(this.errors.length, 1, 'exactly one error')
      assert.match((this.errors[0] as Error).message, /^item /)
      if (plan.source !== 'array' && !this.sourceOver) assert.is(this.returns, 1, 'not closed')
      for (const signal of this.signals) assert.ok(signal.aborted, 'work was not told')
      return
    }
    this.checkEnd()
  }

  /** When ordered, the plan says all, however its parts are timed: what is before the first failure comes, then that failure. */
  checkOrdered(): void {
    const { plan, received } = this
    const ends = plan.source === 'array' ? plan.items.length : (plan.sourceFails ?? plan.items.length)
    const fails = plan.items.findIndex((kind) => kind === 'fails' || kind === 'fails at once')
    if (fails === -1 || fails >= ends) return this.checkEnd()
    assert.equal(new Set(received), new Set([...plan.items.keys()].slice(0, fails)))
    assert.equal(
      this.errors.map((error) => (error as Error).message),
      [`item ${fails}`],
    )
    if (plan.source !== 'array' && !this.sourceOver) assert.is(this.returns, 1, 'not closed')
    for (const [item, signal] of this.signals.entries()) assert.is(signal.aborted, item >= fails, `item ${item} of those before ${fails}`)
  }

  /** All that was read is done and delivered, then comes the end, or the failure of the source. */
  checkEnd(): void {
    const { plan, received } = this
    const { length } = plan.items
    const good = this.finished.filter(({ ok }) => ok).length
    assert.is(received.length, good, 'all that was finished was delivered')
    assert.is(this.inside, plan.source === 'array' || this.sourceError === undefined ? 0 : this.finished.length - good)
    if (this.sourceError !== undefined) assert.equal(this.errors, [this.sourceError])
    else {
      assert.equal(this.errors, [])
      assert.is(received.length, length)
    }
  }
}

async function check(
  plan: fc.Arbitrary<Plan>,
  runs: number,
  more: (run: Run) => void = () => {},
  before: (run: Run) => Promise<void> = async () => {},
): Promise<void> {
  const property = fc.asyncProperty(fc.scheduler(), plan, async (scheduler, plan) => {
    const run = new Run(plan, scheduler)
    await within(
      60_000,
      run.go(() => before(run)),
    )
    run.check()
    assert.equal(await within(60_000, run.it.next()), { done: true, value: undefined })
    more(run)
    assert.is(unhandled, 0)
  })
  await fc.assert(property, { numRuns: runs, endOnFailure: false })
  await turn()
  assert.is(unhandled, 0)
}

test('promises 1, 3, 7, R22, R28, R29, R35: to the end, exactly once, in order, within the bound', () => check(plans(false, fc.constant(undefined)), 800))

test('promises 4, 5, 10, R8, R49, R51, R156: with failures, what finished before comes (when ordered, all before), then one error, then the end', () =>
  check(plans(true, fc.constant(undefined)), 1200))

test('promises 6, 8, R1, R13, R38, R42: left or aborted at any moment, everything settles and is closed once', () => check(plans(false, leaving), 800))

test('promises 1 to 10 at once: failures, early returns and aborts', () => check(plans(true, leaving), 800))

const most = ({ plan }: Run): number => Math.min(plan.limit, plan.items.length + 1)

test('promise 1, R23: the bound is used, with as many consumers as you like', () =>
  check(
    plans(false, fc.constant(undefined)).map((plan) => ({ ...plan, source: 'sync' as const, items: plan.items.map(() => 'scheduled' as const) })),
    300,
    (run) => assert.is(run.peak, most(run)),
    // Reading steps aside where turns are used up: work that ends before it is all there would leave places free.
    async (run) => {
      for (let turns = 0; run.peak < most(run) && turns < TURNS; turns++) await turn()
    },
  ))

test.run()
