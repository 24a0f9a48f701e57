// Schemas at run time: what fits goes on, what does not leaves alone, whatever stands around.
import { AsyncLocalStorage } from 'node:async_hooks'
import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as v from 'valibot'
import { z } from 'zod'
import { Gateway } from '../../lib/gateway/index.js'
import { type Call, Document, DocumentArray, Executor, ExecutorError, each, Flow } from '../../lib/index.js'
import { createHttp } from '../../lib/wire/http/server/fetch.js'
import { emptyMessage } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { sizeOfUntouched } from '../../lib/wire/proto/lazy.js'
import { deferred } from '../support/deferred.js'
import { within } from '../support/within.js'

const texts = (docs: Iterable<Document>) => Array.from(docs, ({ text }) => text)

/** Opens a Flow of one executor. */
const flowOf = (options: object, flow: object = {}) => new Flow({ closeTimeout: 50, ...flow }).add({ name: 'rank', ...options } as any).open()

/** An executor that notes what reaches it. */
function witness() {
  const seen: Document<any>[] = []
  const parameters: object[] = []
  const uses = (call: Call): void => {
    seen.push(...call.docs)
    parameters.push(call.parameters)
  }
  return { seen, parameters, uses }
}

/** The same schema by three libraries: a price of which the amount may be a text, a currency by default, and a title. */
const PRICE = {
  zod: z.object({ price: z.object({ amount: z.coerce.number().positive(), currency: z.string().default('EUR') }), title: z.string().min(1) }),
  valibot: v.object({
    price: v.object({
      amount: v.pipe(v.union([v.string(), v.number()]), v.transform(Number), v.number(), v.gtValue(0)),
      currency: v.optional(v.string(), 'EUR'),
    }),
    title: v.pipe(v.string(), v.minLength(1)),
  }),
  arktype: type({
    price: { amount: type('string.numeric.parse | number').to('number > 0'), currency: 'string = "EUR"' },
    title: 'string > 0',
  }),
}

for (const [library, tags] of Object.entries(PRICE)) {
  test(`${library}: what a schema makes of tags is laid over them, and what does not fit leaves alone`, async () => {
    const { seen, uses } = witness()
    await using flow = await flowOf({ uses, input: { tags } })
    const good = { text: 'good', tags: { price: { amount: '5', vat: 7 }, title: 'a', lang: 'en' } }
    const bad = { id: 'bad', text: 'bad', tags: { price: { amount: -1 }, title: 'b' } }
    const worse = { id: 'worse', text: 'worse', tags: {} }
    const [response] = await flow.post('/', [bad, good, worse], { continueOnError: true }).toArray()
    assert.equal(texts(response!.docs), ['good'])
    assert.equal(response!.docs[0]!.tags, { price: { amount: 5, vat: 7, currency: 'EUR' }, title: 'a', lang: 'en' })
    assert.equal(texts(seen), ['good'])
    assert.is(response!.status.code, 'SUCCESS')
    assert.equal(
      response!.failures.map(({ doc, executor, attempts, error }) => [doc.id, executor, attempts, error.code, (error as ExecutorError).endpoint]),
      [
        ['bad', 'rank', 1, 'ERR_EXECUTOR_INPUT', '/'],
        ['worse', 'rank', 1, 'ERR_EXECUTOR_INPUT', '/'],
      ],
    )
    assert.match(response!.failures[0]!.error.message, /^rank does not take document bad of request [0-9a-f]{32} at \/: tags\.price\.amount: .+$/)
    const { issues, name } = response!.failures[0]!.error.cause as any
    assert.is(name, 'SchemaError')
    assert.equal(
      issues[0].path.map((step: any) => (typeof step === 'object' ? step.key : step)),
      ['tags', 'price', 'amount'],
    )
    assert.equal(response!.failures[0]!.doc.tags, bad.tags, 'it comes back as it was')
  })

  test(`${library}: parameters that do not fit fail their request, and defaults reach the executor alone`, async () => {
    const schemas = {
      zod: z.object({ top_k: z.coerce.number().int().positive().default(10), mode: z.enum(['fast', 'good']) }),
      valibot: v.object({
        top_k: v.optional(v.pipe(v.union([v.string(), v.number()]), v.transform(Number), v.number(), v.gtValue(0)), 10),
        mode: v.picklist(['fast', 'good']),
      }),
      arktype: type({ top_k: type('string.numeric.parse | number').to('number > 0').default(10), mode: '"fast" | "good"' }),
    }
    const first = witness()
    const other = witness()
    await using flow = await new Flow()
      .add({ name: 'rank', uses: first.uses, input: { parameters: schemas[library as 'zod'] } })
      .add({ name: 'other', uses: other.uses })
      .open()
    const [response] = await flow.post('/', ['x'], { parameters: { mode: 'fast', lang: 'en', rank: { mode: 'good' }, rank__top_k: '3' } }).toArray()
    assert.equal(first.parameters[0], { mode: 'good', lang: 'en', rank: { mode: 'good' }, top_k: 3 })
    assert.equal(other.parameters[0], { mode: 'fast', lang: 'en', rank: { mode: 'good' } })
    assert.equal(response!.parameters, { mode: 'fast', lang: 'en', rank: { mode: 'good' }, rank__top_k: '3', __results__: {} }, 'who asked sees what was asked')
    await flow.post('/', ['x'], { parameters: { mode: 'fast' } }).drain()
    assert.is((first.parameters[1] as any).top_k, 10)
    try {
      await flow.post('/', ['x'], { parameters: { mode: 'fast', top_k: -1 } }).drain()
      assert.unreachable()
    } catch (error: any) {
      assert.instance(error, ExecutorError)
      assert.equal([error.code, error.executor, error.endpoint], ['ERR_EXECUTOR_INPUT', 'rank', '/'])
      assert.match(error.message, /^rank does not take the parameters of request [0-9a-f]{32} at \/: parameters\.top_k: /)
    }
    assert.is(first.parameters.length, 2)
  })
}

