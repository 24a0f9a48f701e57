import type { Msg, Subscription } from '@nats-io/transport-node'
import { clearInterval, setInterval } from '../../../base/clock.js'
import { FlowStateError, SluiceError, say } from '../../../base/errors.js'
import { tell } from '../../../base/incidents.js'
import type { Handler } from '../../../request/handler.js'
import { Keyed } from '../../../stream/keyed.js'
import { Scope } from '../../../stream/scope.js'
import type { Authenticator } from '../../authentication.js'
import { bytesOf } from '../../charge.js'
import { Drain } from '../../drain.js'
import { failure, Refusal } from '../../outcome.js'
import { encodeStatus } from '../../proto/index.js'
import { LIVE } from '../../said.js'
import type { Speaker } from '../../speaker.js'
import { refusedStatus } from '../../status.js'
import { dryRun } from '../../websocket/server/dry-run.js'
import type { DurableWorker } from '../durable/worker.js'
import { Link } from '../link.js'
import { type NatsSpeakerOptions, type ServerSettings, serverSettings } from '../options.js'
import { SIZE } from '../parts.js'
import { type Around, Call } from './call.js'
import { NatsCaller } from './caller.js'

/** Milliseconds between looks whether clients are still there whose requests are under way. */
const LOOK = 2000
/** Those who are of one name share what comes. */
const QUEUE = 'sluice'
/** Of how many clients it is known that they have heard of this end. */
const KNOWN = 4096

const EMPTY = new Uint8Array(0)
const decoder = new TextDecoder()
const encoder = new TextEncoder()

/**
 * Answers over NATS, under a name that others may have too: what comes is shared among all of them. It connects to a server of NATS, and listens at no port.
 * @throws ConnectionError where that is out of reach, or does not let it in; DependencyError (`ERR_DEPENDENCY`) without the package
 */
export async function speak(handler: Handler, options: NatsSpeakerOptions, authenticator: Authenticator): Promise<Speaker<[]> & { readonly address: string }> {
  const settings = serverSettings(options)
  const speaker = new NatsSpeaker(handler, settings, authenticator, await Link.open(settings))
  await speaker.open()
  return speaker
}

class NatsSpeaker implements Speaker<[]> {
  readonly address: string
  #around: Around
  /** Where this end alone hears. */
  #own: Subscription | undefined
  /** Clients that have heard of it. */
  readonly #known = new Set<string>()
  readonly #settings: ServerSettings
  readonly #drain = new Drain()
  readonly #calls = new Keyed<string, { readonly call: Call; readonly leave: () => void }>()
  /** What new requests come by. */
  #shared: Subscription[] = []
  #queue: DurableWorker | undefined
  #timer: ReturnType<typeof setInterval> | undefined
  /** Whom it asked whether they are there, by number. */
  readonly #asked = new Map<number, string>()
  #next = 1
  #refused: Error | undefined

