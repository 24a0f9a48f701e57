import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { clearInterval, nextTick, setInterval } from '../../../base/clock.js'
import type { Hold } from '../../../stream/byte-budget.js'

/** Bytes that may wait for a client before those that make more have to. */
const MARK = 256 * 1024
/** Bytes that wait without being charged: those on their way. */
const FREE = 16 * 1024

/** Bytes of what was written that the platform still has, also of a part of a message; 0 where it does not say. Nothing public tells it: it is what its own timer looks at. */
function queuedIn(stream: Socket): number {
  return (stream as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0
}

/** Where answers go out: as fast as the client takes them. */
export class SendQueue {
  #waiting = 0
  #gathering = false
  #sending = 0
  #empty: (() => void) | undefined
  #ended = false
  /** Messages that left. */
  #left = 0
  #watch: ReturnType<typeof setInterval> | undefined

  /**
   * @param hold what is charged that waits for the client
   * @param stalled told when somebody begins to wait, and when nobody does any more
   * @param gone told when there is nobody to send to
   */
  constructor(
    private readonly socket: WebSocket,
    private readonly stream: Socket,
    private readonly stallTimeout: number,
    private readonly hold: Hold | undefined,
    private readonly stalled: (stalled: boolean) => void,
    private readonly gone: () => void,
  ) {
    hold?.watch(() => socket.terminate())
  }

  /** Nobody takes anything any more. */
  end(): void {
    const { hold } = this
    clearInterval(this.#watch)
    if (hold === undefined || this.#ended) return
    this.#ended = true
    hold.leave()
  }

  #charge(): void {
    const { hold } = this
    if (hold === undefined || this.#ended) return
    const waiting = this.socket.bufferedAmount
    if (waiting > FREE || hold.bytes > 0) hold.set(waiting > FREE ? waiting : 0)
  }

  /** @returns a promise if there is more than enough on the way; it resolves when this has left, or cannot any more */
  send(data: string | Uint8Array): void | Promise<void> {
    const { socket } = this
    // Before the end of the connection is told: who makes answers hears it at once.
    if (socket.readyState !== socket.OPEN) return this.gone()
    if (socket.bufferedAmount + data.length > MARK) return this.#wait((done) => socket.send(data, done))
    this.#sending++
    this.#gather()
    socket.send(data, this.#sent)
    this.#charge()
  }

  /** Resolves when nothing waits to be sent. */
  async flushed(): Promise<void> {
    if (this.#sending + this.#waiting === 0) return
    await new Promise<void>((resolve) => {
      this.#empty = resolve
    })
  }

  /** What is sent in one go goes to the system in one go, too. */
  #gather(): void {
    if (this.#gathering) return
    this.#gathering = true
    this.stream.cork()
    nextTick!(this.#let)
  }

  readonly #let = (): void => {
    this.#gathering = false
    this.stream.uncork()
  }

  readonly #sent = (): void => {
    this.#left++
    this.#sending--
    this.#charge()
    this.#settle()
  }

  #wait(send: (done: () => void) => void): Promise<void> {
    const isFirst = this.#waiting++ === 0
    if (isFirst) {
      this.stalled(true)
      // The platform's own timer also sees a part of a message leave.
      this.stream.setTimeout(this.stallTimeout)
    }
    return new Promise((resolve) => {
      send(() => {
        this.#left++
        this.#charge()
        if (--this.#waiting === 0) {
          this.stream.setTimeout(0)
          clearInterval(this.#watch)
          this.stalled(false)
        }
        this.#settle()
        resolve()
      })
      this.#charge()
      if (isFirst && this.#waiting > 0) this.#watchStall()
    })
  }

  /** That timer begins anew with whatever comes, and some comes while nothing is read: a stream that is paused fills its buffer first. So who writes on, and reads nothing, is looked at, too. */
  #watchStall(): void {
    const { stream, stallTimeout } = this
    clearInterval(this.#watch)
    if (stallTimeout === 0) return
    let left = this.#left
    let queued = queuedIn(stream)
    this.#watch = setInterval(() => {
      const now = queuedIn(stream)
      if (now > 0 && now === queued && this.#left === left) return this.socket.terminate()
      queued = now
      left = this.#left
    }, stallTimeout)
    this.#watch.unref()
  }

  #settle(): void {
    if (this.#sending + this.#waiting === 0) this.#empty?.()
  }
}
