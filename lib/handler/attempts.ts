import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { ConnectionError, ExecutorError, isError } from '../base/errors.js'
import { isForGood } from '../base/for-good.js'
import { copyOf } from '../request/copy.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import { later } from '../stream/event-loop.js'
import type { Scope } from '../stream/scope.js'
import { listen, unlisten } from '../stream/signal-listener.js'
import { rest } from '../stream/wait.js'

/** Milliseconds before the second attempt, and the most before any: as gRPC's clients wait, but for their first second. */
const DELAY = 100
const MAX_DELAY = 5000

interface Patience {
  /** Milliseconds an attempt may take. */
  readonly timeout?: number | undefined
  /** How often to try again. */
  readonly retries?: number | { attempts: number; delay?: number | undefined; maxDelay?: number | undefined } | undefined
  /** Ends all attempts, and refuses new ones. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Lets an executor try again, for so long, and until it is told to stop. An attempt that is not the last works on copies, so that no
 * trace of it is in the answer; one that has handed on partial answers is not repeated.
 */
export class Patient implements Handler {
  readonly #handler: Handler
  /** Whether it says when an attempt starts, as those do with whom it may have to wait. */
  readonly #tells: boolean
  readonly #timeout: number | undefined
  readonly #retries: { attempts: number; delay: number; maxDelay: number }
  readonly #signal: AbortSignal | undefined
  /** Ends an attempt each. */
  readonly #attempts = new Set<(reason: unknown) => void>()
  /** Ends a wait for the next attempt each. */
  readonly #waits = new Set<() => void>()
  #hurried = false

  constructor(
    readonly name: string,
    handler: Handler,
    { timeout, retries = 0, signal }: Patience,
    tells: boolean,
  ) {
    this.#handler = handler
    this.#tells = tells
    this.#timeout = timeout
    const { attempts, delay = DELAY, maxDelay = MAX_DELAY } = typeof retries === 'number' ? { attempts: retries } : retries
    this.#retries = { attempts, delay, maxDelay }
    this.#signal = signal
  }

  open(): void {
    this.#hurried = false
    if (this.#signal !== undefined) listen(this.#signal, this)
  }

  close(): void {
    if (this.#signal !== undefined) unlisten(this.#signal, this)
  }

  hear(): void {
    for (const stop of [...this.#attempts]) stop(this.#signal!.reason)
  }

  /** Whoever waits to try again does so now, and for the last time: the Flow closes. */
  hurry(): void {
    this.#hurried = true
    for (const stop of [...this.#waits]) stop()
  }

  accepts(endpoint: string): boolean {
    return this.#handler.accepts(endpoint)
  }

  async handle(request: Request): Promise<void> {
    const { attempts, delay: first, maxDelay } = this.#retries
    const { emit } = request
    const tried = new Set<object>()
    let last = attempts === 0
    for (let attempt = 0; ; attempt++) {
      if (this.#signal?.aborted) throw this.#signal.reason
      const scope = request.scope.child()
      const trial = last ? request.fork(request.docs, scope) : copyOf(request, scope)
      trial.tried = tried
      let parted = false
      trial.emit =
        emit &&
        ((part) => {
          parted = true
          return emit(part)
        })
      try {
        await this.#try(trial, scope)
        return request.adopt(trial)
      } catch (error) {
        const over = last || request.scope.aborted || this.#signal?.aborted || parted || !isPassing(error)
        if (over) throw error
      } finally {
        scope.close()
      }
      // Between a half and the whole of it, so that those who failed together do not come back together.
      const wait = Math.min(first * 2 ** Math.min(attempt, 30), maxDelay) * (1 - Math.random() / 2)
      await this.#wait(wait, request.scope)
      last = this.#hurried || attempt + 1 === attempts
    }
  }

  /** One attempt. Settles when it is stopped, whatever the executor does then; who closes the Flow waits for that. */
  #try(trial: Request, scope: Scope): void | Promise<void> {
    const countdown = this.#timeout === undefined ? undefined : new Countdown(this.#timeout)
    trial.onStart = countdown && (() => countdown.start())
    const { emit } = trial
    // A consumer that takes its time is not the executor's fault.
    if (countdown !== undefined && emit !== undefined) {
      trial.emit = async (part) => {
        countdown.pause()
        try {
          await emit(part)
        } finally {
          countdown.resume()
        }
      }
    }
    let pending: void | Promise<void>
    try {
      pending = this.#handler.handle(trial)
    } catch (error) {
      countdown?.end()
      throw error
    }
    if (pending === undefined) return countdown?.end()
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        countdown?.end()
        unwatch?.()
        this.#attempts.delete(stop)
      }
      const stop = (reason: unknown): void => {
        leave()
        scope.abort(reason)
        trial.linger(pending)
        reject(reason)
      }
      this.#attempts.add(stop)
      const unwatch = countdown && scope.watch(() => countdown.end())
      if (countdown !== undefined) countdown.onZero = () => stop(this.#late(trial))
      if (!this.#tells) countdown?.start()
      pending.then(resolve, reject).finally(leave)
    })
  }

  /** Waits, unless the request or the executor is told to stop: the next attempt says so. */
  async #wait(milliseconds: number, scope: Scope): Promise<void> {
    const pause = scope.child()
    const stop = (reason?: unknown): void => pause.abort(reason)
    this.#attempts.add(stop)
    this.#waits.add(stop)
    // Never without a turn: attempts that fail at once would leave none to signals and sockets.
    await (this.#hurried ? new Promise<void>(later) : rest(pause, milliseconds).catch(() => {}))
    this.#attempts.delete(stop)
    this.#waits.delete(stop)
    pause.close()
    if (scope.aborted) throw scope.reason
  }

  #late({ header: { execEndpoint }, id }: Request): ExecutorError {
    return new ExecutorError('ERR_EXECUTOR_TIMEOUT', `${this.name} took longer than ${this.#timeout} ms at ${execEndpoint} for request ${id}`, {
      executor: this.name,
      endpoint: execEndpoint,
      requestId: id,
    })
  }
}

/** Time that an attempt has left, while nobody else is waited for. */
class Countdown {
  onZero: (() => void) | undefined
  #left: number
  #started = 0
  #running = false
  /** How many replicas wait: each hands on its own. */
  #pauses = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param milliseconds how long it runs, pauses left out */
  constructor(milliseconds: number) {
    this.#left = milliseconds
  }

  start(): void {
    this.#running = true
    this.#go()
  }

  pause(): void {
    this.#pauses++
    this.#halt()
  }

  /** The end of one pause; it goes on after the last. */
  resume(): void {
    this.#pauses--
    this.#go()
  }

  #go(): void {
    if (!this.#running || this.#pauses > 0 || this.#timer !== undefined || this.#left < 0) return
    this.#started = now()
    this.#timer = setTimeout(() => this.onZero?.(), this.#left)
  }

  #halt(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#left = Math.max(0, this.#left - (now() - this.#started))
  }

  /** It does not run again. */
  end(): void {
    this.#halt()
    this.#left = -1
  }
}

/** An answer that has no meaning will have none next time; who is not let in, or asks for what is too large or not there, is refused again. */
function isPassing(error: unknown): boolean {
  if (!isError(error)) return true
  if (error instanceof ConnectionError) return error.code !== 'ERR_TOO_LARGE' && !isForGood(error)
  return !(error instanceof ExecutorError && error.code === 'ERR_EXECUTOR_RESULT')
}
