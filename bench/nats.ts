// The same executor over NATS and over gRPC, each in a process of its own: what does the server between the two cost?
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { natsServer, natsServerFile, natsVersion, WITHOUT } from '../test/support/nats.js'
import { median, quantile, shuffled } from './measure.js'
import { elapsed, figure, quick, say, table, title } from './report.js'

// As the library is that is built, and typed as it is now.
const { Client } = (await import('sluice/client' as string)) as typeof import('../lib/client/index.js')

title('nats', 'What does an executor cost over NATS, beside gRPC?')

if (natsServerFile === undefined) {
  console.log(WITHOUT)
  process.exit(0)
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
writeFileSync(join(folder, 'nothing.mjs'), 'export const nothing = async () => {}\n')
const server = await natsServer({ jetstream: true })
const nats = `nats://127.0.0.1:${server.port}`
const children: ChildProcess[] = []
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function serve(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [resolve('dist/cli/main.js'), 'executor', `${join(folder, 'nothing.mjs')}#nothing`, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  children.push(child)
  let said = ''
  return new Promise((is, fails) => {
    child.stderr!.on('data', (text) => {
      said += text
      const [, address] = /^\s+(?:gRPC|NATS)\s+(\S+)/m.exec(said) ?? []
      if (address !== undefined) is(address)
    })
    child.on('exit', () => fails(new Error(said)))
  })
}

const grpc = new Client(await serve('--port', '0'))
const core = new Client(await serve('--nats', nats, '--name', 'bench/nothing'))
const durableAddress = await serve('--nats', nats, '--name', 'bench/durable', '--durable')
const durable = new Client(durableAddress, { nats: { durable: true } })
const WIRES = { gRPC: grpc, NATS: core, 'NATS, durable': durable } as const
type Wire = keyof typeof WIRES
type AnyClient = (typeof WIRES)[Wire]

const ROUNDS = quick ? 2 : 5
const ALONE = quick ? 50 : 400
const SIDE_BY_SIDE = 16

const documents = (count: number): { text: string }[] => Array.from({ length: count }, (_, at) => ({ text: `a document of some words, number ${at}` }))

/** Milliseconds of requests one after the other. */
async function alone(client: AnyClient, size: number, times: number): Promise<number[]> {
  const took: number[] = []
  for (let at = 0; at < times; at++) {
    const docs = documents(size)
    const start = performance.now()
    await client.post('/', docs, { requestSize: size }).drain()
    took.push(performance.now() - start)
  }
  return took
}

/** Documents a second, 16 requests at a time. */
async function streamed(client: AnyClient, size: number, requests: number): Promise<number> {
  const docs = documents(size * requests)
  const start = performance.now()
  await client.post('/', docs, { requestSize: size, prefetch: SIDE_BY_SIDE }).drain()
  return (docs.length / (performance.now() - start)) * 1000
}

const rows: string[][] = []
for (const size of [1, 100]) {
  const latency = new Map<Wire, number[]>()
  const rate = new Map<Wire, number[]>()
  for (let round = -1; round < ROUNDS; round++) {
    for (const wire of shuffled(Object.keys(WIRES) as Wire[])) {
      const client = WIRES[wire]
      const took = await alone(client, size, wire === 'NATS, durable' ? ALONE / 4 : ALONE)
      const fast = await streamed(client, size, (size === 1 ? 4000 : 400) / (quick ? 8 : 1) / (wire === 'NATS, durable' ? 4 : 1))
      // The first warms up.
      if (round < 0) continue
      latency.set(wire, [...(latency.get(wire) ?? []), ...took])
      rate.set(wire, [...(rate.get(wire) ?? []), fast])
    }
  }
  for (const wire of Object.keys(WIRES) as Wire[]) {
    const took = latency.get(wire)!
    const [own, of] = [median(rate.get(wire)!), median(rate.get('gRPC')!)]
    const times = median(took) / median(latency.get('gRPC')!)
    rows.push([
      String(size),
      wire,
      figure(median(took)),
      figure(quantile(took, 0.99)),
      figure(times),
      Math.round(own).toLocaleString('en-US'),
      figure(own / of),
    ])
  }
}
say(
  `An executor that does nothing, in a process of its own; the client in another; nats-server ${natsVersion()} in a third, which gRPC does not have. All on one machine: over a network, each way adds a hop.`,
  `Latency: one request at a time, median and 99th percentile of ${ROUNDS * ALONE}. Documents a second: ${SIDE_BY_SIDE} requests at a time, median of ${ROUNDS}. In turns.`,
)
table(['documents in a request', 'wire', 'latency, ms', '99 %', 'beside gRPC', 'documents a second', 'beside gRPC'], rows)
say(elapsed())
for (const client of Object.values(WIRES)) await client.close()
process.exit(0)
