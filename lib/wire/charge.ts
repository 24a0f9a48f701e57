import { limiterOf } from '../handler/limits.js'
import type { Handler } from '../request/handler.js'
import type { ByteBudget, Hold } from '../stream/byte-budget.js'
import type { Scope } from '../stream/scope.js'

/**
 * For how many bytes one of JSON counts. What is made of it takes, with its text, 2 to 4 while it is read, 7 where documents are as short as ten characters, and up to 24
 * where it is nothing but brackets: a quarter of the heap, eight times less, leaves room for that too.
 */
export const JSON_WEIGHT = 8
/** For how many bytes a document counts at least: one can be as short as two. */
const DOCUMENT = 256

/** What is charged of what a peer is asked and answers, if there is a bound. */
export function bytesOf(peer: Handler): ByteBudget | undefined {
  return limiterOf(peer)?.bytes
}

/** What came is read, and is more than its bytes said. */
export function chargeDocuments(hold: Hold | undefined, count: number): void {
  if (hold !== undefined && hold.bytes < count * DOCUMENT) hold.set(count * DOCUMENT)
}

/** Charges what a stream of documents in JSON brings, as it comes, and hands the charge on to the requests that are made of it. */
export class UploadCharge {
  readonly #budget: ByteBudget
  readonly #hold: Hold
  readonly #scope: Scope
  /** Characters of whole lines that no request has yet. What is behind them is a line that has not ended. */
  #whole = 0

  /** @param cut ends the upload, should bytes be wanted that it holds and does not use */
  constructor(budget: ByteBudget, tenant: string | undefined, scope: Scope, cut: () => void) {
    this.#budget = budget
    this.#hold = budget.hold(tenant, false, JSON_WEIGHT)
    this.#scope = scope
    this.#hold.watch(cut)
  }

  /** What is read, charged. It is read no faster than there are bytes. @throws what is said where there are none for the rest of a line, as all might wait for each other */
  async *charged(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      const bytes = chunk.length * JSON_WEIGHT
      const others = this.#budget.inside - this.#hold.bytes
      if (others >= this.#budget.limit || !this.#hold.more(bytes)) {
        if (this.#hold.bytes > 2 * bytes + this.#whole * JSON_WEIGHT) throw this.#budget.refused()
        this.#hold.paused = true
        await this.#hold.ask(this.#scope, bytes)
        this.#hold.paused = false
      }
      yield chunk
    }
  }

  /** Lines have ended. */
  came(characters: number): void {
    this.#whole += characters
  }

  /** What a request holds of it, that is made of what has come by now. */
  taken(): Hold {
    const bytes = Math.min(this.#hold.bytes, this.#whole * JSON_WEIGHT)
    this.#whole = 0
    return this.#hold.split(bytes)
  }

  end(): void {
    this.#hold.leave()
  }
}