  constructor(handler: Handler, settings: ServerSettings, authenticator: Authenticator, link: Link) {
    this.address = settings.address
    this.#settings = settings
    this.#around = { handler, settings, authenticator, link, at: this.#newAt(link), bytes: bytesOf(handler) }
    link.onLost((error) => {
      tell(settings.logger, 'nats.lost', { address: this.address, reason: 'the connection to the server of NATS broke off' })
      this.#stopAll(error)
      // Their clients find that nobody hears them any more: who comes back is another, and has nothing of theirs.
      this.#own?.unsubscribe()
      this.#known.clear()
      this.#around = { ...this.#around, at: this.#newAt(link) }
      if (this.#own !== undefined && !link.isOver) this.#hearOwn()
    })
    link.onRefused((reason) => settings.onError(new Error(`${this.address}: ${reason}`)))
    link.onForbidden((_, error) => this.#onRefused(error))
    link.onBack(() => tell(settings.logger, 'nats.back', { address: this.address }))
  }

  /** @throws ConnectionError (`ERR_REFUSED`) where it may not hear what it is to answer */
  async open(): Promise<void> {
    const { connection } = this.#around.link
    const { call, ask, here, who } = this.#settings.subjects
    this.#hearOwn()
    this.#hear(who, this.#onWho)
    this.#shared = [
      this.#hear(call, (message) => this.#take(message, false), QUEUE),
      this.#hear(ask, (message) => this.#take(message, true), QUEUE),
      this.#hear(here, this.#onHere, QUEUE),
    ]
    await connection.flush()
    if (this.#refused === undefined) return this.#openQueue()
    await this.#around.link.close(true)
    throw failure('forbidden', this.address, `the server of NATS does not let it hear what it is to answer: ${say(this.#refused)}`, { cause: this.#refused })
  }

  #hear(subject: string, take: (message: Msg) => void, queue?: string): Subscription {
    return this.#around.link.connection.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error, message) => (error === null ? take(message) : this.#onRefused(error)),
    })
  }

  #newAt(link: Link): string {
    return `${this.#settings.subjects.at}.${link.inbox().split('.').at(-1)}`
  }

