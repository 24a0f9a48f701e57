// Many documents in an operation: its variables are made, and its answers read, in turns, and all is as with few.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DocumentArray, Flow } from '../../../lib/index.js'
import { type Deferring, listed } from '../../../lib/wire/graphql/server/answer.js'
import { serve } from '../../support/graphql.js'
import { events } from '../../support/sse.js'

const MANY = 2500
const data = Array.from({ length: MANY }, (_, at) => ({ id: `${at}`, text: `text ${at}`, tags: { at } }))
const VARIABLES = '$data: [StrawberryDocumentInput!]'

test('148: many documents come and go as few do: by variables, under aliases, in fragments, with directives', async () => {
  await using flow = await new Flow().add({ uses: ({ docs }) => docs.forEach((doc) => void (doc.text += '!')) }).open()
  await using server = await serve(flow)
  const query = `mutation ($on: String!, $no: Boolean = false, ${VARIABLES}) {
    one: docs(data: $data, execEndpoint: $on) { __typename ...parts tags @include(if: $no) }
    two: docs(data: $data) @skip(if: $no) { id } }
    fragment parts on StrawberryDocument { name: text, ... on StrawberryDocument @skip(if: $no) { id } }`
  const { status, data: seen, errors } = await server.ask(query, { data, on: '/' })
  assert.equal([status, errors], [200, undefined])
  assert.equal(
    seen.one,
    data.map(({ id, text }) => ({ __typename: 'StrawberryDocument', name: `${text}!`, id })),
  )
  assert.equal(
    seen.two,
    data.map(({ id }) => ({ id })),
  )
})

test('148: many documents within one come and go as few do', async () => {
  const list = `mutation ($list: [StrawberryDocumentInput!]) { docs(data: [{ id: "whole", chunks: $list, matches: $list }]) {
    id chunks { id } matches { text tags } } }`
  await using flow = await new Flow().add({ uses: () => {} }).open()
  await using server = await serve(flow)
  const { data: seen, errors } = await server.ask(list, { list: data })
  assert.is(errors, undefined)
  const [{ id, chunks, matches }] = seen.docs
  assert.equal([id, chunks.length, chunks[MANY - 1], matches.length], ['whole', MANY, { id: `${MANY - 1}` }, MANY])
  assert.equal(matches[7], { text: 'text 7', tags: { at: 7 } })
})

test('148: of many documents, an error names its place', async () => {
  const bad = 2222
  const spoil = ({ docs }: { docs: any[] }) => {
    docs[bad]!.tags.at = 5n
    docs[bad]!.matches.append({ id: 'm', tags: { at: 6n } })
  }
  await using flow = await new Flow().add({ uses: spoil }).open()
  await using server = await serve(flow)
  const query = `mutation (${VARIABLES}) { a: docs(data: $data) { id tags matches { tags } } }`
  const { data: seen, errors } = await server.ask(query, { data })
  assert.equal(
    errors.map(({ path }) => path),
    [
      ['a', bad, 'tags'],
      ['a', bad, 'matches', 0, 'tags'],
    ],
  )
  assert.equal(
    [seen.a.length, seen.a[bad], seen.a[bad + 1]],
    [MANY, { id: `${bad}`, tags: null, matches: [{ tags: null }] }, { id: `${bad + 1}`, tags: { at: bad + 1 }, matches: [] }],
  )
  assert.equal(errors[0].locations, [{ line: 1, column: errors[0].locations[0].column }])
})

test('148: variables that do not fit are refused before anything runs, each by its place, fifty at most', async () => {
  let calls = 0
  await using flow = await new Flow().add({ uses: () => void calls++ }).open()
  await using server = await serve(flow)
  const query = `mutation (${VARIABLES}) { docs(data: $data) { id } }`
  const wrong = data.map((fields, at) => (at === 3 ? { ...fields, weight: 'heavy' } : at === 2000 ? { chunks: [{ no: 1 }] } : fields))
  const refused = await server.ask(query, { data: wrong })
  assert.is(refused.status, 400)
  assert.equal(
    refused.errors.map(({ message, extensions }) => [message, extensions.code]),
    [
      ['Variable "$data" got invalid value "heavy" at "data[3].weight"; Float cannot represent non numeric value: "heavy"', 'BAD_USER_INPUT'],
      [
        'Variable "$data" got invalid value an object at "data[2000].chunks[0]"; Field "no" is not defined by type "StrawberryDocumentInput".',
        'BAD_USER_INPUT',
      ],
    ],
  )
  const { status, errors } = await server.ask(query, { data: data.map(() => 1) })
  assert.equal([status, errors.length], [400, 51])
  assert.equal((await server.ask(query, { data: [null] })).errors.length, 1)
  assert.is(calls, 0)
})

test('148: a subscription makes its variables once, and each event gets what it asks for', async () => {
  await using flow = await new Flow().add({ uses: () => {} }).open()
  await using server = await serve(flow)
  const query = `subscription (${VARIABLES}, $size: Int) { docs(data: $data, requestSize: $size, resultsInOrder: true) { docs { id } } }`
  for (const size of [0, 1200, 900]) {
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query, variables: { data, size } }),
    })
    const all: number[] = []
    const ids: string[] = []
    for await (const { data } of events(response)) {
      if (data === undefined) continue
      const seen = data.data
      all.push(seen.docs.docs.length)
      for (const { id } of seen.docs.docs) ids.push(id)
    }
    assert.equal(all, size === 0 ? [MANY] : size === 1200 ? [1200, 1200, 100] : [900, 900, 700])
    assert.equal(
      ids,
      data.map(({ id }) => id),
    )
  }
})

test('148: documents with long vectors are many sooner: their numbers count', () => {
  const isDeferred = (many: number, numbers: number): boolean => {
    const keeper: Deferring = {}
    const docs = DocumentArray.from(
      Array.from({ length: many }, (_, at) => ({ id: `${at}`, embedding: new Float32Array(numbers), tensor: new Float32Array(numbers) })),
    )
    listed(docs, keeper, {} as never)
    return keeper.deferred !== undefined
  }
  assert.equal([isDeferred(40, 100), isDeferred(1000, 0), isDeferred(1001, 0)], [false, false, true])
  assert.ok(isDeferred(40, 10_000))
})

test.run()
