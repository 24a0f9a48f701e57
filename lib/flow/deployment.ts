import type { Part } from '../base/lifecycle.js'
import type { Logger } from '../base/logger.js'
import { bindings, DEFAULT_ENDPOINT, DRY_RUN, rebind, standing } from '../executor/bindings.js'
import type { Executor } from '../executor/executor.js'
import type { Saying } from '../executor/schemas.js'
import { checkBound } from '../executor/unbound.js'
import type { Background } from '../graph/background.js'
import type { Replicas } from '../handler/replicas.js'
import type { Sayings } from '../handler/schema-table.js'
import type { Validation } from '../handler/validation.js'
import { start } from '../place/inline.js'
import { runtimeOf } from '../place/options.js'
import type { Started } from '../place/place.js'
import type { Handler } from '../request/handler.js'
import type { Scope } from '../stream/scope.js'
import { checkEndpoints, type Warn, warner } from './endpoint-keys.js'
import { type AddOptions, ELSEWHERE_RULES, type FlowOptions, PLACE_RULES, type Plan, type Runtime } from './options.js'

/** What stands at a place of the graph. */
export interface Deployment {
  /** Who answers there. */
  readonly peer: Handler
  /** The instances, where others ask how they are, or there are several. */
  readonly replicas?: Replicas | undefined
  /** What tries again what failed. */
  readonly tries?: { readonly retried: number } | undefined
  /** What is opened and closed for it, in this order and backwards. */
  readonly parts: readonly Part[]
  /** Given where it says of its documents and parameters what they must be. */
  readonly validation?: Pick<Validation, 'at' | 'named'> | undefined
}

/**
 * Makes the instances of one executor, and what stands between them and the graph: replicas answer as one, and the controls that
 * were asked for stand around them. From outside: the condition, the schemas, the cache, the batches, time and attempts, the replicas.
 * @param names what executors of the Flow go by in parameters. Those of this one are added
 * @param served whether others ask how it is: then a single instance, too, is known for what it does
 * @param scope of what is begun. Told to stop, it ends soon, and leaves nothing behind
 */
export async function deploy(
  step: Plan['steps'][number],
  flow: FlowOptions,
  background: Background,
  names: Set<string>,
  served: boolean,
  logger: Logger | undefined,
  scope: Scope,
): Promise<Deployment> {
  const runtime = runtimeOf(step.options, flow)
  let started: Started | undefined
  // Few say anything of where they are, and only what they say can have no effect there.
  if (runtime !== 'inline' || Object.keys(step.options).some((name) => Object.hasOwn(ELSEWHERE_RULES, name) || Object.hasOwn(PLACE_RULES, name)))
    started = await (await import('../place/elsewhere.js')).startElsewhere(step, flow, runtime, names, scope)
  started ??= await start(step, flow, names, scope)
  try {
    return await arranged(step, started, runtime, flow, background, names, served, logger)
  } catch (error) {
    await Promise.all(started.parts.map((part) => part.discard?.()))
    throw error
  }
}

