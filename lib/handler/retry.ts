import { ExecutorError } from '../base/errors.js'
import { retryAfter } from '../base/retry-after.js'
import { allOf, isAway, isBusy, isFinal, isUnasked, spent } from '../base/retry-policy.js'
import type { Handler } from '../request/handler.js'
import { adopt, copyOf, fork } from '../request/lineage.js'
import type { Request } from '../request/request.js'
import { BACKOFF, type Backoff, backoff } from '../stream/backoff.js'
import { later } from '../stream/event-loop.js'
import { Register } from '../stream/register.js'
import type { RetryBudget } from '../stream/retry-budget.js'
import type { Scope } from '../stream/scope.js'
import { listen, unlisten } from '../stream/signal-listener.js'
import { Timeout } from '../stream/timeout.js'
import { wait } from '../stream/wait.js'

export interface RetryOptions {
  /** Milliseconds for the whole request: all tries, the waits between them, and those for a replica. */
  readonly timeout?: number | undefined
  /** Milliseconds for one try, from when a replica has it. */
  readonly attemptTimeout?: number | undefined
  /** How often to try again. */
  readonly retries?: number | ({ attempts: number } & { readonly [K in keyof Backoff]?: number | undefined }) | undefined
  /** Ends all that is under way, and refuses what comes after. */
  readonly signal?: AbortSignal | undefined
}

/** What is different for an executor and for a server elsewhere. */
interface RetryPolicy {
  /** Whether the handler says when it starts, as those do with whom it may have to wait. */
  readonly tells?: boolean
  /**
   * Whether a failed try may have changed the documents. One that is not the last works on copies then, so that no trace of it is in the answer.
   * Elsewhere they change with the answer: what came back with the last failure is kept.
   */
  readonly copies?: boolean
  /** How many there are to choose among, each of which may be away: another one is asked at once then, which is no try of `retries`. Default 1. */
  readonly addresses?: number
  /** What tries after the first are taken out of, for all requests together: without it, there are as many as `retries` says. */
  readonly budget?: RetryBudget | undefined
  /** Whether what failed may succeed the next time, and is worth a try of `retries`. Default: all but what is final. */
  passing?(error: unknown, request: Request): boolean
  /** What it fails with when its time is up. */
  late?(request: Request, milliseconds: number, cause: unknown): Error
  /** Hears of each try that follows another, and of what that failed at. */
  onRetry?(request: Request, error: unknown): void
}

/** One request, over all its tries. */
interface Run {
  readonly limit: Timeout | undefined
  /** Nobody may try again. */
  over: boolean
}

/**
 * Tries again what failed, and ends what takes too long or is told to stop. A try that has handed on partial answers is not repeated.
 */
export class Retry implements Handler {
  readonly name: string
  readonly #inner: Handler
  readonly #timeout: number | undefined
  readonly #attemptTimeout: number | undefined
  readonly #attempts: number
  readonly #backoff: Backoff
  readonly #signal: AbortSignal | undefined
  readonly #policy: RetryPolicy
  /** Whether a try may have to be ended alone. Else requests of one post keep the scope that they share, and so a stream to a server. */
  readonly #ends: boolean
  /** Ends a try, or a wait for the next, each. */
  readonly #stops = new Register<(reason: unknown) => void>()
  /** Shortens a wait for the next try each. */
  readonly #waits = new Register<() => void>()
  /** How often a request was tried again. */
  retried = 0
  #hurried = false

  constructor(inner: Handler, { name, timeout, attemptTimeout, retries = 0, signal, ...policy }: RetryOptions & RetryPolicy & { readonly name: string }) {
    this.name = name
    this.#inner = inner
    this.#timeout = timeout
    this.#attemptTimeout = attemptTimeout
    const {
      attempts,
      delay = BACKOFF.delay,
      maxDelay = BACKOFF.maxDelay,
      growth = BACKOFF.growth,
    } = typeof retries === 'number' ? { attempts: retries } : retries
    this.#attempts = attempts
    this.#backoff = { delay, maxDelay, growth }
    this.#signal = signal
    this.#ends = [timeout, attemptTimeout, signal].some((given) => given !== undefined)
    this.#policy = policy
  }

