import { ConnectionError } from '../errors.js'
import type { Request } from '../request/request.js'

interface AttemptOptions {
  readonly maxAttempts?: number | undefined
  readonly initialBackoff?: number | undefined
  readonly maxBackoff?: number | undefined
  readonly backoffMultiplier?: number | undefined
  readonly timeout?: number | undefined
}

const PASSING = ['ERR_UNREACHABLE', 'ERR_DISCONNECTED']

/** Sends a request again when the server was not there, or went away, as often and as long as it may. */
export class Attempts {
  readonly #address: string
  readonly #most: number
  readonly #first: number
  readonly #longest: number
  readonly #growth: number
  readonly #timeout: number

  constructor(address: string, { maxAttempts = 1, initialBackoff = 500, maxBackoff = 2000, backoffMultiplier = 1.5, timeout = Infinity }: AttemptOptions) {
    this.#address = address
    this.#most = maxAttempts
    this.#first = initialBackoff
    this.#longest = maxBackoff
    this.#growth = backoffMultiplier
    this.#timeout = timeout
  }

  run(request: Request, send: () => void | Promise<void>): void | Promise<void> {
    return this.#most <= 1 ? send() : this.#repeat(request, send)
  }

  async #repeat(request: Request, send: () => void | Promise<void>): Promise<void> {
    const until = performance.now() + this.#timeout
    for (let attempt = 1; ; attempt++) {
      const { emitted } = request.whole
      try {
        return await send()
      } catch (error) {
        const again = error instanceof ConnectionError && PASSING.includes(error.code) && attempt < this.#most && request.whole.emitted === emitted
        if (!again || request.scope.aborted) throw error
        // A random part of it, so that those who failed together do not come back together.
        const wait = Math.random() * Math.min(this.#first * this.#growth ** (attempt - 1), this.#longest)
        if (performance.now() + wait >= until) throw this.#late(error)
        await rest(request, wait)
      }
    }
  }

  #late(cause: ConnectionError): ConnectionError {
    return new ConnectionError('ERR_TIMEOUT', this.#address, `no answer within ${this.#timeout} ms, the last attempt being: ${cause.message}`, { cause })
  }
}

/** Waits, unless nobody wants the answer any more. */
async function rest({ scope }: Request, wait: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, wait)
    const unwatch = scope.watch(done)
    function done(): void {
      clearTimeout(timer)
      unwatch?.()
      resolve()
    }
  })
  if (scope.aborted) throw scope.reason
}
