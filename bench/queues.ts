// A durable queue of NATS beside BullMQ's flows on Redis, whose workers are killed: what is lost, what is done twice, and how long does it take?
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Flow } from 'sluice'
import { natsServer, natsServerFile, natsVersion, WITHOUT } from '../test/support/nats.js'
import { install, kept } from '../test/support/runtimes.mjs'
import { median } from './measure.js'
import { atMost, below, elapsed, figure, quick, say, table, targets, title } from './report.js'

const REQUESTS = quick ? 400 : 5000
const KILLS = quick ? 4 : 20
/** Those that compute without a pause. */
const LONG = quick ? 2 : 8
const STEPS = ['encode', 'rank'] as const
/** Processes of each step, and what each has at once. */
const WORKERS = 2
const AT_ONCE = 16
const IN_FLIGHT = 64
/** Milliseconds in which a queue must have come to an end. */
const PATIENCE = 300_000
const WORK = fileURLToPath(new URL('./queues-work.mjs', import.meta.url))
const BULLMQ = '6.7.0'
const IOREDIS = '6.0.0'
type Step = (typeof STEPS)[number]

title('queues', 'Workers of a queue are killed. What is lost, what is done twice, and how long does it take?')
const skip = (why: string): never => {
  console.log(why)
  process.exit(0)
}
if (natsServerFile === undefined) skip(WITHOUT)
const redisVersion = /v=([\d.]+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]
if (redisVersion === undefined) skip('skipped: queues: there is no redis-server here (apt-get install redis-server)')
const bullmq = await kept(`bullmq-${BULLMQ}`, 'node_modules/bullmq/package.json', (folder) => install(folder, `bullmq@${BULLMQ}`, `ioredis@${IOREDIS}`)).catch(
  (error) => skip(`skipped: queues: ${error.message}`),
)
const bullFolder = dirname(dirname(dirname(bullmq)))

const children = new Set<ChildProcess>()
const folder = mkdtempSync(join(tmpdir(), 'sluice-queues-'))
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function begin(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  child.on('exit', () => children.delete(child))
  child.stderr!.resume()
  return child
}

let state = 10
/** The same numbers each time. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

/** What all workers of one queue said: how often each step was begun and done, and who had what when it was killed. */
class Ledger {
  readonly begun = new Map<string, number>()
  readonly done = new Map<string, number>()
  readonly takeovers: number[] = []
  readonly #held = new Map<string, ChildProcess>()
  readonly #orphans = new Map<string, number>()

  hear(child: ChildProcess): void {
    let rest = ''
    child.stdout!.setEncoding('utf8').on('data', (text) => {
      const lines = `${rest}${text}`.split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const [what, ...words] = line.split(' ')
        const name = words.join(' ')
        if (what === '>') this.#begin(name, child)
        else if (what === '<') this.#end(name)
      }
    })
  }

  #begin(name: string, child: ChildProcess): void {
    this.begun.set(name, (this.begun.get(name) ?? 0) + 1)
    const killed = this.#orphans.get(name)
    if (killed !== undefined) this.takeovers.push(performance.now() - killed)
    this.#orphans.delete(name)
    this.#held.set(name, child)
  }

  #end(name: string): void {
    this.done.set(name, (this.done.get(name) ?? 0) + 1)
    this.#held.delete(name)
  }

  killed(child: ChildProcess): void {
    const at = performance.now()
    // What it said last is still to be heard.
    child.stdout!.once('close', () => {
      for (const [name, holder] of this.#held) if (holder === child) this.#orphans.set(name, at)
    })
  }
}

const twice = (counts: ReadonlyMap<string, number>): number => [...counts.values()].filter((count) => count > 1).length

/** What one queue came to. */
interface Result {
  readonly answered: number
  readonly answeredTwice: number
  readonly failed: number
  readonly lost: number
  readonly doneTwice: number
  readonly begunTwice: number
  readonly takeovers: readonly number[]
  readonly seconds: number
}

interface Contender {
  readonly name: string
  /** Begins a worker of a step, and resolves once it takes work. */
  worker(step: Step): { readonly child: ChildProcess; readonly ready: Promise<void> }
  /** Asks for all, so many at a time, and hears of each that is answered, or failed. */
  ask(texts: readonly string[], answered: (text: string, error?: unknown) => void): Promise<void>
  close(): Promise<void>
}

