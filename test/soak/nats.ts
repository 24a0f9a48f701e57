// A durable queue of NATS whose workers and gateway are killed at random, and whose server is restarted once: every request is answered once or a dead letter, and none is lost.
//   SOAK_COUNT=10000 node --import tsx test/soak/nats.ts
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Client } from 'sluice/client'
import { natsServer, natsServerFile, natsVersion, WITHOUT } from '../support/nats.js'
import { conclude, count, milliseconds } from './report.js'

const REQUESTS = Number(process.env['SOAK_COUNT'] ?? 200)
/** Fifty for ten thousand. */
const KILLS = Math.max(2, Math.round(REQUESTS / 200))
const WORKERS = 3
/** Of so many kills, one is that of the gateway. */
const GATEWAY = 4
/** Of so many requests, one fails each time. */
const BAD = 100
/** Milliseconds that each takes. */
const WORK = 50
const TAKEN_OVER = 5000

if (natsServerFile === undefined) {
  console.log(WITHOUT)
  conclude([{ what: 'NATS: not here, not run', seen: '–', bound: '–', met: true }])
}

let state = Number(process.env['SOAK_SEED'] ?? 10) >>> 0
/** The same numbers for the same seed. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-soak-'))
const file = join(folder, 'work.mjs')
writeFileSync(
  file,
  `export async function work({ docs }) {
  for (const doc of docs) process.stdout.write(doc.text + '\\n')
  await new Promise((resolve) => setTimeout(resolve, ${WORK}))
  for (const doc of docs) if (doc.text.startsWith('bad')) throw new Error('not ' + doc.text)
}`,
)
const server = await natsServer({ jetstream: true })
const nats = `nats://127.0.0.1:${server.port}`
const port = await new Promise<number>((found) => {
  const free = createServer().listen(0, '127.0.0.1', () => {
    const { port } = free.address() as { port: number }
    free.close(() => found(port))
  })
})
writeFileSync(
  join(folder, 'gateway.yml'),
  `jtype: Flow
with: { port: ${port}, protocol: grpc }
executors:
  - { name: work, external: true, host: ${nats}/soak/work, nats: { durable: true }, connect_timeout: 20000 }
`,
)

/** When a request was begun last by a worker that was killed since, and by which. */
const orphans = new Map<string, number>()
const begun = new Map<string, ChildProcess>()
const takeovers: number[] = []
const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [resolve('dist/cli/main.js'), ...args], { cwd: resolve('.'), stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  child.on('exit', () => children.delete(child))
  return child
}

const ready = (child: ChildProcess): Promise<void> =>
  new Promise((is, fails) => {
    let said = ''
    child.stderr!.on('data', (text) => {
      said += text
      if (said.includes('is served')) is()
    })
    child.on('exit', () => fails(new Error(said)))
  })

function noteOver(text: string): void {
  const killed = orphans.get(text)
  if (killed === undefined) return
  orphans.delete(text)
  takeovers.push(performance.now() - killed)
}

function worker(): ChildProcess {
  const child = start('executor', `${file}#work`, '--nats', nats, '--name', 'soak/work', '--durable')
  child.stdout!.on('data', (lines) => {
    for (const text of String(lines).split('\n')) {
      if (text === '') continue
      noteOver(text)
      begun.set(text, child)
    }
  })
  return child
}
const gateway = (): ChildProcess => start('flow', join(folder, 'gateway.yml'))

const workers = Array.from({ length: WORKERS }, worker)
await Promise.all(workers.map(ready))
let front = gateway()
await ready(front)

const client = new Client(`grpc://127.0.0.1:${port}`, { retries: { attempts: 1000, delay: 50, maxDelay: 500 }, retryBudget: Infinity, breaker: false })
const answers = new Map<string, number>()
let failed = 0
const kills = { worker: 0, gateway: 0 }
let restarts = 0

async function chaos(answered: number): Promise<void> {
  if (restarts === 0 && answered >= REQUESTS / 2) {
    restarts++
    await server.restart()
  }
  const due = Math.floor((answered * KILLS) / (REQUESTS * 0.95))
  while (kills.worker + kills.gateway < Math.min(KILLS, due)) {
    // The first is a worker, however few there are.
    if (kills.worker > 0 && Math.floor(random() * GATEWAY) === 0) {
      kills.gateway++
      front.kill('SIGKILL')
      front = gateway()
      continue
    }
    kills.worker++
    const at = Math.floor(random() * WORKERS)
    const killed = workers[at]!
    const time = performance.now()
    killed.kill('SIGKILL')
    for (const [text, child] of begun) if (child === killed) orphans.set(text, time)
    workers[at] = worker()
  }
}

function* inputs() {
  for (let at = 0; at < REQUESTS; at++) yield { text: at % BAD === BAD - 1 ? `bad ${at}` : `good ${at}` }
}
const startedAt = performance.now()
let breaking = Promise.resolve()
for await (const { docs, error } of client.post('/', inputs, { requestSize: 1, prefetch: 64, continueOnError: true })) {
  const { text } = docs[0] ?? {}
  if (text === undefined) console.log('no document', error)
  else {
    answers.set(text, (answers.get(text) ?? 0) + 1)
    noteOver(text)
    begun.delete(text)
  }
  if (error !== undefined) {
    failed++
    if (!text?.startsWith('bad')) console.log(text, error)
  }
  const seen = answers.size
  breaking = breaking.then(() => chaos(seen))
}
await breaking
const seconds = (performance.now() - startedAt) / 1000

const expected = Math.floor(REQUESTS / BAD)
const connection = await connect({ servers: `127.0.0.1:${server.port}` })
const dead = (await (await jetstreamManager(connection)).streams.info('sluice_soak_work-dead')).state.messages
await connection.close()
await client.close()
const lost = REQUESTS - answers.size
const doubled = [...answers.values()].filter((times) => times > 1).length
const slowest = Math.max(0, ...takeovers)
const where = `nats-server ${natsVersion()}`
conclude([
  { what: `requests answered, ${where}, ${seconds.toFixed(0)} s`, seen: count(answers.size), bound: count(REQUESTS), met: lost === 0 },
  { what: 'answered twice', seen: count(doubled), bound: '0', met: doubled === 0 },
  { what: 'failed, and dead letters', seen: `${failed}, ${dead}`, bound: `${expected}, ${expected} or more`, met: failed === expected && dead >= expected },
  { what: 'workers killed', seen: count(kills.worker), bound: `${KILLS} with the gateway`, met: kills.worker + kills.gateway === KILLS },
  { what: 'gateways killed', seen: count(kills.gateway), bound: '–', met: true },
  { what: 'restarts of the server of NATS', seen: count(restarts), bound: '1', met: restarts === 1 },
  {
    what: `what a killed worker had is begun by another (${takeovers.length})`,
    seen: milliseconds(slowest),
    bound: `< ${milliseconds(TAKEN_OVER)}`,
    met: slowest < TAKEN_OVER,
  },
])
