// The processes of `overload` and `tenants`: servers whose capacity is set by an executor that waits, and those who ask them. Each is started by `start()`.
import { type ChildProcess, fork } from 'node:child_process'
import { Agent, createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Flow } from 'sluice'
import { Client } from 'sluice/client'
import { Gateway } from 'sluice/gateway'

/** The executor has 4 places of 40 ms: 100 requests a second. */
export const PLACES = 4
export const WORK = 40
export const CAPACITY = (1000 / WORK) * PLACES

export const WIRES = ['grpc', 'http', 'websocket', 'graphql'] as const
export type Wire = (typeof WIRES)[number]
/** How one is asked: by our Client, or by a few lines around node:http. */
export type Way = Wire | 'bare'

export interface Served {
  /** Default: the gateway's. */
  readonly maxInFlight?: number | undefined
}

/** Asks `rate` requests a second for so many seconds, whatever becomes of them: an open loop. */
export interface Load {
  readonly address: string
  /** Asked before, in the same way and as much, for {@link WARM} seconds: whoever begins with a flood is slow at first, and would measure itself. */
  readonly warm: string
  readonly way: Way
  readonly rate: number
  readonly seconds: number
  readonly timeout: number | undefined
}

/** Asks so many at a time, and the next when one is answered: a closed loop. */
export interface Loop {
  readonly address: string
  readonly way: Way
  readonly who: string
  readonly atOnce: number
  readonly seconds: number
  readonly timeout?: number | undefined
}

/** One request: when it was due in seconds, and how long it took to be answered or refused in milliseconds. */
export interface Outcome {
  readonly at: number
  readonly took: number
  readonly outcome: 'answered' | 'late' | 'refused' | 'failed'
  /** By how many milliseconds who asks was behind. */
  readonly behind: number
}

type Ask = (text: string) => Promise<Outcome['outcome']>

// ── servers ────────────────────────────────────────────────────────────────────────────────────────────────

const work = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, WORK))

async function serve({ maxInFlight }: Served): Promise<object> {
  const flow = await new Flow().add({ name: 'worker', uses: work, concurrency: PLACES }).open()
  const authenticate = ({ headers }: { headers: Readonly<Record<string, string>> }): string => headers['x-who'] ?? 'somebody'
  const { addresses } = await Gateway.serve(flow, {
    protocol: ['grpc', 'http', 'websocket'],
    graphql: true,
    authenticate,
    ...(maxInFlight !== undefined && { maxInFlight }),
  })
  return { ...addresses, graphql: addresses['http'], bare: await bare(16 * (maxInFlight ?? 64)) }
}

