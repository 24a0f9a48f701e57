import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Document, type Failure } from 'sluice'

/**
 * What was answered, in two files of lines: documents that are done, and those that failed, as `sluice run --failures` writes them. A run that is begun again
 * leaves both out. What was under way when the process died is in neither, and is asked for, and paid for, once more.
 */
export class Ledger {
  readonly #results: string
  readonly #failures: string
  readonly #done = new Set<string>()
  readonly #failed = new Map<string, Document>()

  constructor(folder: string) {
    this.#results = `${folder}/results.ndjson`
    this.#failures = `${folder}/failures.ndjson`
    for (const { id } of linesOf(this.#results)) this.#done.add(id)
    for (const { doc } of linesOf(this.#failures)) if (!this.#done.has(doc.id)) this.#failed.set(doc.id, new Document(doc))
  }

  get done(): number {
    return this.#done.size
  }

  get failed(): number {
    return this.#failed.size
  }

  has(id: string): boolean {
    return this.#done.has(id) || this.#failed.has(id)
  }

  write({ docs, failures }: { readonly docs: Iterable<Document>; readonly failures: readonly Failure[] }): void {
    append(this.#results, [...docs])
    append(this.#failures, failures)
    for (const { id } of docs) this.#done.add(id)
    for (const { doc } of failures) this.#failed.set(doc.id, doc)
  }

  /** Those that failed, to be fed again: they count as new until they are answered. */
  takeFailures(): Document[] {
    const taken = [...this.#failed.values()]
    this.#failed.clear()
    rmSync(this.#failures, { force: true })
    return taken
  }
}

/** All lines that are whole: the last may have been cut off. */
function linesOf(file: string): any[] {
  if (!existsSync(file)) return []
  const text = readFileSync(file, 'utf8')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole.length < text.length) writeFileSync(file, whole)
  return whole
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

function append(file: string, items: readonly object[]): void {
  if (items.length > 0) appendFileSync(file, items.map((item) => `${JSON.stringify(item)}\n`).join(''))
}
