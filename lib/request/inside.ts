import type { Request } from './request.js'

/**
 * The requests that are inside a Flow now. A list through the requests themselves: a Set would give each of them a hash,
 * which costs more than the rest of a short visit.
 */
export class Inside {
  #first: Request | undefined
  #size = 0
  #empty: (() => void) | undefined

  get size(): number {
    return this.#size
  }

  enter(request: Request): void {
    request.after = this.#first
    if (this.#first !== undefined) this.#first.before = request
    this.#first = request
    this.#size++
  }

  leave(request: Request): void {
    const { before, after } = request
    if (before !== undefined) before.after = after
    else this.#first = after
    if (after !== undefined) after.before = before
    request.before = request.after = undefined
    if (--this.#size === 0) this.#empty?.()
  }

  /** Resolves when nobody is inside. */
  async whenEmpty(): Promise<void> {
    if (this.#size > 0) {
      await new Promise<void>((resolve) => {
        this.#empty = resolve
      })
    }
  }

  *[Symbol.iterator](): Generator<Request> {
    for (let request = this.#first; request !== undefined; request = request.after) yield request
  }
}
