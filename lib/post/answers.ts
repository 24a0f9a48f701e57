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

  const done = (request: Request): Response => new Response(request)
  const fail = (request: Request, error: unknown): Response => {
    // Only an executor's failure is an answer; anything else (the Flow closed, for instance) concerns all requests.
    if (!(error instanceof ExecutorError)) throw error
    return new Response(request, error)
  }
  /** The last word on a response that failed, which without callbacks is said at once. */
  const judge = (response: Response): Response => {
    if (!lenient && response.error !== undefined) throw response.error
    return response
  }

  if (callbacks === undefined) return (docs, work) => ask(peer, new Request(header, docs, work as Scope), done, (request, error) => judge(fail(request, error)))
  return async (docs, work) => {
    const turn = callbacks.turn()
    try {
      const response = await ask(peer, new Request(header, docs, work as Scope), done, fail)
      await turn.take(response)
      return judge(response)
    } finally {
      turn.leave()
    }
  }
}

/** Has a peer handle a request, and answers at once when it does. */
function ask(
  peer: Peer,
  request: Request,
  done: (request: Request) => Response,
  fail: (request: Request, error: unknown) => Response,
): Response | Promise<Response> {
  let pending: void | Promise<void>
  try {
    pending = peer.handle(request)
  } catch (error) {
    return fail(request, error)
  }
  if (pending === undefined) return done(request)
  return pending.then(
    () => done(request),
    (error) => fail(request, error),
  )
}
