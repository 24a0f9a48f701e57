import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import { isPlainObject } from '../doc/json.js'

/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>

type Side = 'input' | 'output'

/** What libraries can be asked that do not speak Standard JSON Schema yet: zod 4 before 4.2, arktype before 2.2. */
interface Older {
  toJSONSchema?(options: { io: Side; unrepresentable: 'any' }): JsonSchema
  toJsonSchema?(): JsonSchema
}

/**
 * What a schema says, as JSON Schema (draft 2020-12): by Standard JSON Schema, or by a method of its own.
 * @param side what it takes, or what it gives. What it gives is laid over a document, so more may stand beside it
 * @returns undefined where its library cannot say it
 */
export function jsonSchemaOf(schema: StandardSchemaV1, side: Side): JsonSchema | undefined {
  const { jsonSchema } = schema['~standard'] as Partial<StandardJSONSchemaV1['~standard']>
  const older = schema as Older
  const ways = [
    () => jsonSchema?.[side]({ target: 'draft-2020-12', libraryOptions: { unrepresentable: 'any' } }),
    () => jsonSchema?.[side]({ target: 'draft-2020-12' }),
    () => older.toJSONSchema?.({ io: side, unrepresentable: 'any' }),
    () => older.toJsonSchema?.(),
  ]
  for (const way of ways) {
    try {
      const said = way()
      if (said === undefined) continue
      // Only what can be written, and a copy: libraries keep theirs.
      const { $schema: _, ...written } = JSON.parse(JSON.stringify(said)) as JsonSchema
      return side === 'output' ? opened(written) : written
    } catch {
      // What it cannot represent, such as a Date, another way may.
    }
  }
  return undefined
}

/** An object that may have more than it says. */
function opened(schema: JsonSchema): JsonSchema {
  return mapped(schema, (key, value) => (key === 'additionalProperties' && value === false ? undefined : value))
}

/** Whose values are values, and no schemas. */
const LITERAL = ['const', 'enum', 'default', 'examples']

/** Whose keys are names, which may be those of keywords, and whose values are schemas. */
const NAMED = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']

/** A schema with other keywords, in all the schemas in it too; undefined takes one out. */
function mapped(schema: JsonSchema, change: (keyword: string, value: unknown) => unknown): JsonSchema {
  const inner = (value: unknown): unknown => (Array.isArray(value) ? value.map(inner) : isPlainObject(value) ? mapped(value, change) : value)
  const changed = Object.entries(schema).flatMap(([keyword, value]) => {
    const other = change(keyword, value)
    if (other === undefined) return []
    if (LITERAL.includes(keyword)) return [[keyword, other] as const]
    const named = NAMED.includes(keyword) && isPlainObject(other)
    return [[keyword, named ? Object.fromEntries(Object.entries(other).map(([name, one]) => [name, inner(one)])) : inner(other)] as const]
  })
  return Object.fromEntries(changed)
}

/** What may be there of an object, but for properties of which others say more. */
function optional({ required: _, properties, ...schema }: JsonSchema, others: readonly JsonSchema[]): JsonSchema {
  const taken = new Set(others.flatMap(({ properties }) => Object.keys(properties ?? {})))
  return { ...schema, properties: Object.fromEntries(Object.entries(properties ?? {}).filter(([name]) => !taken.has(name))) }
}

/** What several schemas say at once. */
export interface United {
  readonly schema: JsonSchema
  /** Whether something of it must be there. */
  readonly needed: boolean
}

/**
 * Several schemas that all hold, as one. Of one that says nothing in JSON Schema, it is only known that there is one.
 * @param nothing stands for such a one
 * @param at where it will stand, as references lead there: `#/components/schemas/SearchTags`
 * @param before what was said earlier of the same, and holds where nobody says otherwise
 * @returns undefined where nothing is said
 */
export function united(
  schemas: readonly StandardSchemaV1[],
  side: Side,
  nothing: JsonSchema,
  at: string,
  before: readonly StandardSchemaV1[] = [],
): United | undefined {
  const all: JsonSchema[] = schemas.map((one) => jsonSchemaOf(one, side) ?? nothing)
  const earlier = before.map((one) => jsonSchemaOf(one, side)).filter((one) => one !== undefined)
  const said = [...all, ...earlier.map((one, at) => optional(one, [...all, ...earlier.slice(at + 1)]))]
  if (said.length === 0) return undefined
  const parts = said.map((one, number) => moved(one, said.length === 1 ? at : `${at}/allOf/${number}`))
  const needed = said.some(({ required }) => Array.isArray(required) && required.length > 0)
  return { schema: parts.length === 1 ? parts[0]! : { allOf: parts }, needed }
}

/** A schema that stands elsewhere than it was made for: its references to itself lead to where it stands. */
function moved(schema: JsonSchema, to: string): JsonSchema {
  return mapped(schema, (keyword, value) => (keyword === '$ref' && typeof value === 'string' && value.startsWith('#') ? `${to}${value.slice(1)}` : value))
}

/** A name for an endpoint, as types have it: `/search/text` is `SearchText`. */
export function typeName(endpoint: string): string {
  const words = endpoint.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
  const name = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')
  return name === '' ? 'Root' : /^[A-Za-z]/.test(name) ? name : `Endpoint${name}`
}
