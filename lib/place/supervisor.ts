import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { ConnectionError, ExecutorError, say } from '../base/errors.js'
import { publish } from '../base/events.js'
import { tell } from '../base/incidents.js'
import type { Part } from '../base/lifecycle.js'
import type { Logger } from '../base/logger.js'
import { DEFAULT_ENDPOINT, DRY_RUN } from '../executor/bindings.js'
import type { Metas } from '../executor/executor.js'
import { type PollingOption, pollingFor } from '../handler/polling.js'
import { PASSED_ON } from '../handler/replica.js'
import type { Handler } from '../request/handler.js'
import type { Request } from '../request/request.js'
import { backoff } from '../stream/backoff.js'
import { Keyed } from '../stream/keyed.js'
import type { Scope } from '../stream/scope.js'
import type { WorkerStatus } from './options.js'
import type { WorkerDescription } from './spec.js'
import type { Begin, Sent, Worker, WorkerEnd } from './worker-life.js'

/** Waits before a worker is begun anew that ended without an answer: so what ends each time does not take the machine. */
const AGAIN = { delay: 100, maxDelay: 30_000, growth: 2 }
/** Deaths in a row without one answer, after which nobody waits for it any more. */
const BARREN = 5
/**
 * Milliseconds in which a request that has met a death has the worker for itself, and in which one that would fail by the next has. Then others come in again: it may be
 * one that takes long. So who fails was alone, unless it took longer than that to end its worker.
 */
const ALONE = 1000
const LAST = 30_000
/** Milliseconds that closing has at least, when the time is over already. */
const LEAST = 500

export interface SupervisorSettings {
  /** Of the executor. */
  readonly name: string
  /** Which of several it is. */
  readonly shardId: number
  /** What a worker is called in messages: `thread`, `process`, `container`. */
  readonly kind: string
  /** How often a worker may die of, or beside, one request. */
  readonly maxDeaths: number
  /** Which of several replicas are asked. */
  readonly polling: PollingOption | undefined
  /** Milliseconds. */
  readonly closeTimeout: number
  /** Told when it ends, and when it is back. */
  readonly logger: Logger | undefined
}

/** A request that waits for its answer. */
interface Pending extends Sent {
  /** What it is under, as long as that is heard for it. */
  scope: Scope | undefined
}

/** What several requests are under: those of a post are told to stop together, and one ear does for all of them. */
interface Watched {
  count: number
  unwatch: () => void
}

/** The end of a worker that had requests. */
interface Death {
  readonly replica: Supervisor
  /** Of whom the worker died, once one of them has met as many deaths as it may. */
  culprit: Request | undefined
}

/** Those that a request has met, in whatever replica. */
const deaths = new WeakMap<Request, Death[]>()

/** How a worker ended, as the `cause` of what its request failed at. */
export class WorkerExit extends Error {
  override readonly name = 'WorkerExit'
  /** What it had would end the next one too: nothing asks again by itself. */
  readonly permanent = true
  readonly exitCode: number | undefined
  readonly signal: string | undefined

  constructor(message: string, { exitCode, signal, cause }: WorkerEnd) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
    this.signal = signal
  }
}

/**
 * One executor in a worker of its own: a replica. It begins the worker anew when that ends, and keeps each request until it is answered, to send it again.
 *
 * A request that was under way when its worker died is suspected: it is sent again alone, as only one of them is to blame, until it was answered or has met
 * `maxDeaths`. So the others never fail for it.
 */
export class Supervisor implements Handler, Part {
  readonly name: string
  readonly shardId: number
  readonly #begins: Begin
  readonly #settings: SupervisorSettings
  readonly #queue: Pending[] = []
  readonly #watched = new Keyed<Scope, Watched>()
  #worker: Worker | undefined
  #state: WorkerStatus['state'] = 'starting'
  #up = false
  #description: WorkerDescription | undefined
  /** Until when the request that has the worker for itself has it. */
  #aloneUntil = 0
  #alone: Pending | undefined
  #aloneTimer: ReturnType<typeof setTimeout> | undefined
  /** Deaths in a row without one answer. */
  #barren = 0
  #answered = false
  #lastEnd: WorkerEnd | undefined
  /** Since when it is not up. */
  #gone: number | undefined
  #again: ReturnType<typeof setTimeout> | undefined
  /** Ends the wait for what it was asked beside calls. */
  #asked: ((error: unknown) => void) | undefined
  /** What whoever opens it hears of its end. */
  #failure: ExecutorError | undefined
  /** Told when it has ended, when it has become unhealthy, and when it is up. */
  onTurn: (() => void) | undefined
  /** Told when it has nothing to do. */
  onIdle: (() => void) | undefined
  readonly #ends: (() => void)[] = []
  #closing = false
  #closeUntil: number | undefined
  /** Those who wait until it is up. */
  readonly #lookers = new Set<{ resolve(): void; reject(error: unknown): void }>()

