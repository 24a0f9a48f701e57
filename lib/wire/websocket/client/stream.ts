import { clearTimeout, now, setTimeout } from '../../../base/clock.js'
import { ConnectionError, SluiceError, say } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import type { ContextHeaders, Request } from '../../../request/request.js'
import type { Response } from '../../../request/response.js'
import type { TimeLeft } from '../../../stream/deadlines.js'
import { Keyed } from '../../../stream/keyed.js'
import type { Scope } from '../../../stream/scope.js'
import { deadlineOf, givenHeaders } from '../../context-headers.js'
import { type Answering, Numbers } from '../../deltas.js'
import { emptyMessage, type Message, outgoing, partOf, take } from '../../message.js'
import { failure } from '../../outcome.js'
import { AHEAD, isNotBegun, LARGE, LARGE_QUERY, Parts, SHARE, takingBack, Welcome, WINDOW } from '../../sharing.js'
import { onNode } from '../../tls.js'
import { hasCrossed, markUnseen, NOT_BEGUN } from '../../unseen.js'
import { type Dialect, Unfit } from '../subprotocol.js'
import { failureOf, unreachable } from './failures.js'
import type { Turns } from './one-by-one.js'
import type { ClientSettings } from './options.js'
import type { Line, LineOptions, Listener } from './socket.js'
import { lineOfNode } from './socket-node.js'
import { lineOfWeb } from './socket-web.js'

/** Partial answers that may wait for their consumer before no more are read. On what several share, the server waits to hear of each. */
const PARTS = 8
/** Milliseconds by which a timer may be early. */
const EARLY = 2
/** Milliseconds in which a server greets that lets several posts share a socket. */
const GREETING = 150

/** A request whose answer is not there yet. */
interface Waiting {
  readonly request: Request
  /** Until when it is waited for. */
  readonly deadline: Scope['deadline']
  /** What is left of the `timeout`. */
  readonly time: TimeLeft | undefined
  /** What it is in bytes, where that was made elsewhere. */
  data: string | Uint8Array | undefined
  resolve(answered?: Promise<void>): void
  reject(reason: unknown): void
  /** Whether it counts among those that are unanswered, and among those of its post. */
  isUnanswered: boolean
  isInside: boolean
  /** Whether the server may have it. */
  written: boolean
  /** What was handed on last of its partial answers, and how many were taken. */
  tail: Promise<void> | undefined
  taken: number
  takenBack: boolean
  /** Whether all of its answer came, which waits behind its parts for the consumer. */
  answered: boolean
}

/**
 * Opens a socket on whatever platform this is.
 * @param brought what shows who asks, and for whom
 */
export async function open(url: string, settings: ClientSettings, brought: Record<string, string> | undefined, listener: Listener): Promise<Line> {
  const options: LineOptions = brought === undefined ? settings : { ...settings, headers: { ...settings.headers, ...brought } }
  return onNode ? lineOfNode(url, options, listener) : lineOfWeb(url, options, listener)
}

/** What streams are among. */
export interface Around {
  /** Whether it may turn out that posts share one. */
  readonly mayShare: () => boolean
  /** Asks on one for large requests instead. @param data what the request is in bytes */
  readonly aside: (stream: Stream, request: Request, time: TimeLeft | undefined, data: string | Uint8Array) => Promise<void>
  /** One is over. */
  readonly onOver: (stream: Stream) => void
}

