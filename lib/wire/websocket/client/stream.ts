import { clearTimeout, now, setTimeout } from '../../../base/clock.js'
import { ConnectionError, SluiceError, say } from '../../../base/errors.js'
import type { Request } from '../../../request/request.js'
import type { Response } from '../../../request/response.js'
import type { TimeLeft } from '../../../stream/deadlines.js'
import type { Scope } from '../../../stream/scope.js'
import { deadlineOf } from '../../context-headers.js'
import { type Answering, Numbers } from '../../deltas.js'
import type { Identity } from '../../identity.js'
import { type Message, outgoing, partOf, take } from '../../message.js'
import { failure } from '../../outcome.js'
import { onNode } from '../../tls.js'
import { hasCrossed, markUnseen } from '../../unseen.js'
import { type Dialect, Unfit } from '../subprotocol.js'
import { failureOf, unreachable } from './failures.js'
import type { Turns } from './one-by-one.js'
import type { ClientSettings } from './options.js'
import type { Line, LineOptions, Listener } from './socket.js'
import { lineOfBun, onBun } from './socket-bun.js'
import { lineOfNode } from './socket-node.js'
import { lineOfWeb } from './socket-web.js'

/** Partial answers that may wait for their consumer before no more are read. */
const PARTS = 8

/** A request whose answer is not there yet. */
interface Waiting {
  readonly request: Request
  /** Until when it is waited for. */
  readonly deadline: Scope['deadline']
  resolve(): void
  reject(reason: unknown): void
  /** What was handed on last of its partial answers. */
  tail: Promise<void> | undefined
  /** Whether all of its answer came, which waits behind its parts for the consumer. */
  answered: boolean
}

/** Who opens a socket says itself when it is too late, or not wanted. */
const NEVER = { watch: () => () => {} }

/** Opens a socket on whatever platform this is. */
export async function open(url: string, settings: ClientSettings, listener: Listener, identity?: Identity): Promise<Line> {
  const brought = settings.credentials && (await settings.credentials.headers(identity, NEVER))
  const options: LineOptions = brought === undefined ? settings : { ...settings, headers: { ...settings.headers, ...brought } }
  if (onBun) return lineOfBun(url, options, listener)
  return onNode ? lineOfNode(url, options, listener) : lineOfWeb(url, options, listener)
}

