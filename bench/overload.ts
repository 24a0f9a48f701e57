import { type ChildProcess, fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Flow } from 'sluice'
import { Client } from 'sluice/client'
import { Gateway } from 'sluice/gateway'
import { atMost, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

// Capacity is set by an executor that waits: 4 places of 40 ms are 100 requests a second. Load comes from another process and does not wait for answers
// (an open loop): so many requests a second, whatever becomes of them.

const PLACES = 4
const WORK = 40
const CAPACITY = (1000 / WORK) * PLACES
/** Seconds of each run, and from which second on it is judged. */
const [LASTS, FROM] = quick ? [8, 4] : [30, 5]
/** What a client waits, in milliseconds. */
const TIMEOUT = 500
/** Seconds after a flood in which one at a time is asked. */
const AFTER = 3

const WIRES = ['grpc', 'http', 'websocket'] as const
type Way = (typeof WIRES)[number] | 'bare'

interface Load {
  readonly address: string
  readonly way: Way
  /** Requests a second. */
  readonly rate: number
  readonly timeout: number | undefined
}

/** One request: when it was due, and how long it took to be answered or refused, in milliseconds. */
interface Outcome {
  readonly at: number
  readonly took: number
  readonly outcome: 'answered' | 'late' | 'refused' | 'failed'
}

// ── the processes ──────────────────────────────────────────────────────────────────────────────────────────

const work = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, WORK))

async function serve(): Promise<void> {
  const flow = await new Flow().add({ name: 'worker', uses: work, concurrency: PLACES }).open()
  const { addresses } = await Gateway.serve(flow, { protocol: WIRES })
  process.send!({ ...addresses, bare: await bare() })
}

