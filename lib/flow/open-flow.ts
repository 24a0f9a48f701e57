import { check } from '../base/check.js'
import { nextTurn, now } from '../base/clock.js'
import { ExecutorError, FlowBuildError } from '../base/errors.js'
import { jupyterOfDeno } from '../base/kernel.js'
import { closeAll, openAll, type Part } from '../base/lifecycle.js'
import { log } from '../base/logger.js'
import { DEFAULT_ENDPOINT, DRY_RUN } from '../executor/bindings.js'
import type { Describing, Descriptions } from '../executor/schemas.js'
import type { Gateway } from '../gateway/gateway.js'
import type { GatewayOptions } from '../gateway/options.js'
import { Background } from '../graph/background.js'
import { connect, sort } from '../graph/graph.js'
import { type Walk, walkOf } from '../graph/walk.js'
import type { WorkerStatus } from '../place/options.js'
import type { Inputs } from '../post/inputs.js'
import { oneToOne } from '../post/one-to-one.js'
import type { PostOptions } from '../post/options.js'
import type { Handler } from '../request/handler.js'
import type { ExecutorStatus, Health, Healthy, Look } from '../request/health.js'
import type { Pictured } from '../request/pictured.js'
import type { Request } from '../request/request.js'
import { GATEWAY } from '../request/route.js'
import { REQUESTS, traceRequest } from '../request/traced.js'
import { UnderWay, whenFinished } from '../request/under-way.js'
import { whileWanted } from '../stream/all-or-none.js'
import { Scope } from '../stream/scope.js'
import { wait } from '../stream/wait.js'
import type { Telemetry } from '../telemetry/options.js'
import { TELEMETRY_RULES, wantsTelemetry } from '../telemetry/options.js'
import type { Deployment } from './deployment.js'
import type { Place } from './description.js'
import { checkEndpoints, warner } from './endpoint-keys.js'
import type { FlowHealth } from './health.js'
import { Opening } from './opening.js'
import type { AddOptions, FlowOptions, Plan } from './options.js'
import { type Meant, Remarks } from './remarks.js'

/** Those that addresses leave out. */
const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http:': 80, 'ws:': 80, 'https:': 443, 'wss:': 443 }

/** A third of what Kubernetes allows. */
const CLOSE_TIMEOUT = 10_000

function aboutOf(error: Error): object {
  if (!(error instanceof ExecutorError)) return { error }
  const { requestId, executor, endpoint } = error
  return { requestId, executor, endpoint, error }
}

function endpointsOf(parts: readonly Part[]): Set<string> {
  return new Set(parts.flatMap((part) => (part as Partial<Handler>).endpoints ?? []))
}

/** What a Flow can be told that has a meaning in one process, or does no harm. */
const IN_PROCESS: readonly string[] = [
  'name',
  'prefetch',
  'prefetchDocuments',
  'workspace',
  'runtime',
  'env',
  'join',
  'closeTimeout',
  'cache',
  'onBackgroundError',
  'logger',
  'onError',
  'unknownEndpoint',
  'title',
  'description',
  'tracing',
  'tracesExporterHost',
  'tracesExporterPort',
  'metrics',
  'metricsExporterHost',
  'metricsExporterPort',
  'monitoring',
  'portMonitoring',
]

/**
 * What a Flow is to be served by; undefined where it is not to be.
 * @throws FlowBuildError (`ERR_USES_INVALID`) for what would do nothing, as nobody can reach it from outside: who gives a token thinks that somebody can
 */
function served(name: string, options: FlowOptions): FlowOptions | undefined {
  const { protocol, port, portExpose, graphql, ui, mcp, nats } = options
  if ((protocol ?? port ?? portExpose ?? nats) !== undefined || graphql || ui || mcp) return options
  const idle = Object.entries(options).flatMap(([option, value]) => (value === undefined || value === false || IN_PROCESS.includes(option) ? [] : [option]))
  if (idle.length === 0) return undefined
  throw new FlowBuildError(
    'ERR_USES_INVALID',
    `${name} is not served, so ${idle.join(', ')} would do nothing. Say protocol or port if it is to be; if not, take them out, or open({ serve: false })`,
  )
}

function placeOf({ uses, external = false, when }: AddOptions, { validation }: Deployment): Place {
  return {
    schemas: (endpoint) => validation?.at(endpoint),
    named: validation?.named ?? [],
    passes: uses === undefined && !external,
    chooses: when !== undefined,
  }
}

