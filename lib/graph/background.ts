import { say } from '../base/errors.js'
import { Register } from '../stream/register.js'
import { Scope } from '../stream/scope.js'
import { ignore } from '../stream/thenable.js'

/**
 * Work that no response waits for: what floating executors do. It outlives its request, is awaited when the Flow closes, and what
 * fails in it is reported, because nobody else would hear of it.
 */
export class Background {
  /** Tells this work to stop: when the Flow closes and its time is up. */
  readonly scope = new Scope()
  readonly #report: (error: Error) => void
  readonly #pending = new Register<Promise<void>>()

  /** @param report where failures go. Default: console.error */
  constructor(report: (error: Error) => void = (error) => console.error(`sluice: in the background: ${say(error)}`)) {
    this.#report = report
  }

  get size(): number {
    return this.#pending.size
  }

  /** Keeps a piece of work until it is done, however it ends. */
  add(work: Promise<unknown>): void {
    const pending: Promise<void> = work.then(ignore, ignore).finally(() => leave())
    const leave = this.#pending.enter(pending)
  }

  /** Reports what failed. */
  fail(error: unknown): void {
    try {
      this.#report(error as Error)
    } catch (thrown) {
      console.error(`sluice: onBackgroundError threw ${say(thrown)} when told: ${say(error)}`)
    }
  }

  /** Resolves when nothing is left. */
  async whenDone(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }
}
