import type { Request } from '../../../request/request.js'
import type { Scope } from '../../../stream/scope.js'
import type { Answering } from '../../deltas.js'
import { type Message, partOf, take } from '../../message.js'
import { WINDOW } from '../../sharing.js'
import { type PartsIn, PartsOut } from '../parts.js'

/** A request whose answer is not there yet. */
export class Waiting {
  /** Where whoever has it alone hears of it, once that is known. */
  at: string | undefined
  /** When it was sent. */
  sent: number | undefined
  /** What it is in bytes, until somebody takes its parts. */
  data: Uint8Array | undefined
  parts: PartsOut | undefined
  /** A message of its answer that comes in parts. */
  coming: PartsIn | undefined
  /** How often it was asked in vain who has it. */
  asked = 0
  /** Whether all of its answer came, which waits behind its parts for the consumer. */
  answered = false
  /** Whether nobody waits for it any more. */
  over = false
  /** Hands on partial answers one by one. */
  #tail: Promise<void> | undefined
  #taken = 0

  constructor(
    readonly number: string,
    readonly request: Request,
    /** Until when it is waited for. */
    readonly deadline: Scope['deadline'],
    private readonly answering: Answering,
    private readonly resolve: () => void,
    private readonly reject: (reason: unknown) => void,
  ) {}

  partsOut(room: number): PartsOut {
    this.parts = new PartsOut(room)
    return this.parts
  }

  answer(message: Message): void {
    if (this.answered) return
    this.answered = true
    if (this.#tail === undefined) this.#settle(message)
    else this.#tail.then(() => this.#settle(message))
  }

  #settle(message: Message): void {
    if (this.over) return
    try {
      take(this.request, message)
      this.over = true
      this.resolve()
    } catch (error) {
      this.fail(error)
    }
  }

  /**
   * A partial answer. The consumer takes them in its own time.
   * @param taken told, now and then, how many it took
   * @param failed told at once what is wrong with it
   */
  part(message: Message, taken: (count: number) => void, failed: (reason: unknown) => void): void {
    const { request } = this
    const before = this.#tail ?? Promise.resolve()
    this.#tail = before.then(async () => {
      try {
        if (!this.over) await request.emit?.(partOf(request, message, this.answering))
      } catch (error) {
        failed(error)
      }
      if (++this.#taken % (WINDOW / 2) === 0) taken(this.#taken)
    })
  }

  /** Nobody waits for it any more. */
  fail(reason: unknown): void {
    if (this.over) return
    this.over = true
    this.reject(reason)
  }

  end(): void {
    this.over = true
    this.parts?.end()
  }
}
