/**
 * In JSON, a server may make up ids of its own, as Jina's does: then nothing says which request an answer is for, and requests go one by
 * one. The first answer of a server tells whether it does.
 */
export class Turns {
  /** Whether the server says whose an answer is; undefined until it answered. */
  #known: boolean | undefined
  readonly #streams = new WeakMap<object, (() => void)[]>()

  get needed(): boolean {
    return this.#known !== true
  }

  /** @returns a promise if others come first */
  enter(stream: object): Promise<void> | undefined {
    if (this.#known === true) return undefined
    const queue = this.#streams.get(stream)
    if (queue !== undefined) return new Promise((resolve) => queue.push(resolve))
    this.#streams.set(stream, [])
    return undefined
  }

  /** The one whose turn it was has its answer, or gave up. */
  leave(stream: object): void {
    const queue = this.#streams.get(stream)
    if (queue === undefined) return
    if (this.#known !== true && queue.length > 0) return queue.shift()!()
    this.#streams.delete(stream)
    for (const resolve of queue) resolve()
  }

  /** An answer with an id came. @param ours whether the id is */
  tell(ours: boolean): void {
    this.#known ??= ours
  }
}
