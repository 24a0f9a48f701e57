import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { type Coded, ExecutorError, FlowBuildError, FlowStateError } from '../base/errors.js'
import { Spell, tell } from '../base/incidents.js'
import { type Logger, log } from '../base/logger.js'
import { traceIdOf } from '../base/traceparent.js'
import { bindings, DRY_RUN, standing } from '../executor/bindings.js'
import { Executor } from '../executor/executor.js'
import type { Describing, Descriptions, Saying } from '../executor/schemas.js'
import { DEFAULT_PREFETCH } from '../post/options.js'
import type { Handler } from '../request/handler.js'
import { type ExecutorStatus, type Health, type Healthy, type Look, READY, RequestCounts } from '../request/health.js'
import type { Request } from '../request/request.js'
import { GATEWAY } from '../request/route.js'
import { AdaptiveLimit } from '../stream/adaptive-limit.js'
import { ByteBudget, type BytesState } from '../stream/byte-budget.js'
import { Deadlines, TimeLeft } from '../stream/deadlines.js'
import { Pace } from '../stream/pace.js'
import { Permits } from '../stream/permits.js'
import { Lingering } from './lingering.js'
import { Refused, refusedBytes } from './refused.js'

/** Milliseconds in which whoever is refused is told to ask again, at least and at most. */
const [SHORTEST_WAIT, LONGEST_WAIT] = [100, 10_000]

/** Over these, who waits no longer for one request hangs up. */
const hangsUp = ({ counts: { http, graphql } }: Limiter, own: RequestCounts): boolean => own === http || own === graphql

const within = (time: number): number => Math.min(LONGEST_WAIT, Math.max(SHORTEST_WAIT, time))

const PASSED = 'Busy: more requests that came later wait than can be answered in the time that this one has left, and they go first. Ask again later'

/** Whether it has come to a second executor, or to two branches. Of the first one, who gives it to a replica says so. */
function hasBegun({ routes }: Request): boolean {
  return routes.filter(({ executor }) => executor !== GATEWAY).length > 1
}

/** What holds for all requests to a peer, whatever they come by. */
export interface Limits {
  /** Milliseconds in which a request must be answered, or begin to be in parts. 0, and by default: no end. */
  timeout?: number | undefined
  /** The most requests inside; `'auto'` finds it. 0, and by default: no bound. */
  maxInFlight?: number | 'auto' | undefined
  /** The most bytes inside, of requests and of answers. 0, and by default: no bound. */
  maxBytesInFlight?: number | undefined
  /** Hears what requests fail at. */
  logger?: Logger | undefined
}

/**
 * A peer with limits: a request that is not answered in time, that of the service or that which whoever asks gives it, fails, and its executors are told; those beyond a bound wait in line, and beyond
 * that fail at once. A request that nobody waits for any more keeps its place until its executors are done, for a second at most: then another has it, and no more of them than
 * there are places.
 */
export class Limiter implements Handler, Healthy {
  /** It says that it is not ready, and works on: dry runs fail, by which every protocol asks. */
  leaving = false
  /** What requests and answers are charged to, by the wires that read and write them. */
  readonly bytes: ByteBudget | undefined
  readonly #permits: Permits<Request> | undefined
  readonly #deadlines: Deadlines | undefined
  readonly #timeout: number
  readonly #pace = new Pace()
  readonly #adaptive: AdaptiveLimit | undefined
  readonly #logger: Logger | undefined
  readonly #lingering: Lingering
  #cut: Error | undefined
  /** What came, by wire. */
  readonly counts: Record<string, RequestCounts> = {}
  /** Requests are refused. */
  readonly #overload = new Spell(
    () => tell(this.#logger, 'overload.began', { limit: this.limit, waiting: this.#permits?.waiting }),
    (refused, milliseconds) => tell(this.#logger, 'overload.ended', { refused, milliseconds }),
  )

  /** So many bytes are inside that somebody is refused for it, or hung up on. */
  readonly #spent = new Spell(
    () => tell(this.#logger, 'bytes.spent', { limit: this.bytes?.limit, waiting: this.bytes?.state.waiting }),
    (losses, milliseconds) => tell(this.#logger, 'bytes.restored', { losses, milliseconds }),
  )

  /** @throws FlowBuildError (`ERR_USES_INVALID`) for an Executor by itself that has schemas: it is a Flow that checks them */
  constructor(
    readonly inner: Handler,
    { timeout = 0, maxInFlight = 0, maxBytesInFlight = 0, logger }: Limits,
  ) {
    if (inner instanceof Executor && saysSchemas(inner))
      throw new FlowBuildError(
        'ERR_USES_INVALID',
        `${inner.name} says by schemas what it takes or gives, which nobody would check here. Serve a Flow: new Flow().add({ uses: ${inner.constructor.name || 'it'} })`,
      )
    this.#timeout = timeout
    this.#logger = logger
    this.#lingering = new Lingering(maxInFlight === 'auto' ? AdaptiveLimit.MOST : maxInFlight)
    if (timeout > 0) this.#deadlines = new Deadlines(timeout)
    // So many that streams come to wait, each with all that it may send ahead, before anything is refused.
    if (maxInFlight === 'auto') {
      const permits = new Permits<Request>(AdaptiveLimit.FIRST, AdaptiveLimit.MOST * DEFAULT_PREFETCH)
      this.#permits = permits
      this.#adaptive = new AdaptiveLimit((limit) => {
        permits.count = limit
      })
    } else if (maxInFlight > 0 && maxInFlight < Infinity) this.#permits = new Permits(maxInFlight, maxInFlight * DEFAULT_PREFETCH)
    if (maxBytesInFlight > 0 && maxBytesInFlight < Infinity)
      this.bytes = new ByteBudget(
        maxBytesInFlight,
        () => refusedBytes(maxBytesInFlight),
        () => this.#spent.note(),
      )
  }

