import { ExecutorError, isError, say } from '../base/errors.js'
import type { Request } from '../request/request.js'
import type { Route } from '../request/route.js'
import { EXECUTORS, traceExecutor } from '../request/traced.js'
import type { Graph, Node } from './graph.js'

/**
 * Leads a request through a graph. Returns nothing when all executors answered at once.
 * Throws the ExecutorError of the first executor that fails; nothing behind it is called.
 */
export type Walk = (request: Request) => void | Promise<void>

/** How to walk a graph, decided once: a chain is a loop; forks and joins need more, which is loaded when there are any. */
export async function walkOf(graph: Graph): Promise<Walk> {
  if (graph.chain) return (request) => walkChain(graph.nodes, request)
  const { walkBranches } = await import('./branches.js')
  return (request) => walkBranches(graph, request)
}

/** From node to node, without a promise as long as the executors need none. */
function walkChain(nodes: readonly Node[], request: Request): void | Promise<void> {
  for (let at = 0; at < nodes.length; at++) {
    const pending = visit(nodes[at]!, request)
    if (pending !== undefined) return at === nodes.length - 1 ? pending : resume(nodes, at, pending, request)
  }
}

async function resume(nodes: readonly Node[], at: number, pending: Promise<void>, request: Request): Promise<void> {
  await pending
  for (at++; at < nodes.length; at++) {
    const pending = visit(nodes[at]!, request)
    if (pending !== undefined) await pending
  }
}

/** Has one executor handle the request, if it is meant, and if anybody still wants the answer. */
export function visit(node: Node, request: Request): void | Promise<void> {
  const { header, scope } = request
  if (scope.aborted) throw scope.reason
  if (!node.peer.accepts(header.execEndpoint) || !header.targets(node.name)) return
  // All its documents failed: nobody behind is to fail of having none.
  if (request.failures !== undefined && request.docs.length === 0) return
  const route = request.arrive(node.name)
  try {
    const pending = EXECUTORS.isHeard ? traceExecutor(node.name, request, () => node.peer.handle(request), node.isBound) : node.peer.handle(request)
    if (pending === undefined) return request.leave(route)
    return pending.then(
      () => request.leave(route),
      (thrown) => {
        throw failed(node, request, route, thrown)
      },
    )
  } catch (thrown) {
    throw failed(node, request, route, thrown)
  }
}

function failed(node: Node, request: Request, route: Route, thrown: unknown): ExecutorError {
  const error = failureOf(node.name, request, thrown)
  route.fail(error)
  request.leave(route)
  return error
}

/** What an executor threw, as the error that names it. */
export function failureOf(executor: string, request: Request, thrown: unknown): ExecutorError {
  if (isError(thrown) && thrown instanceof ExecutorError) return thrown
  const { execEndpoint } = request.header
  return new ExecutorError('ERR_EXECUTOR', `${executor} failed at ${execEndpoint} for request ${request.id}: ${say(thrown)}`, {
    executor,
    endpoint: execEndpoint,
    requestId: request.id,
    cause: thrown,
  })
}
