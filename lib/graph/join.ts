import { allocate, DocumentArray } from '../doc/array.js'
import { unitedFailures } from '../request/failure.js'
import { fork } from '../request/lineage.js'
import type { Request } from '../request/request.js'
import type { Join } from './graph.js'

/** Unites branches where they meet, in the order of `names`, whatever order they arrived in. What each brought is still to be seen. */
export function join(parts: readonly Request[], names: readonly string[], how: Join): Request {
  const branches = parts.map(({ docs }, index) => ({ executor: names[index]!, docs }))
  const joined = fork(parts[0]!, united(how === 'merge' ? parts.map(({ docs }) => ({ docs: docs.clone() })) : parts, how))
  joined.branches = branches
  joined.emptied = parts.some(({ emptied }) => emptied)
  joined.time = Math.max(...parts.map(({ time }) => time))
  joined.failures = unitedFailures(parts)
  for (const part of parts) for (const [executor, result] of Object.entries(part.results ?? {})) joined.answer(executor, result)
  return joined
}

/** The documents of several requests: `concat` puts them one after the other; `merge` unites them by id (Jina's reduce, but in a fixed order), and uses them up. */
export function united(parts: readonly Pick<Request, 'docs'>[], how: Join): DocumentArray {
  const docs = allocate(0)
  for (const part of parts) {
    if (how === 'merge') docs.merge(part.docs)
    else docs.extend(part.docs)
  }
  return docs
}

/** Documents in the order of these ids, and those that have none of them behind. */
export function inOrderOf(ids: readonly string[], docs: DocumentArray): DocumentArray {
  const places = new Map(ids.map((id, at) => [id, at]))
  const place = ({ id }: { id: string }): number => places.get(id) ?? places.size
  return DocumentArray.from(docs.toSorted((one, other) => place(one) - place(other)))
}
