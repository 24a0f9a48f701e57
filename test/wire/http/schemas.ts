// What executors say of their documents, in /openapi.json and on the page.
import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as v from 'valibot'
import { z } from 'zod'
import { type Call, Executor, Flow } from '../../../lib/index.js'
import { createHttp } from '../../../lib/wire/http/server/fetch.js'

class Rank extends Executor {
  static requests = { '/search': 'search', '/rank': 'search' }
  static input = {
    tags: z.object({ price: z.object({ amount: z.number().positive(), currency: z.string().default('EUR') }) }),
    parameters: z.object({ top_k: z.coerce.number().int().default(10), mode: z.enum(['fast', 'good']) }),
  }
  static output = { tags: z.object({ score: z.number() }), text: z.string() }
  search({ docs }: Call) {
    for (const doc of docs) doc.tags.score = 1
  }
}

type Api = { paths: any; components: { schemas: Record<string, any> } }

async function apiOf(flow: Flow<any, any>, options: object = {}): Promise<Api> {
  const { fetch } = createHttp(flow, { allowedHosts: ['here'], ...options })
  return (await fetch(new Request('http://here/openapi.json'))).json() as Promise<Api>
}

/** Where a reference leads. */
function at(api: Api, ref: string): any {
  return ref
    .slice(2)
    .split('/')
    .reduce((value: any, step) => value?.[step], api)
}

/** Looks that every reference leads somewhere. @returns how many there are */
function resolved(api: Api): number {
  let count = 0
  const visit = (value: any): void => {
    if (typeof value !== 'object' || value === null) return
    if (typeof value.$ref === 'string') {
      assert.is.not(at(api, value.$ref), undefined, value.$ref)
      count++
    }
    for (const inner of Object.values(value)) visit(inner)
  }
  visit(api)
  return count
}

const contentOf = (api: Api, path: string, method: string): { request: string; response: string } => {
  const operation = api.paths[path][method]
  const name = (content: any) => content['application/json'].schema.$ref.split('/').at(-1)
  return { request: name(operation.requestBody.content), response: name(operation.responses['200'].content) }
}

test('G1: openapi.json names those of /index, /search, /update and /delete that an executor has', async () => {
  const there = async (flow: Flow<any>): Promise<string[]> => {
    await using open = await flow.open()
    const { paths } = await apiOf(open, { exposeEndpoints: { '/delete': { path: '/away' } } })
    return ['/index', '/search', '/update', '/delete', '/away'].filter((path) => path in paths)
  }
  class Search extends Executor {
    static requests = { '/search': 'find', '/rank': 'find' }
    find() {}
  }
  class Any extends Executor {
    static requests = { '/default': 'find' }
    find() {}
  }
  assert.equal(await there(new Flow().add({ uses: Search })), ['/search', '/away'], 'what is exposed by hand is there')
  assert.equal(await there(new Flow().add({ uses: Search }).add({ uses: Any })), ['/index', '/search', '/update', '/delete', '/away'])
  assert.equal(await there(new Flow()), ['/index', '/search', '/update', '/delete', '/away'], 'where nobody says which there are')
  const elsewhere = new Flow().add({ uses: Search }).add({ external: true, host: 'grpc://127.0.0.1:1' })
  assert.equal(await there(elsewhere), ['/index', '/search', '/update', '/delete', '/away'], 'nor does one elsewhere')
  await using flow = await new Flow().add({ uses: Search }).open()
  const { components } = await apiOf(flow)
  assert.equal(components.schemas.EndpointRequest.properties.execEndpoint.examples, ['/search', '/rank'])
})

