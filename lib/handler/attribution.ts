import type { DocumentArray } from '../doc/array.js'
import type { Document } from '../doc/document.js'
import type { Failure } from '../request/failure.js'

// Which answer is of which document, where an executor gives one for each: it must, for those that take its answers apart.

/** Which of the documents failed: by identity, or, where it failed as a copy (a try, a replica, elsewhere), by its id. */
export function failedAt(items: readonly { readonly document: Document }[], failures: readonly Failure[] = []): Map<number, Failure[]> {
  const all = new Map<number, Failure[]>()
  if (failures.length === 0) return all
  const places = new Map(items.map(({ document }, at) => [document, at]))
  const byId = new Map<string, number[]>()
  items.forEach(({ document: { id } }, at) => {
    const same = byId.get(id)
    if (same === undefined) byId.set(id, [at])
    else same.push(at)
  })
  for (const failure of failures) {
    const same = byId.get(failure.doc.id) ?? []
    // Of several with one id, the first that has none yet.
    const at = places.get(failure.doc) ?? same.find((at) => !all.has(at)) ?? same[0]
    if (at === undefined) continue
    const here = all.get(at)
    if (here === undefined) all.set(at, [failure])
    else here.push(failure)
  }
  return all
}

/** Those that are not among the answers: what failed in one replica may have come from another. */
export function goneOf(ids: readonly string[], failed: ReadonlyMap<number, unknown>, docs: DocumentArray): Set<number> {
  const gone = new Set<number>()
  if (failed.size === 0) return gone
  const back = new Map<string, number>()
  for (const { id } of docs) back.set(id, (back.get(id) ?? 0) + 1)
  ids.forEach((id, at) => {
    if (!failed.has(at)) back.set(id, (back.get(id) ?? 0) - 1)
  })
  for (const at of failed.keys()) {
    const left = back.get(ids[at]!) ?? 0
    if (left > 0) back.set(ids[at]!, left - 1)
    else gone.add(at)
  }
  return gone
}

/**
 * What is wrong with answers that are to be one for each document, in their order; undefined when nothing is.
 * @param ids of the documents that did not fail
 */
export function mismatch(ids: readonly string[], docs: DocumentArray): string | undefined {
  if (docs.length !== ids.length) return `of ${ids.length} documents with ${docs.length}`
  // Where ids stand in another order, documents would go to those who did not send them. Those that are new may be another's name for one.
  const known = new Set(ids)
  return docs.some(({ id }, at) => id !== ids[at] && known.has(id)) ? 'in another order' : undefined
}
