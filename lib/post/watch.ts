import type { Response } from '../request/response.js'
import type { Progress } from './progress.js'

/** Responses pass through, and a progress bar counts them. */
export class Watched implements AsyncIterableIterator<Response> {
  readonly #responses: AsyncIterableIterator<Response>
  readonly #progress: Progress
  readonly #inputs: { readonly isStopped?: unknown } | null | undefined
  readonly #signal: AbortSignal | undefined

  /**
   * @param inputs as they were given: those that somebody ended before they were through say so by `isStopped`
   * @param signal of the post
   */
  constructor(responses: AsyncIterableIterator<Response>, progress: Progress, inputs: unknown, signal: AbortSignal | undefined) {
    this.#responses = responses
    this.#progress = progress
    this.#inputs = inputs as { isStopped?: unknown } | null | undefined
    this.#signal = signal
  }

  async next(): Promise<IteratorResult<Response>> {
    try {
      const step = await this.#responses.next(true)
      if (step.done) this.#progress.stop(this.#inputs?.isStopped === true ? 'stopped' : 'done')
      else if (!step.value.partial) this.#progress.count(step.value)
      return step
    } catch (error) {
      this.#progress.stop(this.#signal?.aborted ? 'stopped' : 'failed')
      throw error
    }
  }

  return(value?: unknown): Promise<IteratorResult<Response>> {
    this.#progress.stop('stopped')
    return this.#responses.return!(value)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
