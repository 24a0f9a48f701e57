import { Register } from '../stream/register.js'

const enum Phase {
  Serving,
  Unready,
  Draining,
  Closed,
}

/**
 * How far the end of a server has come, the same on each wire: it serves; it says that it is not ready, and serves on; it takes nothing new, and waits
 * for what is under way; it hangs up on what still is. It only goes forward. A wire brings nothing but its own frames for it: GOAWAY, close frames,
 * `connection: close`.
 */
export class Drain {
  #phase = Phase.Serving
  readonly #underWay = new Register<() => void>()
  readonly #unready = new Register<() => void>()
  readonly #draining = new Register<(time: number) => void>()
  #empty: (() => void)[] = []

  /** Whether health checks say that it is up. */
  get ready(): boolean {
    return this.#phase === Phase.Serving
  }

  /** Whether nothing new is taken. */
  get draining(): boolean {
    return this.#phase >= Phase.Draining
  }

  /**
   * Notes that something begins that is to be let finish.
   * @param hangUp ends it at once, when there is no more time
   * @returns notes its end
   */
  enter(hangUp: () => void): () => void {
    const leave = this.#underWay.enter(hangUp)
    return () => {
      if (!leave() || this.#underWay.size > 0) return
      for (const resolve of this.#empty) resolve()
      this.#empty = []
    }
  }

  /** Calls back when it is not ready any more, at once if it is not. @returns lets go of it */
  onUnready(listener: () => void): () => void {
    if (this.ready) return this.#unready.enter(listener)
    listener()
    return () => {}
  }

  /** Calls back when nothing new is taken any more, at once if it is so. It is told how many milliseconds what is under way has. @returns lets go of it */
  onDrain(listener: (time: number) => void): () => void {
    if (!this.draining) return this.#draining.enter(listener)
    listener(0)
    return () => {}
  }

  /** Says that it is not ready any more, and goes on. */
  unready(): void {
    if (!this.ready) return
    this.#phase = Phase.Unready
    for (const listener of this.#unready) listener()
  }

  /**
   * Takes nothing new, and resolves when nothing is under way.
   * @param time milliseconds until it is closed
   */
  async drain(time: number): Promise<void> {
    this.unready()
    if (!this.draining) {
      this.#phase = Phase.Draining
      for (const listener of this.#draining) listener(time)
    }
    if (this.#underWay.size > 0) await new Promise<void>((resolve) => this.#empty.push(resolve))
  }

  /** Hangs up on what is under way. */
  close(): void {
    void this.drain(0)
    this.#phase = Phase.Closed
    for (const hangUp of this.#underWay) hangUp()
  }
}
