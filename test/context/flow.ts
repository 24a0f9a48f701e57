// Two tenants, 300 requests at once, through each handler: everything runs in the context of its own post.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, Flow, type Inputs, type PostOptions } from '../../lib/index.js'
import { inFlight } from '../../lib/stream/index.js'
import { within } from '../support/within.js'
import { busy, TENANTS, tenant, Witness } from './tenants.js'

const EACH = 150

const sources: Record<string, (witness: Witness, who: string) => Inputs> = {
  'an array': (_, who) => Array(EACH).fill(who),
  'a generator': (witness, who) =>
    (function* () {
      try {
        for (let i = 0; i < EACH; i++) {
          witness.see('source', who)
          yield who
        }
      } finally {
        witness.see('end of the source', who)
      }
    })(),
  'an async generator, later': (witness, who) => async () => {
    witness.see('opening the source', who)
    return (async function* () {
      for (let i = 0; i < EACH; i++) {
        witness.see('source', who)
        if (i % 7 === 0) await null
        yield who
      }
    })()
  },
}

/** Both at once; each request of one of them is of one document. */
async function both(flow: Flow<any, any>, witness: Witness, inputs: (witness: Witness, who: string) => Inputs, options: PostOptions = {}): Promise<void> {
  const one = (who: string): Promise<number> => tenant.run(who, () => flow.post('/', inputs(witness, who), { requestSize: 1, prefetch: 0, ...options }).drain())
  const counts = await within(20_000, Promise.all(TENANTS.map(one)))
  assert.equal(counts, [EACH, EACH])
}

const handlers: Record<string, (witness: Witness) => AddOptions<any, never, any>> = {
  'a function that returns at once': ({ sync }) => ({ uses: sync }),
  'an async function': (witness) => ({ uses: witness.async }),
  'an async generator': ({ pieces }) => ({ uses: pieces }),
  'a condition': (witness) => ({
    uses: witness.async,
    when: (doc: { text: string }) => {
      witness.see('condition', doc.text)
      return true
    },
  }),
  'retries and a timeout': (witness) => {
    const failed = new Set<string>()
    const uses = async (call: any): Promise<void> => {
      await witness.async(call)
      if (failed.has(call.requestId)) return
      failed.add(call.requestId)
      throw new Error('not yet')
    }
    return { uses, retries: { attempts: 1, delay: 1 }, timeout: 10_000 }
  },
  'concurrency 1': (witness) => ({ uses: witness.async, concurrency: 1 }),
  'concurrency 1, at once': ({ sync }) => ({ uses: sync, concurrency: 1 }),
  'concurrency 1, an async generator': ({ pieces }) => ({ uses: pieces, concurrency: 1 }),
  'replicas, any of them': (witness) => ({ uses: witness.async, parallel: 3, concurrency: 2 }),
  'replicas, all of them': (witness) => ({ uses: witness.async, parallel: 3, polling: 'ALL', concurrency: 2 }),
  'replicas, the first of them': (witness) => ({ uses: witness.async, parallel: 3, polling: 'ALL_ASYNC', concurrency: 2 }),
  floating: (witness) => ({ uses: witness.async, floating: true }),
}

for (const [at, [name, add]] of Object.entries(handlers).entries()) {
  // Each of them with each of these would take long.
  for (const [kind, inputs] of Object.entries(sources).slice(0, at < 3 ? undefined : 1)) {
    test(`141: ${name}, from ${kind}`, async () => {
      const witness = new Witness()
      {
        await using flow = await new Flow().add(add(witness)).add({ name: 'behind', uses: witness.sync }).open()
        await both(flow, witness, inputs)
      }
      assert.equal(witness.foreign, [])
      assert.ok(witness.seen >= 4 * EACH, String(witness.seen))
    })
  }
}

test('141: branches, a join and what is behind it', async () => {
  const witness = new Witness()
  await using flow = await new Flow()
    .add({ name: 'one', uses: witness.sync })
    .add({ name: 'two', needs: 'one', uses: witness.async, concurrency: 2 })
    .add({ name: 'three', needs: 'one', uses: witness.sync, parallel: 2, concurrency: 1 })
    .needs(['two', 'three'], { name: 'join', join: 'merge', uses: witness.async })
    .open()
  await both(flow, witness, sources['a generator']!)
  assert.equal(witness.foreign, [])
})

test('141: callbacks, those of partial answers included', async () => {
  const witness = new Witness()
  await using flow = await new Flow().add({ uses: witness.pieces, concurrency: 3 }).open()
  for (const resultsInOrder of [false, true]) {
    const called = ({ docs }: { docs: Iterable<{ text: string }> }): void => {
      busy()
      witness.docs('callback', docs)
    }
    await both(flow, witness, sources['an array']!, { onDone: called, onAlways: called, resultsInOrder })
  }
  assert.equal(witness.foreign, [])
})

