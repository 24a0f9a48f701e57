// Cases without end over one way in, each held against the oracle.
import fc from 'fast-check'
import { Client } from '../../lib/client/index.js'
import { type Call, Flow } from '../../lib/index.js'
import { cases } from './case.js'
import { drive, type Way } from './drive.js'
import { judge } from './judge.js'

/** How many cases all ways see together, and which: `npm run soak` has more of them, and others. */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 1000)
const SEED = Number(process.env['MODEL_SEED'] ?? 9)
/** Where to go on in a run that failed: fast-check's `path`. */
const PATH = process.env['MODEL_PATH']

/** A Client of a Flow that is served. */
export const served = (protocol: 'grpc' | 'http' | 'websocket'): Way => ({
  name: protocol,
  options: { protocol, port: 0, onError: () => {} },
  connect(flow) {
    const client = new Client(flow.addresses[protocol]!)
    return { post: (...given) => client.post(...given), close: () => client.close() }
  },
})

/** Has everything loaded that a Flow loads when it is asked for: the first case would have other timing than when it is tried again. */
async function warm(): Promise<void> {
  const uses = async function* ({ docs }: Call) {
    yield docs
  }
  const flow = new Flow()
    .add({ name: 'all', uses, parallel: 2, retries: 1, timeout: 1000, when: { text: { $neq: 'x' } }, dynamicBatching: { preferredBatchSize: 1 } })
    .add({ name: 'one', needs: 'all', floating: true })
    .add({ name: 'two', needs: 'all' })
  await flow.open()
  await flow
    .post(
      '/',
      async () =>
        (async function* () {
          yield 'a'
        })(),
      { onDone: () => {} },
    )
    .drain()
  await flow.close()
}

/** @param share of all runs */
export function property(test: (name: string, run: () => Promise<void>) => void, way: Way, share: number): void {
  const numRuns = Math.max(1, Math.round(RUNS * share))
  test(`${way.name}: ${numRuns} cases, each with an outcome that docs/guarantees.md allows`, async () => {
    await warm()
    await fc.assert(
      fc.asyncProperty(cases, async (given) => {
        const observed = await drive(given, way)
        const problems = judge(given, observed, way.options !== undefined)
        if (problems.length > 0) throw new Error(problems.join('\n'))
      }),
      { numRuns, seed: SEED, includeErrorInReport: true, ...(PATH !== undefined && { path: PATH }) },
    )
  })
}
