// A gateway of a day in production: batches, a fork and a join, a store with an executor of its own, replicas in other processes. It keeps what its log says,
// is told when to be without file handles, and closes when it is told to.
import { closeSync, openSync, readdirSync } from 'node:fs'
import { type Call, Executor, Flow, type LogRecord } from 'sluice'
import { lineOf } from '../../lib/base/log-line.js'
import { heap } from '../support/gc.js'

const [port, ...hosts] = process.argv.slice(2)
const TENANTS = ['innocent', 'steady', 'flood', 'slow', 'hung']

class Store extends Executor {
  readonly #kept = new Map<string, number>()
  static requests = { '/default': 'keep', '/pieces': 'pieces' }
  keep({ docs }: Call) {
    for (const { text } of docs) this.#kept.set(text.slice(0, 8), (this.#kept.get(text.slice(0, 8)) ?? 0) + 1)
  }
  async *pieces({ docs, signal }: Call) {
    for (let at = 0; at < 20 && !signal.aborted; at++) {
      docs[0]!.text = 'x'.repeat(50_000)
      yield docs[0]!
    }
  }
}

/** What has a record for each request, and not for what begins and ends. */
const PER_REQUEST = ['request.late', 'executor.failed', 'document.failed', 'request.retried']

const lines: Record<string, number> = {}
const story: string[] = []
const logger = (record: LogRecord): void => {
  if (record.level === 'debug') return
  lines[record.event] = (lines[record.event] ?? 0) + 1
  if (!PER_REQUEST.includes(record.event) && story.length < 500) story.push(lineOf(record).split('\n')[0]!)
}
const flow = new Flow({
  ...{ protocol: ['grpc', 'http', 'websocket'], port: Number(port), graphql: true, logger, onBackgroundError: () => {}, closeTimeout: 3000 },
  token: Object.fromEntries(TENANTS.map((name) => [name, `a-token-of-the-tenant-${name}`])),
  ...{ maxInFlight: 64, timeout: 10_000 },
} as object)
  .add({ name: 'batched', uses: ({ docs }: Call) => void docs.length, dynamicBatching: { preferredBatchSize: 8, timeout: 2 } })
  .add({ name: 'outside', external: true, host: hosts, timeout: 9000, attemptTimeout: 2000, retries: { attempts: 40, delay: 50, maxDelay: 500 } })
  .add({ name: 'left', needs: 'outside', uses: ({ docs }: Call) => docs.forEach((doc) => void (doc.tags['left'] = true)) })
  .add({ name: 'right', needs: 'outside', uses: async ({ docs }: Call) => docs.forEach((doc) => void (doc.tags['right'] = true)) })
  .add({ name: 'store', needs: ['left', 'right'], join: 'merge', uses: Store, timeout: 8000 })
await flow.open()

const handles: number[] = []
let filling: ReturnType<typeof setInterval> | undefined
const fill = (): void => {
  try {
    for (;;) handles.push(openSync('/dev/null', 'r'))
  } catch {}
}
process.on('message', async (word) => {
  if (word === 'full') filling = setInterval(fill, 5)
  if (word === 'free') {
    clearInterval(filling)
    for (const handle of handles.splice(0)) closeSync(handle)
  }
  if (word === 'close') {
    await flow.close()
    process.send!('closed', () => process.exit())
  }
  if (word === '?') {
    // To look takes a handle, too: there may be none for a moment.
    for (;;) {
      try {
        // A connection that ends leaves one free between two fillings: what fills is no handle of the gateway's.
        const open = readdirSync('/proc/self/fd').length - handles.length
        process.send!({ heap: await heap(), rss: process.memoryUsage.rss() / 1e6, handles: open, lines, story })
        return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }
})
process.on('disconnect', () => process.exit())
process.send!({ addresses: flow.addresses })
