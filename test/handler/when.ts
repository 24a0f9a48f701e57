// Conditions: which documents an executor gets, and what becomes of the others.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AddOptions, type Call, Document, DocumentArray, type DocumentInit, Flow, FlowBuildError, type Query } from '../../lib/index.js'
import { turn as oneTurn } from '../support/turn.js'
import { within } from '../support/within.js'

/** Turns of the event loop, more than one: what was under way for long steps aside for a turn. */
const turn = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await oneTurn()
}

const failure = (promise: Promise<unknown>): Promise<any> =>
  within(
    2000,
    promise.then(
      () => assert.unreachable('It was to fail'),
      (error) => error,
    ),
  )

const mark =
  (name: string) =>
  ({ docs }: Call): void => {
    for (const doc of docs) doc.text += name
  }

/** Documents with a number each, and a text to see where they have been. */
const numbered = (count: number): DocumentInit[] => Array.from({ length: count }, (_, n) => ({ id: `${n}`, text: '', tags: { n } }))
const even = { tags__even: { $eq: true } }
const halves = (count: number): DocumentInit[] => numbered(count).map((init, n) => ({ ...init, tags: { n, even: n % 2 === 0 } }))
const ids = (docs: Iterable<Document>): string => [...docs].map(({ id }) => id).join()

// ── the query language ───────────────────────────────────────────────────────────────────────────────────

const full = new Document({
  id: 'full',
  text: 'a text',
  uri: 'file:x',
  mimeType: 'text/plain',
  weight: 0.5,
  granularity: 2,
  modality: 'words',
  chunks: [{ text: 'c' }, { text: 'd' }],
  tags: {
    n: 3,
    zero: 0,
    other: 3,
    word: 'alpha',
    nothing: null,
    no: false,
    list: [1, 2],
    empty: [],
    blank: '',
    object: { b: 'deep', c: { d: 7 } },
    'with space': 1,
  },
})
const bare = new Document({ id: 'bare' })

