import { here } from '../base/context.js'
import { type ConnectionError, ExecutorError } from '../base/errors.js'
import type { DocumentArray } from '../doc/array.js'
import type { Handler } from '../request/handler.js'
import { type Header, Request } from '../request/request.js'
import { Response } from '../request/response.js'
import { Eventual } from '../stream/eventual.js'
import { type Emit, Flight, type Work } from '../stream/flight.js'
import { Iteration } from '../stream/iteration.js'
import type { Order } from '../stream/order.js'
import type { Scope } from '../stream/scope.js'
import { discard } from './batches.js'
import type { PostOptions } from './options.js'

/**
 * A stage: batches become responses, with at most `limit` of them under way.
 * @param inputs what the batches are made of
 */
export function answers(
  peer: Handler,
  header: Header,
  limit: number,
  options: PostOptions,
  inputs: unknown,
): (batches: Iterable<DocumentArray> | AsyncIterable<DocumentArray>) => AsyncIterableIterator<Response> {
  const { resultsInOrder, signal } = options
  const answer = answerer(peer, header, options)
  return (batches) => {
    // As inFlight() does it, which would check once more what post() has checked.
    const iterate = (order?: Order<Response>) => new Iteration(new Flight(batches, answer, limit, order, signal))
    return resultsInOrder
      ? new Eventual(
          () => import('../stream/order.js'),
          ({ Order }) => iterate(new Order()),
          () => discard(inputs),
        )
      : iterate()
  }
}

type Answer = (docs: DocumentArray, work: Work, emit: Emit<Response>) => Response | Promise<Response>

function answerer(peer: Handler, header: Header, options: PostOptions): Answer {
  const { onDone, onError, onAlways, onFailure } = options
  const lenient = options.continueOnError === true || onError !== undefined
  /** Whether a document that failed ends nothing. */
  const tolerant = lenient || onFailure !== undefined

  if ((onDone ?? onError ?? onAlways ?? onFailure) === undefined) {
    const fail = lenient ? failed : raise
    return (docs, work, emit) => ask(peer, new Request(header, docs, work as Scope), emit, fail, tolerant)
  }

  // Parts may come from a connection that others opened.
  const context = here()
  // One promise for all, so that they take their turns in the order in which they ask.
  let calling: Promise<import('./callbacks.js').Callbacks> | undefined
  return async (docs, work, emit) => {
    calling ??= import('./callbacks.js').then(({ Callbacks }) => new Callbacks(options, context, lenient))
    const scope = work as Scope
    return (await calling).answer((emit) => ask(peer, new Request(header, docs, scope), emit, failed, tolerant), scope, emit)
  }
}

/** What is to be said of a request that failed. */
function failed(request: Request, error: unknown): Response {
  // Only an executor's failure is an answer, or one of this request alone; anything else (the Flow closed, for instance) concerns all requests.
  if (!(error instanceof ExecutorError) && (error as ConnectionError | undefined)?.requestId === undefined) throw error
  return new Response(request, error as Error)
}

function raise(_request: Request, error: unknown): never {
  throw error
}

/** The answer of a peer to one request, also where an executor failed, or documents did. Nobody takes parts of it. */
export function answerTo(peer: Handler, request: Request): Response | Promise<Response> {
  return ask(peer, request, undefined, failed, true)
}

/** Has a peer handle a request, and answers at once when it does. */
function ask(
  peer: Handler,
  request: Request,
  emit: Emit<Response> | undefined,
  fail: (request: Request, error: unknown) => Response,
  tolerant: boolean,
): Response | Promise<Response> {
  request.emit = emit
  let pending: void | Promise<void>
  try {
    const preparing = request.header.prepare()
    pending = preparing === undefined ? peer.handle(request) : preparing.then(() => peer.handle(request))
  } catch (error) {
    return fail(request, error)
  }
  if (pending === undefined) return done(request, fail, tolerant)
  return pending.then(
    () => done(request, fail, tolerant),
    (error) => fail(request, error),
  )
}

/** A document that failed fails its request, unless somebody says that he looks at failures. */
function done(request: Request, fail: (request: Request, error: unknown) => Response, tolerant: boolean): Response {
  return tolerant || request.failures === undefined ? new Response(request) : fail(request, request.failures[0]!.error)
}
