import { ExecutorError } from '../base/errors.js'
import type { Part } from '../base/lifecycle.js'
import type { Logger } from '../base/logger.js'
import { bindings, DEFAULT_ENDPOINT, DRY_RUN, rebind, standing } from '../executor/bindings.js'
import { Executor } from '../executor/executor.js'
import type { Saying } from '../executor/schemas.js'
import type { Background } from '../graph/background.js'
import type { Sayings } from '../handler/schema-table.js'
import type { Validation } from '../handler/validation.js'
import { start } from '../place/inline.js'
import type { Handler } from '../request/handler.js'
import { checkEndpoints, type Warn, warner } from './endpoint-keys.js'
import { type AddOptions, ELSEWHERE_RULES, type FlowOptions, type Plan } from './options.js'

/** What stands at a place of the graph. */
export interface Deployment {
  /** Who answers there. */
  readonly peer: Handler
  /** What is opened and closed for it, in this order and backwards. */
  readonly parts: readonly Part[]
  /** Given where it says of its documents and parameters what they must be. */
  readonly validation?: Validation | undefined
}

/**
 * Makes the instances of one executor, and what stands between them and the graph: replicas answer as one, and the controls that
 * were asked for stand around them. From outside: the condition, the schemas, the batches, time and attempts, the replicas.
 * @param names what executors of the Flow go by in parameters. Those of this one are added
 */
export async function deploy(step: Plan['steps'][number], flow: FlowOptions, background: Background, names: Set<string>, logger?: Logger): Promise<Deployment> {
  const { name } = step
  const { external = false } = step.options
  // Few say anything of where they are, and only what they say can have no effect there.
  if (external || Object.keys(step.options).some((name) => Object.hasOwn(ELSEWHERE_RULES, name))) (await import('../place/options.js')).checkPlace(step)
  const { handlers, parts: made, options, around } = await (external ? (await import('../place/external.js')).start : start)(step, flow)
  const { metas } = handlers[0] as Partial<Executor>
  names.add(name).add(metas?.name ?? name)
  // What one elsewhere answers is not known until it is there.
  if (!external) {
    const endpoints = handlers[0]!.endpoints ?? []
    if (endpoints.length === 0 && options.usesRequests === undefined) checkBound(name, handlers[0]!)
    checkKeys(name, options, endpoints, warner(logger, name))
  }
  const { concurrency = Infinity, polling } = options
  const parts: Part[] = [...made]
  let inner = handlers[0]!
  const several = handlers.length > 1 || concurrency !== Infinity
  if (several) {
    const { Replicas } = await import('../handler/replicas.js')
    inner = new Replicas(handlers, { name, concurrency, polling, background })
  }
  const { timeout, attemptTimeout, retries, signal } = options
  if (around !== undefined) {
    const whole = around(inner)
    parts.push(whole)
    inner = whole
  } else if ([timeout, attemptTimeout, retries, signal].some((given) => given !== undefined)) {
    const { Retry } = await import('../handler/retry.js')
    const retry = new Retry(inner, { name, timeout, attemptTimeout, retries, signal, tells: several })
    parts.push(retry)
    inner = retry
  }
  if (Object.keys(options.dynamicBatching ?? {}).length > 0) {
    const { Batching } = await import('../handler/batching.js')
    const batching = new Batching(inner, { name, dynamicBatching: options.dynamicBatching! })
    parts.push(batching)
    inner = batching
  }
  let validation: Validation | undefined
  const said = sayings(options, handlers[0]!)
  if ([...said.bound.values(), said.type, said.over].some((one) => ((one as Saying)?.input ?? (one as Saying)?.output) !== undefined)) {
    const { Validation } = await import('../handler/validation.js')
    validation = new Validation(inner, { name, metas, names, said, probe: DRY_RUN })
    if (!external) checkEndpoints(`input and output of ${name}`, validation.named, handlers[0]!.endpoints ?? [], warner(logger, name))
    inner = validation
  }
  if (options.when !== undefined) {
    const [{ When }, { predicate }] = await Promise.all([import('../handler/when.js'), import('../handler/when-query.js')])
    inner = new When(inner, { holds: await predicate(name, options.when) })
  }
  return { peer: inner, parts, validation }
}

/** Who may say schemas of an executor: its class or function, those that answer its endpoints, and `add()`. */
function sayings({ uses, usesRequests = {}, input, output }: AddOptions, executor: Handler): Sayings {
  const bound = standing(executor, rebind(bindings(executor.constructor), usesRequests))
  return { type: typeof uses === 'function' ? (uses as Saying) : undefined, bound, others: bound.get(DEFAULT_ENDPOINT), over: { input, output } }
}

/**
 * A class whose methods nothing binds to endpoints would let all documents pass by, without a word.
 * @throws ExecutorError (`ERR_EXECUTOR_BINDING`) that names its methods
 */
function checkBound(name: string, executor: Handler): void {
  const methods: string[] = []
  for (let at = Object.getPrototypeOf(executor); at instanceof Executor; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at.constructor, 'requests')) return
    for (const method of Object.getOwnPropertyNames(at))
      if (!(method in Executor.prototype) && typeof Object.getOwnPropertyDescriptor(at, method)!.value === 'function') methods.push(method)
  }
  const [method] = methods
  if (method === undefined) return
  const advice = `Put @requests('/${method}') above it, or static requests = { '/${method}': '${method}' } into the class; static requests = {} if documents are to pass it by`
  throw new ExecutorError(
    'ERR_EXECUTOR_BINDING',
    `${name} answers no endpoint: nothing binds ${methods.map((each) => `${each}()`).join(', ')} to one. ${advice}`,
    {
      executor: name,
    },
  )
}

/** Endpoints in options: one that the executor does not have would do nothing there. */
function checkKeys(name: string, { polling, dynamicBatching = {} }: AddOptions, endpoints: readonly string[], warn: Warn): void {
  if (typeof polling === 'object') checkEndpoints(`polling of ${name}`, Object.keys(polling), endpoints, warn)
  const batched = Object.entries(dynamicBatching).flatMap(([key, value]) => (typeof value === 'object' ? [key] : []))
  checkEndpoints(`dynamicBatching of ${name}`, batched, endpoints, warn)
  for (const endpoint of endpoints)
    if (!/^(\/|_jina_)/.test(endpoint)) warn(`${name} has a method for ${endpoint}: without a slash, it is another endpoint than /${endpoint}`, endpoint)
  if (endpoints.length === 0) warn(`${name} has no method for any endpoint, and documents pass it by. Bind them by @requests or static requests`, '')
}