test('text is checked as tags are, and both tell what is wrong', async () => {
  const { seen, uses } = witness()
  await using flow = await flowOf({ uses, input: { text: z.string().trim().min(2), tags: z.object({ n: z.number() }) } })
  const [response] = await flow
    .post(
      '/',
      [
        { text: ' ab ', tags: { n: 1 } },
        { text: 'c', tags: {} },
      ],
      { continueOnError: true },
    )
    .toArray()
  assert.equal(texts(seen), ['ab'])
  assert.match(response!.failures[0]!.error.message, / at \/: tags\.n: .+; text: .+/)
})

test('without continueOnError, the first document that does not fit ends the post, as any that fails', async () => {
  await using flow = await flowOf({ uses: witness().uses, input: { text: z.string().min(2) } })
  const found: string[] = []
  try {
    for await (const { docs } of flow.post('/', ['ab', 'x', 'cd'], { requestSize: 1, resultsInOrder: true })) found.push(...texts(docs))
    assert.unreachable()
  } catch (error: any) {
    assert.is(error.code, 'ERR_EXECUTOR_INPUT')
  }
  assert.equal(found, ['ab'])
})

test('a request of which no document fits does not reach the executor, and one without documents does', async () => {
  const { parameters, uses } = witness()
  await using flow = await flowOf({ uses, input: { text: z.string().min(2), parameters: z.object({ n: z.number().default(1) }) } })
  const [response] = await flow.post('/', ['x', 'y'], { continueOnError: true }).toArray()
  assert.is(response!.failures.length, 2)
  assert.equal(parameters, [])
  await flow.post('/').drain()
  assert.equal(parameters, [{ n: 1 }])
})

test('what an executor gives is checked in its name, and what the schema makes of it goes on', async () => {
  const behind = witness()
  await using flow = await new Flow()
    .add({
      name: 'rank',
      output: { tags: z.object({ score: z.number().transform((score) => Math.round(score)) }) },
      uses: ({ docs }) => docs.forEach((doc) => void (doc.tags.score = (doc.text === 'bad' ? 'high' : 1.2) as number)),
    })
    .add({ name: 'behind', uses: behind.uses })
    .open()
  const [response] = await flow.post('/', ['a', 'bad', 'b'], { continueOnError: true }).toArray()
  assert.equal(texts(response!.docs), ['a', 'b'])
  assert.equal(
    behind.seen.map(({ tags }) => tags.score),
    [1, 1],
  )
  const [{ executor, error }] = response!.failures as any
  assert.equal([executor, error.code], ['rank', 'ERR_EXECUTOR_RESULT'])
  assert.match(error.message, /^rank gave what does not fit its output, document \S+ of request \S+ at \/: tags\.score: /)
})

test('pieces of a generator are handed on as they are, and the whole is checked', async () => {
  await using flow = await flowOf({
    output: { tags: z.object({ done: z.literal(true) }) },
    uses: async function* ({ docs }: Call) {
      yield docs
      for (const doc of docs) doc.tags.done = doc.text === 'good' ? true : 'half'
    },
  })
  const responses = await flow.post('/', ['good', 'bad'], { continueOnError: true }).toArray()
  assert.equal(
    responses.map(({ partial, docs, failures }) => [partial, texts(docs), failures.length]),
    [
      [true, ['good', 'bad'], 0],
      [false, ['good'], 1],
    ],
  )
})

