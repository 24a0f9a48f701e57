import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import { clearInterval, setInterval } from '../../../base/clock.js'
import { asError } from '../../../base/errors.js'
import type { Handler } from '../../../request/handler.js'
import { GATEWAY } from '../../../request/route.js'
import { inFlight } from '../../../stream/in-flight.js'
import { Scope } from '../../../stream/scope.js'
import { ignore } from '../../../stream/thenable.js'
import type { CallContext } from '../../context-headers.js'
import { numbering } from '../../deltas.js'
import { answer, emptyMessage, type Message, sealed, unwritten } from '../../message.js'
import { isOfRequest, outcome, Refusal } from '../../outcome.js'
import { outcomeIn, refusedStatus } from '../../status.js'
import type { Settings } from '../options.js'
import { Unfit } from '../subprotocol.js'
import { broken, type Close, closeOf, closing, DONE, drained, outOfReach } from './failures.js'
import type { Asked } from './handshake.js'
import { Inbox } from './inbox.js'
import { SendQueue } from './send-queue.js'

/** Milliseconds between looks for a client whose messages are not read for now: so its leaving is not seen but by writing to it. */
const PROBE = 40

/** A connection: requests come in, at most `prefetch` of them are inside, answers go out. */
export class Session {
  /** Resolves when nothing of it is under way. */
  readonly done: Promise<void>
  /** Whether its messages are not read for now. */
  paused = false
  /** What its client had sent when it was last looked at. */
  seen = -1
  readonly #scope = new Scope()
  readonly #inbox = new Inbox<Uint8Array | string>((full) => this.#pause(full, this.#stalled))
  readonly #sendQueue: SendQueue
  #full = false
  #stalled = false
  #ending = DONE
  /** An answer that takes several turns to write: those behind it wait, as pieces of one request leave in their order. */
  #writing: Promise<unknown> | undefined
  readonly #numbers = numbering()
  #probe: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly peer: Handler,
    readonly socket: WebSocket,
    readonly stream: Socket,
    private readonly asked: Asked,
    private readonly settings: Settings,
    private readonly context: CallContext | undefined,
  ) {
    this.#sendQueue = new SendQueue(socket, stream, settings.stallTimeout, (stalled) => this.#pause(this.#full, stalled), this.#onClose)
    socket.on('message', this.#onMessage)
    // It says with which code it closes, and the client hears it.
    socket.on('error', () => {})
    stream.on('timeout', () => socket.terminate())
    stream.on('close', this.#onClose)
    socket.on('close', this.#onClose)
    this.done = this.#run()
  }

  /** Takes nothing more, and closes when what came is answered. */
  drain(): void {
    if (this.#ending === DONE && !this.#inbox.ended) this.#ending = drained()
    this.#inbox.end()
  }

  /** Closes at once. */
  close(ending: Close = closing()): void {
    this.socket.close(ending.code, ending.reason)
    this.#leave(new DOMException(ending.reason || 'The connection is closing', 'AbortError'))
  }

  async #run(): Promise<void> {
    const { prefetch } = this.settings
    try {
      const limit = prefetch === 0 ? Infinity : prefetch
      for await (const _ of inFlight(this.#inbox, this.#answer, { limit, signal: this.#scope.signal })) {
        // They answer as they are done.
      }
      await this.#sendQueue.flushed()
      if (!this.#scope.aborted) this.close(this.#ending)
    } catch (error) {
      if (this.#scope.aborted) return
      const ending = closeOf(error)
      this.close(ending ?? broken())
      if (ending === undefined) report(this.settings, error)
    }
  }

  readonly #answer = async (data: Uint8Array | string): Promise<void> => {
    let message: Message | undefined
    try {
      message = await this.asked.dialect.readRequest(data, this.settings)
    } catch (error) {
      if (!(error instanceof Unfit)) throw error
      return this.#send(failure(error.requestId, error.cause))
    }
    // The end, which is seen as soon as it comes.
    if (message === undefined) return
    await this.#send(await this.#ask(message))
  }

  async #ask(message: Message): Promise<Message> {
    // One each: listeners on a signal that outlives the request would pile up.
    const scope = this.#scope.child()
    try {
      const { partial, deltas } = this.asked
      const asked = { ...message, context: this.context }
      const answered = await answer(this.peer, asked, scope, partial ? this.#send : undefined, deltas ? this.#numbers : undefined)
      // Our own clients take it for what it is, and go on. To others it is said as Jina's gateway says it, unless this server says it of itself, or it is wrong with this request.
      const { kind = 'failed', executor } = outcomeIn(answered.status) ?? {}
      if (!partial && kind !== 'failed' && executor !== GATEWAY && !isOfRequest(kind)) throw outOfReach(answered.status!)
      return answered
    } catch (error) {
      // What is wrong with the request is its answer; anything else concerns the whole connection.
      if (error instanceof Refusal || !isOfRequest(outcome(error).kind)) throw error
      return failure(message.requestId, error)
    } finally {
      scope.close()
    }
  }

  /** @throws what says why a partial answer cannot be written: its executor fails of it */
  readonly #send = async (message: Message): Promise<void> => {
    if (this.#scope.aborted) return
    const { dialect } = this.asked
    const shown = this.settings.exposeStacks ? message : sealed(message)
    let data: string | Uint8Array | Promise<string | Uint8Array>
    try {
      data = dialect.writeAnswer(shown)
    } catch (error) {
      // Tags that are no JSON, for instance.
      data = this.#writeInstead(message, error)
    }
    if (data instanceof Promise || this.#writing !== undefined) data = await this.#inOrder(data, message)
    await this.#sendQueue.send(data)
  }

  #inOrder(data: string | Uint8Array | Promise<string | Uint8Array>, message: Message): Promise<string | Uint8Array> {
    const before = this.#writing
    const written = Promise.resolve(data).catch((error) => this.#writeInstead(message, error))
    // What cannot be written is told to who sends it, and holds up nobody.
    written.catch(ignore)
    const take = () => written
    const turn = before === undefined ? written : before.then(take, take)
    this.#writing = turn
    const done = (): void => {
      if (this.#writing === turn) this.#writing = undefined
    }
    turn.then(done, done)
    return turn
  }

  #writeInstead(message: Message, error: unknown): string | Uint8Array | Promise<string | Uint8Array> {
    if (message.ordinal !== undefined) throw error
    return this.asked.dialect.writeAnswer(unwritten(message, error, this.settings.onError))
  }

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    if (this.#inbox.ended) return
    const item = isBinary ? (data as Buffer) : String(data)
    // The end is seen ahead of its turn, so that nothing behind it is kept.
    const isEnd = isBinary ? item.length === 1 && (item as Buffer)[0]! <= 1 : item.length < 16 && /^\s*\{\s*\}\s*$/.test(item as string)
    if (isEnd && isBinary === (this.asked.dialect.name === 'bytes')) this.#inbox.end()
    else this.#inbox.push(item)
  }

  readonly #onClose = (): void => this.#leave(new DOMException('The client left', 'AbortError'))

  #leave(reason: DOMException): void {
    clearInterval(this.#probe)
    this.#inbox.end(true)
    this.#scope.abort(reason)
  }

  #pause(full: boolean, stalled: boolean): void {
    this.#full = full
    this.#stalled = stalled
    const paused = full || stalled
    if (paused === this.paused) return
    this.paused = paused
    clearInterval(this.#probe)
    if (!paused) return this.socket.resume()
    this.socket.pause()
    // A pong that nobody asked for is not answered: answers would pile up here.
    this.#probe = setInterval(() => this.socket.readyState === this.socket.OPEN && this.socket.pong('', false, () => {}), PROBE)
    this.#probe.unref()
  }
}

/** What hears of errors must not make more of them. */
function report({ onError }: Settings, error: unknown): void {
  try {
    onError(error as Error)
  } catch (worse) {
    console.error('sluice/websocket:', worse)
  }
}

function failure(requestId: string, error: unknown): Message {
  return emptyMessage({ requestId, status: refusedStatus(asError(error)) })
}
