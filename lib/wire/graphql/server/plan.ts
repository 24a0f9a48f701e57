import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  GraphQLString,
  getArgumentValues,
  getLocation,
  getNamedType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  OperationTypeNode,
  type SelectionSetNode,
  type VariableDefinitionNode,
  valueFromAST,
} from 'graphql'
import type { Document } from '../../../doc/document.js'
import type { Response } from '../../../request/response.js'
import { textOf } from '../../json.js'
import { isMuch } from './answer.js'
import { DOCS, DocsResponse, documentsIn, StrawberryDocument } from './output.js'
import { TextCache } from './parse.js'
import { NdArrayScalar } from './scalars.js'
import { type ListVariable, listsAmong } from './variables.js'

// An operation that asks for `docs` alone, and says which fields without a condition, is read once. What is read of a document for it is what graphql reads by the
// same types, and only where all goes well: what would be an error in the answer is thrown here, and graphql answers.

type Read = (value: any) => unknown

/** What the answer to an operation is made of. */
export interface Plan {
  /** The operation's name; undefined where it has none. */
  readonly name: string | undefined
  /** Its variables that are lists of documents. */
  readonly lists: readonly ListVariable[]
  /** Its variables. */
  readonly variables: readonly VariableDefinitionNode[]
  /** @throws where graphql has to say what is wrong with them @returns the arguments of the field, with these values of the variables */
  arguments(values: Readonly<Record<string, unknown>>): Record<string, unknown>
  /**
   * The text of the answer, with these documents.
   * @throws where it has errors, or so much in it that it is better read in turns
   */
  text(docs: readonly Document[]): string | Promise<string>
  /** The text of the answer where nothing but this went wrong, and there are no documents. */
  failed(error: GraphQLError): string
}

/** Plans of the last few hundred texts, of one schema: most texts come again. */
export class Plans {
  #schema: GraphQLSchema | undefined
  #plans = new TextCache<{ readonly plan: Plan | undefined }>()

  get(schema: GraphQLSchema, text: string): Plan | undefined {
    return schema === this.#schema ? this.#plans.get(text)?.plan : undefined
  }

  /** Takes note of a text that is parsed, valid, and within all limits. */
  note(schema: GraphQLSchema, text: string, document: DocumentNode): void {
    if (schema !== this.#schema) {
      this.#schema = schema
      this.#plans = new TextCache()
    }
    if (this.#plans.get(text) === undefined) this.#plans.set(text, { plan: planOf(schema, document) })
  }
}

/** @returns undefined for what graphql has to answer */
export function planOf(schema: GraphQLSchema, document: DocumentNode): Plan | undefined {
  return unlessUnplanned(() => {
    const { operation, key, field, nodes, fragments } = askedIn(schema, document)
    if (operation.operation === OperationTypeNode.SUBSCRIPTION) throw UNPLANNED
    const reading = new Reading(fragments)
    const read = reading.object(StrawberryDocument, nodes)
    const [before, after] = aroundOf(key)
    const around = (text: string): string => before + text + after
    const variables = operation.variableDefinitions ?? []
    const located = { locations: nodes.map(({ loc }) => getLocation(loc!.source, loc!.start)), path: [key] }
    const nothing = isNonNullType(field.type) ? null : { [key]: null }
    return {
      name: operation.name?.value,
      variables,
      lists: listsAmong(schema, variables),
      arguments: argumentsIn(field, nodes[0]!),
      failed({ message, extensions: { http: _, ...extensions } }) {
        const error = { message, ...located, ...(Object.keys(extensions).length > 0 && { extensions }) }
        return JSON.stringify({ errors: [error], data: nothing })
      },
      text(docs) {
        if (reading.isDeep && isMuch(docs)) throw UNPLANNED
        const text = textOf(docs, read)
        return typeof text === 'string' ? around(text) : text.then(around)
      },
    }
  })
}

/** @returns what writes an event of a subscription; nothing for one that graphql has to. Undefined where it has to write all */
export function eventPlanOf(schema: GraphQLSchema, document: DocumentNode): ((response: Response) => string | undefined) | undefined {
  return unlessUnplanned(() => {
    const { operation, key, nodes, fragments } = askedIn(schema, document)
    if (operation.operation !== OperationTypeNode.SUBSCRIPTION) throw UNPLANNED
    const reading = new Reading(fragments)
    const read = reading.object(DocsResponse, nodes)
    const [before, after] = aroundOf(key)
    return (response) => {
      if (response.error !== undefined || response.failures.length > 0) return undefined
      try {
        return before + JSON.stringify(read(response)) + after
      } catch {
        // It has errors, or much in it, and graphql comes to the same.
        return undefined
      }
    }
  })
}

function unlessUnplanned<P>(plan: () => P): P | undefined {
  try {
    return plan()
  } catch (error) {
    if (error === UNPLANNED) return undefined
    throw error
  }
}

/** The text around that of the one field. */
function aroundOf(key: string): readonly [before: string, after: string] {
  return [`{"data":{${JSON.stringify(key)}:`, '}}']
}

/** The one operation of a document, and the one field that it asks for: `docs`. @throws where there is something else */
function askedIn(schema: GraphQLSchema, document: DocumentNode) {
  const fragments: Fragments = new Map()
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  for (const definition of document.definitions) if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  const [operation, ...others] = operations
  if (operation === undefined || others.length > 0 || operation.directives?.length) throw UNPLANNED
  const [[key, nodes], ...more] = [...collect([operation.selectionSet], fragments)] as [[string, FieldNode[]], ...unknown[]]
  const field = nodes[0]!.name.value === DOCS ? schema.getRootType(operation.operation)?.getFields()[DOCS] : undefined
  if (field === undefined || more.length > 0) throw UNPLANNED
  return { operation, key, field, nodes, fragments }
}

/** It is for graphql to answer. */
const UNPLANNED = new GraphQLError('No answer by a plan')

/** An argument that is the same each time, or what a variable says. */
interface Argument {
  readonly name: string
  readonly value: unknown
  readonly variable: string | undefined
}

/** What graphql makes of the arguments of a field; of those that are texts, numbers, or variables as a whole, without asking it each time. */
function argumentsIn(field: GraphQLField<unknown, unknown>, node: FieldNode): Plan['arguments'] {
  const byGraphQL: Plan['arguments'] = (values) => getArgumentValues(field, node, values)
  const known: Argument[] = []
  for (const { name, type, defaultValue } of field.args) {
    const said = node.arguments?.find((argument) => argument.name.value === name)?.value
    if (said?.kind === Kind.VARIABLE) {
      known.push({ name, value: undefined, variable: said.name.value })
      continue
    }
    const value = said === undefined ? defaultValue : valueFromAST(said, type)
    // Of objects, each gets its own, and what has no value is an error.
    if (value === undefined || (typeof value === 'object' && value !== null)) return byGraphQL
    known.push({ name, value, variable: undefined })
  }
  return (values) => {
    const all: Record<string, unknown> = {}
    for (const { name, value, variable } of known) {
      if (variable === undefined) all[name] = value
      // What is missing has a default, and what is null may not be.
      else if (!Object.hasOwn(values, variable) || values[variable] === null || values[variable] === undefined) return byGraphQL(values)
      else all[name] = values[variable]
    }
    return all
  }
}

type Fragments = Map<string, FragmentDefinitionNode>

/** The fields of some selections by their keys in the answer, in order: fragments are of the type that they stand in, as there are only types of objects. */
function collect(sets: readonly SelectionSetNode[], fragments: Fragments): Map<string, FieldNode[]> {
  const fields = new Map<string, FieldNode[]>()
  const seen = new Set<string>()
  const add = ({ selections }: SelectionSetNode): void => {
    for (const selection of selections) {
      if (selection.directives?.length) throw UNPLANNED
      if (selection.kind === Kind.INLINE_FRAGMENT) add(selection.selectionSet)
      else if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const name = selection.name.value
        if (seen.has(name)) continue
        seen.add(name)
        const fragment = fragments.get(name)!
        if (fragment.directives?.length) throw UNPLANNED
        add(fragment.selectionSet)
      } else {
        const key = (selection.alias ?? selection.name).value
        // An object would take it for its prototype.
        if (key === '__proto__') throw UNPLANNED
        const nodes = fields.get(key)
        if (nodes === undefined) fields.set(key, [selection])
        else nodes.push(selection)
      }
    }
  }
  for (const set of sets) add(set)
  return fields
}

