import { type Call, Document, DocumentArray, Executor, Flow } from 'sluice'
import { median, named, perItem, race, ratio } from './measure.js'
import { atMost, elapsed, figure, isChild, quick, say, type Target, table, targets, title } from './report.js'

const ROUNDS = quick ? 3 : 15
const must: Target[] = []

title('graph', 'What does the way through a graph cost, in CPU and in copies, and how well are uneven replicas used?')

async function send(flow: Flow<any, any>, docs: readonly Document[], requestSize: number, count: number): Promise<void> {
  let seen = 0
  for await (const response of flow.post('/', docs, { requestSize })) seen += response.docs.length
  if (seen !== count) throw new Error(`Documents were lost: ${seen} of ${count} came`)
}

// ── chains ───────────────────────────────────────────────────────────────────────────────────────────────

{
  const COUNT = quick ? 1_000 : 5_000
  const documents = Array.from({ length: COUNT }, (_, i) => new Document({ text: `document ${i}` }))
  const LENGTHS = [0, 1, 8, 32]
  const kinds = { 'return at once': () => {}, 'are asynchronous': async () => {} }
  say('## Chains', `${COUNT} documents of an array, one in a request, through chains of executors that do nothing. CPU ns per request, and times one executor.`)
  const rows: string[][] = []
  for (const [kind, uses] of Object.entries(kinds)) {
    const flows = await Promise.all(
      LENGTHS.map((length) => {
        const flow = new Flow<string>()
        for (let i = 0; i < length; i++) flow.add({ uses })
        return flow.open()
      }),
    )
    const results = await race(
      LENGTHS.map((length, at) => ({ name: `${length}`, run: () => send(flows[at]!, documents, 1, COUNT) })),
      { rounds: ROUNDS, warmups: 4, window: 25 },
    )
    rows.push([
      kind,
      ...results.map((result) => `${figure(perItem(result, COUNT).median)} ×${figure(ratio(result, named(results, '1')))}`),
      figure((perItem(named(results, '32'), COUNT).median - perItem(named(results, '8'), COUNT).median) / 24),
    ])
    must.push(atMost(`8 executors that ${kind}: × one`, 8, ratio(named(results, '8'), named(results, '1'))))
    await Promise.all(flows.map((flow) => flow.close()))
  }
  table(['executors that', ...LENGTHS.map((length) => `${length}`), 'each further one'], rows)
}

// ── forks ────────────────────────────────────────────────────────────────────────────────────────────────

{
  const SIZE = 100
  const COUNT = quick ? 500 : 2_000
  const documents = Array.from({ length: COUNT }, (_, i) => new Document({ id: `${i}`, text: `document ${i}`, tags: { number: i, lang: 'en' } }))
  const WIDTHS = [2, 16]
  say('## Forks', `${COUNT} documents of text and two tags, ${SIZE} in a request, to executors side by side that do nothing, and joined one after the other.`)
  const rows: string[][] = []
  for (const width of WIDTHS) {
    const flow = new Flow<string>().add({ name: 'start' })
    for (let i = 0; i < width; i++) flow.add({ name: `branch${i}`, needs: 'start', uses: async () => {} })
    await flow.open()
    const results = await race(
      [
        { name: 'sluice', run: () => send(flow, documents, SIZE, COUNT * width) },
        {
          name: 'clones by hand',
          run() {
            let seen = 0
            for (let at = 0; at < COUNT; at += SIZE) {
              const batch = DocumentArray.from(documents.slice(at, at + SIZE))
              const branches = [batch]
              while (branches.length < width) branches.push(batch.clone())
              seen += branches.flat().length
            }
            if (seen !== COUNT * width) throw new Error('Documents were lost')
          },
        },
      ],
      { rounds: ROUNDS, warmups: 4, window: 25 },
    )
    const cost = ratio(named(results, 'sluice'), named(results, 'clones by hand'))
    const micros = (name: string): string => figure((perItem(named(results, name), COUNT).median * SIZE) / 1000)
    rows.push([`${width}`, micros('sluice'), micros('clones by hand'), figure(cost)])
    if (width === 16) must.push(atMost(`a fork of ${width}, ${SIZE} documents in a request: × clones by hand`, 2, cost))
    await flow.close()
  }
  table(['branches', 'CPU µs per request', 'the clones by hand', 'times'], rows)
}

// ── copies ───────────────────────────────────────────────────────────────────────────────────────────────

