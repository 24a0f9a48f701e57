// Texts are embedded in two threads, while the same Flow answers searches over GraphQL: heavy work beside a server that stays responsive.
//   tsx examples/threads/main.ts            indexes, asks meanwhile, and says how long answers took
//   tsx examples/threads/main.ts --inline   the same in one thread: searches wait for the embeddings before them
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type Call, type Document, Executor, Flow } from 'sluice'
import { createGraphQL } from 'sluice/graphql'

/** Keeps what was embedded, here in the server, and finds what is nearest. */
class Store extends Executor {
  static requests = { '/index': 'index', '/search': 'search' }
  readonly #kept: { text: string; vector: Float32Array }[] = []

  index({ docs }: Call) {
    for (const doc of docs) this.#kept.push({ text: doc.text, vector: vectorOf(doc) })
  }

  search({ docs }: Call) {
    for (const doc of docs) {
      const vector = vectorOf(doc)
      const scored = this.#kept.map(({ text, vector: other }) => ({
        text,
        scores: { nearness: vector.reduce((sum, value, at) => sum + value * other[at]!, 0) },
      }))
      doc.matches = scored.sort((a, b) => b.scores.nearness - a.scores.nearness).slice(0, 3)
      doc.embedding = undefined
    }
  }
}

const vectorOf = (doc: Document): Float32Array => doc.embedding!.data as Float32Array

function* texts() {
  const [who, does, what] = [
    ['a cat', 'the owl', 'one fox', 'my dog', 'her crab', 'his goat'],
    ['sees', 'hears', 'follows', 'finds', 'wants', 'hides'],
    ['a stone', 'the moon', 'two keys', 'no snow', 'its tail', 'an old boat'],
  ]
  for (const one of who) for (const two of does) for (const three of what) yield `${one} ${two} ${three}`
}

await using flow = await new Flow()
  .add({
    name: 'embed',
    // A module, which each thread loads for itself.
    uses: `${fileURLToPath(new URL('./embed.ts', import.meta.url))}#Embed`,
    usesWith: { rounds: 4000 },
    ...(process.argv.includes('--inline') ? {} : { runtime: 'thread', parallel: 2, concurrency: 1 }),
  })
  .add({ name: 'store', uses: Store })
  .open()
const server = createServer(createGraphQL(flow))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`

async function search(text: string): Promise<string[]> {
  const query = 'mutation ($text: String!) { docs(data: { text: $text }, execEndpoint: "/search") { matches { text } } }'
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables: { text } }) })
  const { data } = (await response.json()) as { data: { docs: { matches: { text: string }[] }[] } }
  return data.docs[0]!.matches.map(({ text }) => text)
}

let done = false
let [asked, slowest] = [0, 0]
const asking = (async () => {
  while (!done) {
    const start = performance.now()
    await search('the moon')
    slowest = Math.max(slowest, performance.now() - start)
    asked++
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
})()
const start = performance.now()
// The bar is drawn in this thread, which has nothing else to do.
await flow.post('/index', texts, { requestSize: 1, showProgress: true }).drain()
done = true
await asking
console.log(
  `216 texts in ${((performance.now() - start) / 1000).toFixed(1)} s. Asked ${asked} times meanwhile: the slowest answer took ${Math.round(slowest)} ms`,
)
console.log(`the moon: ${(await search('the moon')).join(', ')}`)
server.close()
server.closeAllConnections()
