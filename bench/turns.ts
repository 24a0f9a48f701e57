import { Document, Flow } from 'sluice'
import { quantile } from './measure.js'
import { PEERS, SLUICE, SLUICE_ORDERED } from './peers.js'
import { below, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const MILLION = quick ? 100_000 : 1_000_000
const PEER_ITEMS = quick ? 30_000 : 300_000
const RUNS = quick ? 1 : 3
const TICK = 5

title('turns', 'Does work that is always ready leave timers and sockets their turn?')
say(
  `A timer of ${TICK} ms ticks while items that are ready at once go through. Cells are by how many milliseconds a tick came late, the worst of ` +
    `${RUNS} runs (one for the others, which take long): as far as this process was computing meanwhile, by the clock, by the clock in the run in the middle; and how many ticks came in a run.`,
)

interface Lateness {
  /** Milliseconds by which the latest tick of each run was late. */
  readonly worst: readonly number[]
  /** The same, but of each gap only as much as this process computed: a gap in which the machine ran others is not its doing. */
  readonly own: readonly number[]
  readonly ticks: number
}

async function lateness(work: () => Promise<unknown>, runs = RUNS): Promise<Lateness> {
  const worst: number[] = []
  const own: number[] = []
  let ticks = 0
  for (let run = 0; run < runs; run++) {
    let latest = 0
    let latestOwn = 0
    let last = performance.now()
    let cpu = process.cpuUsage()
    const tick = (): void => {
      const gap = performance.now() - last
      const { user, system } = process.cpuUsage(cpu)
      latest = Math.max(latest, gap - TICK)
      latestOwn = Math.max(latestOwn, Math.min(gap, (user + system) / 1000) - TICK)
      last = performance.now()
      cpu = process.cpuUsage()
      ticks++
    }
    const timer = setInterval(tick, TICK)
    await new Promise((resolve) => setTimeout(resolve, 2 * TICK))
    latest = latestOwn = 0
    await work()
    // The end of the work is a turn too: without it, work that blocks from start to end would look fine.
    tick()
    clearInterval(timer)
    worst.push(latest)
    own.push(latestOwn)
  }
  return { worst, own, ticks: Math.round(ticks / runs) }
}

const ready = async (item: number): Promise<number> => item
function* numbers(count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield i
}
async function* generator(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
}
const sources = { array: (count: number) => Array.from(numbers(count)), generator: numbers, 'async generator': generator }

const must: Target[] = []
const rows: string[][] = []
const row = (name: string, items: number, { worst, own, ticks }: Lateness): void => {
  rows.push([name, items.toLocaleString('en-US'), figure(Math.max(...own)), figure(Math.max(...worst)), figure(quantile(worst, 0.5)), String(ticks)])
}

for (const { name, run } of PEERS) {
  const ours = name === SLUICE || name === SLUICE_ORDERED
  const count = ours ? MILLION : PEER_ITEMS
  for (const [kind, source] of Object.entries(sources)) {
    if (!ours && kind === 'generator') continue
    const items = source(count)
    const measured = await lateness(() => run(kind === 'array' ? items : source(count), ready, 16, () => {}), ours ? RUNS : 1)
    row(`${name}, ${kind}`, count, measured)
    if (ours) must.push(below(`${name}, ${kind}: latest tick`, 50, Math.max(...measured.own), ' ms'))
  }
}

await using flow = await new Flow().add({ uses: () => {} }).open()
await using asyncFlow = await new Flow().add({ uses: async () => {} }).open()
// A million times the same thousand: collecting a million would take its own time.
const few = Array.from({ length: 1000 }, () => new Document())
const documents = Array.from({ length: MILLION }, (_, i) => few[i % 1000]!)
const postSources = {
  array: () => documents,
  'async generator': async function* () {
    yield* documents
  },
}
for (const [kind, source] of Object.entries(postSources)) {
  for (const requestSize of [1, 100]) {
    for (const [executor, through] of [
      ['executor returns at once', flow],
      ['async executor', asyncFlow],
    ] as const) {
      const name = `sluice post, ${executor}, ${requestSize} in a request, ${kind}`
      const measured = await lateness(async () => {
        for await (const _ of through.post('/', source(), { requestSize })) void _
      })
      row(name, MILLION, measured)
      must.push(below(`${name}: latest tick`, 50, Math.max(...measured.own), ' ms'))
    }
  }
}

{
  // One clock reading serves many cheap items; here they grow dear all of a sudden.
  const name = `sluice post, ${quick ? 10_000 : 100_000} documents at once, then 200 that take 1 ms of CPU each`
  let seen = 0
  const cheap = quick ? 10_000 : 100_000
  await using turning = await new Flow()
    .add({
      uses: () => {
        if (++seen <= cheap) return
        const until = performance.now() + 1
        while (performance.now() < until);
      },
    })
    .open()
  const measured = await lateness(async () => {
    seen = 0
    for await (const _ of turning.post('/', documents.slice(0, cheap + 200), { requestSize: 1 })) void _
  })
  row(name, cheap + 200, measured)
}

table(['latest tick, ms', 'items', 'its own doing', 'worst run', 'middle run', 'ticks'], rows)
targets(must)
say(`Measured in ${elapsed()}.`)
