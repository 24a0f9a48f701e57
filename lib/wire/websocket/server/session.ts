import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import { clearInterval, setInterval, setTimeout } from '../../../base/clock.js'
import { asError } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import type { Handler } from '../../../request/handler.js'
import { GATEWAY } from '../../../request/route.js'
import type { ByteBudget, Hold } from '../../../stream/byte-budget.js'
import { inFlight } from '../../../stream/in-flight.js'
import { Scope } from '../../../stream/scope.js'
import { ignore } from '../../../stream/thenable.js'
import { bytesOf, chargeDocuments, JSON_WEIGHT } from '../../charge.js'
import type { CallContext } from '../../context-headers.js'
import { Credits } from '../../credits.js'
import { numbering } from '../../deltas.js'
import { answer, emptyMessage, headed, type Message, sealed, unwritten } from '../../message.js'
import { isOfRequest, outcome, Refusal, told } from '../../outcome.js'
import { isAside, Revocable } from '../../revocable.js'
import { closingMessage, notBegun, PATIENCE_SHARED, SHARE } from '../../sharing.js'
import { outcomeIn, refusedStatus } from '../../status.js'
import type { Settings } from '../options.js'
import { Unfit } from '../subprotocol.js'
import { type Charge, Charges } from './charges.js'
import { broken, type Close, closeOf, closing, DONE, drained, outOfReach } from './failures.js'
import type { Asked } from './handshake.js'
import { Inbox } from './inbox.js'
import { SendQueue } from './send-queue.js'

/** Milliseconds between looks for a client whose messages are not read for now: so its leaving is not seen but by writing to it. */
const PROBE = 40
/** Milliseconds that a client has to read why it is refused. */
const GOODBYE = 500

