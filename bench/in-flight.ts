import { type Contender, median, named, PROCESSES, perItem, type Result, race, ratio, worst } from './measure.js'
import { P_MAP, P_MAP_ORDERED, PEERS, SLUICE, SLUICE_ORDERED, TRANSFORM, type Work } from './peers.js'
import { atMost, elapsed, figure, isChild, quick, say, type Target, table, targets, title } from './report.js'

const LIMITS = [1, 16, 256, 1000]
const ROUNDS = 3
const must: Target[] = []

title('in-flight', 'What does it cost to keep a bounded number of items in flight, and is the bound kept?')
say(
  'Cells are CPU time per item (user + system, whole process) as median [best–worst] of ' +
    `${PROCESSES} fresh processes, each of which runs all of this page, and the ratio to ${TRANSFORM}, the best peer, in the same process. What must hold, must hold in the worst. All results are consumed by \`for await\`, but for RxJS, which pushes to a subscriber and bounds only what runs.`,
)

// ── what is done with an item ────────────────────────────────────────────────────────────────────────────

const ready: Work<number> = async (item) => item

/** Work that completes together, once a turn of the event loop, as answers from sockets do. */
let burst: (() => void)[] = []
const bursty: Work<number> = (item) =>
  new Promise((resolve) => {
    if (burst.push(() => resolve(item)) === 1) setImmediate(complete)
  })
function complete(): void {
  const batch = burst
  burst = []
  for (const resolve of batch) resolve()
}

const timed: Work<number> = (item) => new Promise((resolve) => setTimeout(resolve, 1 + (item % 3), item))

// ── where items come from ────────────────────────────────────────────────────────────────────────────────

type Items = (count: number) => Iterable<number> | AsyncIterable<number>

const numbers = Array.from({ length: 100_000 }, (_, i) => i)
const array: Items = (count) => numbers.slice(0, count)
async function* generator(count: number): AsyncGenerator<number> {
  for (let i = 0; i < count; i++) yield i
}

let received = 0
const receive = (): void => {
  received++
}

function contenders(items: Items, work: Work<number>, limit: number, count: number): Contender[] {
  return PEERS.map(({ name, run }) => ({
    name,
    async run() {
      received = 0
      await run(items(count), work, limit, receive)
      if (received !== count) throw new Error(`${name} lost items: ${received} of ${count} came`)
    },
  }))
}

// ── the tables ───────────────────────────────────────────────────────────────────────────────────────────

async function compare(items: Items, work: Work<number>, count: number): Promise<Map<number, Result[]>> {
  const all = new Map<number, Result[]>()
  for (const limit of LIMITS) all.set(limit, await race(contenders(items, work, limit, count), { rounds: ROUNDS, warmups: 3, window: 15 }))
  table(
    ['CPU ns per item', ...LIMITS.map((limit) => `${limit} in flight`)],
    PEERS.map(({ name }) => [
      name,
      ...LIMITS.map((limit) => {
        const results = all.get(limit)!
        const cost = perItem(named(results, name), count)
        return `${figure(cost.median)} [${figure(cost.best)}–${figure(cost.worst)}] ×${figure(ratio(named(results, name), named(results, TRANSFORM)))}`
      }),
    ]),
  )
  return all
}

const COUNT = quick ? 2_000 : 10_000
const sources = { 'an array': array, 'an async generator': generator }
for (const [source, items] of Object.entries(sources)) {
  say(`## Ready work, from ${source}`, '`async (item) => item`')
  const all = await compare(items, ready, COUNT)
  const at16 = all.get(16)!
  // A read of an async generator costs everybody more than the rest together, so only an array shows what the operators cost.
  if (items !== array) continue
  const versus = (name: string, peer: string): number => worst(named(at16, name), named(at16, peer))
  must.push(
    atMost(`${SLUICE}, ready work from ${source}, 16 in flight: × ${TRANSFORM}`, 0.7, versus(SLUICE, TRANSFORM)),
    atMost(`${SLUICE}, ready work from ${source}, 16 in flight: × ${P_MAP}`, 0.4, versus(SLUICE, P_MAP)),
    atMost(`${SLUICE}, ready work from ${source}, 16 in flight: × ${P_MAP_ORDERED}`, 0.4, versus(SLUICE, P_MAP_ORDERED)),
  )
}