test('static input and output of a class hold, by endpoint too; add() stands over them key by key, and each() between', async () => {
  const n = (least: number) => z.object({ n: z.number().min(least) })
  class Rank extends Executor {
    static input = { '/search': { tags: n(2), text: z.string().min(2) }, '*': { tags: n(1) } }
    static requests = { '/search': 'all', '/each': each(() => {}, { input: { tags: n(3) } }), '/default': 'all' }
    all() {}
  }
  const failed = async (flow: Flow<any, any>, on: string, inputs: object[]) => {
    const [response] = await flow.post(on, inputs, { continueOnError: true }).toArray()
    return response!.failures.map(({ doc }) => doc.tags.n)
  }
  const inputs = [0, 1, 2, 3].map((n) => ({ text: 'ab', tags: { n } }))
  await using own = await flowOf({ uses: Rank })
  assert.equal(await failed(own, '/search', inputs), [0, 1])
  assert.equal(await failed(own, '/each', inputs), [0, 1, 2])
  assert.equal(await failed(own, '/others', inputs), [0])
  await using over = await flowOf({ uses: Rank, input: { '/search': { tags: n(0) }, '/each': { tags: n(4) } } })
  assert.equal(await failed(over, '/search', [...inputs, { text: 'x', tags: { n: 9 } }]), [9], 'the text is what the class says')
  assert.equal(await failed(over, '/each', inputs), [0, 1, 2, 3])
  assert.equal(await failed(over, '/others', inputs), [0])
  await using fn = await flowOf({ uses: each(() => {}, { input: { '/a': { tags: n(1) }, '*': { tags: n(2) } } }) })
  assert.equal(await failed(fn, '/a', inputs), [0])
  assert.equal(await failed(fn, '/b', inputs), [0, 1])
})

test('schemas of a function of each() hold under the name of a method, too, be it a field, on the prototype, or the default', async () => {
  const go = each(() => {}, { input: { tags: z.object({ n: z.number() }) } })
  class Field extends Executor {
    static requests = { '/a': 'go' }
    go = go
  }
  class Inherited extends Executor {
    static requests = { '/a': 'go' }
  }
  Object.assign(Inherited.prototype, { go })
  class Others extends Executor {
    static requests = { '/default': 'go' }
    go = go
  }
  for (const uses of [Field, Inherited, Others]) {
    await using flow = await flowOf({ uses })
    const [response] = await flow.post('/a', [{ text: 'a' }], { continueOnError: true }).toArray()
    assert.is(response!.failures[0]?.error.code, 'ERR_EXECUTOR_INPUT', uses.name)
    assert.throws(() => createHttp(new uses()), /says by schemas/)
  }
  class Bound extends Executor {
    go = go
  }
  await using bound = await flowOf({ uses: Bound, usesRequests: { '/b': 'go' } })
  const [response] = await bound.post('/b', [{ text: 'a' }], { continueOnError: true }).toArray()
  assert.is(response!.failures[0]?.error.code, 'ERR_EXECUTOR_INPUT')
})

test('what is no Standard Schema is refused by a name, when the Flow opens', async () => {
  const refused = async (options: object, message: RegExp) => {
    try {
      await flowOf({ uses: () => {}, ...options })
      assert.unreachable()
    } catch (error: any) {
      assert.equal([error.name, error.code], ['OptionTypeError', 'ERR_OPTION_TYPE'], String(error))
      assert.match(error.message, message)
    }
  }
  await refused({ input: { tags: {} } }, /^tags in input of rank must be a Standard Schema, .+, not an object$/)
  await refused({ input: { '/a': { tags: 5 } } }, /^tags in input of rank for \/a must be a Standard Schema/)
  await refused({ output: { parameters: z.object({}) } }, /^A key of output of rank must be one of tags, text, not "parameters"$/)
  await refused({ input: { tag: z.object({}) } }, /^A key of input of rank must be one of tags, text, parameters, not "tag"$/)
  await refused({ input: { '/a': {}, tags: z.object({}) } }, /^A key of input of rank must be an endpoint, .+, not "tags"$/)
  await refused({ input: { '/a': z.object({}) } }, /^input of rank for \/a must be \{ tags, text, parameters \}/)
  await refused({ input: v.object({}) }, /^input of rank must be .+: write \{ tags: … \}, not an object$/)
  await refused({ input: 'x' }, /^input must be an object, not "x"$/)
  assert.throws(() => each(() => {}, { output: 5 as any }), /output must be an object, not 5/)
  class Typo extends Executor {
    static input = { '/serch': { text: z.string() } }
    static requests = { '/search': 'search' }
    search() {}
  }
  try {
    await flowOf({ uses: Typo })
    assert.unreachable()
  } catch (error: any) {
    assert.match(error.message, /^input and output of rank names \/serch, .+ Did you mean \/search\?$/)
  }
})

