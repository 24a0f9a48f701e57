// P17: executors are called for what changed alone.
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual, promisify } from 'node:util'
import { open } from 'lmdb'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArrayMemmap } from '../../lib/doc/index.js'
import { openAnswers } from '../../lib/doc/store/answers.js'
import {
  type AddOptions,
  type Call,
  Document,
  DocumentArray,
  delta,
  Executor,
  each,
  Flow,
  type FlowOptions,
  type PostOptions,
  type Response,
} from '../../lib/index.js'
import { codeUrl, flags } from '../support/code.js'
import { deferred } from '../support/deferred.js'
import { Folder } from '../support/folder.js'

const folder = new Folder()
let made = 0
const fresh = (): string => folder.file(`cache-${made++}`)

/** What an executor was given, and what came of it: a Flow of its own each time, as in another run. */
async function run(
  options: AddOptions<any, any, any, any> & { uses?: any },
  inputs: any,
  { on = '/', flow: more = {}, ...post }: PostOptions<any, any> & { on?: string; flow?: FlowOptions } = {},
): Promise<{ responses: Response<any>[]; docs: Document<any>[]; cached: number; told: string[] }> {
  const told: string[] = []
  await using flow = await new Flow({ onBackgroundError: (error) => void told.push(error.message), ...more }).add({ name: 'it', ...options }).open()
  const responses: Response<any>[] = []
  for await (const response of flow.post(on, inputs, { resultsInOrder: true, ...post })) responses.push(response)
  await flow.close()
  const whole = responses.filter(({ partial }) => !partial)
  const cached = whole.flatMap(({ routes }) => routes).reduce((sum, { cached = 0 }) => sum + cached, 0)
  return { responses, docs: whole.flatMap(({ docs }) => [...docs]), cached, told }
}

/** An executor that notes what it was given. */
function upper(given: string[]) {
  return ({ docs }: Call<any>): void => {
    for (const doc of docs) {
      given.push(doc.text)
      doc.tags.upper = doc.text.toUpperCase()
    }
  }
}

test('P17: a second run calls only for what changed, in the order of the inputs', async () => {
  const cache = fresh()
  const given: string[] = []
  const first = await run({ uses: upper(given), cache }, ['a', 'b', 'c', 'd'])
  assert.equal(given.splice(0), ['a', 'b', 'c', 'd'])
  assert.is(first.cached, 0)
  // Ids are others, the order is another, some are new, one is there twice.
  const second = await run({ uses: upper(given), cache }, [{ id: '1', text: 'd' }, 'new', 'a', 'other', { id: '2', text: 'd' }, 'b'])
  assert.equal(given, ['new', 'other'])
  assert.equal(
    second.docs.map(({ text, tags }) => [text, tags.upper]),
    ['d', 'new', 'a', 'other', 'd', 'b'].map((text) => [text, text.toUpperCase()]),
  )
  assert.equal([second.docs[0]!.id, second.docs[4]!.id], ['1', '2'])
  // Told apart where it was.
  const stop = second.responses[0]!.routes.find(({ executor }) => executor === 'it')!
  assert.is(stop.cached, 4)
  assert.is((stop.toJSON() as any).cached, 4)
  assert.is(first.responses[0]!.routes.at(-1)!.cached, undefined)
  assert.equal(second.told, [])
})

test('P17: endpoint, parameters of this executor, version, configuration and name decide; those of others do not', async () => {
  const cache = fresh()
  const given: string[] = []
  class It extends Executor {
    static version: string | undefined = '1'
    static requests = { '/': 'run', '/other': 'run' }
    run(call: Call<any>): void {
      upper(given)(call)
    }
  }
  const called = async (what: object, post: object = {}): Promise<number> => {
    await run({ uses: It, cache, ...what }, ['a', 'b'], post)
    return given.splice(0).length
  }
  assert.is(await called({}), 2)
  assert.is(await called({}), 0)
  assert.is(await called({}, { on: '/other' }), 2)
  assert.is(await called({}, { parameters: { top: 1 } }), 2)
  assert.is(await called({}, { parameters: { top: 1, other__top: 2 } }), 0)
  assert.is(await called({}, { parameters: { it__top: 1 } }), 0)
  assert.is(await called({}, { parameters: { it: { top: 2 } } }), 2)
  assert.is(await called({ usesWith: { model: 'small' } }), 2)
  assert.is(await called({ usesWith: { model: 'large' } }), 2)
  assert.is(await called({ usesWith: { model: 'small' } }), 0)
  assert.is(await called({ name: 'that' }), 2)
  assert.is(await called({ cache: { path: cache, version: 9 } }), 2)
  assert.is(await called({ cache: { path: cache, ids: true } }), 2)
  It.version = '2'
  assert.is(await called({}), 2)
  It.version = '1'
  assert.is(await called({}), 0)
  // Those of other executors of the Flow are not its.
  const two = async (parameters: object): Promise<number> => {
    await using flow = await new Flow()
      .add({ name: 'it', uses: It, cache })
      .add({ name: 'last', uses: () => {} })
      .open()
    await flow.post('/', ['a', 'b'], { parameters }).drain()
    return given.splice(0).length
  }
  assert.is(await two({ last: { top: 9 } }), 0)
  assert.is(await two({ last: 9 }), 2)
})

test('P17: without a version, the text of the code stands for it, that of each() too', async () => {
  const cache = fresh()
  let calls = 0
  const called = async (uses: any): Promise<number> => {
    calls = 0
    await run({ uses, cache }, ['a'])
    return calls
  }
  const one =
    (): any =>
    ({ docs }: Call): void =>
      void (docs[0]!.tags.n = ++calls)
  assert.is(await called(one()), 1)
  assert.is(await called(one()), 0)
  assert.is(await called(({ docs }: Call) => void (docs[0]!.tags.m = ++calls)), 1)
  assert.is(await called(each((doc) => void (doc.tags.n = ++calls))), 1)
  assert.is(await called(each((doc) => void (doc.tags.n = ++calls))), 0)
  assert.is(await called(each((doc) => void (doc.tags.m = ++calls))), 1)
  class Base extends Executor {
    static requests: any = { '/': each((doc) => void (doc.tags.n = ++calls)) }
  }
  const derived = (): any => class It extends Base {}
  assert.is(await called(derived()), 1)
  assert.is(await called(derived()), 0)
  Base.requests = { '/': each((doc) => void (doc.tags.o = ++calls)) }
  assert.is(await called(derived()), 1)
  // A function says it by a property, and its text may change then.
  const versioned = (fn: any): any => Object.assign(fn, { version: 7 })
  assert.is(
    await called(
      versioned(function it({ docs }: Call) {
        docs[0]!.tags.n = ++calls
      }),
    ),
    1,
  )
  assert.is(
    await called(
      versioned(function it({ docs }: Call) {
        calls++
        docs[0]!.tags.n = 1
      }),
    ),
    0,
  )
})