/** For each query, whether the full and the bare document pass. */
const queries: [Query, boolean, boolean][] = [
  [{}, true, true],
  [{ id: { $eq: 'full' } }, true, false],
  [{ text: { $eq: 'a text' } }, true, false],
  [{ tags__n: { $eq: 3 } }, true, false],
  [{ tags__n: { $eq: '3' } }, false, false],
  [{ tags__n: { $neq: 3 } }, false, true],
  [{ tags__n: { $gt: 2 } }, true, false],
  [{ tags__n: { $gt: 3 } }, false, false],
  [{ tags__n: { $gte: 3 } }, true, false],
  [{ tags__n: { $lt: 3 } }, false, false],
  [{ tags__n: { $lt: 4 } }, true, false],
  [{ tags__n: { $lte: 3 } }, true, false],
  [{ tags__n: { $gt: '2' } }, false, false],
  [{ tags__n: { $gt: 2, $lt: 3 } }, false, false],
  [{ tags__n: { $gt: 2, $lt: 4 } }, true, false],
  [{ tags__word: { $gt: 'al', $lt: 'am' } }, true, false],
  [{ tags__n: { $in: [1, 3] } }, true, false],
  [{ tags__n: { $in: [] } }, false, false],
  [{ tags__n: { $nin: [1, 3] } }, false, true],
  [{ tags__object: { $in: [{ c: { d: 7 }, b: 'deep' }] } }, true, false],
  [{ tags__word: { $regex: 'lph' } }, true, false],
  [{ tags__word: { $regex: '^lph' } }, false, false],
  [{ tags__word: { $regex: '(?i)ALPHA$' } }, true, false],
  [{ tags__n: { $regex: '3' } }, false, false],
  [{ tags__list: { $size: 2 } }, true, false],
  [{ tags__word: { $size: 5 } }, true, false],
  [{ chunks: { $size: 2 } }, true, false],
  [{ tags__n: { $size: 1 } }, false, false],
  [{ tags__n: { $exists: true } }, true, false],
  [{ tags__n: { $exists: false } }, false, true],
  [{ tags__zero: { $exists: true } }, true, false],
  [{ tags__no: { $exists: true } }, true, false],
  [{ tags__nothing: { $exists: true } }, false, false],
  [{ tags__empty: { $exists: true } }, false, false],
  [{ tags__blank: { $exists: true } }, false, false],
  [{ text: { $exists: false } }, false, true],
  [{ tags__nothing: { $eq: null } }, true, true],
  [{ tags__zero: { $eq: false } }, false, false],
  [{ tags__zero: { $eq: null } }, false, true],
  [{ tags__list: { $eq: [1, 2] } }, true, false],
  [{ tags__list: { $eq: [2, 1] } }, false, false],
  [{ tags__list: { $eq: { 0: 1, 1: 2 } } }, false, false],
  [{ tags__empty: { $eq: [] } }, true, false],
  [{ tags__empty: { $eq: {} } }, false, false],
  [{ tags__object: { $eq: { c: { d: 7 }, b: 'deep' } } }, true, false],
  [{ tags__object__b: { $eq: 'deep' } }, true, false],
  [{ tags__object__c__d: { $gte: 7 } }, true, false],
  [{ tags__object__c__d__e: { $exists: true } }, false, false],
  [{ tags__word__length: { $exists: true } }, false, false],
  [{ tags__constructor: { $exists: true } }, false, false],
  [{ tags__constructor__name: { $eq: 'Object' } }, false, false],
  [{ tags____proto__: { $exists: true } }, false, false],
  [{ mime_type: { $eq: 'text/plain' } }, true, false],
  [{ mimeType: { $eq: 'text/plain' } }, true, false],
  [{ content_type: { $eq: 'text' } }, true, false],
  [{ granularity: { $eq: 2 } }, true, false],
  [{ weight: { $lt: 1 } }, true, false],
  [{ uri: { $regex: '^file:' }, modality: { $eq: 'words' } }, true, false],
  [{ uri: { $regex: '^file:' }, modality: { $eq: 'other' } }, false, false],
  [{ tags__n: { $eq: '{tags__other}' } }, true, true],
  [{ tags__n: { $eq: '{ tags__other }' } }, true, true],
  [{ tags__n: { $gt: '{tags__zero}' } }, true, false],
  [{ tags__zero: { $gt: '{tags__n}' } }, false, false],
  [{ tags__n: { $neq: '{tags__object__c__d}' } }, true, false],
  [{ id: { $eq: '{modality}' } }, false, false],
  [{ $and: [{ tags__n: { $eq: 3 } }, { tags__word: { $eq: 'alpha' } }] }, true, false],
  [{ $and: { tags__n: { $eq: 3 } } }, true, false],
  [{ $and: [] }, true, true],
  [{ $or: [{ tags__n: { $eq: 4 } }, { id: { $eq: 'bare' } }] }, false, true],
  [{ $or: [] }, false, false],
  [{ $not: { tags__n: { $eq: 3 } } }, false, true],
  [{ $not: [{ tags__n: { $eq: 3 } }, { tags__n: { $eq: 4 } }] }, true, true],
  [{ $not: { $or: [{ tags__n: { $eq: 3 } }, { id: { $eq: 'bare' } }] } }, false, false],
  [{ $and: [{ $or: [{ tags__n: { $lt: 0 } }, { $not: { tags__n: { $exists: false } } }] }, { $not: { $not: { id: { $neq: 'bare' } } } }] }, true, false],
  [{ tags__n: { $or: [{ $lt: 0 }, { $gt: 2 }] } }, true, false],
  [{ tags__n: { $not: { $gt: 2 } } }, false, true],
  [{ tags__n: { $gt: 2, $not: { $eq: 3 } } }, false, false],
  [{ tags__n: { $and: [{ $gt: 2 }, { $or: [{ $lt: 0 }, { $lt: 9 }] }] } }, true, false],
]

