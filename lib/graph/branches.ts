import { adopt, detached, fork } from '../request/lineage.js'
import type { Request } from '../request/request.js'
import { GATEWAY } from '../request/route.js'
import { whenFinished } from '../request/under-way.js'
import type { Graph, Node } from './graph.js'
import { join } from './join.js'
import { failureOf, visit } from './walk.js'

/** Every node starts when all it needs is there. A failure tells the other branches to stop, and does not wait for them. */
export async function walkBranches(graph: Graph, request: Request): Promise<void> {
  const { background } = graph
  const scope = request.scope.child()
  const outcomes: Promise<Request[]>[] = []
  const waited: Promise<Request[]>[] = []
  let start: Request[]
  const arrive = async ({ from, copy }: { from: number; copy: number }): Promise<Request> => (from === -1 ? start : await outcomes[from]!)[copy]!
  const run = async (node: Node): Promise<Request[]> => {
    const parts = await Promise.all(node.ways.map(arrive))
    let branch = parts.length === 1 ? parts[0]! : at(node.name, request, () => join(parts, node.needs, node.join))
    // It goes on when the response is out, and so cannot be stopped with it, nor be seen in it.
    if (node.floating) branch = detached(branch, background.scope)
    try {
      const before = branch.failures?.length ?? 0
      const pending = visit(node, branch)
      if (pending !== undefined) await pending
      // No response tells of them.
      if (node.floating) for (const { error } of branch.failures?.slice(before) ?? []) background.fail(error)
    } catch (error) {
      // Its own failure only: what it waited for in vain is told by others.
      if (node.floating) background.fail(error)
      throw error
    } finally {
      // An attempt that took too long goes on.
      const finished = node.floating ? whenFinished(branch) : undefined
      if (finished !== undefined) background.add(finished)
    }
    branch.branches = undefined
    return at(node.name, branch, () => copies(branch, node.copies))
  }
  try {
    start = at(GATEWAY, request, () => copies(fork(request, request.docs, scope), graph.copies))
    for (const node of graph.nodes) {
      const outcome = run(node)
      outcomes.push(outcome)
      if (node.floating) background.add(outcome)
      else waited.push(outcome)
    }
    // All outcomes are looked at together, so that a second failure is not an unhandled one.
    await Promise.all(waited)
    const ends = await Promise.all(graph.leaves.map(arrive))
    const end =
      ends.length === 1
        ? ends[0]!
        : at(GATEWAY, request, () =>
            join(
              ends,
              graph.leaves.map(({ name }) => name),
              graph.join,
            ),
          )
    adopt(request, end)
    request.time = end.time
  } catch (error) {
    scope.abort(error)
    request.time = Date.now()
    request.linger(Promise.allSettled(waited))
    throw error
  } finally {
    scope.close()
  }
}

/** Copies or unites documents at a place. What cannot be copied (tags that contain themselves, a getter that throws) fails its request there. */
function at<T>(place: string, request: Request, copy: () => T): T {
  try {
    return copy()
  } catch (thrown) {
    throw failureOf(place, request, thrown)
  }
}

/** A request for each way out: the first goes on itself, the others are copies, made before anybody changes it. */
function copies(request: Request, count: number): Request[] {
  const all = [request]
  for (let i = 1; i < count; i++) all.push(fork(request, request.docs.clone()))
  return all
}