  /** How many requests may be inside. Infinity: any number. */
  get limit(): number {
    return this.#permits?.count ?? Infinity
  }

  /** How many are, where there is a bound. */
  get inside(): number {
    return this.#permits?.out ?? 0
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#permits?.waiting ?? 0
  }

  get isOpen(): boolean | undefined {
    return (this.inner as { isOpen?: boolean }).isOpen
  }

  get endpoints(): readonly string[] | undefined {
    return this.inner.endpoints
  }

  /** What the peer says of documents and parameters, by endpoint. */
  describe(): Promise<Descriptions> | undefined {
    return (this.inner as Partial<Describing>).describe?.()
  }

  health(fresh?: boolean): Health | Promise<Health> {
    if (this.leaving) return LEAVING
    if (this.isOpen === false) return CLOSED
    return (this.inner as Partial<Healthy>).health?.(fresh) ?? READY
  }

  status(look: Look): readonly ExecutorStatus[] {
    return (this.inner as Partial<Healthy>).status?.(look) ?? []
  }

  /** What is inside has had its time, as it is told to: who waits hears so. @returns how many there were */
  cut(reason: Error): number {
    // Those who wait in line get the places of those who are cut off.
    this.#cut = reason
    const busy = this.status({ addresses: false }).filter(({ inFlight }) => inFlight > 0)
    const waiting = (this.#permits?.waiting ?? 0) + (this.bytes?.end(reason) ?? 0)
    const requests = waiting + ((this.inner as Partial<Healthy>).cut?.(reason, this) ?? 0)
    if (requests > 0) tell(this.#logger, 'drain.cut', { requests, executors: busy.map(({ name, inFlight }) => `${name} (${inFlight})`).join(', ') })
    return requests
  }

  /** What holds for all requests, and how many there are of them: numbers that are there anyway. */
  get load(): {
    readonly limits: object
    readonly inFlight: number
    readonly waiting: number
    readonly lingering: number
    readonly bytes: BytesState | undefined
  } {
    const { bytes } = this
    const [maxInFlight, maxBytesInFlight, timeout] = [this.#permits?.count, bytes?.limit, this.#timeout || undefined]
    const inFlight = Object.values(this.counts).reduce((sum, counts) => sum + counts.inFlight, 0)
    return {
      limits: { maxInFlight, maxBytesInFlight, timeout },
      inFlight,
      waiting: this.#permits?.waiting ?? 0,
      lingering: this.#lingering.count,
      bytes: bytes?.state,
    }
  }

  accepts(endpoint: string): boolean {
    return this.inner.accepts(endpoint)
  }

  /** The same, for what comes by one wire, which is counted. */
  by(wire: string): Handler {
    return new Doorway(this, (this.counts[wire] ??= new RequestCounts()))
  }

  /**
   * @param counts of the wire that it came by
   * @throws Refused, and what the peer throws
   */
  handle(request: Request, counts: RequestCounts = (this.counts.other ??= new RequestCounts())): void | Promise<void> {
    if (request.header.execEndpoint === DRY_RUN && request.docs.length === 0) return this.#probe(request)
    const { scope } = request
    request.entrance = this
    counts.inFlight++
    const failed = (error: unknown): void => {
      counts.inFlight--
      // Who left has no use for an answer, and nothing went wrong here.
      if (scope.aborted) counts.left++
      else {
        if (!(error instanceof Refused)) counts.failed++
        else if (error.busy) counts.refused++
        else counts.late++
        this.#tell(request, error)
      }
    }
    let pending: void | Promise<void>
    try {
      pending = this.#handle(request, counts)
    } catch (error) {
      failed(error)
      throw error
    }
    const done = (): void => {
      counts.inFlight--
      counts.answered++
      for (const { doc, executor, error } of request.failures ?? []) this.#tellOf(request, executor, doc.id, error)
    }
    if (pending === undefined) done()
    else pending.then(done, failed)
    return pending
  }

  /** Of a document that failed, while the others of its request went on. */
  #tellOf(request: Request, executor: string, documentId: string, error: unknown): void {
    const { id, header } = request
    log(this.#logger, 'warn', 'document.failed', { requestId: id, endpoint: header.execEndpoint, traceId: traceIdOf(request), executor, documentId, error })
  }

  #tell(request: Request, error: unknown): void {
    const { id, header } = request
    const about = { requestId: id, endpoint: header.execEndpoint, traceId: traceIdOf(request), error }
    if (error instanceof Refused) log(this.#logger, error.busy ? 'debug' : 'warn', error.busy ? 'request.refused' : 'request.late', about)
    else if (error instanceof FlowStateError || (error as Partial<Coded> | undefined)?.code === 'ERR_EXECUTOR_INPUT')
      log(this.#logger, 'debug', 'request.refused', about)
    else log(this.#logger, 'error', 'executor.failed', { ...about, executor: error instanceof ExecutorError ? error.executor : undefined })
  }

  /** Who asks by a dry run hears what all other probes say; a peer that knows nothing of how it is, is asked. */
  #probe(request: Request): void | Promise<void> {
    const hear = ({ ready, reason }: Health): void | Promise<void> => {
      if (!ready) throw new FlowStateError(this.leaving ? 'ERR_FLOW_CLOSED' : 'ERR_FLOW_NOT_READY', `Not ready: ${reason}. Ask again, or ask another instance`)
      if (!('health' in this.inner)) return this.inner.handle(request)
    }
    const health = this.health(true)
    return health instanceof Promise ? health.then(hear) : hear(health)
  }

  #handle(request: Request, counts: RequestCounts): void | Promise<void> {
    const { deadline } = request.scope
    // Nobody waits for it any more, whoever says so.
    if (deadline !== undefined && deadline.left <= 0) throw this.#late(request, deadline.left)
    const asked = deadline === undefined || deadline.watched ? Infinity : deadline.left
    return this.#deadlines === undefined && asked === Infinity ? this.#enter(request) : this.#inTime(request, asked, hangsUp(this, counts))
  }

  /**
   * @param asked milliseconds that whoever asks gives it
   * @param hangsUp whether who waits no longer ends its connection
   */
  #inTime(request: Request, asked: number, hangsUp: boolean): void | Promise<void> {
    // What comes by a wire may be told to stop, and its answer still be wanted: to hear that it is late.
    const scope = request.scope.child()
    const time = new TimeLeft(Math.min(asked, scope.deadline?.left ?? Infinity, this.#timeout || Infinity), true)
    scope.deadline = time
    request.scope = scope
    const { emit } = request
    let begun = false
    let end: ((refused: Refused) => void) | undefined
    const stop = this.#watch(asked, () => end?.(this.#late(request, asked)))
    time.shed = (wait) => {
      // Who is told so asks again, and what was done would be done twice.
      if (hasBegun(request)) time.shed = undefined
      // A refusal costs more than one who leaves by itself, unless that takes a connection along.
      else if (end !== undefined && hangsUp) {
        this.#overload.note()
        // The lines that it leaves hear by that that more comes than is served.
        time.end()
        end(new Refused('ERR_UNREACHABLE', PASSED, request, within(wait)))
      }
    }
    const over = (): void => {
      stop()
      scope.close()
    }
    if (emit !== undefined)
      request.emit = async (part) => {
        if (scope.aborted) throw scope.reason
        if (!begun) {
          stop()
          time.lift()
        }
        begun = true
        await emit(part)
      }
    let pending: void | Promise<void>
    try {
      pending = this.#enter(request)
    } catch (error) {
      over()
      throw error
    }
    if (pending === undefined) return over()
    return new Promise((resolve, reject) => {
      end = (refused) => {
        reject(refused)
        scope.abort(refused)
      }
      pending.then(resolve, reject).finally(over)
    })
  }

  /** Whose time is up first is told alone. @returns lets go of it */
  #watch(asked: number, late: () => void): () => void {
    if (this.#deadlines === undefined || asked < this.#timeout) {
      const timer = setTimeout(late, asked)
      return () => clearTimeout(timer)
    }
    const deadline = this.#deadlines.set(late)
    return () => this.#deadlines!.clear(deadline)
  }

  #late(request: Request, asked: number): Refused {
    if (this.#timeout > 0 && this.#timeout <= asked)
      return new Refused('ERR_TIMEOUT', `Not answered within ${this.#timeout} ms, the timeout of this service`, request)
    return new Refused('ERR_TIMEOUT', `Not answered within ${Math.max(0, Math.round(asked))} ms, which it was given by who asks`, request)
  }

  #enter(request: Request): void | Promise<void> {
    const { bytes } = this
    if (bytes === undefined || bytes.isSmall(request.header.execEndpoint)) return this.#take(request)
    const { scope, hold, header } = request
    const room = hold && bytes.expect(hold, scope, header.execEndpoint)
    return room === undefined ? this.#begin(request, bytes) : room.then(() => this.#begin(request, bytes))
  }

  #begin(request: Request, bytes: ByteBudget): void | Promise<void> {
    const { scope, tenant, hold, header } = request
    // Of what is asked for the first time, some is made: most of it is small.
    const isSome = hold?.isExpecting === true && !bytes.isKnown(header.execEndpoint)
    return bytes.isOwed && !isSome ? bytes.room(scope, tenant).then(() => this.#take(request)) : this.#take(request)
  }

  #take(request: Request): void | Promise<void> {
    const permits = this.#permits
    if (permits === undefined || permits.take(request.tenant)) return this.#permitted(request)
    return permits.wait(
      request,
      () => this.#permitted(request),
      (who) => {
        this.#overload.note()
        return new Refused(
          'ERR_UNREACHABLE',
          `Busy: as many requests are under way as may be (${this.limit}), and as many wait. Ask again later`,
          who,
          this.#again(permits),
        )
      },
    )
  }

  /** Nothing comes any more: what goes on has ended. */
  close(): void {
    this.#overload.end()
    this.#spent.end()
  }

  /** Milliseconds until all who wait now have had their turn, where that can be told: not much longer than people wait, as others leave the line before. */
  #again({ waiting }: Permits<Request>): number | undefined {
    const time = this.#pace.until(waiting)
    return time && within(time)
  }

