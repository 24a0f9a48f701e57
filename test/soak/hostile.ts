// Messages that mean harm, over all wires, to a Flow with every handler; and a client beside them that means none.
import { random } from '../support/mutated.js'
import { Child } from './child.js'
import { Talker } from './messages.js'
import { conclude, count, megabytes, milliseconds, quantile } from './report.js'

const COUNT = Number(process.env['SOAK_COUNT'] ?? 1_000_000)
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? Infinity)
const SEED = Number(process.env['SOAK_SEED'] ?? 9)

/** Messages a second beside which the innocent client is timed; a machine that has little to give is asked for less. */
const RATE = Number(process.env['SOAK_RATE'] ?? 500)
/** How many are on their way at once, where none is waited for. */
const AT_ONCE = 32
/** A message that is not answered in so many milliseconds is a failure. */
const PATIENCE = 60_000
/** Megabytes by which what is left after a collection may grow, and what the process holds. */
const HEAP = 16
const RSS = 64

const start = performance.now()
const server = new Child('./server.ts')
const { addresses } = await server.says()
const innocent = new Child('./innocent.ts', [JSON.stringify(addresses)])
await innocent.says()
const talker = new Talker(addresses, random(SEED))
let sent = 0

// Nothing waits for a promise that outlives a million messages: who ends, ends it all.
for (const { lives } of [server, innocent])
  lives.catch((error) => {
    console.error(error)
    process.exit(1)
  })

async function one(isHostile: boolean): Promise<void> {
  let timer: ReturnType<typeof setTimeout>
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Message ${sent} of seed ${SEED} was not answered in ${PATIENCE} ms`)), PATIENCE)
  })
  if (isHostile) sent++
  await Promise.race([talker.send(isHostile), late]).finally(() => clearTimeout(timer))
}

/** Sends at a steady rate, whoever is slow. @returns how long the innocent client waited meanwhile */
async function beside(isHostile: boolean, seconds: number): Promise<number[]> {
  await innocent.ask()
  const under = new Set<Promise<void>>()
  const begin = performance.now()
  let failure: unknown
  for (let at = 0; at < seconds * RATE; ) {
    const due = Math.min(seconds * RATE, ((performance.now() - begin) * RATE) / 1000)
    for (; at < due; at++) {
      const message = one(isHostile).catch((error) => {
        failure = error
      })
      under.add(message)
      message.finally(() => under.delete(message))
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
    if (failure !== undefined) throw failure
  }
  const { times } = await innocent.ask()
  await Promise.all(under)
  return times
}

/** Sends as many as the server takes. */
async function flood(many: number): Promise<void> {
  const end = sent + many
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (sent < end && performance.now() - start < SECONDS * 1000) await one(true)
    }),
  )
}

try {
  // What is compiled, pooled and cached once is there before memory is looked at.
  await flood(Math.min(COUNT / 10, 50_000))
  const paced = Math.min(15, Math.max(2, COUNT / 10 / RATE))
  const [harmless, hostile]: [number[], number[]] = [[], []]
  // In turns, as the machine has its moods.
  for (let turn = 0; turn < 4; turn++) (turn % 2 === 0 ? harmless : hostile).push(...(await beside(turn % 2 !== 0, paced)))
  const before = await server.ask()
  const steps = 10
  const seen: string[] = []
  const marks = [before]
  for (let step = 0; step < steps; step++) {
    await flood(Math.max(0, Math.ceil((COUNT - sent) / (steps - step))))
    marks.push(await server.ask())
    seen.push(`${count(sent)} messages: heap ${megabytes(marks.at(-1).heap)}, resident ${megabytes(marks.at(-1).rss)}`)
  }
  for (const line of seen) console.log(line)
  for (const [outcome, times] of [...talker.outcomes].sort()) console.log(`${outcome}: ${count(times)}`)
  // From the first step on: a flood has more open at once than what went before it.
  const grown = marks.at(-1).heap - marks[1].heap
  // Of the first third the most, as V8 makes room for what it is used to.
  const first = Math.max(...marks.slice(0, 4).map(({ rss }) => rss))
  const rss = Math.max(...marks.slice(4).map(({ rss }) => rss)) - first
  const [mine, theirs] = [quantile(hostile, 0.5), quantile(harmless, 0.5)]
  const [late, usual] = [quantile(hostile, 0.95), quantile(harmless, 0.95)]
  const bound = COUNT >= 100_000 ? 2 : 4
  conclude([
    { what: 'hostile messages, all wires: the process lives', seen: count(sent), bound: `${count(COUNT)}`, met: sent >= COUNT || SECONDS < Infinity },
    { what: 'heap after a collection: growth after the first tenth', seen: megabytes(grown), bound: `< ${HEAP} MB`, met: grown < HEAP },
    { what: 'resident memory: growth after the first third', seen: megabytes(rss), bound: `< ${RSS} MB`, met: rss < RSS },
    {
      what: `an innocent client beside ${RATE} hostile a second, half of its answers`,
      seen: `${milliseconds(mine)}; beside ${RATE} harmless ${milliseconds(theirs)}`,
      bound: `< ${bound} times`,
      met: mine < bound * theirs,
    },
    {
      what: `the same, 95 % of its answers`,
      seen: `${milliseconds(late)}; beside harmless ones ${milliseconds(usual)}`,
      bound: `< ${bound} times`,
      met: late < bound * usual,
    },
  ])
} finally {
  talker.end()
  server.end()
  innocent.end()
}
