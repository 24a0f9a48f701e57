import type { Msg, Subscription } from '@nats-io/transport-node'
import { clearInterval, clearTimeout, now, setInterval, setTimeout } from '../../../base/clock.js'
import { ConnectionError, say } from '../../../base/errors.js'
import type { Request } from '../../../request/request.js'
import type { Status } from '../../../request/status.js'
import type { TimeLeft } from '../../../stream/deadlines.js'
import { Keyed } from '../../../stream/keyed.js'
import type { Scope } from '../../../stream/scope.js'
import { deadlineOf, givenHeaders } from '../../context-headers.js'
import { inTime, Liveness, silence } from '../../liveness.js'
import { outgoing } from '../../message.js'
import { failure } from '../../outcome.js'
import { decodeStatus } from '../../proto/index.js'
import { LIVE } from '../../said.js'
import { bytes as dialect } from '../../websocket/subprotocol.js'
import type { DurableLine } from '../durable/line.js'
import { Link } from '../link.js'
import type { ClientSettings } from '../options.js'
import { countIn, GOT, PartsIn, SIZE } from '../parts.js'
import { Waiting } from './waiting.js'

/** Nobody is there. */
export const NOBODY = Symbol('nobody')

/** Milliseconds between looks whether those who work for us are still there. */
const LOOK = 1000
/** How often in a row nobody has a request that was sent before it is lost: whoever is new and busy may have it. */
const ROUNDS = 3
/** Of how many it is heard what they do. */
const MOST_SAY = 256
/** The number of no request: workers ask by it whether anybody is there. */
const NOBODYS = '0'

const EMPTY = new Uint8Array(0)
const encoder = new TextEncoder()

/** Somebody who takes requests, by the subject that he alone hears. */
interface Worker {
  readonly at: string
  readonly number: number
  /** In which round it was last heard of who has what. */
  heard: number
}

/** A connection, and the requests on it: each has a subject of its own for its answers, by its number. */
export class Line {
  readonly #link: Link
  readonly #settings: ClientSettings
  #inbox!: string
  #subscription!: Subscription
  /** By number: in digits, where questions have a letter in front. */
  readonly #waiting = new Keyed<string, Waiting>()
  readonly #questions = new Map<string, { readonly tell: (answer: Msg | typeof NOBODY) => void; readonly fail: (reason: unknown) => void }>()
  readonly #workers = new Map<string, Worker>()
  readonly #headers: ReturnType<typeof givenHeaders>
  readonly #liveness: Liveness
  #durable: Promise<DurableLine> | undefined
  #timer: ReturnType<typeof setInterval> | undefined
  #next = 1
  #heard = 0
  #round = 0

