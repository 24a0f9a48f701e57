import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { InputError, say } from '../base/errors.js'
import { Document } from '../doc/document.js'
import { fromCsv } from '../doc/from/csv.js'
import { fromLines } from '../doc/from/lines.js'
import { fromNdjson } from '../doc/from/ndjson.js'
import type { TextSource } from '../doc/from/source.js'
import { Usage } from './usage.js'

/** How documents are written in a file: a line each as text, a line each as JSON, or a row each under a header. */
export const FORMATS = ['lines', 'ndjson', 'csv'] as const
export type Format = (typeof FORMATS)[number]

const READERS: Record<Format, (source: TextSource) => AsyncIterable<Document>> = { lines: fromLines, ndjson: fromNdjson, csv: fromCsv }
const BY_EXTENSION: Record<string, Format> = { '.txt': 'lines', '.ndjson': 'ndjson', '.jsonl': 'ndjson', '.csv': 'csv' }

/** What the name of a file says of how it is written. */
export function formatByName(file: string): Format | undefined {
  return BY_EXTENSION[extname(file).toLowerCase()]
}

/** The documents of a file or of stdin, until they end or a signal says to read no more. */
export class Input implements AsyncIterableIterator<Document> {
  /** How many documents were handed on. */
  count = 0
  /** It ended by itself: nothing of it was left unread. */
  ended = false
  readonly #documents: AsyncIterator<Document>
  readonly #stop: AbortSignal
  #answer: ((step: IteratorResult<Document>) => void) | undefined

  private constructor(documents: AsyncIterable<Document>, stop: AbortSignal) {
    this.#documents = documents[Symbol.asyncIterator]()
    this.#stop = stop
    // The read under way may never end, as of a terminal: the end is said without it.
    const end = (): void => {
      this.#answer?.({ done: true, value: undefined })
      void this.return()
    }
    stop.addEventListener('abort', end, { once: true })
  }

  /**
   * @param file a path, or `-` for stdin
   * @param format default: by the extension; NDJSON from stdin
   * @throws Usage when the format cannot be told, InputError (`ERR_INPUT`) when there is no such file
   */
  static async open(file: string, format: Format | undefined, stop: AbortSignal): Promise<Input> {
    if (file === '-') {
      if (process.stdin.isTTY) process.stderr.write(`sluice: reading ${format ?? 'ndjson'} from the terminal; Ctrl-D ends it\n`)
      return new Input(READERS[format ?? 'ndjson'](process.stdin), stop)
    }
    const found = format ?? formatByName(file)
    if (found === undefined) throw new Usage(`how ${file} is to be read cannot be told from its name: add --input-format ${FORMATS.join(', ')}`)
    // Before the Flow opens, which may take long.
    await stat(file).catch((cause) => {
      throw new InputError('ERR_INPUT', `${file} cannot be read: ${say(cause)}`, { cause })
    })
    return new Input(READERS[found](file), stop)
  }

  /**
   * The documents of a file that `--failures` wrote.
   * @throws InputError (`ERR_INPUT`) when there is no such file
   */
  static async ofFailures(file: string, stop: AbortSignal): Promise<Input> {
    await stat(file).catch((cause) => {
      throw new InputError('ERR_INPUT', `${file} cannot be read: ${say(cause)}`, { cause })
    })
    return new Input(failed(file), stop)
  }

  /** Whether a signal ended it before it was through. */
  get isStopped(): boolean {
    return this.#stop.aborted && !this.ended
  }

  next(): Promise<IteratorResult<Document>> {
    if (this.#stop.aborted) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#answer = resolve
      this.#documents.next().then((step) => {
        if (!this.#stop.aborted) {
          if (step.done) this.ended = true
          else this.count++
        }
        resolve(step)
      }, reject)
    })
  }

  async return(): Promise<IteratorResult<Document>> {
    // Not awaited: a generator answers only after the read it is busy with.
    this.#documents.return?.().catch(() => {})
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** @throws InputError (`ERR_INPUT`) that names the line, for one that is no failure */
async function* failed(file: string): AsyncGenerator<Document> {
  let line = 0
  const seen = new Set<string>()
  for await (const { text } of fromLines(file)) {
    line++
    try {
      const document = Document.from(JSON.parse(text).doc)
      // It may have failed on several ways through the graph.
      if (seen.has(document.id)) continue
      seen.add(document.id)
      yield document
    } catch (cause) {
      throw new InputError('ERR_INPUT', `${file}:${line} was not written by --failures: ${say(cause)}`, { cause })
    }
  }
}
