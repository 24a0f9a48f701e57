// The same operations by the short road and by yoga: an address with a `?` behind its path is yoga's.
import fc from 'fast-check'
import { coerceInputValue } from 'graphql'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { DocumentArray } from '../../../lib/doc/array.js'
import { Document } from '../../../lib/doc/document.js'
import { delta } from '../../../lib/executor/delta.js'
import { each } from '../../../lib/executor/each.js'
import type { Call } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import { createGraphQL } from '../../../lib/wire/graphql/index.js'
import { documents, isAsItComes, StrawberryDocumentInput } from '../../../lib/wire/graphql/server/input.js'

const RUNS = { seed: 17, numRuns: 600 }

/** What executors may make of documents. */
const DEEDS: Record<string, (call: Call) => unknown> = {
  '/search': () => {},
  '/grown': ({ docs }) => {
    for (const doc of docs) {
      doc.chunks = [
        { id: 'c', text: 'part', tags: { deep: [1, { two: null }] } },
        { id: 'd', blob: new Uint8Array([1, 2, 255]) },
      ]
      doc.matches = [
        {
          id: 'm',
          text: 'found',
          scores: { cosine: { value: 0.5, opName: 'cos', refId: doc.id }, other: { value: 1 } },
          matches: [{ id: 'n', uri: 'data:,x' }],
        },
      ]
      doc.evaluations = { recall: { value: 0.25, description: 'good' } }
    }
  },
  '/tags': ({ docs }) => {
    for (const doc of docs)
      doc.tags = { ids: new Float32Array([1, 2.5]), when: new Date(0), own: { toJSON: () => 'said' }, nothing: undefined, ['a"b\u2028']: [undefined, '\ud800'] }
  },
  '/numbers': ({ docs }) => {
    for (const doc of docs)
      Object.assign(doc, { weight: -0, offset: 1e21, location: [1, -0.5], embedding: new Float32Array([NaN, 1, -Infinity]), granularity: 3 })
  },
  // What no answer can say, in fields that may be null.
  '/big': ({ docs }) => {
    for (const doc of docs) doc.tags.big = 1n
  },
  '/round': ({ docs }) => {
    for (const doc of docs) doc.tags.self = doc.tags
  },
  '/infinite': ({ docs }) => {
    for (const doc of docs) Object.assign(doc, { weight: Infinity, location: [NaN], scores: { s: { value: NaN } }, granularity: 2 ** 31 })
  },
  '/map': ({ docs }) => {
    for (const doc of docs) doc.tags.map = new Map()
  },
  // Of some documents alone.
  '/picky': each((doc) => {
    if (doc.id === 'two') throw new Error('not this one')
  }) as never,
  '/fails': () => {
    throw new TypeError('no such word')
  },
  '/masked': () => Promise.reject(Object.assign(new Error('hidden'), { code: 'ENOENT' })),
  '/others': () => [new Document({ id: 'other', text: 'instead' })],
  '/none': ({ docs }) => {
    docs.length = 0
  },
  '/many': ({ docs }) => {
    docs.splice(0, docs.length, ...Array.from({ length: 1200 }, (_, at) => new Document({ id: `${at}`, text: `t${at}` })))
  },
  '/wide': ({ docs }) => {
    for (const doc of docs) doc.matches = Array.from({ length: 1200 }, (_, at) => ({ id: `${at}` }))
  },
}

