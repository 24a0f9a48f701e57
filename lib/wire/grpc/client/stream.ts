import { type ClientDuplexStream, status as Code, type ServiceError } from '@grpc/grpc-js'
import { clearTimeout, nextTurn, setTimeout } from '../../../base/clock.js'
import { type ConnectionError, say } from '../../../base/errors.js'
import type { Request } from '../../../request/request.js'
import type { Scope } from '../../../stream/scope.js'
import { type Answering, Numbers } from '../../deltas.js'
import { emptyMessage, type Message, outgoing } from '../../message.js'
import { failure } from '../../outcome.js'
import { ProtoError } from '../../proto/index.js'
import { AHEAD, METADATA } from '../methods.js'
import { Outbox } from '../outbox.js'
import type { Failure } from './calls.js'
import { IdleTimeout } from './idle-timeout.js'
import { isShell, Waiting } from './pending.js'

/** Milliseconds that a server is given to end what is late by itself, beyond the time that it had. */
const LATE = 1000
/** Milliseconds by which a timer may be early. */
const EARLY = 2

export interface LaneOptions extends Answering {
  /** What its requests have in common: for whom they are made. */
  readonly key: string
  encode(message: Message): Uint8Array
  /** A promise for many documents. */
  encodeInTurns(message: Message): Uint8Array | Promise<Uint8Array>
  decode(bytes: Uint8Array): Message
  readonly failure: Failure
}

/** Whether its time is up. Timers may be early by a moment. */
function isOver({ deadline }: Waiting): boolean {
  return deadline !== undefined && deadline.left < EARLY
}

/** One stream to a server, for requests that belong together: answers find their requests by id. */
export class SharedStream {
  readonly #call: ClientDuplexStream<Buffer, Buffer>
  readonly #outbox: Outbox
  readonly #options: LaneOptions
  readonly #waiting = new Map<string, Waiting>()
  /** Given up, but maybe still answered. Their partial answers are let go, and told as taken: who waits for that would keep its place. */
  readonly #gone = new Map<string, Waiting>()
  readonly #queue: Waiting[] = []
  readonly #numbers = new Numbers()
  readonly #linger = new IdleTimeout()
  /** Nothing yet, where it is over before it begins: its post was given up while it was connected. */
  #unwatch: () => void = () => {}
  #begun = false
  /** How many requests may be on it without an answer. */
  #ahead = AHEAD
  /** How many are. */
  #unanswered = 0
  /** Goes on when there is room for another. */
  #room: (() => void) | undefined
  /** Whether the server wants to hear how many partial answers were taken. */
  #counts = false
  #open = true
  #leaving = false
  #reason: unknown
  #greeted: ((ours: boolean) => void) | undefined
  #writing = false

  constructor(call: ClientDuplexStream<Buffer, Buffer>, scope: Scope, options: LaneOptions) {
    this.#call = call
    this.#outbox = new Outbox(call)
    this.#options = options
    call.on('metadata', (metadata) => {
      this.#begun = true
      const ahead = Number(metadata.get(METADATA.ahead)[0])
      this.#counts = ahead >= 0
      this.#ahead = ahead > 0 ? ahead : Infinity
      this.#room?.()
      if (this.#counts) this.#greeted?.(true)
    })
    call.on('data', (bytes: Buffer) => this.#receive(bytes))
    call.on('error', (error: ServiceError) => {
      const fail = (): void => this.#fail(options.failure(error, this.#begun))
      // Answers that came before the error are taken before it.
      if (call.readableLength > 0) nextTurn(fail)
      else fail()
    })
    call.on('end', () => this.#end())
    this.#unwatch = scope.watch((reason) => this.close(reason))
  }

  /** Whether a request can go this way: another with its id, from another branch, must not be on it. @param key for whom it is made */
  takes(request: Request, key: string): boolean {
    return this.#open && key === this.#options.key && !this.#waiting.has(request.id) && !this.#gone.has(request.id)
  }

  /**
   * Whether somebody of our kind is there, who says so before any request.
   * @throws why the stream is over
   */
  async greeted(milliseconds: number): Promise<boolean> {
    const ours =
      this.#counts ||
      (await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), milliseconds)
        this.#greeted = (ours) => {
          clearTimeout(timer)
          resolve(ours)
        }
        if (!this.#open) this.#greeted(false)
      }))
    this.#greeted = undefined
    if (!this.#open) throw this.#reason
    return ours
  }

  /** @param deadline until when it is waited for */
  ask(request: Request, deadline: Scope['deadline']): Promise<Message> {
    this.#linger.note()
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(request, deadline, this.#options, resolve, reject)
      this.#waiting.set(request.id, waiting)
      this.#queue.push(waiting)
      if (!this.#writing) void this.#write()
    })
  }

