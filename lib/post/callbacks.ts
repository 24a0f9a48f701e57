import { CallbackError } from '../errors.js'
import type { PostOptions } from '../options.js'
import type { Response } from '../request/response.js'
import type { Scope } from '../stream/scope.js'

/**
 * Calls a post's callbacks for one response after the other, in the order in which the responses are handed on:
 * that of the inputs when `resultsInOrder`, of completion otherwise.
 */
export class Callbacks {
  readonly #options: PostOptions
  /** Settles when the last one in the queue has left it. */
  #last: Promise<void> = Promise.resolve()

  constructor(options: PostOptions) {
    this.#options = options
  }

  /** What ended it all had its turn: nobody behind it is called back. */
  over = false

  /** A place in the queue: from the start of a request when order matters, else from its completion. */
  turn(): Turn {
    return new Turn(this, this.#options.resultsInOrder === true ? this.queue() : undefined)
  }

  queue(): Place {
    const before = this.#last
    let leave!: () => void
    this.#last = new Promise((resolve) => {
      leave = resolve
    })
    return { before, leave }
  }

  /** @throws the scope's reason when the iteration ended meanwhile: after that, none is called */
  async call(response: Response, scope: Scope): Promise<void> {
    const { onDone, onError, onAlways, continueOnError } = this.#options
    const { error } = response
    let failure: CallbackError | undefined
    const run = async (name: string, callback: () => unknown): Promise<void> => {
      try {
        await callback()
      } catch (cause) {
        const thrown = new CallbackError(name, response.requestId, cause)
        if (continueOnError) console.error(`sluice: ${thrown.message}`)
        failure ??= thrown
      }
    }
    if (error === undefined) await run('onDone', () => onDone?.(response))
    else await run('onError', () => onError?.(response, error))
    if (scope.aborted) throw scope.reason
    await run('onAlways', () => onAlways?.(response))
    if (failure === undefined || continueOnError) return
    // A failed executor ends the iteration anyway, and is the better reason.
    if (error !== undefined && onError === undefined) console.error(`sluice: ${failure.message}`)
    else throw failure
  }
}

/** A place in the queue. */
interface Place {
  readonly before: Promise<void>
  leave(): void
}

class Turn {
  readonly #callbacks: Callbacks
  #place: Place | undefined
  /** Nobody is before it. Without order, nobody ever is. */
  isNext: boolean

  constructor(callbacks: Callbacks, place: Place | undefined) {
    this.#callbacks = callbacks
    this.#place = place
    this.isNext = place === undefined
    place?.before.then(() => {
      this.isNext = true
    })
  }

  /** Waits for those before, then calls back, unless nobody will get the response any more. */
  async take(response: Response, scope: Scope): Promise<void> {
    this.#place ??= this.#callbacks.queue()
    await this.#call(this.#place, response, scope)
  }

  /** The same for a partial response: in order, within the turn of its request; else, it takes a turn of its own. */
  async part(response: Response, scope: Scope): Promise<void> {
    if (this.#place !== undefined) return this.#call(this.#place, response, scope)
    const place = this.#callbacks.queue()
    try {
      await this.#call(place, response, scope)
    } finally {
      place.leave()
    }
  }

  async #call(place: Place, response: Response, scope: Scope): Promise<void> {
    await place.before
    if (scope.aborted) throw scope.reason
    // What ends it all says so in its own words, and nobody waits for this.
    if (this.#callbacks.over) return new Promise<never>(() => {})
    try {
      await this.#callbacks.call(response, scope)
    } catch (error) {
      // Of a partial answer, the place is left before its executor hears of it.
      this.#callbacks.over = true
      throw error
    }
  }

  /** Leaves the queue to nobody, when its turn has come: this is what ends it all. */
  end(): void {
    const place = this.#place
    if (place === undefined) this.#callbacks.over = true
    else {
      this.#place = undefined
      place.before.then(() => {
        this.#callbacks.over = true
        place.leave()
      })
    }
  }

  leave(): void {
    this.#place?.leave()
  }
}
