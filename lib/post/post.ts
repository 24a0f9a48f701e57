import { rawPipe } from 'it-pipe'
import { optionType } from '../base/errors.js'
import { DocumentArray } from '../doc/array.js'
import type { Document, Tags } from '../doc/document.js'
import type { Handler } from '../request/handler.js'
import { snapshot } from '../request/parameters.js'
import { Header } from '../request/request.js'
import type { Response } from '../request/response.js'
import { Eventual } from '../stream/eventual.js'
import { answers } from './answers.js'
import { batches, discard } from './batches.js'
import type { Inputs } from './inputs.js'
import { checkPostOptions, DEFAULT_FLUSH_AFTER, DEFAULT_PREFETCH, DEFAULT_REQUEST_SIZE, type PostOptions } from './options.js'

/**
 * Puts documents in flight towards a peer: inputs → batches → responses, with at most `prefetch` requests, and `prefetchDocuments` documents, on the way.
 * Nothing is read before the first response is asked for.
 *
 * @param posted hears of a post that is as it should be
 * @throws TypeError or RangeError (`ERR_OPTION_TYPE`, `ERR_OPTION_RANGE`) at the call
 */
export function post<T extends object = Tags>(peer: Handler, on: string, inputs: Inputs<any>, options: PostOptions<any, any> = {}, posted?: Posted): Post<T> {
  if (typeof on !== 'string') throw optionType('The endpoint of post()', "a string such as '/index'", on)
  const {
    parameters = {},
    targetExecutor,
    requestSize = DEFAULT_REQUEST_SIZE,
    prefetch = DEFAULT_PREFETCH,
    flushAfter = DEFAULT_FLUSH_AFTER,
    maxDocuments,
    prefetchDocuments = maxDocuments ?? Infinity,
    showProgress,
    checkpoint,
  } = checkPostOptions(options)
  const size = Math.min(requestSize > 0 ? requestSize : Infinity, prefetchDocuments)
  // Together never more documents than may be. Without a bound for either, the quotient is none.
  const limit = Math.min(prefetch || Infinity, Math.floor(prefetchDocuments / size || Infinity))
  const header = new Header(on || '/', snapshot(parameters), targetExecutor)
  const answering = (peer: Handler, inputs: unknown) => answers(peer, header, limit, options, inputs)
  const responses =
    showProgress || checkpoint !== undefined
      ? new Eventual(
          () => import('./prepared.js').then(({ prepared }) => prepared({ peer, header, inputs, size, flushAfter, options, answering })),
          (opened) => opened,
          () => discard(inputs),
        )
      : rawPipe(() => inputs, batches(size, flushAfter), answering(peer, inputs))
  return new Post<T>(responses as AsyncIterableIterator<Response<T>>, posted?.(header.execEndpoint))
}

/** Hears of a post, and gives what to call once somebody reads it, or leaves it. */
type Posted = (endpoint: string) => () => void

// Where the platform has async iterator helpers, a post has them too.
const Base = ((globalThis as { AsyncIterator?: unknown }).AsyncIterator ?? Object) as new () => object

/**
 * The responses of one `post()`, as they come: iterate it once, with `for await`.
 *
 * @typeParam T the type of the documents' tags
 */
export class Post<T extends object = Tags> extends Base implements AsyncIterableIterator<Response<T>>, AsyncDisposable {
  readonly #responses: AsyncIterableIterator<Response<T>>

  /** Told that somebody reads it, or leaves it. */
  readonly #begun: (() => void) | undefined

  constructor(responses: AsyncIterableIterator<Response<T>>, begun?: () => void) {
    super()
    this.#responses = responses
    this.#begun = begun
  }

  next(...handing: [unknown?]): Promise<IteratorResult<Response<T>>> {
    this.#begun?.()
    return this.#responses.next(...handing)
  }

  /** Stops: closes the inputs, tells the executors, and waits for the inputs to be closed. `break` in a loop calls it. */
  return(value?: unknown): Promise<IteratorResult<Response<T>>> {
    this.#begun?.()
    return this.#responses.return!(value)
  }

  /** All responses at once. They stay in memory together, which streaming avoids. */
  async toArray(): Promise<Response<T>[]> {
    const all: Response<T>[] = []
    for await (const response of this) all.push(response)
    return all
  }

  /**
   * The documents of all responses, in the order in which those completed (that of the inputs with `resultsInOrder`), in one array; partial ones left
   * out, since the last of their request repeats them. With `continueOnError` or `onError`,
   * those of requests that failed are among them, as their executors left them: who has to tell them apart looks at `error` of responses.
   * They stay in memory together, which streaming avoids.
   */
  async docs(): Promise<DocumentArray<Document<T>>> {
    const all = new DocumentArray<Document<T>>()
    for await (const { partial, docs } of this) if (!partial) all.extend(docs)
    return all
  }

  /** Runs to the end, for those who only need the callbacks or what the executors do. @returns how many requests were answered */
  async drain(): Promise<number> {
    let count = 0
    for await (const { partial } of this) if (!partial) count++
    return count
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
