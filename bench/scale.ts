// Each question is asked in fresh processes of its own: this file starts itself with the question. Its curves are drawn to bench/results/scale.svg.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Document, Flow } from 'sluice'
import { batch, transform } from 'streaming-iterables'
import { median, shuffled } from './measure.js'
import { atMost, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const PROCESSES = quick ? 1 : 10
const IN_FLIGHT = 16
const MB = 1e6

/** Of one point of a curve: CPU nanoseconds a document, and resident MB. */
interface Point {
  readonly cost: number
  readonly resident: number
}

type Uses = (call: { docs: readonly Document[] }) => any

async function* generator(count: number): AsyncGenerator<Document> {
  for (let at = 0; at < count; at++) yield new Document({ text: `document ${at}` })
}

function* documents(count: number): Generator<Document> {
  for (let at = 0; at < count; at++) yield new Document({ text: `document ${at}` })
}

async function point(count: number, work: () => Promise<number>): Promise<Point> {
  const begun = process.cpuUsage()
  const seen = await work()
  if (seen !== count) throw new Error(`Documents were lost: ${seen} of ${count} came`)
  const { user, system } = process.cpuUsage(begun)
  return { cost: ((user + system) * 1000) / count, resident: process.memoryUsage.rss() / MB }
}

async function counted(batches: AsyncIterable<{ readonly docs: { readonly length: number } } | { readonly length: number }>): Promise<number> {
  let seen = 0
  for await (const one of batches) seen += 'docs' in one ? one.docs.length : one.length
  return seen
}

const sum = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0)
const chain = async (length: number, uses: Uses = async () => {}): Promise<Flow<any, any>> => {
  const flow = new Flow<string>()
  for (let at = 0; at < length; at++) flow.add({ uses })
  return (await flow.open()) as Flow<any, any>
}

// ── the questions ────────────────────────────────────────────────────────────────────────────────────────

const POSTS = [1, 10, 100, 1000]
const IN_ALL = quick ? 20_000 : 200_000
const LONG = quick ? 200_000 : 10_000_000
const TENTHS = 10
const EXECUTORS = [1, 10, 30, 100]
const THROUGH = quick ? 2_000 : 20_000

/** Each gives its points in the order of its curve. What ran before in the same process warms it up, as in a server. */
const questions = {
  async posts(by: 'sluice' | 'streaming-iterables'): Promise<Point[]> {
    const flow = await chain(1)
    const points: Point[] = []
    for (const posts of [1, ...POSTS]) {
      const one = (): Promise<number> =>
        by === 'sluice'
          ? counted(flow.post('/', generator(IN_ALL / posts), { requestSize: 10, prefetch: IN_FLIGHT }))
          : counted(transform(IN_FLIGHT, async (docs: Document[]) => docs, batch(10, generator(IN_ALL / posts))))
      points.push(await point(IN_ALL, async () => sum(await Promise.all(Array.from({ length: posts }, one)))))
    }
    return points.slice(1)
  },

  async long(): Promise<Point[]> {
    const flow = await chain(1)
    const stream = flow.post('/', generator(LONG), { requestSize: 100 })
    const points: Point[] = []
    for (let tenth = 0; tenth < TENTHS; tenth++)
      points.push(
        await point(LONG / TENTHS, async () => {
          let seen = 0
          while (seen < LONG / TENTHS) seen += (await stream.next()).value!.docs.length
          return seen
        }),
      )
    return points
  },

  async executors(): Promise<Point[]> {
    const points: Point[] = []
    for (const length of [1, ...EXECUTORS]) {
      const flow = await chain(length)
      const { cost, resident } = await point(THROUGH, () => counted(flow.post('/', documents(THROUGH), { requestSize: 10 })))
      points.push({ cost: cost / length, resident })
    }
    return points.slice(1)
  },

  /** Sources, sizes and executors in turns, as users mix them. */
  async mixed(): Promise<Point[]> {
    const array = [...documents(THROUGH)]
    const flows = await Promise.all([chain(1, () => {}), chain(1), chain(1, ({ docs }) => [...docs]), chain(3)])
    const work = MIXED.map(({ source, size, flow }) => {
      const inputs = source === 'array' ? () => array : source === 'generator' ? () => documents(THROUGH) : () => generator(THROUGH)
      return () => point(THROUGH, () => counted(flows[flow]!.post('/', inputs(), { requestSize: size })))
    })
    const seen = work.map((): Point[] => [])
    for (let round = -2; round < (quick ? 3 : 9); round++)
      for (const at of shuffled([...work.keys()])) {
        const one = await work[at]!()
        if (round >= 0) seen[at]!.push(one)
      }
    return seen.map((all) => ({ cost: median(all.map(({ cost }) => cost)), resident: Math.max(...all.map(({ resident }) => resident)) }))
  },
}