test('141: what fails, and its callbacks', async () => {
  const witness = new Witness()
  const uses = async (call: any): Promise<void> => {
    await witness.async(call)
    throw new Error('no')
  }
  await using flow = await new Flow().add({ uses, concurrency: 3 }).open()
  await both(flow, witness, sources['an array']!, {
    onError: ({ docs }) => witness.docs('onError', docs),
    onAlways: ({ docs }) => witness.docs('onAlways', docs),
  })
  assert.equal(witness.foreign, [])
})

test('141: what floats and fails is reported in the context of its post', async () => {
  const witness = new Witness()
  const uses = async (call: any): Promise<void> => {
    await witness.async(call)
    throw new Error(call.docs[0].text)
  }
  const onBackgroundError = ({ cause }: Error): void => witness.see('report', (cause as Error).message)
  {
    await using flow = await new Flow({ onBackgroundError }).add({ uses, floating: true }).open()
    await both(flow, witness, sources['an array']!)
  }
  assert.equal(witness.foreign, [])
  assert.is(witness.seen, 2 * EACH * 3)
})

test('141: transform() and showProgress', async () => {
  const witness = new Witness()
  await using flow = await new Flow().add({ uses: witness.sync, concurrency: 1 }).open()
  const one = (who: string): Promise<void> =>
    tenant.run(who, async () => {
      for await (const doc of flow.transform('/', { requestSize: 1, showProgress: true })(sources['a generator']!(witness, who)))
        witness.see('consumer', doc.text)
    })
  const { write } = process.stderr
  process.stderr.write = () => true
  try {
    await within(20_000, Promise.all(TENANTS.map(one)))
  } finally {
    process.stderr.write = write
  }
  assert.equal(witness.foreign, [])
})

test('141: the context is that of the call of post(), whoever reads, stops or aborts', async () => {
  const witness = new Witness()
  await using flow = await new Flow().add({ uses: witness.sync }).open()
  for (const how of ['read', 'return', 'abort'] as const) {
    const stop = new AbortController()
    const post = tenant.run('alice', () => flow.post('/', sources['a generator']!(witness, 'alice'), { requestSize: 1, prefetch: 4, signal: stop.signal }))
    await tenant.run('bob', async () => {
      for (let i = 0; i < 30; i++) await post.next()
      if (how === 'read') assert.is(await post.drain(), EACH - 30)
      else if (how === 'return') await post.return()
      else stop.abort()
    })
  }
  assert.equal(witness.foreign, [])
  assert.is(witness.seen > 3 * 60, true)
})

test('141: bare inFlight: function, source and its end', async () => {
  for (const limit of [1, 16, 100]) {
    const witness = new Witness()
    const one = (who: string): Promise<void> => {
      const results = tenant.run(who, () =>
        inFlight(
          sources['a generator']!(witness, who) as Iterable<string>,
          (text) => {
            busy()
            witness.see('function', text)
          },
          { limit },
        ),
      )
      return tenant.run('the consumer', async () => {
        for await (const _ of results) witness.see('consumer', 'the consumer')
      })
    }
    await within(20_000, Promise.all(TENANTS.map(one)))
    assert.equal(witness.foreign, [])
    assert.is(witness.seen, 2 * (3 * EACH + 1))
  }
})

test('141: a batch of several requests runs in the context in which the Flow was opened, and in that of none of them', async () => {
  const witness = new Witness()
  const batch = async ({ docs }: any): Promise<void> => {
    for (const _ of docs) witness.see('batch', 'the owner')
  }
  await using flow = await tenant.run('the owner', () =>
    new Flow()
      .add({
        uses: batch,
        retries: 1,
        dynamicBatching: {
          preferredBatchSize: 4,
          timeout: 1,
          weight: ({ text }) => {
            witness.see('weight', text)
            return 1
          },
        },
      })
      .add({ name: 'behind', uses: witness.async })
      .open(),
  )
  await both(flow, witness, sources['an array']!)
  // The last of them, which is sent by a timer.
  await both(flow, witness, (_, who) => [who].concat(Array(EACH - 1).fill(who)), { prefetch: 3 })
  assert.equal(witness.foreign, [])
})

test('216: a source that is always ready is read in the context of its own post, also behind a turn that others asked for', async () => {
  const strangers = new Set<string>()
  const source = (who: string): AsyncIterable<string> => {
    let count = 0
    return {
      [Symbol.asyncIterator]: () => ({
        async next() {
          if (tenant.getStore() !== who) strangers.add(`${who} in the context of ${tenant.getStore()}`)
          return count++ < 200_000 ? { done: false, value: who } : { done: true, value: undefined }
        },
      }),
    }
  }
  await using flow = await new Flow().add({ uses: () => {} }).open()
  const read = (who: string) => tenant.run(who, () => flow.post('/', source(who), { requestSize: 0 }).drain())
  await within(20_000, Promise.all(TENANTS.map(read)))
  assert.equal([...strangers], [])
})

test.run()
