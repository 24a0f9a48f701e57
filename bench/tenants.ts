import { CAPACITY, type Outcome, PLACES, quantile, start, WIRES, WORK } from './load.js'
import { atMost, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

/** Seconds of each run, and from which second on it is judged. */
const [LASTS, FROM] = quick ? [5, 1] : [20, 3]
/** Requests that who floods has under way, each a post of its own. */
const FLOOD = 300

const took = (all: readonly Outcome[]): number[] => all.filter(({ at, outcome }) => at >= FROM && outcome === 'answered').map(({ took }) => took)

title('tenants', 'What does one who asks a little notice of another who floods?')
say(
  `An executor with ${PLACES} places of ${WORK} ms can do ${CAPACITY} requests a second. One process asks one request at a time, for ${LASTS} s, judged from second ${FROM} on: alone, and beside ` +
    `another process that has ${FLOOD} posts under way all the time, by one Client. Each has an identity of its own.`,
)
const must: Target[] = []
const rows: string[][] = []
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
for (const way of WIRES) {
  if (wanted.length > 0 && !wanted.includes(way)) continue
  const server = start('serve', {})
  const address = (await server.said)[way]
  const victim = { address, way, who: 'victim', atOnce: 1, seconds: LASTS }
  const alone = took(await start('loop', victim).said)
  const flood = start('loop', { address, way, who: 'flood', atOnce: FLOOD, seconds: LASTS + 4 })
  // Until it stands.
  await new Promise((resolve) => setTimeout(resolve, 2000))
  const all = await start('loop', victim).said
  const beside = took(all)
  const others = (await flood.said).filter(({ at, outcome }) => outcome === 'answered' && at >= FROM).length / (LASTS + 4 - FROM)
  server.stop()
  const failed = all.filter(({ outcome }) => outcome !== 'answered' && outcome !== 'late').length
  rows.push([way, ...[0.5, 0.99].flatMap((share) => [quantile(alone, share), quantile(beside, share)]).map(figure), figure(others), String(failed)])
  must.push(atMost(`${way}: p99 beside a flood, times that alone`, 2, quantile(beside, 0.99) / quantile(alone, 0.99)))
}
table(['wire', 'p50 alone, ms', 'p50 beside, ms', 'p99 alone, ms', 'p99 beside, ms', 'the flood, a second', 'failed'], rows)
targets(must)
say(`Measured in ${elapsed()}.`)
process.exit()
