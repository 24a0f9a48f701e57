// What viewers of the live page cost a server under load: none, one, and a thousand of them.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type Child, serving } from './child.js'
import { type Driver, grpc } from './drive.js'
import { median, shuffled } from './measure.js'
import { ONE } from './payloads.js'
import { atMost, elapsed, figure, quick, say, table, targets, title } from './report.js'

const MANY = 1000
const SETS = quick ? 1 : 5
const ROUNDS = quick ? 1 : 5
/** Each viewer is told something once a second. */
const WINDOW = quick ? 2000 : 5000

title('viewers', 'What do viewers of the live page cost a server?')

/** Looks as browsers do. @returns when each was told what it has to know first: how to end it */
async function viewers(address: string, count: number): Promise<() => Promise<void>> {
  if (count === 0) return async () => {}
  const child = fork('bench/viewers-look.mjs', [address, String(count)])
  const ended = once(child, 'exit')
  await Promise.race([once(child, 'message'), ended.then(() => Promise.reject(new Error('viewers ended')))])
  return async () => {
    child.disconnect()
    await ended
  }
}

interface Used {
  /** CPU microseconds of the server for a request. */
  readonly cpu: number
  /** Requests a second. */
  readonly rate: number
}

/** What the server used while so many look. */
async function used(child: Child, driver: Driver, count: number): Promise<Used> {
  const leave = await viewers(child.addresses['http']!, count)
  await driver.run(500)
  const before = (await child.usage()).cpu
  const { latencies, wall } = await driver.run(WINDOW)
  const cpu = ((await child.usage()).cpu - before) / latencies.length
  await leave()
  return { cpu, rate: (latencies.length / wall) * 1000 }
}

const KINDS = { nobody: 0, one: 1, 'a thousand': MANY } as const
const all = new Map<string, Used[]>(Object.keys(KINDS).map((kind) => [kind, []]))
for (let set = 0; set < SETS; set++) {
  const child = await serving({ kind: 'no-op', wires: ['grpc', 'http'], ui: true })
  const driver = await grpc(child.addresses['grpc']!, 16, ONE.bytes, 'stream')
  await driver.run(quick ? 200 : 2000)
  const samples = new Map<string, Used[]>(Object.keys(KINDS).map((kind) => [kind, []]))
  for (let round = 0; round < ROUNDS; round++)
    for (const [kind, count] of shuffled(Object.entries(KINDS))) samples.get(kind)!.push(await used(child, driver, count))
  const middle = (some: readonly Used[]): Used => ({ cpu: median(some.map(({ cpu }) => cpu)), rate: median(some.map(({ rate }) => rate)) })
  for (const [kind, some] of samples) all.get(kind)!.push(middle(some))
  driver.close()
  await child.stop()
}
const base = all.get('nobody')!
const share = (kind: string): number => median(all.get(kind)!.map(({ cpu }, set) => cpu / base[set]!.cpu - 1)) * 100
/** What is theirs of each second: that stays the same, however few requests there is room for beside other processes, while the share of each grows with that. */
const theirs = (kind: string): number => median(all.get(kind)!.map(({ cpu, rate }, set) => ((cpu - base[set]!.cpu) * rate) / 1000))
say(
  'A served Flow of one executor that does nothing, over gRPC on one stream, 16 in flight. CPU of the server for a request, medians of sets of fresh processes.',
)
table(
  ['who looks', 'CPU µs a request', 'over nobody, %', 'CPU ms a second'],
  [...all].map(([kind, some]) => [
    kind,
    figure(median(some.map(({ cpu }) => cpu))),
    ...(kind === 'nobody' ? ['', ''] : [figure(share(kind)), figure(theirs(kind))]),
  ]),
)
if (!targets([atMost('a thousand viewers, over nobody', 5, share('a thousand'), ' %')])) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
