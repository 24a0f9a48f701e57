// The process under attack: a Flow with every handler, behind every wire. It is asked for its memory, and for nothing else.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Call, Flow } from 'sluice'
import { heap } from '../support/gc.js'

const WIRES = ['grpc', 'http', 'websocket'] as const

const shout = ({ docs }: Call): void => docs.forEach((doc) => void (doc.text = doc.text.toUpperCase()))

const far = new Flow({ protocol: 'grpc', port: 0, onError: () => {} }).add({ name: 'far', uses: shout })
await far.open()

const token = process.env['SOAK_TOKEN']
let asked = 0
const flow = new Flow({
  protocol: [...WIRES],
  port: 0,
  graphql: true,
  onBackgroundError: () => {},
  onError: () => {},
  // Every tenth is never told: what takes too long is refused.
  ...(token !== undefined && { token, authTimeout: 1, authenticate: () => (asked++ % 10 === 0 ? new Promise(() => {}) : undefined) }),
})
  .add({
    name: 'work',
    uses: shout,
    dynamicBatching: { preferredBatchSize: 4, timeout: 2 },
    retries: 1,
    timeout: 30_000,
    parallel: 2,
    concurrency: 8,
  })
  .add({ name: 'kept', needs: 'work', when: { id: { $neq: 'none' } }, uses: ({ docs }) => docs.forEach((doc) => void doc.tags) })
  .add({ name: 'chosen', needs: 'work', when: (doc) => doc.text !== 'NONE', uses: ({ docs }) => docs.forEach((doc) => void doc.scores) })
  .add({ name: 'all', needs: 'work', parallel: 2, polling: 'ALL', uses: ({ docs }) => docs.forEach((doc) => void doc.chunks[0]?.embedding) })
  .add({ name: 'first', needs: 'work', parallel: 2, polling: 'ALL_ASYNC', uses: async ({ docs }) => docs.forEach((doc) => void doc.matches.length) })
  .add({ name: 'outside', needs: ['kept', 'all'], join: 'merge', external: true, host: far.addresses['grpc']!, timeout: 30_000 })
  .add({
    name: 'words',
    needs: ['outside', 'chosen', 'first'],
    join: 'merge',
    uses: async function* ({ docs }: Call) {
      for (const doc of docs) {
        doc.tags['seen'] = true
        yield doc
      }
    },
  })
  .add({ name: 'aside', needs: 'work', floating: true, uses: ({ docs }) => void JSON.stringify(docs) })
await flow.open()

/** How late the loop was. */
const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
process.on('message', async () => {
  const late = delay.max / 1e6
  process.send!({ heap: await heap(), rss: process.memoryUsage().rss / 1e6, late, cpu: process.cpuUsage() })
  delay.reset()
})
process.on('disconnect', () => process.exit())
process.send!({ addresses: flow.addresses })
