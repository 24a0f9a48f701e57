import { GraphQLError, type GraphQLSchema, getVariableValues, type VariableDefinitionNode } from 'graphql'
import type { Handler } from '../../../request/handler.js'
import type { Response } from '../../../request/response.js'
import type { Settings } from '../options.js'
import { type Asking, type Bodied, type Connection, readJson } from './body.js'
import { isRead } from './csrf.js'
import { type Arguments, type Ask, asking, type Context, explain } from './docs.js'
import type { Plan, Plans } from './plan.js'
import { type Lists, listsOf } from './variables.js'

// Most operations ask for `docs`, with a text that came before. Yoga and graphql answer the first of them, and leave a plan; the others are answered by that, with
// the same resolver for the documents and the same answer, byte for byte. So is what is refused, or fails as a whole: where there is too much to do, that is most, and
// has to cost little. All else is theirs: what has no plan, what has other errors, and what is out of the ordinary. So is what turns out to be so on the way. They are
// handed what was read, and what the executors made of it: nothing is done twice, and no error is said by two.

/** What yoga is to be given along, where it has to answer. */
export interface Handed {
  readonly body: Promise<object>
  readonly asked?: Promise<Response | undefined>
}

export interface Answered {
  /** The body of the answer. */
  readonly text: string
  readonly status: number
  /** In which words it is wanted, as a value of `content-type`, and what else is said beside it. */
  readonly headers: Readonly<Record<string, string>>
}

export class ShortRoad {
  readonly #ask: Ask
  readonly #plans: Plans
  readonly #schema: () => GraphQLSchema | Promise<GraphQLSchema>
  readonly #settings: Settings

  constructor(peer: Handler, plans: Plans, schema: () => GraphQLSchema | Promise<GraphQLSchema>, settings: Settings) {
    this.#ask = asking(peer)
    this.#plans = plans
    this.#schema = schema
    this.#settings = settings
  }

  /** Whether a request may go by it. @param path without anything behind it */
  takes({ method, headers }: Pick<Asking, 'method' | 'headers'>, path: string): boolean {
    return method === 'POST' && path === this.#settings.path && isRead({ headers }) && mediaType(headers.get('accept')) !== undefined
  }

  async answer(request: Asking & Bodied, connection: Connection, caller: Pick<Context, 'identity' | 'address' | 'isStranger'>): Promise<Answered | Handed> {
    const { maxBodyBytes, maxDocuments } = this.#settings
    const body = readJson(request, connection, maxBodyBytes, maxDocuments)
    let asked: Promise<Response | undefined> | undefined
    try {
      const params = operationIn(await body)
      if (params === undefined) return { body }
      const known = this.#schema()
      const schema = known instanceof Promise ? await known : known
      const plan = this.#plans.get(schema, params.query)
      if (plan === undefined || (params.operationName != null && params.operationName !== plan.name)) return { body }
      const lists = listsOf(plan.lists, params.variables)
      const made = lists instanceof Promise ? await lists : lists
      const args = 'lists' in made ? argumentsOf(schema, plan, made.lists, params.variables ?? {}) : undefined
      if (args === undefined) return { body }
      const { identity, address, isStranger } = caller
      const context = { request, params, charge: connection.charge, identity, address, isStranger }
      asked = this.#ask(args, context)
      const headers = { 'content-type': mediaType(request.headers.get('accept'))! }
      let response: Response | undefined
      try {
        response = await asked
      } catch (error) {
        const failure = explain(error, context, this.#settings.onError)
        // What nobody may know of, yoga masks; and what says itself where it is, stays so.
        if (!(failure instanceof GraphQLError) || (failure.originalError ?? failure.path ?? failure.nodes) !== undefined) return { body, asked }
        const { status = 200, headers: more } = (failure.extensions['http'] ?? {}) as { status?: number; headers?: Record<string, string> }
        return { text: plan.failed(failure), status, headers: { ...headers, ...more } }
      }
      if (response !== undefined && response.failures.length > 0) return { body, asked }
      const text = plan.text(response?.docs ?? [])
      return { text: typeof text === 'string' ? text : await text, status: 200, headers }
    } catch {
      // With what it is handed, it comes to the same, and says it.
      return { body, ...(asked && { asked }) }
    }
  }
}

interface Operation {
  readonly query: string
  readonly variables?: Readonly<Record<string, unknown>> | null
  readonly operationName?: string | null
  readonly extensions?: Readonly<Record<string, unknown>> | null
}

/** @returns undefined for what is none, or not one alone */
function operationIn(body: object): Operation | undefined {
  for (const name in body) {
    const value = (body as Record<string, unknown>)[name]
    const fits =
      name === 'query' || name === 'operationName'
        ? typeof value === 'string'
        : (name === 'variables' || name === 'extensions') && typeof value === 'object' && !Array.isArray(value)
    if (!fits && value !== null) return undefined
  }
  return typeof (body as Partial<Operation>).query === 'string' ? (body as Operation) : undefined
}

/** @throws as well as @returns undefined where graphql has to say what is wrong with them */
function argumentsOf(schema: GraphQLSchema, plan: Plan, lists: Lists, given: Readonly<Record<string, unknown>>): Arguments | undefined {
  const own: Record<string, unknown> = {}
  let others: VariableDefinitionNode[] | undefined
  for (const definition of plan.variables) {
    const { value: name } = definition.variable.name
    const list = lists.get(name)
    if (list !== undefined) own[name] = list
    // Most operations have no other variables.
    else (others ??= []).push(definition)
  }
  if (others !== undefined) {
    const { coerced } = getVariableValues(schema, others, given)
    if (coerced === undefined) return undefined
    Object.assign(own, coerced)
  }
  return plan.arguments(own) as unknown as Arguments
}

const TYPES = ['application/json', 'application/graphql-response+json'].map((type) => ({ type, whole: `${type}; charset=utf-8` }))

let asked: string | null = null
let found: string | undefined = TYPES[0]!.whole

/** In which words yoga answers an operation, by `accept`. @returns undefined where it has none of them, or not in UTF-8 */
function mediaType(accept: string | null): string | undefined {
  // Most often the same as before.
  if (accept !== asked) {
    found = typeIn(accept || '*/*')
    asked = accept
  }
  return found
}

/** The first in there that it has. */
function typeIn(accept: string): string | undefined {
  for (const one of accept.replace(/\s/g, '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = one.split(';')
    const charset = parameters.find((parameter) => parameter.includes('charset=')) ?? 'charset=utf-8'
    if (charset !== 'charset=utf-8') continue
    const [first, second] = type.split('/')
    const known = TYPES.find((known) => (first === '*' || first === 'application') && (second === '*' || known.type === `application/${second}`))
    if (known !== undefined) return known.whole
  }
  return undefined
}
