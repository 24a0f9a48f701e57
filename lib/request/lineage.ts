import { DocumentArray } from '../doc/array.js'
import type { Scope } from '../stream/scope.js'
import { type Header, Request } from './request.js'

// What becomes of each field of a request where it takes another way. It is said here alone, and test/request/lineage holds it field by field.
//
//               fork             copyOf            detached           batchOf          adopt
//  header       given, or same   same              same               the first one's  –
//  docs         given            clones            same               given            taken over
//  results      a copy           a copy            a copy             none             taken over
//  failures     a copy           a copy            a copy             none             taken over
//  branches     same             clones            same               none             –
//  scope        given, or same   given             given              given            –
//  time         as it is         as it is          as it is           0                –
//  identity     same             same              same               the first one's  –
//  tenant       same             same              same               none             –
//  entrance     none             none              the whole one's    none             –
//  arrival      none             none              none               none             –
//  hold         none             none              none               none             –
//  contextHeaders same           same              same               none             –
//  emptied      as it is         as it is          as it is           false            –
//  emit         same             same              none               none             –
//  attempt      none             none              none               none             –
//  id           shared           shared            same               of its own       –
//  routes       shared           shared            of its own         of its own       –
//  emitted      shared           shared            of its own         of its own       –
//  unfinished   shared           shared            of its own         of its own       –

/** The same request on another way, with these documents: a branch, an attempt, a part of its answer. */
export function fork(request: Request, docs: DocumentArray, scope: Scope = request.scope, header: Header = request.header): Request {
  const fork = new Request(header, docs, scope, request.whole)
  fork.emit = request.emit
  return handDown(request, fork)
}

/** A fork with copies of all documents, also of those that branches brought: what happens to them is not seen by the request. */
export function copyOf(request: Request, scope: Scope): Request {
  const { docs, branches } = request
  const copy = fork(request, docs.clone(), scope)
  if (branches === undefined) return copy
  // A document that is here and there stays one.
  const copies = new Map(docs.map((document, at) => [document, copy.docs[at]!]))
  copy.branches = branches.map(({ executor, docs }) => ({
    executor,
    docs: DocumentArray.from(docs.map((document) => copies.get(document) ?? document.clone())),
  }))
  return copy
}

/** The same request for work that outlives it: its routes and its end are its own, and nobody waits for its parts. */
export function detached(request: Request, scope: Scope): Request {
  const own = new Request(request.header, request.docs, scope)
  own.id = request.id
  own.entrance = request.whole.entrance
  return handDown(request, own)
}

/** Documents of several requests as one, for an executor: they have in common what they are asked for, and who asks. */
export function batchOf(first: Request, docs: DocumentArray, scope: Scope): Request {
  const batch = new Request(first.header, docs, scope)
  batch.identity = first.identity
  return batch
}

/** Takes over what a fork came to. */
export function adopt(request: Request, { docs, results, failures }: Request): void {
  request.docs = docs
  request.results = results
  request.failures = failures
}

/** What is known so far goes along on every way. */
function handDown(request: Request, other: Request): Request {
  other.branches = request.branches
  other.time = request.time
  other.emptied = request.emptied
  other.identity = request.identity
  other.tenant = request.tenant
  other.contextHeaders = request.contextHeaders
  if (request.results !== undefined) other.results = { ...request.results }
  if (request.failures !== undefined) other.failures = [...request.failures]
  return other
}
