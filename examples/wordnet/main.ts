// A reverse dictionary: describe a meaning, get the word. Indexes the 117,791 glosses of WordNet, then answers questions from this
// script and through GraphQL.
//   npm start                     index, ask, end
//   npm start -- --listen         keep the GraphQL server; --keep: the index of last time; --limit 5000: a part of WordNet
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { Flow } from 'sluice'
import { createGraphQL } from 'sluice/graphql'
import { Score, Store, Tokenize } from './executors.js'
import { answer, heading } from './print.js'
import { WordNet } from './wordnet.js'

const { values: options } = parseArgs({ options: { limit: { type: 'string' }, keep: { type: 'boolean' }, listen: { type: 'boolean' } } })
const workspace = '.sluice/wordnet'
if (!options.keep) await rm(workspace, { recursive: true, force: true })

await using flow = await new Flow({ name: 'wordnet', workspace })
  .add({ name: 'tokenize', uses: Tokenize, usesWith: { stem: true } })
  .add({ name: 'score', uses: Score })
  .add({ name: 'store', uses: Store })
  .open()

const [status] = await flow.post('/status').toArray()
if (status!.parameters.__results__.store.documents === 0) {
  heading('Indexing WordNet')
  await flow.index(new WordNet(Number(options.limit ?? Infinity)), { requestSize: 1000, showProgress: true }).drain()
}

heading('Searching from a script')
const questions = ['fear of spiders', 'a magnifier for distant objects', 'to walk in a leisurely way', 'the science that studies insects']
for await (const found of flow.map(questions, { on: '/search', requestSize: 1, parameters: { top: 3 } })) answer(found)

heading('Searching through GraphQL')
const server = createServer(createGraphQL(flow)).listen(options.listen ? 4000 : 0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`
const query = `mutation {
  docs(data: { text: "someone who loves and collects books" }, execEndpoint: "/search", parameters: { top: 2 }) {
    text
    matches { id text tags scores { name score { value } } }
  }
}`
const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }) })
console.log(`\n${query}\n`)
console.dir(await response.json(), { depth: null, breakLength: 110 })

if (options.listen) {
  heading(`Listening on ${url}: Ctrl-C ends it`)
  await flow.block()
}
server.close()
