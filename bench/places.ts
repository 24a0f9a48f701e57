// What a call to a thread or process costs beside raw ends and pools, what two threads are worth, and what is left when a worker dies.
//   node --import tsx bench/places.ts [--quick]
import { fork, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { Document, Flow } from 'sluice'
import { Tinypool } from 'tinypool'
import workerpool from 'workerpool'
import { atMost, below, elapsed, figure, isChild, quick, say, type Target, table, targets, title } from './report.js'

const WORK = fileURLToPath(new URL('./places-work.mjs', import.meta.url))
const COUNT = quick ? 4_000 : 40_000
const ROUNDS = quick ? 3 : 9
const IN_FLIGHT = 64
/** Fresh processes that each measure all: what holds, has to in the worst. */
const PROCESSES = quick ? 1 : 5
const must: Target[] = []

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** Keeps so many calls under way. */
async function pour(count: number, call: () => Promise<unknown>): Promise<void> {
  let left = count
  const one = async (): Promise<void> => {
    while (left-- > 0) await call()
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, one))
}

/** Answers come in the order of what was sent. */
function inTurn(send: () => void): { call(): Promise<void>; answered(): void } {
  const waiting: (() => void)[] = []
  let at = 0
  return {
    call: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        send()
      }),
    answered() {
      waiting[at++]!()
      if (at === 1024) waiting.splice(0, (at = 0) || 1024)
    },
  }
}

const open = (runtime: 'thread' | 'process', more: object = {}): Promise<any> => new Flow().add({ uses: `${WORK}#Work`, runtime, ...more } as any).open()

// ── a call ───────────────────────────────────────────────────────────────────────────────────────────────

interface Contender {
  readonly name: string
  run(count: number): Promise<void>
  end(): unknown
}

const message = { id: '0123456789abcdef0123456789abcdef', text: 'a document of a few words' }

function rawThread(): Contender {
  const worker = new Worker(WORK, { workerData: { raw: 'echo' } })
  const { call, answered } = inTurn(() => worker.postMessage(message))
  worker.on('message', answered)
  return { name: 'raw postMessage', run: (count) => pour(count, call), end: () => worker.terminate() }
}

function rawSocket(): Contender {
  const child = spawn(process.execPath, [WORK, 'socket'], { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] })
  const socket = child.stdio[3] as Socket
  const body = Buffer.from(JSON.stringify(message))
  const { call, answered } = inTurn(() => {
    const framed = Buffer.allocUnsafe(4 + body.length)
    framed.writeUInt32LE(framed.length, 0)
    body.copy(framed, 4)
    socket.write(framed)
  })
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    while (rest.length >= 4) {
      const length = rest.readUInt32LE(0)
      if (rest.length < length) break
      rest = rest.subarray(length)
      answered()
    }
  })
  return { name: 'raw framed socket', run: (count) => pour(count, call), end: () => child.kill() }
}

async function ours(runtime: 'thread' | 'process'): Promise<Contender> {
  const flow = await open(runtime)
  return {
    name: `sluice, ${runtime}`,
    async run(count) {
      function* inputs() {
        for (let at = 0; at < count; at++) yield message.text
      }
      let seen = 0
      for await (const _ of flow.post('/noop', inputs, { requestSize: 1, prefetch: IN_FLIGHT })) seen++
      if (seen !== count) throw new Error(`${count - seen} are lost`)
    },
    end: () => flow.close(),
  }
}

const ONE = 'piscina, 1 per worker'
const SIXTEEN = 'piscina, 16 per worker'
/** What each is measured against. */
const rawOf = (name: string): string => (/process|socket/.test(name) ? 'raw framed socket' : 'raw postMessage')

/** Microseconds a call, by contender, in each round. */
async function calls(): Promise<Record<string, number[]>> {
  const contenders: Contender[] = [rawThread(), rawSocket(), await ours('thread'), await ours('process')]
  for (const concurrentTasksPerWorker of [1, 16]) {
    const own = new Piscina({ filename: WORK, minThreads: 1, maxThreads: 1, concurrentTasksPerWorker })
    contenders.push({
      name: `piscina, ${concurrentTasksPerWorker} per worker`,
      run: (count) => pour(count, () => own.run(message)),
      end: () => own.destroy(),
    })
  }
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  for (let round = -2; round < ROUNDS; round++) {
    for (const { name, run } of [...contenders].sort(() => Math.random() - 0.5)) {
      const start = performance.now()
      await run(COUNT)
      if (round >= 0) times.get(name)!.push(((performance.now() - start) * 1000) / COUNT)
    }
  }
  for (const { end } of contenders) await end()
  return Object.fromEntries(times)
}

