// A day in production, in ten minutes: two gateways and their replicas are deployed again and again, replicas are killed, the network breaks, calls hang, a
// tenant floods, clients read slowly, and file handles run out, all at once. Who tries again has each answer, once; the rest is in the rows.
import { deadPort } from '../support/nobody.js'
import { Service } from '../support/service.js'
import { Child } from './child.js'
import { conclude, count, megabytes, milliseconds, quantile } from './report.js'

/** Seconds. */
const LONG = Math.min(Number(process.env['SOAK_COUNT'] ?? 600), Number(process.env['SOAK_SECONDS'] ?? Infinity))
const whole = LONG >= 300
let state = Number(process.env['SOAK_SEED'] ?? 10)
/** The same day for the same seed, as far as processes allow. */
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
const pause = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time))

const [first, second, third, away, ...doors] = (await Promise.all(Array.from({ length: 6 }, deadPort))) as [number, number, number, number, ...number[]]
const network = await Service.before(first)
const replicas = [first, second, third].map((port) => ({ port, child: new Child('./day-replica.ts', [String(port)]) }))
for (const { child } of replicas) await child.says()
const hosts = [network.port, second, third].map((port) => `grpc://127.0.0.1:${port}`)
const gateways = await Promise.all(
  doors.map(async (port) => {
    const start = async (): Promise<Child> => {
      const child = new Child('./day-gateway.ts', [String(port), ...hosts])
      await child.says()
      return child
    }
    return { port, start, child: await start() }
  }),
)
const [standing, deployed] = gateways as [(typeof gateways)[0], (typeof gateways)[0]]
const addresses = (port: number) => ({ grpc: `grpc://127.0.0.1:${port}`, http: `http://127.0.0.1:${port}`, websocket: `ws://127.0.0.1:${port}` })
const clients = async (sort: string, { port }: { port: number }, stay = 20): Promise<Child> => {
  const child = new Child('./day-clients.ts', [JSON.stringify([addresses(port), sort, stay])])
  await child.says()
  return child
}
const [innocent, here, there, floods, hung, slow] = await Promise.all([
  clients('innocent', standing),
  clients('steady', standing),
  clients('steady', deployed),
  clients('flood', standing),
  clients('hung', standing),
  clients('slow', standing),
])

const begin = performance.now()
const calm: number[] = []
/** The first tenth, in which nothing happens. */
const quiet = pause(Math.max(3000, LONG * 100)).then(async () => {
  // On a busy machine, the first answers take their time.
  while (calm.length < 20 && !isOver()) {
    calm.push(...(await innocentTimes()))
    await pause(100)
  }
})
const isOver = (): boolean => performance.now() - begin > LONG * 1000
const happened: Record<string, number> = {}
async function innocentTimes(): Promise<number[]> {
  const said = innocent.says()
  innocent.tell('times')
  return (await said).times
}

/** What happens again and again, with a rest of some seconds between; on a short day, of less. */
async function often(rest: number, events: Record<string, () => Promise<unknown>>): Promise<void> {
  const names = Object.keys(events)
  const scale = whole ? 1000 : 250
  for (await quiet; !isOver(); await pause(rest * scale * (0.5 + random()))) {
    const name = names[Math.floor(random() * names.length)]!
    happened[name] = (happened[name] ?? 0) + 1
    await events[name]!()
  }
}
const again = async (at: number, end: (child: Child) => unknown): Promise<void> => {
  const replica = replicas[at]!
  await end(replica.child)
  await pause(200)
  replica.child = new Child('./day-replica.ts', [String(replica.port)])
  await replica.child.says()
}
const go = async (child: Child): Promise<void> => {
  const done = child.says()
  child.tell('go')
  await done
}

interface Mark {
  heap: number
  rss: number
  handles: number
  lines: Record<string, number>
  story: string[]
}
const marks: Mark[] = []
const looks = async (): Promise<void> => {
  for (let tenth = 1; tenth <= 10; tenth++) {
    await pause(Math.max(0, begin + tenth * LONG * 100 - performance.now()))
    marks.push(await standing.child.ask())
  }
}

