import type { StandardSchemaV1 } from '@standard-schema/spec'
import { isPlainObject } from '../../../doc/json.js'
import type { Described, Descriptions, EndpointDescription, Leaving } from '../../../executor/schemas.js'
import { type JsonSchema, jsonSchemaOf, typeName } from '../../json-schema.js'

// What Executors of Jina say of their endpoints to gateways that speak docarray ≥ 0.30 (EndpointsProto.schemas): those make Python classes of it, by which they
// read and write documents. So it is said where what comes in is known, and nowhere else: a class without a field drops it.

interface Model {
  readonly name: string
  /** The JSON Schema that pydantic gives of a class; null where there is none. */
  readonly model: JsonSchema | null
}

/** The models of each endpoint of which enough is known. Tags are fields of their documents. */
export function modelsOf(descriptions: Descriptions): Readonly<Record<string, object>> {
  return Object.fromEntries(
    Array.from(descriptions, ([endpoint, description]) => [endpoint, modelsOfOne(typeName(endpoint), description)] as const).filter(
      ([, models]) => models !== undefined,
    ),
  ) as Record<string, object>
}

function modelsOfOne(name: string, { input, output, parameters }: EndpointDescription): object | undefined {
  const taken = propertiesOf([input], 'input')
  if (taken === undefined) return undefined
  const given = propertiesOf(output, 'output') ?? {}
  // What was not named stays, and so do tags that came in.
  const result = { ...taken, ...given }
  const same = Object.keys(result).length === Object.keys(taken).length
  const told = united(
    parameters.map(({ schema }) => schema),
    'input',
  )
  return {
    input: documents(`${name}Document`, taken),
    output: same ? documents(`${name}Document`, taken) : documents(`${name}Result`, result),
    parameters: told === undefined ? { name: null, model: null } : { name: `${name}Parameters`, model: model(`${name}Parameters`, told) },
    is_generator: false,
    is_singleton_doc: false,
  }
}

function documents(name: string, properties: JsonSchema): Model {
  return { name, model: model(name, { id: { title: 'Id', type: 'string' }, ...properties }) }
}

function model(title: string, properties: JsonSchema): JsonSchema {
  return { title, type: 'object', properties }
}

/** Fields that documents have of their own: no tag of the name can stand beside them in a class. */
const OWN = ['id', 'text']

/** The fields of documents, by what all of these say. */
function propertiesOf(described: readonly (Described & Partial<Leaving>)[], side: 'input' | 'output'): JsonSchema | undefined {
  const tags = united(
    described.flatMap(({ tags, before = [] }) => [...before, ...tags]),
    side,
    OWN,
  )
  if (described.every(({ text }) => text.length === 0)) return tags
  return { text: { title: 'Text', type: 'string' }, ...tags }
}

/** @returns undefined where no property is said */
function united(schemas: readonly StandardSchemaV1[], side: 'input' | 'output', but: readonly string[] = []): JsonSchema | undefined {
  const all = schemas.flatMap((schema) => Object.entries(jsonSchemaOf(schema, side)?.properties ?? {})).filter(([name]) => !but.includes(name))
  return all.length === 0 ? undefined : Object.fromEntries(all.map(([name, property]) => [name, field(name, isPlainObject(property) ? property : {})]))
}

const PLAIN: readonly unknown[] = ['string', 'integer', 'number', 'boolean']

/** A field as Jina's reader understands it: what is plain, and lists of that. Of the rest, there is one, of any type. */
function field(title: string, { type, items, description, default: given }: JsonSchema): JsonSchema {
  const about = { title, ...(typeof description === 'string' && { description }), ...(given !== undefined && { default: given }) }
  if (PLAIN.includes(type)) return { ...about, type }
  const item = isPlainObject(items) ? items.type : undefined
  return type === 'array' && PLAIN.includes(item) ? { ...about, type, items: { type: item } } : about
}
