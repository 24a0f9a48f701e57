import type { StandardSchemaV1 } from '@standard-schema/spec'
import { DEFAULT_ENDPOINT } from '../../../executor/bindings.js'
import type { Described, Descriptions, EndpointDescription, Leaving } from '../../../executor/schemas.js'
import { type JsonSchema, typeName, united } from '../../json-schema.js'
import type { Settings } from '../options.js'
import type { Route } from './routes.js'

const schema = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const json = (name: string) => ({ 'application/json': { schema: schema(name) } })
const text = (description: string) => ({ type: 'string', description })
const any = (description: string) => ({ type: 'object', additionalProperties: true, description })

/**
 * The service in the words of OpenAPI 3.1, made of the very routes that requests are led by.
 * @param described what the executors say of their documents and parameters, by endpoint
 * @param endpoints those that executors have. Of the routes that are there for any Flow, only those are told of that lead to one of them
 */
export function openapiOf(routes: readonly Route[], { title, description }: Settings, described: Descriptions, endpoints: readonly string[] = []): object {
  const paths: Record<string, Record<string, object>> = {}
  const types = new Types(described, endpoints)
  // Where nobody knows which there are, there may be all.
  const isThere = (endpoint: string): boolean => endpoints.length === 0 || endpoints.includes(DEFAULT_ENDPOINT) || endpoints.includes(endpoint)
  for (const route of routes) {
    if (route.path.startsWith('/docs/') || (route.isGeneral && !isThere(route.endpoint!))) continue
    paths[route.path] ??= {}
    paths[route.path]![route.method.toLowerCase()] = operation(route, types)
  }
  return { openapi: '3.1.0', info: { title, description, version: '3' }, paths, components: { schemas: types.schemas } }
}

function operation({ path, method, task, endpoint, summary, description, tags }: Route, types: Types): object {
  const operationId = `${method.toLowerCase()}_${path.replace(/\W+/g, '_').replace(/^_|_$/g, '') || 'root'}`
  const about = { operationId, summary, ...(description !== undefined && { description }), tags }
  if (task === 'mcp') return { ...about, requestBody: { required: true, content: { 'application/json': { schema: MESSAGE } } }, responses: told(task) }
  if (task !== 'work') return { ...about, responses: told(task) }
  const { request, response } = endpoint === undefined ? types.any() : types.of(endpoint)
  const responses = { ...ANSWERS, '200': { ...ANSWERS['200'], content: { ...ANSWERS['200'].content, ...json(response) } } }
  if (method === 'GET') return { ...about, parameters: QUERY, responses }
  const lines = { 'application/x-ndjson': { schema: { ...text('A document on each line'), contentMediaType: 'application/x-ndjson' } } }
  return { ...about, parameters: upload(endpoint), requestBody: { required: true, content: { ...json(request), ...lines } }, responses }
}

interface Names {
  readonly request: string
  readonly response: string
}

const GENERAL: Names = { request: 'Request', response: 'Response' }

/** The schemas of the description: those of any request, and those of endpoints whose executors say more. */
class Types {
  readonly schemas: Record<string, object> = { ...SCHEMAS }
  readonly #described: Descriptions
  readonly #known = new Map<string, Names>()
  /** What begins names that are taken. */
  readonly #names = new Set(['Any', 'Endpoint'])

  constructor(described: Descriptions, endpoints: readonly string[]) {
    this.#described = described
    const named = endpoints.filter((endpoint) => endpoint.startsWith('/') && endpoint !== DEFAULT_ENDPOINT)
    this.schemas.EndpointRequest = endpointRequest(named)
  }

  /** What requests and responses of an endpoint are. */
  of(endpoint: string): Names {
    const description = this.#described.get(endpoint) ?? this.#described.get('/default')
    if (description === undefined) return GENERAL
    let names = this.#known.get(endpoint)
    if (names === undefined) this.#known.set(endpoint, (names = this.#make(endpoint, description)))
    return names
  }

