import { Limiter } from '../lib/handler/limits.js'
import { DocumentArray, Executor, Flow } from '../lib/index.js'
import { Header, Request } from '../lib/request/request.js'
import { Scope } from '../lib/stream/scope.js'
import { atMost, elapsed, figure, quick, say, table, targets, title } from './report.js'

// How many requests are inside where 'auto' is to find it: places of 40 ms, asked ten times as much as they do, with 500 ms of patience. The bound before them is the only thing that differs.

const WORK = 40
const PATIENCE = 500
/** Seconds of each run, and from which second on it is judged. */
const [LASTS, FROM] = quick ? [8, 5] : [30, 10]

/** Places whose number changes. */
class Places {
  #busy = 0
  readonly #line: (() => void)[] = []

  constructor(public count: number) {}

  async take(): Promise<void> {
    if (this.#busy >= this.count) await new Promise<void>((resolve) => this.#line.push(resolve))
    else this.#busy++
  }

  give(): void {
    this.#busy--
    while (this.#busy < this.count && this.#line.length > 0) {
      this.#busy++
      this.#line.shift()!()
    }
  }
}

interface Run {
  readonly limit: number
  readonly done: number
  readonly p50: number
  readonly p99: number
}

async function run(maxInFlight: number | 'auto', rate: number, places: (second: number) => number, slow = 0): Promise<Run> {
  const inside = new Places(places(0))
  class Worker extends Executor {
    static requests = { '/': 'work', '/slow': 'slow' } as const
    async work() {
      await inside.take()
      await new Promise((resolve) => setTimeout(resolve, WORK))
      inside.give()
    }
    async slow() {
      await new Promise((resolve) => setTimeout(resolve, 100 * WORK))
    }
  }
  const flow = await new Flow().add({ uses: Worker }).open()
  const limiter = new Limiter(flow, { maxInFlight })
  const took: number[] = []
  let limits = 0
  let looks = 0
  const start = performance.now()
  const ask = async (endpoint: string): Promise<void> => {
    const request = new Request(new Header(endpoint, {}), DocumentArray.from(['a']), new Scope())
    const patience = endpoint === '/' ? PATIENCE : 60_000
    request.scope.deadline = { left: patience, given: patience }
    const deadline = performance.now() + patience
    Object.defineProperty(request.scope.deadline, 'left', { get: () => deadline - performance.now() })
    const began = performance.now()
    try {
      await limiter.handle(request)
      if (endpoint === '/' && began - start >= FROM * 1000) took.push(performance.now() - began)
    } catch {
      // Too late, or too many.
    }
  }
  for (let n = 0; performance.now() - start < LASTS * 1000; n++) {
    const passed = performance.now() - start
    inside.count = places(passed / 1000)
    if (passed >= FROM * 1000) {
      limits += limiter.limit
      looks++
    }
    for (; n < (passed * rate) / 1000; n++) void ask(slow > 0 && n % Math.round(1 / slow) === 0 ? '/slow' : '/')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await flow.close()
  took.sort((one, other) => one - other)
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN
  return { limit: limits / looks, done: took.length / (LASTS - FROM), p50: at(0.5), p99: at(0.99) }
}

title('limits', "Does maxInFlight: 'auto' find how many requests are to be inside?")
say(`Places of ${WORK} ms; requests wait for ${PATIENCE} ms at most. ${LASTS} s each, judged from second ${FROM} on.`)
const rows: string[][] = []
const runs: Record<string, Run> = {}
for (const [name, limit, rate, places, slow] of [
  ['4 places, asked 10 times as much, 1024', 1024, 1000, () => 4, 0],
  ['the same, 8', 8, 1000, () => 4, 0],
  ['the same, auto', 'auto', 1000, () => 4, 0],
  [`16 places from second ${FROM / 2} on, auto`, 'auto', 1000, (second: number) => (second < FROM / 2 ? 4 : 16), 0],
  ['16 places, one in 20 takes 4 s without one, auto', 'auto', 1000, () => 16, 0.05],
] as const) {
  const { limit: found, done, p50, p99 } = (runs[name] = await run(limit, rate, places, slow))
  rows.push([name, ...[found, done, p50, p99].map(figure)])
}
table(['places and bound', 'bound', 'done a second', 'p50, ms', 'p99, ms'], rows)
const auto = runs['the same, auto']!
const open = runs[`16 places from second ${FROM / 2} on, auto`]!
targets([
  { what: 'auto, 4 places: the bound', bound: '4 to 10', measured: figure(auto.limit), met: auto.limit >= 4 && auto.limit <= 10 },
  { what: 'auto, 4 places: done', bound: '≥ 90 a second', measured: figure(auto.done), met: auto.done >= 90 },
  atMost('auto, 4 places: p99', PATIENCE, auto.p99, ' ms'),
  { what: 'auto, 16 places: done', bound: '≥ 340 a second', measured: figure(open.done), met: open.done >= 340 },
])
say(`Measured in ${elapsed()}.`)
