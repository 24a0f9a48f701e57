import { optionType } from './errors.js'

/** The endpoint of methods that take what no other method takes, as Jina names it. */
export const DEFAULT_ENDPOINT = '/default'

/** What gateways ask to see whether all executors answer; none of them is bothered with it. */
export const DRY_RUN = '_jina_dry_run_'

type Method = (this: any, call: any) => unknown

const marked = new WeakMap<Function, readonly string[]>()

/**
 * Binds a method of an Executor to endpoints (a standard, TC39 decorator).
 * `@requests('/index')`, `@requests(['/index', '/update'])`; `@requests()` and `@requests` take every endpoint that no other method takes.
 * Bindings are inherited; a subclass that overrides the method keeps them. A decorator that replaces the method stands below this one.
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
  marked.set(method, [...(marked.get(method) ?? []), ...endpoints])
}

/**
 * Which method of a class answers which endpoint: by decorators and by `static requests`, from the base class down,
 * so that the class nearest to the instance has the last word.
 */
export function bindings(type: Function): Map<string, string> {
  const classes: Function[] = []
  for (let at: any = type; typeof at === 'function' && at !== Function.prototype; at = Object.getPrototypeOf(at)) classes.unshift(at)
  const bound = new Map<string, string>()
  for (const at of classes) {
    for (const name of Object.getOwnPropertyNames(at.prototype ?? {})) {
      const method = Object.getOwnPropertyDescriptor(at.prototype, name)?.value
      if (typeof method === 'function') for (const endpoint of marked.get(method) ?? []) bound.set(endpoint, name)
    }
    if (Object.hasOwn(at, 'requests')) for (const [endpoint, name] of Object.entries((at as any).requests as object)) bound.set(endpoint, String(name))
  }
  return bound
}

/** Binds methods anew. A method that is bound here loses its former endpoints (Jina 3.x), and an endpoint its former method. */
export function rebind(bound: Map<string, string>, anew: Record<string, string>): Map<string, string> {
  const methods = new Set(Object.values(anew))
  for (const [endpoint, method] of bound) if (methods.has(method)) bound.delete(endpoint)
  for (const [endpoint, method] of Object.entries(anew)) bound.set(endpoint, method)
  return bound
}
