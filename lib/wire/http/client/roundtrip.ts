import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { ConnectionError } from '../../../base/errors.js'
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
  readonly #controller = new AbortController()
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
    const late = (): void => this.stop(new ConnectionError('ERR_TIMEOUT', address, `no answer within ${timeout} ms`))
    if (timeout !== undefined) this.#timer = setTimeout(late, timeout)
    this.#release = wanted.watch((reason) => this.stop(reason))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  stop(reason: unknown): void {
    this.#controller.abort(reason)
  }

  /** It may take as long as it likes from now on. */
  inTime(): void {
    clearTimeout(this.#timer)
  }

  /** What became of it, as all wires say it. */
  failure(error: unknown): unknown {
    if (this.signal.aborted) return this.signal.reason
    if (!(error instanceof HttpRefusal && error.kind === 'tooLarge')) return failureOf(this.address, error, this.begun)
    return failure('tooLarge', this.address, `the answer is larger than ${this.limit} bytes. Ask for less at a time, or raise maxMessageBytes`)
  }

  end(): void {
    this.inTime()
    this.#release()
  }
}