  /** @param begins begins a worker, again whenever the one before has ended */
  constructor(begins: Begin, settings: SupervisorSettings) {
    this.name = settings.name
    this.shardId = settings.shardId
    this.#begins = begins
    this.#settings = settings
  }

  /** How it is, and where it is not up, why. */
  get state(): WorkerStatus['state'] {
    return this.#state
  }

  get isUnhealthy(): boolean {
    return this.#state === 'unhealthy'
  }

  /** Whether what it is given waits for its worker. */
  get isDown(): boolean {
    return !this.#up
  }

  /** Whether it has a worker, and that has nothing to do. */
  get isIdle(): boolean {
    return this.#up && this.#queue.length === 0 && this.#worker!.calls.size === 0
  }

  get reason(): string | undefined {
    return this.#state === 'up' || this.#lastEnd === undefined ? undefined : this.#say(this.#lastEnd)
  }

  /** For who watches over all of them. */
  get status(): WorkerStatus {
    const { name: executor, shardId, state, reason } = this
    return { executor, shardId, state, ...(reason !== undefined && { reason }) }
  }

  get metas(): Metas {
    return this.#description!.metas
  }

  get description(): WorkerDescription {
    return this.#description!
  }

  get endpoints(): readonly string[] {
    return this.#description?.endpoints ?? []
  }

  accepts(endpoint: string): boolean {
    const { endpoints } = this
    return endpoints.includes(endpoint) || (endpoints.includes(DEFAULT_ENDPOINT) && endpoint !== DRY_RUN)
  }

  // ── life ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Begins the worker, and has it make the executor.
   * @throws what the executor could not be made for, as it was thrown there; ExecutorError (`ERR_EXECUTOR_OPEN`) where the worker ended
   */
  async start(): Promise<void> {
    await this.#begin()
  }

  async open(): Promise<void> {
    await this.#open()
  }

  /** What was begun and is not to be opened. */
  async discard(): Promise<void> {
    this.#closing = true
    this.#state = 'closed'
    await this.#kill()
  }

  hurry(): void {
    this.#closeUntil ??= now() + this.#settings.closeTimeout
  }

  /** The executor's own `close()` runs, then the worker ends; by force, when the time for closing is over. */
  async close(): Promise<void> {
    this.hurry()
    this.#closing = true
    const wasUp = this.#up
    clearTimeout(this.#again)
    clearTimeout(this.#aloneTimer)
    const reason = this.#closed()
    for (const pending of this.#queue.splice(0)) this.#fail(pending, reason)
    let failure: { error: unknown } | undefined
    if (wasUp) {
      const time = Math.max(LEAST, this.#closeUntil! - now())
      let timer: ReturnType<typeof setTimeout>
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () =>
            reject(new ExecutorError('ERR_EXECUTOR', `${this.name} did not close in time, and its ${this.#settings.kind} was ended`, { executor: this.name })),
          time,
        )
      })
      const asked = this.#ask(this.#worker!.close())
      const gone = new Promise<void>((resolve) => {
        this.#ends.push(resolve)
      })
      await Promise.race([asked, late])
        // It ends by itself then.
        .then(() => Promise.race([gone, late]))
        .catch((error) => {
          failure = { error }
        })
        .finally(() => clearTimeout(timer))
    }
    this.#state = 'closed'
    this.#up = false
    await this.#kill()
    this.#settle(reason)
    publish('place', () => ({ executor: this.name, shardId: this.shardId, state: 'closed', error: failure?.error }))
    if (failure !== undefined) throw failure.error
  }

  #closed(): ConnectionError {
    return new ConnectionError('ERR_UNREACHABLE', this.address, 'the Flow was closed')
  }

