// What can go wrong at a place of the graph itself, and what is not shared between its ways: where documents are copied, united and chosen.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Call, Document, DocumentArray, Executor, ExecutorError, type ExecutorInit, each, Flow } from '../../lib/index.js'
import { within } from '../support/within.js'

const circular = (): object => {
  const tags: any = {}
  tags.self = tags
  return tags
}
const deep = (depth: number): Document => {
  const document = new Document({ id: 'top' })
  for (let at = document; depth > 0; depth--) at = at.chunks.append({ text: `${depth}` })
  return document
}
const POISON: Record<string, () => object> = {
  circular: () => ({ text: 'bad', tags: { v: circular() } }),
  'chunks, 20,000 deep': () => deep(20_000),
  'a getter that throws': () => ({
    text: 'bad',
    tags: { v: Object.defineProperty({}, 'a', { enumerable: true, get: () => assert.unreachable() }) },
  }),
}
const GRAPHS: Record<string, [(flow: Flow<any>) => Flow<any>, string]> = {
  'a fork at the start': [(flow) => flow.add({ name: 'a', needs: 'gateway' }).add({ name: 'b', needs: 'gateway' }).needs(['a', 'b']), 'gateway'],
  'a fork': [(flow) => flow.add({ name: 'a' }).add({ name: 'b', needs: 'a' }).add({ name: 'c', needs: 'a' }).needs(['b', 'c']), 'a'],
  'a merge': [(flow) => flow.add({ name: 'a' }).add({ name: 'b', needs: 'a' }).needs(['a', 'b'], { join: 'merge' }), 'a'],
  floating: [(flow) => flow.add({ name: 'a' }).add({ floating: true }), 'a'],
  'polling ALL': [(flow) => flow.add({ name: 'a', parallel: 2, polling: 'ALL' }), 'a'],
  'polling ALL_ASYNC': [(flow) => flow.add({ name: 'a', parallel: 2, polling: 'ALL_ASYNC' }), 'a'],
  retries: [(flow) => flow.add({ name: 'a', retries: 1 }), 'a'],
}

test('159: a document that cannot be copied fails its own request, by the name of the place, and the others go on', async () => {
  for (const [graph, [build, place]] of Object.entries(GRAPHS))
    for (const [what, poison] of Object.entries(POISON)) {
      await using flow = await build(new Flow<any>({ onBackgroundError: () => {} })).open()
      const inputs = [{ text: 'one' }, poison(), { text: 'three' }, { text: 'four' }]
      const responses = await within(5000, flow.post('/', inputs, { requestSize: 1, continueOnError: true, resultsInOrder: true, prefetch: 2 }).toArray())
      const named = responses.map(({ error }) => (error instanceof ExecutorError ? error.executor : error))
      assert.equal(named, [undefined, place, undefined, undefined], `${graph}, ${what}`)
    }
})

test('159: what is nested within reason is copied', () => {
  let depth = 0
  for (let at = deep(500).clone(); at.has('chunks'); at = at.chunks[0]!) depth++
  assert.is(depth, 500)
})

test('166: a merge loses no document, also where an id comes twice', async () => {
  const mark = (name: string) => ({
    name,
    needs: 'gateway',
    uses: ({ docs }: Call) => {
      for (const doc of docs) doc.tags[name] = doc.text
    },
  })
  await using flow = await new Flow<any>().add(mark('a')).add(mark('b')).needs(['a', 'b'], { join: 'merge' }).open()
  const docs = await flow
    .post(
      '/',
      ['first', 'second', 'third'].map((text, at) => ({ id: at < 2 ? '7' : '8', text })),
    )
    .docs()
  assert.equal(docs.map(({ id, text, tags }) => [id, text, tags.a, tags.b]), ['first', 'second', 'third'].map((text, at) => [at < 2 ? '7' : '8', text, text, text])) // biome-ignore format: a table
})