async function run(contender: Contender, texts: readonly string[], kills: number): Promise<Result> {
  const ledger = new Ledger()
  const start = (step: Step) => {
    const begun = contender.worker(step)
    ledger.hear(begun.child)
    return { step, ...begun }
  }
  const workers = STEPS.flatMap((step) => Array.from({ length: WORKERS }, () => start(step)))
  await Promise.all(workers.map(({ ready }) => ready))
  const answers = new Map<string, number>()
  let [failed, killed] = [0, 0]
  const from = performance.now()
  await contender.ask(texts, (text, error) => {
    if (error !== undefined) failed++
    answers.set(text, (answers.get(text) ?? 0) + 1)
    while (killed < Math.min(kills, Math.floor((answers.size * kills) / (texts.length * 0.9)))) {
      killed++
      const at = Math.floor(random() * workers.length)
      const { child, step } = workers[at]!
      child.kill('SIGKILL')
      ledger.killed(child)
      workers[at] = start(step)
    }
  })
  const seconds = (performance.now() - from) / 1000
  // What is done once more, though it was answered, is done by then.
  await pause(kills === 0 ? 4000 : 2500)
  for (const { child } of workers) child.kill('SIGKILL')
  return {
    answered: answers.size - failed,
    answeredTwice: twice(answers),
    failed,
    lost: texts.length - answers.size,
    doneTwice: twice(ledger.done),
    begunTwice: twice(ledger.begun),
    takeovers: ledger.takeovers,
    seconds,
  }
}

// ── ours ─────────────────────────────────────────────────────────────────────────────────────────────────

async function ours(name: string): Promise<Contender> {
  const server = await natsServer({ jetstream: true })
  const address = (step: Step): string => `nats://127.0.0.1:${server.port}/queues/${step}`
  const readyOf = (child: ChildProcess): Promise<void> =>
    new Promise((ready, fail) => {
      let said = ''
      child.stderr!.on('data', (text) => {
        said += text
        if (said.includes('is served')) ready()
      })
      child.on('exit', (code) => code !== null && fail(new Error(said)))
    })
  return {
    name,
    worker(step) {
      const args = ['executor', `${WORK}#${step}`, '--nats', `nats://127.0.0.1:${server.port}`, '--name', `queues/${step}`, '--durable']
      const child = begin(process.execPath, [resolve('dist/cli/main.js'), ...args])
      const ready = readyOf(child)
      ready.catch(() => {})
      return { child, ready }
    },
    async ask(texts, answered) {
      const flow = new Flow<any>()
      for (const step of STEPS) flow.add({ name: step, external: true, host: address(step), nats: { durable: true } } as any)
      await flow.open()
      for await (const { docs, error } of flow.post('/', [...texts], { requestSize: 1, prefetch: IN_FLIGHT, continueOnError: true }))
        answered((docs as any)[0]?.text ?? '', error)
      await flow.close()
    },
    close: async () => server[Symbol.asyncDispose](),
  }
}

// ── BullMQ ───────────────────────────────────────────────────────────────────────────────────────────────

async function bull(name: string, options: object): Promise<Contender> {
  const { FlowProducer, QueueEvents } = createRequire(`${bullFolder}/`)('bullmq')
  const path = join(mkdtempSync(join(folder, 'redis-')), 'socket')
  const server = begin('redis-server', ['--port', '0', '--unixsocket', path, '--dir', dirname(path), '--appendonly', 'yes', '--save', ''])
  server.stdout!.resume()
  while (!existsSync(path)) await pause(20)
  const connection = { path, maxRetriesPerRequest: null }
  return {
    name,
    worker(step) {
      const child = begin(process.execPath, [WORK, bullFolder, path, step, JSON.stringify({ concurrency: AT_ONCE, ...options })])
      const ready = new Promise<void>((is, fail) => {
        child.stdout!.on('data', (text) => String(text).includes('ready') && is())
        child.on('exit', (code) => code !== null && fail(new Error(`a worker of BullMQ ended with ${code}`)))
      })
      ready.catch(() => {})
      return { child, ready }
    },
    async ask(texts, answered) {
      const flows = new FlowProducer({ connection })
      const events = new QueueEvents('rank', { connection })
      const [steps, all] = [new QueueEvents('encode', { connection }), new Map<string, (error?: unknown) => void>()]
      await Promise.all([events.waitUntilReady(), steps.waitUntilReady(), flows.waitUntilReady()])
      events.on('completed', ({ jobId }: any) => all.get(jobId)?.())
      for (const one of [events, steps]) one.on('failed', ({ jobId, failedReason }: any) => all.get(jobId)?.(new Error(failedReason)))
      const opts = { attempts: 5, backoff: { type: 'exponential', delay: 250 } }
      let next = 0
      const one = async (): Promise<void> => {
        for (let at = next++; at < texts.length; at = next++) {
          const text = texts[at]!
          const answer = new Promise<void>((resolve) => {
            // Each time that it is answered is counted.
            const hear = (error?: unknown): void => {
              answered(text, error)
              resolve()
            }
            for (const step of STEPS) all.set(`${step}-${at}`, hear)
          })
          const child = { name: 'encode', queueName: 'encode', data: { text }, opts: { ...opts, jobId: `encode-${at}` } }
          await flows.add({ name: 'rank', queueName: 'rank', data: { text }, opts: { ...opts, jobId: `rank-${at}` }, children: [child] })
          await answer
        }
      }
      await Promise.race([Promise.all(Array.from({ length: IN_FLIGHT }, one)), pause(PATIENCE, undefined, { ref: false })])
      await Promise.all([flows.close(), events.close(), steps.close()])
    },
    async close() {
      server.kill('SIGKILL')
    },
  }
}