test('F3: every operator, every kind of field, and what is not there', async () => {
  const flow = new Flow<string>({ join: 'merge' })
  for (const [at, [query]] of queries.entries())
    flow.add({
      name: `q${at}`,
      needs: 'gateway',
      when: query,
      uses: ({ docs }) => {
        for (const doc of docs) doc.tags[`q${at}`] = true
      },
    })
  await using _ = await flow.open()
  const docs = await within(2000, flow.post('/', [full.clone(), bare.clone()]).docs())
  const wrong = queries.filter(([, whole, empty], at) =>
    [whole, empty].some((expected, document) => (docs.get(document === 0 ? 'full' : 'bare')!.tags[`q${at}`] === true) !== expected),
  )
  assert.equal(wrong, [])
})

test('F3: a query that is none is refused when the Flow opens, by the names of executor and key, and of what was meant', async () => {
  const wrong: [unknown, RegExp][] = [
    [{ tags__n: { $equals: 1 } }, /\$equals.*\$eq/],
    [{ tags__n: { $ne: 1 } }, /\$ne\. Did you mean \$neq\?/],
    [{ tags__n: { $gtt: 1 } }, /\$gtt\. Did you mean \$gt\?/],
    [{ $nor: [] }, /\$nor\. Did you mean \$or\?/],
    [{ $eq: 1 }, /\$eq/],
    [{ txt: { $eq: 1 } }, /txt\. Did you mean text\?.*tags__txt/],
    [{ lang: { $eq: 'en' } }, /lang.*A tag is written tags__lang/],
    [{ constructor: { $eq: 1 } }, /constructor/],
    [{ tags__n: 3 }, /tags__n needs an operator, such as \{ tags__n: \{ \$eq: 3 \} \}/],
    [{ tags__n: {} }, /tags__n needs an operator/],
    [{ tags__n: null }, /tags__n needs an operator/],
    [{ tags__n: { $in: 3 } }, /\$in takes a list/],
    [{ tags__n: { $nin: 'abc' } }, /\$nin takes a list/],
    [{ tags__n: { $exists: 'yes' } }, /\$exists takes true or false/],
    [{ tags__n: { $regex: 3 } }, /\$regex takes a text/],
    [{ tags__n: { $regex: '(' } }, /\$regex must be a regular expression.*RE2/],
    [{ tags__n: { $regex: '(?=x)' } }, /RE2/],
    [{ tags__n: { $eq: '{txt}' } }, /txt\. Did you mean text\?/],
    [{ $and: [3] }, /a query is an object/],
    [{ $or: [[]] }, /a query is an object/],
    [{ $not: { txt: { $eq: 1 } } }, /txt/],
  ]
  for (const [when, pattern] of wrong) {
    const error = await failure(new Flow().add({ name: 'picky', when: when as Query }).open())
    assert.ok(error instanceof FlowBuildError, `${JSON.stringify(when)}: ${error}`)
    assert.is(error.code, 'ERR_CONDITION_INVALID')
    assert.match(error.message, /^when of picky: /)
    assert.match(error.message, pattern)
  }
  for (const when of ['tags__n', 3, null, []]) assert.throws(() => new Flow().add({ when: when as any }), /^when must be an object/)
})

test('R85: a regular expression takes linear time, whatever it is', async () => {
  await using flow = await new Flow().add({ when: { text: { $regex: '^(a+)+$' } } }).open()
  const docs = await within(2000, flow.post('/', [`${'a'.repeat(40)}b`, 'aaa']).docs())
  assert.equal(docs.texts, ['aaa'])
})

test('F3: a function decides, too; one that throws fails the request by the name of the executor', async () => {
  await using flow = await new Flow()
    .add({
      name: 'picky',
      when: ({ text }) => {
        if (text === 'bad') throw new Error('cannot say')
        return text !== 'no'
      },
    })
    .open()
  assert.equal((await flow.post('/', ['yes', 'no', 'also']).docs()).texts, ['yes', 'also'])
  const error = await failure(flow.post('/', ['yes', 'bad']).drain())
  assert.equal([error.executor, error.cause.message], ['picky', 'cannot say'])
})

// ── in the graph ─────────────────────────────────────────────────────────────────────────────────────────

