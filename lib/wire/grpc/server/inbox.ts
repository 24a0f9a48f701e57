import type { Readable } from 'node:stream'
import { clearInterval, nextTurn, now, setInterval } from '../../../base/clock.js'

/** Milliseconds after which a stream is still on which nothing comes and nothing is under way. */
const STILL = 100

/**
 * What comes in on a call, one message when it is asked for. Nothing is read ahead but what grpc-js itself holds (16 messages), and no
 * promise is made for what is there already.
 */
export class Inbox implements AsyncIterableIterator<Buffer> {
  readonly #call: Readable
  #waiting: ((result: IteratorResult<Buffer>) => void) | undefined
  #over = false
  #stopping = false
  /** How many messages were read. */
  #read = 0
  #waning: ReturnType<typeof setInterval> | undefined
  /** Whether the client said that nothing more comes. */
  ended = false

  constructor(call: Readable) {
    this.#call = call
    call.on('readable', this.#onReadable)
    call.on('end', () => {
      this.ended = true
      this.#end()
    })
    call.on('close', () => this.#end())
  }

  next(): Promise<IteratorResult<Buffer>> {
    if (this.#over) return Promise.resolve({ done: true, value: undefined })
    const value: Buffer | null = this.#call.read()
    if (value !== null) {
      this.#read++
      return Promise.resolve({ done: false, value })
    }
    if (this.#stopping) nextTurn(() => this.#end())
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  /** Nobody reads any more. */
  return(): Promise<IteratorResult<Buffer>> {
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Ends when what is here already was read. */
  stop(): void {
    this.#stopping = true
    // The turn lets an end that is here already be seen as one.
    if (this.#waiting !== undefined) nextTurn(() => this.#end())
  }

  /**
   * Ends when it is still: nothing has come for a while, and nothing is under way.
   * @param busy whether something is under way
   * @param most milliseconds after which it ends anyway, as `stop()` does
   */
  wane(busy: () => boolean, most: number): void {
    if (this.#over) return
    const until = now() + most
    let before = this.#read
    this.#waning = setInterval(() => {
      const still = this.#read === before && !busy()
      before = this.#read
      if (!still && now() < until) return
      clearInterval(this.#waning)
      this.stop()
    }, STILL)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  readonly #onReadable = (): void => {
    if (this.#waiting === undefined || this.#over) return
    const value: Buffer | null = this.#call.read()
    if (value === null) return
    this.#read++
    const resolve = this.#waiting
    this.#waiting = undefined
    resolve({ done: false, value })
  }

  #end(): void {
    this.#over = true
    clearInterval(this.#waning)
    this.#call.off('readable', this.#onReadable)
    this.#waiting?.({ done: true, value: undefined })
    this.#waiting = undefined
  }
}
