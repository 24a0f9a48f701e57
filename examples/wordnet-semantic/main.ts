// The reverse dictionary that knows what a question means, also where it has no word in common with the answer: a model in Python embeds the glosses of WordNet,
// and what it makes of them stays on disk.
//   npx tsx examples/wordnet-semantic/main.ts --install    once: it makes a Python with the model in .sluice
//   npx tsx examples/wordnet-semantic/main.ts              --limit 117791: all of WordNet; --keep: the vectors of last time; --python: another Python
import { rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { Flow } from 'sluice'
import { answer, heading } from '../wordnet/print.js'
import { WordNet } from '../wordnet/wordnet.js'
import { install, startEncoder } from './encoder.js'
import { Vectors } from './vectors.js'

const { values: options } = parseArgs({
  options: { limit: { type: 'string', default: '2000' }, keep: { type: 'boolean' }, python: { type: 'string' }, install: { type: 'boolean' } },
})
const workspace = '.sluice/wordnet-semantic'
if (!options.keep) await rm(workspace, { recursive: true, force: true })

const own = '.sluice/python'
if (options.install) install(own)
await using encoder = await startEncoder(options.python ?? `${own}/bin/python`)
await using flow = await new Flow({ name: 'semantic', workspace })
  // Python takes some seconds to be there.
  .add({ name: 'embed', external: true, host: encoder.address, readyTimeout: 60_000 })
  .add({ name: 'vectors', uses: Vectors })
  .open()

if (!options.keep) {
  heading('Embedding WordNet')
  await flow.index(new WordNet(Number(options.limit)), { requestSize: 64, prefetch: 4, showProgress: true }).drain()
}

heading('Searching by meaning')
const questions = ['travelling to see wild beasts', 'leaving a job for good', 'getting out of prison', 'the touch of lips']
for await (const found of flow.map(questions, { on: '/search', parameters: { top: 3 } })) answer(found)
