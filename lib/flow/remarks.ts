import { warn } from '../base/deprecated.js'
import { type Logger, log } from '../base/logger.js'
import { checkEndpoints } from './endpoint-keys.js'

/** Endpoints that are told of, and kept for that: clients could name any number. */
const MOST = 32

/** What is most likely a mistake, and no failure: told once, to the logger, or else as a warning of the process. */
export class Remarks {
  readonly #name: string
  readonly #logger: Logger | undefined
  /** Posts that nobody began to read, by endpoint: numbers alone, so that any number of them costs nothing. */
  readonly #unread = new Map<string, number>()
  readonly #unknown = new Set<string>()

  constructor(name: string, logger: Logger | undefined) {
    this.#name = name
    this.#logger = logger
  }

  /** A post was made. @returns what is called when somebody reads it, or leaves it */
  posted(endpoint: string): () => void {
    const unread = this.#unread
    unread.set(endpoint, (unread.get(endpoint) ?? 0) + 1)
    return () => {
      const count = unread.get(endpoint)
      // The Flow may have closed in between.
      if (count === 1) unread.delete(endpoint)
      else if (count !== undefined) unread.set(endpoint, count - 1)
    }
  }

  /** An endpoint that no executor answers, whose documents come out as they went in. */
  unknown(endpoint: string, known: readonly string[]): void {
    if (this.#unknown.has(endpoint) || this.#unknown.size >= MOST) return
    this.#unknown.add(endpoint)
    try {
      checkEndpoints('post()', [endpoint], known, () => {})
    } catch (error) {
      this.#say('endpoint.unknown', error as Error, endpoint)
    }
  }

  /** As the Flow closes: posts that did nothing, as nobody read them. */
  tell(): void {
    for (const [endpoint, count] of this.#unread) {
      const posts = count === 1 ? `post('${endpoint}') was` : `${count} posts to '${endpoint}' were`
      const message = `${this.#name}: ${posts} never read, so nothing was sent. Loop over what post() gives, or await its drain(), docs() or toArray()`
      this.#say('post.unread', new Error(message), endpoint)
    }
    this.#unread.clear()
  }

  #say(event: string, error: Error, endpoint: string): void {
    if (this.#logger !== undefined) log(this.#logger, 'warn', event, { endpoint, error })
    else warn(error.message, 'SluiceWarning')
  }
}
