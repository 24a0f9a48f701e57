// Each question is asked in a process of its own, so that no answer carries another's garbage:
// this file starts itself with the question's name and an open collector.
import { spawnSync } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import batched from 'it-batch'
import parallel from 'it-parallel'
import { Document, Flow } from 'sluice'
import { batch, transform } from 'streaming-iterables'
import { atMost, below, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const MILLION = quick ? 200_000 : 1_000_000
const FIRST = MILLION / 10
const MB = 1e6
const IN_FLIGHT = 16

async function* generator(count = Infinity): AsyncGenerator<Document> {
  for (let i = 0; i < count; i++) yield new Document({ text: `document ${i} of a long stream`, tags: { at: i } })
}

const open = () => new Flow().add({ name: 'nothing', uses: async () => {} }).open()

// ── what may grow while documents stream ─────────────────────────────────────────────────────────────────

interface Stream {
  /** The most resident MB during the first tenth of the documents. */
  readonly first: number
  /** The most after it. */
  readonly most: number
  /** By how many MB the collected heap is larger at the end than before the start. */
  readonly heap: number
}

type Batches = AsyncIterable<{ readonly length: number }>

async function watchStream(batches: Batches, pauseEach: number): Promise<Stream> {
  let [documents, pauses, first, most, next] = [0, 0, 0, 0, 0]
  const heap = collected()
  for await (const { length } of batches) {
    documents += length
    if (Math.floor(documents / pauseEach) > pauses) {
      pauses++
      await sleep(1)
    }
    if (documents < next) continue
    next += FIRST / 10
    const resident = process.memoryUsage.rss()
    if (documents <= FIRST) first = Math.max(first, resident)
    else most = Math.max(most, resident)
  }
  if (documents !== MILLION) throw new Error(`Documents were lost: ${documents} of ${MILLION} came`)
  return { first: first / MB, most: most / MB, heap: (collected() - heap) / MB }
}

function collected(): number {
  globalThis.gc!()
  return process.memoryUsage().heapUsed
}

async function* lengths(source: AsyncIterable<{ docs: { length: number } }>): AsyncGenerator<{ length: number }> {
  for await (const { docs } of source) yield docs
}

const nothing = async (docs: Document[]): Promise<Document[]> => docs
async function* thunks(batches: AsyncIterable<Document[]>): AsyncGenerator<() => Promise<Document[]>> {
  for await (const docs of batches) yield () => nothing(docs)
}

async function* singles(): AsyncGenerator<{ length: number }> {
  for await (const _ of generator(MILLION)) yield { length: 1 }
}

const pipelines: Record<string, (size: number) => Promise<Batches>> = {
  'sluice post': async (requestSize) => lengths((await open()).post('/', generator(MILLION), { requestSize, prefetch: IN_FLIGHT })),
  'plain for await': async () => singles(),
  'it-batch + it-parallel by hand': async (size) => parallel(thunks(batched(generator(MILLION), size)), { concurrency: IN_FLIGHT }),
  'streaming-iterables batch + transform': async (size) => transform(IN_FLIGHT, nothing, batch(size, generator(MILLION))),
}

// ── a source without end and a consumer that lags ────────────────────────────────────────────────────────

interface Endless {
  readonly held: number
  readonly first: number
  readonly most: number
  readonly received: number
}

async function endless(): Promise<Endless> {
  let [taken, received, held, first, most] = [0, 0, 0, 0, 0]
  async function* counted() {
    for await (const document of generator()) {
      held = Math.max(held, ++taken - received)
      yield document
    }
  }
  const end = performance.now() + (quick ? 1_000 : 6_000)
  const half = performance.now() + (end - performance.now()) / 3
  for await (const { docs } of (await open()).post('/', counted, { requestSize: 10, prefetch: IN_FLIGHT })) {
    received += docs.length
    await sleep(1)
    const now = performance.now()
    if (now > half) {
      if (first === 0) first = process.memoryUsage.rss()
      else most = Math.max(most, process.memoryUsage.rss())
    }
    if (now > end) break
  }
  return { held, first: first / MB, most: most / MB, received }
}

// ── many short posts with one signal ─────────────────────────────────────────────────────────────────────

interface Posts {
  readonly growth: number
  readonly listeners: number
  readonly most: number
  readonly resources: readonly [string, string]
  readonly warnings: number
}

async function posts(): Promise<Posts> {
  const count = quick ? 20_000 : 100_000
  const flow = await open()
  const { signal } = new AbortController()
  const documents = [new Document({ text: 'a' }), new Document({ text: 'b' }), new Document({ text: 'c' })]
  let warnings = 0
  let most = 0
  process.on('warning', () => {
    warnings++
  })
  const ways: (() => Promise<unknown>)[] = [
    () => flow.post('/', documents[0], { signal }).toArray(),
    () => flow.post('/', documents, { signal, requestSize: 1 }).drain(),
    async () => {
      for await (const _ of flow.post('/', documents, { signal, requestSize: 1 })) break
    },
    async () => {
      for await (const _ of flow.post('/', generator(), { signal, requestSize: 1 })) break
    },
    // Never read at all: a post is lazy, so there is nothing to leave behind.
    async () => void flow.post('/', documents, { signal }),
    () => Promise.all([flow.post('/', documents, { signal, resultsInOrder: true }).drain(), flow.post('/', 'text', { signal }).drain()]),
  ]
  const run = async (times: number) => {
    for (let i = 0; i < times; i++) {
      await ways[i % ways.length]!()
      if (i % 1000 === 0) most = Math.max(most, getEventListeners(signal, 'abort').length)
    }
  }
  const resources = () => process.getActiveResourcesInfo().sort().join(', ') || 'none'
  const before = resources()
  await run(count / 10)
  const heap = collected()
  await run(count)
  await sleep(10)
  return { growth: (collected() - heap) / MB, listeners: getEventListeners(signal, 'abort').length, most, resources: [before, resources()], warnings }
}

// ── asking ───────────────────────────────────────────────────────────────────────────────────────────────

function ask<T>(question: string[], flags: string[] = []): T {
  const script = fileURLToPath(import.meta.url)
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--expose-gc', ...flags, '--import', 'tsx', script, ...(quick ? ['--quick'] : []), '--question', ...question],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`${question.join(' ')} ended with ${status}: ${stderr}`)
  return JSON.parse(stdout)
}

function report(): void {
  const must: Target[] = []
  title('memory', 'Does memory stay flat, however much streams, and does anything stay behind?')

  say(
    `## ${MILLION.toLocaleString('en-US')} documents from an async generator`,
    `The most resident memory during the first ${FIRST.toLocaleString('en-US')} and after them, looked at a hundred times; and by how much the collected heap grew from before the start to after the end. ` +
      'The consumer that sleeps waits for a timer of 1 ms after every thousand documents, in requests of ten. ' +
      'V8 lets its young generation grow to its full size some time in the first million documents, whoever makes them; so it has that size from the start ' +
      '(`--min-semi-space-size=16`), and the last column says what V8 does when left alone.',
  )
  const rows: string[][] = []
  for (const [consumer, size, pause] of [
    ['fast', 100, 0],
    ['sleeps', 10, 1000],
  ] as const) {
    for (const name of Object.keys(pipelines)) {
      const question = ['stream', name, String(size), String(pause)]
      const { first, most, heap } = ask<Stream>(question, ['--min-semi-space-size=16'])
      const alone = ask<Stream>(question)
      rows.push([name, consumer, figure(first), figure(most), figure(most - first), figure(heap), figure(alone.most - alone.first)])
      if (name === 'sluice post') must.push(below(`resident memory, consumer ${consumer}: growth after the first tenth`, 20, most - first, ' MB'))
      if (name === 'sluice post') must.push(below(`collected heap, consumer ${consumer}: growth (R60)`, 8, heap, ' MB'))
    }
  }
  table(['pipeline', 'consumer', 'first MB', 'most MB', 'growth MB', 'heap growth MB', 'growth MB by default'], rows)

  const slow = ask<Endless>(['endless'], ['--min-semi-space-size=16'])
  say(
    '## A source without end, a consumer that takes a response of ten documents each millisecond',
    `After ${slow.received.toLocaleString('en-US')} documents: at most ${slow.held} taken and not received (16 requests of 10 make 160), ` +
      `resident memory ${figure(slow.first)} MB after a third of the time, ${figure(slow.most)} MB at most after that.`,
  )
  must.push(atMost('endless source, slow consumer: documents taken and not received', IN_FLIGHT * 10, slow.held))
  must.push(below('endless source, slow consumer: growth of resident memory', 20, slow.most - slow.first, ' MB'))

  const short = ask<Posts>(['posts'])
  say(
    `## ${quick ? '20,000' : '100,000'} short posts with one long-lived signal`,
    'Read to the end, left after the first response, never read, two at once. ' +
      `Listeners on the signal between posts: at most ${short.most}; warnings: ${short.warnings}. Active resources before: ${short.resources[0]}; after: ${short.resources[1]}.`,
  )
  must.push(below('short posts: growth of the collected heap (R61)', 8, short.growth, ' MB'))
  must.push(atMost('short posts: listeners left on the signal (R42)', 0, short.listeners))
  must.push({
    what: 'short posts: active resources as before (R61)',
    bound: 'the same',
    measured: short.resources[0] === short.resources[1] ? 'the same' : short.resources[1],
    met: short.resources[0] === short.resources[1],
  })
  targets(must)
  say(`Measured in ${elapsed()}.`)
}

const asked = process.argv.indexOf('--question')
if (asked === -1) report()
else {
  const [question, name, size, pause] = process.argv.slice(asked + 1)
  const answer =
    question === 'stream'
      ? await watchStream(await pipelines[name!]!(Number(size)), Number(pause) || Infinity)
      : question === 'endless'
        ? await endless()
        : await posts()
  console.log(JSON.stringify(answer))
}
