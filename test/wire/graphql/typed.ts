// Fields of endpoints whose executors say what they take and give.
import type { StandardSchemaV1 } from '@standard-schema/spec'
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
  assert.match(block('input SearchDocumentInput'), /text: String\n/)
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
    .add({ uses: says(z.object({ rank: z.number(), kind: z.number() }), { price: [1], rank: 2, kind: 3 }) })
    .open()
  await using service = await serve(flow)
  // Nobody checks where they leave what became of them.
  assert.match(await schemaOf(service), /type SearchResultTags \{\n {2}price: JSONScalar\n {2}kind: Float!\n {2}rank: Float!\n\}/)
  const { data } = await service.ask('{ search(data: [{ text: "a" }]) { tags { price kind rank } } }')
  assert.equal(data.search, [{ tags: { price: [1], kind: 3, rank: 2 } }])
})

test('E10: a document without text goes where a text has a schema, which says whether it may', async () => {
  class Read extends Executor {
    static requests = { '/read': 'read' }
    static input = { text: z.string().max(3) }
    read() {}
  }
  await using flow = await new Flow().add({ uses: Read }).open()
  await using service = await serve(flow)
  const { data, errors, text } = await service.ask('mutation { read(data: [{ id: "a", blob: "AAAA" }, { id: "b", text: "long" }]) { id blob } }')
  assert.is(errors, undefined, text)
  assert.equal(data.read, [{ id: 'a', blob: 'AAAA' }])
})

/** An Executor whose endpoints take tags of which a library says this. */
function taking(tags: object, endpoints: readonly string[] = ['/go']) {
  return class extends Executor {
    static requests = Object.fromEntries(endpoints.map((endpoint) => [endpoint, 'go']))
    static input = { tags: 'safeParse' in tags ? (tags as z.ZodType) : said(tags) }
    go() {}
  }
}

function said(schema: unknown): StandardSchemaV1 {
  const say = () => schema as Record<string, unknown>
  return { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }), jsonSchema: { input: say, output: say } } } as StandardSchemaV1
}

const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more })
const text = { type: 'string' }

test('E10: types of which the names would be the same have names of their own', async () => {
  for (const [tags, endpoints, ...types] of [
    [z.object({ user: z.object({ name: z.object({ a: z.string() }) }), userName: z.object({ b: z.string() }) }), ['/go'], 'GoDocumentTagsUserName2Input'],
    [z.object({ e: z.enum(['a', 'b']), E: z.enum(['c']) }), ['/go'], 'GoDocumentTagsEInput', 'GoDocumentTagsE2Input'],
    [
      object({ a: { $ref: '#/$defs/b' }, b: object({ q: text }) }, { $defs: { b: object({ p: text }) } }),
      ['/go'],
      'GoDocumentTagsBInput',
      'GoDocumentTagsB2Input',
    ],
    [
      object({ a: { $ref: '#/$defs/x~1A' }, b: { $ref: '#/$defs/y~1A' } }, { $defs: { 'x/A': object({ p: text }), 'y/A': object({ q: text }) } }),
      ['/go'],
      'GoDocumentTags1A2Input',
    ],
    [z.object({ n: z.number() }), ['/strawberry'], 'StrawberryDocumentInput', 'StrawberryDocument2Input'],
    [z.object({ document: z.object({ n: z.number() }) }), ['/a', '/a/document/tags'], 'ADocumentTagsDocumentInput', 'ADocumentTagsDocument2Input'],
  ] as const) {
    await using flow = await new Flow().add({ uses: taking(tags, endpoints) }).open()
    await using service = await serve(flow)
    const schema = await schemaOf(service)
    for (const type of types) assert.match(schema, new RegExp(`^(input|enum) ${type} \\{`, 'm'))
    const fields = endpoints.map((endpoint) => endpoint.slice(1).replace(/\/./g, (word) => word[1]!.toUpperCase()))
    for (const field of fields) assert.match(schema, new RegExp(`^ {2}${field}\\(`, 'm'))
  }
})