test('165: needsAll() waits for those that only a floating executor stands behind', async () => {
  const flow = new Flow<any>()
    .add({ name: 'a', needs: 'gateway' })
    .add({ name: 'b', needs: 'gateway' })
    .add({ name: 'audit', floating: true })
    .add({ name: 'behind', needs: 'audit' })
    .needsAll({ name: 'all' })
  assert.equal(flow.plan.steps.at(-1)!.needs, ['a', 'b'])
})

test('144: at the end of a Flow with a condition, the array that an executor keeps stays as it was', async () => {
  const kept = DocumentArray.from([{ id: 'c' }, { id: 'a' }, { id: 'b' }])
  await using flow = await new Flow()
    .add({ when: () => true })
    .add({ uses: () => kept })
    .open()
  const docs = await flow.post('/', [{ id: 'a' }, { id: 'b' }, { id: 'c' }]).docs()
  assert.equal(docs.map(({ id }) => id), ['a', 'b', 'c']) // biome-ignore format: short
  assert.equal(kept.map(({ id }) => id), ['c', 'a', 'b']) // biome-ignore format: short
})

test('208: a condition that promises is refused, when the Flow opens or when it does', async () => {
  const said = /when of only: a condition answers true or false at once/
  const error = await new Flow()
    .add({ name: 'only', when: (async () => false) as any })
    .open()
    .catch((error) => error)
  assert.equal([error.code, said.test(error.message)], ['ERR_CONDITION_INVALID', true])
  await using flow = await new Flow().add({ name: 'only', when: (() => Promise.reject(new Error('nobody hears'))) as any }).open()
  const [response] = await flow.post('/', 'x', { continueOnError: true }).toArray()
  assert.match(response!.error!.message, said)
})

test('208: an array extended by what walks through it ends', () => {
  const docs = DocumentArray.from([{ id: 'a', chunks: [{ id: 'b' }] }])
  assert.equal(docs.extend(docs.traverse('r,c')).map(({ id }) => id), ['a', 'a', 'b']) // biome-ignore format: short
})

test('208: what a Flow calls of an Executor itself answers no endpoint', async () => {
  class Own extends Executor {
    override open() {}
    work() {}
  }
  for (const method of ['open', 'close', 'constructor', 'handle', 'toString']) {
    const error = await new Flow()
      .add({ name: 'own', uses: Own, usesRequests: { '/x': method } })
      .open()
      .catch((error) => error)
    assert.equal([error.code, error.endpoint], ['ERR_EXECUTOR_BINDING', '/x'], method)
  }
})

test('164: a constructor that does not hand on what it was given is refused, and told how it is written', async () => {
  class Ported extends Executor {
    constructor(readonly bar: number) {
      super()
    }
  }
  class Right extends Executor<{ bar: number }> {
    readonly bar: number
    constructor(init: ExecutorInit<{ bar: number }>) {
      super({ ...init, config: { bar: init.config!.bar + 1 } })
      this.bar = this.config.bar
    }
    static requests = { '/default': 'work' }
    work() {
      return { bar: this.bar, name: this.name }
    }
  }
  const error = await new Flow()
    // @ts-expect-error it takes a number where it will be given an ExecutorInit
    .add({ name: 'ported', uses: Ported, usesWith: { bar: 1 } })
    .open()
    .catch((error) => error)
  assert.is(error.code, 'ERR_USES_INVALID')
  assert.match(error.message, /constructor of Ported .* ported .*super\(init\)/)
  await using flow = await new Flow().add({ name: 'right', uses: Right, usesWith: { bar: 1 } }).open()
  const [response] = await flow.post('/').toArray()
  assert.equal(response!.parameters.__results__.right, { bar: 2, name: 'right' })
})

