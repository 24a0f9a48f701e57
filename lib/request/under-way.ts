import type { Request } from './request.js'

/** A request's place in the register. */
export interface Visit {
  readonly request: Request
  before: Visit | undefined
  after: Visit | undefined
  /** Ends the wait for its answer. */
  abandon: ((reason: unknown) => void) | undefined
}

/** The requests that are inside a Flow now. A linked list: a Set would give each of them a hash, which costs more than the rest of a short visit. */
export class UnderWay {
  #first: Visit | undefined
  #size = 0
  #empty: (() => void) | undefined

  get size(): number {
    return this.#size
  }

  enter(request: Request): Visit {
    const visit: Visit = { request, before: undefined, after: this.#first, abandon: undefined }
    if (this.#first !== undefined) this.#first.before = visit
    this.#first = visit
    this.#size++
    return visit
  }

  leave(visit: Visit): void {
    const { before, after } = visit
    if (before !== undefined) before.after = after
    else this.#first = after
    if (after !== undefined) after.before = before
    // Once one that left has grown old, who came after it would be kept, and so on.
    visit.before = visit.after = undefined
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

  *[Symbol.iterator](): Generator<Visit> {
    for (let visit = this.#first; visit !== undefined; visit = visit.after) yield visit
  }
}

/** Resolves when nothing of a request goes on any more, also of what began to linger meanwhile. Nothing, if nothing does. */
export function whenFinished(request: Request): Promise<void> | undefined {
  return request.unfinished === undefined ? undefined : untilFinished(request)
}

async function untilFinished(request: Request): Promise<void> {
  while (request.unfinished !== undefined) {
    const { unfinished } = request
    request.unfinished = undefined
    await unfinished
  }
}