/** A socket and the requests on it, of one scope at a time. */
export class Stream implements Listener {
  /** Lets go of the scope that it is for. */
  release: (() => void) | undefined
  over = false
  isOpen = false
  /** What its requests have in common: a socket says once for whom it is. */
  readonly key: string
  readonly #pending = new Map<string, Waiting>()
  /** Given up, but maybe still answered. */
  readonly #gone = new Set<string>()
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
   * @param identity for whom its requests are
   */
  constructor(
    private readonly settings: ClientSettings,
    private readonly dialect: Dialect,
    private readonly turns: Turns | undefined,
    private readonly onOver: (stream: Stream) => void,
    identity?: Identity,
  ) {
    this.key = settings.credentials?.keyOf(identity) ?? ''
    const { address, url, connectTimeout, maxMessageBytes } = settings
    this.#answering = { address, limit: maxMessageBytes }
    this.#opened = new Promise((resolve) => {
      this.#begin = resolve
    })
    this.#timer = setTimeout(() => this.fail(unreachable(address, `no connection within ${connectTimeout} ms`)), connectTimeout)
    open(url, settings, this, identity).then(
      (line) => {
        if (this.over) line.destroy()
        else this.#line = line
      },
      // What is of this side, as a key or a token that cannot be had, says so itself.
      (error) => this.fail(error instanceof SluiceError ? error : failureOf(address, error, false)),
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

  /** Whether an answer for this id may come. */
  has(id: string): boolean {
    return this.#pending.has(id) || this.#gone.has(id)
  }

  /**
   * Sends a request, and settles with its answer.
   * @param time what is left of the `timeout`
   */
  ask(request: Request, time: TimeLeft | undefined): Promise<void> {
    const { id } = request
    const { timeout, address } = this.settings
    if (this.isOpen && this.isIdle) {
      this.#rested = this.#heard
      this.#woken = now()
    }
    let timer: ReturnType<typeof setTimeout> | undefined
    const answered = new Promise<void>((resolve, reject) => {
      const waiting: Waiting = { request, deadline: deadlineOf(time?.left, request.scope.deadline), resolve, reject, tail: undefined, answered: false }
      this.#pending.set(id, waiting)
      if (time !== undefined)
        timer = setTimeout(() => this.#giveUp(waiting, new ConnectionError('ERR_TIMEOUT', address, `no answer within ${timeout} ms`)), Math.max(1, time.left))
      this.#send(waiting).catch(reject)
    })
    return answered.finally(() => {
      clearTimeout(timer)
      this.#pending.delete(id)
      this.turns?.leave(this)
      // The server works for nobody any more, and hears of it by the end alone.
      if (this.isIdle && this.#gone.size > 0) this.fail(undefined)
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
    this.#line?.destroy()
    this.onOver(this)
  }

  /** Ends it where nobody waits for an answer. */
  close(): void {
    this.over = true
    clearTimeout(this.#timer)
    this.#line?.close()
    this.onOver(this)
  }

  // ── what the socket tells ──────────────────────────────────────────────────────────────────────────────

  open(): void {
    clearTimeout(this.#timer)
    this.isOpen = true
    this.#begin()
  }

  closed(error: ConnectionError): void {
    if (error.code === 'ERR_DISCONNECTED' && this.#rested === this.#heard && hasCrossed(this.#woken)) markUnseen(error)
    // What came before it counts.
    if (this.#reading === undefined) this.fail(error, true)
    else this.#reading.then(() => this.fail(error, true))
  }

  message(data: Uint8Array | string): void {
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
    if (!partial) this.#gone.delete(requestId)
    const waiting = this.#whose(requestId)
    if (partial && waiting !== undefined) this.#giveUp(waiting, fail({ requestId }))
    else waiting?.reject(fail({ requestId }))
  }

  readonly #awaits = (id: string): boolean => this.has(id)

  #take(message: Message): void {
    const id = this.#numbers.idOf(message, this.#awaits)
    if (message.ordinal === undefined) {
      this.#numbers.end(id)
      this.#gone.delete(id)
    }
    const waiting = this.#whose(id)
    if (waiting === undefined) return
    if (message.ordinal !== undefined) return this.#part(waiting, message)
    waiting.answered = true
    if (waiting.tail === undefined) this.#settle(waiting, message)
    else waiting.tail.then(() => this.#settle(waiting, message), waiting.reject)
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────

  async #send(waiting: Waiting): Promise<void> {
    if (!this.isOpen) await this.#opened
    const turn = this.turns?.enter(this)
    if (turn !== undefined) await turn
    const room = this.#line?.room()
    if (room !== undefined) await room
    const { request, deadline } = waiting
    // Nobody may wait for it any more.
    if (this.over || this.#pending.get(request.id) !== waiting) return
    const written = this.dialect.writeRequest(outgoing(request, deadline))
    if (!(written instanceof Promise)) return this.#line!.send(written)
    const text = await written
    if (!this.over && this.#pending.get(request.id) === waiting) this.#line!.send(text)
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
    if (emit === undefined) return
    let part: Response
    try {
      part = partOf(request, message, this.#answering)
    } catch (error) {
      return this.#giveUp(waiting, error)
    }
    if (++this.#parts === PARTS) this.#line?.pause(true)
    const taken = (): void => {
      if (this.#parts-- === PARTS) this.#line?.pause(false)
    }
    waiting.tail = (waiting.tail ?? Promise.resolve()).then(() => emit(part)).finally(taken)
    waiting.tail.catch((error) => this.#giveUp(waiting, error))
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
    const { request, answered, reject } = waiting
    reject(error)
    if (answered || this.#pending.get(request.id) !== waiting) return
    // So that the server stops too, where it has nothing else to do for us; or where its answer could be taken for another's.
    if (this.#pending.size === 1 || this.turns?.needed) this.fail(error)
    else this.#gone.add(request.id)
  }
}