const QUICK = { lockDuration: 2000, stalledInterval: 1000 }
const SETTINGS: [string, (name: string) => Promise<Contender>][] = [
  ['sluice, durable', ours],
  ['BullMQ, a lock of 2 s', (name) => bull(name, QUICK)],
  ['BullMQ, as it comes', (name) => bull(name, {})],
]

const results = new Map<string, { readonly killed: Result; readonly long: Result | undefined }>()
for (const [name, make] of SETTINGS) {
  const contender = await make(name)
  const killed = await run(
    contender,
    Array.from({ length: REQUESTS }, (_, at) => `text ${at}`),
    KILLS,
  )
  await contender.close()
  // As it comes, a lock is held for 30 s, for which nothing computes here.
  if (name.endsWith('comes')) {
    results.set(name, { killed, long: undefined })
    continue
  }
  const other = await make(name)
  results.set(name, {
    killed,
    long: await run(
      other,
      Array.from({ length: LONG }, (_, at) => `long ${at}`),
      0,
    ),
  })
  await other.close()
}

const number = (value: number): string => value.toLocaleString('en-US')
say(
  `Each request goes through two steps, \`encode\` and \`rank\`, of 20 ms each. For each step there are ${WORKERS} processes, which have ${AT_ONCE} at once. ${IN_FLIGHT} requests are asked for at a time. ` +
    `In BullMQ ${BULLMQ} it is a flow: a parent that waits for its child. Redis ${redisVersion} writes each change to its file, which is flushed each second. nats-server ${natsVersion()} keeps its streams in files.`,
  `What a dead worker had is another's after 2 s with sluice (\`ackWait\`), and with BullMQ where it says so (\`lockDuration\` 2 s, \`stalledInterval\` 1 s). As BullMQ comes, both are 30 s. Both try a step up to 5 times.`,
  `## ${number(REQUESTS)} requests, ${KILLS} workers killed by SIGKILL, and begun anew`,
)
const all = [...results]
table(
  ['queue', 'answered', 'failed', 'lost', 'answered twice', 'steps done twice', 'begun twice', 'taken over after, s', 'at most', 'all took, s'],
  all.map(
    ([
      name,
      {
        killed: { answered, failed, lost, answeredTwice, doneTwice, begunTwice, takeovers, seconds },
      },
    ]) => [
      ...[name, number(answered), number(failed), number(lost), number(answeredTwice), number(doneTwice), number(begunTwice)],
      ...(takeovers.length === 0 ? ['–', '–'] : [figure(median([...takeovers]) / 1000), figure(Math.max(...takeovers) / 1000)]),
      figure(seconds),
    ],
  ),
)
say(
  'Steps are begun twice, as whoever had them is dead. They are done twice where one was killed between the end of its work and the word of it: at least once is what both promise.',
  `## ${LONG} requests whose steps compute for 3 s without a pause, nobody killed`,
)
table(
  ['queue', 'answered', 'failed', 'lost', 'steps done twice', 'begun twice', 'all took, s'],
  all.flatMap(([name, { long }]) =>
    long === undefined
      ? []
      : [[name, number(long.answered), number(long.failed), number(long.lost), number(long.doneTwice), number(long.begunTwice), figure(long.seconds)]],
  ),
)
say("BullMQ's worker renews its locks in its event loop, which is busy then. With sluice, a thread of its own says that a worker lives.")
const { killed, long } = results.get('sluice, durable')!
const met = targets([
  atMost('sluice: lost or failed', 0, killed.lost + killed.failed),
  atMost('sluice: answered twice', 0, killed.answeredTwice),
  below('sluice: taken over', 5, Math.max(0, ...killed.takeovers) / 1000, ' s'),
  atMost('sluice: begun twice, of what computes without a pause', 0, long!.begunTwice),
])
say(elapsed())
process.exit(met || quick ? 0 : 1)
