// 10,000 documents through an API that is paid by the call, has a limit, is slow, and fails now and then. The API is a fake one, on this machine.
//   npx tsx examples/paid-api/main.ts                  Ctrl-C stops it; the same command goes on behind what is done; --anew forgets it
//   … --documents 500 --rate 200                       fewer, and at most so many calls a second
// What is done and what failed are in .sluice/paid-api. That stands for a checkpoint, which sluice does not keep itself yet.
import { mkdirSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Document, type EachCall, each, Flow, type Inputs } from 'sluice'
import { startApi } from './api.js'
import { Ledger } from './ledger.js'

const { values: options } = parseArgs({
  options: { documents: { type: 'string', default: '10000' }, rate: { type: 'string', default: '450' }, anew: { type: 'boolean' } },
})
const [count, rate] = [Number(options.documents), Number(options.rate)]
const folder = '.sluice/paid-api'
if (options.anew) rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const ledger = new Ledger(folder)
// It takes a little more than is asked of it: others ask, too.
using api = await startApi(Math.ceil(rate * 1.1))

/** What the API said instead of an answer. */
class Refusal extends Error {
  readonly status: number
  /** As the header has it. `each()` obeys it for all documents: who is sent away is not asked again before. */
  readonly retryAfter: string | null

  constructor({ status, headers }: Response, reason: string) {
    super(`${status}: ${reason}`)
    this.status = status
    this.retryAfter = headers.get('retry-after')
  }
}

async function summarize(doc: Document, { signal }: EachCall): Promise<void> {
  const response = await fetch(api.url, { method: 'POST', body: JSON.stringify({ id: doc.id, text: doc.text }), signal })
  const { error, ...answer } = (await response.json()) as { error?: string; summary?: string; tokens?: number }
  if (error !== undefined) throw new Refusal(response, error)
  doc.tags = answer
}

await using flow = await new Flow({ name: 'paid-api', prefetchDocuments: 200 })
  .add({
    name: 'summarize',
    uses: each(summarize, {
      concurrency: 32,
      rate: { limit: rate, per: 'second' },
      retries: 3,
      attemptTimeout: 5_000,
      // What is wrong with a document stays wrong, and would be paid for again.
      retryIf: (error) => !(error instanceof Refusal) || error.status === 429 || error.status >= 500,
    }),
  })
  .open()

let stopping = false
// What is under way is paid for: it is answered and written. The second Ctrl-C ends at once.
process.once('SIGINT', () => (stopping = true))

function* articles() {
  for (let at = 0; at < count && !stopping; at++) {
    const id = `a${at}`
    if (!ledger.has(id)) yield { id, text: `Article ${at} tells of what happened on day ${at % 365} of that year` }
  }
}

async function feed(documents: Inputs<any>): Promise<void> {
  const responses = flow.post('/', documents, { requestSize: 20, continueOnError: true, showProgress: true })
  for await (const response of responses) ledger.write(response)
}

if (ledger.done > 0) console.log(`${ledger.done} documents are done already`)
console.log('Summarizing')
await feed(articles())
if (!stopping && ledger.failed > 0) {
  console.log(`${ledger.failed} documents failed: once more`)
  await feed(ledger.takeFailures())
}

const { paid, refused, summaries } = api.bill
const again = paid - summaries.size
const twice = [...summaries.values()].filter((times) => times > 1).length
console.log(`${ledger.done} of ${count} documents are done, ${ledger.failed} failed`)
console.log(
  `${paid} calls are paid: ${summaries.size} for answers, ${again} for what failed. ${twice} answers were paid twice. ${refused} calls were sent away with 429`,
)
if (stopping) console.log('Stopped: the same command goes on')