test('P17: code that cannot be seen must say a version', async () => {
  const cache = fresh()
  class Service {
    constructor(readonly by: string) {}
    run({ docs }: Call): void {
      for (const doc of docs) doc.tags.by = this.by
    }
    one(doc: Document): void {
      doc.tags.by = this.by
    }
  }
  const one = new Service('one')
  const two = new Service('two')
  const unseen = /^it runs, or is given, a function whose code cannot be seen, such as one of \.bind\(\).*Say a version/
  class Binds extends Executor {
    static requests: any = { '/': each(one.one.bind(one)) }
  }
  for (const options of [
    { uses: one.run.bind(one) },
    { uses: new Proxy(({ docs }: Call) => void docs, {}) },
    { uses: each(one.one.bind(one)) },
    { uses: Binds },
    { uses: class It extends Binds {} },
    { uses: class It extends Executor { static requests = { '/': 'run' }; run(): void {} }, usesWith: { ask: one.one.bind(one) } }, // biome-ignore format: one line
  ] as AddOptions[]) {
    const error: any = await run({ ...options, cache }, ['a']).then(String, (error) => error)
    assert.is(error.code, 'ERR_USES_INVALID')
    assert.match(error.message, unseen)
    // It works with one, and without a cache; that of a Flow leaves it out.
    await run({ ...options, cache: { path: cache, version: 1 } }, ['a'])
    await run(options, ['a'], { flow: { cache } })
  }
  const by = async (service: Service, version: string): Promise<unknown> =>
    (await run({ uses: Object.assign(service.run.bind(service), { version }), cache }, ['b'])).docs[0]!.tags.by
  assert.equal([await by(one, '1'), await by(two, '2'), await by(one, '1')], ['one', 'two', 'one'])
  // A worker tells it, too.
  const module = folder.file('bound.mjs', 'function run() {}\nexport const bound = run.bind(null)\n')
  for (const runtime of ['inline', 'thread'] as const)
    assert.match(await run({ uses: `${module}#bound`, runtime, cache }, ['a']).then(String, ({ message }) => message), unseen)
})

test('P17: what was aborted leaves nothing, as what it has may be half of an answer', async () => {
  for (const per of ['document', 'request'] as const)
    for (const how of ['signal', 'break'] as const) {
      const cache = { path: fresh(), per, failures: per === 'document' }
      const begun = deferred<void>()
      const ended = deferred<void>()
      let calls = 0
      const uses = Object.assign(
        async ({ docs, signal }: Call<any>): Promise<void> => {
          calls++
          if (docs[0]!.text === 'slow' && calls <= 2) {
            begun.resolve()
            await new Promise((resolve) => signal.addEventListener('abort', resolve))
            // As one that hears it, and returns what it has.
            setImmediate(ended.resolve)
            return
          }
          for (const doc of docs) doc.tags.done = true
        },
        { version: 1 },
      )
      {
        await using flow = await new Flow().add({ name: 'it', uses, cache }).open()
        const abort = new AbortController()
        try {
          for await (const _ of flow.post('/', ['quick', 'slow'], { requestSize: 1, signal: abort.signal })) {
            await begun.promise
            if (how === 'break') break
            abort.abort()
          }
        } catch (error: any) {
          assert.is(error.name, 'AbortError')
        }
        await ended.promise
      }
      const { docs, cached } = await run({ uses, cache }, ['quick', 'slow'], { requestSize: 1 })
      assert.equal([docs.map(({ tags }) => tags.done), cached, calls], [[true, true], 1, 3], `${per} ${how}`)
    }
})

test('P17: all of an answer comes back exactly', async () => {
  const cache = fresh()
  let calls = 0
  const answer = (): object => ({
    weight: 0.1,
    offset: 1e-9,
    location: [0.1, 2],
    uri: 'u',
    mimeType: 'm',
    modality: 'x',
    granularity: 3,
    adjacency: 1,
    embedding: { data: new Float32Array([1.5, -0, Number.NaN]), shape: [3, 1] },
    scores: { s: { value: 0.1, opName: 'o', description: 'd', refId: 'r' } },
    evaluations: { e: { value: Infinity } },
    tags: { map: new Map([['a', new Set([1n])]]), date: new Date(5), none: undefined, zero: -0, deep: [{ x: null }], bytes: new Uint8Array([1, 2]), '': 1 },
    chunks: [
      { id: 'c', parentId: 'p', blob: new Uint8Array([0, 255]), chunks: [{ id: 'cc', tensor: { data: new BigInt64Array([5n, -5n]), shape: [2] } }] },
      { id: 'd', tensor: { data: new Int8Array(6).fill(-1), shape: [2, 3] } },
    ],
    matches: [{ id: 'm', text: 'match', embedding: new Float64Array([0.1]) }],
  })
  const uses = ({ docs }: Call<any>): any => {
    calls++
    return docs.map(({ id, text }) => ({ ...answer(), id, text }))
  }
  const [one] = (await run({ uses, cache }, [{ id: 'p', text: 'a \ud800' }])).docs
  const [other] = (await run({ uses, cache }, [{ id: 'p', text: 'a \ud800' }])).docs
  assert.is(calls, 1)
  const plain = (doc: Document<any>): any => ({
    ...Object.fromEntries(
      [
        'id',
        'text',
        'blob',
        'tensor',
        'tags',
        'embedding',
        'weight',
        'offset',
        'location',
        'uri',
        'mimeType',
        'modality',
        'granularity',
        'adjacency',
        'scores',
        'evaluations',
        'parentId',
      ].map((field) => [field, (doc as any)[field]]),
    ),
    chunks: [...doc.chunks].map(plain),
    matches: [...doc.matches].map(plain),
  })
  assert.ok(isDeepStrictEqual(plain(other!), plain(one!)))
  assert.is(Object.is(other!.tags.zero, -0), true)
  assert.is(other!.embedding!.data.constructor, Float32Array)
  assert.is(other!.chunks[0]!.chunks[0]!.tensor!.data.constructor, BigInt64Array)
  // Under other ids: those that were given are the new ones, those that the executor made are its own.
  const [third] = (await run({ uses, cache }, [{ id: 'q', text: 'a \ud800' }])).docs
  assert.is(calls, 1)
  assert.equal([third!.id, third!.chunks[0]!.parentId, third!.chunks[0]!.id], ['q', 'q', 'c'])
  // Another lone half of a character is another text.
  await run({ uses, cache }, [{ id: 'p', text: 'a \udbff' }])
  assert.is(calls, 2)
})