test('a schema that throws, or gives what is no result, is told as a failure of the executor, for that document', async () => {
  const standard = (validate: (value: any) => any) => ({ '~standard': { version: 1 as const, vendor: 'test', validate } })
  const cases: [string, (value: any) => any, RegExp][] = [
    ['throws', () => { throw new Error('no idea') }, /its schema failed: no idea$/], // biome-ignore format: one a line
    ['rejects', () => Promise.reject(new Error('no idea')), /its schema failed: no idea$/],
    ['throws nothing', () => { throw undefined }, /its schema failed: undefined$/], // biome-ignore format: one a line
    ['nothing', () => undefined, /its schema failed: nothing: neither/],
    ['no list', () => ({ issues: {} }), /its schema failed: its issues must be a list, not an object$/],
    ['throws when read', () => ({ get issues() { throw new Error('no idea') } }), /its schema failed: no idea$/], // biome-ignore format: one a line
    ['throws when laid over', () => ({ value: new Proxy({}, { ownKeys() { throw new Error('no idea') } }) }), /its schema failed: no idea$/], // biome-ignore format: one a line
    ['no object', () => ({ value: 5 }), /its schema failed: tags must stay an object, not become 5$/],
  ]
  for (const [name, fails, message] of cases) {
    const { seen, uses } = witness()
    await using flow = await flowOf({ uses, input: { tags: standard((value) => (value.bad ? fails(value) : { value })) } })
    const [response] = await flow.post('/', [{ text: 'a' }, { text: 'b', tags: { bad: true } }], { continueOnError: true }).toArray()
    assert.equal(texts(seen), ['a'], name)
    assert.is(response!.failures[0]!.error.code, 'ERR_EXECUTOR', name)
    assert.match(response!.failures[0]!.error.message, message, name)
  }
  const odd: [object, RegExp][] = [
    [{ issues: [] }, /at \/: tags: it does not fit, and the schema does not say why$/],
    [{ issues: [null, 'bad'] }, /at \/: tags: null; tags: "bad"$/],
    [{ issues: [{ message: 'no', path: 'price.amount' }] }, /at \/: tags\.price\.amount: no$/],
    [{ issues: [{ message: 'no', path: [null, { key: {} }, 'a', { key: 1 }, {}] }] }, /at \/: tags\.a\[1\]: no$/],
  ]
  for (const [result, message] of odd) {
    await using flow = await flowOf({ uses: () => {}, input: { tags: standard((value) => (value.bad ? result : { value })) } })
    const [response] = await flow.post('/', [{ text: 'a' }, { text: 'b', tags: { bad: true } }], { continueOnError: true }).toArray()
    assert.equal(texts(response!.docs), ['a'])
    assert.is(response!.failures[0]!.error.code, 'ERR_EXECUTOR_INPUT')
    assert.match(response!.failures[0]!.error.message, message)
  }
  await using flow = await flowOf({ uses: () => {}, input: { parameters: standard(() => { throw new Error('no idea') }) } }) // biome-ignore format: one a line
  const [response] = await flow.post('/', ['a'], { continueOnError: true }).toArray()
  assert.is((response!.error as ExecutorError).code, 'ERR_EXECUTOR')
})

test('schemas that take their time keep the order and the context, and who leaves in the meantime is not called', async () => {
  const storage = new AsyncLocalStorage<string>()
  const doors = [deferred<void>(), deferred<void>(), deferred<void>()]
  const contexts: unknown[] = []
  const text = v.pipeAsync(
    v.string(),
    v.checkAsync(async (text) => {
      const context = storage.getStore()
      await doors[Number(text)]!.promise
      contexts.push([text, context, storage.getStore()])
      return text !== '1'
    }),
  )
  const { seen, uses } = witness()
  const inner = (call: Call) => {
    contexts.push(storage.getStore())
    uses(call)
  }
  await using flow = await flowOf({ uses: inner, input: { text }, dynamicBatching: { preferredBatchSize: 100, timeout: 1 } })
  const answer = storage.run('mine', () => flow.post('/', ['0', '1', '2'], { continueOnError: true }).toArray())
  for (const door of doors.toReversed()) {
    await new Promise(setImmediate)
    door.resolve()
  }
  const [response] = await answer
  assert.equal(texts(response!.docs), ['0', '2'])
  assert.equal(texts(seen), ['0', '2'])
  assert.equal(contexts, [['2', 'mine', 'mine'], ['1', 'mine', 'mine'], ['0', 'mine', 'mine'], undefined])

  const begun = deferred<void>()
  const door = deferred<boolean>()
  const late = witness()
  const wait = (): Promise<boolean> => {
    begun.resolve()
    return door.promise
  }
  await using slow = await flowOf({ uses: late.uses, input: { text: z.string().refine(wait) } })
  const controller = new AbortController()
  const left = slow.post('/', ['x'], { signal: controller.signal }).toArray()
  await begun.promise
  controller.abort(new Error('left'))
  await left.then(
    () => assert.unreachable(),
    (error) => assert.is(error.message, 'left'),
  )
  door.resolve(true)
  await new Promise(setImmediate)
  assert.equal(late.seen, [])
})

test('when stands before the check, retries and replicas behind it: each document is checked once', async () => {
  let checks = 0
  let calls = 0
  const tags = z.object({ lang: z.string() }).refine(() => ++checks > 0)
  await using flow = await flowOf({
    uses: () => {
      if (++calls < 3) throw new Error('not yet')
    },
    input: { tags },
    when: { tags__lang: { $neq: 'no' } },
    retries: { attempts: 5, delay: 0 },
    parallel: 2,
  })
  const [response] = await flow.post('/', [{ tags: { lang: 'no' } }, { tags: { lang: 'en' } }]).toArray()
  assert.equal(
    response!.docs.map(({ tags }) => tags.lang),
    ['en'],
  )
  assert.equal([checks, calls], [1, 3])
  checks = 0
  await using all = await flowOf({ uses: () => {}, input: { tags }, parallel: 3, polling: 'ALL' })
  await all.post('/', [{ tags: { lang: 'en' } }]).drain()
  assert.is(checks, 1)
})

