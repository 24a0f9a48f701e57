import type { Msg } from '@nats-io/transport-node'
import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { asError } from '../../../base/errors.js'
import type { Handler } from '../../../request/handler.js'
import type { ByteBudget, Hold } from '../../../stream/byte-budget.js'
import { Scope } from '../../../stream/scope.js'
import type { Authenticator } from '../../authentication.js'
import { chargeDocuments } from '../../charge.js'
import { type CallContext, readHeaders, tenantOf } from '../../context-headers.js'
import { Credit } from '../../credits.js'
import { answer, emptyMessage, headed, type Message, sealed, unwritten } from '../../message.js'
import { Refusal, told } from '../../outcome.js'
import { PATIENCE_SHARED, WINDOW } from '../../sharing.js'
import { refusedStatus } from '../../status.js'
import { bytes as dialect, Unfit } from '../../websocket/subprotocol.js'
import type { Link } from '../link.js'
import type { ServerSettings } from '../options.js'
import { countIn, PartsIn, PartsOut, SIZE } from '../parts.js'
import { NatsCaller } from './caller.js'

/** Milliseconds after which a client hears who has its request, where no answer has told it. */
const TAKEN = 10

const EMPTY = new Uint8Array(0)
/** Partial answers are not numbered by their request: each has a subject of its own. */
const unnumbered = (): undefined => undefined

/** What all calls have in common. */
export interface Around {
  readonly handler: Handler
  readonly settings: ServerSettings
  readonly authenticator: Authenticator
  readonly link: Link
  /** Where this end alone is told something. */
  readonly at: string
  readonly bytes: ByteBudget | undefined
}

/** A request that came, until it is answered. */
export class Call {
  /** Whose it is: all answers of a client have one beginning. */
  readonly client: string
  readonly #around: Around
  readonly #scope = new Scope()
  readonly #credit = new Credit(WINDOW)
  #timer: ReturnType<typeof setTimeout> | undefined
  #parts: PartsOut | undefined
  #coming: { readonly parts: PartsIn; readonly done: (bytes: Uint8Array) => void; readonly fail: (error: unknown) => void } | undefined
  /** What is being written: what comes behind it waits, as pieces leave in their order. */
  #sending: Promise<void> | undefined

  /** @param reply where its answers go */
  constructor(
    around: Around,
    readonly reply: string,
    /** Whether it wants one answer, and nothing else. */
    readonly plain: boolean,
  ) {
    this.#around = around
    this.client = reply.slice(0, Math.max(0, reply.lastIndexOf('.')))
  }

