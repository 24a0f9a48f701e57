import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute, subscribe } from 'graphql'
import type { Response } from '../../../request/response.js'
import type { Result } from './answer.js'
import { eventPlanOf } from './plan.js'

/** What graphql answers, and how yoga is told to write it. */
export interface Told extends Result {
  stringify?: (result: Result) => string
}

/**
 * As graphql's own, but that an event in which all is well is written by a plan of the selection, which is made once: graphql looks at the whole operation, its variables and each field anew
 * with every event.
 */
export async function subscribed(args: ExecutionArgs): Promise<AsyncIterable<Told> | ExecutionResult> {
  const text = eventPlanOf(args.schema, args.document)
  if (text === undefined) return subscribe(args)
  const responses = await createSourceEventStream(args)
  if (!(Symbol.asyncIterator in responses)) return responses
  return new Events(responses as AsyncIterable<Response>, (response) => {
    const written = text(response)
    return written === undefined ? execute({ ...args, rootValue: response }) : { stringify: () => written }
  })
}

/** By hand and not as a generator, which could not be closed while it waits. */
class Events implements AsyncIterableIterator<Told> {
  readonly #responses: AsyncIterator<Response>
  readonly #event: (response: Response) => Told | Promise<Told>

  constructor(responses: AsyncIterable<Response>, event: (response: Response) => Told | Promise<Told>) {
    this.#responses = responses[Symbol.asyncIterator]()
    this.#event = event
  }

  async next(): Promise<IteratorResult<Told>> {
    const step = await this.#responses.next()
    if (step.done) return step
    try {
      return { done: false, value: await this.#event(step.value) }
    } catch (error) {
      await this.return().catch(() => {})
      throw error
    }
  }

  async return(): Promise<IteratorResult<Told>> {
    await this.#responses.return?.()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
