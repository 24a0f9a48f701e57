import { Keyed } from '../stream/keyed.js'
import type { Scope } from '../stream/scope.js'
import type { Credits } from './credits.js'
import { emptyMessage, type Message } from './message.js'
import { decodeMessage } from './proto/index.js'

/** How many requests may have been taken back of which none was seen yet. */
const EARLY = 1024
/** Bytes of the longest message that says something of another: what has an id in it that is as long as ids may be, and little more. */
const LONGEST = 512

/** The requests of one stream or socket that are under way, each of which its client may take back. */
export class Revocable {
  /** By id, which several may have. */
  readonly #inside = new Keyed<string, Set<() => void>>()
  /** What was taken back before it began, with how many requests had come by then: one that comes behind is another, with the same id. The oldest first. */
  readonly #early = new Map<string, number>()
  /** How many requests came, and how many of those were looked at. */
  #came = 0
  #begun = 0

  /** A request came. */
  note(): void {
    this.#came++
  }

  /** The next one that came is looked at. @returns which it is */
  next(): number {
    return this.#begun++
  }

  /**
   * Works for a request until its client takes it back. What goes on all the same, nobody waits for.
   * @param turn which it is: see {@link next}
   * @param work gets what is told then to stop
   */
  async run(requestId: string, turn: number, parent: Scope, work: (scope: Scope) => Promise<Message>): Promise<Message> {
    const takenBack = emptyMessage({ requestId, status: { code: 'ERROR', description: 'Its client took it back' } })
    const before = this.#early.get(requestId)
    if (before !== undefined) this.#early.delete(requestId)
    if (before !== undefined && turn < before) return takenBack
    const scope = parent.child()
    let revoke!: () => void
    const revoked = new Promise<Message>((resolve) => {
      revoke = () => {
        resolve(takenBack)
        scope.abort(new DOMException('The client does not want it any more', 'AbortError'))
      }
    })
    const same = this.#inside.get(requestId) ?? new Set()
    this.#inside.set(requestId, same.add(revoke))
    try {
      return await Promise.race([revoked, work(scope)])
    } finally {
      scope.close()
      same.delete(revoke)
      if (same.size === 0 && this.#inside.get(requestId) === same) this.#inside.delete(requestId)
    }
  }

  /** It may be answered, or wait. */
  revoke(requestId: string): void {
    const same = this.#inside.get(requestId)
    if (same !== undefined) for (const revoke of [...same]) revoke()
    else {
      this.#early.delete(requestId)
      this.#early.set(requestId, this.#came)
      if (this.#early.size > EARLY) this.#early.delete(this.#early.keys().next().value!)
    }
  }
}

/**
 * Takes a message that says something of a request that came before it.
 * @param revocable given where requests may be taken back
 * @returns whether it is one
 */
export function isAside(bytes: Uint8Array, credits: Credits, revocable: Revocable | undefined): boolean {
  const is = isHeard(bytes, credits, revocable)
  if (!is) revocable?.note()
  return is
}

function isHeard(bytes: Uint8Array, credits: Credits, revocable: Revocable | undefined): boolean {
  // Most are told by their length and their end, without being read: parameters that are empty, and nothing behind them.
  if (bytes.length > LONGEST || bytes.at(-2) !== 0x12 || bytes.at(-1) !== 0) return false
  let message: Message
  try {
    message = decodeMessage(bytes)
  } catch {
    return false
  }
  const { requestId, ordinal, status } = message
  if (ordinal !== undefined) credits.taken(requestId, ordinal + 1)
  else if (revocable !== undefined && status?.code === 'ERROR') revocable.revoke(requestId)
  else return false
  return true
}
