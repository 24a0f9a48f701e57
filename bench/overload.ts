import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, flow as pythonFlow } from '../test/interop/process.js'
import { interop } from '../test/interop/python.js'
import { CAPACITY, type Outcome, PLACES, quantile, start, type Way, WIRES, WORK } from './load.js'
import { atMost, below, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

// Load comes from processes of its own, which do not wait for answers (an open loop): so many requests a second, whatever becomes of them.

/** Seconds of each run, and from which second on it is judged. */
const [LASTS, FROM] = quick ? [6, 3] : [30, 5]
/** What a client waits, in milliseconds. */
const TIMEOUT = 500
/** Seconds after the flood in which one at a time is asked. */
const AFTER = 3
/** Processes that ask. */
const LOADERS = 2
/** Milliseconds after which what was asked is answered as if there had been no flood. */
const WELL = 3 * WORK
/** Few enough that the line is full at 10 times, and something is refused at the door. */
const FEW = 4

/** Whom it is asked. */
interface Whom {
  readonly name: string
  readonly way: Way
  readonly address: string
}

interface Judged {
  /** Asked a second: less than it should be where who asks is too slow. */
  readonly asked: number
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

async function judge({ way, address }: Whom, times: number, timeout: number | undefined): Promise<Judged> {
  const rate = (CAPACITY * times) / LOADERS
  const other = start('serve', {})
  const warm = (await other.said)[way]
  const loads = Array.from({ length: LOADERS }, () => start('load', { address, warm, way, rate, seconds: LASTS, timeout }))
  const all = (await Promise.all(loads.map(({ said }) => said))).flat()
  other.stop()
  // Whoever asked has gone by now, a moment later than it asked last.
  const gap = (Math.min(timeout ?? 0, 1000) + 100) / 1000
  const after = await start('loop', { address, way, who: 'somebody', atOnce: 1, seconds: AFTER }).said
  // Those for whom it lasts as long as they wait: once it ends, those in line are answered that it would have kept waiting.
  const until = LASTS - (timeout ?? 0) / 1000
  const judged = all.filter(({ at }) => at >= FROM && at < until)
  const of = (outcome: Outcome['outcome']): number[] => judged.filter((one) => one.outcome === outcome).map(({ took }) => took)
  const answered = of('answered')
  const well = after.find(({ outcome, took }) => outcome === 'answered' && took < WELL)
  return {
    asked: judged.length / (until - FROM),
    goodput: answered.length / (until - FROM),
    p50: quantile(answered, 0.5),
    p99: quantile(answered, 0.99),
    refused: quantile(of('refused'), 0.99),
    late: of('late').length / Math.max(1, judged.length),
    failed: of('failed').length,
    recovery: well === undefined ? Infinity : gap + well.at + well.took / 1000,
  }
}

const HEAD = ['load', 'asked a second', 'answered a second', 'p50, ms', 'p99, ms', 'refused p99, ms', 'late', 'failed', 'recovery, s']

const rowOf = (name: string, { asked, goodput, p50, p99, refused, late, failed, recovery }: Judged): string[] => [
  name,
  ...[asked, goodput, p50, p99, refused].map(figure),
  `${figure(late * 100)} %`,
  String(failed),
  figure(recovery),
]

/** One after the other; each way at its own server, so that none pays for what another left. */
async function measure(
  whom: () => Promise<{ whom: Whom; stop(): unknown }>,
  times: readonly number[],
  judge1: (times: number, timed: boolean, judged: Judged) => void,
): Promise<void> {
  const rows: string[][] = []
  let name = ''
  for (const timeout of [TIMEOUT, undefined])
    for (const time of times) {
      const { whom: one, stop } = await whom()
      name = one.name
      const judged = await judge(one, time, timeout)
      await stop()
      rows.push(rowOf(`× ${time}, ${timeout === undefined ? 'no timeout' : `timeout ${timeout} ms`}`, judged))
      judge1(time, timeout !== undefined, judged)
    }
  say(`## ${name}`)
  table(HEAD, rows)
}

const ours = (way: Way, maxInFlight?: number) => async () => {
  const server = start('serve', { maxInFlight })
  return { whom: { name: way === 'bare' ? 'node:http' : `sluice, ${way}`, way, address: (await server.said)[way] }, stop: server.stop }
}

/** In front of the bare server: as many connections to it as it has places, what is more is refused. */
async function nginx(address: string): Promise<{ address: string; stop(): void } | undefined> {
  const command = ['nginx', '/usr/sbin/nginx'].find((one) => {
    try {
      execFileSync(one, ['-v'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
  if (command === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  const port = await freePort()
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 8192; }
http {
  access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  limit_conn_zone $server_name zone=all:1m; limit_conn_status 503;
  upstream inner { server ${new URL(address).host}; keepalive 64; }
  server {
    listen 127.0.0.1:${port}; server_name all;
    location / { limit_conn all ${2 * PLACES}; proxy_pass http://inner; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`,
  )
  const child = spawn(command, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' })
  await new Promise((resolve) => setTimeout(resolve, 500))
  return {
    address: `http://127.0.0.1:${port}`,
    stop() {
      child.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function jina(python: string): Promise<void> {
  // Each of its replicas does one at a time.
  await using served = await pythonFlow(python, { executors: [{ name: 'worker', replicas: PLACES }] })
  for (const wire of ['grpc', 'http', 'websocket'] as const) {
    const whom = async () => ({ whom: { name: `Jina 3.27.5, ${wire}`, way: wire, address: served.address(wire) } as Whom, stop: () => {} })
    await measure(whom, quick ? [10] : [1, 10], () => {})
  }
}

title('overload', 'What is done when more is asked than can be done?')
say(
  `An executor with ${PLACES} places of ${WORK} ms can do ${CAPACITY} requests a second. ${LOADERS} other processes ask so many times of that, for ${LASTS} s, judged from second ${FROM} on, until as long before the end as a client waits; ` +
    'then one request at a time is asked, until one is answered as if there had been no flood. What is dropped from a line counts as late.',
)
const must: Target[] = []
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const asked = (name: string): boolean => wanted.length === 0 || wanted.includes(name)
const TIMES = quick ? [0.5, 10] : [0.5, 1, 2, 10, 30]
for (const way of WIRES) {
  if (!asked(way)) continue
  let unloaded = Number.NaN
  await measure(ours(way), TIMES, (times, timed, { goodput, p99, recovery }) => {
    if (times === 0.5 && timed) unloaded = p99
    if (times !== 10 || !timed) return
    must.push({ what: `${way}: goodput at 10 times`, bound: `≥ ${0.9 * CAPACITY} a second`, measured: figure(goodput), met: goodput >= 0.9 * CAPACITY })
    must.push(atMost(`${way}: p99 of what is answered at 10 times, times the unloaded`, 3, p99 / unloaded))
    must.push(atMost(`${way}: recovery`, 1, recovery, ' s'))
  })
}
say(
  '## A short line',
  `The same gateway with \`maxInFlight: ${FEW}\`, in whose line 16 times as many wait, at 10 times capacity: what does not fit is refused at the door.`,
)
const rows: string[][] = []
for (const way of [...WIRES, 'bare'] as const) {
  if (!asked(way === 'bare' ? 'others' : way)) continue
  const { whom, stop } = await ours(way, FEW)()
  const judged = await judge(whom, 10, TIMEOUT)
  await stop()
  rows.push(rowOf(way === 'bare' ? 'node:http, as short' : way, judged))
  if (way === 'bare') continue
  must.push(below(`${way}: refusals at the door, p99`, 10, judged.refused, ' ms'))
}
table(HEAD, rows)
if (asked('others')) {
  say('## Beside', 'node:http: a server of a few lines, with as many places and a line of 1,024, first come, first served.')
  await measure(ours('bare'), TIMES, () => {})
  const inner = start('serve', {})
  const front = await nginx((await inner.said).bare)
  if (front === undefined) say('nginx in front of it: not measured, as there is none here (Debian: nginx-light).')
  else {
    await measure(
      async () => ({
        whom: { name: `node:http behind nginx, which lets ${2 * PLACES} through at a time`, way: 'bare', address: front.address },
        stop: () => {},
      }),
      TIMES,
      () => {},
    )
    front.stop()
  }
  inner.stop()
  // Without a Python, it says why.
  let there = false
  await interop(
    () => {},
    (python) => {
      there = true
      return jina(python)
    },
  ).catch((error) => say(`Jina's gateway failed: ${error}`))
  if (!there) say("Jina's gateway: not measured, as there is no Python with Jina here.")
}
targets(must)
say(`Measured in ${elapsed()}.`)
process.exit()