  private constructor(link: Link, settings: ClientSettings) {
    this.#link = link
    this.#settings = settings
    this.#headers = givenHeaders(settings.headers)
    this.#listen()
    this.#liveness = new Liveness(
      () => this.#heard,
      () => inTime(link.connection.rtt()),
      () => {
        this.#failAll(silence(settings.address))
        // It is tried anew, unless it is already.
        link.connection.reconnect().catch(() => {})
      },
    )
    link.onLost((error) => {
      this.#failAll(error)
      // Who works on what was asked here finds that nobody hears it any more: whoever has this connection next is another.
      this.#subscription.unsubscribe()
      if (!link.isOver) this.#listen()
    })
    link.onForbidden((subject, error) => {
      if (subject === settings.subjects.call || subject === settings.subjects.here) this.#failUnclaimed(this.#forbidden(error))
    })
  }

  #listen(): void {
    this.#inbox = this.#link.inbox()
    this.#subscription = this.#link.connection.subscribe(`${this.#inbox}.*`, { callback: this.#onMessage })
  }

  static async open(settings: ClientSettings): Promise<Line> {
    return new Line(await Link.open(settings), settings)
  }

  get isUp(): boolean {
    return this.#link.isUp
  }

  get isOver(): boolean {
    return this.#link.isOver
  }

  get refusal(): string | undefined {
    return this.#link.refusal
  }

  get returned(): Promise<void> {
    return this.#link.returned
  }

  /** Puts a request into a queue, and settles with its answer. */
  async put(request: Request, brought: Readonly<Record<string, string>> | undefined, time: TimeLeft | undefined): Promise<void> {
    await (await this.#queue()).ask(request, brought, time)
  }

  /** Whether there is a queue for it. @throws ConnectionError, DependencyError that say why not */
  async hasQueue(): Promise<void> {
    await (await this.#queue()).open()
  }

  #queue(): Promise<DurableLine> {
    // What cannot be loaded now may be later.
    this.#durable ??= import('../durable/line.js')
      .then(({ DurableLine }) => DurableLine.open(this.#link, this.#settings))
      .catch((error) => {
        this.#durable = undefined
        throw error
      })
    return this.#durable
  }

  /** Sends a request, and settles with its answer. */
  ask(request: Request, brought: Readonly<Record<string, string>> | undefined, time: TimeLeft | undefined): Promise<void> {
    const { address, timeout, maxMessageBytes } = this.#settings
    const number = String(this.#next++)
    let timer: ReturnType<typeof setTimeout> | undefined
    let waiting!: Waiting
    const answered = new Promise<void>((resolve, reject) => {
      const deadline = deadlineOf(time?.left, request.scope.deadline)
      waiting = new Waiting(number, request, deadline, { address, limit: maxMessageBytes }, resolve, reject)
    })
    this.#waiting.set(number, waiting)
    this.#liveness.enter()
    this.#watch()
    if (time !== undefined)
      timer = setTimeout(() => this.#giveUp(waiting, new ConnectionError('ERR_TIMEOUT', address, `no answer within ${timeout} ms`)), Math.max(1, time.left))
    const unwatch = request.scope.watch((reason) => this.#giveUp(waiting, reason))
    this.#send(waiting, brought).catch((error) => this.#giveUp(waiting, error))
    return answered.finally(() => {
      clearTimeout(timer)
      unwatch()
      waiting.end()
      this.#waiting.delete(number)
      this.#liveness.leave()
    })
  }

  /**
   * Asks whoever is there how it is.
   * @returns nothing where nobody says so in time: whoever computes does not
   */
  here(what: string, brought: Readonly<Record<string, string>> | undefined, patience: number, scope?: Scope): Promise<Status | typeof NOBODY | undefined> {
    const number = `h${this.#next++}`
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        unwatch?.()
        this.#questions.delete(number)
      }
      const timer = setTimeout(() => {
        end()
        resolve(undefined)
      }, patience)
      const fail = (reason: unknown): void => {
        end()
        reject(reason)
      }
      const unwatch = scope?.watch(fail)
      const tell = (answer: Msg | typeof NOBODY): void => {
        end()
        if (answer === NOBODY) return resolve(NOBODY)
        try {
          resolve(decodeStatus(answer.data))
        } catch (cause) {
          reject(this.#unreadable(cause))
        }
      }
      this.#questions.set(number, { tell, fail })
      this.#publish(this.#settings.subjects.here, encoder.encode(what), this.#reply(number), this.#told(brought))
    })
  }

  /**
   * Asks all who are there what they do.
   * @param live as `statusAsked()` takes it
   * @param patience milliseconds in which they say so: how many there are, nobody knows
   * @returns the subject that each alone hears, and what it says
   */
  said(live: string, brought: Readonly<Record<string, string>> | undefined, patience: number): Promise<{ readonly at: string; readonly status: unknown }[]> {
    const number = `l${this.#next++}`
    const all: { readonly at: string; readonly status: unknown }[] = []
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#questions.delete(number)
      }
      const done = (): void => {
        end()
        resolve(all)
      }
      const timer = setTimeout(done, patience)
      ;(timer as { unref?(): void }).unref?.()
      const fail = (reason: unknown): void => {
        end()
        reject(reason)
      }
      const tell = (answer: Msg | typeof NOBODY): void => {
        if (answer === NOBODY) return done()
        const [at, text] = new TextDecoder().decode(answer.data).split('\n')
        // An older one says who it is, and no more.
        if (text && all.length < MOST_SAY) all.push({ at: at!, status: JSON.parse(text) })
      }
      this.#questions.set(number, { tell, fail })
      this.#publish(this.#settings.subjects.who, EMPTY, this.#reply(number), { ...this.#told(brought), [LIVE]: live })
    })
  }

  async close(reason: unknown): Promise<void> {
    clearInterval(this.#timer)
    this.#liveness.close()
    this.#failAll(reason, false)
    this.#subscription.unsubscribe()
    void this.#durable?.then((line) => line.close(reason)).catch(() => {})
    await this.#link.close()
  }

  // ── what is sent ───────────────────────────────────────────────────────────────────────────────────────

  async #send(waiting: Waiting, brought: Readonly<Record<string, string>> | undefined): Promise<void> {
    const written = dialect.writeRequest(outgoing(waiting.request, waiting.deadline, this.#headers)) as Uint8Array | Promise<Uint8Array>
    const data = written instanceof Promise ? await written : written
    if (waiting.over) return
    if (!this.#link.isUp) throw failure('disconnected', this.#settings.address, 'the connection to the server of NATS broke off')
    waiting.sent = now()
    const told = this.#told(brought)
    const { call } = this.#settings.subjects
    if (data.length <= this.#link.roomBeside(told)) return this.#publish(call, data, this.#reply(waiting.number), told)
    // Whoever takes it says where its parts go.
    waiting.data = data
    this.#publish(call, EMPTY, this.#reply(waiting.number), { ...told, [SIZE]: String(data.length) })
  }

  #told(brought: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> | undefined {
    const { headers } = this.#settings
    if (brought === undefined && Object.keys(headers).length === 0) return undefined
    return { ...headers, ...brought }
  }

  #publish(subject: string, body: Uint8Array, reply?: string, headers?: Readonly<Record<string, string>>): void {
    if (!this.#link.isUp) return
    this.#link.connection.publish(subject, body, {
      ...(reply !== undefined && { reply }),
      ...(headers !== undefined && { headers: this.#link.headers(headers) }),
    })
  }

  readonly #reply = (number: string): string => `${this.#inbox}.${number}`

  /** Says something of a request to who has it. */
  #say(waiting: Waiting, what: 'took' | 'got', count: number): void {
    if (waiting.at !== undefined) this.#publish(`${waiting.at}.${what}`, encoder.encode(String(count)), this.#reply(waiting.number))
  }

  async #sendParts(waiting: Waiting): Promise<void> {
    const { data, at } = waiting
    waiting.data = undefined
    const reply = this.#reply(waiting.number)
    await waiting.partsOut(this.#link.room).send(data!, (part) => {
      if (waiting.over) return false
      this.#publish(`${at}.part`, part, reply)
      return true
    })
  }

  // ── what comes ─────────────────────────────────────────────────────────────────────────────────────────

  readonly #onMessage = (error: Error | null, message: Msg): void => {
    this.#heard++
    if (error !== null) return this.#failAll(this.#forbidden(error))
    const number = message.subject.slice(this.#inbox.length + 1)
    const nobody = message.data.length === 0 && message.headers?.code === 503
    const waiting = this.#waiting.get(number)
    try {
      if (waiting !== undefined) this.#onAnswer(waiting, message, nobody)
      else if (number[0] === 'h' || number[0] === 'l') this.#questions.get(number)?.tell(nobody ? NOBODY : message)
      else if (number[0] === 'g') nobody && this.#onWorkerGone(Number(number.slice(1)))
      else if (number[0] === 'w') this.#onClaim(message, nobody)
      // Nobody waits for it any more.
      else if (!nobody && message.reply && number !== NOBODYS) this.#stop(number, message.reply)
    } catch (cause) {
      if (waiting !== undefined) this.#giveUp(waiting, cause)
    }
  }

  #onAnswer(waiting: Waiting, message: Msg, nobody: boolean): void {
    const { address, maxMessageBytes } = this.#settings
    const { data, headers, reply } = message
    if (nobody)
      return waiting.fail(
        failure('unreachable', address, 'nobody answers there under that name. See whether the executor runs, and is told the same server, name and prefix'),
      )
    if (reply && waiting.at === undefined) {
      waiting.at = reply
      this.#workerAt(reply)
    }
    if (headers !== undefined) {
      const got = countIn(headers.get(GOT))
      if (got !== undefined) return waiting.parts?.got(got)
      const size = countIn(headers.get(SIZE))
      if (size !== undefined) {
        if (size > maxMessageBytes) throw this.#tooLarge(waiting)
        waiting.coming = new PartsIn(size, (count) => this.#say(waiting, 'got', count))
      }
    } else if (data.length === 0) {
      // It was taken.
      if (waiting.data !== undefined) this.#sendParts(waiting).catch((error) => this.#giveUp(waiting, error))
      return
    }
    if (waiting.coming === undefined) return this.#onWhole(waiting, data)
    const whole = waiting.coming.add(data)
    if (whole === undefined) return
    waiting.coming = undefined
    this.#onWhole(waiting, whole)
  }

  #onWhole(waiting: Waiting, data: Uint8Array): void {
    if (data.length > this.#settings.maxMessageBytes) throw this.#tooLarge(waiting)
    let message: Awaited<ReturnType<typeof dialect.readAnswer>>
    try {
      message = dialect.readAnswer(data) as typeof message
    } catch (cause) {
      throw this.#unreadable(cause, waiting.request.id)
    }
    if (message.ordinal === undefined) return waiting.answer(message)
    waiting.part(
      message,
      (count) => this.#say(waiting, 'took', count),
      (error) => this.#giveUp(waiting, error),
    )
  }

  #tooLarge({ request }: Waiting): ConnectionError {
    const { address, maxMessageBytes } = this.#settings
    return failure('tooLarge', address, `an answer is larger than ${maxMessageBytes} bytes (maxMessageBytes)`, { requestId: request.id })
  }

  #unreadable(cause: unknown, requestId?: string): ConnectionError {
    return failure('unimplemented', this.#settings.address, `an answer that cannot be read: ${say(cause)}`, {
      cause,
      ...(requestId !== undefined && { requestId }),
    })
  }

  // ── what nobody waits for any more ─────────────────────────────────────────────────────────────────────

  /** Fails a request that somebody may still work for. */
  #giveUp(waiting: Waiting, error: unknown): void {
    if (waiting.over) return
    const { number, at, sent } = waiting
    const isOwed = sent !== undefined && !waiting.answered
    waiting.fail(error)
    this.#waiting.delete(number)
    // Where nobody has said to have it, whoever does hears of it when he says so.
    if (isOwed && at !== undefined) this.#stop(number, at)
  }

  #stop(number: string, at: string): void {
    this.#publish(`${at}.stop`, EMPTY, this.#reply(number))
  }

  /** @param lost whether nothing more can come: who has all of its answer needs nothing more */
  #failAll(reason: unknown, lost = true): void {
    for (const waiting of this.#waiting.values()) if (!(lost && waiting.answered)) this.#giveUp(waiting, reason)
    this.#failQuestions(reason)
    this.#workers.clear()
  }

  #failQuestions(reason: unknown): void {
    for (const { fail } of [...this.#questions.values()]) fail(reason)
  }

  /** Fails all that nobody has, as nobody can get it. */
  #failUnclaimed(error: ConnectionError): void {
    for (const waiting of this.#waiting.values()) if (waiting.at === undefined) waiting.fail(error)
    this.#failQuestions(error)
  }

  #forbidden(cause: Error): ConnectionError {
    return failure('forbidden', this.#settings.address, `the server of NATS does not let ask there, or hear the answer: ${say(cause)}`, { cause })
  }

  // ── who works for us ───────────────────────────────────────────────────────────────────────────────────

  #workerAt(at: string): Worker {
    let worker = this.#workers.get(at)
    if (worker === undefined) this.#workers.set(at, (worker = { at, number: this.#next++, heard: this.#round }))
    return worker
  }

  #watch(): void {
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => this.#look(), LOOK)
    ;(this.#timer as { unref?(): void }).unref?.()
  }

  /** A question to who is gone is answered by the server of NATS itself, however busy all others are. */
  #look(): void {
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    const late = now() - LOOK
    const unclaimed = [...this.#waiting.values()].filter(({ at, sent, over }) => at === undefined && sent !== undefined && sent < late && !over)
    const working = new Set([...this.#waiting.values()].flatMap(({ at }) => at ?? []))
    for (const worker of this.#workers.values())
      if (working.has(worker.at) || unclaimed.length > 0) this.#publish(`${worker.at}.ping`, EMPTY, this.#reply(`g${worker.number}`))
    if (unclaimed.length === 0) return
    this.#judge(unclaimed)
    this.#round++
    const replies = unclaimed.map(({ number }) => this.#reply(number))
    // As many as go in one message, with numbers of any length.
    const some = Math.max(1, Math.floor(this.#link.room / (this.#inbox.length + 18)))
    for (let at = 0; at < replies.length; at += some)
      this.#publish(this.#settings.subjects.who, encoder.encode(replies.slice(at, at + some).join('\n')), this.#reply(`w${this.#round}`))
  }

  /** What nobody has, as all say who are there, is lost: whoever had it is gone. Who does not say it may only be busy. */
  #judge(unclaimed: readonly Waiting[]): void {
    const isHeard = [...this.#workers.values()].every(({ heard }) => heard === this.#round)
    for (const waiting of unclaimed) {
      if (waiting.asked === 0 || isHeard) waiting.asked++
      if (waiting.asked > ROUNDS) waiting.fail(this.#lost())
    }
  }

  /** Somebody says which of our requests it has. */
  #onClaim({ data }: Msg, nobody: boolean): void {
    // Nobody is left at all.
    if (nobody) {
      for (const waiting of this.#waiting.values()) if (waiting.at === undefined && waiting.asked > 0) waiting.fail(this.#lost())
      return
    }
    const [at, ...replies] = new TextDecoder().decode(data).split('\n')
    if (!at) return
    this.#workerAt(at).heard = this.#round
    for (const reply of replies) {
      const waiting = this.#waiting.get(reply.slice(this.#inbox.length + 1))
      if (waiting !== undefined) waiting.at ??= at
    }
  }

  #onWorkerGone(number: number): void {
    const worker = [...this.#workers.values()].find((one) => one.number === number)
    if (worker === undefined) return
    this.#workers.delete(worker.at)
    for (const waiting of this.#waiting.values()) if (waiting.at === worker.at) waiting.fail(this.#lost())
  }

  #lost(): ConnectionError {
    return failure('disconnected', this.#settings.address, 'whoever worked on it went away')
  }
}