// ── embeddings ───────────────────────────────────────────────────────────────────────────────────────────
const RAW = 'one transferred buffer'
const UNSEEN = 'sluice, looked at by nobody'
const WRITTEN = 'sluice, written to'

/** Microseconds there and back, by way, in each round. */
async function floats(): Promise<Record<string, number[]>> {
  const flow = await open('thread')
  const worker = new Worker(WORK, { workerData: { raw: 'column' } })
  const arrays = Array.from({ length: 100 }, (_, at) => new Float32Array(768).fill(at))
  const raw = async (): Promise<void> => {
    // As a user would: vectors that are kept are put together, and taken apart.
    const column = new Float32Array(100 * 768)
    for (const [at, one] of arrays.entries()) column.set(one, at * 768)
    const back = await new Promise<Float32Array>((resolve) => {
      worker.once('message', resolve)
      worker.postMessage(column, [column.buffer])
    })
    const vectors = arrays.map((_, at) => back.subarray(at * 768, (at + 1) * 768))
    if (vectors[3]![0] !== 4) throw new Error('wrong')
  }
  const ask = async (on: string): Promise<void> => {
    const docs = arrays.map((embedding) => new Document({ embedding }))
    for await (const { docs: back } of flow.post(on, docs, { requestSize: 100 }))
      if (back.length !== 100 || back[3].embedding.data[0] !== (on === '/embed' ? 4 : 3)) throw new Error('wrong')
  }
  const ways: Record<string, () => Promise<void>> = {
    [RAW]: raw,
    [UNSEEN]: () => ask('/noop'),
    [WRITTEN]: () => ask('/embed'),
  }
  const seen = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]))
  const calls = quick ? 50 : 300
  for (let round = -2; round < ROUNDS; round++)
    for (const [name, run] of Object.entries(ways).sort(() => Math.random() - 0.5)) {
      const start = performance.now()
      for (let at = 0; at < calls; at++) await run()
      if (round >= 0) seen.get(name)!.push(((performance.now() - start) * 1000) / calls)
    }
  if (arrays.some(({ length }) => length !== 768)) throw new Error('arrays were taken away')
  await worker.terminate()
  await flow.close()
  return Object.fromEntries(seen)
}

// ── two threads ──────────────────────────────────────────────────────────────────────────────────────────
const TASKS = quick ? 60 : 300

interface Gain {
  /** How many times faster two are than one. */
  readonly gain: number
  /** Milliseconds that timers of the main thread were late meanwhile. */
  readonly late: number
}

/** What has so many threads: a way to run one task in one of them. */
type Threads = (count: number) => Promise<{ run(tasks: number): Promise<void>; end(): unknown }>

const ownThreads: Threads = async (parallel) => {
  const flow = await open('thread', { parallel, concurrency: 1 })
  const options = { requestSize: 1, prefetch: 8, parameters: { milliseconds: 5 } }
  return { run: (tasks) => flow.post('/busy', Array(tasks).fill('x'), options).drain(), end: () => flow.close() }
}

/** What the machine has to give: each has its next task as it asks for it. */
const rawThreads: Threads = async (count) => {
  const workers = Array.from({ length: count }, () => new Worker(WORK, { workerData: { raw: 'busy' } }))
  return {
    async run(tasks) {
      let left = tasks
      const work = async (worker: Worker): Promise<void> => {
        while (left-- > 0)
          await new Promise((resolve) => {
            worker.once('message', resolve)
            worker.postMessage(5)
          })
      }
      await Promise.all(workers.map(work))
    },
    end: () => Promise.all(workers.map((worker) => worker.terminate())),
  }
}