test('207: forks, attempts and requests see nothing of each other by way of what they were given', async () => {
  const seen: unknown[] = []
  const parameters = { map: new Map([['a', { n: 1 }]]), set: new Set([1]), date: new Date(0) }
  const options = {
    name: 'a',
    uses: ({ docs, parameters: { map, set, date } }: Call<{ map: Map<string, number> }>) => {
      seen.push(map.get('a').n, set.size, date.getTime(), docs[0]!.location![0], docs[0]!.tags.map.size)
      map.get('a').n++
      set.add(2)
      date.setTime(1)
      ;(docs[0]!.location as number[])[0] = 9
      docs[0]!.tags.map.set('b', 2)
      if (seen.length === 5) throw new Error('again')
    },
    usesMetas: { description: '1' },
    retries: { attempts: 1, delay: 0 },
  }
  const flow = new Flow<any>().add(options)
  options.usesMetas.description = '2'
  options.retries.attempts = 0
  options.name = 'b'
  flow.add(options)
  assert.equal(flow.plan.steps.map(({ options }) => [options.name, options.usesMetas!.description, (options.retries as any).attempts]), [['a', '1', 1], ['b', '2', 0]]) // biome-ignore format: short
  await using _ = await flow.open()
  const post = flow.post('/', { location: [1, 2], tags: { map: new Map() } }, { parameters })
  parameters.map.set('a', { n: 5 })
  parameters.date.setTime(7)
  await post.drain()
  assert.equal(seen.slice(0, 10), [1, 1, 0, 1, 0, 1, 1, 0, 1, 0])
  assert.equal(seen.slice(10, 13), [1, 1, 0])
})

test('183: what a function cannot see is refused, and not dropped', async () => {
  for (const given of [{ usesWith: { a: 1 } }, { env: { A: '1' } }, { workspace: 'x' }] as const) {
    const error: any = await new Flow()
      .add({ name: 'a', uses: () => {}, ...(given as object) })
      .open()
      .catch((error) => error)
    assert.is(error.code, 'ERR_USES_INVALID')
    const [option] = Object.keys(given)
    assert.match(error.message, new RegExp(`^a is a function that does not see its executor as this: ${option} would do nothing`))
  }
  // Others see it.
  const seen: unknown[] = []
  async function see(this: Executor<{ a: number }>): Promise<void> {
    seen.push([this.config.a, this.env.A])
  }
  for (const uses of [see, each(see)]) {
    await using flow = await new Flow().add({ name: 'a', uses: uses as never, usesWith: { a: 1 } as never, env: { A: '1' } }).open()
    await flow.post('/', 'x').drain()
  }
  assert.equal(seen, [
    [1, '1'],
    [1, '1'],
  ])
  // What the Flow says, it says to all.
  await using _ = await new Flow({ env: { A: '1' } }).add({ uses: () => {} }).open()
})

test('183: a time in which nothing can be done is refused when it is given', () => {
  for (const name of ['timeout', 'attemptTimeout'])
    assert.throws(
      () => new Flow().add({ uses: () => {}, [name]: 0 }),
      (error: any) => error.code === 'ERR_OPTION_RANGE' && error.message === `${name} must be a number of milliseconds from 1 to 2147483647, not 0`,
    )
})

test('183: ports, sizes and lists that cannot be are refused when the Flow is made', () => {
  const wrong: [object, string, string][] = [
    [{ port: 70_000 }, 'ERR_OPTION_RANGE', 'port must be an integer from 0 to 65535, not 70000'],
    [{ port: [] }, 'ERR_OPTION_TYPE', 'port must be an integer from 0 to 65535, not an array of 0'],
    [{ protocol: [] }, 'ERR_OPTION_RANGE', 'protocol must be one of grpc, http, websocket, ws, nats, not an array of 0'],
    [{ maxMessageBytes: 0 }, 'ERR_OPTION_RANGE', 'maxMessageBytes must be an integer from 1 to 2147483647, not 0'],
    [{ maxDocuments: 0 }, 'ERR_OPTION_RANGE', 'maxDocuments must be an integer ≥ 1, or Infinity, not 0'],
    [{ graphql: 'yes' }, 'ERR_OPTION_TYPE', 'graphql must be an object, not "yes"'],
    [{ heartbeat: '15' }, 'ERR_OPTION_TYPE', 'heartbeat must be a number of milliseconds from 0 to 2147483647, not "15"'],
  ]
  for (const [options, code, message] of wrong)
    assert.throws(
      () => new Flow(options),
      (error: any) => error.code === code && error.message === message,
      JSON.stringify(options),
    )
})

test.run()