/**
 * How a Flow is served: what its options say, and over them what `open()` was told.
 * @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`) for what cannot be, or contradicts itself
 */
async function serving(name: string, { portExpose, ...own }: FlowOptions, over: GatewayOptions): Promise<GatewayOptions> {
  const { only } = await import('../gateway/gateway.js')
  const { checkGatewayOptions } = await import('../gateway/options.js')
  const { port = portExpose, ...options } = only({ title: name, ...own }, over)
  return checkGatewayOptions(only({ ...options, port }))
}

/** @throws TypeError, RangeError for options */
function checkTelemetry(options: FlowOptions): void {
  check('Flow', Object.fromEntries(Object.entries(options).filter(([option]) => Object.hasOwn(TELEMETRY_RULES, option))), TELEMETRY_RULES)
}

/** @throws DependencyError without what options need; OptionRangeError where this process tells another already */
async function telemetryFor(name: string, options: GatewayOptions): Promise<Telemetry | undefined> {
  if (!wantsTelemetry(options)) return undefined
  const { telemetryOf } = await import('../telemetry/instrument.js')
  return telemetryOf(name, options)
}

/** A Flow that is open: its executors, and how requests walk through them. */
export class Running implements Handler, Describing, Healthy, Pictured {
  readonly #name: string
  readonly #plan: Plan
  readonly #walk: Walk
  readonly #parts: readonly Part[]
  /** Those of executors that somebody wrote: what has no `uses` passes on whatever comes, which makes no endpoint of it. */
  readonly #written: readonly Part[]
  readonly #background: Background
  readonly #inside = new UnderWay()
  /** The only endpoints that any executor answers; undefined where there may be others. */
  readonly #only: ReadonlySet<string> | undefined
  readonly #unknown: FlowOptions['unknownEndpoint']
  readonly #remarks: Remarks
  /** What a request may name as its target. */
  readonly #executors: readonly Meant[]
  readonly #described: Describing['describe'] | undefined
  #descriptions: Promise<Descriptions> | undefined
  #gateway: Gateway | undefined
  /** Ends last: executors may float on when all clients have their answers. */
  #telemetry: Telemetry | undefined
  #loadHealth: (() => Promise<FlowHealth>) | undefined
  #health: FlowHealth | undefined

  private constructor(
    plan: Plan,
    walk: Walk,
    parts: readonly Part[],
    written: readonly Part[],
    background: Background,
    only: ReadonlySet<string> | undefined,
    described: Describing['describe'] | undefined,
    remarks: Remarks,
    executors: readonly Meant[],
  ) {
    this.#name = plan.name
    this.#plan = plan
    this.#walk = walk
    this.#parts = parts
    this.#written = written
    this.#background = background
    this.#only = only
    this.#unknown = plan.options.unknownEndpoint
    this.#remarks = remarks
    this.#executors = executors
    this.#described = described
  }

  /**
   * Makes the executors of a Flow and opens them side by side.
   * @param closing aborts when it is to close: what is not open `closeTimeout` milliseconds later is let go of
   * @param serve how it is served, over what its options say; `false`: not at all
   * @throws FlowBuildError for a graph that is none; ExecutorError (`ERR_EXECUTOR_OPEN`), when those that did open are closed again; the reason of `closing`, where all
   * were open in time, and what serves them was not
   */
  static async start(plan: Plan, closing: Scope, serve: GatewayOptions | false = {}): Promise<Running> {
    const opening = new Opening(closing, plan.options.closeTimeout ?? CLOSE_TIMEOUT)
    try {
      return await Running.#start(plan, serve, opening)
    } catch (error) {
      await opening.discard()
      throw error
    } finally {
      opening.end()
    }
  }

