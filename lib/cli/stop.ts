import { clearInterval, setInterval } from '../base/clock.js'
import type { Flow } from '../flow/flow.js'
import { endBy, exitCodeOf, STOP_SIGNALS, type StopSignal } from '../flow/signals.js'
import { ignore } from '../stream/thenable.js'

/** What a job is told by signals: the first asks it to finish what it has begun, the second ends the process at once. */
export class Stop {
  /** Aborts at the first signal, with its name as the reason. */
  readonly signal: AbortSignal
  readonly #controller = new AbortController()
  readonly #quiet: boolean
  /** What is still done, at once, before a second signal ends the process. */
  last: (() => void) | undefined

  constructor(quiet = false) {
    this.#quiet = quiet
    this.signal = this.#controller.signal
    for (const name of STOP_SIGNALS) process.on(name, this.#on)
  }

  /** Resolves at the first signal. Who waits for it keeps the process. */
  get asked(): Promise<void> {
    if (this.signal.aborted) return Promise.resolve()
    const alive = setInterval(() => {}, 0x7fffffff)
    return new Promise((resolve) => {
      const stop = (): void => {
        clearInterval(alive)
        resolve()
      }
      this.signal.addEventListener('abort', stop, { once: true })
    })
  }

  /**
   * Opens a Flow. Told to stop meanwhile, it closes it, also where it was open in time: who does not open is not waited for longer than its `closeTimeout`.
   * @throws as `open()` does, and `close()`
   */
  async open(flow: Flow<string>, options: Parameters<Flow['open']>[0]): Promise<void> {
    const opening = flow.open(options)
    let closing: Promise<void> | undefined
    const close = (): void => {
      closing = flow.close()
      // It is awaited behind the opening.
      closing.catch(ignore)
    }
    if (this.signal.aborted) close()
    this.signal.addEventListener('abort', close, { once: true })
    try {
      await opening
      await closing
    } finally {
      this.signal.removeEventListener('abort', close)
    }
  }

  /** The name of the signal that asked to stop, if one did. */
  get by(): string | undefined {
    return this.signal.aborted ? String(this.signal.reason) : undefined
  }

  /** As shells report a process that a signal ended: 130 of SIGINT, 143 of SIGTERM, 129 of SIGHUP; 0 without one. */
  get exitCode(): number {
    return this.by === undefined ? 0 : exitCodeOf(this.by as StopSignal)
  }

  [Symbol.dispose](): void {
    for (const name of STOP_SIGNALS) process.off(name, this.#on)
  }

  readonly #on = (name: StopSignal): void => {
    if (!this.signal.aborted) {
      if (!this.#quiet) process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}sluice: ${name}: finishing what is under way; once more to end at once\n`)
      return this.#controller.abort(name)
    }
    this.last?.()
    process.removeAllListeners(name)
    endBy(name)
  }
}
