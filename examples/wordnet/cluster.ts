// The reverse dictionary as three deployments and a queue of NATS: docker-compose.yml runs them, and this script indexes, and asks.
//   docker compose -f examples/wordnet/docker-compose.yml up
//   npx tsx examples/wordnet/cluster.ts     --server grpc://127.0.0.1:51000; --limit 5000: a part of WordNet
// Kill what you like meanwhile, docker kill wordnet_store_1 too: what is asked waits in the queue until somebody has done it.
import { parseArgs } from 'node:util'
import { Client } from 'sluice/client'
import { answer, heading } from './print.js'
import { WordNet } from './wordnet.js'

const { values: options } = parseArgs({ options: { server: { type: 'string', default: 'grpc://127.0.0.1:51000' }, limit: { type: 'string' } } })
// The gateway may be killed as well.
await using client = new Client(options.server, { retries: { attempts: 100, maxDelay: 1000 }, retryBudget: Infinity })

heading('Indexing WordNet')
// What a request holds goes from queue to queue: as much as fits into a message of NATS.
await client.index(new WordNet(Number(options.limit ?? Infinity)), { requestSize: 500, showProgress: true }).drain()
const [status] = await client.post('/status').toArray()
console.log(`${status!.parameters.__results__.store.documents} documents are in the index`)

heading('Searching')
const questions = ['fear of spiders', 'a magnifier for distant objects', 'to walk in a leisurely way', 'the science that studies insects']
for await (const { docs } of client.post('/search', questions, { requestSize: 1, resultsInOrder: true, parameters: { top: 3 } })) answer(docs[0]!)