  #permitted(request: Request): void | Promise<void> {
    const permits = this.#permits
    const { tenant, scope, hold } = request
    if (permits === undefined && hold === undefined) return this.inner.handle(request)
    hold?.enter()
    // Pieces are small, and there may be no end of them.
    if (hold?.isExpecting === true && request.emit !== undefined) {
      const { emit } = request
      request.emit = (part) => {
        hold.made()
        return emit(part)
      }
    }
    const adaptive = this.#adaptive
    const began = adaptive === undefined ? 0 : now()
    const give = (isDone: boolean): void => {
      adaptive?.end(request.header.execEndpoint, began, isDone, permits!.waiting > 0)
      hold?.leave()
      this.#pace.note()
      permits?.give(tenant, scope.deadline)
    }
    const failed = (): void => give(false)
    const done = (): void => give(!scope.aborted)
    let pending: void | Promise<void>
    try {
      if (this.#cut !== undefined) throw this.#cut
      pending = this.inner.handle(request)
    } catch (error) {
      failed()
      throw error
    }
    if (pending === undefined) return done()
    const ended = this.#lingering.watch(scope, failed)
    pending.then(
      () => {
        if (!ended()) done()
      },
      () => {
        if (!ended()) failed()
      },
    )
    return pending
  }
}

const LEAVING: Health = { ready: false, reason: 'it shuts down' }
const CLOSED: Health = { ready: false, reason: 'it is not open' }

