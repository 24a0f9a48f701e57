// CSV → enrich → store: the 118 chemical elements, with what a dictionary says of each, into an array on disk.
//   npx tsx examples/elements/main.ts      Ctrl-C or a crash stops it; the same command goes on behind what is done; --anew forgets it
//   … --crash-after 40                     ends the process in the middle, as a crash would
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Document, type EachCall, each, Flow, fromCsv } from 'sluice'
import { DocumentArrayMemmap } from 'sluice/doc'
import { startDictionary } from './dictionary.js'

const { values: options } = parseArgs({ options: { anew: { type: 'boolean' }, 'crash-after': { type: 'string', default: 'Infinity' } } })
const folder = '.sluice/elements'
if (options.anew) await rm(folder, { recursive: true, force: true })
using dictionary = await startDictionary()

/** A word that is not in the dictionary. It will not be there the next time either. */
class UnknownWord extends Error {}

async function define(doc: Document, { signal }: EachCall): Promise<void> {
  const response = await fetch(`${dictionary.url}/${doc.text}`, { signal })
  if (response.status === 404) throw new UnknownWord(doc.text)
  if (!response.ok) throw new Error(`the dictionary says ${response.status}`)
  doc.tags.definition = await response.text()
}

await using flow = await new Flow()
  .add({
    name: 'define',
    uses: each(define, { concurrency: 8, retries: 3, attemptTimeout: 5_000, retryIf: (error) => !(error instanceof UnknownWord) }),
  })
  .open()

await using store = new DocumentArrayMemmap(`${folder}/store`)
const before = await store.length
if (before > 0) console.log(`${before} elements are in the store already`)

const file = fileURLToPath(new URL('elements.csv', import.meta.url))
const elements = fromCsv(file, { fieldResolver: { symbol: 'id', name: 'text' } })
const unknown: string[] = []
let seen = 0
for await (const { docs, failures } of flow.post('/', elements, {
  requestSize: 4,
  continueOnError: true,
  showProgress: true,
  // What the body of this loop is through with is done. What it was at when the process died comes again: so each is put where it belongs, and not behind the others.
  checkpoint: `${folder}/job.checkpoint`,
})) {
  for (const doc of docs) await ((await store.get(doc.id)) ? store.set(doc.id, doc) : store.append(doc))
  for (const { doc } of failures) unknown.push(doc.text)
  seen += docs.length + failures.length
  if (seen >= Number(options['crash-after'])) process.kill(process.pid, 'SIGKILL')
}

console.log(`${await store.length} elements are defined. Not in the dictionary: ${unknown.join(', ') || 'none of the rest'}`)
for (const symbol of ['Au', 'He', 'W']) {
  const doc = await store.get(symbol)
  if (doc !== undefined) console.log(`${doc.text}: ${doc.tags.definition}`)
}
