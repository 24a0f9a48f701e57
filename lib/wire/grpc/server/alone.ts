import { ExecutorError, SluiceError, say } from '../../../errors.js'
import { Executor } from '../../../executor.js'
import type { Handler } from '../../../peer.js'
import type { Request } from '../../../request/request.js'

/** An executor that stands alone, without a Flow around it that says whose failure a failure is. Any other peer is left as it is. */
export function alone(peer: Handler): Handler {
  if (!(peer instanceof Executor)) return peer
  const failure = (thrown: unknown, { header: { execEndpoint: endpoint }, id: requestId, scope }: Request): unknown => {
    if (thrown instanceof SluiceError || (scope.aborted && thrown === scope.reason)) return thrown
    const message = `${peer.name} failed at ${endpoint} for request ${requestId}: ${say(thrown)}`
    return new ExecutorError('ERR_EXECUTOR', message, { executor: peer.name, endpoint, requestId, cause: thrown })
  }
  return {
    accepts: (endpoint) => peer.accepts(endpoint),
    handle(request) {
      try {
        return peer.handle(request)?.catch((thrown) => {
          throw failure(thrown, request)
        })
      } catch (thrown) {
        throw failure(thrown, request)
      }
    },
  }
}
