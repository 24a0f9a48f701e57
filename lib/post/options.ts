import { abortSignal, callback, check, count, flag, milliseconds, numeric, object, some, string } from '../base/check.js'
import type { Document, Tags } from '../doc/document.js'
import { isPlainObject } from '../doc/json.js'
import type { Failure } from '../request/failure.js'
import type { Parameters } from '../request/parameters.js'
import type { Response } from '../request/response.js'

/**
 * How many requests of a post are between its input and its consumer, unless told otherwise: the smallest number that
 * reached 95 % of the best throughput with asynchronous executors (`bench/prefetch`).
 */
export const DEFAULT_PREFETCH = 16

/** Documents in a request, unless told otherwise: as in Jina. */
export const DEFAULT_REQUEST_SIZE = 100

/**
 * Milliseconds since its last document after which an async source counts as idle, unless told otherwise: one that waits for the
 * answer to what it gave goes on, and people hardly notice; sources that give documents ten times a second or more get full requests.
 */
export const DEFAULT_FLUSH_AFTER = 100

/**
 * What `post()` can be told beside its endpoint and inputs.
 *
 * @typeParam P the type of the parameters
 * @typeParam T the type of the tags of documents that come back
 */
export interface PostOptions<P extends object = Parameters, T extends object = Tags> {
  /**
   * For the executors, by JSON semantics; copied at the call. `{ top: 5, ranker: { top: 9 } }` and `ranker__top: 9` mean
   * something for one executor only; the object form wins over the underscored one, and both over the general one.
   */
  parameters?: P | undefined
  /** Only executors whose name starts with a match of this pattern (RE2 syntax, linear time) handle the requests; they pass the others untouched. */
  targetExecutor?: string | undefined
  /** Documents in a request. Default 100; 0 or less puts all in one request. */
  requestSize?: number | undefined
  /** The most requests between the input and the consumer. Default 16, see `bench/results`; 0 removes the bound. */
  prefetch?: number | undefined
  /**
   * The most documents between the input and the consumer, as `prefetch` bounds requests: both hold. Requests are made smaller where one alone
   * would be too large. An integer ≥ 1; Infinity is no bound of its own. Default: `prefetch` times `requestSize`.
   */
  prefetchDocuments?: number | undefined
  /** @deprecated `prefetchDocuments`: what a gateway calls `maxDocuments` is another bound, of one request. */
  maxDocuments?: number | undefined
  /** Hand responses on in the order of the inputs. Default `false`: as they complete. */
  resultsInOrder?: boolean | undefined
  /**
   * Milliseconds since the last document of an asynchronous source after which a request that is not full goes out all the same. Default 100:
   * a source that waits for the answer to what it gave gets it. Infinity: requests are full, but for the last. 0: as soon as the source is
   * not ready. Of lists and sync iterables without promises, requests are always full.
   */
  flushAfter?: number | undefined
  /** Called for each response without an error, and awaited before it is handed on. */
  onDone?: ((response: Response<T>) => unknown) | undefined
  /**
   * Called for each failed response, and awaited. With it, or with `continueOnError`, failed responses are handed on and do not end the iteration. Without `onFailure`,
   * it is called for each document that failed, too, with the response, which is none of failure.
   */
  onError?: ((response: Response<T>, error: Error) => unknown) | undefined
  /** Called for each response after the others, whether they threw or not, and awaited. */
  onAlways?: ((response: Response<T>) => unknown) | undefined
  /**
   * Called for each document that failed while the others of its request went on, and awaited, before `onDone` of its response. With it, or with
   * `continueOnError` or `onError`, such failures end nothing; they are in `response.failures`.
   */
  onFailure?: ((failure: Failure<Document<T>>, response: Response<T>) => unknown) | undefined
  /** Hand failed responses on and go on; callbacks that throw are logged. Default `false`: the first failure ends the iteration. */
  continueOnError?: boolean | undefined
  /** Show a progress bar on stderr; a last line only where stderr is no terminal. Default `false`. */
  showProgress?: boolean | undefined
  /** How many documents will come, 1 or more, for the bar of `showProgress`. Default: what the inputs say by their `length` or `size`; of generators, that is not known. */
  totalDocs?: number | undefined
  /**
   * A file that keeps which documents are done, so that a job that ended before it was through goes on there: `'./job.checkpoint'`. A response counts as done when
   * the next one is asked for; every document is processed at least once, and at most `prefetch` requests twice. One that failed is tried again by the next
   * run. Only in Node and its kin. See docs/resume.md.
   */
  checkpoint?: string | undefined
  /** Ends the iteration with its reason, and tells the executors through their `signal`. */
  signal?: AbortSignal | undefined
}

/** What `map()` can be told: what `post()` can, but for the order and for what would leave documents out. */
export type MapOptions<On extends string = string, P extends object = Parameters, T extends object = Tags> = Omit<
  PostOptions<P, T>,
  'resultsInOrder' | 'continueOnError' | 'onError' | 'onFailure' | 'checkpoint'
> & {
  /** The endpoint. Default `/`. */
  on?: On | undefined
}

/** What checks each option of a post. */
export const POST_RULES: Record<keyof PostOptions, (name: string, value: any) => void> = {
  parameters: object,
  targetExecutor: string,
  requestSize: size,
  prefetch: count,
  prefetchDocuments: some,
  maxDocuments: some,
  totalDocs: some,
  flushAfter: waiting,
  onDone: callback,
  onError: callback,
  onAlways: callback,
  onFailure: callback,
  resultsInOrder: flag,
  continueOnError: flag,
  showProgress: flag,
  checkpoint: string,
  signal: abortSignal,
}

/**
 * @throws TypeError (`ERR_OPTION_TYPE`) for an option of the wrong type or an unknown one, RangeError (`ERR_OPTION_RANGE`) for one out of range
 */
export function checkPostOptions<O extends PostOptions<any, any>>(options: O): O {
  return check('post()', options, POST_RULES)
}

/** The options of a post, over what the Flow or Client that it goes through says of all its posts. */
export function withDefaults<O extends PostOptions<any, any>>(
  options: O,
  { prefetch, prefetchDocuments }: Pick<PostOptions, 'prefetch' | 'prefetchDocuments'>,
): O {
  // What is no object is refused by who takes it.
  if ((prefetch ?? prefetchDocuments) === undefined || !isPlainObject(options)) return options
  return { ...options, prefetch: options.prefetch ?? prefetch, prefetchDocuments: options.prefetchDocuments ?? options.maxDocuments ?? prefetchDocuments }
}

/** Milliseconds, or Infinity for never. */
function waiting(name: string, value: unknown): void {
  if (value !== Infinity) milliseconds(name, value)
}

function size(name: string, value: any): void {
  numeric(name, value, 'an integer; 0 for one request', value >= -Infinity && !(value % 1))
}