class Reading {
  /** Whether there may be more in a document than a few numbers and texts. */
  isDeep = false

  constructor(private readonly fragments: Fragments) {}

  object(type: GraphQLObjectType, nodes: readonly FieldNode[]): Read {
    const sets = nodes.map(({ selectionSet }) => selectionSet!)
    const fields = [...collect(sets, this.fragments)]
    const keys = fields.map(([key]) => key)
    const reads = fields.map(([, nodes]) => this.#field(type, nodes))
    return (source) => {
      const object: Record<string, unknown> = {}
      for (let i = 0; i < keys.length; i++) object[keys[i]!] = reads[i]!(source)
      return object
    }
  }

  #field(parent: GraphQLObjectType, nodes: readonly FieldNode[]): Read {
    const name = nodes[0]!.name.value
    if (name === '__typename') return () => parent.name
    const field = parent.getFields()[name]
    if (field === undefined || field.args.length > 0) throw UNPLANNED
    const documents = documentsIn(field)
    if (documents !== undefined || getNamedType(field.type) === NdArrayScalar) this.isDeep = true
    const complete = this.#complete(field.type, nodes)
    // Of a response, they may be many; those in documents were counted with them.
    if (documents !== undefined && parent === DocsResponse) return (source) => complete(few(documents(source)))
    const resolve = documents ?? (field.resolve as Read | undefined)
    return resolve === undefined ? (source) => complete(source[name]) : (source) => complete(resolve(source))
  }

  /** What graphql makes of what a field has. */
  #complete(type: GraphQLOutputType, nodes: readonly FieldNode[]): Read {
    if (isNonNullType(type)) {
      const inner = this.#complete(type.ofType, nodes)
      return (value) => inner(value) ?? refuse()
    }
    if (isListType(type)) {
      const item = this.#complete(type.ofType, nodes)
      return (value) => {
        if (value === undefined || value === null) return null
        if (!Array.isArray(value)) return refuse()
        const list = new Array<unknown>(value.length)
        for (let i = 0; i < value.length; i++) list[i] = item(value[i])
        return list
      }
    }
    if (isLeafType(type)) {
      const write = (value: any): unknown =>
        value === undefined || value === null ? null : value instanceof Error ? refuse() : (type.serialize(value) ?? refuse())
      // Most fields are texts, which are written as they are.
      return type === GraphQLString ? (value) => (typeof value === 'string' ? value : write(value)) : write
    }
    if (!isObjectType(type)) throw UNPLANNED
    const object = this.object(type, nodes)
    return (value) => (value === undefined || value === null ? null : object(value))
  }
}

function few(docs: readonly Document[]): readonly Document[] {
  return isMuch(docs) ? refuse() : docs
}

function refuse(): never {
  throw UNPLANNED
}