  static async #start(plan: Plan, serve: GatewayOptions | false, opening: Opening): Promise<Running> {
    const { name, options, steps } = plan
    // From here on, what its cells end with is shown as tables, too.
    if (jupyterOfDeno() !== undefined) await import('../notebook/index.js')
    const sorted = sort(steps)
    const all = serve === false ? undefined : served(name, { ...options, ...serve })
    // Before an executor takes its time to open.
    const own = all && (await serving(name, options, serve || {}))
    if (own === undefined) checkTelemetry(options)
    const logger = (serve || undefined)?.logger ?? options.logger
    const told = logger && ((error: Error) => log(logger, 'error', 'background.failed', aboutOf(error)))
    const background = new Background(options.onBackgroundError ?? told)
    const flow = { ...options, logger, docarray: (serve || undefined)?.docarray ?? options.docarray }
    const deployments = await opening.deploy(sorted, { flow, background, served: all !== undefined, logger })
    const graph = connect(
      sorted.map((step, index) => ({ ...step, peer: deployments[index]!.peer })),
      options.join ?? 'concat',
      background,
    )
    const parts = deployments.flatMap(({ parts }) => parts)
    let walk = await walkOf(graph)
    if (steps.some(({ options }) => options.when !== undefined)) walk = (await import('../handler/when.js')).inOrder(walk)
    await openAll(parts, opening.scope)
    const written = deployments.flatMap(({ parts }, index) => (sorted[index]!.options.uses === undefined && !sorted[index]!.options.external ? [] : parts))
    const named = written.length === 0 ? parts : written
    const foreign = steps.some(({ options }) => options.external)
    const endpoints = endpointsOf(named)
    const bound = new Set([...endpoints, ...Object.keys(own?.exposeEndpoints ?? {})])
    const anything = foreign || [...bound].every((endpoint) => endpoint === DEFAULT_ENDPOINT)
    for (const node of graph.nodes) node.isBound = (endpoint) => bound.has(endpoint) || (anything ? undefined : false)
    // What executors elsewhere answer is theirs to say; where nobody answers anything, nothing can be misspelled.
    const open = foreign || endpoints.size === 0 || endpoints.has(DEFAULT_ENDPOINT) || options.unknownEndpoint === 'pass'
    // With the executors, as all that serving may need: see wire/warm-up.
    const description = deployments.some(({ validation }) => validation !== undefined) ? await import('./description.js') : undefined
    const described =
      description &&
      (async () =>
        description.describe(
          graph,
          sorted.map(({ options }, at) => placeOf(options, deployments[at]!)),
          [...endpoints, DEFAULT_ENDPOINT],
        ))
    const executors = deployments.map(({ peer }, index) => ({ name: sorted[index]!.name, accepts: (endpoint: string) => peer.accepts(endpoint) }))
    const running = new Running(plan, walk, parts, named, background, open ? undefined : endpoints, described, new Remarks(name, logger), executors)
    running.#loadHealth = async () => {
      const { healthOf } = await import('./health.js')
      return healthOf(sorted, deployments, [...endpoints, ...(foreign || endpoints.size === 0 ? [DEFAULT_ENDPOINT] : [])], logger)
    }
    if (own !== undefined) running.#health = await running.#loadHealth()
    try {
      running.#telemetry = await telemetryFor(own?.title ?? name, own ?? options)
      if (own === undefined) return running
      if (!foreign) checkEndpoints(`exposeEndpoints of ${name}`, Object.keys(own.exposeEndpoints ?? {}), running.endpoints, warner(logger))
      const { Gateway } = await import('../gateway/gateway.js')
      running.#gateway = await whileWanted(opening.scope, Gateway.serve(running, own, running.#telemetry), (gateway) => gateway.close(0))
      return running
    } catch (error) {
      await running.close(0, error as Error).catch(() => {})
      throw error
    }
  }

  /** Where clients reach it, by protocol. */
  get addresses(): Readonly<Record<string, string>> {
    return this.#gateway?.addresses ?? {}
  }

  /** The port of its first address. */
  get port(): number | undefined {
    const first = Object.entries(this.addresses).find(([protocol]) => protocol !== 'nats' && protocol !== 'metrics')
    if (first === undefined) return undefined
    const { port, protocol } = new URL(first[1])
    return Number(port) || DEFAULT_PORTS[protocol]
  }

  /** How the threads and processes of its executors are. */
  get workers(): WorkerStatus[] {
    // Replicas have a method of this name.
    return this.#parts.flatMap((part) => {
      const { status } = part as { readonly status?: WorkerStatus | (() => unknown) }
      return typeof status === 'object' ? status : []
    })
  }

  /** What any of its executors is bound to. Of one elsewhere, that is not known: it may be anything. */
  get endpoints(): readonly string[] {
    const foreign = this.#plan.steps.some(({ options }) => options.external) ? [DEFAULT_ENDPOINT] : []
    return [...new Set([...endpointsOf(this.#written), ...foreign])]
  }

  /** What its executors say of documents and parameters, by endpoint. */
  describe(): Promise<Descriptions> | undefined {
    this.#descriptions ??= this.#described?.()
    return this.#descriptions
  }

  health(fresh?: boolean): Health | Promise<Health> {
    if (this.#health !== undefined) return this.#health.health(fresh)
    return this.#loadHealth!().then((health) => (this.#health ??= health).health(fresh))
  }

  cut(reason: Error, entrance: object): number {
    let count = 0
    for (const { request, abandon } of this.#inside) {
      if (request.entrance !== entrance) continue
      count++
      abandon?.(reason)
      // Whoever is answered hears nothing more: those who work for it are told here, once the answer is on its way. The Flow may stay open.
      nextTurn(() => request.scope.abort(reason))
    }
    return count
  }

  status(look: Look): readonly ExecutorStatus[] {
    return this.#health?.status(look) ?? []
  }

  view(addresses: boolean): Promise<object> {
    return import('../draw/live.js').then(({ livePictureOf }) => livePictureOf(this.#plan, addresses))
  }

  accepts(): boolean {
    return true
  }

  /** Notes a post to an endpoint, or another call, until somebody reads what it gives. @returns what to call then */
  get asked(): Remarks['asked'] {
    return this.#remarks.asked
  }

  /** The documents of a `map()`. @param peer whom they are sent through */
  map(peer: Handler, on: string, inputs: Inputs<any>, options: PostOptions<any, any>): ReturnType<typeof oneToOne> {
    return oneToOne(peer, on, inputs, options, this.asked(on, 'map'))
  }

  /**
   * Of an endpoint that no executor answers, documents would come out as they went in: that is told, where it is to be a warning.
   * @throws OptionRangeError (`ERR_OPTION_RANGE`) else
   */
  checkEndpoint(endpoint: string): void {
    if (this.#only === undefined || this.#only.has(endpoint) || endpoint === DRY_RUN) return
    if (this.#unknown === 'warn') this.#remarks.unknown(endpoint, this.endpoints)
    else checkEndpoints('post()', [endpoint], this.endpoints, () => {})
  }

  handle(request: Request): void | Promise<void> {
    // What a closure holds is made when its function begins, also where the closure is not: so it is bound.
    return REQUESTS.isHeard ? traceRequest(this.#name, request, this.#handle.bind(this, request)) : this.#handle(request)
  }

  #handle(request: Request): void | Promise<void> {
    const { header } = request
    if (this.#unknown !== undefined) this.checkEndpoint(header.execEndpoint)
    if (header.targetExecutor && this.#unknown !== 'pass') this.#remarks.targeted(header, this.#executors)
    const route = request.arrive(GATEWAY)
    const inside = this.#inside
    const visit = inside.enter(request)
    const leave = (): void => {
      route.leave(request.time)
      // When a branch failed, others may still run: they are in here until they are done.
      const finished = whenFinished(request)
      if (finished === undefined) inside.leave(visit)
      else finished.then(() => inside.leave(visit))
    }
    let pending: void | Promise<void>
    try {
      pending = this.#walk(request)
    } catch (error) {
      leave()
      throw error
    }
    if (pending === undefined) return leave()
    return new Promise((resolve, reject) => {
      visit.abandon = reject
      pending.then(
        () => {
          leave()
          resolve()
        },
        (error) => {
          leave()
          reject(error)
        },
      )
    })
  }

  /**
   * Waits for what is under way, tells it to stop when its time is up, and closes the executors, the last first.
   * @param timeout milliseconds. Default 10 000
   * @param reason what those are told that are not done in time
   * @throws what an executor's `close()` threw, after all were closed; CloseError (`ERR_CLOSE`) of several
   */
  async close(timeout: number = CLOSE_TIMEOUT, reason: Error = new Error('closed')): Promise<void> {
    const hurry = (): void => {
      for (const part of this.#parts) part.hurry?.()
    }
    // What clients wait for and what is inside is the same: it has one time for both.
    this.#remarks.tell()
    const until = now() + (this.#gateway?.options.drainDelay ?? 0) + timeout
    await this.#gateway?.close(timeout, hurry)
    hurry()
    if (this.#inside.size > 0 || this.#background.size > 0) await this.#drain(Math.max(0, until - now()), reason)
    try {
      await closeAll(this.#parts)
    } finally {
      await this.#telemetry?.close()
    }
  }

  async #drain(timeout: number, reason: Error): Promise<void> {
    const scope = new Scope()
    const late = wait(scope, timeout).catch(() => {})
    const done = this.#inside.whenEmpty().then(() => this.#background.whenDone())
    await Promise.race([done, late])
    scope.abort(undefined)
    for (const { request, abandon } of this.#inside) {
      request.scope.abort(reason)
      // An executor that does not listen keeps nobody waiting.
      abandon?.(reason)
    }
    this.#background.scope.abort(reason)
  }
}