  #hearOwn(): void {
    this.#own = this.#hear(`${this.#around.at}.*`, this.#onWord)
  }

  async #openQueue(): Promise<void> {
    const { handler, authenticator, link } = this.#around
    if (this.#settings.durable === undefined) return
    try {
      const { DurableWorker } = await import('../durable/worker.js')
      this.#queue = await DurableWorker.open(handler, this.#settings, authenticator, link, this.#settings.durable)
    } catch (cause) {
      await link.close(true)
      if (cause instanceof SluiceError) throw cause
      throw failure('refused', this.address, `the server of NATS keeps no queue: ${say(cause)}. It does with JetStream (nats-server -js)`, { cause })
    }
  }

  #onRefused(error: Error): void {
    // It is refused for each message, in the same words.
    if (this.#refused === undefined) this.#settings.onError(error)
    this.#refused ??= error
  }

  /** Nobody hands it anything: it hears by itself. */
  take(): boolean {
    return false
  }

  unready(): void {
    this.#drain.unready()
  }

  async drain(time: number): Promise<void> {
    this.#drain.unready()
    const shared = this.#shared
    this.#shared = []
    // What was on its way is heard still.
    await Promise.all([...shared.map((one) => one.drain().catch(() => {})), this.#queue?.drain()])
    await this.#drain.drain(time)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const one of this.#shared) one.unsubscribe()
    const closing = new FlowStateError('ERR_FLOW_CLOSED', 'Cut off: this service shuts down')
    for (const { call } of this.#calls.values()) call.cut(closing)
    this.#drain.close()
    await this.#queue?.close()
    await this.#around.link.close()
  }

  #take(message: Msg, plain: boolean): void {
    const { reply } = message
    // Nobody would hear of it.
    if (!isAnswerable(reply) || this.#calls.has(reply)) return
    const call = new Call(this.#around, reply, plain)
    const leave = this.#drain.enter(() => call.stop(new DOMException('This service shuts down', 'AbortError')))
    this.#calls.set(reply, { call, leave })
    this.#watch()
    void call.run(message, !plain && this.#isNew(call.client, message)).then(() => {
      this.#calls.delete(reply)
      leave()
    })
  }

  /** Whether a client hears of this end for the first time. Where parts are to come, it is told when they may. */
  #isNew(client: string, { headers }: Msg): boolean {
    if (this.#known.has(client) || headers?.has(SIZE)) return false
    if (this.#known.size >= KNOWN) this.#known.delete(this.#known.values().next().value!)
    this.#known.add(client)
    return true
  }

  #stopAll(reason: unknown): void {
    for (const { call } of this.#calls.values()) call.stop(reason)
  }

  /** What one of the clients says, to this one alone. */
  readonly #onWord = ({ subject, reply = '', data, headers }: Msg): void => {
    const word = subject.slice(this.#around.at.length + 1)
    // To a question of ours that nobody heard.
    if (data.length === 0 && headers?.code === 503) return this.#onClientGone(Number(word.slice(1)))
    const call = this.#calls.get(reply)?.call
    if (call === undefined) return
    if (word === 'part') call.part(data)
    else if (word === 'took') call.took(Number(decoder.decode(data)))
    else if (word === 'got') call.got(Number(decoder.decode(data)))
    else if (word === 'stop') call.stop(new DOMException('The client does not want it any more', 'AbortError'))
  }

  /** Which of the requests in question it has, or what it does. */
  readonly #onWho = (message: Msg): void => {
    const { data, reply, headers } = message
    if (!isAnswerable(reply)) return
    const live = headers?.get(LIVE)
    if (live) {
      this.#say(message, live, reply).catch(this.#settings.onError)
      return
    }
    const own = decoder
      .decode(data)
      .split('\n')
      .filter((one) => this.#calls.has(one))
    this.#around.link.connection.publish(reply, encoder.encode([this.#around.at, ...own].join('\n')))
  }

  async #say({ headers }: Msg, live: string, reply: string): Promise<void> {
    const { status } = this.#settings
    if (status === undefined) return
    const { denied } = await this.#around.authenticator.admit(new NatsCaller(headers), undefined, { runs: true })
    if (denied !== undefined) return
    const said = encoder.encode(`${this.#around.at}\n${JSON.stringify(await status(live))}`)
    const { link } = this.#around
    if (link.isUp && said.length <= link.room) link.connection.publish(reply, said)
  }

  readonly #onHere = (message: Msg): void => {
    const { reply } = message
    if (!isAnswerable(reply)) return
    this.#how(message)
      .then((status) => this.#around.link.isUp && this.#around.link.connection.publish(reply, encodeStatus(status)))
      .catch(this.#settings.onError)
  }

  async #how({ data, headers }: Msg) {
    const what = decoder.decode(data)
    if (what === '') return { code: 'SUCCESS' as const, description: '' }
    const verdict = await this.#around.authenticator.admit(new NatsCaller(headers), undefined, { runs: true })
    if (verdict.denied !== undefined) return refusedStatus(new Refusal(verdict.denied.kind, verdict.denied.reason))
    if (what !== 'ready') return { code: 'SUCCESS' as const, description: '' }
    if (!this.#drain.ready) return refusedStatus(new Refusal('closing', 'It shuts down'))
    return dryRun(this.#around.handler, new Scope(), verdict.identity)
  }

  // ── clients that are gone ──────────────────────────────────────────────────────────────────────────────

  #watch(): void {
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => this.#look(), LOOK)
    ;(this.#timer as { unref?(): void }).unref?.()
  }

  /** A question to who is gone is answered by the server of NATS itself. */
  #look(): void {
    this.#asked.clear()
    if (this.#calls.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    const { link, at } = this.#around
    if (!link.isUp) return
    for (const client of new Set([...this.#calls.values()].flatMap(({ call }) => (call.plain ? [] : call.client)))) {
      const number = this.#next++
      this.#asked.set(number, client)
      link.connection.publish(`${client}.0`, EMPTY, { reply: `${at}.g${number}` })
    }
  }

  #onClientGone(number: number): void {
    const client = this.#asked.get(number)
    if (client === undefined) return
    this.#known.delete(client)
    this.#asked.delete(number)
    for (const { call } of this.#calls.values()) if (call.client === client) call.stop(new DOMException('The client left', 'AbortError'))
  }
}

/** Whether somebody hears an answer there. The server's own subjects (`$JS.API.STREAM.DELETE.…`) are asked by nobody in the name of who answers. */
function isAnswerable(reply: string | undefined): reply is string {
  return !!reply && !reply.startsWith('$')
}