await Promise.all([
  looks(),
  often(6, {
    'a replica deployed': async () => {
      for (const at of [0, 1, 2]) await again(at, (child) => child.leave())
    },
    'a replica killed': () => again(Math.floor(random() * 3), (child) => child.end()),
  }),
  often(8, {
    'a gateway deployed': async () => {
      await deployed.child.leave()
      deployed.child = await deployed.start()
    },
  }),
  often(7, {
    'connections cut': async () => network.cut(),
    'the network away for a moment': async () => {
      network.target = away
      network.cut()
      await pause(500)
      network.target = first
      network.cut()
    },
  }),
  often(5, { 'a flood': () => go(floods), 'a call that hangs': () => go(hung), 'slow readers': () => go(slow) }),
  often(20, {
    'no file handle left': async () => {
      standing.child.tell('full')
      await pause(whole ? 3000 : 700)
      standing.child.tell('free')
    },
  }),
])
const ended = async (child: Child) => {
  const said = child.says()
  child.tell('close')
  return (await said) as { seen: Record<string, number>; reasons: Record<string, number>; times: number[] }
}
const all = await Promise.all([here, there, innocent].map(ended))
const others = await Promise.all([floods, hung, slow].map(ended))
await pause(2000)
const last: Mark = await standing.child.ask()
for (const child of [here, there, innocent, floods, hung, slow, ...gateways.map(({ child }) => child), ...replicas.map(({ child }) => child)]) child.end()
await network[Symbol.asyncDispose]()

const sum = (name: string): number => all.reduce((sum, { seen }) => sum + seen[name]!, 0)
for (const [what, often] of Object.entries(happened)) console.log(`${what}: ${often}`)
for (const { seen, reasons } of [...all, ...others]) console.log(JSON.stringify(seen), JSON.stringify(reasons))
for (const { heap, rss, handles } of [...marks, last]) console.log(`heap ${megabytes(heap)}, resident ${megabytes(rss)}, ${handles} handles`)
for (const line of last.story) console.log(line)
console.log(JSON.stringify(last.lines))
/** The most after the first tenth, against the most around it. */
const growth = (of: (mark: Mark) => number): number => Math.max(...marks.slice(-3).map(of)) - Math.max(...marks.slice(0, 4).map(of))
/** Against the first tenth, in which they are calm. */
const left = last.handles - marks[0]!.handles
const beside = all[2]!.times
const single = Object.values(last.lines).reduce((sum, lines) => sum + lines, 0) - last.story.length
// A short day has hardly more than its outages in it, and shares its machine with tests.
const HANDLES = 32
const [HEAP, RSS, HALF, LATE] = whole ? [16, 64, 4, 1000] : [24, 96, 100, 15_000]
conclude([
  {
    what: `seconds of it: ${Object.entries(happened)
      .map(([what, often]) => `${what} ${often} times`)
      .join(', ')}`,
    ...{ seen: count(Math.round(LONG)), bound: count(LONG), met: Object.keys(happened).length >= (whole ? 8 : 4) },
  },
  {
    what: 'posts and mutations that were answered, of those who try again, over four wires',
    seen: count(sum('answered')),
    bound: '> 0',
    met: sum('answered') > 0,
  },
  { what: 'asked again by their applications: mutations, and what executors out of reach failed at', seen: count(sum('again')), bound: 'any', met: true },
  { what: 'failed for them', seen: count(sum('failed')), bound: '0', met: sum('failed') === 0 },
  { what: 'answered with something else, or twice', seen: count(sum('wrong')), bound: '0', met: sum('wrong') === 0 },
  {
    what: 'heap after a collection, of the gateway that stands: growth after the first third',
    seen: megabytes(growth(({ heap }) => heap)),
    bound: `< ${HEAP} MB`,
    met: growth(({ heap }) => heap) < HEAP,
  },
  { what: 'its resident memory', seen: megabytes(growth(({ rss }) => rss)), bound: `< ${RSS} MB`, met: growth(({ rss }) => rss) < RSS },
  { what: 'its file handles: what stays when its clients are gone', seen: count(left), bound: `< ${HANDLES}`, met: left < HANDLES },
  {
    what: 'an innocent client, half of its answers',
    seen: `${milliseconds(quantile(beside, 0.5))}; in the calm first tenth ${milliseconds(quantile(calm, 0.5))}`,
    ...{ bound: `< ${HALF} times`, met: quantile(beside, 0.5) < HALF * quantile(calm, 0.5) },
  },
  { what: 'the same, 95 % of its answers', seen: milliseconds(quantile(beside, 0.95)), bound: `< ${count(LATE)} ms`, met: quantile(beside, 0.95) < LATE },
  {
    what: `lines in which the log of the gateway that stands tells it, beside ${count(single)} of single requests that were late or failed`,
    ...{ seen: count(last.story.length), bound: '< 100', met: last.story.length < 100 },
  },
])
