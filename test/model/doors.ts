// Where executors, sources, callbacks and consumers wait until it is their turn: chance decides, the same in every run.
import { turn } from '../support/turn.js'

/** Turns of the event loop without anybody at a door, after which real time passes: timers and sockets are what is waited for. */
const IDLE = 20

export class Doors {
  readonly #choices: readonly number[]
  readonly #waiting: { open: () => void; consumer: boolean }[] = []
  /** Only consumers' doors open. */
  frozen = false
  #at = 0
  #idle = 0

  constructor(choices: readonly number[]) {
    this.#choices = choices
  }

  /** Waits until its door is opened, or, where a signal is given, until that aborts: then it throws its reason. */
  wait({ consumer = false, signal }: { consumer?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const leave = (): void => {
        const at = this.#waiting.indexOf(door)
        if (at !== -1) this.#waiting.splice(at, 1)
        signal?.removeEventListener('abort', told)
      }
      const told = (): void => {
        leave()
        reject(signal!.reason)
      }
      const open = (): void => {
        leave()
        resolve()
      }
      const door = { open, consumer }
      signal?.addEventListener('abort', told)
      this.#waiting.push(door)
    })
  }

  /** Lets some time pass, and opens a door. */
  async step(): Promise<void> {
    const choice = this.#choices[this.#at++ % this.#choices.length]!
    const kind = this.#at % 8 === 0 ? 3 : choice % 4
    const able = this.#waiting.filter(({ consumer }) => consumer || !this.frozen)
    if (able.length > 0) {
      this.#idle = 0
      able[(choice >> 2) % able.length]!.open()
      if (kind === 3) await turn()
      else for (let i = 0; i < kind * 2; i++) await undefined
    } else if (++this.#idle < IDLE) await turn()
    else await new Promise((resolve) => setTimeout(resolve, 1))
  }

  /** Opens doors until something is done. */
  async until(done: Promise<unknown>): Promise<void> {
    let over = false
    const end = (): void => {
      over = true
    }
    done.then(end, end)
    await undefined
    while (!over) await this.step()
  }
}
