// Draws a Flow that reads documents, embeds them and stores them: nothing is opened, so nothing of it has to run.
//   npx tsx examples/plot/main.ts [flow.svg | flow.png | flow.mmd]
import { type Call, Executor, Flow } from 'sluice'

class ReadPages extends Executor {}
class Translate extends Executor {}
class Keywords extends Executor {}
class Sentences extends Executor {}
class Entities extends Executor {}
class Embed extends Executor {}
class Store extends Executor {}

async function log({ docs }: Call): Promise<void> {
  console.log(`${docs.length} documents`)
}

const flow = new Flow({ name: 'index documents' })
  .add({ name: 'extract', uses: ReadPages, timeout: 5000, retries: 2 })
  .add({ name: 'translate', uses: Translate, when: { tags__lang: { $neq: 'en' } } })
  .add({ name: 'embed', uses: Embed, replicas: 3, dynamicBatching: { preferredBatchSize: 32 } })
  .add({ name: 'split', uses: Sentences, needs: 'extract' })
  .add({ name: 'keywords', uses: Keywords, needs: 'split' })
  .add({ name: 'entities', uses: Entities, needs: 'split' })
  .add({ name: 'store', uses: Store, needs: ['embed', 'keywords', 'entities'], join: 'merge', shards: 2, polling: 'ALL' })
  .add({ name: 'audit', uses: log, needs: 'extract', floating: true })

await flow.plot(process.argv[2] ?? 'flow.svg')
