import { optionRange, optionType } from '../base/errors.js'
import { type Emit, Flight, type Work } from './flight.js'
import { Iteration } from './iteration.js'
import { Order } from './order.js'

export type { Emit, Work } from './flight.js'

export interface InFlightOptions {
  /** The most items between the source and the consumer, an integer ≥ 1 or Infinity. */
  limit: number
  /** `true` hands results on in the order of their items. Default `false`, as they complete: nothing waits for a slow head. */
  ordered?: boolean | undefined
  /** Ends the iteration with its reason. */
  signal?: AbortSignal | undefined
}

/**
 * Maps a source through an async function, with at most `limit` items between "taken from the source" and
 * "received by the consumer", at any microtask.
 *
 * Lazy: the source is opened by the first `next()`, and read ahead of the consumer only as far as `limit` allows.
 * - A source that fails: what is in flight is delivered, then the error. An item that fails in the meantime is left out.
 * - An item that fails: results finished before it are delivered, then its error, once the source is closed; the others are
 *   told by `work.signal`.
 * - When ordered, an error of either stands in its place: all before it goes on, is finished and delivered, then comes the error.
 *   Nothing more is read or begun; what is behind it is told by `work.signal`, and left out. Of several errors, the first in order comes.
 * - `break` or `return()`: settles at once, closes the source once, and waits for that unless the source is busy with a read.
 *   A source that ended or failed by itself is not closed.
 * - `signal`: pending `next()`s reject with its reason, without waiting for anything; with none pending, the next one does.
 *   Results nobody received are dropped.
 * - `emit(part)` hands on a part of a result ahead of it, when ordered behind all items before (and kept until then); it takes no place of
 *   the bound, and is to be awaited, and called before the item is done.
 * - An iterable of promises is awaited as `for await` does it, but one that waits does not hold up those behind.
 *
 * A result counts as received when the continuation of a consumer that awaits it at once has run. One that calls `next()`
 * several times before it awaits is counted right when it then awaits the results in order.
 *
 * Always-ready work steps aside for timers and sockets now and then. An iterator that is dropped half-way can be collected,
 * also under a signal that lives on; its source is then not closed, as with any iterator.
 *
 * @param source any iterable or async iterable. Its `next()` is never called while another call of it is pending
 * @param fn gets an item, a {@link Work} whose `signal` is made when first read, and an {@link Emit}. Its result is awaited
 * @throws TypeError or RangeError (codes `ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`) at the call, for options or arguments that are not valid
 *
 * @example
 * for await (const page of inFlight(urls, (url, { signal }) => fetch(url, { signal }), { limit: 8 })) …
 */
export function inFlight<T, R>(
  source: Iterable<T | PromiseLike<T>> | AsyncIterable<T>,
  fn: (item: T, work: Work, emit: Emit<R>) => R | PromiseLike<R>,
  options: InFlightOptions,
): AsyncIterableIterator<R> & AsyncDisposable {
  const { limit, ordered = false, signal } = options ?? {}
  if (typeof fn !== 'function') throw optionType('fn', 'a function', fn)
  if (typeof (source as AsyncIterable<T>)?.[Symbol.asyncIterator] !== 'function' && typeof (source as Iterable<T>)?.[Symbol.iterator] !== 'function') {
    throw optionType('source', 'an iterable or async iterable', source)
  }
  if (typeof limit !== 'number') throw optionType('limit', 'a number', limit)
  if (!(limit >= 1) || (limit !== Infinity && !Number.isInteger(limit))) throw optionRange('limit', 'an integer ≥ 1 or Infinity', limit)
  if (typeof ordered !== 'boolean') throw optionType('ordered', 'a boolean', ordered)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw optionType('signal', 'an AbortSignal', signal)
  return new Iteration(new Flight(source as Iterable<T> | AsyncIterable<T>, fn, limit, ordered ? new Order<R>() : undefined, signal))
}
