// Documents of random classes of docarray 0.40, from Python's Client through our gateway and back: see classes.py.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Call } from '../../lib/executor/executor.js'
import { Flow } from '../../lib/flow/flow.js'
import { within } from '../support/within.js'
import { readAllOf } from '../wire/proto/nodes.js'
import { Script } from './process.js'
import { docarray2, interop } from './python.js'

const read = ({ docs }: Call): void => docs.forEach(readAllOf)
const change = ({ docs }: Call): void => docs.forEach((doc) => void (doc.tags.changed = 'new'))

await interop(test, async (python) => {
  let env: { PYTHONPATH: string }
  test.before(async () => {
    env = { PYTHONPATH: await docarray2(python) }
  })

  for (const [title, seed, work] of [
    ['227: an executor that only reads documents of random classes leaves them as Python made them', 227, read],
    ['228: an executor that changes one field of documents of random classes leaves the others as Python made them', 228, change],
  ] as const) {
    test(title, async () => {
      await using flow = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ uses: work }).open()
      await using script = new Script(python, 'classes.py', { seed }, env)
      const asked = { address: flow.addresses.grpc, on: '/', classes: 60, docs: 5, ...(work === change && { change: 'new' }) }
      const { compared, lost } = await within(100_000, script.ask(asked))
      assert.equal(lost, [])
      assert.is(compared, 300)
    })
  }

  test('227: so it is through forks, merges, retries, batches and executors elsewhere', async () => {
    await using elsewhere = await new Flow({ protocol: 'grpc', docarray: 'v2' }).add({ uses: read }).open()
    const tried = new Set<string>()
    await using flow = await new Flow({ protocol: 'grpc', docarray: 'v2' })
      .add({ name: 'first', uses: read })
      .add({ name: 'elsewhere', needs: 'first', external: true, host: elsewhere.addresses.grpc!, docarray: 'v2' })
      .add({ name: 'batched', needs: 'first', uses: read, dynamicBatching: { preferredBatchSize: 5, timeout: 5 } })
      .add({
        name: 'again',
        needs: 'first',
        retries: 1,
        uses: (call) => {
          read(call)
          const first = call.docs[0]!.id
          if (tried.has(first)) return
          tried.add(first)
          throw new Error('not yet')
        },
      })
      .needs(['elsewhere', 'batched', 'again'], { name: 'both', join: 'merge' })
      .add({ name: 'last', needs: 'both', uses: change })
      .open()
    await using script = new Script(python, 'classes.py', { seed: 1 }, env)
    const { compared, lost } = await within(100_000, script.ask({ address: flow.addresses.grpc, on: '/', classes: 30, docs: 5, change: 'new' }))
    assert.equal(lost, [])
    assert.is(compared, 150)
  })
})

test.run()
