import { type ChildProcess, fork } from 'node:child_process'
import { pbkdf2 } from 'node:crypto'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { DEFAULT_PREFETCH, Document, type ExecutorFunction, Flow } from 'sluice'
import { median, shuffled } from './measure.js'
import { elapsed, figure, quick, say, table, targets, title } from './report.js'

const PREFETCHES = [1, 2, 4, 8, 16, 32, 64, 128]
const ROUNDS = quick ? 1 : 9
const SECONDS = quick ? 0.1 : 0.25
const DOCUMENTS = 10
/** "As fast as can be", to within what nobody notices. */
const ENOUGH = 0.95

// ── a service, in a process of its own ───────────────────────────────────────────────────────────────────

/** Answers `/free` a millisecond after it is asked, and `/workers` by eight workers that take four milliseconds each, as a model server does. */
function serve(): void {
  const WORKERS = 8
  let busy = 0
  const queue: (() => void)[] = []
  const work = (done: () => void): void => {
    if (busy === WORKERS) return void queue.push(() => work(done))
    busy++
    setTimeout(() => {
      busy--
      done()
      queue.shift()?.()
    }, 4)
  }
  const server = createServer((incoming, outgoing) => {
    const answer = (): void => void outgoing.end('{"ok":true}')
    incoming.resume().on('end', () => (incoming.url === '/workers' ? work(answer) : setTimeout(answer, 1)))
  })
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as { port: number }).port))
  process.on('disconnect', () => process.exit())
}

async function startService(): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(fileURLToPath(import.meta.url), ['--serve'], { execArgv: ['--import', 'tsx'] })
  const [port] = await once(child, 'message')
  return { child, port: port as number }
}

// ── executors ────────────────────────────────────────────────────────────────────────────────────────────

const compress = promisify(gzip)
const derive = promisify(pbkdf2)
const page = Buffer.from(Array.from({ length: 4000 }, (_, i) => `word${(i * 7919) % 977}`).join(' '))

/** Those that only wait come last: they have no bound but this process. */
const UNBOUNDED = ['HTTP service, 1 ms', 'timer of 2 ms']

function executors(port: number, agent: Agent): Record<string, ExecutorFunction> {
  const call = (path: string, body: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const outgoing = request({ port, host: '127.0.0.1', method: 'POST', path, agent }, (incoming) => incoming.resume().on('end', resolve).on('error', reject))
      outgoing.on('error', reject).end(body)
    })
  return {
    'gzip of 35 kB in the thread pool': async () => void (await compress(page)),
    'pbkdf2 in the thread pool': async () => void (await derive('password', 'salt', 1500, 32, 'sha256')),
    'HTTP service of 8 workers, 4 ms each': ({ docs }) => call('/workers', JSON.stringify(docs.texts)),
    'HTTP service, 1 ms': ({ docs }) => call('/free', JSON.stringify(docs.texts)),
    'timer of 2 ms': async () => void (await sleep(2)),
  }
}

// ── the sweep ────────────────────────────────────────────────────────────────────────────────────────────

interface Run {
  /** Requests a second. */
  readonly rate: number
  /** Milliseconds from leaving the source to reaching the consumer, on average: Little's law. */
  readonly latency: number
}

async function measure(flow: Flow<any>, prefetch: number): Promise<Run> {
  const documents = Array.from({ length: DOCUMENTS }, (_, i) => new Document({ text: `document ${i}` }))
  let over = false
  async function* inputs() {
    while (!over) yield* documents
  }
  let responses = 0
  const start = performance.now()
  const end = start + SECONDS * 1000
  for await (const _ of flow.post('/', inputs, { requestSize: DOCUMENTS, prefetch })) {
    responses++
    if (performance.now() >= end) over = true
  }
  const rate = responses / ((performance.now() - start) / 1000)
  return { rate, latency: (prefetch / rate) * 1000 }
}