  /** Those of a route where the body names the endpoint: one after the other, and all others. */
  any(): Names {
    const endpoints = [...this.#described.keys()].filter((endpoint) => endpoint !== '/default')
    if (this.#described.size === 0) return { request: 'EndpointRequest', response: 'Response' }
    const named = endpoints.map((endpoint) => {
      const { request } = this.of(endpoint)
      return { allOf: [schema(request), { type: 'object', required: ['execEndpoint'], properties: { execEndpoint: { const: endpoint } } }] }
    })
    const others = { allOf: [schema('EndpointRequest'), { type: 'object', properties: { execEndpoint: { not: { enum: endpoints } } } }] }
    this.schemas.AnyRequest = { oneOf: [...named, others] }
    const responses = [...new Set([...endpoints.map((endpoint) => this.of(endpoint).response), 'Response'])]
    this.schemas.AnyResponse = { anyOf: responses.map(schema) }
    return { request: 'AnyRequest', response: 'AnyResponse' }
  }

  #make(endpoint: string, { input, parameters, output }: EndpointDescription): Names {
    const name = this.#free(typeName(endpoint))
    const told = this.#document(`${name}Document`, input, 'input')
    const given = this.#all(
      `${name}Parameters`,
      parameters.map(({ schema }) => schema),
      'input',
      { type: 'object', description: 'For the executors' },
    )
    const request = told === undefined && given === undefined ? GENERAL.request : `${name}Request`
    if (request !== GENERAL.request)
      this.schemas[request] = {
        allOf: [
          schema('Request'),
          {
            type: 'object',
            ...(isNeeded(given) && { required: ['parameters'] }),
            properties: {
              ...(told !== undefined && { data: { oneOf: [{ type: 'array', items: schema(told) }, schema(told), { type: 'null' }] } }),
              ...(given !== undefined && { parameters: given }),
            },
          },
        ],
      }
    const results = output.map((one, at) => this.#document(`${name}Result${at === 0 ? '' : at + 1}`, one, 'output'))
    if (results.length === 0 || results.includes(undefined)) return { request, response: GENERAL.response }
    const items = results.length === 1 ? schema(results[0]!) : { anyOf: results.map((result) => schema(result!)) }
    this.schemas[`${name}Response`] = { allOf: [schema('Response'), { type: 'object', properties: { data: { type: 'array', items } } }] }
    return { request, response: `${name}Response` }
  }

  /** @returns its name; undefined where nothing is known of it */
  #document(name: string, { tags, text, before = [] }: Described & Partial<Leaving>, side: 'input' | 'output'): string | undefined {
    const ofTags = this.#all(`${name}Tags`, tags, side, { type: 'object' }, before)
    const ofText = this.#all(`${name}Text`, text, side, { type: 'string' })
    if (ofTags === undefined && ofText === undefined) return undefined
    const properties = { ...(ofTags !== undefined && { tags: ofTags }), ...(ofText !== undefined && { text: ofText }) }
    const required = isNeeded(ofTags) ? { required: ['tags'] } : {}
    this.schemas[name] = { allOf: [schema('Document'), { type: 'object', ...required, properties }] }
    return name
  }

  /** What is said by several schemas at once, under a name. */
  #all(
    name: string,
    schemas: readonly StandardSchemaV1[],
    side: 'input' | 'output',
    nothing: JsonSchema,
    before: readonly StandardSchemaV1[] = [],
  ): JsonSchema | undefined {
    const all = united(schemas, side, nothing, `#/components/schemas/${name}`, before)
    if (all === undefined) return undefined
    this.schemas[name] = all.schema
    return all.needed ? { ...schema(name), [NEEDED]: true } : schema(name)
  }

  #free(name: string): string {
    let free = name
    for (let at = 2; this.#names.has(free); at++) free = `${name}${at}`
    this.#names.add(free)
    return free
  }
}

/** Whether it is of something that has parts which must be there. JSON does not show it. */
const NEEDED = Symbol('needed')

function isNeeded(schema: JsonSchema | undefined): boolean {
  return schema !== undefined && NEEDED in schema
}

function told(task: Route['task']): object {
  const ok = (content: object) => ({ '200': { description: 'As asked', content } })
  if (task === 'dryRun') return ok(json('Status'))
  if (task === 'metrics') return ok({ 'text/plain': { schema: { type: 'string' } } })
  if (task === 'page') return ok({ 'text/html': { schema: { type: 'string' } } })
  const object = { 'application/json': { schema: { type: 'object' } } }
  return task === 'ready' ? { ...ok(object), '503': { description: 'Not ready', content: object } } : ok(object)
}

const MESSAGE = any('A message of JSON-RPC 2.0, as the Model Context Protocol has it')

const query = (name: string, schema: object, description: string) => ({ name, in: 'query', required: false, schema, description })

const QUERY = [
  query('data', { type: 'string', contentMediaType: 'application/json' }, 'Documents, as JSON'),
  query('parameters', { type: 'string', contentMediaType: 'application/json' }, 'For the executors, as JSON'),
  query('targetExecutor', { type: 'string' }, 'A pattern that executors’ names start with'),
]

/** Of an upload line by line; what a JSON body says itself. */
function upload(endpoint: string | undefined): object[] {
  const ndjson = 'With application/x-ndjson: '
  return [
    ...(endpoint === undefined ? [query('execEndpoint', { type: 'string', default: '/' }, `${ndjson}the endpoint`)] : []),
    query('parameters', { type: 'string', contentMediaType: 'application/json' }, `${ndjson}for the executors, as JSON`),
    query('targetExecutor', { type: 'string' }, `${ndjson}a pattern that executors’ names start with`),
    query('requestSize', { type: 'integer', minimum: 1, maximum: 10_000, default: 100 }, `${ndjson}documents in a request`),
    query('prefetch', { type: 'integer', minimum: 1 }, `${ndjson}the most requests under way`),
    query('resultsInOrder', { type: 'boolean', default: false }, `${ndjson}answers in the order of the lines`),
    query('continueOnError', { type: 'boolean', default: false }, `${ndjson}go on after a request that failed`),
    query(
      'flushAfter',
      { type: 'integer', minimum: 1 },
      `${ndjson}milliseconds since the last line after which a request that is not full goes out; 100 by default`,
    ),
  ]
}

