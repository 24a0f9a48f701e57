import type { DocumentArray } from '../doc/array.js'
import { ExecutorError } from '../errors.js'
import type { PostOptions } from '../options.js'
import type { Peer } from '../peer.js'
import { type Header, Request } from '../request/request.js'
import { Response } from '../request/response.js'
import { inFlight, type Work } from '../stream/in-flight.js'
import type { Scope } from '../stream/scope.js'
import { Callbacks } from './callbacks.js'

/** A stage: batches become responses, with at most `limit` of them under way. */
export function answers(
  peer: Peer,
  header: Header,
  limit: number,
  options: PostOptions,
): (batches: Iterable<DocumentArray> | AsyncIterable<DocumentArray>) => AsyncIterableIterator<Response> {
  const { resultsInOrder: ordered, signal } = options
  const answer = answerer(peer, header, options)
  return (batches) => inFlight(batches, answer, { limit, ordered, signal })
}

function answerer(peer: Peer, header: Header, options: PostOptions): (docs: DocumentArray, work: Work) => Response | Promise<Response> {
  const lenient = options.continueOnError === true || options.onError !== undefined
  const { onDone, onError, onAlways } = options
  const callbacks = onDone || onError || onAlways ? new Callbacks(options) : undefined

  const fail = (request: Request, error: unknown): Response => {
    // Only an executor's failure is an answer; anything else (the Flow closed, for instance) concerns all requests.
    if (!(error instanceof ExecutorError)) throw error
    return new Response(request, error)
  }
  const finish = (response: Response): Response => {
    if (response.error !== undefined && !lenient) throw response.error
    return response
  }
  const ask = (request: Request): Response | Promise<Response> => {
    try {
      const pending = peer.handle(request)
      if (pending === undefined) return new Response(request)
      return pending.then(
        () => new Response(request),
        (error) => fail(request, error),
      )
    } catch (error) {
      return fail(request, error)
    }
  }

  if (callbacks === undefined) {
    if (lenient) return (docs, work) => ask(new Request(header, docs, work as Scope))
    return (docs, work) => {
      const response = ask(new Request(header, docs, work as Scope))
      return response instanceof Response ? finish(response) : response.then(finish)
    }
  }
  return async (docs, work) => {
    const turn = callbacks.turn()
    try {
      const response = await ask(new Request(header, docs, work as Scope))
      await turn.take(response)
      return finish(response)
    } finally {
      turn.leave()
    }
  }
}
