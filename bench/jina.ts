import { existsSync } from 'node:fs'
import { Document, type DocumentArray } from 'sluice'
import { Client } from 'sluice/client'
import { client as pythonClient, flow as pythonFlow, type Script } from '../test/interop/process.js'
import { interop } from '../test/interop/python.js'
import { within } from '../test/support/within.js'
import { serving } from './child.js'
import { median, quantile, shuffled } from './measure.js'
import { small } from './payloads.js'
import { elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'
import type { Wire } from './served.js'
import { childRunning, cpu, family, look, resident, type Tree } from './tree.js'

const IN_FLIGHT = 16
const ROUNDS = quick ? 1 : 5
const WARMUPS = 1
const WINDOW = quick ? 400 : 1500
const AIM = 5
const MB = 1e6
const WIRES: Record<Wire, string> = { grpc: 'gRPC', http: 'HTTP', websocket: 'WebSocket' }
const SIZES = [1, 100]

interface Server {
  readonly name: string
  readonly pids: readonly number[]
  readonly rest: Tree
  address(wire: Wire): string
  peak: number
}

interface Sample {
  /** Documents per second. */
  readonly rate: number
  /** CPU µs of all the server's processes per document. */
  readonly cpu: number
  /** And of this one. */
  readonly client: number
  readonly latencies: readonly number[]
}

const documents = Array.from({ length: 10_000 }, (_, i) => new Document({ ...small(i), id: `${i}` }))

/** Posts for so many milliseconds. A request's time is from when its first document was taken to when its answer is there. */
async function sample(server: Server, client: Client, requestSize: number): Promise<Sample> {
  const times = new Float64Array(documents.length)
  const start = performance.now()
  function* inputs(): Generator<Document> {
    for (let i = 0; ; i = (i + 1) % documents.length) {
      if (i % requestSize === 0) {
        times[i] = performance.now()
        if (times[i]! - start > WINDOW) return
      }
      yield documents[i]!
    }
  }
  const watch = setInterval(() => {
    server.peak = Math.max(server.peak, resident(server.pids))
  }, 100)
  const before = cpu(server.pids)
  const own = process.cpuUsage()
  const latencies: number[] = []
  let seen = 0
  for await (const { docs } of client.post('/echo', inputs, { requestSize, prefetch: IN_FLIGHT })) {
    seen += (docs as DocumentArray).length
    latencies.push(performance.now() - times[Number(docs[0]!.id)]!)
  }
  clearInterval(watch)
  const wall = performance.now() - start
  if (seen !== latencies.length * requestSize) throw new Error(`${server.name} lost documents: ${seen} of ${latencies.length * requestSize} came`)
  const { user, system } = process.cpuUsage(own)
  return { rate: seen / (wall / 1000), cpu: (cpu(server.pids) - before) / seen, client: (user + system) / seen, latencies }
}

/** Each round asks each server once, in a new order. */
async function measure(servers: readonly Server[], wire: Wire, requestSize: number): Promise<Map<Server, Sample[]>> {
  const all = servers.map((server) => ({ server, client: new Client(server.address(wire)), samples: [] as Sample[] }))
  for (let round = -WARMUPS; round < ROUNDS; round++) {
    for (const { server, client, samples } of shuffled(all)) {
      const one = await sample(server, client, requestSize)
      if (round >= 0) samples.push(one)
    }
  }
  for (const { client } of all) await client.close()
  return new Map(all.map(({ server, samples }) => [server, samples]))
}

/** Python's Client: documents per second of one post, connecting included. */
async function posted(script: Script, server: Server, wire: Wire, requestSize: number, count: number): Promise<number> {
  const start = performance.now()
  const ask = { address: server.address(wire), do: 'post', on: '/echo', count, brief: true, request_size: requestSize, prefetch: IN_FLIGHT }
  const { texts, error } = await within(60_000, script.ask(ask))
  if (error !== undefined || texts.length !== count) throw new Error(`Python's Client got ${texts?.length} of ${count} from ${server.name}: ${error?.message}`)
  return count / ((performance.now() - start) / 1000)
}

async function pythonRows(python: string, servers: readonly Server[]): Promise<string[][]> {
  const rows: string[][] = []
  await using script = pythonClient(python)
  for (const [wire, name] of Object.entries(WIRES) as [Wire, string][]) {
    for (const size of SIZES) {
      const count = size * (quick ? 20 : size === 1 ? 500 : 50)
      const rates = servers.map(() => [] as number[])
      for (let round = -1; round < (quick ? 1 : 3); round++) {
        for (const at of shuffled([...servers.keys()])) {
          const rate = await posted(script, servers[at]!, wire, size, count)
          if (round >= 0) rates[at]!.push(rate)
        }
      }
      const [jina, ours] = rates.map(median) as [number, number]
      rows.push([`${name}, ${size} in a request`, figure(jina), figure(ours), figure(ours / jina)])
    }
  }
  return rows
}

function memory(servers: readonly Server[]): void {
  table(
    ['server', 'processes', 'RSS MB at rest', 'PSS MB at rest', 'RSS MB at most'],
    servers.map(({ name, rest, peak }) => [name, `${rest.processes}`, figure(rest.resident / MB), figure(rest.proportional / MB), figure(peak / MB)]),
  )
}

async function compare(python: string): Promise<void> {
  const child = await serving({ kind: 'no-op', wires: ['grpc', 'http', 'websocket'] })
  await using served = await pythonFlow(python, { executors: [{ name: 'first' }] })
  const server = (name: string, root: number, address: Server['address']): Server => {
    const rest = look(root)
    return { name, pids: family(root), rest, address, peak: rest.resident }
  }
  const jina = server('Jina 3.27.5', childRunning('flow.py'), served.address)
  const ours = server('sluice', child.pid, (wire) => child.addresses[wire]!)
  const servers = [jina, ours]
  const must: Target[] = []
  say(
    `Documents of an id, 100 bytes of text and 3 tags go to a Flow with one executor that does nothing, and back; sluice's Client posts them to both, ${IN_FLIGHT} requests in flight, ` +
      'and its own cost is in both figures. Each server speaks all three protocols. ' +
      "Jina's own Client, in Python, costs more than either server: with it, sluice's answers 1.2 to 2.5 times the documents of Jina's. " +
      'What executors do takes as long in both.',
    `Jina's Flow is ${jina.rest.processes} processes: the one that started it, a gateway, and an executor that the gateway calls over gRPC. sluice's is ${ours.rest.processes}.`,
  )
  for (const [wire, name] of Object.entries(WIRES) as [Wire, string][]) {
    for (const size of SIZES) {
      const results = await measure(servers, wire, size)
      say(`## ${name}, ${size === 1 ? '1 document' : `${size} documents`} in a request`)
      const times = median(results.get(ours)!.map(({ rate }, round) => rate / results.get(jina)![round]!.rate))
      table(
        ['server', 'documents/s', 'times', 'p50 ms', 'p99 ms', 'server CPU µs per document', 'client CPU µs'],
        [...results].map(([{ name }, samples]) => {
          const latencies = samples.flatMap(({ latencies }) => latencies)
          return [
            name,
            figure(median(samples.map(({ rate }) => rate))),
            figure(name === ours.name ? times : 1),
            figure(quantile(latencies, 0.5)),
            figure(quantile(latencies, 0.99)),
            figure(median(samples.map(({ cpu }) => cpu))),
            figure(median(samples.map(({ client }) => client))),
          ]
        }),
      )
      must.push({ what: `${name}, ${size} in a request: documents/s, times Jina's`, bound: `≥ ${AIM}`, measured: figure(times), met: times >= AIM })
    }
  }
  say('## Memory', 'At rest before the first request, and at most under all of the load above. PSS divides what processes share among them.')
  memory(servers)
  say("## Python's Client", "The same from Python's own Client, connecting included. Documents per second: Python sets the pace.")
  table(['protocol', jina.name, ours.name, 'times'], await pythonRows(python, servers))
  await child.stop()
  if (!targets(must)) process.exitCode = 1
}

title('jina', "How does our gateway do beside Python Jina's, on the same machine, for the same client?")
if (!existsSync('/proc/self/smaps_rollup')) console.log('skipped: only Linux says what processes use')
// Without a Python, it says why, and there is nothing to compare.
else await interop(() => {}, compare)
say(`Measured in ${elapsed()}.`)
