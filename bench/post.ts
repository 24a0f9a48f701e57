import batched from 'it-batch'
import parallel from 'it-parallel'
import { pipe } from 'it-pipe'
import { Document, Flow } from 'sluice'
import { inFlight } from 'sluice/stream'
import { batch, transform } from 'streaming-iterables'
import { type Contender, median, named, PROCESSES, perItem, type Result, race, ratio, worst } from './measure.js'
import { atMost, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const SIZES = [1, 10, 100, 1000]
const IN_FLIGHT = 16
const COUNT = quick ? 2_000 : 10_000
const ROUNDS = 3

const PLAIN = 'plain for await'
const BARE = 'sluice inFlight, documents as items'
const POST = 'sluice post, executor returns at once'
const POST_ASYNC = 'sluice post, async executor'
const BY_HAND = 'it-batch + it-parallel by hand'
const BY_HAND_TRANSFORM = 'streaming-iterables batch + transform'

title('post', 'What does post() cost per document, against the same pipeline composed by hand and against no pipeline at all?')
say(
  `An executor that does nothing, ${IN_FLIGHT} requests in flight, documents made beforehand. post() also gives each request parameters, a signal, routes and a response; ` +
    `the others only batch and call. Cells are CPU time per document (whole process) as median [best–worst] of ${PROCESSES} fresh processes, each of which runs all of this page, and the ratio to a ${PLAIN} over the same source. What must hold, must hold in the worst process.`,
)

const flow = await new Flow().add({ name: 'nothing', uses: () => {} }).open()
const asyncFlow = await new Flow().add({ name: 'nothing', uses: async () => {} }).open()
const documents = Array.from({ length: COUNT }, (_, i) => new Document({ text: `document ${i}` }))
const nothing = async (docs: Document[]): Promise<Document[]> => docs

type Source = Iterable<Document> | AsyncIterable<Document>
const sources: Record<string, () => Source> = {
  'an array': () => documents,
  'a generator': function* () {
    yield* documents
  },
  'an async generator': async function* () {
    for (let i = 0; i < COUNT; i++) yield documents[i]!
  },
}

async function count(batches: AsyncIterable<{ readonly length: number }>): Promise<void> {
  let seen = 0
  for await (const { length } of batches) seen += length
  if (seen !== COUNT) throw new Error(`Documents were lost: ${seen} of ${COUNT} came`)
}

function post(through: Flow<any>, source: () => Source, requestSize: number): () => Promise<void> {
  return async () => {
    let seen = 0
    for await (const { docs } of through.post('/', source(), { requestSize, prefetch: IN_FLIGHT })) seen += docs.length
    if (seen !== COUNT) throw new Error(`Documents were lost: ${seen} of ${COUNT} came`)
  }
}

/** Thunks for it-parallel, in the kind of generator that its batches ask for. */
function thunks(batches: Iterable<Document[]> | AsyncIterable<Document[]>): Iterable<() => Promise<Document[]>> | AsyncIterable<() => Promise<Document[]>> {
  if (Symbol.asyncIterator in batches)
    return (async function* () {
      for await (const docs of batches) yield () => nothing(docs)
    })()
  return (function* () {
    for (const docs of batches) yield () => nothing(docs)
  })()
}

function contenders(source: () => Source, size: number): Contender[] {
  const all: Contender[] = [
    {
      name: PLAIN,
      async run() {
        let seen = 0
        for await (const _ of source()) seen++
        if (seen !== COUNT) throw new Error('Documents were lost')
      },
    },
    { name: POST, run: post(flow, source, size) },
    { name: POST_ASYNC, run: post(asyncFlow, source, size) },
    {
      name: BY_HAND,
      run: () =>
        pipe(
          source,
          (items) => (Symbol.asyncIterator in items ? batched(items, size) : batched(items, size)),
          thunks,
          (calls) => parallel(calls, { concurrency: IN_FLIGHT }),
          count,
        ),
    },
    { name: BY_HAND_TRANSFORM, run: () => count(transform(IN_FLIGHT, nothing, batch(size, source()))) },
  ]
  if (size === 1) {
    all.push({
      name: BARE,
      async run() {
        let seen = 0
        for await (const _ of inFlight(source(), async (document) => document, { limit: IN_FLIGHT })) seen++
        if (seen !== COUNT) throw new Error('Documents were lost')
      },
    })
  }
  return all
}

const must: Target[] = []
for (const [kind, source] of Object.entries(sources)) {
  const all = new Map<number, Result[]>()
  for (const size of SIZES) all.set(size, await race(contenders(source, size), { rounds: ROUNDS, warmups: 4, window: 25 }))
  say(`## Documents from ${kind}`)
  table(
    ['CPU ns per document', ...SIZES.map((size) => `${size} in a request`)],
    [PLAIN, POST, POST_ASYNC, BY_HAND, BY_HAND_TRANSFORM, BARE].map((name) => [
      name,
      ...SIZES.map((size) => {
        const results = all.get(size)!
        if (!results.some((result) => result.name === name)) return ''
        const cost = perItem(named(results, name), COUNT)
        return `${figure(cost.median)} [${figure(cost.best)}–${figure(cost.worst)}] ×${figure(ratio(named(results, name), named(results, PLAIN)))}`
      }),
    ]),
  )
  const versus = (size: number, name: string): number => worst(named(all.get(size)!, POST_ASYNC), named(all.get(size)!, name))
  if (kind === 'an array') must.push(atMost(`from ${kind}, 100 in a request: × ${PLAIN}`, 1, versus(100, PLAIN)))
  if (kind === 'an async generator') must.push(atMost(`from ${kind}, 100 in a request: × ${PLAIN}`, 1.5, versus(100, PLAIN)))
  if (kind !== 'a generator') must.push(atMost(`from ${kind}, 100 in a request: × ${BY_HAND}`, 1, versus(100, BY_HAND)))
  const single = all.get(1)!
  const microseconds = perItem(named(single, POST_ASYNC), COUNT).worst / 1000
  const bare = perItem(named(single, BARE), COUNT).median / 1000
  must.push(
    atMost(`from ${kind}, 1 in a request, CPU per request; 3 µs or 2 × the bare operator's ${figure(bare)}`, Math.max(3, 2 * bare), microseconds, ' µs'),
  )
}

say('## A post of one document', 'From the call to the last response, one post after the other.')
{
  const POSTS = quick ? 300 : 2_000
  const one = documents[0]!
  const results = await race(
    [
      {
        name: 'sluice post(…).toArray()',
        async run() {
          for (let i = 0; i < POSTS; i++) await flow.post('/', one).toArray()
        },
      },
      {
        name: 'sluice, for await over post()',
        async run() {
          for (let i = 0; i < POSTS; i++) for await (const _ of flow.post('/', one)) void _
        },
      },
      {
        name: BY_HAND,
        async run() {
          for (let i = 0; i < POSTS; i++) for await (const _ of parallel(thunks(batched([one], 100)), { concurrency: IN_FLIGHT })) void _
        },
      },
      {
        name: BY_HAND_TRANSFORM,
        async run() {
          for (let i = 0; i < POSTS; i++) for await (const _ of transform(IN_FLIGHT, nothing, batch(100, [one]))) void _
        },
      },
    ],
    { rounds: ROUNDS, warmups: 3, window: 25 },
  )
  table(
    ['one post', 'CPU µs', `× ${BY_HAND}`],
    results.map((result) => [result.name, figure(median(result.samples.map(({ cpu }) => cpu / POSTS))), figure(ratio(result, named(results, BY_HAND)))]),
  )
}

await flow.close()
await asyncFlow.close()
targets(must)
say(`Measured in ${elapsed()}.`)
