// Fields of endpoints whose executors say what they take and give.
import { buildClientSchema, type GraphQLNamedType, GraphQLObjectType, getIntrospectionQuery, graphqlSync, printSchema, printType } from 'graphql'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { type Call, Document, Executor, Flow } from '../../../lib/index.js'
import { settings } from '../../../lib/wire/graphql/options.js'
import { createSchema } from '../../../lib/wire/graphql/server/schema.js'
import { serve } from '../../support/graphql.js'

class Rank extends Executor {
  static requests = { '/search': 'search', '/docs': 'search', '/other': 'search' }
  static input = {
    '/search': {
      tags: z.object({
        price: z.object({ amount: z.number().positive(), currency: z.string().default('EUR') }),
        kind: z.enum(['book', 'film']).optional(),
        note: z.string().nullable().optional(),
        lines: z.array(z.object({ n: z.int() })).default([]),
        'not-a-name': z.object({ 'x-y': z.number() }).optional(),
      }),
      text: z.string(),
      parameters: z.object({ top_k: z.int().max(1000).min(1).default(10), mode: z.enum(['fast', 'good']) }),
    },
    '/docs': { tags: z.object({ price: z.object({ amount: z.number() }) }) },
  }
  static output = { '/search': { tags: z.object({ score: z.number(), seen: z.array(z.string()), parent: z.object({ id: z.string() }).nullable() }) } }
  search({ docs, parameters }: Call<any, any>) {
    for (const doc of docs)
      Object.assign(doc.tags, { score: doc.tags.price.amount * (parameters.top_k ?? 1), seen: Object.keys(doc.tags).sort(), parent: null })
  }
}

const rank = () => new Flow().add({ name: 'rank', uses: Rank })

async function schemaOf(service: { ask(query: string): Promise<{ data: any }> }): Promise<string> {
  return printSchema(buildClientSchema((await service.ask(getIntrospectionQuery())).data))
}