const refusal = (description: string) => ({ description, content: json('Refusal') })
const failure = (description: string) => ({ description, content: json('Response') })

const ANSWERS = {
  '200': {
    description: 'What the executors answered; `header.status.code` is 1 when one of them failed',
    content: {
      ...json('Response'),
      'application/x-ndjson': {
        schema: {
          ...text('A response on each line, with partial ones; with the header `sluice-deltas: 1`, those of streamed documents say what was appended'),
          contentMediaType: 'application/x-ndjson',
        },
      },
      'text/event-stream': { schema: text('Events `response`, `partial`, `delta`, `error` with a response each, and `end`') },
    },
  },
  '400': refusal('Not JSON, or nested too deep'),
  '413': refusal('Larger than the service takes'),
  '415': refusal('Not a type that the service takes'),
  '422': refusal('JSON, but not what is due; `detail` names the field'),
  '500': failure('The service failed'),
  '503': failure('The Flow is closed, or an executor out of reach'),
  '504': failure('Not answered in time'),
}

const number = { type: 'number' }
const strings = { type: 'array', items: { type: 'string' } }
const tensor = { oneOf: [number, { type: 'array' }], description: 'Nested lists of numbers' }
const named = { type: 'object', additionalProperties: schema('NamedScore') }
const documents = { type: 'array', items: schema('Document') }

const REQUEST = {
  data: {
    oneOf: [documents, schema('Document'), { type: 'null' }],
    description: 'Documents; `{"docs": […]}` is taken as well',
    examples: [[{ text: 'hello' }]],
  },
  targetExecutor: text('A pattern that executors’ names start with; the others are passed by'),
  parameters: any('For the executors'),
}

/** @param endpoints those that are known: the first is as good an example as any */
function endpointRequest(endpoints: readonly string[]): object {
  const known = endpoints.length === 0 ? {} : { examples: endpoints }
  return { type: 'object', properties: { ...REQUEST, execEndpoint: { ...text('The endpoint of the executors'), default: '/', ...known } } }
}

/** What most documents are made of. */
export const PLAIN_FIELDS = { id: { type: 'string' }, text: { type: 'string' }, uri: { type: 'string' }, tags: any('JSON values by name') }

/** What is said of the fields that are not named. */
export const OTHER_FIELDS = 'Fields that are not named here become tags'

const SCHEMAS = {
  Document: {
    type: 'object',
    description: OTHER_FIELDS,
    properties: {
      ...PLAIN_FIELDS,
      blob: { type: 'string', contentEncoding: 'base64' },
      tensor,
      embedding: tensor,
      mime_type: { type: 'string' },
      weight: number,
      parent_id: { type: 'string' },
      granularity: { type: 'integer' },
      adjacency: { type: 'integer' },
      modality: { type: 'string' },
      offset: number,
      location: { type: 'array', items: number },
      scores: named,
      evaluations: named,
      chunks: documents,
      matches: documents,
    },
  },
  NamedScore: {
    type: 'object',
    required: ['value'],
    properties: { value: number, op_name: { type: 'string' }, description: { type: 'string' }, ref_id: { type: 'string' } },
  },
  Request: { type: 'object', properties: REQUEST },
  EndpointRequest: endpointRequest([]),
  Response: {
    type: 'object',
    properties: {
      header: {
        type: 'object',
        properties: { requestId: { type: 'string' }, status: schema('Status'), execEndpoint: { type: 'string' }, targetExecutor: { type: 'string' } },
      },
      parameters: any('Those of the request, and under `__results__` what executors returned as objects'),
      routes: { type: 'array', items: schema('Route') },
      data: documents,
      partial: { type: 'boolean', description: 'Whether more follows for this request' },
      ordinal: { type: 'integer' },
    },
  },
  Route: {
    type: 'object',
    properties: {
      executor: { type: 'string' },
      startTime: { type: 'string', format: 'date-time' },
      endTime: { type: ['string', 'null'], format: 'date-time' },
      status: { oneOf: [schema('Status'), { type: 'null' }] },
    },
  },
  Status: {
    type: 'object',
    properties: {
      code: { type: 'integer', enum: [0, 1], description: '0 is success' },
      description: { type: 'string' },
      exception: { oneOf: [schema('Exception'), { type: 'null' }] },
    },
  },
  Exception: { type: 'object', properties: { name: { type: 'string' }, args: strings, stacks: strings, executor: { type: 'string' } } },
  Refusal: {
    type: 'object',
    properties: {
      detail: {
        oneOf: [
          { type: 'string' },
          {
            type: 'array',
            items: {
              type: 'object',
              properties: { loc: { type: 'array', items: { type: ['string', 'integer'] } }, msg: { type: 'string' }, type: { type: 'string' } },
            },
          },
        ],
      },
    },
  },
}
