import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Flow } from '../../../lib/flow/flow.js'
import type { GraphQLOptions } from '../../../lib/wire/graphql/index.js'
import { serve } from '../../support/graphql.js'
import { soonest } from '../../support/soonest.js'

const nest = (levels: number, inner = 'id') => `{ docs ${'{ matches '.repeat(levels)}{ ${inner} }${' }'.repeat(levels)} }`
const fragments = (levels: number) => {
  const tree = Array.from({ length: levels }, (_, at) => `fragment f${at} on StrawberryDocument { ...f${at + 1} ...f${at + 1} }`)
  return `{ docs { ...f0 } } ${tree.join(' ')} fragment f${levels} on StrawberryDocument { id }`
}

const BOMBS: [string, string, RegExp][] = [
  ['a deep query', nest(13), /more than 12 levels of fields/],
  [
    'a deep query through fragments',
    `{ docs { ...a } } fragment a on StrawberryDocument { matches { matches { matches { matches { matches { matches { ...b } } } } } } } fragment b on StrawberryDocument { matches { matches { matches { matches { matches { matches { id } } } } } } }`,
    /more than 12 levels/,
  ],
  ['a bottomless query', nest(3000), /nested deeper than 100 levels/],
  ['a bottomless list', `{ docs(parameters: ${'['.repeat(4000)}${']'.repeat(4000)}) { id } }`, /nested deeper than 100 levels/],
  ['10,000 aliases', `{ docs { ${Array.from({ length: 10_000 }, (_, at) => `a${at}: id`).join(' ')} } }`, /more than 10000 tokens/],
  ['1,000 aliases', `{ docs { ${Array.from({ length: 1000 }, (_, at) => `a${at}: id`).join(' ')} } }`, /more than 30 aliases/],
  [
    'aliases of docs, each of which is a request',
    `mutation { ${Array.from({ length: 31 }, (_, at) => `a${at}: docs { id }`).join(' ')} }`,
    /more than 30 aliases/,
  ],
  ['a field repeated', `{ docs { ${'id '.repeat(9000)} } }`, /more than 1000 fields/],
  ['directives', `{ docs { id ${'@include(if: true) '.repeat(1000)} } }`, /more than 50 directives/],
  ['unknown directives', `{ docs { id ${'@a'.repeat(4000)} } }`, /more than 50 directives/],
  ['a tree of fragments', fragments(200), /more than 1000 fields/],
  [
    'a cycle of fragments',
    '{ docs { ...a } } fragment a on StrawberryDocument { matches { ...b } } fragment b on StrawberryDocument { matches { ...a } }',
    /Cannot spread fragment/,
  ],
]
for (const [what, query, message] of BOMBS)
  test(`R95: ${what} is refused with 400 in less than a second of computing`, async () => {
    await using flow = await new Flow().add({ uses: () => assert.unreachable() }).open()
    await using server = await serve(flow)
    await soonest(1000, async () => {
      const start = process.cpuUsage()
      const { status, errors } = await server.ask(query, undefined, {
        headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      })
      const { user, system } = process.cpuUsage(start)
      assert.is(status, 400)
      assert.match(errors[0].message, message)
      assert.ok(errors.length <= 101)
      return (user + system) / 1000
    })
  })

test('R95: what is within the limits runs, introspection included', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  for (const query of [nest(10), `{ ${Array.from({ length: 30 }, (_, at) => `a${at}: docs { id }`).join(' ')} }`, fragments(7)]) {
    const { data, errors } = await server.ask(query)
    assert.is(errors, undefined)
    assert.ok(data)
  }
  const { getIntrospectionQuery } = await import('graphql')
  assert.ok((await server.ask(getIntrospectionQuery({ descriptions: true, inputValueDeprecation: true }))).data)
})

const OPTIONS: [GraphQLOptions, string][] = [
  [{ maxDepth: 2 }, '{ docs { scores { name } } }'],
  [{ maxAliases: 0 }, '{ a: docs { id } }'],
  [{ maxFields: 2 }, '{ docs { id text } }'],
  [{ maxDirectives: 0 }, '{ docs { id @skip(if: true) } }'],
  [{ maxTokens: 5 }, '{ docs { id text } }'],
]
for (const [options, query] of OPTIONS)
  test(`G4: ${Object.keys(options)} is an option`, async () => {
    await using flow = await new Flow().open()
    await using strict = await serve(flow, options)
    await using free = await serve(flow)
    const { errors } = await strict.ask(query)
    assert.is(errors[0].extensions.code, 'GRAPHQL_LIMIT')
    assert.is((await free.ask(query)).errors, undefined)
    // Once more, from the caches.
    assert.is((await strict.ask(query)).errors[0].extensions.code, 'GRAPHQL_LIMIT')
  })

test('R96: a list of operations is refused', async () => {
  await using flow = await new Flow().open()
  await using server = await serve(flow)
  const { status, errors } = await server.send({ body: JSON.stringify([{ query: '{ __typename }' }, { query: '{ __typename }' }]) })
  assert.is(status, 400)
  assert.match(errors[0].message, /list of operations/)
})

test('R96: introspection can be switched off, and is in production', async () => {
  await using flow = await new Flow().open()
  await using open = await serve(flow)
  assert.ok((await open.ask('{ __schema { queryType { name } } }')).data)
  await using closed = await serve(flow, { introspection: false })
  assert.match((await closed.ask('{ __schema { queryType { name } } }')).errors[0].message, /introspection/i)
  assert.equal((await closed.ask('{ __typename }')).data, { __typename: 'Query' })
  const before = process.env.NODE_ENV
  process.env.NODE_ENV = 'production'
  try {
    await using production = await serve(flow)
    assert.match((await production.ask('{ __schema { queryType { name } } }')).errors[0].message, /introspection/i)
    assert.not.match((await production.send({ method: 'GET', headers: { accept: 'text/html' } })).text, '<html')
  } finally {
    if (before === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = before
  }
})

test.run()
