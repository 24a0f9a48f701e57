import { builtin } from '../base/node.js'

/** Node's own warning cannot be turned off otherwise. */
const eventsOfNode = /* @__PURE__ */ builtin('events')

/**
 * Something that can be told to stop, and what is under it: a post, a request, an attempt.
 * An `AbortSignal` costs more than most requests do, so one is made only for who asks for it.
 */
export class Scope {
  #children: Set<{ abort?: ((reason: unknown) => void) | undefined }> | undefined
  #leave: (() => void) | undefined
  #controller: AbortController | undefined
  #aborted = false
  #reason: unknown
  /** What the source of what is mapped under this scope ended with: what fails meanwhile ends nothing. */
  declare sourceFailure?: { readonly reason: unknown } | undefined
  /**
   * How many milliseconds it may take, where somebody waits no longer. `watched`: who set it ends it then. `given`: how many it had. `shed`: ends it sooner, where it
   * waits in a line in which so many milliseconds pass before its turn. Undefined once an executor has begun with it.
   */
  deadline: { readonly left: number; readonly watched?: boolean; readonly given?: number; shed?: ((time: number) => void) | undefined } | undefined

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  /** Aborts when this scope is told to stop. Made on the first read. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      // All requests of a post share it, so that more than a few listeners are no leak.
      eventsOfNode?.setMaxListeners(0, this.#controller.signal)
      if (this.#aborted) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** Tells this scope and all below it to stop. Only the first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#reason = reason
    this.#controller?.abort(reason)
    for (const child of this.#children ?? []) child.abort?.(reason)
    this.close()
  }

  /** A scope below this one; `close()` it when its work is over. */
  child(): Scope {
    const child = new Scope()
    child.deadline = this.deadline
    child.#leave = this.watch((reason) => child.abort(reason))
    return child
  }

  /** Calls `abort` when this scope is told to stop, at once if it was. @returns lets go of it */
  watch(abort: (reason: unknown) => void): () => void {
    const child: { abort?: typeof abort | undefined } = { abort }
    if (this.#aborted) abort(this.#reason)
    else (this.#children ??= new Set()).add(child)
    return () => {
      this.#children?.delete(child)
      // A Set moves into a new table now and then, and the old one, which knows the new, keeps what stood in it from being collected young.
      child.abort = undefined
    }
  }

  /** Lets go of the parent. The signal stays as it is. */
  close(): void {
    this.#leave?.()
    this.#leave = undefined
  }
}
