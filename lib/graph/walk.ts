import { ExecutorError, say } from '../errors.js'
import type { Request } from '../request/request.js'
import { statusOf } from '../request/response.js'
import type { Route } from '../request/route.js'
import type { Graph, Node } from './graph.js'
import { join } from './join.js'

/**
 * Leads a request through a graph. Returns nothing when all executors answered at once.
 * @throws ExecutorError of the first executor that fails; nothing behind it is called
 */
export function walk(graph: Graph, request: Request): void | Promise<void> {
  return graph.chain ? walkChain(graph.nodes, request) : walkBranches(graph, request)
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

/** Every node starts when all it needs is there. A failure tells the other branches to stop, and does not wait for them. */
async function walkBranches(graph: Graph, request: Request): Promise<void> {
  const scope = request.scope.child()
  const outcomes: Promise<Request[]>[] = []
  const start = copies(request.fork(request.docs, scope), graph.copies)
  const arrive = async ({ from, copy }: { from: number; copy: number }): Promise<Request> => (from === -1 ? start : await outcomes[from]!)[copy]!
  const run = async (node: Node): Promise<Request[]> => {
    const parts = await Promise.all(node.ways.map(arrive))
    const branch = parts.length === 1 ? parts[0]! : join(parts, node.needs, node.join)
    const pending = visit(node, branch)
    if (pending !== undefined) await pending
    return copies(branch, node.copies)
  }
  try {
    for (const node of graph.nodes) outcomes.push(run(node))
    // All outcomes are looked at together, so that a second failure is not an unhandled one.
    await Promise.all(outcomes)
    const ends = await Promise.all(graph.leaves.map(arrive))
    const end =
      ends.length === 1
        ? ends[0]!
        : join(
            ends,
            graph.leaves.map(({ name }) => name),
            graph.join,
          )
    request.docs = end.docs
    request.time = end.time
    request.results = end.results
  } catch (error) {
    scope.abort(error)
    throw error
  } finally {
    scope.close()
  }
}

/** A request for each way out: the first goes on itself, the others are copies, made before anybody changes it. */
function copies(request: Request, count: number): Request[] {
  const all = [request]
  for (let i = 1; i < count; i++) all.push(request.fork(request.docs.clone()))
  return all
}

/** Has one executor handle the request, if it is meant. */
function visit(node: Node, request: Request): void | Promise<void> {
  const { header } = request
  if (!node.peer.accepts(header.execEndpoint)) return
  const meant = header.targets(node.name)
  if (meant === true) return handle(node, request)
  if (meant !== false) return meant.then((meant) => (meant ? handle(node, request) : undefined))
}

function handle(node: Node, request: Request): void | Promise<void> {
  const route = request.arrive(node.name)
  try {
    const pending = node.peer.handle(request)
    if (pending === undefined) return request.leave(route)
    return pending.then(
      () => request.leave(route),
      (thrown) => {
        throw failure(node, request, route, thrown)
      },
    )
  } catch (thrown) {
    throw failure(node, request, route, thrown)
  }
}

function failure(node: Node, request: Request, route: Route, thrown: unknown): ExecutorError {
  const { execEndpoint } = request.header
  const error =
    thrown instanceof ExecutorError
      ? thrown
      : new ExecutorError('ERR_EXECUTOR', `${node.name} failed at ${execEndpoint} for request ${request.id}: ${say(thrown)}`, {
          executor: node.name,
          endpoint: execEndpoint,
          requestId: request.id,
          cause: thrown,
        })
  route.status = statusOf(error)
  request.leave(route)
  return error
}
