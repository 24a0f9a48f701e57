import { DocumentArray } from '../doc/array.js'
import type { Request } from '../request/request.js'
import type { Join } from './graph.js'

/**
 * Unites branches in the order of `names`, whatever order they arrived in. The parts were copied at the fork, so they can be used up.
 * `concat` puts their documents one after the other; `merge` unites them by id (Jina's reduce, but in a fixed order).
 */
export function join(parts: readonly Request[], names: readonly string[], how: Join): Request {
  const branches = parts.map(({ docs }, index) => ({ executor: names[index]!, docs }))
  const docs = new DocumentArray()
  for (const part of parts) {
    // Into copies: what a branch gave is still to be seen as it was.
    if (how === 'merge') docs.merge(part.docs.clone())
    else docs.extend(part.docs)
  }
  const joined = parts[0]!.fork(docs)
  joined.branches = branches
  joined.time = Math.max(...parts.map(({ time }) => time))
  for (const part of parts) for (const [executor, result] of Object.entries(part.results ?? {})) joined.answer(executor, result)
  return joined
}
