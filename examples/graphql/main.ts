// A Flow as a GraphQL server.
//   tsx examples/graphql/main.ts            asks it once, prints the answer and ends
//   tsx examples/graphql/main.ts --listen   keeps it open, with GraphiQL in the browser
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Call, Executor, Flow } from 'sluice'
import { createGraphQL } from 'sluice/graphql'

const WORDS = ['abacus', 'abandon', 'abbey', 'abide', 'ability', 'cabin', 'cable', 'crab', 'habit', 'rabbit']

/** Finds the words that share most letter pairs with a document's text. */
class Find extends Executor {
  static requests = { '/search': 'search' }

  search({ docs, parameters }: Call) {
    const { top = 3 } = parameters
    for (const doc of docs) {
      const scored = WORDS.map((word) => ({ text: word, scores: { pairs: similarity(doc.text, word) } }))
      doc.matches = scored.sort((a, b) => b.scores.pairs - a.scores.pairs).slice(0, top)
    }
  }
}

function similarity(a: string, b: string): number {
  const pairs = (text: string) => new Set(Array.from({ length: Math.max(text.length - 1, 0) }, (_, at) => text.slice(at, at + 2)))
  const [left, right] = [pairs(a), pairs(b)]
  const common = [...left].filter((pair) => right.has(pair)).length
  return (2 * common) / (left.size + right.size || 1)
}

await using flow = await new Flow().add({ name: 'find', uses: Find }).open()
const listen = process.argv.includes('--listen')
const server = createServer(createGraphQL(flow))
await new Promise<void>((resolve) => server.listen(listen ? 4000 : 0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`

if (listen) {
  console.log(`GraphiQL is at ${url}, Ctrl-C ends`)
  await flow.block()
} else {
  const query = 'mutation { docs(data: { text: "abcd" }, execEndpoint: "/search") { id text matches { text scores { name score { value } } } } }'
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query }) })
  console.log(JSON.stringify(await response.json(), null, 2))
}
server.close()
server.closeAllConnections()
