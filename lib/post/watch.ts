import type { Response } from '../request/response.js'
import type { Progress } from './progress.js'

/** A stage: responses pass through, and a progress bar counts them. */
export function watch(inputs: unknown, requestSize: number): (responses: AsyncIterableIterator<Response>) => AsyncIterableIterator<Response> {
  return (responses) => new Watched(responses, inputs, requestSize)
}

class Watched implements AsyncIterableIterator<Response> {
  #progress: Progress | undefined

  constructor(
    readonly responses: AsyncIterableIterator<Response>,
    readonly inputs: unknown,
    readonly requestSize: number,
  ) {}

  async next(): Promise<IteratorResult<Response>> {
    if (this.#progress === undefined) {
      const { expected, Progress } = await import('./progress.js')
      this.#progress ??= new Progress(expected(this.inputs, this.requestSize))
    }
    try {
      const step = await this.responses.next(true)
      if (step.done) this.#progress.stop('done')
      else if (!step.value.partial) this.#progress.count(step.value)
      return step
    } catch (error) {
      this.#progress.stop('failed')
      throw error
    }
  }

  return(value?: unknown): Promise<IteratorResult<Response>> {
    this.#progress?.stop('stopped')
    return this.responses.return!(value)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
