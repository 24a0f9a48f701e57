import type { Flight } from './flight.js'

/**
 * What a consumer holds of a flight. All that is under way holds the flight alone; so when nobody holds this any more, nobody will ask for
 * results, and the flight hears of it.
 */
export class Iteration<R> implements AsyncIterableIterator<R>, AsyncDisposable {
  readonly #flight: Flight<any, R>

  constructor(flight: Flight<any, R>) {
    this.#flight = flight
  }

  next(...handing: unknown[]): Promise<IteratorResult<R>> {
    return this.#flight.next(this, handing.length > 0)
  }

  return(value?: unknown): Promise<IteratorReturnResult<any>> {
    return this.#flight.return(value)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