test('E10: openapi.json says what executors take and give, at the routes of their endpoints', async () => {
  await using flow = await new Flow().add({ name: 'first' }).add({ name: 'rank', uses: Rank }).open()
  const api = await apiOf(flow, { exposeEndpoints: { '/rank': { path: '/ranked' } } })
  assert.ok(resolved(api) > 30)
  assert.equal(contentOf(api, '/search', 'post'), { request: 'SearchRequest', response: 'SearchResponse' })
  assert.equal(contentOf(api, '/ranked', 'post'), { request: 'RankRequest', response: 'RankResponse' })
  assert.not.ok('/index' in api.paths, 'nobody has it')
  assert.equal(contentOf(api, '/post', 'post'), { request: 'AnyRequest', response: 'AnyResponse' })
  const { SearchRequest, SearchParameters, SearchDocumentTags, SearchDocument, SearchResultTags, SearchResult, AnyRequest } = api.components.schemas
  assert.equal(SearchRequest.allOf[1].required, ['parameters'])
  assert.equal(SearchDocumentTags.required, ['price'])
  assert.equal(SearchDocumentTags.properties.price.required, ['amount'])
  assert.is(SearchDocumentTags.properties.price.properties.currency.default, 'EUR')
  assert.equal(SearchDocument.allOf[1].required, ['tags'])
  assert.equal(SearchParameters.required, ['mode'])
  assert.equal(SearchParameters.properties.top_k.default, 10)
  assert.equal(SearchResultTags, { type: 'object', properties: { score: { type: 'number' } }, required: ['score'] }, 'more may stand beside it')
  assert.equal(SearchResult.allOf[1].properties.text, { $ref: '#/components/schemas/SearchResultText' })
  assert.equal(
    AnyRequest.oneOf.map((one: any) => one.allOf[1].properties.execEndpoint),
    [{ const: '/search' }, { const: '/rank' }, { not: { enum: ['/search', '/rank'] } }],
  )
})

test('E10: schemas of valibot and arktype are told, and what has no JSON Schema is shown as any', async () => {
  const tags = {
    valibot: toStandardJsonSchema(v.object({ n: v.optional(v.number(), 3) })),
    arktype: type({ n: 'number = 3' }),
    bare: v.object({ n: v.number() }),
    date: z.object({ n: z.date() }),
  }
  const seen: Record<string, unknown> = {}
  for (const [name, schema] of Object.entries(tags)) {
    await using flow = await new Flow().add({ uses: () => {}, input: { '/index': { tags: schema } } }).open()
    const api = await apiOf(flow)
    resolved(api)
    seen[name] = api.components.schemas.IndexDocumentTags
  }
  assert.equal(seen.valibot, { type: 'object', properties: { n: { type: 'number', default: 3 } }, required: [] })
  assert.equal(seen.arktype, { type: 'object', properties: { n: { type: 'number' } } })
  assert.equal(seen.bare, { type: 'object' })
  assert.equal(seen.date, { type: 'object', properties: { n: {} }, required: ['n'] })
})

test('E10: tags that are called as keywords are, are told as others are', async () => {
  const Node = z.object({ name: z.string(), get children() { return z.array(Node) } }) // biome-ignore format: one a line
  const names = ['default', 'examples', 'enum', 'const', 'additionalProperties', 'properties', 'other']
  const tags = (one: z.ZodType) => z.object(Object.fromEntries(names.map((name) => [name, one])))
  await using flow = await new Flow()
    .add({ uses: () => {}, input: { '/index': { tags: tags(Node) } }, output: { '/index': { tags: tags(z.strictObject({ a: z.literal('x') })) } } })
    .open()
  const api = await apiOf(flow)
  resolved(api)
  const { IndexDocumentTags, IndexResultTags } = api.components.schemas
  for (const name of names) {
    assert.equal(IndexDocumentTags.properties[name], IndexDocumentTags.properties.other, name)
    assert.equal(IndexResultTags.properties[name], { type: 'object', properties: { a: { type: 'string', const: 'x' } }, required: ['a'] }, name)
  }
  assert.match(IndexDocumentTags.properties.default.$ref, /^#\/components/)
})

test('E10: properties are called as they are, and what a schema takes none of is told', async () => {
  const none = () => ({ type: 'object', properties: { additionalProperties: false, a: { type: 'object', additionalProperties: false } } })
  const tags = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }), jsonSchema: { input: none, output: none } } } as const
  await using flow = await new Flow().add({ uses: () => {}, output: { '/index': { tags } } }).open()
  assert.equal((await apiOf(flow)).components.schemas.IndexResultTags.properties, { additionalProperties: false, a: { type: 'object' } })
})

