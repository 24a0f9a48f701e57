import {
  assertValidSchema,
  GraphQLBoolean,
  GraphQLEnumType,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLFloat,
  type GraphQLInputFieldConfig,
  GraphQLInputObjectType,
  type GraphQLInputType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  type GraphQLNullableType,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql'
import { say } from '../../../base/errors.js'
import type { Document } from '../../../doc/document.js'
import { isPlainObject } from '../../../doc/json.js'
import type { Described, Descriptions, EndpointDescription, Leaving } from '../../../executor/schemas.js'
import type { Handler } from '../../../request/handler.js'
import { type JsonSchema, jsonSchemaOf, typeName } from '../../json-schema.js'
import type { Settings } from '../options.js'
import { type Context, docs } from './docs.js'
import { documentFields, ofDocuments } from './input.js'
import { StrawberryDocument, tagsOf } from './output.js'
import { JSONScalar } from './scalars.js'
import { filled } from './variables.js'

type Field = GraphQLFieldConfig<unknown, Context>

type Side = 'input' | 'output'

/**
 * A field for each endpoint of which executors say something: documents go in and come out with the types of their schemas. An endpoint whose schemas
 * make no types has none, and `onError` hears why.
 * @param general the schema that they stand in: its names are taken
 */
export function fieldsOf(descriptions: Descriptions, peer: Handler, settings: Settings, general: GraphQLSchema): Record<string, Field> {
  const fields: Record<string, Field> = {}
  const query = general.getQueryType()!
  const there = Object.keys(query.getFields())
  const names = new Names(there)
  const endpoints = new Names()
  const types = new Types(Object.keys(general.getTypeMap()))
  const resolve = docs(peer, settings)
  for (const [endpoint, description] of descriptions) {
    // What stands for all that are not named has no name.
    if (endpoint === '/default') continue
    const type = endpoints.free(typeName(endpoint))
    const own = `${type[0]!.toLowerCase()}${type.slice(1)}`
    const name = names.free(there.includes(own) ? `${own}Endpoint` : own)
    try {
      const field = types.field(type, endpoint, description, (root, args, context, info) => {
        filled(info.variableValues, context.lists)
        const { args: known } = info.parentType.getFields()[info.fieldName]!
        const told = Object.fromEntries(known.map(({ name, type }) => [name, given(type, args[name])]))
        return resolve(root, { ...told, execEndpoint: endpoint }, context, info)
      })
      // One that is wrong must not take the others with it, which a schema of all would do.
      assertValidSchema(new GraphQLSchema({ query: new GraphQLObjectType({ name: query.name, fields: { [name]: field } }) }))
      fields[name] = field
    } catch (cause) {
      settings.onError(new Error(`GraphQL has no field for ${endpoint}, only docs: the schemas of its executors make no types: ${say(cause)}`, { cause }))
    }
  }
  return fields
}

/** Takes null for nothing where a schema takes none, and makes objects that are like others. */
function given(type: GraphQLInputType, value: unknown): unknown {
  if (value === null || value === undefined) return value
  if (isNonNullType(type)) return given(type.ofType, value)
  if (isListType(type)) return Array.isArray(value) ? value.map((item) => given(type.ofType, item)) : given(type.ofType, value)
  if (!isInputObjectType(type)) return value
  const object: Record<string, unknown> = {}
  for (const [name, { type: inner, extensions }] of Object.entries(type.getFields())) {
    const one = (value as Record<string, unknown>)[name]
    if (one !== undefined && (one !== null || extensions.nullable === true)) object[name] = given(inner, one)
  }
  return object
}

/** Names of which each is given once. */
class Names {
  readonly #taken: Set<string>

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken)
  }

  /** @returns the name, with a number where it would be one that is taken: `suffix` comes behind it */
  free(name: string, suffix = ''): string {
    let free = name
    for (let at = 2; this.#taken.has(`${free}${suffix}`); at++) free = `${name}${at}`
    this.#taken.add(`${free}${suffix}`)
    return free
  }
}

class Types {
  readonly #names: Names

  constructor(taken: readonly string[]) {
    this.#names = new Names(taken)
  }

