import { DELTA, type Document, type Tags } from '../doc/document.js'
import type { Change } from '../doc/growth.js'

/** What {@link delta} gives an executor to yield. What it says stands under a symbol, and so nobody takes it for a document, or for its fields. */
export class Delta<T extends object = Tags> {
  // Declared alone: a field that is named by a symbol would keep the class in every page, used or not.
  declare readonly [DELTA]: { readonly doc: Document<T>; readonly change: Change<T> }

  constructor(doc: Document<T>, change: Change<T>) {
    this[DELTA] = { doc, change }
  }
}

/**
 * More of a document, for an async generator to yield: `yield delta(doc, { text: ' more' })`. The document has it when the generator goes on. Whoever gets
 * the partial answer sees what was appended (`response.delta`) and, when asked for, the whole (`response.docs`). Over a wire goes what was appended.
 *
 * Several may be yielded in one list, and whole documents in between: what comes after a whole one is appended to that.
 *
 * @param doc one of the request, or that was yielded whole before
 * @param change `text` or `blob` to append, `tags` to set; at least one of them. A text of no length is handed on to nobody
 * @returns what is to be yielded. What is wrong with it is said then: ExecutorError (`ERR_EXECUTOR_RESULT`), which names the executor
 *
 * @example
 * async function* answer({ docs: [doc], signal }) {
 *   for await (const token of model.stream(doc.tags.question, { signal })) yield delta(doc, { text: token })
 * }
 */
export function delta<T extends object = Tags>(doc: Document<T>, change: Change<T>): Delta<T> {
  return new Delta(doc, change)
}
