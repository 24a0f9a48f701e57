import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { ConnectionError } from '../base/errors.js'
import { type Logger, log } from '../base/logger.js'
import type { Request } from '../request/request.js'
import type { Scope } from '../stream/scope.js'
import { rest } from '../stream/wait.js'

interface AttemptOptions {
  readonly maxAttempts?: number | undefined
  readonly initialBackoff?: number | undefined
  readonly maxBackoff?: number | undefined
  readonly backoffMultiplier?: number | undefined
  readonly timeout?: number | undefined
  readonly logger?: Logger | undefined
}

type Send = (request: Request) => void | Promise<void>

const PASSING = ['ERR_UNREACHABLE', 'ERR_DISCONNECTED']

/** Sends a request again when the server was not there, or went away, as often and as long as it may. */
export class Attempts {
  readonly #address: string
  readonly #most: number
  readonly #first: number
  readonly #longest: number
  readonly #growth: number
  readonly #timeout: number
  readonly #logger: Logger | undefined

  constructor(
    address: string,
    { maxAttempts = 1, initialBackoff = 500, maxBackoff = 2000, backoffMultiplier = 1.5, timeout = Infinity, logger }: AttemptOptions,
  ) {
    this.#address = address
    this.#most = maxAttempts
    this.#first = initialBackoff
    this.#longest = maxBackoff
    this.#growth = backoffMultiplier
    this.#timeout = timeout
    this.#logger = logger
  }

  /**
   * @param life of the Client: when it ends, so does what is under way, with its reason, and nothing is sent again
   */
  async run(request: Request, life: Scope, send: Send): Promise<void> {
    try {
      await (this.#most <= 1 ? send(request) : this.#repeat(request, life, send))
    } catch (error) {
      // Whoever was under way hears of it by the connection, in its own words.
      throw life.aborted ? life.reason : error
    }
  }

  async #repeat(request: Request, life: Scope, send: Send): Promise<void> {
    const until = now() + this.#timeout
    for (let attempt = 1; ; attempt++) {
      const { emitted } = request.whole
      try {
        return await (attempt === 1 || until === Infinity ? send(request) : this.#until(until, request, send))
      } catch (error) {
        const again = error instanceof ConnectionError && PASSING.includes(error.code) && attempt < this.#most && request.whole.emitted === emitted
        if (!again || request.scope.aborted || life.aborted) throw error
        // A random part of it, so that those who failed together do not come back together.
        const wait = Math.random() * Math.min(this.#first * this.#growth ** (attempt - 1), this.#longest)
        if (now() + wait >= until) throw this.#late(error)
        log(this.#logger, 'warn', 'request.retried', { requestId: request.id, endpoint: request.header.execEndpoint, error })
        await restWithin(request.scope, life, wait)
      }
    }
  }

  /** An attempt that has what the others left of the time. */
  async #until(until: number, request: Request, send: Send): Promise<void> {
    const scope = request.scope.child()
    const trial = request.fork(request.docs, scope)
    const timer = setTimeout(() => scope.abort(this.#late()), until - now())
    try {
      await send(trial)
      request.adopt(trial)
    } finally {
      clearTimeout(timer)
      scope.close()
    }
  }

  #late(cause?: ConnectionError): ConnectionError {
    const last = cause === undefined ? '' : `, the last attempt being: ${cause.message}`
    return new ConnectionError('ERR_TIMEOUT', this.#address, `no answer within ${this.#timeout} ms${last}`, { cause })
  }
}

/** Waits, unless the request is not wanted any more, or the Client not there. @throws the reason */
async function restWithin(scope: Scope, life: Scope, milliseconds: number): Promise<void> {
  const both = scope.child()
  const unwatch = life.watch((reason) => both.abort(reason))
  try {
    await rest(both, milliseconds)
  } finally {
    unwatch()
    both.close()
  }
}