/** A server of node:http with as many places and a line as long as there may be requests in a gateway of ours. */
async function bare(): Promise<string> {
  const line: (() => void)[] = []
  let free = PLACES
  const give = (): void => {
    free++
    const next = line.shift()
    if (next !== undefined) next()
  }
  const server = createServer((request, response) => {
    request.resume()
    const go = async (): Promise<void> => {
      free--
      await work()
      give()
      response.end('{}')
    }
    if (free > 0) return void go()
    if (line.length >= 1024) return void response.writeHead(503).end()
    line.push(() => void go())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function load({ address, way, rate, timeout }: Load): Promise<void> {
  const ask = way === 'bare' ? askBare(address, timeout) : askOurs(address, timeout)
  const outcomes: Outcome[] = []
  const start = performance.now()
  /** What is not answered when all is over is late. */
  const one = async (at: number): Promise<void> => {
    const began = performance.now()
    const asked: { -readonly [K in keyof Outcome]: Outcome[K] } = { at: at / 1000, took: Infinity, outcome: 'late' }
    outcomes.push(asked)
    asked.outcome = await ask(String(at))
    asked.took = performance.now() - began
  }
  for (let n = 0; n < rate * LASTS; n++) {
    const due = (n * 1000) / rate
    const wait = due - (performance.now() - start)
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait))
    void one(due)
  }
  // How fast it is its old self: one at a time, right after the flood.
  for (const end = performance.now() + AFTER * 1000; performance.now() < end; ) {
    // Behind a line without an end, it may take for ever.
    await Promise.race([one(performance.now() - start), new Promise((resolve) => setTimeout(resolve, end - performance.now()))])
  }
  process.send!(outcomes, () => process.exit())
}

function askOurs(address: string, timeout: number | undefined): (text: string) => Promise<Outcome['outcome']> {
  const client = new Client(address, { retries: 0, ...(timeout !== undefined && { timeout }) })
  return async (text) => {
    try {
      await client.post('/', [text], { requestSize: 1 }).drain()
      return 'answered'
    } catch (error) {
      const { code, message } = (error as { cause?: Error & { code?: string } }).cause ?? (error as Error & { code?: string })
      const all = `${(error as { code?: string }).code} ${code} ${message}`
      return all.includes('TIMEOUT') ? 'late' : all.includes('Busy') ? 'refused' : 'failed'
    }
  }
}

function askBare(address: string, timeout: number | undefined): (text: string) => Promise<Outcome['outcome']> {
  return async (text) => {
    try {
      const response = await fetch(address, { method: 'POST', body: text, ...(timeout !== undefined && { signal: AbortSignal.timeout(timeout) }) })
      await response.text()
      return response.ok ? 'answered' : 'refused'
    } catch (error) {
      return (error as Error).name === 'TimeoutError' ? 'late' : 'failed'
    }
  }
}

// ── the report ─────────────────────────────────────────────────────────────────────────────────────────────

function child(part: string, told: object = {}): ChildProcess {
  return fork(process.argv[1]!, [part, JSON.stringify(told)], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

const said = <T>(process: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    process.once('message', (message) => resolve(message as T))
    process.once('exit', (code) => reject(new Error(`A process of this bench ended with ${code}`)))
  })

const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

interface Judged {
  /** Answered in time, a second. */
  readonly goodput: number
  readonly p50: number
  readonly p99: number
  /** Until it was said that there are too many. */
  readonly refused: number
  readonly late: number
  readonly failed: number
  /** Seconds after the flood until one is answered as if there had been none. */
  readonly recovery: number
}

async function judge(way: Way, times: number, timeout: number | undefined): Promise<Judged> {
  const server = child('serve')
  const addresses = await said<Record<Way, string>>(server)
  const rate = CAPACITY * times
  const all = await said<Outcome[]>(child('load', { address: addresses[way], way, rate, timeout }))
  server.kill()
  const judged = all.filter(({ at }) => at >= FROM && at < LASTS)
  const of = (outcome: Outcome['outcome']): number[] => judged.filter((one) => one.outcome === outcome).map(({ took }) => took)
  const answered = of('answered')
  const well = all.find(({ at, outcome, took }) => at >= LASTS && outcome === 'answered' && took < 3 * WORK)
  return {
    goodput: answered.length / (LASTS - FROM),
    p50: quantile(answered, 0.5),
    p99: quantile(answered, 0.99),
    refused: quantile(of('refused'), 0.99),
    late: of('late').length / judged.length,
    failed: of('failed').length,
    recovery: well === undefined ? Infinity : well.at + well.took / 1000 - LASTS,
  }
}

async function report(): Promise<void> {
  title('overload', 'What is done when more is asked than can be done?')
  say(
    `An executor with ${PLACES} places of ${WORK} ms can do ${CAPACITY} requests a second. Another process asks so many times of that, for ${LASTS} s, judged from second ${FROM} on. ` +
      `"bare" is a server of node:http with as many places and a line of 1,024, first come, first served.`,
  )
  const must: Target[] = []
  const rows: string[][] = []
  const percent = (share: number): string => `${figure(share * 100)} %`
  for (const way of [...WIRES, 'bare'] as Way[])
    for (const timeout of [TIMEOUT, undefined])
      for (const times of quick ? [0.5, 10] : [0.5, 1, 2, 10, 30]) {
        // Without an end to patience, what is asked for waits as long as the line is: the same at ten times as at thirty.
        if (timeout === undefined && times > 10) continue
        const { goodput, p50, p99, refused, late, failed, recovery } = await judge(way, times, timeout)
        rows.push([
          `${way}, × ${times}, ${timeout === undefined ? 'no timeout' : `timeout ${timeout} ms`}`,
          ...[goodput, p50, p99, refused].map(figure),
          percent(late),
          String(failed),
          figure(recovery),
        ])
        if (times !== 10 || timeout === undefined || way === 'bare') continue
        must.push({
          what: `${way}: goodput at 10 times`,
          bound: `≥ ${0.9 * CAPACITY} a second`,
          measured: figure(goodput),
          met: goodput >= 0.9 * CAPACITY,
        })
        must.push(atMost(`${way}: p99 of what is answered at 10 times`, 3 * WORK, p99, ' ms'))
        must.push(atMost(`${way}: recovery`, 1, recovery, ' s'))
      }
  table(['load', 'answered a second', 'p50, ms', 'p99, ms', 'refused p99, ms', 'late', 'failed', 'recovery, s'], rows)
  targets(must)
  say(`Measured in ${elapsed()}.`)
}

const [, , part, told] = process.argv
if (part === 'serve') await serve()
else if (part === 'load') await load(JSON.parse(told!))
else await report()
