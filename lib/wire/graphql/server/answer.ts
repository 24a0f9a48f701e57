import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  GraphQLError,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLResolveInfo,
  GraphQLSchema,
  getNamedType,
  Kind,
  OperationTypeNode,
  type VariableDefinitionNode,
} from 'graphql'
import { now } from '../../../base/clock.js'
import type { Document } from '../../../doc/document.js'
import { later, overdue } from '../../../stream/event-loop.js'
import { listText } from '../../json.js'

// graphql reads the fields of all documents of an answer in one go. So it is given an empty list where there are many, and they are read behind its
// back by executions of their own, a few at a time.

/** Documents whose fields are read at once, chunks and matches included: nobody waits for them. */
const FEW = 1000
/** Numbers of tensors that are read in the time that a document takes. */
const NUMBERS = 100
/** Of more, those that are read together, at most. */
const TOGETHER = 64
/** Milliseconds that reading some together may take. */
const SOME = 3

/** A list that is read later. */
export interface Deferred {
  readonly docs: readonly Document[]
  readonly info: GraphQLResolveInfo
}

/** Who keeps the lists that are read later. */
export interface Deferring {
  deferred?: Deferred[] | undefined
}

/** What a resolver answers with documents: them, or nothing yet. */
export function listed(docs: readonly Document[], keeper: Deferring, info: GraphQLResolveInfo): readonly Document[] {
  if (!isMuch(docs)) return docs
  keeper.deferred ??= []
  keeper.deferred.push({ docs, info })
  return []
}

/** Whether reading them holds up others. */
export function isMuch(docs: readonly Document[]): boolean {
  return count(docs, FEW) < 0
}

/** @returns less than nothing when there are more than so many, or tensors in them that take as long */
function count(docs: readonly Document[], most: number): number {
  let left = most - docs.length
  for (let i = 0; left >= 0 && i < docs.length; i++) {
    const document = docs[i]!
    left -= ((document.embedding?.data.length ?? 0) + (document.tensor?.data.length ?? 0)) / NUMBERS
    if (document.has('chunks')) left = count(document.chunks, left)
    if (left >= 0 && document.has('matches')) left = count(document.matches, left)
  }
  return left
}

/** An answer of graphql, as far as it is looked at. */
export interface Result {
  data?: unknown
  errors?: readonly GraphQLError[]
  extensions?: object | undefined
}

/** Puts the documents in an answer that were not read yet. Others are served in between. */
export async function complete(result: Result, keeper: Deferring, signal: AbortSignal): Promise<void> {
  const { deferred } = keeper
  keeper.deferred = undefined
  const errors: GraphQLError[] = []
  for (const { docs, info } of deferred ?? []) {
    const path = pathOf(info)
    const list = path.reduce<any>((data, key) => data?.[key], result.data)
    // What failed beside it may have taken it away.
    if (!Array.isArray(list)) continue
    const document = reading(info)
    let many = 1
    while (list.length < docs.length && !signal.aborted) {
      if (overdue(true)) await new Promise<void>((resolve) => later(resolve))
      const from = list.length
      const began = now()
      const read = await some(document, docs.slice(from, from + many), info, signal)
      many = now() - began > SOME ? Math.max(1, many >> 1) : Math.min(TOGETHER, many * 2)
      for (const item of read.data as unknown[]) list.push(item)
      for (const error of read.errors ?? []) errors.push(moved(error, path, from))
    }
  }
  if (errors.length > 0) result.errors = [...(result.errors ?? []), ...errors]
}

async function some(document: DocumentNode, docs: readonly Document[], info: GraphQLResolveInfo, signal: AbortSignal): Promise<Result> {
  const { fieldName, variableValues } = info
  const keeper: Deferring = {}
  const result = (await execute({
    schema: schemaOf(info),
    document,
    rootValue: { [fieldName]: docs },
    contextValue: keeper,
    variableValues,
  })) as ExecutionResult
  if (keeper.deferred !== undefined) await complete(result as Result, keeper, signal)
  return { data: Object.values(result.data ?? {})[0] ?? docs.map(() => null), ...(result.errors && { errors: result.errors }) }
}

/** The part of the operation that says which fields are read. */
function reading({ fieldNodes, fragments, operation }: GraphQLResolveInfo): DocumentNode {
  // Directives alone have arguments in there.
  const variableDefinitions = (operation.variableDefinitions ?? []).filter(isBoolean)
  return {
    kind: Kind.DOCUMENT,
    definitions: [
      {
        kind: Kind.OPERATION_DEFINITION,
        operation: OperationTypeNode.QUERY,
        variableDefinitions,
        selectionSet: { kind: Kind.SELECTION_SET, selections: fieldNodes },
      },
      ...Object.values(fragments),
    ],
  }
}

function isBoolean({ type }: VariableDefinitionNode): boolean {
  const named = type.kind === Kind.NON_NULL_TYPE ? type.type : type
  return named.kind === Kind.NAMED_TYPE && named.name.value === 'Boolean'
}

const schemas = new WeakMap<object, Map<string, GraphQLSchema>>()

/** Lists of documents, and nothing else. */
function schemaOf({ returnType, fieldName }: GraphQLResolveInfo): GraphQLSchema {
  const item = getNamedType(returnType) as GraphQLObjectType
  let byField = schemas.get(item)
  if (byField === undefined) schemas.set(item, (byField = new Map()))
  let schema = byField.get(fieldName)
  if (schema === undefined) {
    const type = new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(item)))
    schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: { [fieldName]: { type } } }) })
    byField.set(fieldName, schema)
  }
  return schema
}

function pathOf({ path }: GraphQLResolveInfo): (string | number)[] {
  const keys: (string | number)[] = []
  for (let at: typeof path | undefined = path; at !== undefined; at = at.prev) keys.unshift(at.key)
  return keys
}

/** An error of a few documents, at its place in all. */
function moved(error: GraphQLError, path: readonly (string | number)[], from: number): GraphQLError {
  const { message, nodes, originalError, extensions } = error
  const [, at, ...rest] = error.path ?? []
  const place = typeof at === 'number' ? [...path, from + at, ...rest] : path
  return new GraphQLError(message, { nodes: nodes ?? null, path: place, originalError: originalError ?? null, extensions })
}

/** Where lists of documents stand: in a field, or, of a subscription, in a field of its response. */
const LEVELS = 2

/** The text of an answer's data. Long lists in it are written in turns, so that others are served in between. */
export async function dataText(data: unknown): Promise<string | undefined> {
  return await text(data, LEVELS)
}

function text(value: unknown, levels: number): string | undefined | Promise<string> {
  if (Array.isArray(value)) return listText(value)
  if (levels === 0 || typeof value !== 'object' || value === null) return JSON.stringify(value)
  return fields(value, levels - 1)
}

async function fields(value: object, levels: number): Promise<string> {
  let all = ''
  for (const [name, inner] of Object.entries(value)) {
    const written = await text(inner, levels)
    if (written !== undefined) all += `,${JSON.stringify(name)}:${written}`
  }
  return `{${all.slice(1)}}`
}

/** The text of an answer, around that of its data. */
export function around(data: string | undefined, { errors, extensions }: { errors?: unknown; extensions?: unknown }): string {
  const rest = JSON.stringify({ errors, extensions })
  if (data === undefined) return rest
  return rest === '{}' ? `{"data":${data}}` : `${rest.slice(0, -1)},"data":${data}}`
}