test('at a join the united documents are checked, and what does not fit comes by no other door', async () => {
  for (const join of ['concat', 'merge'] as const) {
    let matrix: string[][] = []
    await using flow = await new Flow()
      .add({ name: 'a', needs: 'gateway', uses: ({ docs }) => docs.forEach((doc) => void (doc.tags.a = 1)) })
      .add({ name: 'b', needs: 'gateway', uses: ({ docs }) => docs.forEach((doc) => void (doc.tags.b = 2)) })
      .add({
        name: 'rank',
        needs: ['a', 'b'],
        join,
        input: {
          tags: join === 'merge' ? z.object({ a: z.literal(1), b: z.literal(2), ok: z.literal(true) }) : z.object({ a: z.literal(1), ok: z.literal(true) }),
        },
        uses: ({ docsMatrix }) => {
          matrix = docsMatrix!.map(texts)
        },
      })
      .open()
    const [response] = await flow
      .post(
        '/',
        [
          { id: '1', text: 'good', tags: { ok: true } },
          { id: '2', text: 'bad', tags: { ok: false as true } },
        ],
        { continueOnError: true },
      )
      .toArray()
    assert.equal(texts(response!.docs), ['good'])
    assert.equal(matrix, join === 'merge' ? [['good'], ['good']] : [['good'], []], join)
    assert.equal(response!.failures.map(({ doc }) => doc.text).sort(), join === 'merge' ? ['bad'] : ['bad', 'bad', 'good'])
  }
})

test('behind a fork, a document that does not fit leaves that branch; in a floating executor it is told in the background', async () => {
  const told: string[] = []
  const right = witness()
  await using flow = await new Flow({ onBackgroundError: ({ message }) => void told.push(message) })
    .add({ name: 'left', needs: 'gateway', input: { text: z.string().min(2) } })
    .add({ name: 'right', needs: 'gateway', uses: right.uses })
    .add({ name: 'aside', needs: 'gateway', floating: true, input: { text: z.string().max(2) } })
    .add({ name: 'both', needs: ['left', 'right'], join: 'merge' })
    .open()
  const [response] = await flow.post('/', ['a', 'abc'], { continueOnError: true }).toArray()
  assert.equal(texts(right.seen), ['a', 'abc'])
  assert.equal(texts(response!.docs).sort(), ['a', 'abc'])
  assert.equal(
    response!.failures.map(({ doc, executor }) => [doc.text, executor]),
    [['a', 'left']],
  )
  await flow.close()
  assert.is(told.length, 1)
  assert.match(told[0]!, /^aside does not take document /)
})

test('what fits as it is stays the object that it was, and a dry run asks nobody', async () => {
  const { seen, uses } = witness()
  await using flow = await flowOf({
    uses,
    input: { tags: PRICE.zod.extend({ list: z.array(z.object({ a: z.number() })) }), parameters: z.object({ needed: z.string() }) },
  })
  const tags = { price: { amount: 1, currency: 'EUR' }, title: 'a', list: [{ a: 1 }] }
  const doc = new Document({ id: 'x' })
  doc.tags = tags
  await flow.post('/', [doc], { parameters: { needed: 'x' } }).drain()
  assert.is(seen[0], doc)
  assert.is(doc.tags, tags)
  assert.equal(
    await flow
      .post('_jina_dry_run_')
      .toArray()
      .then(([response]) => response!.status.code),
    'SUCCESS',
  )
})

test('an external executor is checked here, by what add() says; what it refuses itself is not asked again, and dry runs go through', async () => {
  let asked = 0
  const schema = z.object({ n: z.number() })
  const validate = (value: unknown) => {
    asked++
    return schema['~standard'].validate(value)
  }
  const far = { '~standard': { version: 1, vendor: 'test', validate } } as any
  await using there = await new Flow({ protocol: 'grpc', port: 0 }).add({ name: 'there', uses: () => {}, input: { parameters: far } }).open()
  await using here: Flow<any, any> = await new Flow<string>()
    .add({
      name: 'rank',
      external: true,
      host: there.addresses['grpc'],
      retries: { attempts: 3, delay: 1 },
      input: { text: z.string().min(2), parameters: z.looseObject({ k: z.number() }) },
    })
    .open()
  const [response] = await here.post('/', ['a', 'bc'], { parameters: { k: 1, n: 1 }, continueOnError: true }).toArray()
  assert.equal([texts(response!.docs), response!.failures.length], [['bc'], 1])
  const refused = async (parameters: object) => {
    const [{ error }] = (await here.post('/', ['bc'], { parameters: parameters as any, continueOnError: true }).toArray()) as any
    return [error.code, error.executor]
  }
  assert.equal(await refused({ n: 1 }), ['ERR_EXECUTOR_INPUT', 'rank'])
  asked = 0
  assert.equal(await refused({ k: 1, n: 'x' }), ['ERR_EXECUTOR_INPUT', 'there'])
  assert.is(asked, 1)
  const [dry] = await here.post('_jina_dry_run_', undefined, {} as any).toArray()
  assert.is(dry!.status.code, 'SUCCESS')
})

