import { type ClientDuplexStream, status as Code, type ServiceError } from '@grpc/grpc-js'
import { clearTimeout, nextTurn, now, setTimeout } from '../../../base/clock.js'
import { ConnectionError, say } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import type { ContextHeaders, Request } from '../../../request/request.js'
import { Keyed } from '../../../stream/keyed.js'
import type { Scope } from '../../../stream/scope.js'
import { type Answering, Numbers } from '../../deltas.js'
import { emptyMessage, type Message, outgoing } from '../../message.js'
import { failure } from '../../outcome.js'
import { ProtoError } from '../../proto/index.js'
import { AHEAD, isNotBegun, LARGE, Parts, SHARE, takingBack, Welcome } from '../../sharing.js'
import { hasCrossed, markUnseen, NOT_BEGUN } from '../../unseen.js'
import { METADATA } from '../methods.js'
import { Outbox } from '../outbox.js'
import type { Failure } from './calls.js'
import { IdleTimeout } from './idle-timeout.js'
import { isShell, Waiting } from './pending.js'

/** Milliseconds that a server is given to end what is late by itself, beyond the time that it had. */
const LATE = 1000
/** Milliseconds by which a timer may be early. */
const EARLY = 2

export interface LaneOptions extends Answering {
  /** For whom its requests are made. */
  readonly who: string
  /** What was brought with the call. */
  readonly brought: string
  /** What goes with every request. */
  readonly headers: ContextHeaders | undefined
  /** Where large requests go instead. Nothing for a stream that is for them. */
  readonly aside?: ((request: Request) => SharedStream) | undefined
  /** How many requests may be unanswered, as far as that is known of a server whose streams several posts share. */
  readonly ahead: number | undefined
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

/**
 * One stream to a server: answers find their requests by id. Where the server knows of that, several posts share it, and each takes back what it does
 * not want any more. Elsewhere it is for one, and ends with it.
 */
export class SharedStream {
  readonly #call: ClientDuplexStream<Buffer, Buffer>
  readonly #outbox: Outbox
  readonly #options: LaneOptions
  readonly #waiting = new Keyed<string, Waiting>()
  /** Given up, but maybe still answered. Their partial answers are let go, and told as taken: who waits for that would keep its place. */
  readonly #gone = new Keyed<string, Waiting>()
  readonly #queue: Waiting[] = []
  readonly #parts = new Parts<Waiting>()
  readonly #numbers = new Numbers()
  readonly #linger = new IdleTimeout()
  /** Nothing yet, where it is over before it begins: its post was given up while it was connected. */
  #unwatch: () => void = () => {}
  #begun = false
  /** Messages that came; how many had when it was still last, and when that ended. */
  #heard = 0
  #rested = -1
  #woken = 0
  /** Whether several posts share it. */
  #shared: boolean
  readonly #welcome = new Welcome()
  /** Whether the server has said that it takes nothing more. */
  #closing = false
  /** How many requests may be on it without an answer. */
  #ahead: number
  /** Those that are, from when they are written. */
  #unanswered = 0
  /** Goes on when there is room for another. */
  #room: (() => void) | undefined
  /** Whether the server has said what it knows of. */
  #known = false
  /** Whether the server wants to hear how many partial answers were taken. */
  #counts = false
  #open = true
  #leaving = false
  #reason: unknown
  #greeted: ((ours: boolean) => void) | undefined
  #writing = false