const USES = ['returns at once', 'asynchronous', 'returns documents', 'three asynchronous']
const MIXED = ['array', 'generator', 'async generator'].flatMap((source) => [1, 100].flatMap((size) => USES.map((_, flow) => ({ source, size, flow }))))

const asked = process.argv.find((word) => word.startsWith('--ask='))?.slice(6)
if (asked !== undefined) {
  const [name, ...told] = asked.split(':')
  console.log(JSON.stringify(await (questions[name as keyof typeof questions] as (...told: string[]) => Promise<Point[]>)(...told)))
  process.exit()
}

/** By point: what each process saw. */
function ask(question: string): Point[][] {
  const all = Array.from({ length: PROCESSES }, () => {
    const args = ['--import', 'tsx', fileURLToPath(import.meta.url), `--ask=${question}`, ...(quick ? ['--quick'] : [])]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`A process of the bench ended with ${status}: ${stderr}`)
    return JSON.parse(stdout) as Point[]
  })
  return all[0]!.map((_, at) => all.map((points) => points[at]!))
}

// ── what is printed, and drawn ───────────────────────────────────────────────────────────────────────────

const must: Target[] = []
const costs = (points: readonly Point[]): number[] => points.map(({ cost }) => cost)
const cell = (points: readonly Point[]): string => `${figure(median(costs(points)))} (${figure(Math.max(...costs(points)))})`
const memory = (points: readonly Point[]): string => figure(Math.max(...points.map(({ resident }) => resident)))

interface Curve {
  readonly title: string
  readonly at: readonly string[]
  readonly lines: Readonly<Record<string, readonly number[]>>
}
const curves: Curve[] = []

title('scale', 'Does a document cost the same, however many posts, documents and executors there are?')
say(`CPU nanoseconds a document, of the whole process: the median of ${PROCESSES} fresh processes, and the worst. Memory is resident, in MB, the worst.`)

