import { optionType } from '../base/errors.js'
import { isPlainObject } from '../doc/json.js'
import type { ByEndpoint, EndpointSchemas, Saying } from '../executor/schemas.js'
import { forEndpoint } from './polling.js'

const SIDES = { input: ['tags', 'text', 'parameters'], output: ['tags', 'text'] } as const

type Side = keyof typeof SIDES
type Said = Readonly<Record<string, unknown>>

/** Who says something of an executor, the last one over the others. */
export interface Sayings {
  /** The class, or function, in `uses`. */
  readonly type: Saying | undefined
  /** The function that answers which endpoint. */
  readonly bound: ReadonlyMap<string, unknown>
  /** The one that answers all others. */
  readonly others: unknown
  /** What `add()` was told. */
  readonly over: Saying
}

/**
 * What schemas hold at each endpoint of an executor, key by key: what `add()` says over what the function says that answers it (`each()`), over what the
 * class says.
 */
export class SchemaTable {
  /** Endpoints that somebody names. */
  readonly named: readonly string[]
  readonly #said: readonly Saying[]
  readonly #bound: ReadonlyMap<string, unknown>
  readonly #others: unknown
  readonly #known = new Map<string, EndpointSchemas | undefined>()

  /** @throws OptionTypeError (`ERR_OPTION_TYPE`) for what is no schema */
  constructor(name: string, { type, bound, others, over }: Sayings) {
    this.#said = type === undefined ? [over] : [type, over]
    this.#bound = bound
    this.#others = others
    const named = new Set<string>()
    for (const saying of [...this.#said, ...bound.values()])
      for (const side of Object.keys(SIDES) as Side[]) for (const endpoint of checked(side, name, (saying as Saying | undefined)?.[side])) named.add(endpoint)
    this.named = [...named]
  }

  /** What holds at an endpoint; undefined where nothing does. */
  at(endpoint: string): EndpointSchemas | undefined {
    // Endpoints come from clients: only those that somebody knows are kept.
    const key = this.named.includes(endpoint) || this.#bound.has(endpoint) ? endpoint : '*'
    if (!this.#known.has(key)) this.#known.set(key, this.#find(key))
    return this.#known.get(key)
  }

  #find(endpoint: string): EndpointSchemas | undefined {
    const method = this.#bound.get(endpoint) ?? this.#others
    const sayings = typeof method === 'function' ? this.#said.toSpliced(-1, 0, method as Saying) : this.#said
    const of = (side: Side): Said => Object.assign({}, ...sayings.map((saying) => given(forEndpoint(byEndpoint(saying[side]), endpoint))))
    const [input, output] = [of('input'), of('output')]
    return Object.keys(input).length + Object.keys(output).length === 0 ? undefined : ({ input, output } as EndpointSchemas)
  }
}

function byEndpoint(said: ByEndpoint<object> | undefined): Readonly<Record<string, Said>> {
  if (said === undefined) return {}
  return (Object.keys(said).some(isEndpoint) ? said : { '*': said }) as Record<string, Said>
}

function given(said: Said = {}): Said {
  return Object.fromEntries(Object.entries(said).filter(([, schema]) => schema !== undefined))
}

function isEndpoint(key: string): boolean {
  return key === '*' || key.startsWith('/')
}

/** @returns the endpoints that it names */
function checked(side: Side, name: string, said: unknown): string[] {
  if (said === undefined) return []
  const option = `${side} of ${name}`
  const due = `{ ${SIDES[side].join(', ')} }, a schema for each that there is, or such an object for each endpoint`
  if (!isPlainObject(said)) throw optionType(option, due, said)
  if (isSchema(said)) throw optionType(option, `${due}: write { tags: … }`, said)
  const all = byEndpoint(said)
  for (const [endpoint, schemas] of Object.entries(all)) {
    const where = endpoint === '*' ? option : `${option} for ${endpoint}`
    if (!isEndpoint(endpoint)) throw optionType(`A key of ${option}`, "an endpoint, as others there are, such as '/index', or '*' for all others", endpoint)
    if (!isPlainObject(schemas)) throw optionType(where, `{ ${SIDES[side].join(', ')} }`, schemas)
    for (const [key, schema] of Object.entries(schemas)) {
      if (!(SIDES[side] as readonly string[]).includes(key)) throw optionType(`A key of ${where}`, `one of ${SIDES[side].join(', ')}`, key)
      if (schema !== undefined && !isSchema(schema))
        throw optionType(`${key} in ${where}`, 'a Standard Schema, as zod (3.24 or later), valibot (1.0) and arktype (2.0) make them', schema)
    }
  }
  return Object.keys(all).filter((endpoint) => endpoint !== '*')
}

function isSchema(value: unknown): boolean {
  const standard = (value as { readonly '~standard'?: { readonly validate?: unknown } } | null | undefined)?.['~standard']
  return typeof standard?.validate === 'function'
}
