import type { Context } from '../base/context.js'
import { CallbackError } from '../base/errors.js'
import type { Response } from '../request/response.js'
import { later } from '../stream/event-loop.js'
import type { Emit } from '../stream/in-flight.js'
import type { Scope } from '../stream/scope.js'
import type { PostOptions } from './options.js'

/**
 * Calls a post's callbacks for one response after the other, in the order in which the responses are handed on:
 * that of the inputs when `resultsInOrder`, of completion otherwise.
 */
export class Callbacks {
  readonly #options: PostOptions
  /** Settles when the last one in the queue has left it. */
  #last: Promise<void> = Promise.resolve()

  readonly #context: Context
  readonly #lenient: boolean
  /** A response failed that will end it all, once those before it had their callbacks. Settles when it had its turn, and the iteration has heard of it. */
  #ending: Promise<void> | undefined

  /**
   * @param context that of the post
   * @param lenient whether responses that failed are handed on, and end nothing
   */
  constructor(options: PostOptions, context: Context, lenient: boolean) {
    this.#options = options
    this.#context = context
    this.#lenient = lenient
  }

  /** What ended it all, once it had its turn: nobody behind it is called back, and all of them end of it. */
  over: { readonly reason: unknown } | undefined

  /** Asks for a response, and calls back before it and each of its parts are handed on. */
  async answer(ask: (emit: Emit<Response>) => Response | Promise<Response>, scope: Scope, emit: Emit<Response>): Promise<Response> {
    // From the start of a request when order matters, else from its completion.
    const turn = new Turn(this, this.#options.resultsInOrder === true ? this.queue() : undefined)
    // Nothing more is started, as what ends it all is before it; unless the input ended it before.
    if (this.#ending !== undefined && !scope.sourceFailure) await this.#ending
    if (scope.aborted) throw scope.reason
    let heard: (() => void) | undefined
    try {
      let broken: { reason: unknown } | undefined
      let parts: Promise<unknown> | undefined
      const called = (part: Response): Promise<void> => {
        const hand = async (): Promise<void> => {
          await turn.part(part, scope)
          await emit(part)
        }
        const handed = this.#context.runInAsyncScope(() => (parts === undefined ? hand() : parts.then(hand)), undefined)
        parts = handed.catch((reason) => {
          broken ??= { reason }
        })
        // Those before may wait for what this request holds.
        return turn.isNext ? handed : Promise.resolve()
      }
      const response = await ask(called)
      const fatal = this.#lenient ? undefined : response.error
      if (fatal !== undefined)
        this.#ending ??= new Promise((resolve) => {
          heard = resolve
        })
      await parts
      // The executor fails of it, and is not to blame.
      if (broken !== undefined) throw (broken as { reason: unknown }).reason
      await turn.take(response, scope)
      if (fatal !== undefined) throw fatal
      return response
    } catch (error) {
      turn.end(error)
      throw error
    } finally {
      turn.leave()
      if (heard !== undefined) later(heard)
    }
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
    const { onDone, onError, onAlways, onFailure, continueOnError } = this.#options
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
    for (const one of response.failures) {
      if (onFailure !== undefined) await run('onFailure', () => onFailure(one, response))
      // Who hears of failures, and not of these by themselves, hears of these, too: an outage would look like success.
      else if (error === undefined) await run('onError', () => onError?.(response, one.error))
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
    // The input's own failure is the one to be told, behind all that it gave before.
    if (this.#callbacks.over !== undefined && !scope.sourceFailure) throw this.#callbacks.over.reason
    try {
      await this.#callbacks.call(response, scope)
    } catch (reason) {
      // Of a partial answer, the place is left before its executor hears of it.
      this.#callbacks.over ??= { reason }
      throw reason
    }
  }

  /** Leaves the queue to nobody, when its turn has come: this is what ends it all. */
  end(reason: unknown): void {
    const place = this.#place
    if (place === undefined) this.#callbacks.over ??= { reason }
    else {
      this.#place = undefined
      place.before.then(() => {
        this.#callbacks.over ??= { reason }
        place.leave()
      })
    }
  }

  leave(): void {
    this.#place?.leave()
  }
}
