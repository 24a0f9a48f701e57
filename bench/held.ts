import { longestGap } from '../test/support/gap.js'
import { WAYS } from '../test/wire/held-ways.js'
import { median } from './measure.js'
import { below, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const RUNS = quick ? 3 : 15

title('held', 'How long does one body of 8 MiB keep everybody else waiting?')
say(
  `A timer of 5 ms ticks while 50,000 documents, or 40 with vectors of 10,000 numbers, cross a service whose executor touches each. Cells are milliseconds: of the CPU ` +
    `of this process, client included, the longest stretch in which no timer ran (the median of ${RUNS} runs, the best, the worst), and the CPU of the whole. Measured on lib/ itself.`,
)

const must: Target[] = []
const rows: string[][] = []
for (const { name, open } of WAYS) {
  await using way = await open()
  await way.once()
  const gaps = []
  for (let run = 0; run < RUNS; run++) gaps.push(await longestGap(() => way.once()))
  const longest = gaps.map(({ longest }) => longest)
  rows.push([name, ...[median(longest), Math.min(...longest), Math.max(...longest), median(gaps.map(({ total }) => total))].map(figure)])
  // The collector may stop everybody in one run, but not in most.
  must.push(below(`${name}: longest stretch`, 50, median(longest), ' ms'))
}

table(['longest stretch, ms', 'median', 'best', 'worst', 'whole work'], rows)
targets(must)
say(`Measured in ${elapsed()}.`)