test('an executor with schemas is not served by itself, where nobody would check them', async () => {
  class Own extends Executor {
    static output = { text: z.string() }
    static requests = {}
  }
  class Each extends Executor {
    static requests = { '/a': each(() => {}, { input: { text: z.string() } }) }
  }
  for (const type of [Own, Each]) {
    const refusal = /^(Own|Each) says by schemas what it takes or gives, .*Serve a Flow: new Flow\(\)\.add\(\{ uses: (Own|Each) \}\)$/
    assert.throws(() => createHttp(new type()), refusal)
    await Gateway.serve(new type(), { port: 0 }).then(
      () => assert.unreachable(),
      ({ code, message }) => assert.equal([code, refusal.test(message)], ['ERR_USES_INVALID', true]),
    )
  }
  createHttp(new Executor())
})

test('a strict schema of parameters sees what the executor is told, without its own name', async () => {
  const { parameters, uses } = witness()
  await using flow = await flowOf({ uses, input: { parameters: z.strictObject({ k: z.number() }) } })
  await flow.post('/', ['a'], { parameters: { rank: { k: 1 }, other__k: 5 } }).drain()
  assert.equal(parameters, [{ k: 1, rank: { k: 1 } }])
})

test('a strict schema of parameters does not stumble over what addresses other executors, by either of their names', async () => {
  class Ranker extends Executor {
    static requests = { '/': 'go' }
    go() {}
  }
  const [one, other] = [witness(), witness()]
  const parameters = z.strictObject({ k: z.coerce.number() })
  await using flow = await new Flow<string>()
    .add({ name: 'one', uses: one.uses, input: { parameters } })
    .add({ name: 'other', uses: other.uses, input: { parameters } })
    .add({ name: 'ranker', uses: Ranker })
    .open()
  const given = { k: 1, one: { k: '2' }, other: { k: 3 }, ranker: { k: 4 }, Ranker: { k: 5 } }
  const [response] = await flow.post('/', ['x'], { parameters: given as any, continueOnError: true }).toArray()
  assert.is(response!.error, undefined)
  // What it is told besides is as without schemas.
  assert.equal(one.parameters, [{ ...given, k: 2 }])
  assert.equal(other.parameters, [{ ...given, k: 3 }])
  const [{ error }] = (await flow.post('/', ['x'], { parameters: { k: 1, stranger: { k: 2 } } as any, continueOnError: true }).toArray()) as any
  assert.match(error.message, /parameters: Unrecognized key: "stranger"$/)
})

test('an executor elsewhere is not told by which name it was addressed here, with a schema here or without', async () => {
  const { parameters, uses } = witness()
  const strict = z.strictObject({ k: z.number(), far: z.object({ a: z.number() }).optional(), more: z.number().optional() })
  await using there = await new Flow({ protocol: 'grpc', port: 0 }).add({ name: 'there', uses, input: { parameters: strict } }).open()
  const host = there.addresses['grpc']!
  const more = z.object({ k: z.number(), more: z.number().default(7) })
  for (const input of [undefined, { parameters: more }]) {
    parameters.length = 0
    const added = input === undefined ? {} : { more: 7 }
    await using here: Flow<any, any> = await new Flow<string>().add({ name: 'far', external: true, host, ...(input && { input }) }).open()
    await here.post('/', ['x'], { parameters: { far: { k: 1 } } }).drain()
    await here.post('/', ['x'], { parameters: { far: { k: 1, far: { a: 1 } } } }).drain()
    await here.post('/', ['x'], { parameters: { k: 1, far__far: { a: 2 } } }).drain()
    assert.equal(parameters, [
      { k: 1, ...added },
      { k: 1, far: { a: 1 }, ...added },
      { k: 1, far: { a: 2 }, ...added },
    ])
  }
})

test('a schema of parameters that failed is asked again with the next request of a post, and its answer is kept', async () => {
  for (const slow of [false, true]) {
    let asked = 0
    const validate = (value: unknown) => {
      const failed = new Error('the database is away')
      if (++asked === 1) {
        if (slow) return Promise.reject(failed)
        throw failed
      }
      return slow ? Promise.resolve({ value }) : { value }
    }
    await using flow = await flowOf({ uses: () => {}, input: { parameters: { '~standard': { version: 1, vendor: 'test', validate } } } })
    const options = { requestSize: 1, prefetch: 1, resultsInOrder: true, continueOnError: true }
    const responses = await flow.post('/', ['a', 'b', 'c'], options).toArray()
    assert.equal(
      responses.map(({ error }) => (error as ExecutorError | undefined)?.code),
      ['ERR_EXECUTOR', undefined, undefined],
    )
    assert.is(asked, 2)
  }
})

