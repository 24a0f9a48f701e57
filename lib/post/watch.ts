import type { Response } from '../request/response.js'
import type { Progress } from './progress.js'

/** A stage: responses pass through, and a progress bar counts them. */
export function watch(documents: number | undefined, requestSize: number): (responses: AsyncIterableIterator<Response>) => AsyncIterableIterator<Response> {
  const requests = documents === undefined ? undefined : requestSize >= 1 ? Math.ceil(documents / requestSize) : Math.min(documents, 1)
  return (responses) => new Watched(responses, requests)
}

class Watched implements AsyncIterableIterator<Response> {
  readonly #responses: AsyncIterableIterator<Response>
  readonly #expected: number | undefined
  #progress: Progress | undefined

  constructor(responses: AsyncIterableIterator<Response>, expected: number | undefined) {
    this.#responses = responses
    this.#expected = expected
  }

  async next(): Promise<IteratorResult<Response>> {
    if (this.#progress === undefined) {
      const { Progress } = await import('./progress.js')
      this.#progress ??= new Progress(this.#expected)
    }
    try {
      const step = await this.#responses.next()
      if (step.done) this.#progress.stop('done')
      else this.#progress.count(step.value)
      return step
    } catch (error) {
      this.#progress.stop('failed')
      throw error
    }
  }

  return(value?: unknown): Promise<IteratorResult<Response>> {
    this.#progress?.stop('stopped')
    return this.#responses.return!(value)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