  field(name: string, endpoint: string, { input, parameters, output }: EndpointDescription, resolve: NonNullable<Field['resolve']>): Field {
    const data = ofDocuments(this.#documentInput(`${name}Document`, input))
    const told = this.#object(
      `${name}Parameters`,
      parameters.map(({ schema }) => jsonSchemaOf(schema, 'input')),
      'input',
    )
    const args: GraphQLFieldConfigArgumentMap = {
      data: {
        type: new GraphQLList(new GraphQLNonNull(data)),
        defaultValue: null,
        description: 'The documents. Without them, a request with parameters only.',
      },
      parameters: told.needed
        ? { type: new GraphQLNonNull(told.type), description: 'For the executors.' }
        : { type: told.type, defaultValue: null, description: 'For the executors.' },
    }
    const type = new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(this.#documentOutput(`${name}Result`, output))))
    return { type, args: args as never, resolve, description: `Sends documents to ${endpoint} of the executors.` }
  }

  #documentInput(name: string, { tags }: Described): GraphQLInputObjectType {
    const told = this.#object(
      `${name}Tags`,
      tags.map((schema) => jsonSchemaOf(schema, 'input')),
      'input',
    )
    return new GraphQLInputObjectType({
      name: `${this.#names.free(name, 'Input')}Input`,
      fields: () => ({ ...documentFields(), tags: { type: told.needed ? new GraphQLNonNull(told.type) : told.type } }),
    })
  }

  #documentOutput(name: string, output: readonly Leaving[]): GraphQLObjectType {
    // Where they come by several ways, they may be the one or the other.
    const [one] = output
    if (one === undefined || output.length > 1 || one.tags.length === 0) return StrawberryDocument
    const told = this.#object(
      `${name}Tags`,
      one.tags.map((schema) => jsonSchemaOf(schema, 'output')),
      'output',
      one.before.map((schema) => jsonSchemaOf(schema, 'output')),
    )
    if (told.type === JSONScalar) return StrawberryDocument
    const { fields } = StrawberryDocument.toConfig()
    const resolve = (document: Document): unknown => tagsOf(document)
    return new GraphQLObjectType<Document, Context>({
      name: this.#names.free(name),
      description: StrawberryDocument.description,
      fields: { ...fields, tags: { type: new GraphQLNonNull(told.type as GraphQLObjectType), resolve } } as never,
    })
  }

  /** @returns the type of an object that all of these describe; JSON where they say nothing that has a name */
  #object(
    name: string,
    said: readonly (JsonSchema | undefined)[],
    side: Side,
    before: readonly (JsonSchema | undefined)[] = [],
  ): { readonly type: GraphQLNullableType & GraphQLInputType; readonly needed: boolean } {
    const known = said.filter((schema) => schema !== undefined)
    // Nobody looks where documents leave what became of the tags of executors before.
    const earlier = before.flatMap((schema) => Object.keys(propertiesOf(schema)).map((key) => [key, {}] as const))
    // Of one property, the last has the last word.
    const properties = Object.assign(Object.fromEntries(earlier), ...known.map(propertiesOf)) as Record<string, JsonSchema>
    const required = known.flatMap((schema) => (schema.required as string[] | undefined) ?? [])
    const roots = new Map(known.flatMap((schema) => Object.keys(propertiesOf(schema)).map((key) => [key, schema] as const)))
    const type = new Shapes(side, name, this.#names).object(name, { type: 'object', properties, required }, (key) => roots.get(key) ?? {})
    return { type: type as GraphQLInputObjectType, needed: required.length > 0 && type !== JSONScalar }
  }
}

function propertiesOf(schema: JsonSchema | undefined): object {
  return (schema?.properties as object | null | undefined) ?? {}
}

/** Types of GraphQL, of JSON Schemas that describe one object. */
class Shapes {
  readonly #side: Side
  readonly #name: string
  readonly #names: Names
  /** What references led to, by the schema that they are in: schemas may be in themselves, and several may use one name. */
  readonly #known = new Map<JsonSchema, Map<string, GraphQLNullableType>>()

  constructor(side: Side, name: string, names: Names) {
    this.#side = side
    this.#name = name
    this.#names = names
  }

  object(wanted: string, { properties, required }: JsonSchema, rootOf: (key: string) => JsonSchema): GraphQLNullableType {
    const entries = Object.entries((properties ?? {}) as Record<string, unknown>).map(([key, schema]) => [key, shapeOf(schema)] as const)
    if (entries.length === 0 || entries.some(([key]) => !/^(?!__)[_A-Za-z]\w*$/.test(key))) return JSONScalar
    const input = this.#side === 'input'
    const name = this.#names.free(wanted, input ? 'Input' : '')
    const fields = () =>
      Object.fromEntries(
        entries.map(([key, schema]) => {
          const root = rootOf(key)
          const { inner, nullable } = withoutNull(schema, root)
          const type = this.#type(`${name}${key[0]!.toUpperCase()}${key.slice(1)}`, inner, root)
          const needed = Array.isArray(required) && required.includes(key) && !nullable && !('default' in schema)
          const about = typeof schema.description === 'string' ? { description: schema.description } : {}
          const resolve = (object: Record<string, unknown>): unknown => (Object.hasOwn(object, key) ? object[key] : undefined)
          return [
            key,
            {
              type: needed ? new GraphQLNonNull(type) : type,
              ...about,
              ...(input ? { extensions: { nullable } } : { resolve }),
            } as GraphQLInputFieldConfig,
          ]
        }),
      )
    return input ? new GraphQLInputObjectType({ name: `${name}Input`, fields }) : new GraphQLObjectType({ name, fields: fields as never })
  }