/** A socket and the requests on it: of several posts, where the server greets with that; else of one at a time. */
export class Stream implements Listener {
  /** Lets go of the scope that it is for, where it is for one. */
  release: (() => void) | undefined
  over = false
  isOpen = false
  /** Whether several posts share it. */
  isShared = false
  /** Whether that is told. */
  isKnown = false
  /** Resolves when it is, or it is over. */
  readonly known: Promise<void>
  /** Why it could not be opened. */
  broken: unknown
  #tell!: () => void
  /** Whether a message came: the first one is the greeting, if there is one. */
  #met = false
  #greeting: ReturnType<typeof setTimeout> | undefined
  readonly #pending = new Keyed<string, Waiting>()
  /** Given up, but maybe still answered. */
  readonly #gone = new Keyed<string, Waiting>()
  /** How many requests may be unanswered, and those that are, from when they are sent; those that wait for it. */
  #ahead: number
  #unanswered = 0
  readonly #queue: Waiting[] = []
  /** Of those that go with the handshake: on what posts share, each request has its own. */
  readonly #headers: ContextHeaders | undefined
  readonly #shares = new Parts<Waiting>()
  readonly #welcome = new Welcome()
  /** Whether the server has said that it takes nothing more. */
  #closing = false
  readonly #numbers = new Numbers()
  readonly #answering: Answering
  readonly #opened: Promise<void>
  readonly #timer: ReturnType<typeof setTimeout>
  #begin!: () => void
  #line: Line | undefined
  #parts = 0
  /** Messages that came; how many had when it was idle last, and when that ended. */
  #heard = 0
  #rested = -1
  #woken = 0
  #reason: unknown
  /** An answer that takes several turns to read: what comes behind it waits, as pieces of one request come in their order. */
  #reading: Promise<void> | undefined

