// Re-indexing WordNet with a cache: how often executors are called when one of them, or 1 % of the documents, has changed, and how long it takes.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Call, Executor, Flow } from 'sluice'
import { DocumentArrayMemmap } from 'sluice/doc'
import { Score, Store, Tokenize } from '../examples/wordnet/executors.js'
import { type Synset, WordNet } from '../examples/wordnet/wordnet.js'
import { atMost, elapsed, figure, quick, say, type Target, table, targets, title } from './report.js'

const COUNT = quick ? 5000 : 117_791
/** Milliseconds that the model takes for a document, and how many requests it has at once. */
const MODEL = 1
const AT_ONCE = 4
const must: Target[] = []

title('cache', `What does it save to keep answers? WordNet: ${COUNT.toLocaleString('en-US')} glosses, indexed once, and again after a change.`)

const folder = mkdtempSync(join(tmpdir(), 'sluice-cache-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
let made = 0
const fresh = (): string => join(folder, String(made++))

/** Documents that each executor got. */
const calls: Record<string, number> = {}
const count = (name: string, { docs }: Call<any>): void => {
  calls[name] = (calls[name] ?? 0) + docs.length
}

class CountedTokenize extends Tokenize {
  static version = '1'
  override tokenize(call: Call<Synset>): void {
    count('tokenize', call)
    super.tokenize(call)
  }
}
class CountedScore extends Score {
  static version = '1'
  override count(call: Call<Synset>): void {
    count('score', call)
    super.count(call)
  }
}
class CountedStore extends Store {
  override write(call: Call<Synset>): Promise<void> {
    count('store', call)
    return super.write(call)
  }
}
/** Stands for a model behind an address: it takes a while, and no time of this processor. */
class Embed extends Executor {
  static version = '1'
  static requests = { '/index': 'embed' }
  async embed(call: Call<any>): Promise<void> {
    count('embed', call)
    await new Promise((resolve) => setTimeout(resolve, MODEL * call.docs.length))
    for (const doc of call.docs) doc.embedding = Float32Array.from({ length: 256 }, (_, at) => doc.text.charCodeAt(at % doc.text.length) / 128)
  }
}
/** Writes an index, which an answer from a cache would not. */
class Keep extends Executor {
  static requests = { '/index': 'keep' }
  readonly #array = new DocumentArrayMemmap(fresh())
  async keep(call: Call<any>): Promise<void> {
    count('keep', call)
    await this.#array.extend(call.docs)
  }
  override async close(): Promise<void> {
    await this.#array.close()
  }
}

/** Every hundredth gloss is another. */
async function* changed(): AsyncGenerator<object> {
  let at = 0
  for await (const synset of new WordNet(COUNT)) yield at++ % 100 === 0 ? { ...synset, text: `${synset.text}; changed` } : synset
}

const kept = (cache: string | undefined): object => (cache === undefined ? {} : { cache })

interface Pipeline {
  readonly executors: readonly string[]
  readonly requestSize: number
  /** Which is another after the change. */
  readonly other: { version: string }
  flow(cache: string | undefined): Flow<any>
}

const PIPELINES: Record<string, Pipeline> = {
  'the example: tokenize, score, store': {
    executors: ['tokenize', 'score', 'store'],
    requestSize: 1000,
    other: CountedScore,
    flow: (cache) =>
      new Flow<any>({ workspace: fresh(), ...kept(cache) })
        .add({ name: 'tokenize', uses: CountedTokenize, usesWith: { stem: true } })
        .add({ name: 'score', uses: CountedScore })
        .add({ name: 'store', uses: CountedStore }),
  },
  [`a model in it: tokenize, embed (${MODEL} ms a document, ${AT_ONCE} requests at once), store`]: {
    executors: ['tokenize', 'embed', 'keep'],
    requestSize: 100,
    other: Embed,
    flow: (cache) =>
      new Flow<any>(kept(cache))
        .add({ name: 'tokenize', uses: CountedTokenize, usesWith: { stem: true } })
        .add({ name: 'embed', uses: Embed, concurrency: AT_ONCE })
        .add({ name: 'keep', uses: Keep }),
  },
}

for (const [name, { executors, requestSize, other, flow }] of Object.entries(PIPELINES)) {
  const cache = fresh()
  const run = async (inputs: AsyncIterable<any>, where: string | undefined): Promise<{ seconds: number; given: number[]; cached: number }> => {
    for (const executor of executors) calls[executor] = 0
    let cached = 0
    const start = performance.now()
    {
      await using open = await flow(where).open()
      for await (const { routes } of open.post('/index', inputs, { requestSize }))
        for (const route of routes) cached += (route as { cached?: number }).cached ?? 0
    }
    return { seconds: (performance.now() - start) / 1000, given: executors.map((executor) => calls[executor]!), cached }
  }
  // Once, so that nothing is measured that is compiled meanwhile.
  await run(new WordNet(Math.min(COUNT, 5000)), fresh())
  const full = await run(new WordNet(COUNT), undefined)
  const runs: [string, Awaited<ReturnType<typeof run>>][] = [['without a cache', full]]
  runs.push(['into an empty cache', await run(new WordNet(COUNT), cache)])
  const { size } = statSync(join(cache, 'answers.mdb'))
  runs.push(['again, nothing changed', await run(new WordNet(COUNT), cache)])
  const few = await run(changed(), cache)
  runs.push(['1 % of the documents changed', few])
  other.version = '2'
  const anew = await run(new WordNet(COUNT), cache)
  runs.push([`${executors[1]} changed`, anew])
  other.version = '1'
  say(`## With ${name}`, `The last writes an index, and has no cache. The file of the cache had ${figure(size / 1e6)} MB after the first run.`)
  table(
    ['', ...executors.map((executor) => `to ${executor}`), 'from the cache', 's', 'of a full run'],
    runs.map(([what, { seconds, given, cached }]) => [
      what,
      ...[...given, cached].map((value) => value.toLocaleString('en-US')),
      figure(seconds),
      `${figure((seconds / full.seconds) * 100)} %`,
    ]),
  )
  const share = Math.ceil(COUNT / 100)
  must.push(atMost(`documents to ${executors[0]} and ${executors[1]} after 1 % changed`, 2 * share, few.given[0]! + few.given[1]!))
  must.push(atMost(`documents to ${executors[0]} after ${executors[1]} changed`, 0, anew.given[0]!))
  must.push(atMost(`documents to ${executors[1]} after it changed`, COUNT, anew.given[1]!))
  if (executors[1] === 'embed') must.push(atMost('time after 1 % changed, of a full run with the model', 50, (few.seconds / full.seconds) * 100, ' %'))
}
say(`It took ${elapsed()}.`)
targets(must)
