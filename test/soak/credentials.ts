// Wrong and missing credentials on every wire, and an `authenticate` that never answers a tenth of them: refused, and nothing is left.
import { random } from '../support/mutated.js'
import { Child } from './child.js'
import { Talker } from './messages.js'
import { conclude, count, megabytes } from './report.js'

const COUNT = Number(process.env['SOAK_COUNT'] ?? 100_000)
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? Infinity)
const SEED = Number(process.env['SOAK_SEED'] ?? 9)
const AT_ONCE = 16
/** Megabytes by which what is left after a collection may grow, and what the process holds. */
const HEAP = 8
const RSS = 48

const REFUSED = /status 16$|, 401$|closed$/

const start = performance.now()
const server = new Child('./server.ts', [], { SOAK_TOKEN: 'a-token-for-a-soak-0' })
server.lives.catch((error) => {
  console.error(error)
  process.exit(1)
})
const { addresses } = await server.says()
const below = random(SEED)
const talker = new Talker(addresses, below, () => (below(2) === 0 ? {} : { authorization: `Bearer a-token-for-a-soak-${1 + below(9)}` }))
let sent = 0

async function flood(until: number): Promise<void> {
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (sent < until && performance.now() - start < SECONDS * 1000) {
        sent++
        await talker.send(false)
      }
    }),
  )
}

await flood(Math.max(1000, COUNT / 10))
const before = await server.ask()
let most = before.rss
for (let step = 1; step <= 10; step++) {
  await flood(Math.ceil((COUNT * (step + 1)) / 11))
  const { rss } = await server.ask()
  if (step <= 3) most = Math.max(most, rss)
}
await flood(COUNT)
const after = await server.ask()
server.end()
talker.end()
for (const [outcome, times] of [...talker.outcomes].sort()) console.log(`${outcome}: ${count(times)}`)
const let_in = [...talker.outcomes.keys()].filter((outcome) => !REFUSED.test(outcome))
const grown = after.heap - before.heap
conclude([
  { what: 'wrong, missing and late credentials, all wires', seen: count(sent), bound: count(COUNT), met: sent >= COUNT || SECONDS < Infinity },
  { what: 'let in, or told something else', seen: let_in.join('; ') || 'none', bound: 'none', met: let_in.length === 0 },
  { what: 'heap after a collection: growth since the warm-up', seen: megabytes(grown), bound: `< ${HEAP} MB`, met: grown < HEAP },
  { what: 'resident memory: growth after the first third', seen: megabytes(after.rss - most), bound: `< ${RSS} MB`, met: after.rss - most < RSS },
])
