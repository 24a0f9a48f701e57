import { DEFAULT_ENDPOINT, DRY_RUN } from '../../../executor/bindings.js'
import type { Described, Descriptions, EndpointDescription, Leaving } from '../../../executor/schemas.js'
import { type JsonSchema, united } from '../../json-schema.js'
import type { Settings } from '../options.js'
import { OTHER_FIELDS, PLAIN_FIELDS } from '../server/openapi.js'

/** An endpoint, as an agent sees it. */
export interface Tool {
  readonly endpoint: string
  /** As the protocol has it. */
  readonly told: {
    readonly name: string
    readonly title: string
    readonly description: string
    readonly inputSchema: JsonSchema & { readonly type: 'object' }
    /** Given where it is known what comes out. */
    readonly outputSchema?: (JsonSchema & { readonly type: 'object' }) | undefined
  }
}

/** What may be said to a tool. */
export const ARGUMENTS = ['docs', 'parameters']

/** As long as what models take for the name of a function. */
const LONGEST_NAME = 64

/**
 * The tools that endpoints are, by their names.
 * @param bound those that executors are bound to
 * @param described what executors say of documents and parameters
 */
export function toolsOf(bound: readonly string[], described: Descriptions, { mcp, title, exposeEndpoints = {} }: Settings): ReadonlyMap<string, Tool> {
  const said = typeof mcp === 'object' ? mcp.endpoints : undefined
  const about: Readonly<Record<string, string>> = said === undefined || Array.isArray(said) ? {} : (said as Record<string, string>)
  const named = said === undefined ? [...new Set([...bound, ...described.keys()])].filter(isNamed) : Array.isArray(said) ? said : Object.keys(about)
  const tools = new Map<string, Tool>()
  // Where executors take whatever comes, there is one thing to ask for.
  for (const endpoint of named.length > 0 ? named : ['/']) {
    const name = free(nameOf(endpoint) || nameOf(title) || 'flow', tools)
    const { summary, description = summary } = exposeEndpoints[endpoint] ?? {}
    const shown = about[endpoint] || description || (endpoint === '/' ? `Sends documents through ${title}` : `Sends documents to ${endpoint} of ${title}`)
    const { inputSchema, outputSchema } = schemasOf(described.get(endpoint) ?? described.get(DEFAULT_ENDPOINT))
    tools.set(name, { endpoint, told: { name, title: endpoint, description: shown, inputSchema, ...(outputSchema && { outputSchema }) } })
  }
  return tools
}

function isNamed(endpoint: string): boolean {
  return endpoint !== DEFAULT_ENDPOINT && endpoint !== DRY_RUN
}

/** `/search/text` is `search_text`: what more there may be in an endpoint, models do not take in a name. */
function nameOf(text: string): string {
  return text.replace(/[^A-Za-z0-9-]+/g, '_').replace(/^_+|_+$/g, '')
}

function free(name: string, taken: ReadonlyMap<string, unknown>): string {
  let one = name.slice(0, LONGEST_NAME)
  for (let at = 2; taken.has(one); at++) one = `${name.slice(0, LONGEST_NAME - String(at).length - 1)}_${at}`
  return one
}

const ANY_PARAMETERS: JsonSchema = { type: 'object', description: 'For the executors' }
const FAILURES: JsonSchema = {
  type: 'array',
  description: 'Documents that failed, while the others went on',
  items: {
    type: 'object',
    properties: { id: { type: 'string' }, executor: { type: 'string' }, code: { type: 'string' }, message: { type: 'string' } },
    required: ['id', 'executor', 'code', 'message'],
  },
}
const RESULTS: JsonSchema = { type: 'object', description: 'What executors returned beside documents, by their names' }

/** Where the one schema of documents stands in that of a tool: references lead there. */
const ITEMS = '#/properties/docs/items'

function schemasOf({ input, parameters, output }: EndpointDescription = NOTHING): Pick<Tool['told'], 'inputSchema' | 'outputSchema'> {
  const given = united(
    parameters.map(({ schema }) => schema),
    'input',
    ANY_PARAMETERS,
    '#/properties/parameters',
  )
  const takes = input.tags.length + input.text.length > 0
  const required = [...(takes ? ['docs'] : []), ...(given?.needed ? ['parameters'] : [])]
  const inputSchema = {
    type: 'object',
    properties: {
      docs: { type: 'array', description: 'The documents, in one request', items: document(input, 'input', ITEMS) },
      parameters: given?.schema ?? ANY_PARAMETERS,
    },
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  } as const
  if (output.length === 0) return { inputSchema }
  const ways = output.map((one, at) => document(one, 'output', output.length === 1 ? ITEMS : `${ITEMS}/anyOf/${at}`))
  const docs = { type: 'array', items: ways.length === 1 ? ways[0]! : { anyOf: ways } }
  return { inputSchema, outputSchema: { type: 'object', properties: { docs, failures: FAILURES, results: RESULTS }, required: ['docs'] } }
}

const NOTHING: EndpointDescription = { input: { tags: [], text: [] }, parameters: [], output: [] }

/** A document in the few fields that models write. The others are taken as well. */
function document({ tags, text, before = [] }: Described & Partial<Leaving>, side: 'input' | 'output', at: string): JsonSchema {
  const ofTags = united(tags, side, PLAIN_FIELDS.tags, `${at}/properties/tags`, before)
  const ofText = united(text, side, PLAIN_FIELDS.text, `${at}/properties/text`)
  const { id, uri } = PLAIN_FIELDS
  return {
    type: 'object',
    description: OTHER_FIELDS,
    properties: { text: ofText?.schema ?? PLAIN_FIELDS.text, tags: ofTags?.schema ?? PLAIN_FIELDS.tags, id, uri },
    ...(ofTags?.needed && { required: ['tags'] }),
  }
}
