import {
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
  GraphQLString,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql'
import type { Document } from '../../../doc/document.js'
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
 * A field for each endpoint of which executors say something: documents go in and come out with the types of their schemas.
 * @param taken names of fields that there are
 */
export function fieldsOf(descriptions: Descriptions, peer: Handler, settings: Settings, taken: readonly string[]): Record<string, Field> {
  const fields: Record<string, Field> = {}
  const types = new Types()
  const resolve = docs(peer, settings)
  for (const [endpoint, description] of descriptions) {
    // What stands for all that are not named has no name.
    if (endpoint === '/default') continue
    const type = types.free(typeName(endpoint))
    const name = `${type[0]!.toLowerCase()}${type.slice(1)}`
    fields[taken.includes(name) ? `${name}Endpoint` : name] = types.field(type, endpoint, description, (root, args, context, info) => {
      filled(info.variableValues, context.lists)
      const { args: known } = info.parentType.getFields()[info.fieldName]!
      const told = Object.fromEntries(known.map(({ name, type }) => [name, given(type, args[name])]))
      return resolve(root, { ...told, execEndpoint: endpoint }, context, info)
    })
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

class Types {
  readonly #names = new Set<string>()

  /** A name for the types of an endpoint that no other has. */
  free(name: string): string {
    let free = name
    for (let at = 2; this.#names.has(free); at++) free = `${name}${at}`
    this.#names.add(free)
    return free
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

  #documentInput(name: string, { tags, text }: Described): GraphQLInputObjectType {
    const told = this.#object(
      `${name}Tags`,
      tags.map((schema) => jsonSchemaOf(schema, 'input')),
      'input',
    )
    return new GraphQLInputObjectType({
      name: `${name}Input`,
      fields: () => ({
        ...documentFields(),
        tags: { type: told.needed ? new GraphQLNonNull(told.type) : told.type },
        ...(text.length > 0 && { text: { type: new GraphQLNonNull(GraphQLString) } }),
      }),
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
      name,
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
    // Of one property, the last has the last word.
    const known = [...before, ...said].filter((schema) => schema !== undefined)
    const properties = Object.assign({}, ...known.map(({ properties }) => properties)) as Record<string, JsonSchema>
    const required = said.flatMap((schema) => (schema?.required as string[] | undefined) ?? [])
    const roots = new Map(known.flatMap((schema) => Object.keys((schema.properties as object | undefined) ?? {}).map((key) => [key, schema] as const)))
    const type = new Shapes(side, name).object(name, { type: 'object', properties, required }, (key) => roots.get(key)!)
    return { type: type as GraphQLInputObjectType, needed: required.length > 0 && type !== JSONScalar }
  }
}

/** Types of GraphQL, of one JSON Schema. */
class Shapes {
  readonly #side: Side
  readonly #name: string
  /** What a reference led to: schemas may be in themselves. */
  readonly #known = new Map<string, GraphQLNullableType>()

  constructor(side: Side, name: string) {
    this.#side = side
    this.#name = name
  }

  object(name: string, { properties, required = [] }: JsonSchema, rootOf: (key: string) => JsonSchema): GraphQLNullableType {
    const entries = Object.entries((properties ?? {}) as Record<string, JsonSchema>)
    if (entries.length === 0 || entries.some(([key]) => !/^(?!__)[_A-Za-z]\w*$/.test(key))) return JSONScalar
    const fields = () =>
      Object.fromEntries(
        entries.map(([key, schema]) => {
          const { inner, nullable } = withoutNull(schema)
          const type = this.#type(`${name}${key[0]!.toUpperCase()}${key.slice(1)}`, inner, rootOf(key))
          const needed = (required as string[]).includes(key) && !nullable && !('default' in schema)
          const about = typeof schema.description === 'string' ? { description: schema.description } : {}
          const resolve = (object: Record<string, unknown>): unknown => (Object.hasOwn(object, key) ? object[key] : undefined)
          return [
            key,
            {
              type: needed ? new GraphQLNonNull(type) : type,
              ...about,
              ...(this.#side === 'input' ? { extensions: { nullable } } : { resolve }),
            } as GraphQLInputFieldConfig,
          ]
        }),
      )
    return this.#side === 'input' ? new GraphQLInputObjectType({ name: `${name}Input`, fields }) : new GraphQLObjectType({ name, fields: fields as never })
  }

  #type(name: string, schema: JsonSchema, root: JsonSchema): GraphQLNullableType {
    const { $ref, allOf } = schema
    if (typeof $ref === 'string') return this.#referred($ref, root)
    if (Array.isArray(allOf) && allOf.length === 1) return this.#type(name, allOf[0] as JsonSchema, root)
    if (Array.isArray(schema.enum)) return enumOf(this.#side === 'input' ? `${name}Input` : name, schema.enum) ?? JSONScalar
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
        if (typeof schema.items !== 'object' || schema.items === null) return JSONScalar
        const { inner, nullable } = withoutNull(schema.items as JsonSchema)
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
    const found = ref
      .slice(1)
      .split('/')
      .filter((step) => step !== '')
      .reduce<unknown>((value, step) => (value as Record<string, unknown> | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], root)
    let type = this.#known.get(ref)
    if (type === undefined && typeof found === 'object' && found !== null) {
      const schema = found as JsonSchema
      const word = /\w+$/.exec(ref)?.[0] ?? ''
      type = this.#type(`${this.#name}${word[0]?.toUpperCase() ?? 'Self'}${word.slice(1)}`, schema, root)
      this.#known.set(ref, type)
    }
    return type ?? JSONScalar
  }
}

/** A schema, and whether null fits it, too. */
function withoutNull(schema: JsonSchema): { readonly inner: JsonSchema; readonly nullable: boolean } {
  for (const word of ['anyOf', 'oneOf'] as const) {
    const ways = schema[word] as JsonSchema[] | undefined
    if (!Array.isArray(ways)) continue
    const others = ways.filter(({ type }) => type !== 'null')
    return { inner: others.length === 1 ? others[0]! : {}, nullable: others.length < ways.length }
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null')
    return { inner: types.length === 1 ? { ...schema, type: types[0] } : {}, nullable: types.length < schema.type.length }
  }
  return { inner: schema, nullable: Object.keys(schema).length === 0 }
}

/** Texts that can be names; undefined for others. */
function enumOf(name: string, values: readonly unknown[]): GraphQLNullableType | undefined {
  if (!values.every((value) => typeof value === 'string')) return undefined
  if (!values.every((value) => /^(?!__|true$|false$|null$)[_A-Za-z]\w*$/.test(value))) return GraphQLString
  return new GraphQLEnumType({ name, values: Object.fromEntries(values.map((value) => [value, {}])) })
}