  open(): void {
    this.#hurried = false
    if (this.#signal !== undefined) listen(this.#signal, this)
  }

  close(): void {
    if (this.#signal !== undefined) unlisten(this.#signal, this)
  }

  hear(): void {
    this.stop(this.#signal!.reason)
  }

  /** Ends what is under way, with this reason; nothing of it is tried again. */
  stop(reason: unknown): void {
    for (const stop of this.#stops) stop(reason)
  }

  /** Whoever waits to try again does so now, and for the last time: the Flow closes. */
  hurry(): void {
    this.#hurried = true
    for (const go of this.#waits) go()
  }

  accepts(endpoint: string): boolean {
    return this.#inner.accepts(endpoint)
  }

  async handle(request: Request): Promise<void> {
    const { copies = true, addresses = 1, passing = () => true, budget } = this.#policy
    const { emit } = request
    const tried = new Set<object>()
    const run: Run = { limit: this.#timeout === undefined ? undefined : new Timeout(this.#timeout), over: false }
    const away = new Set<string>()
    budget?.count()
    /** Whether the next try that is sent is free: the first is, and one that was paid for, and not sent. */
    let paid = true
    const pay = (): boolean => (paid ||= budget === undefined || budget.take())
    /** Milliseconds in which the first of those who were asked may be asked again, and whether that is when somebody looks for it. */
    let soonest = Infinity
    let looked = false
    run.limit?.start()
    let last = this.#attempts === 0
    let moves = addresses - 1
    let attempt = 0
    try {
      for (;;) {
        if (this.#signal?.aborted) throw this.#signal.reason
        const scope = this.#ends ? request.scope.child() : request.scope
        const trial = last || !copies ? fork(request, request.docs, scope) : copyOf(request, scope)
        let parted = false
        trial.emit =
          emit &&
          ((part) => {
            parted = true
            return emit(part)
          })
        let failure: unknown
        try {
          await this.#try(trial, scope, tried, run)
          return adopt(request, trial)
        } catch (error) {
          failure = error
          const unasked = isUnasked(error)
          paid &&= unasked
          const after = retryAfter(error) ?? 0
          if (after < soonest) [soonest, looked] = [after, unasked]
          if (isAway(error)) away.add(error.address)
          const over = run.over || parted || request.scope.aborted || this.#signal?.aborted || isFinal(error)
          // Where all are asked, none is noted as tried: then there is no other.
          const moving = !over && isAway(error) && moves-- > 0 && tried.size > 0
          // Who is gone has left its load to the others. Who has too much to do has not: what it refuses is on top of theirs.
          if (moving && !isBusy(error)) paid = true
          const again = moving || !(over || last || !passing(error, request))
          if (!again || !pay()) {
            if (!copies) adopt(request, trial)
            const all = allOf(error, away)
            throw again ? spent(all) : all
          }
          if (moving) continue
        } finally {
          if (this.#ends) scope.close()
        }
        // At least as long as was said, and those who were told the same do not come back together.
        const delay = backoff(this.#backoff, attempt)
        // When somebody looks is no word of the server's: whoever waits longer comes after it, and not all at once.
        const wait = looked ? Math.max(soonest, delay) : soonest + delay
        soonest = Infinity
        attempt++
        // Nobody waits for a try that there is no time for.
        if (run.limit !== undefined && wait >= run.limit.left) throw this.#late(request, this.#timeout!, failure)
        if (wait >= (request.scope.deadline?.left ?? Infinity)) throw allOf(failure, away)
        this.retried++
        this.#policy.onRetry?.(request, failure)
        await this.#wait(wait, request, run)
        last = this.#hurried || attempt === this.#attempts
      }
    } finally {
      run.limit?.end()
    }
  }

  /** One try. Settles when it is stopped, whatever the handler does then; who closes the Flow waits for that. */
  #try(trial: Request, scope: Scope, tried: Set<object>, run: Run): void | Promise<void> {
    const { limit } = run
    const own = this.#attemptTimeout === undefined ? undefined : new Timeout(this.#attemptTimeout)
    trial.attempt = { tried, onStart: own && (() => own.start()) }
    if (!this.#ends) return this.#inner.handle(trial)
    if (own !== undefined || limit !== undefined) scope.deadline = new Least([own, limit, scope.deadline])
    const { emit } = trial
    // A consumer that takes its time is not the executor's fault.
    if (emit !== undefined && (own ?? limit) !== undefined) {
      trial.emit = async (part) => {
        own?.pause()
        limit?.pause()
        try {
          await emit(part)
        } finally {
          own?.resume()
          limit?.resume()
        }
      }
    }
    let pending: void | Promise<void>
    try {
      pending = this.#inner.handle(trial)
    } catch (error) {
      own?.end()
      throw error
    }
    if (pending === undefined) return own?.end()
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        own?.end()
        unwatch?.()
        leaveStops()
      }
      const stop = (reason: unknown): void => {
        leave()
        scope.abort(reason)
        trial.linger(pending)
        reject(reason)
      }
      const stopAll = (reason: unknown): void => {
        run.over = true
        stop(reason)
      }
      const leaveStops = this.#stops.enter(stopAll)
      // Who waits no longer leaves a handler that does not listen, and no timer may hold the process for that.
      const unwatch =
        (own ?? limit) &&
        scope.watch(() => {
          own?.end()
          limit?.end()
        })
      if (own !== undefined) own.onZero = () => stop(this.#late(trial, this.#attemptTimeout!))
      if (limit !== undefined) limit.onZero = () => stopAll(this.#late(trial, this.#timeout!))
      if (!this.#policy.tells) own?.start()
      pending.then(resolve, reject).finally(leave)
    })
  }

  /** Waits, unless the request is told to stop, or all of them. */
  async #wait(milliseconds: number, { scope }: Request, run: Run): Promise<void> {
    const pause = scope.child()
    const go = (): void => pause.abort(undefined)
    let ended: { reason: unknown } | undefined
    const stop = (reason: unknown): void => {
      ended = { reason }
      go()
    }
    const leaves = [this.#stops.enter(stop), this.#waits.enter(go)]
    // It is shorter than the time that is left.
    if (run.limit !== undefined) run.limit.onZero = undefined
    // Never without a turn: tries that fail at once would leave none to signals and sockets.
    await (this.#hurried ? new Promise<void>(later) : wait(pause, milliseconds).catch(() => {}))
    for (const leave of leaves) leave()
    pause.close()
    if (scope.aborted) throw scope.reason
    if (ended !== undefined) throw (ended as { reason: unknown }).reason
  }

  #late(request: Request, milliseconds: number, cause?: unknown): Error {
    if (this.#policy.late !== undefined) return this.#policy.late(request, milliseconds, cause)
    const { header, id } = request
    return new ExecutorError('ERR_EXECUTOR_TIMEOUT', `${this.name} took longer than ${milliseconds} ms at ${header.execEndpoint} for request ${id}`, {
      ...(cause !== undefined && { cause }),
      executor: this.name,
      endpoint: header.execEndpoint,
      requestId: id,
    })
  }
}

/** The time of a try, of its request, and of whoever asked for it: executors elsewhere are told what is left. */
class Least {
  constructor(private readonly limits: readonly ({ readonly left: number } | undefined)[]) {}

  get left(): number {
    return Math.min(...this.limits.map((limit) => limit?.left ?? Infinity))
  }
}
