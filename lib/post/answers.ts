import { here } from '../base/context.js'
import type { DocumentArray } from '../doc/array.js'
import { ExecutorError } from '../errors.js'
import type { PostOptions } from '../options.js'
import type { Peer } from '../peer.js'
import { type Header, Request } from '../request/request.js'
import { Response } from '../request/response.js'
import { type Emit, inFlight, type Work } from '../stream/in-flight.js'
import type { Scope } from '../stream/scope.js'

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

function answerer(peer: Peer, header: Header, options: PostOptions): (docs: DocumentArray, work: Work, emit: Emit<Response>) => Response | Promise<Response> {
  const lenient = options.continueOnError === true || options.onError !== undefined
  const { onDone, onError, onAlways } = options

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

  if (onDone === undefined && onError === undefined && onAlways === undefined) {
    return (docs, work, emit) => ask(peer, new Request(header, docs, work as Scope), emit, (request, error) => judge(fail(request, error)))
  }

  // Parts may come from a connection that others opened.
  const context = here()
  let callbacks: Promise<import('./callbacks.js').Callbacks> | undefined
  /** A response failed that will end it all, once those before it had their callbacks. */
  let ending = false
  return async (docs, work, emit) => {
    const scope = work as Scope
    // One promise for all, so that they take their turns in the order in which they ask.
    callbacks ??= import('./callbacks.js').then(({ Callbacks }) => new Callbacks(options))
    const turn = (await callbacks).turn()
    // Nothing more is started, and nobody waits for it: what ends it all is before it.
    if (ending) return new Promise<never>(() => {})
    try {
      let broken: { reason: unknown } | undefined
      let parts: Promise<unknown> | undefined
      const called = (part: Response): Promise<void> => {
        const hand = async (): Promise<void> => {
          await turn.part(part, scope)
          await emit(part)
        }
        const handed = context.runInAsyncScope(() => (parts === undefined ? hand() : parts.then(hand)), undefined)
        parts = handed.catch((reason) => {
          broken ??= { reason }
        })
        // Those before may wait for what this request holds.
        return turn.isNext ? handed : Promise.resolve()
      }
      const response = await ask(peer, new Request(header, docs, scope), called, fail)
      if (!lenient && response.error !== undefined) ending = true
      await parts
      // The executor fails of it, and is not to blame.
      if (broken !== undefined) throw (broken as { reason: unknown }).reason
      await turn.take(response, scope)
      return judge(response)
    } catch (error) {
      turn.end()
      throw error
    } finally {
      turn.leave()
    }
  }
}

/** Has a peer handle a request, and answers at once when it does. */
function ask(peer: Peer, request: Request, emit: Emit<Response>, fail: (request: Request, error: unknown) => Response): Response | Promise<Response> {
  request.emit = emit
  let pending: void | Promise<void>
  try {
    const preparing = request.header.prepare()
    pending = preparing === undefined ? peer.handle(request) : preparing.then(() => peer.handle(request))
  } catch (error) {
    return fail(request, error)
  }
  if (pending === undefined) return new Response(request)
  return pending.then(
    () => new Response(request),
    (error) => fail(request, error),
  )
}
