// What each() costs a document, and how exactly it keeps a rate.
//   node --import tsx bench/each.ts [--quick]
import pMap from 'p-map'
import { Document, each, Flow } from 'sluice'
import { type Contender, named, PROCESSES, perItem, race, ratio, worst } from './measure.js'
import { atMost, elapsed, figure, isChild, quick, say, type Target, table, targets, title } from './report.js'

const COUNT = quick ? 2_000 : 20_000
const MINUTE = quick ? 3_000 : 60_000
const must: Target[] = []

title('each', 'What does each() cost a document beside p-map, and does it keep its rate?')
say(
  `A function that is done at once, or asynchronously, called once a document by 16 at a time; documents made beforehand in an array. Cells are CPU time per document ` +
    `(user + system, whole process), median [best–worst] of ${PROCESSES} fresh processes, each of which runs all of this page; ratios are those within one process, of which the worst is judged. ` +
    'each() runs in a Flow, with requests of 100, so that its cost is that of the whole way.',
)

const documents = Array.from({ length: COUNT }, (_, i) => new Document({ text: `document ${i}` }))
const FUNCTIONS = { 'at once': () => {}, asynchronously: async () => {} }
const RATE = { limit: 1e9, per: 'second' } as const

const rows: string[][] = []
for (const [kind, fn] of Object.entries(FUNCTIONS)) {
  const contenders: Contender[] = [{ name: 'p-map', run: () => pMap(documents, fn, { concurrency: 16 }) }]
  for (const [name, options] of [
    ['each()', {}],
    ['each(), with a rate', { rate: RATE }],
    ['each(), with retries', { retries: 1 }],
  ] as const) {
    const flow = await new Flow().add({ uses: each(fn, { concurrency: 16, ...options }) }).open()
    contenders.push({
      name,
      async run() {
        let seen = 0
        for await (const { docs } of flow.post('/', documents)) seen += docs.length
        if (seen !== COUNT) throw new Error(`Documents were lost: ${seen} of ${COUNT} came`)
      },
    })
  }
  const results = await race(contenders, { rounds: quick ? 3 : 15, warmups: 3, window: 20 })
  if (isChild) continue
  for (const { name } of contenders) {
    const { median, best, worst: most } = perItem(named(results, name), COUNT)
    const pair = [named(results, name), named(results, 'p-map')] as const
    rows.push([`${name}, ${kind}`, `${figure(median)} [${figure(best)}–${figure(most)}]`, figure(ratio(...pair)), figure(worst(...pair))])
    if (name === 'each()') must.push(atMost(`each(), done ${kind}, 16 in work: × p-map, worst process`, 1.3, worst(...pair)))
  }
}
if (isChild) process.exit()

table(['CPU ns per document', 'median [best–worst]', '× p-map, median', '× p-map, worst process'], rows)

say(
  '## Rates',
  `Documents begun in ${MINUTE / 1000} s by a function that is done at once, as many as there are, and the most of them in any time of the length of the rate.`,
)
const rates: string[][] = []
await Promise.all(
  (
    [
      { limit: 500, per: MINUTE },
      { limit: 50, per: 1_000 },
      { limit: 20, per: 100 },
    ] as const
  ).map(async (rate) => {
    const begun: number[] = []
    const flow = await new Flow().add({ uses: each(() => void begun.push(performance.now()), { concurrency: 64, rate }), parallel: 2 }).open()
    const end = performance.now() + MINUTE + (rate.per === MINUTE ? 500 : 0)
    const source = async function* () {
      while (performance.now() < end) yield 'x'
    }
    for await (const _ of flow.post('/', source, { requestSize: 10, prefetch: 8 })) if (performance.now() > end) break
    const first = begun[0]!
    const inTime = begun.filter((time) => time < first + MINUTE).length
    const due = (rate.limit * MINUTE) / rate.per
    let most = 0
    for (let from = 0, to = 0; from < begun.length; from++) {
      while (to < begun.length && begun[to]! < begun[from]! + rate.per) to++
      most = Math.max(most, to - from)
    }
    const what = `${rate.limit} in ${rate.per} ms`
    rates.push([what, `${due}`, `${inTime}`, `${(100 * (1 - inTime / due)).toFixed(2)} %`, `${most}`])
    // Nothing is caught up, so that what a timer is late by is lost each time: of a short time, that is more than a hundredth.
    if (rate.per >= 1000) must.push(atMost(`${what}: away from the rate`, 1, Math.abs(100 * (1 - inTime / due)), ' %'))
    must.push(atMost(`${what}: begun in any ${rate.per} ms`, rate.limit, most))
  }),
)
table(['rate', 'due', 'begun', 'away', 'most at once'], rates)
if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