test('E10: what several executors say stands side by side; behind a fork, what comes out is the one or the other', async () => {
  const tree: z.ZodType = z.lazy(() => z.object({ name: z.string(), children: z.array(tree).optional() }))
  await using flow = await new Flow()
    .add({
      name: 'a',
      needs: 'gateway',
      uses: () => {},
      input: { tags: z.object({ a: z.number() }), parameters: z.object({ k: z.number() }) },
      output: { tags: z.object({ x: z.number() }) },
    })
    .add({
      name: 'b',
      needs: 'gateway',
      uses: () => {},
      input: { tags: z.object({ tree }), parameters: z.object({ l: z.number() }) },
      output: { tags: z.object({ y: z.number() }) },
    })
    .add({ name: 'both', needs: ['a', 'b'] })
    .open()
  const api = await apiOf(flow)
  resolved(api)
  const { SearchDocumentTags, SearchParameters, SearchResponse } = api.components.schemas
  assert.is(SearchDocumentTags.allOf.length, 2)
  assert.is(SearchParameters.allOf.length, 2)
  assert.equal(SearchResponse.allOf[1].properties.data.items, {
    anyOf: [{ $ref: '#/components/schemas/SearchResult' }, { $ref: '#/components/schemas/SearchResult2' }],
  })
  await using chain = await new Flow()
    .add({ name: 'a', uses: () => {}, output: { tags: z.object({ x: z.number(), y: z.string() }) } })
    .add({ name: 'b', uses: () => {}, output: { tags: z.object({ y: z.number() }) } })
    .open()
  assert.equal((await apiOf(chain)).components.schemas['SearchResultTags'], {
    allOf: [
      { type: 'object', properties: { y: { type: 'number' } }, required: ['y'] },
      { type: 'object', properties: { x: { type: 'number' } } },
    ],
  })
  await using behind = await new Flow()
    .add({ name: 'a', uses: () => {}, output: { tags: z.object({ x: z.number() }) } })
    .add({ name: 'b', uses: () => {} })
    .open()
  assert.equal(contentOf(await apiOf(behind), '/search', 'post'), { request: 'Request', response: 'Response' }, 'b may have changed them')
})

test('E10: a Flow that is opened later, or anew, is described as it is then', async () => {
  const flow = new Flow().add({ name: 'rank', uses: Rank })
  const { fetch } = createHttp(flow, { allowedHosts: ['here'] })
  const names = async () => Object.keys(((await (await fetch(new Request('http://here/openapi.json'))).json()) as Api).components.schemas)
  assert.not.ok((await names()).includes('SearchRequest'))
  await flow.open()
  assert.ok((await names()).includes('SearchRequest'))
  await flow.close()
  assert.not.ok((await names()).includes('SearchRequest'))
})

test('E10: the page shows what an endpoint takes and gives, and its sample is taken', async () => {
  await using flow = await new Flow().add({ name: 'rank', uses: Rank }).open()
  const { fetch } = createHttp(flow, { allowedHosts: ['here'] })
  const script = await (await fetch(new Request('http://here/docs/page.js'))).text()
  const made: any[] = []
  const element = (name: string): any => {
    const it: any = {
      name,
      textContent: '',
      value: '',
      children: [],
      append: (...more: any[]) => {
        it.children.push(...more)
        // A choice is its first.
        if (name === 'select') it.value = it.children[0].textContent
      },
      addEventListener() {},
      replaceChildren() {},
    }
    made.push(it)
    return it
  }
  const api = await apiOf(flow)
  const { operation } = new Function('document', 'show', `${script.replace(/\nshow\(\)\n$/, '\n')}; return { operation }`)(
    { createElement: element },
    undefined,
  )
  operation('/search', 'post', api.paths['/search'].post, api.components.schemas)
  const shown = made.filter(({ name }) => name === 'pre').map(({ textContent }) => textContent)
  assert.ok(made.some(({ textContent }) => textContent === 'Takes: SearchRequest'))
  assert.ok(shown.some((text) => text.includes('"currency"') && text.includes('"top_k"')))
  assert.ok(shown.some((text) => text.includes('"score"')))
  const body = made.find(({ name }) => name === 'textarea').value
  const response = await fetch(new Request('http://here/search', { method: 'POST', headers: { 'content-type': 'application/json' }, body }))
  assert.is(response.status, 200, body)
  const { data, parameters } = (await response.json()) as any
  assert.equal(data[0].tags, { price: { amount: 1, currency: 'EUR' }, score: 1 }, JSON.stringify(parameters))
})

test.run()