  async #kill(): Promise<void> {
    clearTimeout(this.#again)
    const worker = this.#worker
    if (worker === undefined) return
    await new Promise<void>((resolve) => {
      this.#ends.push(resolve)
      // Its end is waited for: without calls, nothing else may keep this process.
      worker.hold(true)
      worker.kill()
    })
  }

  async #begin(): Promise<void> {
    this.#answered = false
    const worker: Worker = this.#begins({
      answered: (sent) => {
        this.#answered = true
        this.#barren = 0
        this.#leave(sent as Pending)
        if (this.onIdle !== undefined && this.isIdle) this.onIdle()
      },
      ready: () => this.#pump(),
      end: (end) => this.#died(worker, end),
    })
    this.#worker = worker
    worker.hold(true)
    const description = await this.#ask(worker.make())
    this.#description ??= description
  }

  async #open(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) throw this.#failure
    await this.#ask(worker.open())
    // Told to end meanwhile: what it says now comes too late, and who ends it waits for that alone.
    if (this.#closing) throw this.#failure ?? this.#closed()
    this.#up = true
    this.#state = 'up'
    worker.hold(worker.calls.size > 0)
    for (const looker of this.#lookers) looker.resolve()
    this.#lookers.clear()
    publish('place', () => ({ executor: this.name, shardId: this.shardId, state: 'open', again: this.#gone !== undefined }))
    if (this.#gone !== undefined)
      tell(this.#settings.logger, 'replica.back', { executor: this.name, replica: this.shardId, milliseconds: Math.round(now() - this.#gone) })
    this.#gone = undefined
    this.#pump()
    this.onTurn?.()
  }

  /** Waits for what it was asked beside calls: its end is an answer, too. */
  #ask<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#asked = reject
      answer.then(resolve, reject)
    })
  }

  // ── death, and what comes after ────────────────────────────────────────────────────────────────────────

  /** As errors name it. */
  get address(): string {
    return `${this.#settings.kind} ${this.name}/${this.shardId}`
  }

  #say({ how, cause }: WorkerEnd): string {
    return `its ${this.#settings.kind} ${how}${cause === undefined ? '' : `: ${say(cause)}`}`
  }

  #died(worker: Worker, end: WorkerEnd): void {
    if (worker !== this.#worker) return
    this.#worker = undefined
    this.#up = false
    this.#lastEnd = end
    this.#alone = undefined
    clearTimeout(this.#aloneTimer)
    const said = this.#say(end)
    const exit = new WorkerExit(said, end)
    const doing = this.#closing ? 'close' : 'open'
    // What was thrown says why.
    const log = end.log === undefined || end.cause !== undefined ? '' : `. The end of its log:\n${end.log}`
    const failure = new ExecutorError(this.#closing ? 'ERR_EXECUTOR' : 'ERR_EXECUTOR_OPEN', `${this.name} did not ${doing}: ${said}${log}`, {
      executor: this.name,
      cause: exit,
    })
    // Nobody may ask now: it was made, and others are not yet.
    this.#failure = failure
    const asked = this.#asked
    // What it answered last is heard first: over a network, that and its end may come in one piece.
    void Promise.resolve().then(() => asked?.(failure))
    for (const ended of this.#ends.splice(0)) ended()
    const under = [...worker.calls] as Pending[]
    if (!this.#closing && this.#state !== 'starting') {
      this.#state = this.#state === 'unhealthy' ? 'unhealthy' : 'restarting'
      publish('place', () => ({ executor: this.name, shardId: this.shardId, state: 'closed', error: exit }))
      this.#gone ??= now()
      tell(this.#settings.logger, 'replica.gone', { executor: this.name, replica: this.shardId, reason: said })
    }
    const again: Pending[] = []
    const death: Death = { replica: this, culprit: undefined }
    /** Whoever waits comes before it. */
    let last: Pending | undefined
    for (const pending of under) {
      const { request } = pending
      // No request ends the way to its worker.
      const all = [...(deaths.get(request.whole) ?? []), ...(end.place === undefined ? [death] : [])]
      deaths.set(request.whole, all)
      // It ended one by itself: of those before, it is to blame too, and the others that were there have nothing to answer for any more.
      const isToBlame = under.length === 1 && all.length > 1 && end.place === undefined
      if (isToBlame) for (const one of all) one.culprit ??= request.whole
      const met = this.#deathsOf(request)
      if (request.scope.aborted) this.#fail(pending, request.scope.reason)
      else if (this.#closing || pending.parted || met >= this.#settings.maxDeaths) this.#fail(pending, this.#deathOf(request, met, exit, pending.parted))
      else {
        pending.call = -1
        if (isToBlame) last = pending
        else again.push(pending)
      }
    }
    this.#queue.unshift(...again)
    if (last !== undefined) this.#queue.push(last)
    if (this.#closing || this.#state === 'starting') return
    // Who was waited for already is not waited for five times. The way to it waits by itself, and is no fault of the worker.
    if (end.place !== 'broken') this.#barren = end.place === 'away' ? BARREN : this.#answered ? 0 : this.#barren + 1
    if (this.#barren >= BARREN) {
      this.#state = 'unhealthy'
      this.#giveUp(said)
    }
    const wait = this.#barren <= 1 ? 0 : backoff(AGAIN, this.#barren - 2)
    this.#again = setTimeout(() => this.#restart(), wait)
    // Others take what they can.
    this.onTurn?.()
    // What waits is to be answered; what waits for nobody keeps no process alive.
    if (this.#queue.length === 0) this.#again?.unref?.()
  }

  /**
   * While it has no worker, leaves what waits to others: at once, what no worker died of or beside; and what one did once, where another has nothing to do, as it is to
   * be alone there. What was there when a second one died waits for its own: it is not to end all of them.
   * @param idle how many others have nothing to do
   * @returns how many of them have something to do now, and whether more waits for one
   */
  passOn(idle: number): { idle: number; waits: boolean } {
    let given = 0
    let waits = false
    for (const pending of this.#queue.splice(0)) {
      const { request } = pending
      const met = pollingFor(this.#settings.polling, request.header.execEndpoint) === 'ANY' ? this.#deathsOf(request) : Infinity
      if (met === 0 || (met === 1 && given < idle)) {
        given += met
        this.#fail(pending, PASSED_ON)
      } else {
        this.#queue.push(pending)
        waits ||= met === 1
      }
    }
    return { idle: given, waits }
  }

  #restart(): void {
    this.#begin()
      .then(() => this.#open())
      .catch((error) => {
        // Where it died, that is told already.
        if (this.#worker === undefined || this.#closing) return
        // It lives, and its executor does not.
        this.#worker.kill(`cannot make its executor: ${say(error)}`)
      })
  }

  /** Nobody waits for what does not come back: others may answer. */
  #giveUp(said: string): void {
    const error = this.#unreachable(said)
    for (const pending of this.#queue.splice(0)) this.#fail(pending, error)
    this.#settle(error)
  }

  #unreachable(said: string): ConnectionError {
    const times = this.#lastEnd!.place === 'away' ? '' : `, ${this.#barren} times in a row without an answer`
    return new ConnectionError('ERR_UNREACHABLE', this.address, `it is unhealthy: ${said}${times}`)
  }

  #settle(error: unknown): void {
    for (const looker of this.#lookers) looker.reject(error)
    this.#lookers.clear()
  }

  /** How many deaths it may be to blame for. Where all replicas are asked, it has met the same others in each of them: those of one say nothing of another. */
  #deathsOf({ whole, header }: Request): number {
    const met = deaths.get(whole)
    if (met === undefined) return 0
    const isEach = pollingFor(this.#settings.polling, header.execEndpoint) !== 'ANY'
    let count = 0
    for (const { replica, culprit } of met) if ((culprit === undefined || culprit === whole) && (replica === this || !isEach)) count++
    return count
  }

  #deathOf({ header, id, docs }: Request, met: number, exit: WorkerExit, parted: boolean): ExecutorError {
    const times = met === 1 ? '' : `, ${met} times`
    const why = parted ? '. It had handed on partial answers, so it is not sent again' : this.#closing ? '' : ` (maxDeaths: ${this.#settings.maxDeaths})`
    return new ExecutorError(
      'ERR_EXECUTOR',
      `${this.name} failed at ${header.execEndpoint} for request ${id} (${docs.length === 1 ? `document ${docs[0]!.id}` : `${docs.length} documents`}): ${exit.message}${times}${why}`,
      { executor: this.name, endpoint: header.execEndpoint, requestId: id, cause: exit },
    )
  }

  /** Resolves when it is up: as one of several, it is passed over until then. */
  look(): Promise<void> {
    if (this.#up) return Promise.resolve()
    return new Promise((resolve, reject) => this.#lookers.add({ resolve, reject }))
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────

  handle(request: Request): Promise<void> {
    return new Promise((resolve, reject) => {
      const { scope } = request
      if (scope.aborted) return reject(scope.reason)
      if (this.#closing) return reject(this.#closed())
      if (this.isUnhealthy) return reject(this.#unreachable(this.#say(this.#lastEnd!)))
      const pending: Pending = { request, resolve, reject, call: -1, parts: undefined, parted: false, scope }
      this.#watch(scope)
      this.#queue.push(pending)
      this.#again?.ref?.()
      this.#pump()
    })
  }

  #watch(scope: Scope): void {
    const watched = this.#watched.get(scope)
    if (watched === undefined) this.#watched.set(scope, { count: 1, unwatch: scope.watch((reason) => this.#stop(scope, reason)) })
    else watched.count++
  }

  #unwatch(pending: Pending): void {
    const { scope } = pending
    if (scope === undefined) return
    pending.scope = undefined
    const watched = this.#watched.get(scope)!
    if (--watched.count > 0) return
    this.#watched.delete(scope)
    watched.unwatch()
  }

  #stop(scope: Scope, reason: unknown): void {
    const all = [...this.#queue, ...((this.#worker?.calls ?? []) as Iterable<Pending>)]
    for (const pending of all) if (pending.scope === scope) this.#abort(pending, reason)
  }

  #abort(pending: Pending, reason: unknown): void {
    if (pending.call >= 0) return this.#worker?.abort(pending, reason)
    const at = this.#queue.indexOf(pending)
    if (at < 0) return
    this.#queue.splice(at, 1)
    this.#fail(pending, reason)
  }

  /** Sends what may be sent. */
  #pump(): void {
    while (this.#up && this.#queue.length > 0) {
      const worker = this.#worker!
      const pending = this.#queue[0]!
      if (this.#alone !== undefined && now() < this.#aloneUntil) return
      this.#alone = undefined
      const met = this.#deathsOf(pending.request)
      const isLast = met > 0 && met + 1 >= this.#settings.maxDeaths
      // Whoever was there when the last one died is asked alone: the others are not to die of it.
      if (met > 0 && worker.calls.size > 0 && (isLast || !this.#onlyLong(worker))) return
      if (!worker.hasRoom) return
      this.#queue.shift()
      if (!this.#send(worker, pending)) continue
      if (met > 0) {
        const time = isLast ? LAST : ALONE
        this.#alone = pending
        this.#aloneUntil = now() + time
        clearTimeout(this.#aloneTimer)
        this.#aloneTimer = setTimeout(() => this.#pump(), time)
      }
    }
  }

  /** Those that are under way are suspected too, and had their time alone. */
  #onlyLong({ calls }: Worker): boolean {
    for (const { request } of calls) if (this.#deathsOf(request) === 0) return false
    return true
  }

  /** @returns whether it was sent */
  #send(worker: Worker, pending: Pending): boolean {
    const { request } = pending
    try {
      worker.send(pending)
    } catch (error) {
      this.#fail(pending, error)
      return false
    }
    // While it was written, somebody may have left.
    if (request.scope.aborted) this.#abort(pending, request.scope.reason)
    return true
  }

  #fail(pending: Pending, error: unknown): void {
    this.#leave(pending)
    pending.reject(error)
  }

  #leave(pending: Pending): void {
    if (this.#alone === pending) {
      this.#alone = undefined
      clearTimeout(this.#aloneTimer)
    }
    this.#unwatch(pending)
  }
}
