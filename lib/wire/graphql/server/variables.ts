import {
  coerceInputValue,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLInputType,
  getOperationAST,
  isInputType,
  isListType,
  isNonNullType,
  typeFromAST,
  type VariableDefinitionNode,
} from 'graphql'
import { show } from '../../../base/errors.js'
import { later, overdue } from '../../../stream/event-loop.js'
import { isOfDocuments } from './input.js'

/** Lists of documents among the variables, by name, as their type has them. */
export type Lists = Map<string, unknown[]>

/** As many complaints about variables as graphql has. */
const MOST_ERRORS = 50

/**
 * Runs an operation whose variables may have many documents. graphql makes all variables what their types say in one go, for a subscription again
 * with each event. So it is given empty lists, and what belongs in them is made here, in turns: `filled()` puts it there.
 */
export async function withLists<T>(args: ExecutionArgs, run: (args: ExecutionArgs) => T): Promise<Awaited<T> | ExecutionResult> {
  const { variableValues, contextValue } = args
  const lists: Lists = new Map()
  const errors: GraphQLError[] = []
  for (const { name, definition, items, type } of listsIn(args)) {
    const list = await coerced(name, definition, items, type, errors)
    if (errors.length > 0) return { errors }
    lists.set(name, list)
  }
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

interface List {
  readonly name: string
  readonly definition: VariableDefinitionNode
  readonly items: readonly unknown[]
  readonly type: GraphQLInputType
}

/** The lists of documents among the variables. What else there is, graphql takes. */
function* listsIn({ schema, document, operationName, variableValues }: ExecutionArgs): Generator<List> {
  for (const definition of getOperationAST(document, operationName)?.variableDefinitions ?? []) {
    const name = definition.variable.name.value
    const items = variableValues != null && Object.hasOwn(variableValues, name) ? variableValues[name] : undefined
    // Of none, there is nothing to make.
    if (!Array.isArray(items) || items.length === 0) continue
    const type = itemType(typeFromAST(schema, definition.type as never))
    if (type !== undefined) yield { name, definition, items, type }
  }
}

/** What a list of documents is a list of. */
function itemType(type: unknown): GraphQLInputType | undefined {
  const list = isNonNullType(type) ? type.ofType : type
  if (!isListType(list)) return undefined
  const item: unknown = list.ofType
  const named = isNonNullType(item) ? item.ofType : item
  return isOfDocuments(named) && isInputType(item) ? item : undefined
}

async function coerced(
  name: string,
  definition: VariableDefinitionNode,
  items: readonly unknown[],
  type: GraphQLInputType,
  errors: GraphQLError[],
): Promise<unknown[]> {
  const list: unknown[] = new Array(items.length)
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
      list[at] = coerceInputValue(items[at], type, complain)
    }
  } catch (error) {
    errors.push(error as GraphQLError)
  }
  return list
}
