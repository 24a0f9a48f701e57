// What async contexts cost a post(): this library beside itself without them, in the same processes, in turns.
//   node --import tsx bench/context.ts [--quick] [--base=path/to/another/dist/index.js]
import { AsyncLocalStorage } from 'node:async_hooks'
import { join, resolve } from 'node:path'
import type { Plugin } from 'esbuild'
import { bundle } from './bundle.js'
import { type Contender, median, named, PROCESSES, perItem, type Result, race, worst } from './measure.js'
import { atMost, elapsed, figure, isChild, quick, say, type Target, table, targets, title } from './report.js'

const ROOT = resolve(import.meta.dirname, '..')
const OUT = join(ROOT, 'node_modules/.bench-context')
const COUNT = quick ? 2_000 : 10_000
const SIZES = [1, 100]
const given = process.argv.find((argument) => argument.startsWith('--base='))?.slice('--base='.length)
const must: Target[] = []

title('context', 'What does it cost post() that all its work runs in its own async context, when nobody uses one, and when somebody does?')
say(
  `An executor that does nothing, at once or asynchronously, 16 requests in flight, documents made beforehand in an array. Cells are CPU time per request (user + system, whole process), ` +
    `median [best–worst] of ${PROCESSES} fresh processes, each of which runs all of this page; ratios are those of one process. The base is ${given === undefined ? 'the same code with contexts that do nothing' : 'another build'}.`,
)

// ── two builds ───────────────────────────────────────────────────────────────────────────────────────────

const without: Plugin = {
  name: 'without contexts',
  setup({ onLoad }) {
    onLoad({ filter: /base\/context\.ts$/ }, () => ({
      loader: 'ts',
      contents: 'const NONE = { runInAsyncScope: (fn, self, ...args) => fn.apply(self, args) }\nexport const here = () => NONE',
    }))
  },
}

const paths = { with: join(OUT, 'with/index.js'), without: given === undefined ? join(OUT, 'without/index.js') : resolve(given) }
if (!isChild) {
  await bundle(join(OUT, 'with'), [])
  if (given === undefined) await bundle(join(OUT, 'without'), [without])
}

type Sluice = typeof import('../lib/index.js')
// In each process another one first.
const order = Number(process.env['BENCH_CHILD'] ?? 0) % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const)
const builds = new Map<string, Sluice>()
for (const name of order) builds.set(name, await import(paths[name]))

// ── the races ────────────────────────────────────────────────────────────────────────────────────────────

const EXECUTORS = { 'at once': () => {}, asynchronously: async () => {} }
const tenant = new AsyncLocalStorage<string>()

async function contenders(kind: keyof typeof EXECUTORS, size: number, around: (run: () => Promise<void>) => Promise<void>): Promise<Contender[]> {
  const all: Contender[] = []
  for (const [name, { Document, Flow }] of builds) {
    const flow = await new Flow().add({ uses: EXECUTORS[kind] }).open()
    const documents = Array.from({ length: COUNT }, (_, i) => new Document({ text: `document ${i}` }))
    const run = async (): Promise<void> => {
      let seen = 0
      for await (const { docs } of flow.post('/', documents, { requestSize: size, prefetch: 16 })) seen += docs.length
      if (seen !== COUNT) throw new Error(`Documents were lost: ${seen} of ${COUNT} came`)
    }
    all.push({ name, run: () => around(run) })
  }
  return all.sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** The same processes: how much dearer, in each. */
function dearer(results: readonly Result[]): { median: number; worst: number } {
  const [mine, base] = [named(results, 'with'), named(results, 'without')]
  return { median: 100 * (median(mine.samples.map(({ cpu }, at) => cpu / base.samples[at]!.cpu)) - 1), worst: 100 * (worst(mine, base) - 1) }
}

const rows: string[][] = []
for (const used of [false, true]) {
  for (const kind of ['at once', 'asynchronously'] as const) {
    for (const size of SIZES) {
      const around = used ? (run: () => Promise<void>) => tenant.run('alice', run) : (run: () => Promise<void>) => run()
      const results = await race(await contenders(kind, size, around), { rounds: quick ? 3 : 15, warmups: 3, window: 20 })
      if (isChild) continue
      const cost = (name: string): string => {
        const { median, best, worst } = perItem(named(results, name), COUNT / size)
        return `${figure(median)} [${figure(best)}–${figure(worst)}]`
      }
      const { median: middle, worst: most } = dearer(results)
      const what = `${used ? 'one in use' : 'none in use'}, executor ${kind}, ${size} in a request`
      rows.push([what, cost('without'), cost('with'), `${middle.toFixed(1)} %`, `${most.toFixed(1)} %`])
      must.push(atMost(`${what}: dearer by, median`, used ? 10 : size === 1 ? 8 : 1, middle, ' %'))
    }
  }
}

if (!isChild) {
  table(['CPU ns per request', 'without', 'with', 'dearer by, median', 'worst process'], rows)
  if (!targets(must)) process.exitCode = 1
  say(`Measured in ${elapsed()}.`)
} else process.exit()
