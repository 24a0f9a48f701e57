import {
  coerceInputValue,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLInputType,
  type GraphQLSchema,
  getNullableType,
  getOperationAST,
  isInputType,
  isListType,
  isNonNullType,
  typeFromAST,
  type VariableDefinitionNode,
} from 'graphql'
import { show } from '../../../base/errors.js'
import { later, overdue } from '../../../stream/event-loop.js'
import { isAsItComes, isOfDocuments } from './input.js'

/** Lists of documents among the variables, by name, as their type has them. */
export type Lists = Map<string, readonly unknown[]>

/** As many complaints about variables as graphql has. */
const MOST_ERRORS = 50

/**
 * Runs an operation whose variables may have many documents. graphql makes all variables what their types say in one go, for a subscription again
 * with each event. So it is given empty lists, and what belongs in them is made here, in turns: `filled()` puts it there.
 */
export async function withLists<T>(args: ExecutionArgs, run: (args: ExecutionArgs) => T): Promise<Awaited<T> | ExecutionResult> {
  const { schema, document, operationName, variableValues, contextValue } = args
  const variables = listsAmong(schema, getOperationAST(document, operationName)?.variableDefinitions ?? [])
  const made = await listsOf(variables, variableValues)
  if ('errors' in made) return made
  const { lists } = made
  if (lists.size === 0) return await run(args)
  const empty = Object.fromEntries(Array.from(lists.keys(), (name) => [name, []]))
  ;(contextValue as { lists?: Lists }).lists = lists
  return await run({ ...args, variableValues: { ...variableValues, ...empty } })
}

/** Puts the documents in the variables that stand for them: each execution has its own. */
export function filled(variables: Readonly<Record<string, unknown>>, lists: Lists | undefined): void {
  if (lists === undefined) return
  for (const [name, items] of lists) {
    const list = variables[name] as unknown[]
    if (list.length === 0) for (let i = 0; i < items.length; i++) list.push(items[i])
  }
}

/** A variable that is a list of documents. */
export interface ListVariable {
  readonly name: string
  readonly definition: VariableDefinitionNode
  readonly type: GraphQLInputType
}

/** Those that are lists of documents. What else there is, graphql takes. */
export function listsAmong(schema: GraphQLSchema, definitions: readonly VariableDefinitionNode[]): readonly ListVariable[] {
  const lists: ListVariable[] = []
  for (const definition of definitions) {
    const type = itemType(typeFromAST(schema, definition.type as never))
    if (type !== undefined) lists.push({ name: definition.variable.name.value, definition, type })
  }
  return lists
}

/** Documents that usually come in one request: whether they are as they come is looked at in one go. */
const FEW = 1000

type Values = ExecutionArgs['variableValues']
type Made = { readonly lists: Lists } | { readonly errors: GraphQLError[] }

/** The lists that are given, with what their type makes of what is in them: at once, where that is what came, as most often. */
export function listsOf(variables: readonly ListVariable[], values: Values): Made | Promise<Made> {
  const lists: Lists = new Map()
  for (const variable of variables) {
    const items = itemsOf(variable, values)
    if (items === undefined) continue
    const type = getNullableType(variable.type)
    if (items.length > FEW || !items.every((item) => isAsItComes(type, item))) return made(variables, values)
    lists.set(variable.name, items)
  }
  return { lists }
}

async function made(variables: readonly ListVariable[], values: Values): Promise<Made> {
  const lists: Lists = new Map()
  for (const variable of variables) {
    const items = itemsOf(variable, values)
    if (items === undefined) continue
    const errors: GraphQLError[] = []
    const list = await coerced(variable, items, errors)
    if (errors.length > 0) return { errors }
    lists.set(variable.name, list)
  }
  return { lists }
}

/** @returns undefined where nothing is given of which something is to be made */
function itemsOf({ name }: ListVariable, values: Values): readonly unknown[] | undefined {
  const items = values != null && Object.hasOwn(values, name) ? values[name] : undefined
  return Array.isArray(items) && items.length > 0 ? items : undefined
}

/** What a list of documents is a list of. */
function itemType(type: unknown): GraphQLInputType | undefined {
  const list = isNonNullType(type) ? type.ofType : type
  if (!isListType(list)) return undefined
  const item: unknown = list.ofType
  const named = isNonNullType(item) ? item.ofType : item
  return isOfDocuments(named) && isInputType(item) ? item : undefined
}

async function coerced({ name, definition, type }: ListVariable, items: readonly unknown[], errors: GraphQLError[]): Promise<unknown[]> {
  const list: unknown[] = new Array(items.length)
  const bare = getNullableType(type)
  let at = 0
  const complain = (path: readonly (string | number)[], value: unknown, error: GraphQLError): void => {
    if (errors.length === MOST_ERRORS) throw new GraphQLError(`Too many errors among the variables: these are the first ${MOST_ERRORS}`)
    const place = [at, ...path].map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
    const message = `Variable "$${name}" got invalid value ${show(value)} at "${name}${place}"; ${error.message}`
    errors.push(new GraphQLError(message, { nodes: definition, originalError: error }))
  }
  try {
    for (; at < items.length; at++) {
      if (overdue(true)) await new Promise<void>((resolve) => later(resolve))
      list[at] = isAsItComes(bare, items[at]) ? items[at] : coerceInputValue(items[at], type, complain)
    }
  } catch (error) {
    errors.push(error as GraphQLError)
  }
  return list
}
