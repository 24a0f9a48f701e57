import { type Child, serving } from './child.js'
import { type Driver, grpc, http, websocket } from './drive.js'
import { median, PROCESSES, quantile, shuffled } from './measure.js'
import { EMBEDDED, HUNDRED, ONE, type Payload } from './payloads.js'
import { elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'
import type { Asked } from './served.js'

const IN_FLIGHT = 16
/** In each set of server processes, of which there are so many as a bench has processes. */
const ROUNDS = quick ? 1 : 2
/** Of requests that take so long that they fill more than their window. */
const FEW = 1
const WARMUPS = quick ? 1 : 3
const WINDOW = quick ? 100 : 200

const BARE = 'bare echo'
const NO_OP = 'no-op executor'
const EMPTY = 'empty Flow'
const PAYLOADS = [ONE, HUNDRED, EMBEDDED]
const KINDS: Record<string, Asked['kind']> = { [BARE]: 'bare', [NO_OP]: 'no-op', [EMPTY]: 'empty' }

interface Way {
  readonly name: string
  readonly wire: Asked['wires'][number]
  /** What the bare echo is. */
  readonly echo: string
  /** The share of its throughput that must be reached, with these payloads. */
  readonly bound: number
  readonly bounded: readonly Payload[]
  connect(address: string, payload: Payload): Promise<Driver>
}

const WAYS: readonly Way[] = [
  {
    name: 'gRPC, one stream',
    wire: 'grpc',
    echo: 'grpc-js, the same codec',
    bound: 0.7,
    bounded: [HUNDRED],
    connect: (address, { bytes }) => grpc(address, IN_FLIGHT, bytes, 'stream'),
  },
  {
    name: 'gRPC, a call per request',
    wire: 'grpc',
    echo: 'grpc-js, the same codec',
    bound: 0.7,
    bounded: [],
    connect: (address, { bytes }) => grpc(address, IN_FLIGHT, bytes, 'unary'),
  },
  {
    name: 'HTTP',
    wire: 'http',
    echo: 'node:http, JSON.parse and JSON.stringify',
    bound: 0.6,
    bounded: [ONE, HUNDRED],
    connect: (address, { json }) => http(address, IN_FLIGHT, json),
  },
  {
    name: 'WebSocket, JSON',
    wire: 'websocket',
    echo: 'ws, JSON.parse and JSON.stringify',
    bound: 0.7,
    bounded: [HUNDRED],
    connect: (address, { json }) => websocket(address, IN_FLIGHT, json),
  },
  {
    name: 'WebSocket, bytes',
    wire: 'websocket',
    echo: 'ws, the same codec',
    bound: 0.7,
    bounded: [HUNDRED],
    connect: (address, { bytes }) => websocket(address, IN_FLIGHT, bytes),
  },
]

/** One server under load: the median of its rounds. */
interface Sample {
  /** Requests per second. */
  readonly rate: number
  /** The server's CPU µs per request, and how much of one core it had. */
  readonly cpu: number
  readonly busy: number
  /** The client's CPU µs per request. */
  readonly client: number
  readonly latencies: readonly number[]
}

async function sample(child: Child, driver: Driver, milliseconds: number): Promise<Sample> {
  const before = await child.usage()
  const own = process.cpuUsage()
  const { latencies, wall } = await driver.run(milliseconds)
  const { user, system } = process.cpuUsage(own)
  const used = (await child.usage()).cpu - before.cpu
  return {
    rate: latencies.length / (wall / 1000),
    cpu: used / latencies.length,
    busy: used / (wall * 1000),
    client: (user + system) / latencies.length,
    latencies,
  }
}

/** Each round measures each server once, in a new order. */
async function measure(way: Way, payload: Payload, children: ReadonlyMap<string, Child>): Promise<Map<string, Sample>> {
  const drivers = new Map<string, Driver>()
  for (const [name, child] of children) drivers.set(name, await way.connect(child.addresses[way.wire]!, payload))
  const samples = new Map([...children.keys()].map((name) => [name, [] as Sample[]]))
  const rounds = payload === EMBEDDED ? FEW : ROUNDS
  for (let round = -WARMUPS; round < rounds; round++) {
    for (const [name, child] of shuffled([...children])) {
      const one = await sample(child, drivers.get(name)!, WINDOW)
      if (round >= 0) samples.get(name)!.push(one)
    }
  }
  for (const driver of drivers.values()) driver.close()
  return new Map([...samples].map(([name, all]) => [name, middle(all)]))
}

function middle(samples: readonly Sample[]): Sample {
  const of = (key: 'rate' | 'cpu' | 'busy' | 'client'): number => median(samples.map((sample) => sample[key]))
  return { rate: of('rate'), cpu: of('cpu'), busy: of('busy'), client: of('client'), latencies: samples.flatMap(({ latencies }) => latencies) }
}

/** The ratios within each set of processes. */
function ratios(samples: readonly Sample[], baseline: readonly Sample[], of: 'rate' | 'cpu'): number[] {
  return samples.map((sample, set) => sample[of] / baseline[set]![of])
}

title('wires', 'How much of what a bare server can do over the same library is left behind our gateway?')
say(
  `Servers run compiled, each in a process of its own; the client sends prepared bytes, ${IN_FLIGHT} requests in flight, and looks at no more of an answer than where it ends. ` +
    'The bare echo reads and writes the same message with the same codec, and does nothing else. Over HTTP there are as many connections as requests in flight, otherwise one.',
  `The target is the ratio of throughputs in the worst of ${PROCESSES} sets of fresh server processes, in each of which all servers have their turns; tables show medians. The CPU of the server is beside it; ` +
    'where the server had less than a core, the client or the wire set the pace, and the ratio of CPU says more.',
)

const must: Target[] = []
for (const way of WAYS) {
  const all = new Map<Payload, Map<string, Sample[]>>()
  for (let set = 0; set < PROCESSES; set++) {
    const children = new Map<string, Child>()
    for (const [name, kind] of Object.entries(KINDS)) children.set(name, await serving({ kind, wires: [way.wire] }))
    for (const payload of PAYLOADS) {
      const gathered = all.get(payload) ?? new Map<string, Sample[]>()
      all.set(payload, gathered)
      for (const [name, one] of await measure(way, payload, children)) gathered.set(name, [...(gathered.get(name) ?? []), one])
    }
    for (const child of children.values()) await child.stop()
  }
  say(`## ${way.name}`, `The bare echo: ${way.echo}.`)
  for (const [payload, results] of all) {
    const size = way.name === 'HTTP' || way.name === 'WebSocket, JSON' ? payload.json.length : payload.bytes.length
    const baseline = results.get(BARE)!
    table(
      [
        `${payload.name}, ${size.toLocaleString('en-US')} bytes`,
        'requests/s',
        'documents/s',
        'of bare',
        'worst',
        'p50 ms',
        'p99 ms',
        'server CPU µs',
        '× bare',
        'server cores',
        'client CPU µs',
      ],
      [...results].map(([name, samples]) => {
        const middle = (of: 'rate' | 'cpu' | 'busy' | 'client'): number => median(samples.map((sample) => sample[of]))
        const latencies = samples.flatMap(({ latencies }) => latencies)
        return [
          name,
          figure(middle('rate')),
          figure(middle('rate') * payload.documents),
          figure(median(ratios(samples, baseline, 'rate'))),
          figure(Math.min(...ratios(samples, baseline, 'rate'))),
          figure(quantile(latencies, 0.5)),
          figure(quantile(latencies, 0.99)),
          figure(middle('cpu')),
          figure(median(ratios(samples, baseline, 'cpu'))),
          figure(middle('busy')),
          figure(middle('client')),
        ]
      }),
    )
    if (way.bounded.includes(payload)) {
      const measured = Math.min(...ratios(results.get(NO_OP)!, baseline, 'rate'))
      must.push({
        what: `${way.name}, ${payload.name}, ${NO_OP}: of the bare echo`,
        bound: `≥ ${way.bound}`,
        measured: figure(measured),
        met: measured >= way.bound,
      })
    }
  }
}

if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