/** A server of node:http with as many places, and a line for so many. */
async function bare(places: number): Promise<string> {
  const line: (() => void)[] = []
  let free = PLACES
  const server = createServer((request, response) => {
    request.resume()
    const go = async (): Promise<void> => {
      free--
      await work()
      free++
      response.end('{}')
      line.shift()?.()
    }
    if (free > 0) return void go()
    if (line.length >= places) return void response.writeHead(503).end()
    line.push(() => void go())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

// ── who asks ───────────────────────────────────────────────────────────────────────────────────────────────

const OPERATION = 'mutation ($text: String!) { docs(data: [{ text: $text }], execEndpoint: "/work") { id } }'

function askOurs({ address, way, timeout, who = 'somebody' }: { address: string; way: Way; timeout?: number | undefined; who?: string }): Ask {
  const client = new Client(address, { headers: { 'x-who': who }, ...(timeout !== undefined && { timeout }) })
  const ask = (text: string): Promise<unknown> =>
    way === 'graphql' ? client.mutate(OPERATION, { text }) : client.post('/work', [text], { requestSize: 1 }).drain()
  return async (text) => {
    try {
      await ask(text)
      return 'answered'
    } catch (error) {
      const { code, message } = error as Error & { code?: string }
      // Sent away in line.
      if (/they go first/.test(message)) return 'late'
      return code === 'ERR_TIMEOUT' ? 'late' : /Busy/.test(message) ? 'refused' : 'failed'
    }
  }
}

function askBare({ address, timeout }: { address: string; timeout?: number | undefined }): Ask {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  return (text) =>
    new Promise((resolve) => {
      const signal = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
      send(address, { method: 'POST', agent, ...(signal && { signal }) }, (response) => {
        response.on('error', () => resolve(signal?.aborted ? 'late' : 'failed'))
        response.resume().on('end', () => resolve(response.statusCode === 200 ? 'answered' : response.statusCode === 503 ? 'refused' : 'failed'))
      })
        .on('error', () => resolve(signal?.aborted ? 'late' : 'failed'))
        .end(text)
    })
}

const askingBy = (told: { address: string; way: Way; timeout?: number | undefined; who?: string }): Ask => (told.way === 'bare' ? askBare(told) : askOurs(told))

/** What is not answered when all is over is late. */
async function timed(ask: Ask, at: number, behind: number, outcomes: Outcome[]): Promise<void> {
  const began = performance.now()
  const asked: { -readonly [K in keyof Outcome]: Outcome[K] } = { at: at / 1000, took: Infinity, outcome: 'late', behind }
  outcomes.push(asked)
  asked.outcome = await ask(String(at))
  asked.took = performance.now() - began
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

const WARM = 4

async function load(told: Load): Promise<Outcome[]> {
  await flood({ ...told, address: told.warm, seconds: WARM, timeout: told.timeout ?? 1000 })
  return flood(told)
}

async function flood(told: Omit<Load, 'warm'>): Promise<Outcome[]> {
  const { rate, seconds, timeout } = told
  const ask = askingBy(told)
  const outcomes: Outcome[] = []
  const start = performance.now()
  for (let n = 0; n < rate * seconds; n++) {
    const due = (n * 1000) / rate
    const wait = due - (performance.now() - start)
    if (wait > 1) await pause(wait)
    // Whoever cannot keep up leaves the rest out, and says so: what was not asked is no load.
    if (performance.now() - start > seconds * 1000) break
    void timed(ask, due, Math.max(0, performance.now() - start - due), outcomes)
  }
  // Answers to what was in time are on their way.
  await pause(Math.min(timeout ?? 0, 1000) + 100)
  return outcomes
}

async function loop(told: Loop): Promise<Outcome[]> {
  const { atOnce, seconds } = told
  const ask = askingBy(told)
  const outcomes: Outcome[] = []
  const start = performance.now()
  const one = async (): Promise<void> => {
    while (performance.now() - start < seconds * 1000) await timed(ask, performance.now() - start, 0, outcomes)
  }
  // Behind a line without an end, it may take for ever.
  await Promise.race([Promise.all(Array.from({ length: atOnce }, one)), pause(seconds * 1000)])
  return outcomes
}

// ── processes ──────────────────────────────────────────────────────────────────────────────────────────────

const ROLES = { serve, load, loop }

export interface Started<R> {
  /** What it says: once. */
  readonly said: Promise<R>
  stop(): void
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill()
})

/** Starts a process; who asks begins when it is told `begin()`, as all of them are to begin together. */
export function start(role: 'serve', told: Served): Started<Record<Way, string>>
export function start(role: 'load', told: Load): Started<Outcome[]>
export function start(role: 'loop', told: Loop): Started<Outcome[]>
export function start(role: keyof typeof ROLES, told: object): Started<any> {
  const child = fork('bench/load.ts', [role, JSON.stringify(told)], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  running.add(child)
  const said = new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => {
      running.delete(child)
      reject(new Error(`A process of this bench (${role}) ended with ${code}`))
    })
  })
  said.catch(() => {})
  return { said, stop: () => void child.kill() }
}

export const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

const [, file, role, told] = process.argv
if (file?.endsWith('/load.ts')) {
  const said = await ROLES[role as keyof typeof ROLES](JSON.parse(told!) as never)
  process.send!(said, () => role === 'serve' || process.exit())
}