async function threads(way: Threads): Promise<Gain> {
  const rate = async (count: number): Promise<{ seconds: number; late: number }> => {
    const { run, end } = await way(count)
    await run(8)
    let late = 0
    let last = performance.now()
    const timer = setInterval(() => {
      const time = performance.now()
      late = Math.max(late, time - last - 10)
      last = time
    }, 10)
    const start = performance.now()
    await run(TASKS)
    clearInterval(timer)
    const seconds = (performance.now() - start) / 1000
    await end()
    return { seconds, late }
  }
  const one = await rate(1)
  const two = await rate(2)
  return { gain: one.seconds / two.seconds, late: two.late }
}

// ── several processes ────────────────────────────────────────────────────────────────────────────────────

interface Measured {
  readonly calls: Record<string, number[]>
  readonly floats: Record<string, number[]>
  readonly threads: Gain
  readonly raw: Gain
}

if (isChild) {
  const all: Measured = { calls: await calls(), floats: await floats(), threads: await threads(ownThreads), raw: await threads(rawThreads) }
  await new Promise((resolve) => process.send!(all, resolve))
  process.exit()
}

title('places', 'What does it cost to run an executor in a thread or process, and what becomes of its requests when one dies?')

async function measured(): Promise<Measured> {
  const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    env: { ...process.env, BENCH_CHILD: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  let all: Measured | undefined
  child.on('message', (message) => (all = message as Measured))
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (all === undefined) throw new Error(`A process of the bench ended with ${code}`)
  return all
}

const runs: Measured[] = []
for (let at = 0; at < PROCESSES; at++) runs.push(await measured())

/** Of each process, the ratio of two within its rounds, as what else the machine does changes. */
const ratios = (part: 'calls' | 'floats', name: string, other: (run: Measured) => string): number[] =>
  runs.map((run) => median(run[part][name]!.map((time, round) => time / run[part][other(run)]![round]!)))
const cost = (part: 'calls' | 'floats', name: string): number => median(runs.map((run) => median(run[part][name]!)))
const worst = (values: readonly number[]): number => Math.max(...values)
const both = (part: 'calls' | 'floats', name: string, raw: string): string[] => {
  const all = ratios(part, name, () => raw)
  return [name, figure(cost(part, name)), figure(median(all)), figure(worst(all))]
}
const within = (what: string, bound: number, values: readonly number[]): void => void must.push(atMost(what, bound, worst(values)))
const several = `Wall time in ${PROCESSES} fresh processes, one after the other, each ${ROUNDS} rounds in random order: the median, and of the ratio the worst process, too`

say(
  '## A call',
  `One document a request through flow.post(), ${IN_FLIGHT} in flight, an executor that does nothing; the same text to raw ends and pools with one worker. ${several}.`,
)
table(
  ['', 'µs a call', '× raw', 'worst'],
  Object.keys(runs[0]!.calls).map((name) => both('calls', name, rawOf(name))),
)
say(
  'piscina gives a worker one task at a time, unless it is told otherwise: that is how it comes. With `concurrentTasksPerWorker: 16`, which suits a task that does nothing, it is at its best. Must show has both.',
)
const best = ({ calls }: Measured): string => (median(calls[ONE]!) < median(calls[SIXTEEN]!) ? ONE : SIXTEEN)
for (const runtime of ['thread', 'process']) {
  const name = `sluice, ${runtime}`
  within(
    `a call to a ${runtime}: × ${rawOf(name)}`,
    2,
    ratios('calls', name, () => rawOf(name)),
  )
  within(
    `a call to a ${runtime}: × piscina as it comes`,
    1 / 3,
    ratios('calls', name, () => ONE),
  )
  within(`a call to a ${runtime}: × piscina at its best`, 1 / 3, ratios('calls', name, best))
}

say(
  '## 100 × 768 floats',
  `There and back, one after the other, in a thread. The raw end puts 100 vectors into one buffer, hands it over, and takes apart what comes back. ${several}.`,
)
table(
  ['', 'µs', '× raw', 'worst'],
  Object.keys(runs[0]!.floats).map((name) => both('floats', name, RAW)),
)
within(
  '100 × 768 floats to a thread and back: × one transferred buffer',
  2,
  ratios('floats', UNSEEN, () => RAW),
)
within(
  'the same, all written to: × one transferred buffer',
  2,
  ratios('floats', WRITTEN, () => RAW),
)

const gains = (kind: 'threads' | 'raw'): Gain => ({
  gain: Math.min(...runs.map((run) => run[kind].gain)),
  late: worst(runs.map((run) => run[kind].late)),
})
const { gain, late } = gains('threads')
say(
  '## Two threads',
  `${TASKS} tasks of 5 ms each that only compute, in one thread and in two; the same by raw threads, which is what the machine has to give. The worst of ${PROCESSES} fresh processes.`,
)
table(
  ['', 'two threads: × one', 'timers of the main thread late by, ms'],
  (['threads', 'raw'] as const).map((kind) => [kind === 'raw' ? 'raw threads' : 'sluice, thread', figure(gains(kind).gain), figure(gains(kind).late)]),
)
must.push({ what: 'two threads of computing: × one', bound: '≥ 1.8', measured: figure(gain), met: gain >= 1.8 })
must.push(below('timers of the main thread late by', 10, late, ' ms'))

// ── deaths ───────────────────────────────────────────────────────────────────────────────────────────────

interface Outcome {
  ok: number
  failed: number
  milliseconds: number
}

/** 40 calls at once, the eighth of which ends its worker. */
async function kill(run: (how: string) => Promise<unknown>, how: string): Promise<Outcome> {
  const outcome = { ok: 0, failed: 0, milliseconds: 0 }
  const start = performance.now()
  const calls = Array.from({ length: 40 }, (_, at) =>
    run(at === 7 ? how : 'well').then(
      () => void outcome.ok++,
      () => void outcome.failed++,
    ),
  )
  await Promise.race([Promise.all(calls), new Promise((resolve) => setTimeout(resolve, 4000))])
  return { ...outcome, milliseconds: performance.now() - start }
}

const rows: string[][] = []
const tell = (name: string, how: string, { ok, failed, milliseconds }: Outcome): void =>
  void rows.push([name, how, String(ok), String(failed), String(40 - ok - failed), figure(milliseconds)])
for (const [runtime, ways] of [
  ['thread', ['exit', 'OOM']],
  ['process', ['exit', 'SIGKILL', 'OOM']],
] as const)
  for (const how of ways) {
    const flow = await open(runtime, { parallel: 2, memory: '64m' })
    const outcome = await kill(async (text) => {
      for await (const { error } of flow.post('/deadly', [text])) if (error !== undefined) throw error
    }, how)
    tell(`sluice, ${runtime}`, how, outcome)
    must.push({
      what: `40 calls on two, one ends its ${runtime} (${how}): answered`,
      bound: '39',
      measured: String(outcome.ok),
      met: outcome.ok === 39 && outcome.failed === 1,
    })
    must.push(below(`the same (${runtime}, ${how}), all told`, 2000, outcome.milliseconds, ' ms'))
    await flow.close()
  }
for (const concurrentTasksPerWorker of [1, 8]) {
  const own = new Piscina({ filename: WORK, name: 'deadly', minThreads: 2, maxThreads: 2, concurrentTasksPerWorker })
  tell(`piscina, ${concurrentTasksPerWorker} per worker`, 'exit', await kill((how) => own.run(how), 'exit'))
  await own.destroy().catch(() => {})
}
/** Some never end their workers. */
const soon = (work: unknown): Promise<unknown> => Promise.race([Promise.resolve(work).catch(() => {}), new Promise((resolve) => setTimeout(resolve, 500))])
for (const [runtime, how] of [
  ['worker_threads', 'exit'],
  ['child_process', 'SIGKILL'],
] as const) {
  const own = new Tinypool({ filename: WORK, name: 'deadly', runtime, minThreads: 2, maxThreads: 2 })
  tell(`tinypool, ${runtime}`, how, await kill((how) => own.run(how, { name: 'deadly' }), how))
  await soon(own.destroy())
}
for (const [workerType, how] of [
  ['thread', 'exit'],
  ['process', 'SIGKILL'],
] as const) {
  const own = workerpool.pool(fileURLToPath(new URL('./places-pool.mjs', import.meta.url)), { workerType, minWorkers: 2, maxWorkers: 2 })
  tell(`workerpool, ${workerType}`, how, await kill((how) => Promise.resolve(own.exec('deadly', [how])), how))
  await soon(own.terminate(true))
}
say('## When one dies', '40 calls of 20 ms at once on two workers; the eighth ends its worker. What is still not told after 4 s hangs.')
table(['', 'by', 'answered', 'failed', 'hang', 'ms'], rows)

if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
process.exit()
