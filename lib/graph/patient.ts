import { delay } from 'abort-controller-x'
import { ExecutorError } from '../errors.js'
import type { Handler } from '../peer.js'
import type { Request } from '../request/request.js'
import type { Scope } from '../stream/scope.js'

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
  readonly #timeout: number | undefined
  readonly #retries: { attempts: number; delay: number; maxDelay: number }
  readonly #signal: AbortSignal | undefined
  /** Ends an attempt each. */
  readonly #attempts = new Set<(reason: unknown) => void>()
  readonly #onAbort = (): void => {
    for (const stop of [...this.#attempts]) stop(this.#signal!.reason)
  }

  constructor(
    readonly name: string,
    handler: Handler,
    { timeout, retries = 0, signal }: Patience,
  ) {
    this.#handler = handler
    this.#timeout = timeout
    const { attempts, delay = DELAY, maxDelay = MAX_DELAY } = typeof retries === 'number' ? { attempts: retries } : retries
    this.#retries = { attempts, delay, maxDelay }
    this.#signal = signal
  }

  open(): void {
    this.#signal?.addEventListener('abort', this.#onAbort)
  }

  close(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  accepts(endpoint: string): boolean {
    return this.#handler.accepts(endpoint)
  }

  async handle(request: Request): Promise<void> {
    const { attempts, delay: first, maxDelay } = this.#retries
    const { emit } = request
    const tried = new Set<object>()
    for (let attempt = 0; ; attempt++) {
      if (this.#signal?.aborted) throw this.#signal.reason
      const scope = request.scope.child()
      const trial = attempt < attempts ? request.copy(scope) : request.fork(request.docs, scope)
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
        const over = attempt === attempts || request.scope.aborted || this.#signal?.aborted || parted || !isPassing(error)
        if (over) throw error
      } finally {
        scope.close()
      }
      // Between a half and the whole of it, so that those who failed together do not come back together.
      const wait = Math.min(first * 2 ** attempt, maxDelay) * (1 - Math.random() / 2)
      await this.#wait(wait, request.scope)
    }
  }

  /** One attempt. Settles when it is stopped, whatever the executor does then; who closes the Flow waits for that. */
  #try(trial: Request, scope: Scope): void | Promise<void> {
    const pending = this.#handler.handle(trial)
    if (pending === undefined) return
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined
      const leave = (): void => {
        clearTimeout(timer)
        this.#attempts.delete(stop)
      }
      const stop = (reason: unknown): void => {
        leave()
        scope.abort(reason)
        trial.linger(pending)
        reject(reason)
      }
      this.#attempts.add(stop)
      if (this.#timeout !== undefined) {
        timer = setTimeout(() => stop(this.#late(trial)), this.#timeout)
        scope.watch(() => clearTimeout(timer))
      }
      pending.then(resolve, reject).finally(leave)
    })
  }

  /** Waits, unless the request or the executor is told to stop: the next attempt says so. */
  async #wait(milliseconds: number, scope: Scope): Promise<void> {
    const timer = new AbortController()
    const stop = (reason?: unknown): void => timer.abort(reason)
    const unwatch = scope.watch(stop)
    this.#attempts.add(stop)
    await delay(timer.signal, milliseconds).catch(() => {})
    this.#attempts.delete(stop)
    unwatch()
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

/** An answer that has no meaning will have none next time. */
function isPassing(error: unknown): boolean {
  return !(error instanceof ExecutorError && error.code === 'ERR_EXECUTOR_RESULT')
}
