import { Readable } from 'node:stream'
import { Effect, Stream } from 'effect'
import parallel from 'it-parallel'
import { pMapIterable } from 'p-map'
import { from, mergeMap } from 'rxjs'
import { inFlight } from 'sluice/stream'
import { transform } from 'streaming-iterables'

type Source<T> = Iterable<T> | AsyncIterable<T>
export type Work<T> = (item: T) => Promise<T>

/** One way to map a source with at most `limit` items under way. */
export interface Peer {
  readonly name: string
  /** Maps all of `source` by `work`, and calls `receive` with each result where a user's loop would have it. What it returns is awaited. */
  run<T>(source: Source<T>, work: Work<T>, limit: number, receive: (result: T) => void | Promise<void>): Promise<unknown>
}

async function each<T>(results: AsyncIterable<T>, receive: (result: T) => void | Promise<void>): Promise<void> {
  for await (const result of results) {
    const pause = receive(result)
    if (pause !== undefined) await pause
  }
}

/** A source of thunks, as it-parallel takes it, made without an async layer per item. */
function thunks<T>(source: Source<T>, work: Work<T>): Source<() => Promise<T>> {
  const wrap = (step: IteratorResult<T>): IteratorResult<() => Promise<T>> => (step.done ? step : { done: false, value: () => work(step.value) })
  if (Symbol.asyncIterator in source) {
    const iterator = source[Symbol.asyncIterator]()
    return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next().then(wrap) }) }
  }
  const iterator = source[Symbol.iterator]()
  return { [Symbol.iterator]: () => ({ next: () => wrap(iterator.next()) }) }
}

export const SLUICE = 'sluice inFlight'
export const SLUICE_ORDERED = 'sluice inFlight, ordered'
export const TRANSFORM = 'streaming-iterables transform'
export const P_MAP = 'p-map'
export const P_MAP_ORDERED = 'p-map, ordered'
export const IT_PARALLEL = 'it-parallel'

/** The contenders, as their users would write them. Those without a bound of results kept for the consumer are told so where they allow it. */
export const PEERS: readonly Peer[] = [
  { name: SLUICE, run: (source, work, limit, receive) => each(inFlight(source, work, { limit }), receive) },
  { name: SLUICE_ORDERED, run: (source, work, limit, receive) => each(inFlight(source, work, { limit, ordered: true }), receive) },
  { name: TRANSFORM, run: (source, work, limit, receive) => each(transform(limit, work, source), receive) },
  { name: P_MAP, run: (source, work, limit, receive) => each(pMapIterable(source, work, { concurrency: limit, preserveOrder: false }), receive) },
  { name: P_MAP_ORDERED, run: (source, work, limit, receive) => each(pMapIterable(source, work, { concurrency: limit }), receive) },
  { name: IT_PARALLEL, run: (source, work, limit, receive) => each(parallel(thunks(source, work), { concurrency: limit }), receive) },
  { name: 'it-parallel, ordered', run: (source, work, limit, receive) => each(parallel(thunks(source, work), { concurrency: limit, ordered: true }), receive) },
  { name: 'Node Readable.map, ordered', run: (source, work, limit, receive) => each(Readable.from(source).map(work, { concurrency: limit }), receive) },
  // RxJS pushes: a subscriber cannot make it wait, so `receive` is not awaited.
  {
    name: 'RxJS mergeMap',
    run: (source, work, limit, receive) =>
      from(source)
        .pipe(mergeMap(work, limit))
        .forEach((result) => void receive(result)),
  },
  { name: 'Effect Stream.mapEffect', run: effect },
]

function effect<T>(source: Source<T>, work: Work<T>, limit: number, receive: (result: T) => void | Promise<void>): Promise<unknown> {
  const items: Stream.Stream<T, unknown> =
    Symbol.asyncIterator in source
      ? Stream.fromAsyncIterable(source, (error) => error)
      : Array.isArray(source)
        ? Stream.fromArray(source)
        : Stream.fromIterable(source)
  const results = Stream.mapEffect(items, (item) => Effect.promise(() => work(item)), { concurrency: limit, unordered: true })
  return Effect.runPromise(
    Stream.runForEach(results, (result) => {
      const pause = receive(result)
      return pause === undefined ? Effect.void : Effect.promise(() => pause)
    }),
  )
}