say('## Over the limits', 'Ready work again, all limits in the same rounds: CPU ns per item, median [best–worst], and the ratio to the cheapest limit.')
{
  const rows: string[][] = []
  for (const { name, run } of PEERS.filter(({ name }) => name === SLUICE || name === SLUICE_ORDERED)) {
    for (const [source, items] of Object.entries(sources)) {
      const all = await race(
        LIMITS.map((limit) => ({ name: String(limit), run: () => run(items(COUNT), ready, limit, receive) })),
        { rounds: ROUNDS, warmups: 3, window: 15 },
      )
      const cheapest = all.reduce((best, result) => (perItem(result, COUNT).median < perItem(best, COUNT).median ? result : best))
      rows.push([
        `${name}, ${source}`,
        ...all.map((result) => {
          const cost = perItem(result, COUNT)
          return `${figure(cost.median)} [${figure(cost.best)}–${figure(cost.worst)}] ×${figure(ratio(result, cheapest))}`
        }),
      ])
      must.push(
        atMost(`${name}, ready work from ${source}, limits 1 to 1000: dearest × cheapest`, 1.5, Math.max(...all.map((result) => worst(result, cheapest)))),
      )
    }
  }
  table(['CPU ns per item', ...LIMITS.map((limit) => `${limit} in flight`)], rows)
}

for (const [source, items] of Object.entries(sources)) {
  say(`## Bursty work, from ${source}`, 'All items under way complete together, once a turn of the event loop.')
  await compare(items, bursty, COUNT)
}

say('## Timed work, from an async generator', '`setTimeout` of 1 to 3 ms. Cells are CPU µs per item and items per second, medians.')
{
  const counts = new Map(LIMITS.map((limit) => [limit, Math.min(limit * 30, quick ? 500 : 4000)]))
  const all = new Map<number, Result[]>()
  for (const limit of LIMITS) {
    all.set(limit, await race(contenders(generator, timed, limit, counts.get(limit)!), { rounds: 1, warmups: quick ? 0 : 1, window: 0 }))
  }
  table(
    ['CPU µs per item · items/s', ...LIMITS.map((limit) => `${limit} in flight`)],
    PEERS.map(({ name }) => [
      name,
      ...LIMITS.map((limit) => {
        const { samples } = named(all.get(limit)!, name)
        const count = counts.get(limit)!
        return `${figure(median(samples.map(({ cpu }) => cpu / count)))} · ${figure(median(samples.map(({ wall }) => (count / wall) * 1e6)))}`
      }),
    ]),
  )
}

say(
  '## The bound',
  'The most items taken from the source and not yet received by the consumer, with a limit of 16, 300 tasks of random 0 to 9 ms, worst of ' +
    `${quick ? 1 : 3} runs; and with a consumer that pauses a millisecond after every tenth result (RxJS cannot make its source wait for one).`,
)
if (!isChild) {
  const LIMIT = 16
  const random: Work<number> = (item) => new Promise((resolve) => setTimeout(resolve, Math.floor(Math.random() * 10), item))
  const rest = () => new Promise<void>((resolve) => setTimeout(resolve, 1))
  const rows: string[][] = []
  for (const { name, run } of PEERS) {
    const most = async (items: Items, pause?: () => Promise<void>): Promise<number> => {
      let most = 0
      for (let i = 0; i < (quick ? 1 : 3); i++) {
        let [taken, come] = [0, 0]
        const counted = counting(items(300), () => {
          most = Math.max(most, ++taken - come)
        })
        await run(counted, random, LIMIT, () => {
          come++
          if (come % 10 === 0) return pause?.()
        })
      }
      return most
    }
    const peaks = [await most(array), await most(generator), await most(array, rest), await most(generator, rest)]
    rows.push([name, ...peaks.map((peak) => (peak > LIMIT ? `**${peak}**` : String(peak)))])
    if (name === SLUICE || name === SLUICE_ORDERED) must.push(atMost(`${name}: taken and not received, limit 16`, LIMIT, Math.max(...peaks)))
  }
  table(['most held', 'sync source', 'async source', 'sync source, pauses', 'async source, pauses'], rows)
}

/** The same items, with a call for each as it is taken. */
function counting(source: Iterable<number> | AsyncIterable<number>, take: () => void): Iterable<number> | AsyncIterable<number> {
  if (Symbol.asyncIterator in source)
    return (async function* () {
      for await (const item of source) {
        take()
        yield item
      }
    })()
  return (function* () {
    for (const item of source) {
      take()
      yield item
    }
  })()
}

targets(must)
say(`Measured in ${elapsed()}.`)