{
  const ours = ask('posts:sluice')
  const theirs = ask('posts:streaming-iterables')
  say(
    '## Many posts at once',
    `${IN_ALL.toLocaleString('en-US')} documents of async generators in all, 10 in a request, through one Flow of one async executor.`,
  )
  table(
    ['posts at once', 'sluice', 'MB', 'streaming-iterables', 'MB'],
    POSTS.map((posts, at) => [`${posts}`, cell(ours[at]!), memory(ours[at]!), cell(theirs[at]!), memory(theirs[at]!)]),
  )
  curves.push({
    title: 'posts at once',
    at: POSTS.map(String),
    lines: { sluice: ours.map((points) => median(costs(points))), 'streaming-iterables': theirs.map((points) => median(costs(points))) },
  })
  must.push(atMost('1,000 posts at once: × one post', 3, median(costs(ours[3]!)) / median(costs(ours[0]!))))
}
{
  const points = ask('long')
  say('## One long post', `${LONG.toLocaleString('en-US')} documents of an async generator, 100 in a request.`)
  table(
    ['tenth', 'CPU ns a document', 'MB'],
    points.map((tenth, at) => [`${at + 1}`, cell(tenth), memory(tenth)]),
  )
  curves.push({
    title: `tenths of ${LONG.toLocaleString('en-US')} documents`,
    at: points.map((_, at) => `${at + 1}`),
    lines: { sluice: points.map((tenth) => median(costs(tenth))) },
  })
  const settled = points.slice(1)
  const middle = median(settled.flatMap(costs))
  must.push(atMost('the last tenth: × the middle of all but the first', 1.25, median(costs(points.at(-1)!)) / middle))
  const most = (tenth: readonly Point[]): number => Math.max(...tenth.map(({ resident }) => resident))
  must.push(atMost('memory at the end: × after the second tenth', 1.25, most(points.at(-1)!) / most(points[1]!)))
}
{
  const points = ask('executors')
  say('## Many executors', `${THROUGH.toLocaleString('en-US')} documents of a generator, 10 in a request, through a chain of async executors that do nothing.`)
  table(
    ['executors', 'CPU ns a document and executor', 'MB'],
    EXECUTORS.map((count, at) => [`${count}`, cell(points[at]!), memory(points[at]!)]),
  )
  curves.push({ title: 'executors: ns each', at: EXECUTORS.map(String), lines: { sluice: points.map((all) => median(costs(all))) } })
  must.push(atMost('each of 100 executors: × each of 10', 1.25, median(costs(points[3]!)) / median(costs(points[1]!))))
}
{
  const points = ask('mixed')
  say('## All at once', 'Sources, sizes and executors in turns in one process, in a new random order each round.')
  table(
    ['source', 'documents in a request', 'executor', 'CPU ns a document'],
    MIXED.map(({ source, size, flow }, at) => [source, `${size}`, USES[flow]!, cell(points[at]!)]),
  )
  if (!quick) {
    const worst = Math.max(...points.map((all) => Math.max(...costs(all)) / median(costs(all))))
    must.push(atMost('the worst process of any mixture: × its median', 1.25, worst))
  }
}

/** Three charts beside each other: no more of a chart than a curve needs. */
function drawn(curves: readonly Curve[]): string {
  const [width, height, gap] = [260, 150, 50]
  const colours = ['#2563eb', '#9ca3af']
  const charts = curves.map(({ title, at, lines }, chart) => {
    const most = 1.1 * Math.max(...Object.values(lines).flat())
    const x = (place: number): number => gap + chart * (width + gap) + (place * width) / (at.length - 1)
    const y = (cost: number): number => 30 + height - (cost * height) / most
    const all = Object.entries(lines).map(([name, costs], line) => {
      const path = costs.map((cost, place) => `${place === 0 ? 'M' : 'L'}${x(place).toFixed(1)} ${y(cost).toFixed(1)}`).join('')
      const last = y(costs.at(-1)!) - 6
      return `<path d="${path}" fill="none" stroke="${colours[line]}" stroke-width="2"/><text x="${x(at.length - 1)}" y="${last}" text-anchor="end" fill="${colours[line]}">${name} ${figure(costs.at(-1)!)}</text>`
    })
    const marks = at.map((mark, place) => `<text x="${x(place)}" y="${height + 46}" text-anchor="middle">${mark}</text>`)
    const axis = `<path d="M${x(0)} 30V${30 + height}H${x(at.length - 1)}" fill="none" stroke="#9ca3af"/><text x="${x(0) - 6}" y="${30 + height}" text-anchor="end">0</text><text x="${x(0) - 6}" y="34" text-anchor="end">${figure(most)}</text>`
    return `<g><text x="${x(0)}" y="16" font-weight="bold">CPU ns a document, by ${title}</text>${axis}${all.join('')}${marks.join('')}</g>`
  })
  const size = `0 0 ${gap + curves.length * (width + gap)} ${height + 60}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${size}" font-family="sans-serif" font-size="11" fill="#6b7280">${charts.join('')}</svg>\n`
}
if (!quick) writeFileSync('bench/results/scale.svg', drawn(curves))

if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
