// Any order of what comes, asks, waits, is answered, is not read, is too slow, and leaves: all end, nobody waits where it could go on, and nothing is left inside.
import '../support/clock.js'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteBudget, type Hold } from '../../lib/stream/byte-budget.js'
import { Scope } from '../../lib/stream/scope.js'
import { clock } from '../support/hand-clock.js'
import { turn } from '../support/turn.js'

const LIMIT = 8_000_000
const BUSY = new Error('busy')
const ENDPOINTS: Record<string, number> = { '/none': 10, '/some': 100_000, '/big': 3_000_000, '/huge': 12_000_000 }
const SIZES = [100, 20_000, 60_000, 500_000, 3_000_000, 7_900_000, 20_000_000]

/** Numbers that look like chance and are the same for the same seed. */
function chance(seed: number) {
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { below: (most: number): number => Math.floor(next() * most), of: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]! }
}

type State = 'asks' | 'is read' | 'waits for room' | 'waits for its answer' | 'runs' | 'is taken' | 'over'

/** A request, as the wires and the limits treat one. Where it cannot go on by itself, it is told to by `step`. */
class Client {
  state: State = 'asks'
  since: number
  readonly scope = new Scope()
  readonly hold: Hold
  readonly #answer: Hold
  left = 0
  #growing: number

  constructor(
    private readonly budget: ByteBudget,
    readonly tenant: string,
    private readonly endpoint: string,
    bytes: number,
    /** How it sends and takes: at once, step by step, or never. */
    readonly pace: 'quick' | 'slow' | 'never',
    chunked: boolean,
    private readonly now: () => number,
  ) {
    this.since = now()
    this.hold = budget.hold(tenant)
    this.#answer = budget.hold(tenant, true)
    this.#growing = chunked ? bytes : 0
    this.#go(() => (chunked ? this.hold.begin(this.scope) : this.hold.ask(this.scope, bytes)), this.#read)
  }

  #to(state: State): void {
    if (this.state === 'over') return
    this.state = state
    this.since = this.now()
  }

  /** As a wire does: what fails here ends it. */
  #go(wait: () => void | Promise<void>, then: () => void): void {
    let waiting: void | Promise<void>
    try {
      waiting = wait()
    } catch {
      return this.end()
    }
    if (waiting === undefined) then()
    else
      waiting.then(
        () => this.state !== 'over' && then(),
        () => this.end(),
      )
  }

  readonly #read = (): void => {
    this.#to('is read')
    this.hold.watch(() => this.end())
    if (this.pace === 'quick' && this.#growing === 0) this.step()
  }

  readonly #expect = (): void => {
    if (this.budget.isSmall(this.endpoint)) return this.#run()
    this.#to('waits for its answer')
    this.#go(() => this.budget.expect(this.hold, this.scope, this.endpoint), this.#room)
  }

  readonly #room = (): void => {
    this.#to('waits for room')
    this.#go(() => (this.budget.isOwed ? this.budget.room(this.scope, this.tenant) : undefined), this.#run)
  }

  readonly #run = (): void => {
    this.#to('runs')
    this.hold.enter()
  }

  /** What is not for the budget to decide goes on. */
  step(): void {
    if (this.state === 'is read') {
      if (this.pace === 'never') return
      if (this.#growing > 0) {
        const some = Math.min(this.#growing, 1_000_000)
        this.#growing -= some
        if (!this.hold.more(some)) return this.end()
        if (this.#growing > 0) return
      }
      this.hold.unwatch()
      this.#expect()
    } else if (this.state === 'runs') {
      this.hold.leave()
      const size = ENDPOINTS[this.endpoint]!
      this.budget.answered(this.endpoint, size)
      this.hold.made()
      this.#to('is taken')
      this.left = size
      this.#answer.watch(() => this.end())
      this.#answer.set(size)
      if (this.pace === 'quick') this.step()
    } else if (this.state === 'is taken' && this.pace !== 'never') {
      this.left = Math.max(0, this.left - (this.pace === 'quick' ? Infinity : 400_000))
      this.#answer.set(this.left)
      if (this.left === 0) this.end()
    }
  }

  end(): void {
    if (this.state === 'over') return
    const { state } = this
    this.#to('over')
    this.scope.abort(new Error('left'))
    if (state === 'runs') this.hold.leave()
    this.hold.leave()
    this.#answer.leave()
  }
}

async function settled(): Promise<void> {
  for (let at = 0; at < 3; at++) await turn()
}

async function run(seed: number): Promise<void> {
  using time = clock()
  const { below, of } = chance(seed)
  const budget = new ByteBudget(LIMIT, () => BUSY)
  let clients: Client[] = []
  let made = time.now()
  const check = (): void => {
    const of = (state: State): Client[] => clients.filter((client) => client.state === state)
    const owed = of('is taken').reduce((sum, { left }) => sum + left, 0)
    assert.is(budget.isOwed, owed >= LIMIT)
    if (owed < LIMIT) assert.is(of('waits for room').length, 0, 'who waits for room has it')
    for (const { since } of of('waits for room')) assert.ok(time.now() - since <= 30_000)
    assert.ok(budget.state.inside > 0 || of('asks').every(({ since }) => time.now() - since <= 10_000), 'who asks waits for somebody')
    if (of('runs').length + of('waits for room').length > 0) made = time.now()
    for (const { since } of of('waits for its answer'))
      assert.ok(time.now() - Math.max(since, made) <= 11_000, 'who waits for others that are made waits for somebody')
  }
  const steps = 20 + below(150)
  for (let at = 0; at < steps; at++) {
    const what = below(10)
    if (what < 4)
      for (let more = 1 + below(5); more > 0; more--)
        clients.push(
          new Client(
            budget,
            of(['a', 'a', 'a', 'b', 'c']),
            of(Object.keys(ENDPOINTS)),
            of(SIZES),
            of(['quick', 'quick', 'quick', 'slow', 'never']),
            below(5) === 0,
            () => time.now(),
          ),
        )
    else if (what < 8) for (const client of clients) if (below(2) === 0) client.step()
    if (what === 8 && clients.length > 0) of(clients).end()
    if (what === 9) await time.pass(of([1, 100, 1000, 5000]))
    await settled()
    clients = clients.filter(({ state }) => state !== 'over')
    check()
  }
  // Nobody comes any more. Executors end, and those that take and send do; those that do not are hung up on only if somebody waits.
  for (let round = 0; round < 5000 && clients.some(({ state, pace }) => pace !== 'never' || /waits|asks|runs/.test(state)); round++) {
    for (const client of clients) client.step()
    await time.pass(1000)
    await settled()
    clients = clients.filter(({ state }) => state !== 'over')
    check()
  }
  assert.equal(
    clients.filter(({ state, pace }) => pace !== 'never' || /waits|asks|runs/.test(state)).map(({ state, pace }) => `${pace}: ${state}`),
    [],
  )
  assert.is(budget.state.waiting, 0)
  for (const client of clients) client.end()
  await settled()
  assert.equal([budget.state.inside, budget.state.waiting], [0, 0])
  // Who comes now finds everything as at first.
  const all = budget.hold('d')
  assert.is(all.ask(new Scope(), LIMIT), undefined)
  all.leave()
  const answer = budget.hold('d')
  assert.is(budget.expect(answer, new Scope(), '/huge'), undefined)
  answer.leave()
}

test('222: whatever comes, asks, is slow and leaves: all ends, and nothing is left inside', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), (seed) => run(seed)),
    { numRuns: 150, includeErrorInReport: true, endOnFailure: true },
  )
})

test.run()
