import type { Response } from '../request/response.js'
import { expected, Progress } from './progress.js'

/** Responses pass through, and a progress bar counts them. */
export class Watched implements AsyncIterableIterator<Response> {
  readonly #responses: AsyncIterableIterator<Response>
  readonly #progress: Progress

  constructor(responses: AsyncIterableIterator<Response>, inputs: unknown, requestSize: number, skipped = 0) {
    this.#responses = responses
    this.#progress = new Progress(expected(inputs, requestSize), undefined, skipped)
  }

  async next(): Promise<IteratorResult<Response>> {
    try {
      const step = await this.#responses.next(true)
      if (step.done) this.#progress.stop('done')
      else if (!step.value.partial) this.#progress.count(step.value)
      return step
    } catch (error) {
      this.#progress.stop('failed')
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
