import { ExecutorError, isError, say } from '../base/errors.js'
import { DocumentArray } from '../doc/array.js'
import { Failure } from '../request/failure.js'
import type { Request } from '../request/request.js'
import type { Failed } from './executor.js'

/** Takes documents out of a request that an executor said failed, and notes what they failed at. */
export function leaveOut(request: Request, executor: string, failed: Failed): void {
  const { id, header } = request
  const failures = Array.from(failed, ([doc, { error, attempts }]) => {
    const code = isError(error) && error instanceof ExecutorError ? (error.code as 'ERR_EXECUTOR') : 'ERR_EXECUTOR'
    const said = `${executor} failed at ${header.execEndpoint} for document ${doc.id} of request ${id}: ${say(error)}`
    return new Failure(doc, executor, new ExecutorError(code, said, { executor, endpoint: header.execEndpoint, requestId: id, cause: error }), attempts)
  })
  request.failures = [...(request.failures ?? []), ...failures]
  if (request.docs.some((doc) => failed.has(doc))) request.docs = DocumentArray.from(request.docs.filter((doc) => !failed.has(doc)))
}
