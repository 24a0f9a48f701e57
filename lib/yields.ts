import { DocumentArray } from './doc/array.js'
import type { DocumentLike } from './doc/document.js'
import type { Request } from './request/request.js'

/** Takes all that an async generator yields as the documents of one answer. */
export async function collect(
  answers: AsyncIterable<DocumentLike | Iterable<DocumentLike> | void>,
  request: Request,
  documents: (likes: Iterable<DocumentLike>) => DocumentArray,
): Promise<void> {
  const docs = new DocumentArray()
  for await (const answer of answers) {
    if (answer === undefined || answer === null) continue
    const several = typeof answer === 'object' && Symbol.iterator in answer && !ArrayBuffer.isView(answer)
    docs.extend(documents(several ? (answer as Iterable<DocumentLike>) : [answer as DocumentLike]))
  }
  request.docs = docs
}
