import type { DocumentArray } from '../doc/array.js'
import type { Handler } from '../request/handler.js'
import { snapshot } from '../request/parameters.js'
import { Header, Request } from '../request/request.js'
import type { Response } from '../request/response.js'
import type { Scope } from '../stream/scope.js'
import { answerTo } from './answers.js'
import { checkPostOptions, type PostOptions } from './options.js'

/**
 * Documents in one request, and its answer: what `post()` gives with `requestSize: 0` and `continueOnError`, without what streams need. There are no partial answers.
 * @param scope when it is told to stop, so are the executors, and nobody waits for them
 * @throws as `post()` does, and the reason of the scope
 */
export async function postOnce(
  peer: Handler,
  on: string,
  docs: DocumentArray,
  options: Pick<PostOptions, 'parameters' | 'targetExecutor'>,
  scope: Scope,
): Promise<Response> {
  const { parameters = {}, targetExecutor } = checkPostOptions(options)
  const request = new Request(new Header(on || '/', snapshot(parameters), targetExecutor), docs, scope)
  if (scope.aborted) throw scope.reason
  const answer = answerTo(peer, request)
  if (!(answer instanceof Promise)) return answer
  return new Promise((resolve, reject) => {
    const release = scope.watch(reject)
    answer.then(resolve, reject).finally(release)
  })
}
