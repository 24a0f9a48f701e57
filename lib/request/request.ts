import type { Arrival } from '../base/events.js'
import type { DocumentArray } from '../doc/array.js'
import { newId } from '../doc/id.js'
import type { Hold } from '../stream/byte-budget.js'
import type { Emit } from '../stream/flight.js'
import type { Scope } from '../stream/scope.js'
import type { Failure } from './failure.js'
import type { Identity } from './identity.js'
import type { Parameters } from './parameters.js'
import type { Response } from './response.js'
import { Route } from './route.js'
import { type Target, target } from './target.js'

/** What came with a request, or goes with it, by names in lower case: `traceparent`, `tracestate`, `baggage`. */
export type ContextHeaders = Readonly<Record<string, string>>

/** Loaded with the first parameters. */
let parametersFor: typeof import('./parameters-for.js').parametersFor | undefined

/** What all requests of one post have in common. */
export class Header {
  readonly execEndpoint: string
  readonly parameters: Parameters
  readonly targetExecutor: string | undefined
  readonly #empty: boolean
  #target: Target | undefined

  /** @param parameters taken over, not copied */
  constructor(execEndpoint: string, parameters: Parameters, targetExecutor?: string) {
    this.execEndpoint = execEndpoint
    this.parameters = parameters
    this.targetExecutor = targetExecutor
    this.#empty = Object.keys(parameters).length === 0
  }

  /** Understands the pattern, which may have to be compiled first. To be called, and awaited if it is a promise, before `targets()` and `parametersFor()`. */
  prepare(): void | Promise<void> {
    if (!this.#empty && parametersFor === undefined)
      return import('./parameters-for.js').then((loaded) => {
        parametersFor = loaded.parametersFor
        return this.prepare()
      })
    if (this.#target !== undefined || !this.targetExecutor) return
    const found = target(this.targetExecutor)
    if (typeof found === 'function') this.#target = found
    else
      return found.then((target) => {
        this.#target = target
      })
  }

  /** Whether an executor is meant. */
  targets(executor: string): boolean {
    return this.#target?.(executor) ?? true
  }

  /** Whether it means all executors in the same way. */
  get isPlain(): boolean {
    return this.#empty && !this.targetExecutor
  }

  /** What one executor is told that has another name where it is: what stands under the one that it has here is settled. */
  only(executor: string): Header {
    return new Header(this.execEndpoint, this.parametersFor([executor], new Set([executor])))
  }

  /** A copy of the parameters for one executor: what it changes, nobody else sees. Objects under the names `without` are left out. */
  parametersFor(names: readonly string[], without?: ReadonlySet<string>): Parameters {
    return this.#empty ? {} : parametersFor!(this.parameters, names, without)
  }
}

/** One try of a request, for those who choose whom it goes to. */
export interface Attempt {
  /** The replicas that it, and those before it, were given to. */
  readonly tried: Set<object>
  /** Told when an executor gets it, as it may have to wait for one. */
  readonly onStart: (() => void) | undefined
}

/**
 * One batch of documents on its way: walks from executor to executor, and collects what they answer.
 * An executor changes or replaces `docs`; at a fork the branches get copies. What becomes of each field there, `request/lineage` says.
 */
export class Request {
  readonly header: Header
  docs: DocumentArray
  /** Where the request has been, the gateway first. Branches write into one list. */
  readonly routes: Route[]
  /** What executors returned as plain objects, by executor. */
  results: Record<string, unknown> | undefined
  /** Documents that left it, as they failed. */
  failures: Failure[] | undefined
  /** At a join: the documents of each branch, in the order of `needs`. */
  branches: { executor: string; docs: DocumentArray }[] | undefined
  /** Tells the executors to stop. */
  scope: Scope
  /** When it last came or went somewhere, in milliseconds since the epoch. Reading the clock once for an end and the next start saves half the readings. */
  time = 0
  /** Who asks, where a server knows it. */
  identity: Identity | undefined
  /** Whose turns it takes where it has to wait: of who asks, else of the address that it came from. */
  tenant: string | undefined
  /** What let it in, where it came by a server: a Flow may be served by several. */
  entrance: object | undefined
  /** By which protocol and method it came, where it came by a server and somebody listens: see request/traced. Others have no such field, as pages need none. */
  declare arrival: Arrival | undefined
  /** The bytes that it came in, where a server counts them. */
  hold: Hold | undefined
  /** The trace that it belongs to, and what else goes on to executors elsewhere as it came. */
  contextHeaders: ContextHeaders | undefined
  /** Hands a partial answer to the consumer, if there is one who wants it; awaited, so that none overtakes it. */
  emit: Emit<Response> | undefined
  /** Conditions left no document of those it had. */
  emptied = false
  /** Set where it is tried again, or has a time of its own for each try. */
  attempt: Attempt | undefined
  /** What goes on when it is done with: see `linger()`, and `whenFinished()` in request/under-way. */
  unfinished: Promise<unknown> | undefined
  #emitted = 0
  readonly #origin: Request | undefined
  #id: string | undefined

  constructor(header: Header, docs: DocumentArray, scope: Scope, origin?: Request) {
    this.header = header
    this.docs = docs
    this.scope = scope
    this.routes = origin?.routes ?? []
    this.#origin = origin
  }

  /** The request that this one is a branch, a part or an attempt of, or itself. */
  get whole(): Request {
    return this.#origin ?? this
  }

  /** 32 hex digits, made up when first read. */
  get id(): string {
    return (this.whole.#id ??= newId())
  }

  set id(id: string) {
    this.#id = id
  }

  /** How many partial answers there were. */
  get emitted(): number {
    return this.whole.#emitted
  }

  /** One more partial answer. @returns which one it is, from 0 */
  countPart(): number {
    return this.whole.#emitted++
  }

  /** Notes the arrival somewhere, right after what happened before. */
  arrive(place: string): Route {
    this.time ||= Date.now()
    const route = new Route(place, this.time)
    this.routes.push(route)
    return route
  }

  /** Notes the departure, now. */
  leave(route: Route): void {
    this.time = Date.now()
    route.leave(this.time)
  }

  answer(executor: string, result: unknown): void {
    this.results ??= {}
    Object.defineProperty(this.results, executor, { value: result, enumerable: true, configurable: true, writable: true })
  }

  /** Something goes on when the request is done with: other branches after one failed, attempts that took too long. Who closes the Flow waits for it. */
  linger(work: Promise<unknown>): void {
    const { whole } = this
    whole.unfinished = Promise.allSettled([whole.unfinished, work])
  }
}