  /**
   * @param turns given where answers may not say whose they are
   * @param isLarge whether it is for large requests
   * @param who for whom its requests are
   * @param headers what is to be brought
   * @param brought the same as a text
   */
  constructor(
    private readonly settings: ClientSettings,
    private readonly dialect: Dialect,
    private readonly turns: Turns | undefined,
    private readonly around: Around,
    readonly who: string,
    readonly headers: Record<string, string> | undefined,
    readonly brought: string,
    readonly isLarge = false,
  ) {
    const { address, connectTimeout, maxMessageBytes } = settings
    const url = isLarge ? `${settings.url}&${LARGE_QUERY}=1` : settings.url
    this.#answering = { address, limit: maxMessageBytes }
    this.#headers = givenHeaders(settings.headers)
    this.#ahead = turns === undefined ? AHEAD : Infinity
    this.#opened = new Promise((resolve) => {
      this.#begin = resolve
    })
    this.known = new Promise((resolve) => {
      this.#tell = () => {
        this.isKnown = true
        clearTimeout(this.#greeting)
        resolve()
      }
    })
    this.#timer = setTimeout(() => this.#break(unreachable(address, `no connection within ${connectTimeout} ms`)), connectTimeout)
    open(url, settings, headers, this).then(
      (line) => {
        if (this.over) line.destroy()
        else this.#line = line
      },
      // What is of this side, as a key that cannot be had, says so itself.
      (error) => this.#break(error instanceof SluiceError ? error : failureOf(address, error, false)),
    )
  }

  get isIdle(): boolean {
    return this.#pending.size === 0
  }

  /** @throws the reason why it is not */
  async opened(): Promise<void> {
    await this.#opened
    if (this.over) throw this.#reason
  }

  /** @param alive whether it keeps the process alive */
  hold(alive: boolean): void {
    this.#line?.hold(alive)
  }

  /** Whether a request can go this way whose post is on it. @param who for whom it is made */
  takes(id: string, who: string): boolean {
    return !this.over && !this.#closing && who === this.who && !this.#awaits(id)
  }

  /** Whether the request of another post can: as long as it need not wait behind those that are on it. */
  welcomes(id: string): boolean {
    return (
      this.isShared &&
      !this.#welcome.over &&
      this.#unanswered < this.#ahead / 2 &&
      this.#queue.length === 0 &&
      this.#line?.room() === undefined &&
      this.takes(id, this.who)
    )
  }

  /** Whether what was brought with it is to be asked for again. */
  get isOld(): boolean {
    return this.isShared && this.#welcome.old
  }

  /** Whether it is not kept for more. */
  get isDone(): boolean {
    return this.#closing || (this.isShared && this.#welcome.over)
  }

  /**
   * Sends a request, and settles with its answer.
   * @param time what is left of the `timeout`
   * @param data what the request is in bytes, where that was made
   */
  ask(request: Request, time: TimeLeft | undefined, data?: string | Uint8Array): Promise<void> {
    const { id } = request
    const { timeout, address } = this.settings
    if (this.isOpen && this.isIdle) {
      this.#rested = this.#heard
      this.#woken = now()
    }
    let timer: ReturnType<typeof setTimeout> | undefined
    let unwatch!: () => void
    let waiting!: Waiting
    const answered = new Promise<void>((resolve, reject) => {
      const deadline = deadlineOf(time?.left, request.scope.deadline)
      waiting = {
        request,
        deadline,
        time,
        data,
        resolve,
        reject,
        isUnanswered: false,
        isInside: false,
        written: false,
        tail: undefined,
        taken: 0,
        takenBack: false,
        answered: false,
      }
      this.#pending.set(id, waiting)
      if (time !== undefined)
        timer = setTimeout(() => this.#giveUp(waiting, new ConnectionError('ERR_TIMEOUT', address, `no answer within ${timeout} ms`)), Math.max(1, time.left))
      unwatch = request.scope.watch((reason) => this.isShared && this.#giveUp(waiting, reason))
      if (this.#shares.enter(waiting, this.isShared ? this.#ahead / SHARE : Infinity)) this.#enqueue(waiting)
    })
    return answered.finally(() => {
      clearTimeout(timer)
      unwatch()
      if (this.#pending.get(id) === waiting) this.#pending.delete(id)
      this.turns?.leave(this)
      // The server works for nobody any more, and hears of it by the end alone, where there is no other way to tell it.
      if (this.isIdle && this.#gone.size > 0 && !this.isShared) this.fail(undefined)
    })
  }

  /**
   * Ends it, with what all are told who wait for an answer. The server tells its executors.
   * @param lost whether nothing more can come: who has all of its answer needs nothing more
   */
  fail(reason: unknown, lost = false): void {
    // Also of what was left when it was lost.
    for (const { reject, answered } of this.#pending.values()) if (!(lost && answered)) reject(reason)
    if (this.over) return
    this.over = true
    this.#reason = reason
    clearTimeout(this.#timer)
    this.#begin()
    this.#tell()
    this.#line?.destroy()
    this.around.onOver(this)
  }

  /** It could not be opened, or is lost. */
  #break(error: unknown): void {
    // One that was left says so too: of whoever is there, nothing.
    if (!this.over) this.broken = error
    this.fail(error, true)
  }

  /** Ends it where nobody waits for an answer. */
  close(): void {
    this.over = true
    clearTimeout(this.#timer)
    this.#tell()
    this.#line?.close()
    this.around.onOver(this)
  }

  // ── what the socket tells ──────────────────────────────────────────────────────────────────────────────

  open(): void {
    clearTimeout(this.#timer)
    this.isOpen = true
    this.#begin()
    this.#greeting = setTimeout(this.#tell, GREETING)
    ;(this.#greeting as { unref?(): void }).unref?.()
  }

  closed(error: ConnectionError): void {
    if (error.code === 'ERR_DISCONNECTED' && this.#rested === this.#heard && hasCrossed(this.#woken)) markUnseen(error)
    // What came before it counts.
    if (this.#reading === undefined) this.#break(error)
    else this.#reading.then(() => this.#break(error))
  }

  message(data: Uint8Array | string): void {
    publishBytes('client', 'received', 'websocket', data)
    this.#heard++
    if (this.#reading !== undefined) return this.#readNext(this.#reading.then(() => this.dialect.readAnswer(data)))
    try {
      const message = this.dialect.readAnswer(data)
      if (message instanceof Promise) this.#readNext(message)
      else this.#take(message)
    } catch (cause) {
      this.#unread(cause)
    }
  }

  #readNext(message: Promise<Message>): void {
    const reading = message.then(
      (message) => this.#take(message),
      (cause) => this.#unread(cause),
    )
    this.#reading = reading.then(() => {
      if (this.#reading === last) this.#reading = undefined
    })
    const last = this.#reading
  }

  #unread(cause: unknown): void {
    const requestId = cause instanceof Unfit ? cause.requestId : ''
    const fail = (more: { requestId?: string }) =>
      failure('unimplemented', this.settings.address, `an answer that cannot be read: ${say(cause)}`, { cause, ...more })
    // It fails its own request, and no others.
    if (requestId === '') return this.fail(fail({}))
    const { partial } = cause as Unfit
    const waiting = this.#whose(requestId)
    if (!partial) this.#dealtWith(requestId, waiting)
    if (partial && waiting !== undefined) this.#giveUp(waiting, fail({ requestId }))
    else waiting?.reject(fail({ requestId }))
  }

  /** Whether an answer for this id may come. */
  readonly #awaits = (id: string): boolean => this.#pending.has(id) || this.#gone.has(id)

  #take(message: Message): void {
    const { requestId, ordinal } = message
    if (requestId === '' && message.deltas === undefined && this.turns === undefined) return this.#takeOwn(message)
    if (!this.isShared) this.#greeted(false, Infinity)
    const id = this.#numbers.idOf(message, this.#awaits)
    const waiting = this.#whose(id)
    if (ordinal === undefined) {
      this.#numbers.end(id)
      this.#dealtWith(id, waiting)
    }
    // Who makes parts for somebody who has left waits to hear of each, until it hears of that.
    if (waiting === undefined) return ordinal === undefined ? undefined : this.#letGo(id)
    // Behind an answer, nothing more belongs to it.
    if (waiting.answered) return
    if (ordinal !== undefined) return this.#part(waiting, message)
    if (this.isShared && isNotBegun(message)) return this.#elsewhere(waiting)
    waiting.answered = true
    if (waiting.tail === undefined) this.#settle(waiting, message)
    else waiting.tail.then(() => this.#settle(waiting, message), waiting.reject)
  }

  /** What a server says of itself: that several posts may share this, and how many requests may be unanswered; that it takes nothing more. */
  #takeOwn({ ordinal, status }: Message): void {
    // However late it comes, it is the first message.
    if (ordinal !== undefined) this.#greeted(true, ordinal === 0 ? Infinity : ordinal)
    else if (this.isShared && status !== undefined) {
      this.#closing = true
      for (const waiting of this.#pending.values()) if (!waiting.written) this.#elsewhere(waiting)
      if (this.isIdle) this.close()
    }
  }

  /** The first message says whether several posts share it, and how many requests may be unanswered then. */
  #greeted(isShared: boolean, ahead: number): void {
    if (this.#met) return
    this.#met = true
    this.isShared = isShared
    this.#ahead = ahead
    this.#tell()
    if (isShared) for (const waiting of this.#gone.values()) this.#takeBack(waiting)
    this.#fill()
  }

  /** Nobody has begun with it here. */
  #elsewhere({ reject }: Waiting): void {
    reject(markUnseen(failure('closing', this.settings.address, NOT_BEGUN)))
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────

  #enqueue(waiting: Waiting): void {
    if (this.#unanswered >= this.#ahead) return void this.#queue.push(waiting)
    this.#unanswered++
    waiting.isUnanswered = true
    this.#send(waiting).catch((error) => {
      waiting.reject(error)
      this.#free(waiting)
    })
  }

  /** All that is to come for it came. */
  #dealtWith(id: string, waiting = this.#gone.get(id)): void {
    this.#gone.delete(id)
    if (waiting?.written) this.#free(waiting)
  }

  /** There is room for others: of its post, or of any. */
  #free(waiting: Waiting): void {
    if (waiting.isUnanswered) this.#unanswered--
    waiting.isUnanswered = false
    const next = this.#shares.leave(waiting)
    if (next !== undefined) this.#queue.push(next)
    this.#fill()
  }

  #fill(): void {
    while (this.#unanswered < this.#ahead && this.#queue.length > 0) this.#enqueue(this.#queue.shift()!)
  }

  async #send(waiting: Waiting): Promise<void> {
    if (!this.isOpen) await this.#opened
    const turn = this.turns?.enter(this)
    if (turn !== undefined) await turn
    const room = this.#line?.room()
    if (room !== undefined) await room
    const { request, deadline } = waiting
    // Nobody may wait for it any more.
    if (this.over || this.#pending.get(request.id) !== waiting) return this.#free(waiting)
    let data = waiting.data ?? this.dialect.writeRequest(outgoing(request, deadline, this.#headers))
    waiting.data = undefined
    if (data instanceof Promise) {
      data = await data
      if (this.over || this.#pending.get(request.id) !== waiting) return this.#free(waiting)
    }
    // While there is no room for a large request, nothing behind it is read: so they have a socket of their own.
    if (data.length >= LARGE && !this.isLarge) {
      if (!this.isKnown && this.around.mayShare()) {
        await this.known
        if (this.over || this.#pending.get(request.id) !== waiting) return this.#free(waiting)
      }
      if (this.isShared) {
        this.#pending.delete(request.id)
        waiting.resolve(this.around.aside(this, request, waiting.time, data))
        return this.#free(waiting)
      }
    }
    waiting.written = true
    this.#welcome.note(data.length)
    publishBytes('client', 'sent', 'websocket', data)
    this.#line!.send(data)
  }

  #whose(id: string): Waiting | undefined {
    const waiting = this.#pending.get(id)
    if (this.turns?.needed !== true) return waiting
    this.turns.tell(waiting !== undefined)
    // A server that makes up ids of its own got one request at a time, the oldest.
    return waiting ?? this.#pending.values().next().value
  }

  #part(waiting: Waiting, message: Message): void {
    const { request } = waiting
    const { emit } = request
    if (emit === undefined) return this.isShared ? this.#taken(waiting) : undefined
    let part: Response
    try {
      part = partOf(request, message, this.#answering)
    } catch (error) {
      return this.#giveUp(waiting, error)
    }
    if (!this.isShared && ++this.#parts === PARTS) this.#line?.pause(true)
    const { isShared } = this
    const taken = (): void => {
      if (isShared) this.#taken(waiting)
      else if (this.#parts-- === PARTS) this.#line?.pause(false)
    }
    waiting.tail = (waiting.tail ?? Promise.resolve()).then(() => emit(part)).finally(taken)
    waiting.tail.catch((error) => this.#giveUp(waiting, error))
  }

  /** A piece for somebody who has left. */
  #letGo(id: string): void {
    const waiting = this.#gone.get(id)
    if (waiting === undefined || !this.isShared) return
    this.#taken(waiting)
    this.#takeBack(waiting)
  }

  /** Says now and then how many partial answers of a request were taken. */
  #taken(waiting: Waiting): void {
    if (++waiting.taken % (WINDOW / 2) === 0) this.#say(emptyMessage({ requestId: waiting.request.id, ordinal: waiting.taken - 1 }))
  }

  #say(message: Message): void {
    if (!this.over) this.#line?.send(this.dialect.writeRequest(message) as Uint8Array)
  }

  #settle({ request, resolve, reject }: Waiting, message: Message): void {
    try {
      take(request, message)
      resolve()
    } catch (error) {
      reject(error)
    }
  }

  /** Fails a request that the server still works for. */
  #giveUp(waiting: Waiting, error: unknown): void {
    const { request, answered, written, reject } = waiting
    const { id } = request
    reject(error)
    if (answered || this.#pending.get(id) !== waiting) return
    if (this.isShared) {
      // At once, so that a request of another branch that has its id does not come here.
      this.#pending.delete(id)
      if (!written) return
      this.#gone.set(id, waiting)
      return this.#takeBack(waiting)
    }
    // So that the server stops too, where it has nothing else to do for us; or where its answer could be taken for another's.
    if (this.#pending.size === 1 || this.turns?.needed) this.fail(error)
    else this.#gone.set(id, waiting)
  }

  /** What came with a time that is up, the server ends by itself, and notes that it was late: unless a piece of it went out, from which on it has all the time. */
  #takeBack(waiting: Waiting): void {
    const { request, deadline, tail, taken, takenBack } = waiting
    if (takenBack || (deadline !== undefined && deadline.left < EARLY && tail === undefined && taken === 0)) return
    waiting.takenBack = true
    this.#say(takingBack(request.id))
  }
}