/** A {@link Limiter}, as what comes by one wire finds it. */
class Doorway implements Handler, Healthy {
  constructor(
    readonly limiter: Limiter,
    private readonly counts: RequestCounts,
  ) {}

  get endpoints(): readonly string[] | undefined {
    return this.limiter.endpoints
  }

  describe(): Promise<Descriptions> | undefined {
    return this.limiter.describe()
  }

  accepts(endpoint: string): boolean {
    return this.limiter.accepts(endpoint)
  }

  health(fresh?: boolean): Health | Promise<Health> {
    return this.limiter.health(fresh)
  }

  status(look: Look): readonly ExecutorStatus[] {
    return this.limiter.status(look)
  }

  cut(reason: Error): number {
    return this.limiter.cut(reason)
  }

  handle(request: Request): void | Promise<void> {
    return this.limiter.handle(request, this.counts)
  }
}

/** The limits that a handler has, if it has any. */
export function limiterOf(handler: Handler): Limiter | undefined {
  return handler instanceof Doorway ? handler.limiter : handler instanceof Limiter ? handler : undefined
}

/** Whether the class of an executor, or a function that answers one of its endpoints, has schemas. */
function saysSchemas(executor: Executor): boolean {
  const type = executor.constructor
  const all = [type, ...standing(executor, bindings(type)).values()] as readonly (Saying | undefined)[]
  return all.some((one) => (one?.input ?? one?.output) !== undefined)
}