test('a document that came over a wire goes on as its bytes, where no schema changes it, and no schema changes it in place', async () => {
  const bytes = encodeMessage(emptyMessage({ requestId: 'a', docs: DocumentArray.from([{ id: 'x', text: 't', tags: { n: 1, list: [{ a: 1 }] } }]) }))
  const greedy = (tags: any) => {
    tags.list[0].a = 2
    tags.n = 2
    return { issues: [{ message: 'no' }] }
  }
  const asItWas = [{ text: z.string() }, { tags: z.object({ n: z.number() }) }, { tags: { '~standard': { version: 1, vendor: 'test', validate: greedy } } }]
  for (const input of asItWas) {
    const [doc] = decodeMessage(bytes).docs
    await using flow = await flowOf({ input })
    const [response] = await flow.post('/', [doc!], { continueOnError: true }).toArray()
    assert.is(response!.docs[0] ?? response!.failures[0]!.doc, doc)
    assert.ok(sizeOfUntouched(doc!, 'v1') > 0)
    assert.equal(doc!.tags, { n: 1, list: [{ a: 1 }] })
  }
  const [doc] = decodeMessage(bytes).docs
  await using flow = await flowOf({ input: { tags: z.object({ n: z.number().transform((n) => n + 1) }) } })
  await flow.post('/', [doc!]).drain()
  assert.equal(doc!.tags, { n: 2, list: [{ a: 1 }] })
})

test('a schema of text sees no text in a document of another content, and puts none in its place', async () => {
  const docs = [{ blob: new Uint8Array([1]) }, { tensor: new Float32Array([1]) }, { text: '' }, { uri: 'x:' }]
  const outcome = async (text: z.ZodType) => {
    await using flow = await flowOf({ uses: () => {}, input: { text } })
    const [response] = await flow.post('/', docs, { continueOnError: true }).toArray()
    return {
      kinds: response!.docs.map(({ contentType }) => contentType),
      told: response!.failures.map(({ error, doc }) => [doc.contentType, String(error.cause)]),
    }
  }
  assert.equal(await outcome(z.string()), { kinds: ['blob', 'tensor', 'text', undefined], told: [] })
  assert.equal((await outcome(z.string().min(1))).kinds, [])
  const { kinds, told } = await outcome(z.string().transform((text) => text || 'none'))
  assert.equal(kinds, ['text', 'text'])
  assert.equal(
    told,
    ['blob', 'tensor'].map((kind) => [kind, `SchemaError: text: there is a ${kind}, and what the schema makes of no text would take its place`]),
  )
})

test('a schema that never comes to an end holds nobody who leaves, and no close', async () => {
  let begun = deferred<void>()
  const validate = () => {
    begun.resolve()
    return new Promise<never>(() => {})
  }
  const never = { '~standard': { version: 1, vendor: 'test', validate } } as const
  for (const schemas of [{ input: { tags: never } }, { input: { parameters: never } }, { output: { tags: never } }]) {
    begun = deferred<void>()
    const flow = await flowOf({ uses: () => {}, ...schemas }, { closeTimeout: 600_000 })
    const controller = new AbortController()
    const left = flow.post('/', ['x'], { signal: controller.signal }).toArray()
    await begun.promise
    controller.abort(new Error('left'))
    await left.then(
      () => assert.unreachable(),
      (error) => assert.is(error.message, 'left'),
    )
    await within(10_000, flow.close())
  }
})

test('a message that begins with its path, as those of arktype do, tells it once', async () => {
  await using flow = await flowOf({ uses: () => {}, input: { tags: type({ list: type({ n: 'number' }).array() }) } })
  const [response] = await flow.post('/', [{ tags: { list: [{ n: 'x' }] as any } }], { continueOnError: true }).toArray()
  assert.is((response!.failures[0]!.error.cause as Error).message, 'tags.list[0].n: must be a number (was a string)')
})

test('what failed before stays among the failures', async () => {
  await using flow = await new Flow()
    .add({ name: 'first', input: { text: z.string().min(2) } })
    .add({ name: 'second', input: { text: z.string().max(3) } })
    .open()
  const [response] = await flow.post('/', ['a', 'abc', 'abcd'], { continueOnError: true }).toArray()
  assert.equal(texts(response!.docs), ['abc'])
  assert.equal(
    response!.failures.map(({ doc, executor }) => [doc.text, executor]),
    [
      ['a', 'first'],
      ['abcd', 'second'],
    ],
  )
})

test('schemas of valibot with JSON Schema, and of classes that are no plain objects, are taken as they are', async () => {
  const tags = toStandardJsonSchema(PRICE.valibot)
  await using flow = await flowOf({ uses: () => {}, input: { tags } })
  assert.is((flow.plan.steps[0]!.options.input as any).tags, tags)
  const [response] = await flow.post('/', [{ tags: { price: { amount: 'x' }, title: 'a' } }], { continueOnError: true }).toArray()
  assert.is(response!.failures.length, 1)
})