  /**
   * Answers it. Never throws.
   * @param unknown whether its client has not heard of this end yet: it is told before an executor begins, which may compute for long without a pause
   */
  async run(message: Msg, unknown: boolean): Promise<void> {
    if (unknown) this.#accept()
    else if (!this.plain) this.#timer = setTimeout(() => this.#accept(), TAKEN)
    let unwatch: (() => void) | undefined
    const stopped = new Promise<undefined>((resolve) => {
      unwatch = this.#scope.watch(() => resolve(undefined))
    })
    let hold: Hold | undefined
    try {
      const answered = await Promise.race([stopped, this.#answer(message, (taken) => (hold = taken))])
      if (answered === undefined || this.#scope.aborted) return
      await this.#send(answered.message, hold, answered.endpoint)
    } catch (error) {
      this.#around.settings.onError(error)
    } finally {
      clearTimeout(this.#timer)
      unwatch?.()
      hold?.leave()
      this.#credit.end()
      this.#parts?.end()
    }
  }

  async #answer(received: Msg, take: (hold: Hold | undefined) => void): Promise<{ message: Message; endpoint: string }> {
    const { settings, handler } = this.#around
    let requestId = ''
    try {
      const context = await this.#admitted(received)
      const size = countIn(received.headers?.get(SIZE))
      const length = size ?? received.data.length
      if (length > settings.maxMessageBytes)
        throw new Refusal(
          'tooLarge',
          `A message is larger than ${settings.maxMessageBytes} bytes (maxMessageBytes). Send fewer documents in a request, or raise its limit`,
        )
      const hold = this.#around.bytes?.hold(context.tenant)
      take(hold)
      const room = hold?.ask(this.#scope, length, PATIENCE_SHARED)
      if (room !== undefined) await room
      const data = size === undefined ? received.data : await this.#whole(size, hold)
      let message: Message | undefined
      try {
        message = await dialect.readRequest(data, settings)
      } catch (error) {
        if (!(error instanceof Unfit)) throw error
        requestId = error.requestId
        throw error.cause
      }
      if (message === undefined) throw new Refusal('malformed', 'No DataRequestProto')
      ;({ requestId } = message)
      chargeDocuments(hold, message.docs.length)
      const asked = { ...message, context: hold === undefined ? context : { ...context, hold } }
      const answered = await answer(handler, asked, this.#scope, this.plain ? undefined : this.#part, unnumbered)
      return { message: answered, endpoint: message.execEndpoint || '/' }
    } catch (error) {
      const shown = told(error, (error) => settings.onError(error))
      return { message: emptyMessage({ requestId, status: refusedStatus(shown), ...headed(asError(error)) }), endpoint: '/' }
    }
  }

  /** Who is let in, and what came with it. @throws Refusal */
  async #admitted({ headers }: Msg): Promise<CallContext> {
    const caller = new NatsCaller(headers)
    const verdict = this.#around.authenticator.admit(caller, this.#scope, { runs: true })
    const { denied, identity } = verdict instanceof Promise ? await verdict : verdict
    if (denied !== undefined) throw new Refusal(denied.kind, denied.reason)
    return { identity, tenant: tenantOf(identity, this.client), headers: readHeaders((name) => caller.header(name)) }
  }

  readonly #part = async (piece: Message): Promise<void> => {
    await this.#credit.spend()
    await this.#send(piece)
  }

  // ── parts that come ────────────────────────────────────────────────────────────────────────────────────

  #whole(size: number, hold: Hold | undefined): Promise<Uint8Array> {
    return new Promise<Uint8Array>((done, fail) => {
      // Who does not send what it said keeps the bytes of others.
      hold?.watch(() => fail(this.#around.bytes!.busy()))
      const say = (count: number): void => this.#publish(EMPTY, { 'sluice-got': String(count) })
      this.#coming = { parts: new PartsIn(size, say), done, fail }
      this.#scope.watch(fail)
      this.#accept()
    }).finally(() => {
      this.#coming = undefined
      hold?.unwatch()
    })
  }

  part(bytes: Uint8Array): void {
    const coming = this.#coming
    if (coming === undefined) return
    try {
      const whole = coming.parts.add(bytes)
      if (whole === undefined) return
      this.#coming = undefined
      coming.done(whole)
    } catch (cause) {
      this.#coming = undefined
      coming.fail(new Refusal('malformed', (cause as Error).message, cause))
    }
  }

  // ── what its client says ───────────────────────────────────────────────────────────────────────────────

  /** It took so many partial answers. */
  took(count: number): void {
    this.#credit.taken(count)
  }

  /** It has so many parts of an answer. */
  got(count: number): void {
    this.#parts?.got(count)
  }

  /** Nobody wants it any more. */
  stop(reason: unknown): void {
    this.#scope.abort(reason)
    this.#credit.end()
    this.#parts?.end()
  }

  /** It is cut off, and its client hears why. */
  cut(error: Error): void {
    if (this.#scope.aborted) return
    this.#publish(dialect.writeAnswer(emptyMessage({ status: refusedStatus(error), ...headed(error) })) as Uint8Array)
    this.stop(error)
  }

  // ── what is sent ───────────────────────────────────────────────────────────────────────────────────────

  #accept(): void {
    clearTimeout(this.#timer)
    if (!this.#scope.aborted) this.#publish(EMPTY)
  }

  #publish(body: Uint8Array, headers?: Readonly<Record<string, string>>): void {
    const { link, at } = this.#around
    if (!link.isUp) return
    link.connection.publish(this.reply, body, { ...(!this.plain && { reply: at }), ...(headers !== undefined && { headers: link.headers(headers) }) })
  }

  /**
   * @param endpoint whose answer it is: how large it is, is known before the client takes it
   * @throws what says why a partial answer cannot be written: its executor fails of it
   */
  async #send(message: Message, hold?: Hold, endpoint?: string): Promise<void> {
    const before = this.#sending
    let over!: () => void
    const own = new Promise<void>((resolve) => {
      over = resolve
    })
    this.#sending = own
    try {
      if (before !== undefined) await before
      if (this.#scope.aborted) return
      const data = await this.#write(message)
      if (endpoint !== undefined) this.#around.bytes?.answered(endpoint, data.length)
      hold?.made()
      if (this.#scope.aborted) return
      // Nothing is to be told any more.
      if (message.ordinal === undefined) clearTimeout(this.#timer)
      const { room } = this.#around.link
      if (data.length <= room) this.#publish(data)
      else if (this.plain) this.#publish(await this.#write(this.#beyond(message, room)))
      else await this.#sendParts(data, room, hold)
    } finally {
      if (this.#sending === own) this.#sending = undefined
      over()
    }
  }

  async #write(message: Message): Promise<Uint8Array> {
    const { settings } = this.#around
    const shown = settings.exposeStacks ? message : sealed(message)
    try {
      return (await dialect.writeAnswer(shown)) as Uint8Array
    } catch (error) {
      if (message.ordinal !== undefined) throw error
      return (await dialect.writeAnswer(unwritten(message, error, settings.onError))) as Uint8Array
    }
  }

  #beyond({ requestId }: Message, room: number): Message {
    return emptyMessage({
      requestId,
      status: refusedStatus(new Refusal('tooLarge', `The answer has more than the ${room} bytes that go in one message of NATS`)),
    })
  }

  async #sendParts(data: Uint8Array, room: number, hold: Hold | undefined): Promise<void> {
    const parts = new PartsOut(room)
    this.#parts = parts
    hold?.watch(() => this.stop(new DOMException('The client does not take what it asked for', 'AbortError')))
    try {
      await parts.send(data, (part, isFirst) => {
        if (this.#scope.aborted) return false
        this.#publish(part, isFirst ? { [SIZE]: String(data.length) } : undefined)
        return true
      })
    } finally {
      hold?.unwatch()
    }
  }
}
