import { type Child, serving } from './child.js'
import { type Driver, http } from './drive.js'
import { median, PROCESSES, quantile, shuffled } from './measure.js'
import { small } from './payloads.js'
import { atMost, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'
import type { Asked } from './served.js'

const IN_FLIGHT = 8
const ROUNDS = quick ? 2 : 3
/** Answers of each server before those that count: compilers need some thousands, however busy the machine is. */
const WARMUP = quick ? 2000 : 5000
const WINDOW = quick ? 150 : 250

const BARE = 'node:http, JSON.parse and JSON.stringify'
const OURS = 'sluice, a Flow with a no-op executor'
const YOGA = 'graphql-yoga, resolvers that do nothing'
const KINDS: Record<string, Asked['kind']> = { [BARE]: 'bare', [OURS]: 'no-op', [YOGA]: 'yoga' }

const QUERY = `mutation M($data: [StrawberryDocumentInput!]) { docs(data: $data, execEndpoint: "/index") { id text tags } }`

const PAYLOADS = [1, 100].map((count) => {
  const data = Array.from({ length: count }, (_, i) => small(i))
  return {
    count,
    name: count === 1 ? '1 document' : `${count} documents`,
    bound: count === 1 ? 2.2 : 2,
    aim: count === 1 ? 1.6 : 1.4,
    body: (type: string) => JSON.stringify({ query: QUERY.replace('StrawberryDocumentInput', type), variables: { data } }),
    least: JSON.stringify({ data: { docs: data } }).length,
  }
})

interface Sample {
  readonly rate: number
  /** The server's CPU µs per request. */
  readonly cpu: number
  readonly latencies: readonly number[]
}

async function sample(child: Child, driver: Driver): Promise<Sample> {
  const before = await child.usage()
  const { latencies, wall } = await driver.run(WINDOW)
  const used = (await child.usage()).cpu - before.cpu
  return { rate: latencies.length / (wall / 1000), cpu: used / latencies.length, latencies }
}

function middle(samples: readonly Sample[]): Sample {
  const of = (key: 'rate' | 'cpu'): number => median(samples.map((sample) => sample[key]))
  return { rate: of('rate'), cpu: of('cpu'), latencies: samples.flatMap(({ latencies }) => latencies) }
}

title('graphql', 'What does a mutation cost, beside a server that does nothing but read and write the same JSON?')
say(
  `A mutation sends documents with text and three tags, as variables, and asks for id, text and tags. Servers run compiled, each in a process of its own; ${IN_FLIGHT} connections, ` +
    'each with one request in flight. The client sends prepared bytes.',
  `Of ${PROCESSES} sets of fresh server processes, in each of which all servers have their turns: medians, and the worst. Latencies are of all sets.`,
)

const must: Target[] = []
for (const payload of PAYLOADS) {
  const all = new Map(Object.keys(KINDS).map((name) => [name, [] as Sample[]]))
  for (let set = 0; set < PROCESSES; set++) {
    const servers = new Map<string, { child: Child; driver: Driver; samples: Sample[] }>()
    for (const [name, kind] of Object.entries(KINDS)) {
      const child = await serving({ kind, wires: ['graphql'] })
      const body = payload.body(kind === 'yoga' ? 'DocumentInput' : 'StrawberryDocumentInput')
      const driver = await http(child.addresses['graphql']!, IN_FLIGHT, body, '/graphql', payload.least)
      for (let answers = 0; answers < WARMUP; ) answers += (await driver.run(WINDOW)).latencies.length
      servers.set(name, { child, driver, samples: [] })
    }
    for (let round = 0; round < ROUNDS; round++)
      for (const { child, driver, samples } of shuffled([...servers.values()])) {
        samples.push(await sample(child, driver))
      }
    for (const [name, { child, driver, samples }] of servers) {
      all.get(name)!.push(middle(samples))
      driver.close()
      await child.stop()
    }
  }
  const bare = all.get(BARE)!
  const times = (samples: readonly Sample[]): number[] => samples.map(({ cpu }, set) => cpu / bare[set]!.cpu)
  const p99 = (name: string): number =>
    quantile(
      all.get(name)!.flatMap(({ latencies }) => latencies),
      0.99,
    )
  table(
    [payload.name, 'requests/s', 'server CPU µs', '× bare', 'worst', 'p50 ms', 'p99 ms'],
    [...all].map(([name, samples]) => [
      name,
      figure(median(samples.map(({ rate }) => rate))),
      figure(median(samples.map(({ cpu }) => cpu))),
      figure(median(times(samples))),
      figure(Math.max(...times(samples))),
      figure(
        quantile(
          samples.flatMap(({ latencies }) => latencies),
          0.5,
        ),
      ),
      figure(p99(name)),
    ]),
  )
  must.push(atMost(`${payload.name}: server CPU, × bare node:http (aim ${payload.aim})`, payload.bound, Math.max(...times(all.get(OURS)!))))
  must.push(atMost(`${payload.name}: p99 beside yoga's`, Number(p99(YOGA).toPrecision(3)), p99(OURS), ' ms'))
}

if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