test('E10: beside docs, endpoints have fields with the types of their schemas', async () => {
  await using flow = await rank().open()
  await using service = await serve(flow)
  const schema = await schemaOf(service)
  const block = (start: string): string => schema.slice(schema.indexOf(start), schema.indexOf('\n}', schema.indexOf(start)) + 2)
  assert.match(schema, /\n {2}search\(/)
  assert.match(schema, /\): \[SearchResult!\]!/)
  assert.match(schema, /data: \[SearchDocumentInput!\] = null/)
  assert.match(schema, /parameters: SearchParametersInput!/)
  assert.match(block('input SearchDocumentInput'), /text: String!/)
  assert.match(schema, /tags: JSONScalar/, 'a name that is none makes it JSON')
  assert.is(block('input SearchParametersInput'), 'input SearchParametersInput {\n  top_k: Int\n  mode: SearchParametersModeInput!\n}')
  assert.is(block('type SearchResultTags '), 'type SearchResultTags {\n  score: Float!\n  seen: [String!]!\n  parent: SearchResultTagsParent\n}')
  assert.match(schema, /\n {2}docsEndpoint\(/, 'docs stays what it is')
  assert.not.match(schema, /\n {2}other\(/)
})

test('E10: what Jina has of it is the same, byte for byte, whatever executors say', async () => {
  await using flow = await rank().open()
  await using service = await serve(flow)
  const typed = buildClientSchema((await service.ask(getIntrospectionQuery())).data)
  const docsAlone = (type: GraphQLNamedType): string => {
    if (type.name !== 'Query' && type.name !== 'Mutation') return printType(type)
    const { fields, ...config } = (type as GraphQLObjectType).toConfig()
    return printType(new GraphQLObjectType({ ...config, fields: { docs: fields['docs']! } }))
  }
  const general = createSchema(flow, settings({})).getTypeMap()
  assert.ok(Object.keys(general).length > 20)
  for (const type of Object.values(general)) if (!type.name.startsWith('__')) assert.is(docsAlone(typed.getType(type.name)!), docsAlone(type))
})

test('E10: documents, parameters and answers are as the types say; what does not fit is in failures', async () => {
  class Typed extends Executor {
    static requests = { '/search': 'search' }
    static input = {
      tags: z.object({
        price: z.object({ amount: z.number().positive(), currency: z.string().default('EUR') }),
        kind: z.enum(['book', 'film']).optional(),
        note: z.string().nullable().optional(),
      }),
      parameters: z.object({ top_k: z.int().default(10) }),
    }
    static output = { tags: z.object({ score: z.number(), keys: z.array(z.string()) }) }
    search({ docs, parameters }: Call<any, any>) {
      for (const doc of docs) {
        doc.tags.score = doc.tags.price.amount * parameters.top_k
        doc.tags.keys = Object.entries(doc.tags).map(([key, value]) => `${key}:${JSON.stringify(value)}`)
        doc.chunks.push(new Document({ text: 'part' }))
      }
    }
  }
  await using flow = await new Flow().add({ name: 'rank', uses: Typed }).open()
  await using service = await serve(flow)
  const fields = '{ text tags { score keys } chunks { text tags } }'
  const literal = await service.ask(`mutation {
    search(data: [{ text: "a", tags: { price: { amount: 2 }, kind: book, note: null } }, { text: "b", tags: { price: { amount: -2, currency: "USD" } } }], parameters: { top_k: 3 }) ${fields}
  }`)
  assert.is(literal.errors, undefined)
  const answer = {
    text: 'a',
    tags: { score: 6, keys: ['price:{"amount":2,"currency":"EUR"}', 'kind:"book"', 'note:null', 'score:6'] },
    chunks: [{ text: 'part', tags: {} }],
  }
  assert.equal(literal.data.search, [answer])
  const { extensions } = JSON.parse(literal.text)
  assert.is(extensions.failures.length, 1)
  assert.match(extensions.failures[0].status.description, /rank does not take document .*tags\.price\.amount/)

  const query = `query ($data: [SearchDocumentInput!], $parameters: SearchParametersInput) { search(data: $data, parameters: $parameters) ${fields} }`
  const variables = { data: [{ text: 'a', tags: { price: { amount: 2, currency: null }, kind: 'book', note: null } }], parameters: { top_k: null } }
  const asked = await service.ask(query, variables)
  assert.is(asked.errors, undefined, asked.text)
  assert.is(asked.data.search[0].tags.score, 20)
  assert.ok(asked.data.search[0].tags.keys.includes('price:{"amount":2,"currency":"EUR"}'), 'null is nothing where there may be none')

  const many = Array.from({ length: 3000 }, (_, at) => ({ text: `${at}`, tags: { price: { amount: at + 1 } } }))
  const all = await service.ask(query, { data: many, parameters: {} })
  assert.is(all.errors, undefined)
  assert.equal(
    all.data.search.map(({ text }: any) => text),
    many.map(({ text }) => text),
  )
  assert.is(all.data.search[2999].tags.score, 30_000)

  for (const [wrong, message] of [
    ['{ search(data: [{ tags: { price: { amount: "x" } } }]) { id } }', /Float cannot represent/],
    ['{ search(data: [{ text: "no tags" }]) { id } }', /Field "SearchDocumentInput.tags" of required type/],
    ['{ search(data: [{ tags: { price: { amount: 1 }, other: 1 } }]) { id } }', /"other" is not defined/],
    ['{ search(parameters: { top_k: 1.5 }) { id } }', /does not take the parameters/],
  ] as const) {
    const { errors, status } = await service.ask(`mutation ${wrong}`)
    assert.match(errors[0].message, message)
    assert.ok(status === 200 || status === 400)
  }
  const untyped = await service.ask('mutation { docs(data: [{ text: "a", tags: "{\\"price\\": {\\"amount\\": 1}}" }], execEndpoint: "/search") { tags } }')
  assert.is(untyped.data.docs[0].tags.score, 10)
})

test('E10: tags of executors before are there, too, but need not be', async () => {
  const says = (tags: z.ZodType, add: object) =>
    class extends Executor {
      static requests = { '/search': 'search' }
      static output = { tags }
      search({ docs }: Call<any>) {
        for (const doc of docs) Object.assign(doc.tags, add)
      }
    }
  await using flow = await new Flow<string>()
    .add({ uses: says(z.object({ price: z.number(), kind: z.string() }), { price: 1, kind: 'a' }) })
    .add({ uses: says(z.object({ rank: z.number(), kind: z.number() }), { rank: 2, kind: 3 }) })
    .open()
  await using service = await serve(flow)
  assert.match(await schemaOf(service), /type SearchResultTags \{\n {2}price: Float\n {2}kind: Float!\n {2}rank: Float!\n\}/)
  const { data } = await service.ask('{ search(data: [{ text: "a" }]) { tags { price kind rank } } }')
  assert.equal(data.search, [{ tags: { price: 1, kind: 3, rank: 2 } }])
})

test('E10: schemas that contain themselves make types that do', async () => {
  const Node = z.object({ name: z.string(), get children() { return z.array(Node).optional() } }) // biome-ignore format: one a line
  await using flow = await new Flow()
    .add({
      name: 'walk',
      uses: class extends Executor {
        static requests = { '/walk': 'walk' }
        static input = { tags: z.object({ root: Node }) }
        static output = { tags: z.object({ root: Node }) }
        walk() {}
      },
    })
    .open()
  await using service = await serve(flow)
  const query = 'mutation ($data: [WalkDocumentInput!]) { walk(data: $data) { tags { root { name children { name children { name } } } } } }'
  const root = { name: 'a', children: [{ name: 'b', children: [{ name: 'c' }] }] }
  const { data, errors, text } = await service.ask(query, { data: [{ tags: { root } }] })
  assert.is(errors, undefined, text)
  assert.equal(data.walk[0].tags, { root })
})

test('E10: a Flow that is opened later has its fields then, and a page of another origin does not run them', async () => {
  const flow = rank()
  await using service = await serve(flow)
  assert.not.match(await schemaOf(service), /search\(/)
  await flow.open()
  assert.match(await schemaOf(service), /search\(/)
  const plain = await service.send({ method: 'GET', headers: {}, body: null }, `?query=${encodeURIComponent('{ docsEndpoint(data: []) { id } }')}`)
  assert.match(plain.text, /not run for a plain GET/)
  await flow.close()
  assert.not.match(await schemaOf(service), /search\(/)
})

test('E10: without schemas there is one schema, made once', () => {
  const flow = new Flow().add({ name: 'x' })
  const { data } = graphqlSync({ schema: createSchema(flow, settings({})), source: '{ __schema { queryType { fields { name } } } }' }) as any
  assert.is(JSON.stringify(data.__schema.queryType.fields), '[{"name":"docs"}]')
})

test.run()