/** What was begun, with what was asked for around it. */
async function arranged(
  step: Plan['steps'][number],
  { handlers, parts: made, options, around, among, says, code }: Started,
  runtime: Runtime,
  flow: FlowOptions,
  background: Background,
  names: Set<string>,
  served: boolean,
  logger: Logger | undefined,
): Promise<Deployment> {
  const { name } = step
  const external = runtime === 'external'
  const { metas } = handlers[0] as Partial<Executor>
  names.add(name).add(metas?.name ?? name)
  // What one elsewhere answers is not known until it is there.
  if (!external) {
    const endpoints = handlers[0]!.endpoints ?? []
    // Elsewhere it was checked where its class is.
    if (runtime === 'inline' && endpoints.length === 0 && options.usesRequests === undefined) checkBound(name, handlers[0]!)
    checkKeys(name, options, endpoints, warner(logger, name))
  }
  const { concurrency = Infinity, polling, stuckAfter } = options
  const parts: Part[] = [...made]
  let replicas: Replicas | undefined
  let tries: Deployment['tries']
  let inner = handlers[0]!
  const several = handlers.length > 1 || concurrency !== Infinity || served
  if (several) {
    const { Replicas } = await import('../handler/replicas.js')
    replicas = new Replicas(handlers, { name, concurrency, polling, background, stuckAfter, logger })
    parts.push(replicas)
    inner = among?.(replicas) ?? replicas
  }
  const { timeout, attemptTimeout, retries, signal } = options
  if (around !== undefined) {
    const whole = around(inner)
    tries = whole
    parts.push(whole)
    inner = whole
  } else if ([timeout, attemptTimeout, retries, signal].some((given) => given !== undefined)) {
    const { Retry } = await import('../handler/retry.js')
    const retry = new Retry(inner, { name, timeout, attemptTimeout, retries, signal, tells: several })
    parts.push(retry)
    tries = retry
    inner = retry
  }
  if (Object.keys(options.dynamicBatching ?? {}).length > 0) {
    const { Batching } = await import('../handler/batching.js')
    const batching = new Batching(inner, { name, dynamicBatching: options.dynamicBatching! })
    parts.push(batching)
    inner = batching
  }
  if (step.options.cache !== undefined || flow.cache !== undefined) {
    const { cached } = await import('./cached.js')
    const caching = await cached(inner, { step, options, there: code, metas, flow, names, background })
    if (caching !== undefined) {
      parts.push(caching)
      inner = caching
    }
  }
  let validation: Deployment['validation']
  const said = runtime === 'inline' || external ? sayings(options, handlers[0]!) : overOf(options)
  if ([...said.bound.values(), said.type, said.over].some((one) => ((one as Saying)?.input ?? (one as Saying)?.output) !== undefined)) {
    const { Validation } = await import('../handler/validation.js')
    const checking = new Validation(inner, { name, metas, names, said, probe: DRY_RUN })
    if (!external) checkEndpoints(`input and output of ${name}`, checking.named, handlers[0]!.endpoints ?? [], warner(logger, name))
    inner = checking
    validation = checking
  }
  // What checks its documents where it is, this only tells of.
  if (says !== undefined) validation = new (await import('../handler/schema-table.js')).SchemaTable(name, { ...said, type: says })
  if (options.when !== undefined) {
    const [{ When }, { predicate }] = await Promise.all([import('../handler/when.js'), import('../handler/when-query.js')])
    inner = new When(inner, { holds: await predicate(name, options.when) })
  }
  return { peer: inner, parts, replicas, tries, validation }
}

/** Who may say schemas of an executor: its class or function, those that answer its endpoints, and `add()`. */
function sayings({ uses, usesRequests = {}, input, output }: AddOptions, executor: Handler): Sayings {
  const bound = standing(executor, rebind(bindings(executor.constructor), usesRequests))
  return { type: typeof uses === 'function' ? (uses as Saying) : undefined, bound, others: bound.get(DEFAULT_ENDPOINT), over: { input, output } }
}

/** Of an executor elsewhere, what `add()` says. */
function overOf({ input, output }: AddOptions): Sayings {
  return { type: undefined, bound: new Map(), others: undefined, over: { input, output } }
}

/** Endpoints in options: one that the executor does not have would do nothing there. */
function checkKeys(name: string, { polling, dynamicBatching = {}, cache }: AddOptions, endpoints: readonly string[], warn: Warn): void {
  if (typeof cache === 'object') checkEndpoints(`cache of ${name}`, [cache.endpoints ?? []].flat(), endpoints, warn)
  if (typeof polling === 'object') checkEndpoints(`polling of ${name}`, Object.keys(polling), endpoints, warn)
  const batched = Object.entries(dynamicBatching).flatMap(([key, value]) => (typeof value === 'object' ? [key] : []))
  checkEndpoints(`dynamicBatching of ${name}`, batched, endpoints, warn)
  for (const endpoint of endpoints)
    if (!/^(\/|_jina_)/.test(endpoint)) warn(`${name} has a method for ${endpoint}: without a slash, it is another endpoint than /${endpoint}`, endpoint)
  if (endpoints.length === 0) warn(`${name} has no method for any endpoint, and documents pass it by. Bind them by @requests or static requests`, '')
}