async function sweep(): Promise<void> {
  title('prefetch', 'How many requests must be in flight for asynchronous executors to be busy?')
  say(
    `Requests of ${DOCUMENTS} documents through one executor; requests per second (median of ${ROUNDS} interleaved rounds, a third of that for the last two), as a share of the best (the mean of the three best, for the first three), ` +
      `and the milliseconds a request spends in flight. In bold the smallest prefetch that reaches ${ENOUGH * 100} % of the best. ` +
      `The thread pool has ${process.env.UV_THREADPOOL_SIZE ?? 4} threads on ${availableParallelism()} cores.`,
  )
  const { child, port } = await startService()
  const agent = new Agent({ keepAlive: true, maxSockets: 1024 })
  const rows: string[][] = []
  const shares = new Map<string, Map<number, number>>()
  for (const [name, uses] of Object.entries(executors(port, agent))) {
    const flow = await new Flow().add({ name: 'works', uses }).open()
    const runs = new Map<number, Run[]>(PREFETCHES.map((prefetch) => [prefetch, []]))
    for (let round = -1; round < (UNBOUNDED.includes(name) ? ROUNDS / 3 : ROUNDS); round++) {
      for (const prefetch of shuffled(PREFETCHES)) {
        const run = await measure(flow, prefetch)
        if (round >= 0) runs.get(prefetch)!.push(run)
      }
    }
    await flow.close()
    const rate = (prefetch: number): number => median(runs.get(prefetch)!.map(({ rate }) => rate))
    const highest = PREFETCHES.map(rate).sort((a, b) => b - a)
    // Where a plateau is expected, one lucky figure does not set the scale.
    const best = UNBOUNDED.includes(name) ? highest[0]! : (highest[0]! + highest[1]! + highest[2]!) / 3
    const knee = PREFETCHES.find((prefetch) => rate(prefetch) >= ENOUGH * best)!
    shares.set(name, new Map(PREFETCHES.map((prefetch) => [prefetch, rate(prefetch) / best])))
    rows.push([
      name,
      ...PREFETCHES.map((prefetch) => {
        const latency = median(runs.get(prefetch)!.map(({ latency }) => latency))
        const cell = `${figure(rate(prefetch))}/s ${Math.round((rate(prefetch) / best) * 100)} % ${figure(latency)} ms`
        return prefetch === knee ? `**${cell}**` : cell
      }),
    ])
  }
  agent.destroy()
  child.disconnect()
  table(['executor', ...PREFETCHES.map(String)], rows)
  say(
    'An executor that is bounded by anything — cores, threads, workers of a service — has a knee: behind it requests only wait longer. One that only waits has none: twice the requests ' +
      'in flight are twice the throughput until the process itself is busy, so no default is the best for it, and who calls such a service sets `prefetch` to what the service bears. ' +
      'The default is the smallest power of two that is enough for every executor with a knee of its own.',
  )
  const bounded = [...shares].filter(([name]) => !UNBOUNDED.includes(name)).map(([, all]) => all)
  const least = (prefetch: number): number => Math.min(...bounded.map((all) => all.get(prefetch)!))
  const percent = (share: number): string => `${Math.round(share * 100)} %`
  targets([
    {
      what: `the default, ${DEFAULT_PREFETCH}: least share of the best with an executor that is bounded`,
      bound: `≥ ${percent(ENOUGH)}`,
      measured: percent(least(DEFAULT_PREFETCH)),
      met: least(DEFAULT_PREFETCH) >= ENOUGH,
    },
    {
      what: `half of it, ${DEFAULT_PREFETCH / 2}: the same`,
      bound: `< ${percent(ENOUGH)}`,
      measured: percent(least(DEFAULT_PREFETCH / 2)),
      met: least(DEFAULT_PREFETCH / 2) < ENOUGH,
    },
  ])
  say(`Measured in ${elapsed()}.`)
}

if (process.argv.includes('--serve')) serve()
else await sweep()
