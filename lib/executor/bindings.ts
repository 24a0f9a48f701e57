import { optionType } from '../base/errors.js'

/** The endpoint of methods that take what no other method takes, as Jina names it. */
export const DEFAULT_ENDPOINT = '/default'

/** What gateways ask to see whether all executors answer; none of them is bothered with it. */
export const DRY_RUN = '_jina_dry_run_'

type Method = (this: any, call: any) => unknown

/** What answers an endpoint: a method, by its name, or a function, as `each()` makes them. */
export type Bound = string | Method

/** Endpoints of a method, by itself. */
const marked = new WeakMap<Function, readonly string[]>()

/**
 * Endpoints by a method's name, of a class's prototype or metadata: spies, tracers and decorators that put another function in its place keep its name.
 */
const named = new WeakMap<object, Map<string, Set<string>>>()

/**
 * Binds a method of an Executor to endpoints (a standard, TC39 decorator).
 * `@requests('/index')`, `@requests(['/index', '/update'])`; `@requests()` and `@requests` take every endpoint that no other method takes.
 * Bindings are inherited, and go by the method's name: whatever overrides, wraps or replaces the method gets its requests.
 *
 * @throws TypeError (`ERR_OPTION_TYPE`) for an endpoint that is not a string, or a target that is not a method
 */
export function requests(on?: string | readonly string[]): <M extends Method>(method: M, context: ClassMethodDecoratorContext) => void
export function requests<M extends Method>(method: M, context: ClassMethodDecoratorContext): void
export function requests(on: unknown = DEFAULT_ENDPOINT, context?: ClassMethodDecoratorContext): unknown {
  if (typeof context === 'string') throw legacy()
  if (typeof on === 'function' && context !== undefined) return mark(on, context, [DEFAULT_ENDPOINT])
  const endpoints = typeof on === 'string' ? [on] : on
  if (!Array.isArray(endpoints) || !endpoints.every((endpoint) => typeof endpoint === 'string'))
    throw optionType('on', 'an endpoint or a list of endpoints', on)
  return (method: Function, context: ClassMethodDecoratorContext) => mark(method, context, endpoints)
}

function legacy(): TypeError {
  return optionType(
    '@requests',
    "a standard decorator: take experimentalDecorators out of tsconfig.json (swc: decoratorVersion '2022-03'), or write static requests = { … }",
    'legacy',
  )
}

function mark(method: Function, context: ClassMethodDecoratorContext, endpoints: readonly string[]): void {
  if (typeof context !== 'object') throw legacy()
  if (context.kind !== 'method' || context.static || context.private || typeof context.name === 'symbol')
    throw optionType('@requests', 'on a public method', String(context.name))
  const { name, metadata } = context
  marked.set(method, [...(marked.get(method) ?? []), ...endpoints])
  if (metadata) note(metadata, name, endpoints)
  // What stands in its place by then may be another function, and the class only shows with an instance.
  else
    context.addInitializer?.(function (this: unknown) {
      const owners = prototypesOf((this as object).constructor).filter((prototype) => Object.hasOwn(prototype, name))
      if (!owners.some((prototype) => endpoints.every((endpoint) => endpointsOf(prototype, name).has(endpoint)))) note(owners.at(-1)!, name, endpoints)
    })
}

function note(where: object, name: string, endpoints: Iterable<string>): Set<string> {
  const names = named.get(where) ?? new Map<string, Set<string>>()
  const all = new Set([...(names.get(name) ?? []), ...endpoints])
  named.set(where, names.set(name, all))
  return all
}

/** What a method of a prototype is bound to: itself, and under its name. Whoever takes its place later answers for it. */
function endpointsOf(prototype: object, name: string): Set<string> {
  const { value } = Object.getOwnPropertyDescriptor(prototype, name)!
  return note(prototype, name, marked.get(value) ?? [])
}

/** Of a class and those it extends, the base first. */
function prototypesOf(type: Function): object[] {
  const all: object[] = []
  for (let at = type.prototype; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) all.unshift(at)
  return all
}

/**
 * Which method of a class answers which endpoint: by decorators and by `static requests`, from the base class down,
 * so that the class nearest to the instance has the last word.
 */
export function bindings(type: Function): Map<string, Bound> {
  const bound = new Map<string, Bound>()
  const METADATA: symbol = (Symbol as { metadata?: symbol }).metadata ?? Symbol.for('Symbol.metadata')
  for (const prototype of prototypesOf(type)) {
    const at = prototype.constructor as any
    if (Object.hasOwn(at, METADATA)) for (const [name, endpoints] of named.get(at[METADATA]) ?? []) note(prototype, name, endpoints)
    for (const name of Object.getOwnPropertyNames(prototype)) for (const endpoint of endpointsOf(prototype, name)) bound.set(endpoint, name)
    if (Object.hasOwn(at, 'requests'))
      for (const [endpoint, name] of Object.entries(at.requests as object)) bound.set(endpoint, typeof name === 'function' ? (name as Method) : String(name))
  }
  return bound
}

/** The functions that answer: where a method is bound by its name, what stands under it on the instance, which may be one of `each()`. */
export function standing(executor: object, bound: ReadonlyMap<string, Bound>): Map<string, unknown> {
  return new Map(Array.from(bound, ([endpoint, method]) => [endpoint, typeof method === 'string' ? executor[method as never] : method]))
}

/** Binds methods anew. A method that is bound here loses its former endpoints (Jina 3.x), and an endpoint its former method. */
export function rebind(bound: Map<string, Bound>, anew: Record<string, string>): Map<string, Bound> {
  const methods: ReadonlySet<Bound> = new Set(Object.values(anew))
  for (const [endpoint, method] of bound) if (methods.has(method)) bound.delete(endpoint)
  for (const [endpoint, method] of Object.entries(anew)) bound.set(endpoint, method)
  return bound
}