if (!isChild) {
  let copies = 0
  const { clone } = Document.prototype
  Document.prototype.clone = function (this: Document) {
    copies++
    return clone.call(this)
  } as typeof clone
  const nothing = async (): Promise<void> => {}
  const graphs: [string, Flow<any, any>, number][] = [
    ['a chain of 32', Array.from({ length: 32 }).reduce<Flow<string>>((flow) => flow.add({ uses: nothing }), new Flow<string>()), 0],
    ['4 replicas, ANY, one at a time', new Flow().add({ uses: nothing, parallel: 4, concurrency: 1 }), 0],
    ['a condition that all documents meet', new Flow().add({ uses: nothing, when: () => true }), 0],
    ['dynamic batching', new Flow().add({ uses: nothing, dynamicBatching: { preferredBatchSize: 10 } }), 0],
    ['a timeout', new Flow().add({ uses: nothing, timeout: 1000 }), 0],
    ['3 replicas, ALL', new Flow().add({ uses: nothing, parallel: 3, polling: 'ALL' }), 2],
    ['a diamond', new Flow().add({ name: 'a' }).add({ name: 'b', needs: 'a' }).add({ name: 'c', needs: 'a' }).needs(['b', 'c']), 1],
    ['retries, of which none is needed', new Flow().add({ uses: nothing, retries: 1 }), 1],
  ]
  say('## Copies', 'How often each document of a request of 10 is copied.')
  const rows: string[][] = []
  for (const [name, flow, expected] of graphs) {
    await flow.open()
    copies = 0
    await flow
      .post(
        '/',
        Array.from({ length: 10 }, (_, i) => `${i}`),
      )
      .drain()
    await flow.close()
    rows.push([name, figure(copies / 10)])
    must.push(atMost(`copies in ${name}`, expected, copies / 10))
  }
  Document.prototype.clone = clone
  table(['graph', 'copies'], rows)
}

// ── uneven replicas ──────────────────────────────────────────────────────────────────────────────────────

/** Takes its time for each request, one after the other, as a model on a device of its own does. */
class Device extends Executor<{ fast: number; slow: number }> {
  static requests = { '/default': 'run' } as const
  #last: Promise<void> = Promise.resolve()
  run(_: Call): Promise<void> {
    const time = this.shardId === 0 ? this.config.slow : this.config.fast
    const done = this.#last.then(() => new Promise<void>((resolve) => void setTimeout(resolve, time)))
    this.#last = done
    return done
  }
}

if (!isChild) {
  const FAST = 5
  const SLOW = 50
  const REPLICAS = 4
  const REQUESTS = quick ? 150 : 600
  const input = Array.from({ length: REQUESTS }, (_, i) => `${i}`)
  say(
    '## Uneven replicas',
    `${REPLICAS} replicas, of which one takes ${SLOW} ms for a request and the others ${FAST} ms, each one request after the other; ${REQUESTS} requests, 16 in flight. ` +
      'The ideal is what each did alone, added up. Requests per second.',
  )
  const rate = async (options: object, requests = input): Promise<number> => {
    await using flow = await new Flow().add({ uses: Device, ...options } as any).open()
    const start = performance.now()
    await flow.post('/', requests, { requestSize: 1, prefetch: 16 }).drain()
    return requests.length / ((performance.now() - start) / 1000)
  }
  const tries = quick ? 1 : 3
  const several = async (measure: () => Promise<number>): Promise<number> => {
    const all: number[] = []
    for (let i = 0; i < tries; i++) all.push(await measure())
    return median(all)
  }
  const fast = await several(() => rate({ usesWith: { fast: FAST, slow: FAST } }))
  const slow = await several(() => rate({ usesWith: { fast: SLOW, slow: SLOW } }, input.slice(0, 40)))
  const ideal = (REPLICAS - 1) * fast + slow
  const uneven = { usesWith: { fast: FAST, slow: SLOW }, parallel: REPLICAS }
  const rows: string[][] = [['ideal', figure(ideal), '1']]
  for (const [name, options] of Object.entries({ 'ANY, concurrency 1': { concurrency: 1 }, 'ANY, as many as come': {} })) {
    const measured = await several(() => rate({ ...uneven, ...options }))
    rows.push([name, figure(measured), figure(measured / ideal)])
    must.push({ what: `${name}, of the ideal`, bound: '≥ 0.8', measured: figure(measured / ideal), met: measured / ideal >= 0.8 })
  }
  const inTurns = REPLICAS * slow
  rows.push(['in turns (arithmetic: the slowest sets the pace)', figure(inTurns), figure(inTurns / ideal)])
  table(['replicas', 'requests per second', 'of the ideal'], rows)
}

if (!targets(must)) process.exitCode = 1
say(`Measured in ${elapsed()}.`)
