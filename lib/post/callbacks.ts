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

  /** A place in the queue: from the start of a request when order matters, else from its completion. */
  turn(): Turn {
    const queue = () => {
      const before = this.#last
      let leave!: () => void
      this.#last = new Promise((resolve) => {
        leave = resolve
      })
      return { before, leave }
    }
    return new Turn(this.#options.resultsInOrder === true ? queue() : undefined, queue, (response) => this.#call(response))
  }

  async #call(response: Response): Promise<void> {
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
  #place: Place | undefined
  /** Nobody is before it. Without order, nobody ever is. */
  isNext: boolean

  constructor(
    place: Place | undefined,
    readonly queue: () => Place,
    readonly call: (response: Response) => Promise<void>,
  ) {
    this.#place = place
    this.isNext = place === undefined
    place?.before.then(() => {
      this.isNext = true
    })
  }

  /** Waits for those before, then calls back, unless nobody will get the response any more. */
  async take(response: Response, scope: Scope): Promise<void> {
    this.#place ??= this.queue()
    await this.#place.before
    if (scope.aborted) throw scope.reason
    await this.call(response)
  }

  /** The same for a partial response: in order, within the turn of its request; else, it takes a turn of its own. */
  async part(response: Response, scope: Scope): Promise<void> {
    const place = this.#place ?? this.queue()
    try {
      await place.before
      if (scope.aborted) throw scope.reason
      await this.call(response)
    } finally {
      if (place !== this.#place) place.leave()
    }
  }

  leave(): void {
    this.#place?.leave()
  }
}
