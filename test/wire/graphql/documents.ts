import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Call } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import { serve } from '../../support/graphql.js'

const echo = async () => serve(await new Flow().add({ name: 'echo' }).open())

const search = ({ docs }: Call) => {
  for (const doc of docs) doc.matches = [{ text: doc.text.toUpperCase(), scores: { cosine: { value: 0.5, opName: 'cos', refId: doc.id } } }]
}

for (const operation of ['mutation', 'query'])
  test(`G2: a ${operation} sends documents through the Flow, as in the example`, async () => {
    await using flow = await new Flow().add({ name: 'find', uses: search }).open()
    await using server = await serve(flow)
    const { status, data } = await server.ask(
      `${operation} { docs(data: { text: "abcd", id: "1" }, execEndpoint: "/search") { id text matches { text scores { name score { value } } } } }`,
    )
    assert.is(status, 200)
    assert.equal(data, { docs: [{ id: '1', text: 'abcd', matches: [{ text: 'ABCD', scores: [{ name: 'cosine', score: { value: 0.5 } }] }] }] })
  })

test('G2: all documents of a call go in one request, at the endpoint that is asked for', async () => {
  const seen: unknown[] = []
  const look = ({ docs, endpoint, parameters }: Call) => {
    seen.push([docs.length, endpoint, parameters])
  }
  await using flow = await new Flow().add({ uses: look }).open()
  await using server = await serve(flow)
  const query =
    'mutation M($data: [StrawberryDocumentInput!], $parameters: JSONScalar) { docs(data: $data, execEndpoint: "/index", parameters: $parameters) { text } }'
  const texts = Array.from({ length: 250 }, (_, at) => ({ text: `${at}` }))
  const { data } = await server.ask(query, { data: texts, parameters: { top: 5 } })
  assert.equal(data.docs, texts)
  assert.equal(seen, [[250, '/index', { top: 5 }]])
})

test('G2: without data, a request with parameters only; with an empty list, none; the endpoint is /search by default', async () => {
  const seen: unknown[] = []
  const look = ({ docs, endpoint, parameters }: Call) => {
    seen.push([docs.length, endpoint, parameters])
  }
  await using flow = await new Flow().add({ uses: look }).open()
  await using server = await serve(flow)
  assert.equal((await server.ask('mutation { docs(parameters: "{\\"a\\": 1}") { id } }')).data, { docs: [] })
  assert.equal((await server.ask('mutation { docs(data: []) { id } }')).data, { docs: [] })
  assert.equal(seen, [[0, '/search', { a: 1 }]])
})

test('G2: parameters are JSON in a string as Jina sends them, an object, a literal, or a literal with variables', async () => {
  const seen: unknown[] = []
  await using flow = await new Flow()
    .add({
      uses: ({ parameters }: Call) => {
        seen.push(parameters)
      },
    })
    .open()
  await using server = await serve(flow)
  const json = { top: 5, deep: { list: [1, 'two', null, true, 2.5] } }
  const query = 'mutation M($parameters: JSONScalar) { docs(parameters: $parameters) { id } }'
  await server.ask(query, { parameters: JSON.stringify(json) })
  await server.ask(query, { parameters: json })
  await server.ask('mutation { docs(parameters: { top: 5, deep: { list: [1, "two", null, true, 2.5] } }) { id } }')
  await server.ask('mutation M($n: Int) { docs(parameters: { top: $n, deep: { list: [1, "two", null, true, 2.5] } }) { id } }', { n: 5 })
  assert.equal(seen, [json, json, json, json])
})

test('G2: targetExecutor says which executors are meant', async () => {
  const mark = (name: string) => ({
    name,
    uses: ({ docs }: Call) => {
      for (const doc of docs) doc.tags[name] = true
    },
  })
  await using flow = await new Flow().add(mark('alpha')).add(mark('beta')).open()
  await using server = await serve(flow)
  const { data } = await server.ask('mutation { docs(data: { text: "x" }, targetExecutor: "^be") { tags } }')
  assert.equal(data.docs, [{ tags: { beta: true } }])
})

test('G2: every field of a document goes in and comes out', async () => {
  await using server = await echo()
  const score = { value: 0.25, opName: 'cos', description: 'nearness', refId: '9' }
  const document = {
    id: '7',
    parentId: '6',
    granularity: 1,
    adjacency: 2,
    blob: null,
    tensor: [
      [1, 2, 3],
      [4, 5, 6.5],
    ],
    mimeType: 'text/plain',
    text: null,
    weight: 0.5,
    uri: 'data:,x',
    tags: { list: [1, { two: null }], 'a key': 'ü' },
    offset: 1.5,
    location: [1, 2],
    embedding: [0.25, -1],
    modality: 'text',
    evaluations: [{ name: 'recall', score }],
    scores: [{ name: 'a b', score }],
    chunks: [{ text: 'part', matches: [{ text: 'found' }] }],
    matches: [{ blob: 'AAEC/w==' }],
  }
  const scores = '{ name score { value opName description refId } }'
  const query = `query Q($data: [StrawberryDocumentInput!]) { docs(data: $data) {
    id parentId granularity adjacency blob tensor mimeType text weight uri tags offset location embedding modality
    evaluations ${scores} scores ${scores} chunks { text matches { text } } matches { blob text tensor chunks { id } scores ${scores} } } }`
  const { data, errors } = await server.ask(query, { data: [document] })
  assert.is(errors, undefined)
  assert.equal(data.docs, [{ ...document, matches: [{ blob: 'AAEC/w==', text: null, tensor: null, chunks: [], scores: [] }] }])
})

test('G2: tensors, bytes and tags are taken as literals too', async () => {
  await using server = await echo()
  const { data } = await server.ask(
    'mutation { docs(data: [{ tensor: [[1, 2], [3, 4]] }, { blob: "AAEC" }, { tags: "{\\"a\\": [1]}" }, { tags: { a: [1] } }]) { tensor blob tags } }',
  )
  assert.equal(data.docs, [
    {
      tensor: [
        [1, 2],
        [3, 4],
      ],
      blob: null,
      tags: {},
    },
    { tensor: null, blob: 'AAEC', tags: {} },
    { tensor: null, blob: null, tags: { a: [1] } },
    { tensor: null, blob: null, tags: { a: [1] } },
  ])
})

test('G2: objects in literals are as those of variables, with the methods of objects', async () => {
  const prototypes: unknown[] = []
  const look = ({ docs, parameters }: Call<{ a: any }>) => {
    for (const value of [docs[0]!.tags.a, docs[0]!.tags.a.b[0], parameters.c]) prototypes.push(Object.getPrototypeOf(value))
  }
  await using flow = await new Flow().add({ uses: look }).open()
  await using server = await serve(flow)
  await server.ask('mutation { docs(data: { tags: { a: { b: [{}] } } }, parameters: { c: {} }) { id } }')
  assert.equal(
    prototypes.map((prototype) => prototype === Object.prototype),
    [true, true, true],
  )
})

test.run()
