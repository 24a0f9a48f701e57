import type { Metadata } from '@grpc/grpc-js'
import { say } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import { type Limiter, limiterOf } from '../../../handler/limits.js'
import type { Handler } from '../../../request/handler.js'
import { RESULTS } from '../../../request/parameters.js'
import { later } from '../../../stream/event-loop.js'
import { Keyed } from '../../../stream/keyed.js'
import type { Scope } from '../../../stream/scope.js'
import { bytesOf } from '../../charge.js'
import { requestContext } from '../../context-headers.js'
import type { Numbering } from '../../deltas.js'
import type { Drain } from '../../drain.js'
import { answer, type Message, sealed, unwritten } from '../../message.js'
import { outcome, Refusal } from '../../outcome.js'
import { decodeMessage, encodeInTurns, encodeMessage } from '../../proto/index.js'
import { SHARE } from '../../sharing.js'
import type { ServerSettings } from '../options.js'
import { CALL_HEADER, CallCharges, type Charges } from './charges.js'
import { Seat, Share } from './share.js'

/** Bytes from which a message takes some of a turn to look over: 1 MiB. */
const LARGE = 1 << 20

/** What all calls of a server share: who answers them, how, and which are under way. */
export class CallsUnderWay {
  readonly settings: ServerSettings
  /** How far the end of the server has come. */
  readonly drain: Drain
  readonly #peer: Handler
  /** Which it stands behind, where it does. */
  readonly limiter: Limiter | undefined
  /** By the connection's other end. */
  readonly #shares = new Keyed<string, Share>()
  /** Whether a client came after the server began to drain. */
  isLate: (peer: string) => boolean = () => true
  /** What calls are charged to, where bytes are counted. */
  readonly charges: CallCharges | undefined

  constructor(peer: Handler, settings: ServerSettings, drain: Drain) {
    this.#peer = peer
    this.limiter = limiterOf(peer)
    this.settings = settings
    this.drain = drain
    const bytes = bytesOf(peer)
    this.charges = bytes && new CallCharges(bytes, settings.maxMessageBytes)
  }

  /**
   * Notes that a call begins. @returns notes its end, and what it shares with others of its connection
   * @throws Refusal when nothing new is taken. A call that came before may begin later, when its message is here
   */
  enter(call: { getPeer(): string; metadata: Metadata }): { leave: () => void; share: Share; charges: Charges | undefined } {
    const peer = call.getPeer()
    if (this.drain.draining && this.isLate(peer)) throw new Refusal('closing', 'This server is shutting down and takes nothing new')
    let share = this.#shares.get(peer)
    if (share === undefined) this.#shares.set(peer, (share = new Share(this.settings.prefetch * SHARE)))
    share.calls++
    let inside = true
    const leave = (): void => {
      if (!inside) return
      inside = false
      if (--share.calls === 0) this.#shares.delete(peer)
    }
    return { leave, share, charges: this.charges?.of(call.metadata.get(CALL_HEADER)[0] as string | undefined) }
  }

  /**
   * Has the peer answer once there is room in the share, and keeps what must not leave: stacks.
   * @throws Refusal for a request that is none, and what `answer()` throws
   */
  async answer(message: Message, scope: Scope, share: Share, partial?: (answer: Message) => Promise<void>, deltas?: Numbering): Promise<Message> {
    const given: unknown = message.parameters[RESULTS]
    // Its time runs from here on, also while it waits for its place.
    const context = requestContext(message.headers, message.context)
    const place = new Seat(share, scope, context?.tenant)
    const hand = async (part: Message): Promise<void> => {
      place.rest()
      try {
        await partial!(this.#outward(part, given))
      } finally {
        place.back()
      }
    }
    try {
      const room = place.enter(context?.deadline)
      if (room !== undefined) await room
      if (scope.aborted) throw scope.reason
      return this.#outward(await answer(this.#peer, Object.assign({}, message, { headers: undefined, context }), scope, partial && hand, deltas), given)
    } finally {
      place.leave()
    }
  }

  /** As `decode()`; for large messages a promise, and others are served before and behind it. */
  decodeInTurns(bytes: Uint8Array): Message | Promise<Message> {
    return bytes.length > LARGE ? this.#decodeLarge(bytes) : this.decode(bytes)
  }

  async #decodeLarge(bytes: Uint8Array): Promise<Message> {
    // It was put together in this turn.
    await new Promise<void>((resolve) => later(resolve))
    const message = this.decode(bytes)
    await new Promise<void>((resolve) => later(resolve))
    return message
  }

  /** @throws Refusal for bytes that are no request */
  decode(bytes: Uint8Array, decode: (bytes: Uint8Array, options: { model: 'v1' | 'v2'; maxDocuments: number }) => Message = decodeMessage): Message {
    publishBytes('server', 'received', 'grpc', bytes)
    return this.understand(() => decode(bytes, this.settings))
  }

  understand<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      const { kind } = outcome(error)
      throw new Refusal(kind === 'tooLarge' ? kind : 'malformed', `The request cannot be read: ${say(error)}`, error)
    }
  }

  /**
   * As `encode()`; for many documents a promise, and others are served while they are written.
   * @param onUnwritten hears of an answer that cannot be
   */
  encodeInTurns(message: Message, onUnwritten?: () => void): Uint8Array | Promise<Uint8Array> {
    const { model, onError } = this.settings
    const instead = (error: unknown): Uint8Array => {
      onUnwritten?.()
      return encodeMessage(unwritten(message, error, onError), { model })
    }
    try {
      const bytes = encodeInTurns(message, { model })
      return bytes instanceof Promise ? bytes.catch(instead) : bytes
    } catch (error) {
      return instead(error)
    }
  }

  /**
   * In bytes; what cannot be said in bytes is an error of who answered.
   * @throws what says why a partial answer cannot be: its executor fails of it
   */
  encode(message: Message): Uint8Array {
    const { model, onError } = this.settings
    try {
      return encodeMessage(message, { model })
    } catch (error) {
      if (message.ordinal !== undefined) throw error
      return encodeMessage(unwritten(message, error, onError), { model })
    }
  }

  #outward(message: Message, given: unknown): Message {
    const { exposeStacks } = this.settings
    // Executors before this one may have said something, in a Flow elsewhere.
    const results = typeof given === 'object' && given !== null ? { ...given, ...(message.parameters[RESULTS] as object) } : undefined
    // A stop can have failed on the way to an answer without an error: another replica gave it.
    const bare = exposeStacks || (message.status?.exception === undefined && message.routes.every(({ status }) => status?.exception === undefined))
    if (results === undefined && bare) return message
    const parameters = results === undefined ? message.parameters : { ...message.parameters, [RESULTS]: results }
    return bare ? { ...message, parameters } : sealed({ ...message, parameters })
  }
}
