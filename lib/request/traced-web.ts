import type * as traced from './traced.js'

// traced.ts for pages: there are no channels to subscribe to, so nothing is told, and nothing of what would be is loaded.

const unheard: unknown = { isHeard: false, wants: () => false }

export const REQUESTS = unheard as typeof traced.REQUESTS
export const EXECUTORS = unheard as typeof traced.EXECUTORS
export const BATCHES = unheard as typeof traced.BATCHES
export const CALLS = unheard as typeof traced.CALLS

export const noteMethod: typeof traced.noteMethod = () => {}

export const noteArrival: typeof traced.noteArrival = () => {}

/** There is no message that it could be asked of. */
export const subjectOf: typeof traced.subjectOf = () => {
  throw new TypeError('Nothing is told of requests in a page')
}

export const traceRequest: typeof traced.traceRequest = (_flow, _request, work) => work()

export const traceExecutor: typeof traced.traceExecutor = (_executor, _request, work) => work()

export const traceBatch: typeof traced.traceBatch = (_executor, _batch, _of, work) => work()

export const traceCall: typeof traced.traceCall = (_server, _request, work) => work()