/** A connection: requests come in, at most `prefetch` of them are inside, answers go out. */
export class Session {
  /** Resolves when nothing of it is under way. */
  readonly done: Promise<void>
  /** Whether its messages are not read for now. */
  paused = false
  /** What its client had sent when it was last looked at. */
  seen = -1
  readonly #scope = new Scope()
  readonly #inbox = new Inbox<Uint8Array | string>((full) => {
    this.#full = full
    this.#pause()
  })
  readonly #sendQueue: SendQueue
  readonly #charges: Charges | undefined
  readonly #bytes: ByteBudget | undefined
  #full = false
  #stalled = false
  #short = false
  #ending = DONE
  /** An answer that takes several turns to write: those behind it wait, as pieces of one request leave in their order. */
  #writing: Promise<unknown> | undefined
  readonly #numbers = numbering()
  readonly #credits: Credits
  /** Where its client shares it among its posts. */
  readonly #revocable: Revocable | undefined
  #draining = false
  #probe: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly peer: Handler,
    readonly socket: WebSocket,
    readonly stream: Socket,
    private readonly asked: Asked,
    private readonly settings: Settings,
    private readonly context: CallContext | undefined,
  ) {
    this.#credits = new Credits(asked.window)
    this.#revocable = asked.window > 0 ? new Revocable() : undefined
    const bytes = bytesOf(peer)
    this.#bytes = bytes
    this.#sendQueue = new SendQueue(socket, stream, settings.stallTimeout, bytes?.hold(context?.tenant, true), this.#onStalled, this.#onClose)
    if (bytes !== undefined) {
      const shared = this.#revocable !== undefined
      const about = {
        tenant: context?.tenant,
        scope: this.#scope,
        weight: asked.dialect.name === 'json' ? JSON_WEIGHT : 1,
        shared,
        patience: shared && !asked.large ? PATIENCE_SHARED : undefined,
      }
      this.#charges = new Charges(bytes, about, stream, this.#onShort, (reason) => this.#refuse(reason))
    }
    socket.on('message', this.#onMessage)
    // It says with which code it closes, and the client hears it.
    socket.on('error', () => {})
    stream.on('timeout', () => socket.terminate())
    // Before `ws`, which reads on then without the gate.
    stream.prependListener('close', this.#onClose)
    socket.on('close', this.#onClose)
    this.done = this.#run()
  }

  /** Takes nothing more, and closes when what came is answered. Who shares it hears of it at once, and leaves: nobody waits for the slowest of the others. */
  drain(): void {
    if (this.#revocable !== undefined) {
      this.#draining = true
      return void this.#send(closingMessage())
    }
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
    const shared = this.#revocable !== undefined
    try {
      const limit = prefetch === 0 ? Infinity : prefetch * (shared ? SHARE : 1)
      if (shared) await this.#send(emptyMessage({ ordinal: limit === Infinity ? 0 : limit }))
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
    const turn = this.#revocable?.next() ?? 0
    const charge = this.#charges?.next()
    if (charge === undefined) return this.#answerTo(data, turn, undefined)
    try {
      await this.#answerTo(data, turn, charge)
    } finally {
      charge.hold.leave()
    }
  }

  async #answerTo(data: Uint8Array | string, turn: number, charge: Charge | undefined): Promise<void> {
    const hold = charge?.hold
    publishBytes('server', 'received', 'websocket', data)
    let message: Message | undefined
    try {
      message = await this.asked.dialect.readRequest(data, this.settings)
    } catch (error) {
      if (!(error instanceof Unfit)) throw error
      return void (await this.#send(failure(error.requestId, error.cause)))
    }
    // The end, which is seen as soon as it comes.
    if (message === undefined) return
    if (charge?.refused !== undefined) {
      const refused = failure(message.requestId, charge.refused)
      return void (await this.#send({ ...refused, ...headed(asError(charge.refused)) }))
    }
    chargeDocuments(hold, message.docs.length)
    const asked = message
    const answered =
      this.#revocable?.run(asked.requestId, turn, this.#scope, (scope) => this.#ask(asked, scope, hold)) ?? this.#ask(asked, this.#scope.child(), hold)
    await this.#send(await answered, hold, asked.execEndpoint || '/')
  }

  /** @param scope of its own: listeners on a signal that outlives the request would pile up */
  async #ask(message: Message, scope: Scope, hold: Hold | undefined): Promise<Message> {
    const { requestId } = message
    if (this.#draining) return notBegun(requestId)
    const account = this.#credits.open(requestId)
    const part = async (piece: Message): Promise<void> => {
      await account?.credit.spend()
      await this.#send(piece)
    }
    try {
      const { partial, deltas } = this.asked
      const asked = { context: hold === undefined ? this.context : Object.assign({}, this.context, { hold }), ...message }
      const answered = await answer(this.peer, asked, scope, partial ? part : undefined, deltas ? this.#numbers : undefined)
      // Our own clients take it for what it is, and go on. To others it is said as Jina's gateway says it, unless this server says it of itself, or it is wrong with this request.
      const { kind = 'failed', executor } = outcomeIn(answered.status) ?? {}
      if (!partial && kind !== 'failed' && executor !== GATEWAY && !isOfRequest(kind)) throw outOfReach(answered.status!)
      return answered
    } catch (error) {
      // What is wrong with the request is its answer; anything else concerns the whole connection, unless others share it.
      if (this.#scope.aborted) throw error
      if (this.#revocable !== undefined)
        return failure(
          requestId,
          told(error, (error) => report(this.settings, error)),
        )
      if (error instanceof Refusal || !isOfRequest(outcome(error).kind)) throw error
      return failure(requestId, error)
    } finally {
      account?.close()
      scope.close()
    }
  }

  /**
   * @param hold has room for it until it is written
   * @param endpoint whose answer it is: how large it is, is known before the client takes it
   * @throws what says why a partial answer cannot be written: its executor fails of it
   */
  readonly #send = async (message: Message, hold?: Hold, endpoint?: string): Promise<void> => {
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
    if (endpoint !== undefined) this.#bytes?.answered(endpoint, data.length)
    hold?.made()
    publishBytes('server', 'sent', 'websocket', data)
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
    const isTaken = this.#take(data, isBinary)
    this.#charges?.whole(isTaken)
  }

  /** @returns whether it is for its turn */
  #take(data: RawData, isBinary: boolean): boolean {
    if (this.#inbox.ended) return false
    const item = isBinary ? (data as Buffer) : String(data)
    // The end is seen ahead of its turn, so that nothing behind it is kept.
    const isEnd = isBinary ? item.length === 1 && (item as Buffer)[0]! <= 1 : item.length < 16 && /^\s*\{\s*\}\s*$/.test(item as string)
    if (isEnd && isBinary === (this.asked.dialect.name === 'bytes')) {
      this.#charges?.end(false)
      this.#inbox.end()
    } else if (this.#revocable === undefined || !isAside(item as Buffer, this.#credits, this.#revocable)) {
      this.#charges?.taken((data as Buffer).length)
      this.#inbox.push(item)
      return true
    }
    return false
  }

  readonly #onClose = (): void => this.#leave(new DOMException('The client left', 'AbortError'))

  #leave(reason: DOMException): void {
    clearInterval(this.#probe)
    this.#inbox.end(true)
    this.#credits.end()
    this.#scope.abort(reason)
    this.#charges?.end(true)
    this.#sendQueue.end()
  }

  readonly #onStalled = (stalled: boolean): void => {
    this.#stalled = stalled
    this.#pause()
  }

  readonly #onShort = (short: boolean): void => {
    this.#short = short
    this.#credits.lift(short)
    this.#pause()
  }

  /** Ends the connection of who sends more than there is room for. */
  #refuse(reason: unknown): void {
    if (this.#scope.aborted) return
    this.close(closeOf(reason))
    // What it goes on to send stays where it is: it would be kept until its message is whole.
    this.socket.pause()
    setTimeout(() => this.socket.terminate(), GOODBYE).unref?.()
  }

  #pause(): void {
    const paused = this.#full || this.#stalled || this.#short
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
