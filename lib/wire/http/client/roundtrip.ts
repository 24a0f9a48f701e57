import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { ConnectionError } from '../../../base/errors.js'
import { Scope } from '../../../stream/scope.js'
import { failure } from '../../outcome.js'
import { HttpRefusal } from '../refusal.js'
import { failureOf } from './failures.js'

/** What may be told to stop: a scope, for instance. */
export interface Watchable {
  watch(abort: (reason: unknown) => void): () => void
}

/** One request, until it is answered, too late, or not wanted any more. */
export class Roundtrip {
  /** Whether the server has begun to answer. */
  begun = false
  /** Told to stop with it. */
  readonly scope = new Scope()
  readonly #timer: ReturnType<typeof setTimeout> | undefined
  readonly #release: () => void

  /**
   * @param limit bytes of the answer
   * @param timeout milliseconds for all of it
   */
  constructor(
    private readonly address: string,
    private readonly limit: number,
    readonly timeout: number | undefined,
    wanted: Watchable,
  ) {
    if (timeout !== undefined) this.#timer = setTimeout(() => this.stop(new ConnectionError('ERR_TIMEOUT', address, `no answer within ${timeout} ms`)), timeout)
    this.#release = wanted.watch((reason) => this.stop(reason))
  }

  stop(reason: unknown): void {
    this.scope.abort(reason)
  }

  /** It may take as long as it likes from now on. */
  inTime(): void {
    clearTimeout(this.#timer)
  }

  /** What became of it, as all wires say it. */
  failure(error: unknown): unknown {
    if (this.scope.aborted) return this.scope.reason
    if (!(error instanceof HttpRefusal && error.kind === 'tooLarge')) return failureOf(this.address, error, this.begun)
    return failure('tooLarge', this.address, `the answer is larger than ${this.limit} bytes. Ask for less at a time, or raise maxMessageBytes`)
  }

  end(): void {
    this.inTime()
    this.#release()
  }
}
