// What telemetry costs: off, beside a build in which nothing is told to anybody; on, sampled at 1 %, of a request that is served.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Plugin } from 'esbuild'
import { bundle } from './bundle.js'
import { type Child, serving } from './child.js'
import { type Driver, grpc, http } from './drive.js'
import { type Contender, median, named, PROCESSES, type Result, race, shuffled } from './measure.js'
import { ONE } from './payloads.js'
import { atMost, elapsed, figure, isChild, quick, say, type Target, table, targets, title } from './report.js'
import type { Asked } from './served.js'

const ROOT = resolve(import.meta.dirname, '..')
const OUT = join(ROOT, 'node_modules/.bench-events')
const COUNT = quick ? 5_000 : 20_000
const must: Target[] = []

title('events', 'What does telemetry cost, off and on?')

// ── off ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Takes out each place where somebody could listen to a request: the code as if there were no events. */
const SEAMS: Readonly<Record<string, readonly [RegExp, string]>> = {
  'graph/walk.ts': [/EXECUTORS\.isHeard \? .* : (node\.peer\.handle\(request\))/, '$1'],
  'flow/open-flow.ts': [/REQUESTS\.isHeard \? .* : (this\.#handle\(request\))/, '$1'],
}
const without: Plugin = {
  name: 'without events',
  setup({ onLoad }) {
    onLoad({ filter: /(graph\/walk|flow\/open-flow)\.ts$/ }, ({ path }) => {
      const [, [seam, instead]] = Object.entries(SEAMS).find(([file]) => path.endsWith(file))!
      const code = readFileSync(path, 'utf8')
      if (!seam.test(code)) throw new Error(`${path} has no place where events are told: give the bench the one of today`)
      return { loader: 'ts', contents: code.replace(seam, instead) }
    })
  },
}

const [WITH, WITHOUT, AGAIN] = ['with events', 'without', 'without, once more'] as const
const folders = { [WITH]: 'with', [WITHOUT]: 'without', [AGAIN]: 'again' }
if (!isChild) {
  await bundle(join(OUT, folders[WITH]), [])
  await bundle(join(OUT, folders[WITHOUT]), [without])
  await bundle(join(OUT, folders[AGAIN]), [without])
}

const EXECUTORS = { 'at once': () => {}, asynchronously: async () => {} }
const contenders = async (kind: keyof typeof EXECUTORS): Promise<Contender[]> => {
  const all: Contender[] = []
  // In each process another one first.
  const names = shuffled([WITH, WITHOUT, AGAIN])
  for (const name of names) {
    const { Document, Flow } = (await import(join(OUT, folders[name], 'index.js'))) as typeof import('../lib/index.js')
    const flow = await new Flow().add({ uses: EXECUTORS[kind] }).open()
    const documents = Array.from({ length: COUNT }, (_, i) => new Document({ text: `document ${i}` }))
    all.push({
      name,
      async run() {
        let seen = 0
        for await (const { docs } of flow.post('/', documents, { requestSize: 1, prefetch: 16 })) seen += docs.length
        if (seen !== COUNT) throw new Error(`Documents were lost: ${seen} of ${COUNT} came`)
      },
    })
  }
  return all
}

/** Nanoseconds of CPU that a request takes more, in each process. */
const more = (result: Result, baseline: Result): number[] => result.samples.map(({ cpu }, at) => ((cpu - baseline.samples[at]!.cpu) * 1000) / COUNT)

const off: string[][] = []
for (const kind of ['at once', 'asynchronously'] as const) {
  const results = await race(await contenders(kind), { rounds: quick ? 5 : 31, warmups: 5, window: 100 })
  const [on, base, again] = [WITH, WITHOUT, AGAIN].map((name) => named(results, name)) as [Result, Result, Result]
  // Both halves of the baseline are the same code: what lies between them is noise.
  const over = median(on.samples.map(({ cpu }, at) => ((cpu - (base.samples[at]!.cpu + again.samples[at]!.cpu) / 2) * 1000) / COUNT))
  const cost = (result: Result): string => figure((median(result.samples.map(({ cpu }) => cpu)) * 1000) / COUNT)
  off.push([kind, cost(base), cost(on), figure(over), figure(median(more(again, base)))])
  must.push(atMost(`off: CPU of a request over a build without events, an executor that answers ${kind}`, 15, over, ' ns'))
}
if (!isChild) {
  say(
    '## Off',
    `Nobody listens. post() of ${COUNT.toLocaleString('en-US')} documents, one a request, through one executor that does nothing; CPU nanoseconds a request, median of ${PROCESSES} fresh processes. ` +
      'The build without events stands there twice: what it differs from itself is noise.',
  )
  table(['executor', 'without', 'with', 'with over without, ns', 'without over itself, ns'], off)
}

// ── on ───────────────────────────────────────────────────────────────────────────────────────────────────

const KINDS: Readonly<Record<string, Asked['telemetry']>> = {
  off: undefined,
  'spans at 1 %': ['spans'],
  'spans at 1 %, by the sampler of the provider': ['own sampler'],
  metrics: ['metrics'],
  'spans at 1 % and metrics': ['spans', 'metrics'],
  'all spans, and metrics': ['all', 'metrics'],
}
const WAYS: readonly (readonly [name: string, wire: 'grpc' | 'http', connect: (address: string) => Promise<Driver>])[] = [
  ['gRPC, one stream', 'grpc', (address) => grpc(address, 16, ONE.bytes, 'stream')],
  ['HTTP', 'http', (address) => http(address, 16, ONE.json)],
]

/** CPU microseconds of the server for a request. */
async function used(child: Child, driver: Driver, milliseconds: number): Promise<number> {
  const before = (await child.usage()).cpu
  const { latencies } = await driver.run(milliseconds)
  return ((await child.usage()).cpu - before) / latencies.length
}

if (!isChild) {
  for (const [name, wire, connect] of WAYS) {
    const all = new Map<string, number[]>(Object.keys(KINDS).map((kind) => [kind, []]))
    for (let set = 0; set < (quick ? 1 : 6); set++) {
      const children = new Map<string, Child>()
      for (const [kind, telemetry] of Object.entries(KINDS)) children.set(kind, await serving({ kind: 'no-op', wires: [wire], telemetry }))
      const drivers = new Map<string, Driver>()
      for (const [kind, child] of children) drivers.set(kind, await connect(child.addresses[wire]!))
      const samples = new Map<string, number[]>(Object.keys(KINDS).map((kind) => [kind, []]))
      for (let round = -3; round < (quick ? 1 : 7); round++)
        for (const [kind, child] of shuffled([...children])) {
          const one = await used(child, drivers.get(kind)!, quick ? 100 : 250)
          if (round >= 0) samples.get(kind)!.push(one)
        }
      for (const [kind, some] of samples) all.get(kind)!.push(median(some))
      for (const driver of drivers.values()) driver.close()
      for (const child of children.values()) await child.stop()
    }
    const base = all.get('off')!
    const share = (kind: string): number => median(all.get(kind)!.map((cpu, set) => cpu / base[set]! - 1)) * 100
    say(
      `## On: ${name}`,
      'A served Flow of one executor that does nothing, one document a request, 16 in flight. CPU of the server, medians of sets of fresh processes.',
    )
    table(
      ['telemetry', 'CPU µs a request', 'over off, %'],
      [...all].map(([kind, some]) => [kind, figure(median(some)), kind === 'off' ? '' : figure(share(kind))]),
    )
    must.push(atMost(`on: ${name}, spans at 1 %, over off`, 10, share('spans at 1 %'), ' %'))
    must.push(atMost(`on: ${name}, spans at 1 % and metrics, over off`, 10, share('spans at 1 % and metrics'), ' %'))
  }
}

if (!targets(must)) process.exitCode = 1
if (!isChild) say(`Measured in ${elapsed()}.`)