  #type(name: string, schema: JsonSchema, root: JsonSchema): GraphQLNullableType {
    const { $ref, allOf } = schema
    if (typeof $ref === 'string') return this.#referred($ref, root)
    if (Array.isArray(allOf) && allOf.length === 1) return this.#type(name, shapeOf(allOf[0]), root)
    if (Array.isArray(schema.enum)) return this.#enum(name, schema.enum)
    switch (schema.type) {
      case 'string':
        return GraphQLString
      case 'boolean':
        return GraphQLBoolean
      case 'integer':
        // GraphQL's have 32 bits.
        return Number(schema.minimum ?? -Infinity) >= -(2 ** 31) && Number(schema.maximum ?? Infinity) < 2 ** 31 ? GraphQLInt : GraphQLFloat
      case 'number':
        return GraphQLFloat
      case 'array': {
        if (!isPlainObject(schema.items)) return JSONScalar
        const { inner, nullable } = withoutNull(schema.items, root)
        const item = this.#type(name, inner, root)
        return new GraphQLList(nullable ? item : new GraphQLNonNull(item))
      }
      case 'object':
        return this.object(name, schema, () => root)
      default:
        return JSONScalar
    }
  }

  #referred(ref: string, root: JsonSchema): GraphQLNullableType {
    const found = follow(ref, root)
    let known = this.#known.get(root)
    if (known === undefined) this.#known.set(root, (known = new Map()))
    let type = known.get(ref)
    if (type === undefined && isPlainObject(found)) {
      const word = /\w+$/.exec(ref)?.[0] ?? ''
      // What comes back to itself with no object in between has no type: those look into theirs later.
      known.set(ref, JSONScalar)
      type = this.#type(`${this.#name}${word[0]?.toUpperCase() ?? 'Self'}${word.slice(1)}`, withoutNull(found, root).inner, root)
      known.set(ref, type)
    }
    return type ?? JSONScalar
  }

  /** Texts that can be names; text for other texts. */
  #enum(name: string, values: readonly unknown[]): GraphQLNullableType {
    if (values.length === 0 || !values.every((value) => typeof value === 'string')) return JSONScalar
    if (!values.every((value) => /^(?!__|true$|false$|null$)[_A-Za-z]\w*$/.test(value))) return GraphQLString
    const suffix = this.#side === 'input' ? 'Input' : ''
    return new GraphQLEnumType({ name: `${this.#names.free(name, suffix)}${suffix}`, values: Object.fromEntries(values.map((value) => [value, {}])) })
  }
}

/** Some are true or false, and some that a library gives are none: nothing is said of those. */
function shapeOf(value: unknown): JsonSchema {
  return isPlainObject(value) ? value : {}
}

/** Where a reference leads. */
function follow(ref: string, root: JsonSchema): unknown {
  return ref
    .slice(1)
    .split('/')
    .filter((step) => step !== '')
    .reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], root)
}

/** A schema, and whether null fits it, too. What it refers to may say so. */
function withoutNull(schema: JsonSchema, root?: JsonSchema): { readonly inner: JsonSchema; readonly nullable: boolean } {
  for (const word of ['anyOf', 'oneOf'] as const) {
    if (!Array.isArray(schema[word])) continue
    const ways = (schema[word] as unknown[]).map(shapeOf)
    const others = ways.filter(({ type }) => type !== 'null')
    return { inner: others.length === 1 ? others[0]! : {}, nullable: others.length < ways.length }
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null')
    return { inner: types.length === 1 ? { ...schema, type: types[0] } : {}, nullable: types.length < schema.type.length }
  }
  if (typeof schema.$ref === 'string' && root !== undefined) return { inner: schema, nullable: withoutNull(shapeOf(follow(schema.$ref, root))).nullable }
  const values = Array.isArray(schema.enum) ? schema.enum : 'const' in schema ? [schema.const] : [schema.type === 'null' ? null : undefined]
  return { inner: schema, nullable: Object.keys(schema).length === 0 || values.includes(null) }
}