test('a key named __proto__ that a schema gives is a key like others', async () => {
  const validate = () => ({ value: JSON.parse('{"__proto__": {"polluted": true}, "a": 1}') })
  await using flow = await flowOf({ uses: () => {}, input: { tags: { '~standard': { version: 1, vendor: 'test', validate } } } })
  const [response] = await flow.post('/', [{ text: 'x' }]).toArray()
  assert.is(({} as any).polluted, undefined)
  assert.is((response!.docs[0]!.tags as any).polluted, undefined)
  assert.is(response!.docs[0]!.tags.a, 1)
})

test('random documents and schemas: those that fit reach the executor, the others fail once each, in order', async () => {
  const rules: Record<string, z.ZodType> = {
    number: z.number().max(50),
    text: z.string().max(3),
    optional: z.number().optional(),
    coerced: z.coerce.number().int(),
    slow: z.number().refine(async (n) => n % 2 === 0),
  }
  const value = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.string({ maxLength: 6 }), fc.constant(undefined))
  const shape = fc.uniqueArray(fc.constantFrom(...Object.keys(rules)), { minLength: 1 })
  const given = fc.record({
    shape,
    tags: fc.array(fc.dictionary(fc.constantFrom(...Object.keys(rules)), value), { maxLength: 40 }),
    requestSize: fc.integer({ min: 1, max: 10 }),
    batch: fc.option(fc.integer({ min: 1, max: 12 })),
    parallel: fc.integer({ min: 1, max: 3 }),
    polling: fc.constantFrom('ANY', 'ALL'),
    retries: fc.integer({ min: 0, max: 1 }),
  })
  await fc.assert(
    fc.asyncProperty(given, async ({ shape, tags: all, requestSize, batch, parallel, polling, retries }) => {
      const schema = z.object(Object.fromEntries(shape.map((key) => [key, rules[key]!])))
      const fits = await Promise.all(all.map(async (tags) => (await schema.safeParseAsync(tags)).success))
      const seen = new Map<string, number>()
      await using flow = await flowOf({
        uses: ({ docs }: Call) => docs.forEach(({ text }) => void seen.set(text, (seen.get(text) ?? 0) + 1)),
        input: { tags: schema },
        parallel,
        polling,
        retries,
        ...(batch !== null && { dynamicBatching: { preferredBatchSize: batch, timeout: 1 } }),
      })
      const responses = await flow
        .post(
          '/',
          all.map((tags, at) => ({ text: `${at}`, tags })),
          { requestSize, resultsInOrder: true, continueOnError: true },
        )
        .toArray()
      const good = all.flatMap((_, at) => (fits[at] ? [`${at}`] : []))
      const bad = all.flatMap((_, at) => (fits[at] ? [] : [`${at}`]))
      assert.equal(
        responses.flatMap(({ docs }) => texts(docs)),
        good,
      )
      assert.equal(
        responses.flatMap(({ failures }) => failures.map(({ doc }) => doc.text)),
        bad,
      )
      assert.equal([...seen.keys()].sort(), good.toSorted())
      assert.ok([...seen.values()].every((times) => times === (polling === 'ALL' ? parallel : 1)))
      assert.equal(responses.filter(({ error }) => error !== undefined).length, 0)
    }),
    { numRuns: Number(process.env['SCHEMA_RUNS'] ?? 60), seed: 11 },
  )
})

test('where no schema is given, nothing stands in the way', async () => {
  const { Validation } = await import('../../lib/handler/validation.js')
  let called = 0
  const { handle } = Validation.prototype
  Validation.prototype.handle = function (request) {
    called++
    return handle.call(this, request)
  }
  try {
    await using flow = await flowOf({ uses: () => {} })
    await within(5000, flow.post('/', ['x']).drain())
  } finally {
    Validation.prototype.handle = handle
  }
  assert.is(called, 0)
})

test('an asynchronous check of zod is asked once a document, and what it rejects with fails that document alone', async () => {
  const asked: string[] = []
  const known = async (user: string): Promise<boolean> => {
    asked.push(user)
    if (user === 'down') throw new Error('the database is down')
    return user !== 'unknown'
  }
  await using flow = await new Flow()
    .add({ name: 'users', uses: () => {}, input: { tags: z.object({ user: z.string().refine(known, 'no such user') }) } })
    .open()
  const docs = ['ann', 'unknown', 'down', 'bob'].map((user) => ({ tags: { user } }))
  const [response] = await flow.post('/', docs, { continueOnError: true }).toArray()
  assert.equal(
    response!.docs.map(({ tags }) => tags.user),
    ['ann', 'bob'],
  )
  assert.equal(
    response!.failures.map(({ error }) => [error.code, /no such user|the database is down/.exec(error.message)?.[0]]),
    [
      ['ERR_EXECUTOR_INPUT', 'no such user'],
      ['ERR_EXECUTOR', 'the database is down'],
    ],
  )
  assert.equal(
    asked.filter((user) => user === 'ann' || user === 'bob'),
    ['ann', 'bob'],
  )
})

test.run()
