import { Keyed } from '../stream/keyed.js'

/** Partial answers of one request that its client has not taken yet: no more than a window of them are on the way. */
export class Credit {
  readonly #window: number
  readonly #isLifted: () => boolean
  #sent = 0
  #taken = 0
  #over = false
  /** Branches and replicas hand on theirs side by side, so several may wait. */
  #waiting: (() => void)[] = []

  /** @param isLifted whether nobody waits for now */
  constructor(window: number, isLifted: () => boolean = () => false) {
    this.#window = window
    this.#isLifted = isLifted
  }

  /** Waits until the client has taken enough of what was sent before, or nothing more is to be heard of it. */
  async spend(): Promise<void> {
    this.#sent++
    while (!this.#over && !this.#isLifted() && this.#sent - this.#taken > this.#window) await new Promise<void>((go) => this.#waiting.push(go))
  }

  taken(count: number): void {
    if (!(count > this.#taken)) return
    this.#taken = count
    this.wake()
  }

  /** Nobody waits any more. */
  end(): void {
    this.#over = true
    this.wake()
  }

  /** Those who wait look whether they still have to. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }
}

/** The credits of a stream's requests, which its client raises in the stream itself. */
export class Credits {
  readonly #window: number
  /** By request id, which several may have. */
  readonly #open = new Keyed<string, Set<Credit>>()
  #over = false
  #lifted = false

  /** @param window how many partial answers of a request its client takes ahead; 0 sets no bound but the wire's */
  constructor(window: number) {
    this.#window = window
  }

  open(requestId: string): { credit: Credit; close: () => void } | undefined {
    if (this.#window === 0 || this.#over) return undefined
    const credit = new Credit(this.#window, () => this.#lifted)
    const same = this.#open.get(requestId) ?? new Set()
    this.#open.set(requestId, same.add(credit))
    const close = (): void => {
      credit.end()
      same.delete(credit)
      if (same.size === 0 && this.#open.get(requestId) === same) this.#open.delete(requestId)
    }
    return { credit, close }
  }

  taken(requestId: string, count: number): void {
    for (const credit of this.#open.get(requestId) ?? []) credit.taken(count)
  }

  /** The client is not read for now: what it says of what it took is not heard, and meanwhile the wire alone bounds what is on the way. */
  lift(lifted: boolean): void {
    this.#lifted = lifted
    if (lifted) for (const same of this.#open.values()) for (const credit of same) credit.wake()
  }

  /** Nothing more is to be heard of the client: from now on, the wire alone bounds what is on the way. */
  end(): void {
    this.#over = true
    for (const same of this.#open.values()) for (const credit of same) credit.end()
    this.#open.clear()
  }
}