const LEAVES = [
  'id parentId granularity adjacency blob tensor mimeType text weight uri tags offset location embedding modality __typename',
  'a: id b: text text text',
  'id text tags',
  'tags again: tags weight',
  'scores { name score { value opName } } evaluations { __typename name score { value description refId __typename } }',
  'scores { name } scores { score { value } }',
  'id @include(if: true) text @skip(if: $no)',
  'id @skip(if: true)',
  '__proto__: id',
]
const selection: fc.Arbitrary<string> = fc.letrec<{ some: string }>((tie) => ({
  some: fc
    .array(
      fc.oneof(
        { maxDepth: 3, depthSize: 'small' },
        { weight: 12, arbitrary: fc.constantFrom(...LEAVES.slice(0, 6)) },
        { weight: 1, arbitrary: fc.constantFrom(...LEAVES) },
        { weight: 4, arbitrary: fc.constantFrom('...found', '... { id }', '... on StrawberryDocument { text uri }') },
        {
          weight: 4,
          arbitrary: fc.tuple(fc.constantFrom('chunks', 'matches', 'x: chunks', 'y: matches'), tie('some')).map(([field, inner]) => `${field} { ${inner} }`),
        },
        tie('some').map((inner) => `... on StrawberryDocument { ${inner} }`),
      ),
      { minLength: 1, maxLength: 4 },
    )
    .map((parts) => parts.join(' ')),
})).some

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 5 }), fc.constantFrom('ü€😀', '\ud800', '"\\\u2028\u0000', ''))
const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -0, 1e21, 2 ** 31))
const document = fc.letrec<{ one: object }>((tie) => ({
  one: fc.record(
    {
      id: fc.constantFrom('1', 'two', 'ü'),
      text: fc.option(text),
      blob: fc.constantFrom('AAEC/w==', '', 'a!b', null, 5),
      tensor: fc.constantFrom([1, 2], [[1], [2.5]], [[1], [2, 3]], 'NaN', null, ['x']),
      embedding: fc.constantFrom([0.25, -1], [], ['NaN'], null),
      tags: fc.oneof(fc.dictionary(text, fc.jsonValue({ maxDepth: 2 })), fc.constantFrom<unknown>('{"a": 1}', 'not JSON', [1], 5, null, { toJSON: 'x' })),
      weight: fc.oneof(number, fc.constant('1')),
      granularity: fc.constantFrom(0, 1, -1, 1.5, null),
      location: fc.constantFrom([1, 2.5], null, ['a']),
      mimeType: fc.constantFrom('text/plain', 7, null),
      uri: fc.constantFrom('data:,x', null),
      scores: fc.constantFrom([{ name: 'a', score: { value: 0.5 } }], [{ name: 'a' }], [], null),
      chunks: fc.oneof({ maxDepth: 2 }, fc.constantFrom([], null, 'x'), fc.array(tie('one'), { maxLength: 2 })),
      matches: fc.oneof({ maxDepth: 2 }, fc.constant(null), fc.array(tie('one'), { maxLength: 2 }), tie('one')),
      unknown: fc.constantFrom(1, null),
    },
    { requiredKeys: ['id'] },
  ),
})).one
// Most are as they should be, and some are anything.
const good = fc.record(
  {
    id: fc.constantFrom('1', 'two'),
    text,
    blob: fc.constantFrom('AAEC/w==', ''),
    tags: fc.dictionary(text, fc.jsonValue({ maxDepth: 2 })),
    embedding: fc.constant([0.5, 1]),
    uri: fc.option(text),
  },
  { requiredKeys: ['id'] },
)
const data = fc.oneof(
  { weight: 20, arbitrary: fc.array(good, { maxLength: 4 }) },
  { weight: 3, arbitrary: fc.array(document, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.oneof(document, fc.constantFrom<unknown>(undefined, null, [], 'x', [null])) },
)
/** Most often the first. */
const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 2 * others.length + 4, arbitrary: fc.constant(usual) }, { weight: others.length, arbitrary: fc.constantFrom(...others) })
const operation = fc.record({
  kind: fc.constantFrom('mutation M', 'query Q'),
  root: mostly('docs', 'all: docs', '... { docs', 'twice: docs'),
  selection,
  endpoint: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('/search', '/grown', '/tags', '/numbers', '/others', '/none', '/picky') },
    fc.constantFrom(...Object.keys(DEEDS), 'no name', '/\u0000'),
  ),
  parameters: mostly<unknown>(undefined, { top: 5 }, '{"top": 5}', 'not JSON', [1], null, '[1]'),
  target: mostly<unknown>(undefined, '^wo', '^nobody', '(', null, 5),
  data,
  accept: mostly<string | undefined>(
    'application/graphql-response+json, application/json;q=0.9',
    undefined,
    '*/*',
    'application/json',
    'text/html, application/*',
    'text/html',
    'application/json;charset=latin1',
    'text/event-stream, application/json',
  ),
  origin: fc.constantFrom(undefined, 'https://a.example', 'https://b.example'),
  more: mostly<object>(
    {},
    { operationName: 'M' },
    { operationName: 'Q' },
    { operationName: null },
    { operationName: 5 },
    { extensions: { 'sluice-timeout': 'soon' } },
    { extensions: [] },
    { extensions: null },
    { id: 'x' },
    { id: null },
  ),
  timeout: mostly<string | undefined>(undefined, '60000', 'soon', '0'),
  variables: mostly(true, false),
})

/** Who asked, and when, is another each time. */
const same = (text: string): string => text.replace(/[0-9a-f]{32}/g, 'ID')

