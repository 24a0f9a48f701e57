import { type Child, serving } from './child.js'
import { type Driver, grpc, http, websocket } from './drive.js'
import { median, PROCESSES, shuffled } from './measure.js'
import { EMBEDDED, HUNDRED, ONE, type Payload } from './payloads.js'
import { elapsed, figure, quick, say, table, title } from './report.js'
import type { Asked } from './served.js'

// What a gateway costs that hands on what comes to an executor elsewhere: its CPU alone, beside that of a proxy that looks at nothing.

const IN_FLIGHT = 16
const ROUNDS = quick ? 2 : 3
/** Answers of each server before those that count, as far as they come within so many windows. */
const WARMUP = quick ? 1000 : 3000
const MOST_WARMUPS = 20
const WINDOW = quick ? 150 : 250

const PROXY = 'a proxy that looks at nothing'
const OURS = 'sluice, an executor elsewhere'
const KINDS: Record<string, Asked['kind']> = { [PROXY]: 'proxy', [OURS]: 'elsewhere' }
const PAYLOADS = [ONE, HUNDRED, EMBEDDED]

interface Way {
  readonly name: string
  readonly wire: 'grpc' | 'http' | 'websocket'
  readonly upstream: 'grpc' | 'http'
  readonly how: string
  connect(address: string, payload: Payload): Promise<Driver>
}

const WAYS: readonly Way[] = [
  {
    name: 'gRPC to gRPC',
    wire: 'grpc',
    upstream: 'grpc',
    how: 'The proxy: grpc-js at both ends, messages as bytes, a stream for each stream.',
    connect: (address, { unnamed }) => grpc(address, IN_FLIGHT, unnamed, 'stream'),
  },
  {
    name: 'WebSocket, bytes, to gRPC',
    wire: 'websocket',
    upstream: 'grpc',
    how: 'The proxy: ws and grpc-js, messages as bytes, a stream for each connection.',
    connect: (address, { unnamed }) => websocket(address, IN_FLIGHT, unnamed),
  },
  {
    name: 'HTTP to HTTP',
    wire: 'http',
    upstream: 'http',
    how: 'The proxy: node:http at both ends, bodies piped. What comes in JSON is read, as what is wrong with it is said here; so this is what JSON costs twice.',
    connect: (address, { json }) => http(address, IN_FLIGHT, json),
  },
]

async function cpu(child: Child, driver: Driver): Promise<number> {
  const before = await child.usage()
  const { latencies } = await driver.run(WINDOW)
  return ((await child.usage()).cpu - before.cpu) / latencies.length
}

title('passthrough', 'What does a gateway cost that only hands on?')
say(
  `An executor that does nothing runs in a process of its own; before it, in another, a gateway whose Flow has nothing but it, as \`external\`, or a proxy. ${IN_FLIGHT} requests in flight. ` +
    'The CPU of the process in between, per request.',
  `Of ${PROCESSES} sets of fresh processes, in each of which both have their turns: medians, and the worst.`,
)

for (const way of WAYS) {
  const rows: string[][] = []
  for (const payload of PAYLOADS) {
    const all = new Map(Object.keys(KINDS).map((name) => [name, [] as number[]]))
    for (let set = 0; set < PROCESSES; set++) {
      const behind = await serving({ kind: 'no-op', wires: [way.upstream] })
      const between = new Map<string, { child: Child; driver: Driver; samples: number[] }>()
      for (const [name, kind] of Object.entries(KINDS)) {
        const child = await serving({ kind, wires: [way.wire], upstream: behind.addresses[way.upstream] })
        const driver = await way.connect(child.addresses[way.wire]!, payload)
        for (let answers = 0, runs = 0; answers < WARMUP && runs < MOST_WARMUPS; runs++) answers += (await driver.run(WINDOW)).latencies.length
        between.set(name, { child, driver, samples: [] })
      }
      for (let round = 0; round < ROUNDS; round++)
        for (const { child, driver, samples } of shuffled([...between.values()])) samples.push(await cpu(child, driver))
      for (const [name, { child, driver, samples }] of between) {
        all.get(name)!.push(median(samples))
        driver.close()
        await child.stop()
      }
      await behind.stop()
    }
    const [proxy, ours] = [all.get(PROXY)!, all.get(OURS)!]
    const times = ours.map((cpu, set) => cpu / proxy[set]!)
    rows.push([payload.name, figure(median(proxy)), figure(median(ours)), figure(median(times)), figure(Math.max(...times))])
  }
  say(`## ${way.name}`, way.how)
  table(['CPU µs of a request', PROXY, OURS, '× proxy', 'worst'], rows)
}
say(`Measured in ${elapsed()}.`)
