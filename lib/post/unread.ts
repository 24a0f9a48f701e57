import { warn } from '../base/deprecated.js'
import { type Logger, log } from '../base/logger.js'

/** What gives nothing before somebody reads it, and how it is read. */
const READ = {
  post: 'Loop over what it gives, or await its drain(), docs() or toArray()',
  map: 'Loop over what it gives, or await its toArray()',
  subscribe: 'Loop over what it gives',
}

/** What is called once when somebody reads it, or leaves it. More often does nothing. */
export type Read = () => void

/** Calls whose answers nobody began to read, by endpoint: numbers alone, so that any number of them costs nothing. They did nothing, and nobody would know. */
export class Unread {
  readonly #counts = new Map<string, number>()
  readonly #whose: string
  readonly #logger: Logger | undefined

  /** @param whose who is asked, for people */
  constructor(whose: string, logger: Logger | undefined) {
    this.#whose = whose
    this.#logger = logger
  }

  /** @param what the endpoint; of a subscription, nothing */
  readonly asked = (what?: string, by: keyof typeof READ = 'post'): Read => {
    const counts = this.#counts
    const key = `${by} ${what ?? ''}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
    let left = false
    return () => {
      const count = counts.get(key)
      // It may have been told of in between.
      if (left || count === undefined) return
      left = true
      if (count === 1) counts.delete(key)
      else counts.set(key, count - 1)
    }
  }

  /** Tells of those that are left, once. */
  tell(): void {
    for (const [key, count] of this.#counts) {
      const by = key.split(' ', 1)[0] as keyof typeof READ
      const endpoint = key.slice(by.length + 1)
      const call = `${by}(${endpoint && `'${endpoint}'`})`
      const message = `${this.#whose}: ${count === 1 ? `${call} was` : `${count} calls of ${call} were`} never read, so nothing was sent. ${READ[by]}`
      this.remark('post.unread', new Error(message), endpoint)
    }
    this.#counts.clear()
  }

  /** Says what is most likely a mistake, and no failure: to the logger, or else as a warning of the process. */
  protected remark(event: string, error: Error, endpoint: string): void {
    if (this.#logger !== undefined) log(this.#logger, 'warn', event, { endpoint, error })
    else warn(error.message, 'SluiceWarning')
  }
}
