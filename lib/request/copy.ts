import { DocumentArray } from '../doc/array.js'
import type { Scope } from '../stream/scope.js'
import type { Request } from './request.js'

/** A request on another way, with copies of all documents, also of those that branches brought: what happens to them is not seen by it. */
export function copyOf(request: Request, scope: Scope): Request {
  const { docs, branches } = request
  const copy = request.fork(docs.clone(), scope)
  if (branches === undefined) return copy
  // A document that is here and there stays one.
  const copies = new Map(docs.map((document, at) => [document, copy.docs[at]!]))
  copy.branches = branches.map(({ executor, docs }) => ({
    executor,
    docs: DocumentArray.from(docs.map((document) => copies.get(document) ?? document.clone())),
  }))
  return copy
}
