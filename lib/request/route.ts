import { type Status, statusOf } from './status.js'

/** The start and the end of every Flow, as routes and `needs` call it. */
export const GATEWAY = 'gateway'

/** One stop of a request. */
export class Route {
  /** The executor's name in the Flow, or `gateway`. */
  readonly executor: string
  /** Set when the stop failed. */
  status: Status | undefined
  /** How many documents did not reach it, as its answers to them were kept: see `cache` of `add()`. */
  declare cached?: number
  readonly #start: number
  #end: number | undefined

  /** @param start milliseconds since the epoch */
  constructor(executor: string, start: number) {
    this.executor = executor
    this.#start = start
  }

  get startTime(): Date {
    return new Date(this.#start)
  }

  /** When it went on; missing while it has not. */
  get endTime(): Date | undefined {
    return this.#end === undefined ? undefined : new Date(this.#end)
  }

  fail(error: Error): void {
    this.status = statusOf(error)
  }

  leave(end: number): void {
    this.#end = end
  }

  toJSON(): object {
    const { executor, startTime, endTime, status } = this
    return { executor, startTime, ...(endTime && { endTime }), ...(status && { status }) }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): object {
    return this.toJSON()
  }
}