  /** Nobody waits for the answer any more. */
  forget({ id }: Request): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    waiting.forget()
    this.#leave(waiting)
  }

  #leave(waiting: Waiting): void {
    const { id } = waiting.request
    this.#waiting.delete(id)
    this.#gone.set(id, waiting)
    this.#rest()
  }

  /** Ends it now, whoever waits. */
  close(reason: unknown): void {
    // Servers end by themselves what came with a time that is up. To take back as many calls as are late in an overload would cost all others their
    // connection: nghttp2 hears of a thousand, and of 33 more a second. Of what was given up before, as of a piece that could not be taken, they know
    // nothing yet. Who asks a second time means it.
    const late = this.#waiting.size === 0 && this.#gone.size > 0 && !this.#leaving && [...this.#gone.values()].every(isOver)
    this.#leaving = true
    this.#fail(reason)
    const cancel = (): void => this.#call.cancel()
    if (!late) return cancel()
    this.#call.end()
    const timer = setTimeout(cancel, LATE)
    timer.unref?.()
    this.#call.on('status', () => clearTimeout(timer))
  }

  /** Writes what waits, as fast as it is read; what is not written yet is not in bytes yet either. */
  async #write(): Promise<void> {
    this.#writing = true
    for (let waiting = this.#queue.shift(); waiting !== undefined; waiting = this.#queue.shift()) {
      const { request, deadline } = waiting
      if (this.#waiting.get(request.id) !== waiting) {
        this.#gone.delete(request.id)
        continue
      }
      try {
        let bytes = this.#options.encodeInTurns(outgoing(request, deadline))
        if (bytes instanceof Promise) {
          bytes = await bytes
          if (this.#waiting.get(request.id) !== waiting) {
            this.#gone.delete(request.id)
            continue
          }
        }
        this.#unanswered++
        const full = this.#outbox.send(bytes)
        if (full !== undefined) await full
        while (this.#unanswered >= this.#ahead && this.#open) await new Promise<void>((go) => (this.#room = go))
      } catch (error) {
        this.#waiting.delete(request.id)
        waiting.fail(error)
        this.#rest()
      }
    }
    this.#writing = false
  }

  /** No event of grpc-js may throw. */
  #receive(bytes: Buffer): void {
    const { address, decode } = this.#options
    this.#begun = true
    let message: Message
    try {
      message = decode(bytes)
    } catch (cause) {
      const own = cause instanceof ProtoError && cause.requestId !== '' ? { cause, requestId: cause.requestId } : undefined
      const error = failure('unimplemented', address, `it sent what cannot be read: ${say(cause)}`, own ?? { cause })
      return own === undefined ? this.close(error) : this.#unread(own.cause, error)
    }
    const id = this.#numbers.idOf(message, this.#awaits)
    const waiting = this.#waiting.get(id)
    if (message.ordinal === undefined) {
      this.#numbers.end(message.requestId)
      this.#unanswered--
      this.#room?.()
    }
    if (waiting === undefined) {
      if (message.ordinal === undefined) this.#gone.delete(id)
      else this.#gone.get(id)?.part(message, this.#taken, this.#unfit)
    } else if (message.ordinal !== undefined) waiting.part(message, this.#taken, this.#unfit)
    else if (isShell(message)) {
      waiting.shell = message
      this.#finish()
    } else this.#answer(waiting, message)
  }

  /** An answer whose documents cannot be read fails its own request, and no others. */
  #unread({ requestId, partial }: ProtoError, error: ConnectionError): void {
    if (!partial) {
      this.#unanswered--
      this.#room?.()
    }
    const waiting = this.#waiting.get(requestId)
    if (waiting === undefined) {
      if (!partial) this.#gone.delete(requestId)
    } else if (partial) this.#unfit(waiting, error)
    else {
      this.#waiting.delete(requestId)
      waiting.fail(error)
      this.#rest()
    }
  }

  /** A partial answer that cannot be taken fails its request. What comes for it yet, nobody waits for. */
  readonly #unfit = (waiting: Waiting, error: unknown): void => {
    waiting.fail(error)
    if (this.#waiting.get(waiting.request.id) === waiting) this.#leave(waiting)
  }

  readonly #awaits = (id: string): boolean => this.#waiting.has(id) || this.#gone.has(id)

  /** Says how many partial answers of a request were taken, in the stream itself: whatever comes between the two, it takes the same way. */
  readonly #taken = (requestId: string, count: number): void => {
    if (this.#counts && this.#open) void this.#outbox.send(this.#options.encode(emptyMessage({ requestId, ordinal: count - 1 })))
  }

  #answer(waiting: Waiting, message: Message): void {
    this.#waiting.delete(waiting.request.id)
    waiting.answer(message)
    this.#rest()
  }

  /** When nothing is under way, waits for more, then ends. */
  #rest(): void {
    if (this.#waiting.size > 0 || !this.#open) return
    this.#linger.start(() => {
      if (this.#gone.size > 0) this.close(undefined)
      else this.#finish()
    })
  }

  /** Sends nothing more; what is under way is still answered. */
  #finish(): void {
    if (!this.#open) return
    this.#open = false
    this.#call.end()
  }

  #end(): void {
    for (const waiting of [...this.#waiting.values()]) if (waiting.shell !== undefined) this.#answer(waiting, waiting.shell)
    // An error, if there is one, comes right after the end.
    nextTurn(() => this.#fail(this.#options.failure({ code: Code.ABORTED, details: 'the stream ended' }, this.#begun)))
  }

  #fail(reason: unknown): void {
    this.#open = false
    this.#reason ??= reason
    this.#greeted?.(false)
    this.#linger.stop()
    this.#unwatch()
    for (const waiting of this.#waiting.values()) waiting.fail(reason)
    this.#waiting.clear()
    this.#queue.length = 0
    this.#room?.()
  }
}
