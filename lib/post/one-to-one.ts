import { ExecutorError } from '../base/errors.js'
import type { Document } from '../doc/document.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import { GATEWAY } from '../request/route.js'
import { Flatten } from '../stream/flatten.js'
import type { Inputs } from './inputs.js'
import type { PostOptions } from './options.js'
import { Post, post } from './post.js'

/** Documents that can be taken all at once, too. */
type Documents = AsyncIterableIterator<Document<any>> & { toArray(): Promise<Document<any>[]> }

/** One document for each input, in the order of the inputs. @param begun hears once that somebody reads them, or leaves them */
export function oneToOne(peer: Handler, on: string, inputs: Inputs<any>, options: PostOptions<any, any>, begun: () => void): Documents {
  const responses = post(new OneToOne(peer), on, inputs, { ...options, resultsInOrder: true })
  const documents: AsyncIterableIterator<any> = new Flatten(responses, ({ partial, docs }) => (partial ? [] : docs))
  const read: AsyncIterableIterator<any> = new Post(documents, begun)
  return read as Documents
}

/** Lets requests through that come back with as many documents as they had. */
class OneToOne implements Handler {
  readonly #inner: Handler

  constructor(inner: Handler) {
    this.#inner = inner
  }

  accepts(endpoint: string): boolean {
    return this.#inner.accepts(endpoint)
  }

  handle(request: Request): void | Promise<void> {
    const { length } = request.docs
    const pending = this.#inner.handle(request)
    return pending === undefined ? check(request, length) : pending.then(() => check(request, length))
  }
}

function check({ docs, failures, id, header }: Request, length: number): void {
  // Those that failed say so themselves.
  if (docs.length === length || failures !== undefined) return
  throw new ExecutorError(
    'ERR_EXECUTOR_RESULT',
    `map() gives a document for each, and the executors made ${docs.length} of ${length}. Take post() where they may`,
    {
      executor: GATEWAY,
      endpoint: header.execEndpoint,
      requestId: id,
    },
  )
}
