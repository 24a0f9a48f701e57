import { type Coded, say } from '../base/errors.js'
import type { Document } from '../doc/document.js'
import { MAX_NESTING } from '../doc/json-value.js'

/** A document that failed: it left the graph where it did, and the others of its request went on. */
export class Failure<D extends Document<any> = Document> {
  /** As it was when it failed. */
  readonly doc: D
  /** Where it failed. */
  readonly executor: string
  /** An ExecutorError that names executor, endpoint, document and request. Its `cause` is what was thrown, where that was in this process. */
  readonly error: Coded
  /** How often it was tried. An integer ≥ 1. */
  readonly attempts: number

  constructor(doc: D, executor: string, error: Coded, attempts: number) {
    this.doc = doc
    this.executor = executor
    this.error = error
    this.attempts = attempts
  }

  toJSON(): object {
    const { executor, attempts, error } = this
    const { name, code, message } = error
    let deepest: unknown = error
    for (let depth = 0; depth < 8 && (deepest as Error | undefined)?.cause !== undefined; depth++) deepest = (deepest as Error).cause
    const cause = say(deepest)
    return { doc: fieldsOf(this.doc), executor, attempts, error: { name, code, message, ...(!message.includes(cause) && { cause }) } }
  }
}

/** Below its document, a failure has a few levels of its own. */
const LEVELS = 8

/** A document as JSON. Of one that cannot be said in it, what tells it: that it failed must not fail those that did not. */
export function fieldsOf(doc: Document<any>): object {
  try {
    const fields: unknown = JSON.parse(JSON.stringify(doc))
    if (depthOf(fields) <= MAX_NESTING - LEVELS) return fields as object
  } catch {
    // A bigint, or what contains itself.
  }
  return { id: doc.id, ...(doc.text !== '' && { text: doc.text }) }
}

function depthOf(value: unknown): number {
  let depth = 0
  for (let level = [value]; level.length > 0; depth++) level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  return depth
}

/** Those of several requests, each once: what was known at a fork came along on every way. */
export function unitedFailures(parts: readonly { readonly failures: readonly Failure[] | undefined }[]): Failure[] | undefined {
  const all = new Set<Failure>()
  for (const { failures } of parts) if (failures !== undefined) for (const failure of failures) all.add(failure)
  return all.size === 0 ? undefined : [...all]
}