test('F3: what does not pass is gone for all that comes behind on that way, and only there', async () => {
  await using flow = await new Flow()
    .add({ name: 'a', uses: mark('a') })
    .add({ name: 'b', when: even, uses: mark('b') })
    .add({ name: 'c', uses: mark('c') })
    .add({ name: 'x', needs: 'a', uses: mark('x') })
    .needs(['c', 'x'], { name: 'join' })
    .open()
  const docs = await within(1000, flow.post('/', halves(4)).docs())
  assert.equal(
    docs.map(({ id, text }) => `${id}${text}`),
    ['0abc', '0ax', '1ax', '2abc', '2ax', '3ax'],
  )
})

test('F3, E9: complementary branches, joined by either way, give each document back once and in its order', async () => {
  for (const join of ['concat', 'merge'] as const)
    for (const ends of ['join', 'leaves']) {
      const flow = new Flow<string>({ join })
        .add({ name: 'even', needs: 'gateway', when: even, uses: (call) => turn().then(() => mark('e')(call)) })
        .add({ name: 'odd', needs: 'gateway', when: { $not: even }, uses: mark('o') })
      if (ends === 'join') flow.needs(['odd', 'even'], { join, uses: mark('j') })
      await flow.open()
      const end = ends === 'join' ? 'j' : ''
      const docs = await within(1000, flow.post('/', halves(7), { requestSize: 4, resultsInOrder: true }).docs())
      assert.equal(
        docs.map(({ id, text }) => `${id}${text}`),
        [0, 1, 2, 3, 4, 5, 6].map((n) => `${n}${n % 2 === 0 ? 'e' : 'o'}${end}`),
        `${join} ${ends}`,
      )
      assert.ok(docs instanceof DocumentArray)
      await flow.close()
    }
})

test('F3: when none is left, the executor is not called, nor is another with a condition behind it', async () => {
  const calls: string[] = []
  const note =
    (name: string) =>
    ({ docs }: Call): void =>
      void calls.push(`${name} ${ids(docs)}`)
  const none = { tags__even: { $eq: 'never' } }
  const flow = new Flow<string>().add({ name: 'first', when: none, uses: note('first') }).add({ name: 'second', when: even, uses: note('second') })
  await flow.open()
  assert.is((await within(1000, flow.post('/', halves(3)).docs())).length, 0)
  assert.equal(calls, [])
  await flow.close()
  // The same at a join, and behind a fork.
  await flow
    .add({ name: 'fork', needs: 'first', when: even, uses: note('fork') })
    .needs(['second', 'fork'], { name: 'join', when: even, uses: note('join') })
    .open()
  const [response] = await within(1000, flow.post('/', halves(3)).toArray())
  assert.equal(calls, [])
  assert.is(response!.docs.length, 0)
  await flow.close()
})

test('P5: a request with parameters only passes every condition', async () => {
  const seen: unknown[] = []
  const look = ({ docs, parameters }: Call): void => void seen.push([docs.length, parameters.p])
  await using flow = await new Flow()
    .add({ when: even, uses: look })
    .add({ when: () => false, uses: look })
    .open()
  await flow.post('/', undefined, { parameters: { p: 1 } }).drain()
  assert.equal(seen, [
    [0, 1],
    [0, 1],
  ])
})

test('P6, E1: who is not meant, or not bound to the endpoint, chooses nothing', async () => {
  await using flow = await new Flow()
    .add({ name: 'a', when: even, uses: mark('a') })
    .add({ name: 'b', uses: mark('b') })
    .open()
  const seen = async (options: object) => (await flow.post('/', halves(3), options).docs()).map(({ id, text }) => `${id}${text}`)
  assert.equal(await seen({ targetExecutor: 'b' }), ['0b', '1b', '2b'])
  assert.equal(await seen({ targetExecutor: 'a' }), ['0a', '2a'])
  await using bound = await new Flow().add({ name: 'a', when: even, usesRequests: {}, uses: (await import('../../lib/index.js')).Executor }).open()
  assert.is(ids(await bound.post('/', halves(3)).docs()), '0,1,2')
})

