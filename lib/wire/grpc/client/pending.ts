import type { Request } from '../../../request/request.js'
import type { Scope } from '../../../stream/scope.js'
import type { Answering } from '../../deltas.js'
import { type Message, partOf } from '../../message.js'
import { WINDOW } from '../../sharing.js'

/** A request on a stream, until its answer is there. */
export class Waiting {
  /** What Jina's gateway sends before it ends the stream with an error; an answer only if it does not. */
  shell: Message | undefined
  /** Whether it counts among those that are unanswered, and among those of its post. */
  isUnanswered = false
  isInside = false
  /** Whether the server may have it. */
  written = false
  takenBack = false
  /** What it is in bytes, where that was made elsewhere. */
  bytes: Uint8Array | undefined
  /** Lets go of what may end it. */
  unwatch: () => void = () => {}
  /** Hands on partial answers one by one. */
  #parts: Promise<void> | undefined
  #over = false
  #taken = 0

  constructor(
    readonly request: Request,
    /** Until when it is waited for. */
    readonly deadline: Scope['deadline'],
    private readonly answering: Answering,
    private readonly resolve: (answer: Message | Promise<Message>) => void,
    private readonly reject: (reason: unknown) => void,
  ) {}

  /** Whether nobody waits for it any more. */
  get over(): boolean {
    return this.#over
  }

  /** Whether a piece of its answer came. */
  get begun(): boolean {
    return this.#parts !== undefined
  }

  answer(message: Message): void {
    this.unwatch()
    if (this.#parts === undefined) this.resolve(message)
    else this.#parts.then(() => this.resolve(message))
  }

  /**
   * A partial answer. The consumer takes them in its own time. Where nobody waits for it any more, it is let go: who makes them waits to hear of each.
   * @param taken told, now and then, how many it took
   * @param failed told at once what is wrong with it: an answer behind it may have no end
   */
  part(message: Message, taken: (requestId: string, count: number) => void, failed: (waiting: Waiting, reason: unknown) => void): void {
    const { request } = this
    const before = this.#parts ?? Promise.resolve()
    this.#parts = before.then(async () => {
      try {
        if (!this.#over) await request.emit?.(partOf(request, message, this.answering))
      } catch (error) {
        failed(this, error)
      }
      if (++this.#taken % (WINDOW / 2) === 0) taken(request.id, this.#taken)
    })
  }

  /** It is asked on another stream. */
  move(answer: Promise<Message>): void {
    this.unwatch()
    this.#over = true
    this.resolve(answer)
  }

  /** Nobody waits for it any more. */
  fail(reason: unknown): void {
    this.unwatch()
    this.#over = true
    this.reject(reason)
  }
}

/** A request id, and nothing else: a real answer has been somewhere. */
export function isShell({ execEndpoint, status, routes, docs }: Message): boolean {
  return execEndpoint === undefined && status === undefined && routes.length === 0 && docs.length === 0
}