  /** @param scope of its post, where it is for one */
  constructor(call: ClientDuplexStream<Buffer, Buffer>, scope: Scope, options: LaneOptions) {
    this.#call = call
    this.#shared = options.ahead !== undefined
    this.#ahead = options.ahead ?? AHEAD
    this.#outbox = new Outbox(call)
    this.#options = options
    call.on('metadata', (metadata) => {
      this.#begun = true
      const ahead = Number(metadata.get(METADATA.ahead)[0])
      this.#counts = ahead >= 0
      this.#ahead = ahead > 0 ? ahead : Infinity
      this.#shared = metadata.get(METADATA.shared)[0] === '1'
      this.#known = true
      // On what others share, each request is taken back by itself.
      if (this.#shared) this.#unwatch()
      for (const waiting of this.#gone.values()) this.#takeBack(waiting)
      this.#room?.()
      if (this.#counts) this.#greeted?.(true)
    })
    call.on('data', (bytes: Buffer) => this.#receive(bytes))
    call.on('error', (error: ServiceError) => {
      const fail = (): void => this.#fail(this.#unseenIfCrossed(options.failure(error, this.#begun)))
      // Answers that came before the error are taken before it.
      if (call.readableLength > 0) nextTurn(fail)
      else fail()
    })
    call.on('end', () => this.#end())
    this.#unwatch = scope.watch((reason) => this.#shared || this.close(reason))
  }

  /** How many requests a server takes at once on a stream that several posts share; undefined for one that knows of none. */
  get ahead(): number | undefined {
    return this.#shared ? this.#ahead : undefined
  }

  /** Whether it is for large requests. */
  get isLarge(): boolean {
    return this.#options.aside === undefined
  }

  /** Whether a request can go this way whose post is on it: another with its id, from another branch, must not be. @param who for whom it is made */
  takes(request: Request, who: string): boolean {
    return this.#open && !this.#closing && who === this.#options.who && !this.#waiting.has(request.id) && !this.#gone.has(request.id)
  }

  /** Whether what was brought with it is to be asked for again. */
  get isOld(): boolean {
    return this.#shared && this.#welcome.old
  }

  /**
   * Whether the request of another post can: as long as it need not wait behind those that are on it.
   * @param brought what would be brought with a call of its own
   */
  welcomes(request: Request, who: string, brought: string): boolean {
    return (
      this.#shared &&
      brought === this.#options.brought &&
      !this.#welcome.over &&
      !this.#writing &&
      this.#unanswered < this.#ahead / 2 &&
      this.takes(request, who)
    )
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

  /**
   * @param deadline until when it is waited for
   * @param bytes what the request is in bytes, where that was made
   */
  ask(request: Request, deadline: Scope['deadline'], bytes?: Uint8Array): Promise<Message> {
    this.#linger.note()
    // One that has just begun was never still: what is sent there first may be under way when it ends.
    if (this.#heard > 0 && this.#waiting.size === 0) {
      this.#rested = this.#heard
      this.#woken = now()
    }
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(request, deadline, this.#options, resolve, reject)
      waiting.bytes = bytes
      this.#waiting.set(request.id, waiting)
      waiting.unwatch = request.scope.watch((reason) => this.#giveUp(waiting, reason))
      if (waiting.over) return void this.#gone.delete(request.id)
      if (this.#parts.enter(waiting, this.#shared ? this.#ahead / SHARE : Infinity)) this.#enqueue(waiting)
    })
  }

  #enqueue(waiting: Waiting): void {
    this.#queue.push(waiting)
    if (!this.#writing) void this.#write()
  }

  /** All that is to come for it came, or nothing will. A server may answer twice. */
  #dealtWith(waiting: Waiting | undefined): void {
    if (waiting === undefined) return
    if (waiting.isUnanswered) this.#unanswered--
    waiting.isUnanswered = false
    this.#room?.()
    const next = this.#parts.leave(waiting)
    if (next !== undefined) this.#enqueue(next)
  }

  /** Nobody waits for the answer any more. */
  forget(request: Request, reason: unknown): void {
    const waiting = this.#waiting.get(request.id)
    if (waiting?.request === request) this.#giveUp(waiting, reason)
  }

  #giveUp(waiting: Waiting, reason: unknown): void {
    waiting.fail(reason)
    if (this.#waiting.get(waiting.request.id) === waiting) this.#leave(waiting)
  }

  #leave(waiting: Waiting): void {
    const { id } = waiting.request
    this.#waiting.delete(id)
    this.#gone.set(id, waiting)
    this.#takeBack(waiting)
    this.#rest()
  }

  /**
   * What is not written yet never is. What came with a time that is up, the server ends by itself, and notes that it was late: unless a piece of it went
   * out, from which on it has all the time.
   */
  #takeBack(waiting: Waiting): void {
    if (!this.#shared || !this.#known || !this.#open || !waiting.written || waiting.takenBack || (isOver(waiting) && !waiting.begun)) return
    waiting.takenBack = true
    void this.#outbox.send(this.#options.encode(takingBack(waiting.request.id)))
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
      if (this.#isForgotten(waiting)) continue
      try {
        let bytes = waiting.bytes ?? this.#options.encodeInTurns(outgoing(request, deadline, this.#options.headers))
        waiting.bytes = undefined
        if (bytes instanceof Promise) {
          bytes = await bytes
          if (this.#isForgotten(waiting)) continue
        }
        if (bytes.length >= LARGE && this.#shared && this.#move(waiting, bytes)) continue
        this.#unanswered++
        waiting.isUnanswered = waiting.written = true
        this.#welcome.note(bytes.length)
        publishBytes('client', 'sent', 'grpc', bytes)
        const full = this.#outbox.send(bytes)
        if (full !== undefined) await full
        while (this.#unanswered >= this.#ahead && this.#open) await new Promise<void>((go) => (this.#room = go))
      } catch (error) {
        this.#waiting.delete(request.id)
        waiting.fail(error)
        this.#dealtWith(waiting)
        this.#rest()
      }
    }
    this.#writing = false
    if (this.#closing) this.#rest()
  }

  /** While there is no room for a large request, nothing behind it is read: so they have a stream of their own. */
  #move(waiting: Waiting, bytes: Uint8Array): boolean {
    const { request, deadline } = waiting
    const stream = this.#options.aside?.(request)
    if (stream === undefined) return false
    this.#waiting.delete(request.id)
    waiting.move(stream.ask(request, deadline, bytes))
    this.#dealtWith(waiting)
    this.#rest()
    return true
  }

  #isForgotten(waiting: Waiting): boolean {
    if (this.#waiting.get(waiting.request.id) === waiting) return false
    this.#gone.delete(waiting.request.id)
    this.#dealtWith(waiting)
    return true
  }

  /** No event of grpc-js may throw. */
  #receive(bytes: Buffer): void {
    const { address, decode } = this.#options
    this.#begun = true
    this.#heard++
    publishBytes('client', 'received', 'grpc', bytes)
    let message: Message
    try {
      message = decode(bytes)
    } catch (cause) {
      const own = cause instanceof ProtoError && cause.requestId !== '' ? { cause, requestId: cause.requestId } : undefined
      const error = failure('unimplemented', address, `it sent what cannot be read: ${say(cause)}`, own ?? { cause })
      return own === undefined ? this.close(error) : this.#unread(own.cause, error)
    }
    if (this.#shared && message.requestId === '' && message.status !== undefined) return this.#leaves()
    const id = this.#numbers.idOf(message, this.#awaits)
    const waiting = this.#waiting.get(id)
    if (message.ordinal === undefined) {
      this.#numbers.end(message.requestId)
      this.#dealtWith(waiting ?? this.#gone.get(id))
    }
    if (waiting === undefined) {
      if (message.ordinal === undefined) this.#isGone(id)
      else this.#letGo(id, message)
    } else if (message.ordinal !== undefined) waiting.part(message, this.#taken, this.#unfit)
    else if (isShell(message)) {
      waiting.shell = message
      this.#finish()
    } else if (this.#shared && isNotBegun(message)) {
      this.#elsewhere(waiting)
      this.#rest()
    } else this.#answer(waiting, message)
  }

  /** The server shuts down. What is under way is answered, and what it has not begun goes elsewhere. */
  #leaves(): void {
    this.#closing = true
    for (const waiting of this.#waiting.values()) if (!waiting.written) this.#elsewhere(waiting)
    // Until then, the server hears who leaves, and how much is taken.
    if (!this.#writing) this.#rest()
  }

  /** Nobody has begun with it here. */
  #elsewhere(waiting: Waiting): void {
    this.#waiting.delete(waiting.request.id)
    waiting.fail(markUnseen(failure('closing', this.#options.address, NOT_BEGUN)))
  }

  /** An answer whose documents cannot be read fails its own request, and no others. */
  #unread({ requestId, partial }: ProtoError, error: ConnectionError): void {
    const waiting = this.#waiting.get(requestId)
    if (!partial) this.#dealtWith(waiting ?? this.#gone.get(requestId))
    if (waiting === undefined) {
      if (!partial) this.#isGone(requestId)
    } else if (partial) this.#unfit(waiting, error)
    else {
      this.#waiting.delete(requestId)
      waiting.fail(error)
      this.#rest()
    }
  }

  /** All came of one that was given up. */
  #isGone(id: string): void {
    if (this.#gone.delete(id)) this.#rest()
  }

  /** A piece for somebody who has left: it is told as taken, and the server, if it does not know yet, that nobody waits. */
  #letGo(id: string, message: Message): void {
    const waiting = this.#gone.get(id)
    if (waiting === undefined) return
    waiting.part(message, this.#taken, this.#unfit)
    this.#takeBack(waiting)
  }

  /** A partial answer that cannot be taken fails its request. What comes for it yet, nobody waits for. */
  readonly #unfit = (waiting: Waiting, error: unknown): void => this.#giveUp(waiting, error)

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
    if (this.#gone.size === 0 && (this.#closing || this.#welcome.over)) return this.#finish()
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
    for (const waiting of this.#waiting.values()) if (waiting.shell !== undefined) this.#answer(waiting, waiting.shell)
    // An error, if there is one, comes right after the end.
    nextTurn(() => this.#fail(this.#options.failure({ code: Code.ABORTED, details: 'the stream ended' }, this.#begun)))
  }

  /** What was written to a stream that was still, and on which nothing came since, crossed with the end of its connection. */
  #unseenIfCrossed(reason: unknown): unknown {
    const lost = reason instanceof ConnectionError && reason.code === 'ERR_DISCONNECTED'
    return lost && this.#rested === this.#heard && hasCrossed(this.#woken) ? markUnseen(reason) : reason
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
