import { DocumentArray } from '../doc/array.js'
import type { Document, DocumentLike } from '../doc/document.js'
import { fork } from '../request/lineage.js'
import type { Request } from '../request/request.js'
import { Response } from '../request/response.js'
import { later, overdue } from '../stream/event-loop.js'

/** What an async generator may yield: documents, or nothing, after changing those it was given. */
type Yield = DocumentLike | Iterable<DocumentLike> | void

/**
 * Takes what an async generator yields as one answer, and hands each piece on at once as a partial response.
 *
 * The whole answer is all that was yielded; a document yielded again replaces its former version, by id. A generator that yielded
 * no document leaves those of the request. The next piece is asked for when the last was taken, and not at all when nobody wants the
 * answer any more.
 *
 * @param documents makes documents of what is one or several, or throws what says that it is not
 * @param check throws what says that those of the request are not
 */
export async function collect(
  answers: AsyncIterable<Yield>,
  request: Request,
  documents: (likes: Iterable<DocumentLike>) => DocumentArray,
  check: () => void,
): Promise<void> {
  const { scope } = request
  const all = new Map<Document | string, Document>()
  // Two of those given may have one id, and stay two.
  const given = new Set(request.docs)
  const byId = new Map(request.docs.map((document) => [document.id, document]))
  // Leaving the loop closes the generator.
  for await (const answer of answers) {
    if (scope.aborted) throw scope.reason
    let { docs } = request
    if (answer !== undefined && answer !== null) {
      docs = documents(isSeveral(answer) ? answer : [answer])
      for (const document of docs) all.set(given.has(document) ? document : (byId.get(document.id) ?? document.id), document)
    } else check()
    // A copy goes out, as the generator goes on with the documents.
    if (request.emit !== undefined) await request.emit(new Response(fork(request, docs.clone()), undefined, request.countPart()))
    // A generator that waits for nothing, and pieces that are taken at once, would leave no turn to sockets: nor to the one that says that nobody listens.
    if (overdue()) await new Promise<void>(later)
    if (scope.aborted) throw scope.reason
  }
  if (all.size > 0) request.docs = DocumentArray.from(all.values())
  else check()
}

function isSeveral(answer: DocumentLike | Iterable<DocumentLike>): answer is Iterable<DocumentLike> {
  return typeof answer === 'object' && Symbol.iterator in answer && !ArrayBuffer.isView(answer)
}