test('F3: documents that an executor made come last, in their order', async () => {
  await using flow = await new Flow()
    .add({ name: 'odd', needs: 'gateway', when: { $not: even }, uses: ({ docs }) => [{ id: 'x' }, ...docs.toReversed(), { id: 'y' }] })
    .add({ name: 'even', needs: 'gateway', when: even })
    .needs(['odd', 'even'])
    .open()
  assert.is(ids(await within(1000, flow.post('/', halves(5)).docs())), '0,1,2,3,4,x,y')
})

test('F3: order is that of the input also when executors turn it round; without conditions it is theirs', async () => {
  const turned = async (when?: Query): Promise<string> => {
    await using flow = await new Flow().add({ ...(when && { when }), uses: ({ docs }) => void docs.reverse() }).open()
    return ids(await flow.post('/', halves(4)).docs())
  }
  assert.is(await turned(), '3,2,1,0')
  assert.is(await turned({}), '0,1,2,3')
})

test('F3: an executor that changes what a condition reads decides for those behind it', async () => {
  await using flow = await new Flow()
    .add({
      uses: ({ docs }) => {
        for (const doc of docs) doc.tags.even = Number(doc.tags.n) > 1
      },
    })
    .add({ when: even })
    .open()
  assert.is(ids(await flow.post('/', halves(4)).docs()), '2,3')
})

test('F3, E3, F4: conditions with replicas, batches, attempts and partial answers', async () => {
  let failed = 0
  const options: AddOptions<string, string> = {
    when: even,
    parallel: 2,
    dynamicBatching: { preferredBatchSize: 3, timeout: 60_000 },
    retries: { attempts: 1, delay: 1 },
    timeout: 60_000,
    uses: async ({ docs }) => {
      assert.is(docs.length, 3)
      assert.ok(docs.every(({ tags }) => tags.even))
      if (failed++ === 0) throw new Error('again')
      mark('!')({ docs } as Call)
    },
  }
  await using flow = await new Flow<string>().add({ name: 'a', ...options }).open()
  const docs = await within(2000, flow.post('/', halves(12), { requestSize: 1, resultsInOrder: true }).docs())
  assert.equal(
    docs.map(({ id, text }) => `${id}${text}`),
    ['0!', '2!', '4!', '6!', '8!', '10!'],
  )
  await using parts = await new Flow()
    .add({
      when: even,
      uses: async function* ({ docs }) {
        for (const doc of docs) {
          doc.text += 'p'
          yield doc
        }
      },
    })
    .open()
  const responses = await within(1000, parts.post('/', halves(3)).toArray())
  assert.equal(
    responses.map(({ docs, partial }) => `${ids(docs)} ${partial}`),
    ['0 true', '2 true', '0,2 false'],
  )
})

test('F3: floating executors choose for themselves only', async () => {
  const seen: string[] = []
  const flow = await new Flow().add({ name: 'log', floating: true, when: even, uses: ({ docs }) => void seen.push(ids(docs)) }).open()
  assert.is(ids(await flow.post('/', halves(4)).docs()), '0,1,2,3')
  await flow.close()
  assert.equal(seen, ['0,2'])
})

test('167: the keys of an object are united as those of a list', async () => {
  const docs = () => [{ id: 'a', tags: { a: 1 } }, { id: 'b', tags: { b: 1 } }, { id: 'c', tags: { a: 1, b: 1 } }, { id: 'd' }]
  const chosen = async (when: object): Promise<string> => {
    await using flow = await new Flow().add({ when: when as any }).open()
    return (await flow.post('/', docs()).docs()).map(({ id }) => id).join('')
  }
  const a = { tags__a: { $eq: 1 } }
  const b = { tags__b: { $eq: 1 } }
  assert.is(await chosen({ $or: { ...a, ...b } }), 'abc')
  assert.is(await chosen({ $or: [a, b] }), 'abc')
  assert.is(await chosen({ $or: [{ ...a, ...b }] }), 'c')
  assert.is(await chosen({ $and: { ...a, ...b } }), 'c')
  assert.is(await chosen({ $not: { ...a, ...b } }), 'abd')
  assert.is(await chosen({ $not: { $or: { ...a, ...b } } }), 'd')
  assert.is(await chosen({ tags__a: { $or: { $eq: 1, $exists: false } } }), 'abcd')
})

test.run()
