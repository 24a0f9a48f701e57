import { clearTimeout, setTimeout } from '../base/clock.js'
import { type Coded, ExecutorError, FlowBuildError, FlowStateError } from '../base/errors.js'
import { type Logger, log } from '../base/logger.js'
import { bindings, DRY_RUN, standing } from '../executor/bindings.js'
import { Executor } from '../executor/executor.js'
import type { Describing, Descriptions, Saying } from '../executor/schemas.js'
import { DEFAULT_PREFETCH } from '../post/options.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import { Deadlines, TimeLeft } from '../stream/deadlines.js'
import { Permits } from '../stream/permits.js'
import { Refused } from './refused.js'

/** What holds for all requests to a peer, whatever they come by. */
export interface Limits {
  /** Milliseconds in which a request must be answered, or begin to be in parts. 0, and by default: no end. */
  timeout?: number | undefined
  /** The most requests inside. 0, and by default: no bound. */
  maxInFlight?: number | undefined
  /** Hears what requests fail at. */
  logger?: Logger | undefined
}

/**
 * A peer with limits: a request that is not answered in time, that of the service or that which whoever asks gives it, fails, and its executors are told; those beyond a bound wait in line, and beyond
 * that fail at once. A request keeps its place until its executors are done, also when nobody waits for them any more.
 */
export class Limiter implements Handler {
  /** It says that it is not ready, and works on: dry runs fail, by which every protocol asks. */
  leaving = false
  readonly #permits: Permits<Request> | undefined
  readonly #deadlines: Deadlines | undefined
  readonly #timeout: number
  readonly #maxInFlight: number
  readonly #logger: Logger | undefined

  /** @throws FlowBuildError (`ERR_USES_INVALID`) for an Executor by itself that has schemas: it is a Flow that checks them */
  constructor(
    readonly inner: Handler,
    { timeout = 0, maxInFlight = 0, logger }: Limits,
  ) {
    if (inner instanceof Executor && saysSchemas(inner))
      throw new FlowBuildError(
        'ERR_USES_INVALID',
        `${inner.name} says by schemas what it takes or gives, which nobody would check here. Serve a Flow: new Flow().add({ uses: ${inner.constructor.name || 'it'} })`,
      )
    this.#timeout = timeout
    this.#maxInFlight = maxInFlight
    this.#logger = logger
    if (timeout > 0) this.#deadlines = new Deadlines(timeout)
    // So many that streams come to wait, each with all that it may send ahead, before anything is refused.
    if (maxInFlight > 0 && maxInFlight < Infinity) this.#permits = new Permits(maxInFlight, maxInFlight * DEFAULT_PREFETCH)
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

  accepts(endpoint: string): boolean {
    return this.inner.accepts(endpoint)
  }

  /** @throws Refused, and what the peer throws */
  handle(request: Request): void | Promise<void> {
    if (this.#logger === undefined) return this.#handle(request)
    const { scope } = request
    // Who left has no use for an answer, and nothing went wrong here.
    const failed = (error: unknown): void => (scope.aborted ? undefined : this.#tell(request, error))
    let pending: void | Promise<void>
    try {
      pending = this.#handle(request)
    } catch (error) {
      failed(error)
      throw error
    }
    const done = (): void => {
      for (const { doc, executor, error } of request.failures ?? []) this.#tellOf(request, executor, doc.id, error)
    }
    if (pending === undefined) done()
    else pending.then(done, failed)
    return pending
  }

  /** Of a document that failed, while the others of its request went on. */
  #tellOf({ id, header }: Request, executor: string, documentId: string, error: unknown): void {
    log(this.#logger, 'warn', 'document.failed', { requestId: id, endpoint: header.execEndpoint, executor, documentId, error })
  }

  #tell({ id, header }: Request, error: unknown): void {
    const about = { requestId: id, endpoint: header.execEndpoint, error }
    if (error instanceof Refused) log(this.#logger, error.busy ? 'debug' : 'warn', error.busy ? 'request.refused' : 'request.late', about)
    else if (error instanceof FlowStateError || (error as Partial<Coded> | undefined)?.code === 'ERR_EXECUTOR_INPUT')
      log(this.#logger, 'debug', 'request.refused', about)
    else log(this.#logger, 'error', 'executor.failed', { ...about, executor: error instanceof ExecutorError ? error.executor : undefined })
  }

  #handle(request: Request): void | Promise<void> {
    if (this.leaving && request.header.execEndpoint === DRY_RUN)
      throw new FlowStateError('ERR_FLOW_CLOSED', 'This gateway shuts down: ask again, or ask another instance')
    const { deadline } = request.scope
    // Nobody waits for it any more, whoever says so.
    if (deadline !== undefined && deadline.left <= 0) throw this.#late(request, deadline.left)
    const asked = deadline === undefined || deadline.watched ? Infinity : deadline.left
    return this.#deadlines === undefined && asked === Infinity ? this.#enter(request) : this.#inTime(request, asked)
  }

  /** @param asked milliseconds that whoever asks gives it */
  #inTime(request: Request, asked: number): void | Promise<void> {
    // What comes by a wire may be told to stop, and its answer still be wanted: to hear that it is late.
    const scope = request.scope.child()
    const time = new TimeLeft(Math.min(asked, scope.deadline?.left ?? Infinity, this.#timeout || Infinity), true)
    scope.deadline = time
    request.scope = scope
    const { emit } = request
    let begun = false
    let late: (() => void) | undefined
    const stop = this.#watch(asked, () => late?.())
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
      late = () => {
        const refused = this.#late(request, asked)
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
    const permits = this.#permits
    // Who asks whether it is well must hear it also when it is busy.
    if (permits === undefined || (request.header.execEndpoint === DRY_RUN && request.docs.length === 0)) return this.inner.handle(request)
    if (permits.take(request.tenant)) return this.#permitted(request, permits)
    return permits.wait(
      request,
      () => this.#permitted(request, permits),
      (who) => new Refused('ERR_UNREACHABLE', `Busy: ${this.#maxInFlight} requests are under way, and as many wait as may. Ask again later`, who),
    )
  }

  #permitted(request: Request, permits: Permits<Request>): void | Promise<void> {
    const { tenant, scope } = request
    const give = (): void => permits.give(tenant, scope.deadline)
    let pending: void | Promise<void>
    try {
      pending = this.inner.handle(request)
    } catch (error) {
      give()
      throw error
    }
    if (pending === undefined) return give()
    pending.then(give, give)
    return pending
  }
}

/** Whether the class of an executor, or a function that answers one of its endpoints, has schemas. */
function saysSchemas(executor: Executor): boolean {
  const type = executor.constructor
  const all = [type, ...standing(executor, bindings(type)).values()] as readonly (Saying | undefined)[]
  return all.some((one) => (one?.input ?? one?.output) !== undefined)
}
