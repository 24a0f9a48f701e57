import type { Document } from '../doc/document.js'

/** A document that failed: it left the graph where it did, and the others of its request went on. */
export class Failure<D extends Document<any> = Document> {
  /** As it was when it failed. */
  readonly doc: D
  /** Where it failed. */
  readonly executor: string
  /** An ExecutorError that names executor, endpoint, document and request. Its `cause` is what was thrown, where that was in this process. */
  readonly error: Error
  /** How often it was tried. An integer ≥ 1. */
  readonly attempts: number

  constructor(doc: D, executor: string, error: Error, attempts: number) {
    this.doc = doc
    this.executor = executor
    this.error = error
    this.attempts = attempts
  }

  toJSON(): object {
    const { doc, executor, attempts, error } = this
    return { doc, executor, attempts, error: { name: error.name, code: (error as { code?: string }).code, message: error.message } }
  }
}

/** Those of several requests, each once: what was known at a fork came along on every way. */
export function unitedFailures(parts: readonly { readonly failures: readonly Failure[] | undefined }[]): Failure[] | undefined {
  const all = new Set<Failure>()
  for (const { failures } of parts) if (failures !== undefined) for (const failure of failures) all.add(failure)
  return all.size === 0 ? undefined : [...all]
}