test('E10: fields of endpoints of which the names would be the same are all there', async () => {
  await using flow = await new Flow().add({ uses: taking(z.object({ n: z.number() }), ['/docs', '/docs/endpoint']) }).open()
  await using service = await serve(flow)
  const schema = await schemaOf(service)
  for (const [field, endpoint] of [['docsEndpoint', '/docs'], ['docsEndpoint2', '/docs/endpoint']] as const) // biome-ignore format: one a line
    assert.match(schema, new RegExp(`Sends documents to ${endpoint} of the executors."{3}\n {2}${field}\\(`))
})

test('E10: what has no type in GraphQL is JSON: lists of themselves, references in a circle, an empty enum, what is no schema', async () => {
  const Nested: z.ZodType = z.lazy(() => z.array(Nested))
  for (const [tags, type] of [
    [z.object({ a: Nested }), '[JSONScalar!]!'],
    [object({ a: { $ref: '#/$defs/A' } }, { $defs: { A: { $ref: '#/$defs/B' }, B: { $ref: '#/$defs/A' } } }), 'JSONScalar'],
    [object({ a: { $ref: '#/$defs/A' } }, { $defs: { A: { allOf: [{ $ref: '#/$defs/A' }] } } }), 'JSONScalar'],
    [object({ a: { enum: [] } }), 'JSONScalar'],
    [object({ a: { oneOf: [null, text] } }), 'JSONScalar'],
    [object({ a: true }), 'JSONScalar'],
    [object({ a: null }), 'JSONScalar'],
    [object({ a: { type: 'null' } }, { required: ['a'] }), 'JSONScalar'],
    [object({ a: { $ref: '#/$defs/A' } }, { required: ['a'], $defs: { A: { anyOf: [text, { type: 'null' }] } } }), 'String'],
  ] as const) {
    await using flow = await new Flow().add({ uses: taking(tags) }).open()
    await using service = await serve(flow)
    const schema = await schemaOf(service)
    assert.ok(schema.includes(`input GoDocumentTagsInput {\n  a: ${type}\n}`), `${type}: ${/input GoDocumentTagsInput[^}]*/.exec(schema)?.[0]}`)
  }
})

test('E10: an endpoint whose schemas make no types has no field, which is told once; the others have theirs, and docs works', async () => {
  const odd = Object.defineProperty({}, '~standard', {
    get() {
      throw new Error('out of order')
    },
  }) as StandardSchemaV1
  const described = (tags: StandardSchemaV1) => ({ input: { tags: [tags], text: [] }, parameters: [], output: [] })
  const descriptions = Promise.resolve(new Map(Object.entries({ '/odd': described(odd), '/even': described(z.object({ n: z.number() })) })))
  const peer = { accepts: () => true, handle: () => {}, describe: () => descriptions }
  await using service = await serve(peer)
  for (let time = 0; time < 2; time++) {
    const schema = await schemaOf(service)
    assert.match(schema, /\n {2}even\(/)
    assert.not.match(schema, /\n {2}odd\(/)
    const { data } = await service.ask('mutation { docs(data: [{ text: "a" }], execEndpoint: "/odd") { text } }')
    assert.equal(data.docs, [{ text: 'a' }])
  }
  assert.equal(
    service.reported.map((error) => (error as Error).message),
    ['GraphQL has no field for /odd, only docs: the schemas of its executors make no types: out of order'],
  )
})

test('E10: schemas of several executors keep their own, where their parts have one name', async () => {
  const Cat = z.object({ name: z.string(), get kids() { return z.array(Cat) } }) // biome-ignore format: one a line
  const Dog = z.object({ bark: z.number(), get pups() { return z.array(Dog) } }) // biome-ignore format: one a line
  const asking = (parameters: z.ZodType) =>
    class extends Executor {
      static requests = { '/go': 'go' }
      static input = { parameters }
      go() {}
    }
  await using flow = await new Flow<string>()
    .add({ name: 'cats', uses: asking(z.object({ cat: Cat })) })
    .add({ name: 'dogs', uses: asking(z.object({ dog: Dog })) })
    .open()
  await using service = await serve(flow)
  const { errors, text } = await service.ask('mutation { go(parameters: { cat: { name: "x", kids: [] }, dog: { bark: 1, pups: [] } }) { id } }')
  assert.is(errors, undefined, text)
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
