import type { Readable } from 'node:stream'
import { clearInterval, nextTurn, now, setInterval } from '../../../base/clock.js'
import { Fifo } from '../../../stream/fifo.js'

/** Milliseconds after which a stream is still on which nothing comes and nothing is under way. */
const STILL = 100

/** What is heard at once, whatever stands before it: so messages are read ahead, and wait here. */
export interface Aside {
  /** How many messages wait at most. */
  readonly most: number
  /** Takes a message if it is one of those. @returns whether it is */
  hear(message: Buffer): boolean
}

/**
 * What comes in on a call, one message when it is asked for. Nothing is read ahead but what grpc-js itself holds (16 messages), unless
 * some are to be heard at once, and no promise is made for what is there already.
 */
export class Inbox implements AsyncIterableIterator<Buffer> {
  readonly #call: Readable
  readonly #aside: Aside | undefined
  readonly #taken: ((heard: boolean) => void) | undefined
  readonly #queue = new Fifo<Buffer>()
  #waiting: ((result: IteratorResult<Buffer>) => void) | undefined
  #over = false
  #stopping = false
  /** How many messages were read. */
  #read = 0
  #waning: ReturnType<typeof setInterval> | undefined
  /** Whether the client said that nothing more comes. */
  ended = false

  /** @param taken told of each message that is read, and whether it was only to be heard */
  constructor(call: Readable, aside?: Aside, taken?: (heard: boolean) => void) {
    this.#call = call
    this.#taken = taken
    this.#aside = aside
    call.on('readable', this.#onReadable)
    call.on('end', () => {
      this.ended = true
      if (this.#queue.length === 0) this.#end()
    })
    call.on('close', () => this.#end())
  }

  next(): Promise<IteratorResult<Buffer>> {
    if (this.#over) return Promise.resolve({ done: true, value: undefined })
    const value = this.#take()
    if (value !== null) {
      this.#read++
      return Promise.resolve({ done: false, value })
    }
    if (this.ended) return this.return()
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
    if (this.#over || this.#waiting === undefined) return this.#listen()
    const value = this.#take()
    if (value === null) return
    this.#read++
    const resolve = this.#waiting
    this.#waiting = undefined
    resolve({ done: false, value })
  }

  #take(): Buffer | null {
    if (this.#aside === undefined) {
      const message: Buffer | null = this.#call.read()
      if (message !== null) this.#taken?.(false)
      return message
    }
    this.#listen()
    return this.#queue.length === 0 ? null : this.#queue.shift()
  }

  /** Reads ahead. When nobody reads any more, what is to be heard still is, and the rest let go. */
  #listen(): void {
    const aside = this.#aside
    if (aside === undefined) return
    while (this.#queue.length < aside.most) {
      const message: Buffer | null = this.#call.read()
      if (message === null) return
      const heard = aside.hear(message) || this.#over
      this.#taken?.(heard)
      if (!heard) this.#queue.push(message)
    }
  }

  #end(): void {
    this.#over = true
    clearInterval(this.#waning)
    this.#queue.clear()
    if (this.#aside === undefined) this.#call.off('readable', this.#onReadable)
    this.#waiting?.({ done: true, value: undefined })
    this.#waiting = undefined
  }
}