test('17: by a plan or by yoga, all operations have one answer, byte for byte, and errors are told of alike', async () => {
  let reported: string[] = []
  let asked = 0
  const work = (call: Call): unknown => {
    asked++
    return DEEDS[call.endpoint]?.(call)
  }
  await using flow = await new Flow().add({ name: 'work', uses: work as never }).open()
  const { fetch } = createGraphQL(flow, { cors: ['https://a.example'], onError: (error) => reported.push(same(String(error))) })
  let planned = 0
  const ask = async (path: string, headers: Record<string, string>, body: string): Promise<unknown> => {
    reported = []
    asked = 0
    const response = await fetch(new Request(`http://localhost${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }))
    // Yoga's are of a class of its own.
    if (path === '/graphql' && response instanceof Response) planned++
    return {
      status: response.status,
      headers: Object.fromEntries([...response.headers].map(([name, value]) => [name.toLowerCase(), value])),
      text: same(await response.text()),
      reported,
      asked,
    }
  }
  await fc.assert(
    fc.asyncProperty(operation, async ({ kind, root, selection, endpoint, parameters, target, data, accept, origin, more, timeout, variables }) => {
      const told = '(data: $data, execEndpoint: $endpoint, parameters: $parameters, targetExecutor: $target)'
      const field = root.startsWith('...') ? `... { docs${told} { ${selection} } }` : `${root}${told} { ${selection} }`
      const others = root === 'twice: docs' ? `again: docs(data: [{ id: "1" }]) { id }` : ''
      const fragment = selection.includes('...found') ? 'fragment found on StrawberryDocument { id tags inner: chunks { text } }' : ''
      const query = `${kind}($data: [StrawberryDocumentInput!], $endpoint: String! = "/search", $parameters: JSONScalar, $target: String${selection.includes('$no') ? ', $no: Boolean = false' : ''}) { ${field} ${others} } ${fragment}`
      const body = JSON.stringify({ query, ...(variables && { variables: { data, endpoint, parameters, target } }), ...more })
      const headers = { ...(accept && { accept }), ...(origin && { origin }), ...(timeout && { 'sluice-timeout': timeout }) }
      await ask('/graphql', headers, body)
      assert.equal(await ask('/graphql', headers, body), await ask('/graphql?', headers, body), body)
    }),
    RUNS,
  )
  // A test of nothing otherwise.
  assert.ok(planned > RUNS.numRuns / 5, `${planned} by a plan`)
})

const responseFields = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: selection.map((inner) => `docs { ${inner} }`) },
      fc.constantFrom(
        'requestId execEndpoint partial ordinal __typename',
        'parameters told: parameters',
        'status { code description exception { name executor } } routes { executor }',
        'again: docs { id }',
        'delta { at id fresh text blob tags }',
        '... on DocsResponse { partial }',
      ),
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((parts) => parts.join(' '))

test('17: events of a subscription by a plan are those that graphql writes, byte for byte', async () => {
  /** Yields as many pieces as it says, of deltas or whole. */
  async function* pieces({ docs, parameters }: Call): AsyncGenerator<object> {
    for (let at = 0; at < 2; at++) yield parameters.deltas ? docs.map((doc) => delta(doc, { text: `${at}` })) : docs
  }
  const uses = (call: Call): unknown => (call.endpoint === '/pieces' ? pieces(call) : DEEDS[call.endpoint]?.(call))
  await using flow = await new Flow().add({ name: 'work', uses: uses as never }).open()
  const { fetch } = createGraphQL(flow)
  const ask = async (body: object): Promise<string> => {
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream' }
    return same(await (await fetch(new Request('http://localhost/graphql', { method: 'POST', headers, body: JSON.stringify(body) }))).text())
  }
  const endpoints = fc.constantFrom('/pieces', ...Object.keys(DEEDS))
  await fc.assert(
    fc.asyncProperty(
      responseFields,
      endpoints,
      data,
      fc.constantFrom({}, { top: 5 }, { deltas: true }),
      fc.boolean(),
      async (fields, endpoint, data, parameters, no) => {
        const told = '(data: $data, execEndpoint: $endpoint, parameters: $parameters, requestSize: 2, resultsInOrder: true)'
        const fragment = fields.includes('...found') ? 'fragment found on StrawberryDocument { id tags inner: chunks { text } }' : ''
        const head = `subscription S($data: [StrawberryDocumentInput!], $endpoint: String! = "/search", $parameters: JSONScalar${fields.includes('$no') ? ', $no: Boolean = false' : ''})`
        const of = (condition: string): object => ({
          query: `${head} { docs${told} ${condition} { ${fields} } } ${fragment}`,
          variables: { data, endpoint, parameters, ...(fields.includes('$no') && { no }) },
        })
        // With a condition, graphql writes it. Errors say where their fields stand, so both are as long.
        const condition = '@include(if: true)'
        assert.is(await ask(of(' '.repeat(condition.length))), await ask(of(condition)), JSON.stringify(of('')))
      },
    ),
    { ...RUNS, numRuns: 200 },
  )
})

test('17: a document that is taken as it comes is what graphql would make of it', () => {
  let plain = 0
  const made = (data: unknown): unknown => {
    try {
      return (documents([data] as never) as DocumentArray).map((document) => document.toJSON())
    } catch (error) {
      return (error as Error).name
    }
  }
  fc.assert(
    fc.property(fc.oneof(good, document), (given) => {
      const item = JSON.parse(JSON.stringify(given)) as Record<string, unknown>
      // Such a key is refused before.
      if (JSON.stringify(item).includes('__proto__') || !isAsItComes(StrawberryDocumentInput, item)) return
      plain++
      const coerced = coerceInputValue(item, StrawberryDocumentInput, (path, _, error) => {
        throw new Error(`${path.join('.')}: ${error.message}`)
      })
      assert.equal({ ...(coerced as object) }, item)
      assert.equal(made(item), made(coerced))
    }),
    { ...RUNS, numRuns: 10_000 },
  )
  assert.ok(plain > 1000, `${plain} as they came`)
})

test.run()