test('P17: tensors and bytes of an answer have buffers of their own', async () => {
  const cache = fresh()
  const uses = ({ docs }: Call<any>): void => {
    for (const doc of docs) {
      doc.embedding = new Float32Array([1, 2])
      doc.blob = new Uint8Array([3])
      doc.tags.bytes = [new Float64Array([4]), new Map([['a', new DataView(new ArrayBuffer(2))]]), new Set([new Uint8Array([5])])]
      doc.chunks.append({ tensor: new Int8Array([6, 7, 8]) })
    }
  }
  await run({ uses, cache }, ['a'])
  const { cached, docs } = await run({ uses, cache }, ['a'])
  const [doc] = docs
  const [list, map, set] = doc!.tags.bytes
  const views: ArrayBufferView[] = [doc!.embedding!.data, doc!.blob!, list, map.get('a'), ...set, doc!.chunks[0]!.tensor!.data]
  assert.is(cached, 1)
  for (const { buffer, byteLength } of views) assert.is(buffer.byteLength, byteLength)
  assert.equal([...(list as Float64Array), ...[...set][0], ...doc!.embedding!.data], [4, 5, 1, 2])
})

test('P17: what scores are about goes by the ids of who asks, too', async () => {
  const cache = fresh()
  let calls = 0
  const uses = ({ docs }: Call<any>): void => {
    calls++
    for (const doc of docs) {
      doc.scores.made = { value: 1, refId: doc.id }
      doc.matches[0]!.evaluations = { made: { value: 2, refId: doc.id } }
    }
  }
  const asked = (id: string, refId = id): object => ({ id, text: 'a', matches: [{ text: 'b', scores: { given: { value: 0, refId } } }] })
  await run({ uses, cache }, [asked('1')])
  const { docs } = await run({ uses, cache }, [asked('2')])
  const [doc] = docs
  assert.equal([calls, doc!.scores.made!.refId, doc!.matches[0]!.evaluations.made!.refId, doc!.matches[0]!.scores.given!.refId], [1, '2', '2', '2'])
  // About another one, it is another question.
  await run({ uses, cache }, [asked('3', 'x')])
  assert.is(calls, 2)
})

test('P17: chunks that were cut anew are known by their content, and keep their new ids', async () => {
  const cache = fresh()
  let calls = 0
  const uses = ({ docs }: Call<any>): void => {
    for (const doc of docs) for (const chunk of doc.chunks) chunk.tags.n = ++calls
  }
  const cut = (): object[] => [{ text: 'ab', chunks: [{ text: 'a' }, { text: 'b' }], matches: [{ text: 'm', parentId: 'x' }] }]
  await run({ uses, cache }, cut())
  const inputs = cut().map((init) => new Document(init as any))
  const ids = inputs[0]!.chunks.map(({ id }) => id)
  const { docs } = await run({ uses, cache }, inputs)
  assert.is(calls, 2)
  assert.equal(
    docs[0]!.chunks.map(({ id, tags }) => [id, tags.n]),
    [
      [ids[0], 1],
      [ids[1], 2],
    ],
  )
  // In another order they are another content.
  await run({ uses, cache }, [{ text: 'ab', chunks: [{ text: 'b' }, { text: 'a' }], matches: [{ text: 'm', parentId: 'x' }] }])
  assert.is(calls, 4)
})

test('P17: chunks that an executor makes are others for each document of one content, and the same for one document', async () => {
  const cache = fresh()
  let calls = 0
  const uuid = '0190c0de-0000-7000-8000-00000000000a'
  const uses = ({ docs }: Call<any>): void => {
    calls++
    for (const doc of docs) {
      const cut = new Document({ text: 'cut', parentId: doc.id, chunks: [{ text: 'deeper' }] })
      cut.chunks[0]!.parentId = cut.id
      doc.chunks = [cut, { id: uuid }, { id: `${doc.id}-0` }, { id: 'title' }, { id: `${doc.id}0` }, { id: '0190c0de-0000-5000-8000-00000000000a' }]
      doc.scores.best = { value: 1, refId: cut.id }
      doc.matches = [{ id: 'a'.repeat(32), chunks: [{ id: 'b'.repeat(32) }] }]
    }
  }
  const asked = async (...ids: string[]): Promise<Document[]> =>
    (
      await run(
        { uses, cache },
        ids.map((id) => ({ id, text: 'same' })),
      )
    ).docs
  const idsOf = ({ chunks }: Document): string[] => [...chunks].flatMap((chunk) => [chunk.id, ...[...chunk.chunks].map(({ id }) => id)])
  const [first] = await asked('1')
  const all = await asked('1', '2', '3')
  const again = await asked('3', '2')
  assert.is(calls, 1)
  // Who asks again gets what it got: an index finds it again.
  assert.equal(idsOf(all[0]!), idsOf(first!))
  assert.equal(again.map(idsOf), [idsOf(all[2]!), idsOf(all[1]!)])
  // Drawn ones differ.
  const drawn = all.flatMap((doc) => idsOf(doc).slice(0, 3))
  assert.is(new Set(drawn).size, 9)
  for (const [at, id] of drawn.entries()) assert.match(id, at % 3 === 2 ? /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/ : /^[\da-f]{32}$/)
  // What is said of them goes along, and what they are called is called so by the executor.
  const [, second] = all
  assert.equal([second!.chunks[0]!.parentId, second!.chunks[0]!.chunks[0]!.parentId, second!.scores.best!.refId], ['2', drawn[3], drawn[3]])
  assert.equal(idsOf(second!).slice(3), ['2-0', 'title', '10', '0190c0de-0000-5000-8000-00000000000a'])
  // Matches were found, and not made.
  assert.equal([second!.matches[0]!.id, second!.matches[0]!.chunks[0]!.id], ['a'.repeat(32), 'b'.repeat(32)])
})

test('P17: tags count by their values, whatever their order, and content of each type by itself', async () => {
  const cache = fresh()
  const given: number[] = []
  const uses = ({ docs }: Call): void => void given.push(docs.length)
  const called = async (...docs: any[]): Promise<number> => {
    await run({ uses, cache }, docs)
    return given.splice(0).reduce((sum, length) => sum + length, 0)
  }
  assert.is(await called({ tags: { a: 1, b: { c: 1, d: 2 } } }), 1)
  assert.is(await called({ tags: { b: { d: 2, c: 1 }, a: 1 } }), 0)
  assert.is(await called({ tags: { a: 1, b: { c: 1 }, d: 2 } }), 1)
  const contents = [
    '\u0001',
    new Uint8Array([1]),
    { tensor: new Int8Array([1]) },
    { tensor: { data: new Int8Array([1]), shape: [1, 1] } },
    { embedding: new Uint8Array([1]) },
  ]
  assert.is(await called(...contents), 5)
  assert.is(await called(...contents), 0)
  assert.is(await called({ text: '', weight: 0 }, { text: '' }, { weight: 0, tags: {} }), 3)
  assert.is(await called({ parentId: 'x', text: '' }), 1)
  assert.is(await called({ parentId: 'y', text: '', chunks: [], scores: {} }), 0)
})

