import { DocumentArray } from '../doc/array.js'
import type { Document, DocumentLike } from '../doc/document.js'
import { fork } from '../request/lineage.js'
import type { Request } from '../request/request.js'
import { Response } from '../request/response.js'
import { later, overdue } from '../stream/event-loop.js'
import type { Emit } from '../stream/flight.js'
import type { Scope } from '../stream/scope.js'

/** What an async generator may yield: documents, or nothing, after changing those it was given. */
type Yield = DocumentLike | Iterable<DocumentLike> | void

interface Collecting {
  readonly request: Request
  /** What it was given. Default: the request's documents. */
  readonly given?: DocumentArray
  readonly scope?: Scope
  readonly emit?: Emit<Response> | undefined
  /** Makes documents of what is one or several, or throws what says that it is not. */
  documents(likes: Iterable<DocumentLike>): DocumentArray
  /** Throws what says that those it was given are none any more. */
  check?(): void
}

/**
 * Takes what an async generator yields as one answer, and hands each piece on at once as a partial response.
 *
 * The whole answer is all that was yielded; a document yielded again replaces its former version, by id. The next piece is asked for when the
 * last was taken, and not at all when nobody wants the answer any more.
 *
 * @returns undefined for one that yielded no document: those it was given are the answer
 */
export async function collect(answers: AsyncIterable<Yield>, collecting: Collecting): Promise<DocumentArray | undefined> {
  const { request, given = request.docs, scope = request.scope, documents } = collecting
  const emit = 'emit' in collecting ? collecting.emit : request.emit
  const all = new Map<Document | string, Document>()
  // Two of those given may have one id, and stay two.
  const known = new Set(given)
  const byId = new Map(given.map((document) => [document.id, document]))
  // Leaving the loop closes the generator.
  for await (const answer of answers) {
    if (scope.aborted) throw scope.reason
    let docs = collecting.given ?? request.docs
    if (answer !== undefined && answer !== null) {
      docs = documents(isSeveral(answer) ? answer : [answer])
      for (const document of docs) all.set(known.has(document) ? document : (byId.get(document.id) ?? document.id), document)
    } else collecting.check?.()
    // A copy goes out, as the generator goes on with the documents.
    if (emit !== undefined) await emit(new Response(fork(request, docs.clone()), undefined, request.countPart()))
    // A generator that waits for nothing, and pieces that are taken at once, would leave no turn to sockets: nor to the one that says that nobody listens.
    if (overdue()) await new Promise<void>(later)
    if (scope.aborted) throw scope.reason
  }
  return all.size > 0 ? DocumentArray.from(all.values()) : undefined
}

export function isSeveral(answer: DocumentLike | Iterable<DocumentLike>): answer is Iterable<DocumentLike> {
  return typeof answer === 'object' && Symbol.iterator in answer && !ArrayBuffer.isView(answer)
}
