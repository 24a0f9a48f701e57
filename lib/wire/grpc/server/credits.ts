import { WINDOW } from '../methods.js'
import { MAX_CALLS } from '../options.js'
import type { Share } from './share.js'

/**
 * Partial answers that clients have not taken yet, by call and request. A client says how many it took in calls of its own: were they
 * in the stream of the requests, they would wait behind those that the server does not read yet.
 */
export class Credits {
  readonly #accounts = new Map<string, Account>()

  /**
   * @param key what the client calls its stream; taken already, there is no account, and partial answers wait for the wire only. So it is, too,
   * when half of a connection's calls have one: what their client takes, it must be able to say in others
   */
  open(key: string, share: Share): Account | undefined {
    if (key === '' || this.#accounts.has(key) || share.credits >= MAX_CALLS / 2) return undefined
    share.credits++
    const account = new Account(() => {
      share.credits--
      this.#accounts.delete(key)
    })
    this.#accounts.set(key, account)
    return account
  }

  taken(key: string, requestId: string, count: number): void {
    this.#accounts.get(key)?.taken(requestId, count)
  }
}

interface Entry {
  sent: number
  taken: number
  go: (() => void) | undefined
}

class Account {
  readonly #entries = new Map<string, Entry>()
  readonly close: () => void

  constructor(close: () => void) {
    this.close = () => {
      close()
      for (const { go } of this.#entries.values()) go?.()
      this.#entries.clear()
    }
  }

  /** Waits until the client has taken enough of what was sent before. */
  async spend(requestId: string): Promise<void> {
    let entry = this.#entries.get(requestId)
    if (entry === undefined) this.#entries.set(requestId, (entry = { sent: 0, taken: 0, go: undefined }))
    const own = entry
    own.sent++
    while (own.sent - own.taken > WINDOW && this.#entries.get(requestId) === own) {
      await new Promise<void>((go) => {
        own.go = go
      })
    }
  }

  taken(requestId: string, count: number): void {
    const entry = this.#entries.get(requestId)
    if (entry === undefined || !(count > entry.taken)) return
    entry.taken = count
    entry.go?.()
  }

  /** The request was answered. */
  done(requestId: string): void {
    this.#entries.get(requestId)?.go?.()
    this.#entries.delete(requestId)
  }
}

export type { Account }