test('P17: documents from a store, and from a client, are known like any others', async () => {
  const cache = fresh()
  const given: string[] = []
  await using array = new DocumentArrayMemmap(fresh())
  await array.extend(['a', 'b'])
  await run({ uses: upper(given), cache }, array)
  assert.is((await run({ uses: upper(given), cache }, ['b', 'a'])).cached, 2)
  assert.equal(given, ['a', 'b'])
})

test('P17: an executor that adds, drops or reorders is refused by document, and known by request', async () => {
  const wrong: [string, (docs: DocumentArray<any>) => any, RegExp][] = [
    ['adds', (docs) => [...docs, { text: 'more' }], /answered a request of 3 documents with 4 at \//],
    ['drops', (docs) => docs.slice(1), /answered a request of 3 documents with 2/],
    ['reorders', (docs) => [...docs].reverse(), /answered a request in another order/],
    ['answers with an object', (docs) => ({ n: docs.length }), /answered a request with a plain object/],
  ]
  for (const [name, answer, message] of wrong) {
    const path = fresh()
    let calls = 0
    const uses = ({ docs }: Call): any => {
      calls++
      return answer(docs as any)
    }
    const docs = ['a', 'b', 'c'].map((id) => ({ id, text: id }))
    const error = await run({ uses, cache: path }, docs).then(String, (error) => error)
    assert.is(error.code, 'ERR_EXECUTOR_RESULT', name)
    assert.match(error.message, message)
    assert.match(error.message, "cache: { per: 'request' }")
    const cache = { path, per: 'request' } as const
    const first = await run({ uses, cache }, docs)
    const second = await run({ uses, cache }, docs)
    assert.is(calls, 2, name)
    assert.equal(
      second.docs.map(({ text, id }) => [text, id]),
      first.docs.map(({ text, id }) => [text, id]),
      name,
    )
    assert.equal(second.responses[0]!.parameters, first.responses[0]!.parameters, name)
    assert.is(second.cached, 3)
    // All of the request, in its order.
    await run({ uses, cache }, docs.slice(1))
    await run({ uses, cache }, [...docs].reverse())
    assert.is(calls, 4, name)
  }
})

test('P17: an answer with a new id for a document is the answer to it', async () => {
  const cache = fresh()
  let calls = 0
  const uses = ({ docs }: Call): void => {
    for (const doc of docs) doc.id = `hash-${doc.text}-${++calls}`
  }
  await run({ uses, cache }, ['a', 'b'])
  assert.equal(
    (await run({ uses, cache }, ['b', 'a'])).docs.map(({ id }) => id),
    ['hash-b-2', 'hash-a-1'],
  )
})

test('P17: what failed is tried again, unless it is asked for; the others are known', async () => {
  for (const failures of [false, true]) {
    const cache = { path: fresh(), failures }
    const given: string[] = []
    const uses = (call: Call<any>): void => {
      upper(given)(call)
      for (const doc of call.docs) if (doc.text === 'bad') call.fail(doc, new Error('no good'), 3)
    }
    const inputs = ['a', 'bad', 'b', 'bad']
    const first = await run({ uses, cache }, inputs, { continueOnError: true })
    const second = await run({ uses, cache }, inputs, { continueOnError: true })
    assert.equal(given.slice(4), failures ? [] : ['bad', 'bad'])
    for (const { responses, docs } of [first, second]) {
      assert.equal(
        docs.map(({ text }) => text),
        ['a', 'b'],
      )
      const [one, two] = responses[0]!.failures
      assert.is(responses[0]!.failures.length, 2)
      assert.match(one!.error.message, `it failed at / for document ${one!.doc.id} of request ${responses[0]!.requestId}: no good`)
      assert.equal([one!.executor, one!.attempts, one!.error.code, one!.doc.text], ['it', 3, 'ERR_EXECUTOR', 'bad'])
      assert.is.not(one!.doc.id, two!.doc.id)
    }
  }
  // A whole request that failed has left nothing.
  const cache = fresh()
  let down = true
  const uses = (): void => {
    if (down) throw new Error('down')
  }
  assert.match(await run({ uses, cache }, ['a']).then(String, String), 'down')
  down = false
  assert.is((await run({ uses, cache }, ['a'])).cached, 0)
  assert.is((await run({ uses, cache }, ['a'])).cached, 1)
})

test('P17: an executor that streams is called each time, and told so, unless its answers are to be kept whole', async () => {
  let calls = 0
  async function* uses({ docs }: Call): any {
    calls++
    for (const doc of docs) {
      yield delta(doc, { text: '!' })
      yield delta(doc, { text: '?' })
    }
  }
  const cache = fresh()
  const first = await run({ uses, cache }, ['a'])
  const second = await run({ uses, cache }, ['a'])
  assert.equal([calls, second.cached, second.responses.length], [2, 0, 3])
  assert.equal(first.told, ['The cache of it does less than it could: it answers in parts, which are not kept: cache: { streams: true } keeps them, whole'])
  const asked = { path: cache, streams: true }
  await run({ uses, cache: asked }, ['a'])
  const whole = await run({ uses, cache: asked }, ['a', 'b'])
  assert.equal([calls, whole.cached, whole.docs.map(({ text }) => text)], [4, 1, ['a!?', 'b!?']])
  // Parts are of those alone that are made now.
  assert.equal(
    whole.responses.filter(({ partial }) => partial).flatMap(({ docs }) => docs.map(({ text }) => text)),
    ['b!', 'b!?'],
  )
})

test('P17: what cannot be kept as it is, is made each time, and it is said once', async () => {
  class Odd {
    n = 1
  }
  const cache = fresh()
  const uses = ({ docs }: Call<any>): void => {
    for (const doc of docs) doc.tags[doc.text] = doc.text === 'odd' ? new Odd() : doc.text === 'fn' ? () => {} : 1
  }
  const first = await run({ uses, cache }, ['odd', 'fn', 'even'])
  assert.is(first.told.length, 1)
  assert.match(first.told[0]!, 'The cache of it does less than it could: it makes what cannot be kept as it is, such as instances of classes')
  const second = await run({ uses, cache }, ['odd', 'fn', 'even'])
  assert.is(second.cached, 1)
  assert.instance(second.docs[0]!.tags.odd, Odd)
  // Nor is what nobody can compare known again: documents, and parameters.
  const asked = { text: 'x', tags: { odd: new Odd() } }
  for (let i = 0; i < 2; i++) assert.is((await run({ uses, cache }, [asked])).cached, 0)
  const cycle: any = {}
  cycle.cycle = cycle
  for (let i = 0; i < 2; i++) assert.is((await run({ uses, cache }, [{ text: 'x', tags: { cycle } }])).cached, 0)
  // An answer that contains itself is none to keep, and is given.
  const round = ({ docs }: Call<any>): void => {
    for (const doc of docs) doc.tags.self = doc.tags
  }
  for (let i = 0; i < 2; i++) assert.equal((await run({ uses: round, cache }, ['x'])).docs.length, 1)
  // What throws when it is looked at is for the executor.
  const shy = (): Document => new Document({ text: 'x', tags: { get shy() { return { get it() { throw new Error('away') } } } } as any }) // biome-ignore format: one line
  assert.is((await run({ uses: () => {}, cache }, [shy()])).cached, 0)
  const parameters = { with: () => {} }
  for (let i = 0; i < 2; i++) assert.is((await run({ uses, cache }, ['even'], { parameters })).cached, 0)
})

test('P17: at a join, the documents of all branches decide; by document, they are not taken apart', async () => {
  const joined = async (cache: AddOptions['cache'], texts: string[], suffix: string): Promise<{ calls: number; matrix: unknown; texts: string[] }> => {
    let calls = 0
    let matrix: unknown
    await using flow = await new Flow()
      .add({ name: 'a', uses: ({ docs }: Call<any>) => docs.forEach((doc) => void (doc.tags.branch = 'a')) })
      .add({ name: 'b', needs: 'gateway', uses: ({ docs }: Call<any>) => docs.forEach((doc) => void (doc.tags.branch = suffix)) })
      .add({
        name: 'it',
        needs: ['a', 'b'],
        cache,
        uses: function it({ docs, docsMatrix }: Call<any>) {
          calls += docs.length
          matrix = docsMatrix?.map(({ length }) => length)
          for (const doc of docs) doc.text += doc.tags.branch
        } as any,
      })
      .open()
    const docs = await flow.post('/', texts).docs()
    return { calls, matrix, texts: docs.map(({ text }) => text) }
  }
  const cache = fresh()
  assert.equal(await joined(cache, ['x', 'y'], 'b'), { calls: 4, matrix: [2, 2], texts: ['xa', 'ya', 'xb', 'yb'] })
  assert.equal(await joined(cache, ['x', 'y'], 'b'), { calls: 0, matrix: undefined, texts: ['xa', 'ya', 'xb', 'yb'] })
  assert.is((await joined(cache, ['x', 'y'], 'c')).calls, 4)
  assert.is((await joined(cache, ['x'], 'b')).calls, 2)
  const apart = { path: fresh(), per: 'document' } as const
  assert.equal(await joined(apart, ['x', 'y'], 'b'), { calls: 4, matrix: undefined, texts: ['xa', 'ya', 'xb', 'yb'] })
  assert.equal(await joined(apart, ['x', 'z'], 'c'), { calls: 3, matrix: undefined, texts: ['xa', 'za', 'xc', 'zc'] })
})

test('P17: before dynamicBatching, replicas and retries: what is missing is batched, and tried again', async () => {
  const cache = fresh()
  const sizes: number[] = []
  let failed = 0
  const uses = ({ docs }: Call<any>): void => {
    sizes.push(docs.length)
    if (failed++ === 0) throw new Error('once')
    for (const doc of docs) doc.tags.seen = true
  }
  const options = { uses, cache, dynamicBatching: { preferredBatchSize: 4, timeout: 50 }, parallel: 2, retries: { attempts: 1, delay: 1 } }
  await run(options, ['a', 'b', 'c', 'd'], { requestSize: 2 })
  assert.equal(sizes.splice(0), [4, 4])
  const second = await run(options, ['a', 'x', 'b', 'y', 'z', 'c', 'd', 'w'], { requestSize: 2 })
  assert.equal(sizes, [4])
  assert.is(second.cached, 4)
  assert.ok(second.docs.every(({ tags }) => tags.seen))
})

test('P17: a document that one replica answered and another failed at is told as without a cache, beside what is known', async () => {
  const cache = fresh()
  let made = 0
  class Picky extends Executor {
    static requests = { '/': 'run' }
    readonly strict = made++ % 2 === 1
    run(call: Call<any>): void {
      for (const doc of call.docs)
        if (doc.text !== 'bad') doc.tags.seen = true
        else if (this.strict) call.fail(doc, new Error('no good'))
    }
  }
  const options = { uses: Picky, cache, parallel: 2, polling: 'ALL' } as const
  for (const cached of [0, 1]) {
    const { responses, docs, ...rest } = await run(options, ['good', 'bad'], { continueOnError: true })
    assert.is(rest.cached, cached)
    assert.equal(
      docs.map(({ text }) => text),
      ['good', 'bad'],
    )
    assert.equal(
      responses[0]!.failures.map(({ doc }) => doc.text),
      ['bad'],
    )
  }
})

test('P17: what its own file says of an executor decides, wherever it runs; so do functions that it is given', async () => {
  const module = folder.file(
    'told.mjs',
    `import { Executor } from ${JSON.stringify(codeUrl('lib/index'))}
    export class Told extends Executor {
      static version = 1
      static requests = { '/': 'run' }
      run({ docs }) { for (const doc of docs) doc.tags.model = this.config.model }
    }`,
  )
  const file = folder.file('told.yml', '')
  for (const runtime of ['inline', 'thread', 'process'] as const) {
    const cache = fresh()
    for (const model of ['small', 'large']) {
      writeFileSync(file, `jtype: Told\nwith: { model: ${model} }\nmetas: { py_modules: ${JSON.stringify(module)} }\n`)
      assert.equal([(await run({ uses: file, runtime, cache }, ['a'])).docs[0]!.tags.model, runtime], [model, runtime])
    }
    assert.is((await run({ uses: file, runtime, cache }, ['a'])).cached, 1)
  }
  const cache = fresh()
  const calls = async (by: unknown): Promise<number> => (await run({ uses: `${module}#Told`, usesWith: { model: 'small', by }, cache }, ['a'])).cached
  assert.equal([await calls(() => 1), await calls(() => 1), await calls(() => 2)], [0, 1, 0])
})

test('P17: parameters under the names of others count for an executor elsewhere: it is sent them, and may be a Flow', async () => {
  const cache = fresh()
  await using far = await new Flow({ protocol: 'grpc', port: 0 })
    .add({
      name: 'last',
      uses: ({ docs, parameters }: Call<any, any>) => {
        for (const doc of docs) doc.tags.top = parameters.top
      },
    })
    .open({ serve: {} })
  const top = async (top: number): Promise<unknown> => {
    await using flow = await new Flow()
      .add({ name: 'it', external: true, host: far.addresses.grpc!, cache })
      .add({ name: 'last', uses: () => {} })
      .open()
    return (await flow.post<any>('/', ['a'], { parameters: { last: { top } } }).docs())[0]!.tags.top
  }
  assert.equal([await top(1), await top(2)], [1, 2])
})

test('P17: a Flow’s cache holds for executors that say their version, or have cache: true', async () => {
  const cache = fresh()
  const given: Record<string, number> = {}
  const counting =
    (name: string): any =>
    ({ docs }: Call) => {
      given[name] = (given[name] ?? 0) + docs.length
    }
  const said = Object.assign(counting('said'), { version: '1' })
  const works = async (): Promise<void> => {
    await using flow = await new Flow({ cache })
      .add({ name: 'silent', uses: counting('silent') })
      .add({ name: 'said', uses: said })
      .add({ name: 'asked', uses: counting('asked'), cache: true })
      .add({ name: 'own', uses: counting('own'), cache: { version: 'x' } })
      .add({ name: 'refuses', uses: Object.assign(counting('refuses'), { version: '1' }), cache: false })
      .add({ name: 'floats', uses: Object.assign(counting('floats'), { version: '1' }), floating: true })
      .add({ name: 'nothing' })
      .open()
    await flow.post('/', ['a']).drain()
  }
  await works()
  await works()
  assert.equal(given, { silent: 2, said: 1, asked: 1, own: 1, refuses: 2, floats: 2 })
  const refused = (build: () => Flow<any>): Promise<any> =>
    build()
      .open()
      .then(String, (error) => error)
  for (const [build, message] of [
    [() => new Flow().add({ uses: said, cache: true }), /path in cache of executor0 must be a folder/],
    [() => new Flow().add({ uses: said, cache: '' }), /path in cache of executor0 must be a folder/],
    [() => new Flow().add({ uses: said, cache, floating: true }), /executor0 is floating/],
    [() => new Flow().add({ cache }), /executor0 has no uses/],
    [() => new Flow().add({ uses: said, cache: { path: cache, maxAge: 0 } }), /maxAge must be a number of milliseconds ≥ 1, or Infinity/],
    [() => new Flow().add({ uses: said, cache: { path: cache, maxSize: '5 GB' } }), /maxSize must be bytes, or '512m'/],
    [() => new Flow().add({ uses: said, cache: { path: cache, per: 'batch' as any } }), /per must be one of document, request/],
    [
      () => new Flow().add({ uses: said, cache: { path: cache, ttl: 5 } as any }),
      /cache of executor0 has no option "ttl"\. There are path, maxAge, maxSize, version/,
    ],
    [
      () => new Flow({ cache: { path: cache, per: 'request' } as any }).add({ uses: said }),
      /cache of the Flow has no option "per"\. There are path, maxAge, maxSize$/,
    ],
  ] as const)
    assert.match(String((await refused(build as any)).message ?? (await refused(build as any))), message)
  assert.match(String(await refused(() => new Flow().add({ uses: said, cache: 5 as any }))), /cache of executor0 must be an object/)
  assert.match(String(await refused(() => new Flow({ cache: 5 as any }).add({ uses: said }))), /cache of the Flow must be an object/)
  assert.match(String(await refused(() => new Flow({ cache: true as any }).add({ uses: said }))), /cache of the Flow must be an object/)
  class Named extends Executor {
    static requests = { '/index': 'run' }
    run(): void {}
  }
  assert.match(
    String(await refused(() => new Flow().add({ uses: Named, cache: { path: cache, endpoints: '/indx' } }))),
    /cache of executor0 names \/indx.*Did you mean \/index/,
  )
})

test('P17: endpoints that are named alone, and requests without documents, which are for the executor', async () => {
  const cache = { path: fresh(), endpoints: ['/a'] }
  let calls = 0
  const uses = ({ docs }: Call): any => {
    calls++
    return docs.length === 0 ? { calls } : undefined
  }
  for (const on of ['/a', '/b', '/a', '/b']) await run({ uses, cache }, ['x'], { on })
  assert.is(calls, 3)
  for (let i = 0; i < 2; i++) await run({ uses, cache }, undefined, { on: '/a' })
  assert.is(calls, 5)
})

test('P17: bounded by size, those go that were used longest ago; a run that pushes out its own is told', async () => {
  const path = fresh()
  const given: string[] = []
  const big = (text: string): string => text.padEnd(10_000, '.')
  const called = async (maxSize: number | string, ...texts: string[]): Promise<string[]> => {
    const { told } = await run({ uses: upper(given), cache: { path, maxSize } }, texts.map(big), { requestSize: 1 })
    for (const message of told) assert.match(message, 'maxSize')
    return [...given.splice(0).map((text) => text[0]!), ...told.map(() => 'told')]
  }
  // About 20 kB each, with what the executor adds.
  for (const text of ['a', 'b', 'c']) assert.equal(await called(90_000, text), [text])
  assert.equal(await called(90_000, 'a', 'b', 'c'), [])
  assert.equal(await called(90_000, 'd', 'e'), ['d', 'e'])
  assert.equal(await called(90_000, 'd', 'e', 'c'), [])
  assert.equal(await called(90_000, 'a'), ['a'])
  assert.equal(await called(90_000, 'f', 'g', 'h', 'i', 'j', 'k'), ['f', 'g', 'h', 'i', 'j', 'k', 'told'])
  // One answer that is larger than all may be.
  assert.equal(await called('1k', 'z'), ['z', 'told'])
})

test('P17: an answer of 2 GiB is made each time, and it is said once; others of its request are kept', async () => {
  const cache = { path: fresh(), maxSize: Infinity }
  const called: string[] = []
  const uses = ({ docs }: Call): void => {
    for (const doc of docs) {
      called.push(doc.text)
      // Nobody writes to this memory, so there is none.
      if (doc.text === 'huge') doc.blob = new Uint8Array(2 ** 31 - 2 ** 20)
    }
  }
  const { told } = await run({ uses, cache }, ['huge', 'small'])
  assert.is(told.length, 1)
  assert.match(told[0]!, 'more in one answer than maxSize, or 2 GiB: it is called for it each time')
  const { cached } = await run({ uses, cache }, ['huge', 'small'])
  assert.equal([cached, called], [1, ['huge', 'small', 'huge']])
})

test('P17: bounded by age: an answer is made anew, and one that is in use stays behind one that is not', async () => {
  const path = fresh()
  const given: string[] = []
  const called = async (maxAge: number, ...texts: string[]): Promise<string[]> => {
    await run({ uses: upper(given), cache: { path, maxAge } }, texts)
    return given.splice(0)
  }
  const back = 2 * 86_400_000
  await called(back / 2, 'a', 'b')
  assert.equal(await called(back / 2, 'a'), [])
  // By the clock of the file, made two days ago.
  await shifted(path, back)
  assert.equal(await called(back / 2, 'a'), ['a'])
  assert.equal(await called(back / 2, 'a'), [])
  // Those that nobody could use any more went with that.
  const { root, answers } = await raw(path)
  assert.is(answers.getCount(), 1)
  await root.close()
  await shifted(path, back)
  await called(Infinity, 'a')
  await called(Infinity, 'c')
  const after = await raw(path)
  // That it was used was noted; when it was made stays.
  for (const { value } of after.answers.getRange()) assert.ok(Date.now() - value.readUIntBE(6, 6) < 60_000)
  assert.is([...after.answers.getRange()].filter(({ value }) => Date.now() - value.readUIntBE(0, 6) > back - 60_000).length, 1)
  assert.is(after.order.getCount(), 2)
  await after.root.close()
})

test('P17: in one folder, who keeps answers for a moment drops none of who keeps them for longer', async () => {
  const path = fresh()
  const given: string[] = []
  const uses = Object.assign(({ docs }: Call<any>) => void given.push(...docs.map(({ text }) => text)), { version: 1 })
  const called = async (name: string, maxAge: number, ...texts: string[]): Promise<string[]> => {
    await run({ name, uses, cache: { path, maxAge } }, texts)
    return given.splice(0)
  }
  await called('long', Infinity, 'a', 'b')
  await shifted(path, 1000)
  assert.equal(await called('short', 10, 'c'), ['c'])
  assert.equal(await called('long', Infinity, 'a', 'b'), [])
  await shifted(path, 1000)
  assert.equal(await called('short', 10, 'c'), ['c'])
})

test('P17: what was made by a clock that went before this one is made anew, and makes way', async () => {
  const path = fresh()
  const given: string[] = []
  const called = async (...texts: string[]): Promise<string[]> => {
    await run({ uses: upper(given), cache: { path, maxAge: 3_600_000, maxSize: 60_000 } }, texts, { requestSize: 1 })
    return given.splice(0).map((text) => text[0]!)
  }
  const big = (text: string): string => text.padEnd(10_000, '.')
  await called(big('a'), big('b'))
  // A few minutes are no reason.
  await shifted(path, -600_000)
  assert.equal(await called(big('a')), [])
  await shifted(path, -10 * 86_400_000)
  assert.equal(await called(big('a')), ['a'])
  assert.equal(await called(big('c')), ['c'])
  assert.equal(await called(big('a'), big('c')), [])
})

async function raw(path: string): Promise<{ root: any; answers: any; order: any }> {
  const root: any = open({ path: `${path}/answers.mdb`, noSubdir: true, encoding: 'binary', maxDbs: 8 } as any)
  return {
    root,
    answers: root.openDB({ name: 'answers', encoding: 'binary', keyEncoding: 'binary' }),
    order: root.openDB({ name: 'order', encoding: 'binary', keyEncoding: 'binary' }),
  }
}

/** All is as if it had been written so many milliseconds before. */
async function shifted(path: string, back: number): Promise<void> {
  const { root, answers, order } = await raw(path)
  const entries = [...answers.getRange()].map(({ key, value }: any) => [Buffer.from(key), Buffer.from(value)] as const)
  root.transactionSync(() => {
    for (const [key, value] of entries) {
      const name = Buffer.alloc(38)
      name.writeUIntBE(value.readUIntBE(6, 6), 0, 6)
      name.set(key, 6)
      order.removeSync(name)
      for (const at of [0, 6]) value.writeUIntBE(value.readUIntBE(at, 6) - back, at, 6)
      name.writeUIntBE(value.readUIntBE(6, 6), 0, 6)
      answers.putSync(key, value)
      order.putSync(name, Buffer.alloc(0))
    }
  })
  await root.close()
}

test('P17: a broken store, one of another version, and a folder of somebody else are named as the Flow opens, and left as they are', async () => {
  const uses = (): void => {}
  const failure = (cache: string): Promise<any> => run({ uses, cache }, ['a']).then(String, (error) => error)
  const broken = folder.file(`cache-${made++}/answers.mdb`, Buffer.alloc(100_000, 7))
  const path = broken.slice(0, -'/answers.mdb'.length)
  const error = await failure(path)
  assert.is(error.code, 'ERR_EXECUTOR_OPEN')
  assert.is(error.cause.code, 'ERR_STORE_FORMAT')
  assert.match(error.message, /it did not open: .*what is there is broken, or no store of answers/)
  const later = fresh()
  await run({ uses, cache: later }, ['a'])
  const { root } = await raw(later)
  await root.put('sluice.answers', Buffer.from(JSON.stringify({ format: 9, bytes: 0, count: 0 })))
  await root.close()
  assert.match((await failure(later)).message, /another version of sluice: format 9, where this one reads 1. Remove it to begin anew/)
  const foreign = fresh()
  mkdirSync(foreign)
  writeFileSync(`${foreign}/notes.txt`, 'mine')
  assert.match((await failure(foreign)).message, /no store of answers, and there are other files in it \("notes.txt"\)/)
  assert.equal(readdirSync(foreign), ['notes.txt'])
  const documents = fresh()
  {
    await using array = new DocumentArrayMemmap(documents)
    await array.append('a')
  }
  assert.match((await failure(documents)).message, /no store of answers/)
  assert.match(await new DocumentArrayMemmap(later).open().then(String, String), /no store of documents/)
  assert.match((await failure(folder.file('a-file', 'x'))).message, /no folder can be made there/)
})

test('P17: where nothing can be written or read any more, a run goes on without, and says so once', async () => {
  const path = fresh()
  const given: string[] = []
  await run({ uses: upper(given), cache: path }, ['a'])
  // An entry that was broken is an answer that is not there.
  const { root, answers } = await raw(path)
  for (const { key, value } of [...answers.getRange()]) await answers.put(Buffer.from(key), Buffer.concat([value.subarray(0, 12), Buffer.from('broken')]))
  await root.close()
  const read = await run({ uses: upper(given), cache: path }, ['a'])
  assert.equal([given.length, read.cached, read.told.length], [2, 0, 1])
  assert.match(read.told[0]!, path)
  assert.is((await run({ uses: upper(given), cache: path }, ['a'])).cached, 1)
  // As it is when the disk is full: a transaction fails, and what it had to write is not there.
  const told: string[] = []
  await using flow = await new Flow({ onBackgroundError: (error) => void told.push(error.message) }).add({ name: 'it', uses: upper(given), cache: path }).open()
  const store = ((globalThis as any)[Symbol.for('sluice.answers')] as Map<string, any>).get(realpathSync(path))
  const { transaction } = store.file
  store.file.transaction = () => {
    throw Object.assign(new Error('No space left on device'), { code: 'ENOSPC' })
  }
  for (const text of ['x', 'y', 'x']) assert.is((await flow.post('/', [text]).docs())[0]!.tags.upper, text.toUpperCase())
  await new Promise((resolve) => setImmediate(resolve))
  await flow.post('/', ['a']).drain()
  await flow.post('/', ['z']).drain()
  assert.is(told.length, 1)
  assert.match(told[0]!, 'the disk is full')
  store.file.transaction = transaction
  await flow.post('/', ['x']).drain()
  await new Promise((resolve) => setImmediate(resolve))
  given.length = 0
  await flow.post('/', ['x']).drain()
  assert.equal(given, [])
})

test('P17: a store that another process has just begun, or that one that was killed had begun, is opened', async () => {
  for (const names of [[], ['answers'], ['answers', 'order']]) {
    const path = fresh()
    mkdirSync(path)
    const root = open<Buffer, string>({ path: `${path}/answers.mdb`, noSubdir: true, encoding: 'binary', maxDbs: 8 } as any)
    for (const name of names) root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' } as any)
    await root.close()
    const given: string[] = []
    for (let i = 0; i < 2; i++) await run({ uses: upper(given), cache: path }, ['a'])
    assert.equal(given, ['a'])
  }
})

test('P17: two processes, and two Flows of one process, share one store', async () => {
  const path = fresh()
  const program = `import { Flow } from ${JSON.stringify(codeUrl('lib/index'))}
    const given = []
    const uses = Object.assign(({ docs }) => { for (const doc of docs) { given.push(doc.text); doc.tags.n = doc.text.length } }, { version: '1' })
    const flow = await new Flow().add({ name: 'it', uses, cache: ${JSON.stringify(path)} }).open()
    const texts = Array.from({ length: 400 }, (_, i) => 'text ' + (Number(process.argv[1] ?? 0) + i))
    await flow.post('/', texts, { requestSize: 10 }).drain()
    await flow.close()
    console.log(given.length)`
  const at = async (from: number): Promise<number> =>
    Number((await promisify(execFile)(process.execPath, [...flags, '--input-type=module', '--eval', program, String(from)])).stdout)
  await Promise.all([at(0), at(200)])
  assert.is(await at(100), 0)
  const given: string[] = []
  const uses = upper(given)
  const shared = fresh()
  await using one = await new Flow().add({ name: 'it', uses, cache: shared }).open()
  await using two = await new Flow().add({ name: 'it', uses, cache: shared }).open()
  await one.post('/', ['a']).drain()
  await one.close()
  await two.post('/', ['a', 'b']).drain()
  assert.equal(given, ['a', 'b'])
})

test('P17: in threads and processes, the cache is on this side, and the version is said there', async () => {
  const path = fresh()
  const file = folder.file('executors.mjs', '')
  const write = (version: string, body = ''): void =>
    writeFileSync(
      file,
      `import { Executor } from ${JSON.stringify(codeUrl('lib/index'))}
      export class Count extends Executor {
        static requests = { '/': 'run' }
        ${version}
        run({ docs }) { ${body}; for (const doc of docs) doc.tags.pid = process.pid }
      }`,
    )
  for (const version of ["static version = '1'", '']) {
    write(version)
    const options = { uses: `${file}#Count`, runtime: 'process', cache: path } as const
    const first = await run(options, ['a'])
    assert.is.not(first.docs[0]!.tags.pid, process.pid)
    const second = await run(options, ['a', 'b'])
    assert.is(second.cached, 1)
    assert.is(second.docs[0]!.tags.pid, first.docs[0]!.tags.pid)
    write(version === '' ? '' : "static version = '2'", 'void 1')
    assert.is((await run(options, ['a'])).cached, 0)
  }
})

test('P17: who asks is a part of what is asked', async () => {
  const path = fresh()
  let calls = 0
  const uses = ({ docs, identity }: Call<any>): void => {
    calls++
    for (const doc of docs) doc.tags.who = identity
  }
  const { Request, Header } = await import('../../lib/request/request.js')
  const { Scope } = await import('../../lib/stream/scope.js')
  await using flow = await new Flow().add({ name: 'it', uses, cache: path }).open()
  const asks = async (identity: any): Promise<unknown> => {
    const request = new Request(new Header('/', {}), DocumentArray.from(['a']), new Scope())
    request.identity = identity
    await flow.handle(request)
    // What was given in one turn is written in the next.
    await new Promise((resolve) => setImmediate(resolve))
    return request.docs[0]!.tags.who
  }
  assert.equal(
    [await asks('ann'), await asks('bob'), await asks('ann'), await asks({ name: 'ann' }), await asks(undefined)],
    ['ann', 'bob', 'ann', { name: 'ann' }, undefined],
  )
  assert.is(calls, 4)
})

test('P17: many requests at once, and a kill between: what was given is whole, or not there', async () => {
  const path = fresh()
  const answers = await openAnswers(path, { maxSize: Infinity, maxAge: Infinity })
  const known = (text: string) => answers.known('x', [[new Document({ id: text, text })]], false)!
  for (let i = 0; i < 1000; i++) assert.ok(answers.write(known(`${i}`), { docs: [new Document({ id: `${i}`, text: `answer ${i}` })] }))
  await answers.close()
  await answers.close()
  const again = await openAnswers(path, { maxSize: Infinity, maxAge: Infinity })
  for (let i = 0; i < 1000; i++) assert.is(again.read(again.known('x', [[new Document({ id: `${i}`, text: `${i}` })]], false)!)!.docs[0]!.text, `answer ${i}`)
  await again.close()
  const program = `import { openAnswers } from ${JSON.stringify(codeUrl('lib/doc/store/answers'))}
    import { Document } from ${JSON.stringify(codeUrl('lib/index'))}
    const answers = await openAnswers(${JSON.stringify(path)}, { maxSize: 1e9, maxAge: Infinity })
    for (let i = 0; i < 200; i++) answers.write(answers.known('y', [[new Document({ id: 'k', text: String(i) })]], false), { docs: [new Document({ text: 'killed ' + i })] })
    setImmediate(() => process.kill(process.pid, 'SIGKILL'))`
  assert.throws(() => execFileSync(process.execPath, [...flags, '--input-type=module', '--eval', program], { stdio: 'ignore' }))
  const third = await openAnswers(path, { maxSize: Infinity, maxAge: Infinity })
  for (let i = 0; i < 200; i++)
    assert.ok([`killed ${i}`, undefined].includes(third.read(third.known('y', [[new Document({ id: 'k', text: String(i) })]], false)!)?.docs[0]?.text))
  await third.close()
  assert.ok(readFileSync(`${path}/answers.mdb`).length > 0)
})

test.run()
