import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { tell } from '../base/incidents.js'
import type { Logger } from '../base/logger.js'
import { retryAfter } from '../base/retry-after.js'
import { isAway, isBusy, isUnasked } from '../base/retry-policy.js'
import { DRY_RUN } from '../executor/bindings.js'
import type { Handler } from '../request/handler.js'
import type { Look, ReplicaStatus, SaidStatus } from '../request/health.js'
import type { Request } from '../request/request.js'
import type { Breaker } from '../stream/breaker.js'
import { Lingering, MOST_LINGERING } from './lingering.js'

/** How much the last answer counts in the estimate of a replica's time: a slow spell is noticed, and forgotten, within some ten answers. */
const WEIGHT = 0.2
/** Milliseconds after which an estimate is worth half: a replica that was slow gets another chance. */
const HALF_LIFE = 5000

/** Milliseconds that a failure counts at least, as if it had taken so long; each further one doubles that, up to the most. */
const FAILED = 10
const MOST = 60_000

/** More than any time an answer takes: who is away is asked when all are. */
const AWAY = 1e11
/** The same of who has too much to do, and said until when: before those who are away. */
const BUSY = 1e10

/** The same of who is stuck: before those who are away, and behind all others. */
const STUCK = 5e10

/** Milliseconds after which a replica is stuck that was told to stop, and has ended nothing: as long as `close()` gives requests. */
export const STUCK_AFTER = 10_000

/** One who may be out of reach. */
interface Remote extends Handler {
  /** Who knows that. Left out by those in this process. */
  readonly breaker?: Breaker
  /** Whether it refuses whatever it is given, as it does not come back soon. Left out by those in this process. */
  readonly isUnhealthy?: boolean
  /** Whether what it is given waits, as it is being begun anew. Left out by those in this process. */
  readonly isDown?: boolean
  /** What it says of itself. Left out by those who say nothing. */
  readonly poll?: { look(addresses: boolean): readonly SaidStatus[] | undefined }
}

/** What a replica throws that has not answered, and leaves it to another: it has not failed at anything. */
export const PASSED_ON = Symbol('passed on to another replica')

export interface ReplicaSettings {
  /** Of the executor. */
  readonly name: string
  /** Which of its replicas, from 0 on. */
  readonly at: number
  /** The most requests it handles at once, but for those that nobody waits for. */
  readonly concurrency: number
  /** Milliseconds; 0: it never is. */
  readonly stuckAfter: number
  readonly logger: Logger | undefined
  /** Told when nobody waits any more for one of those that it handles. */
  onTold(): void
  /** Told when there is a place. @param ended what had it, where that is over */
  onRoom(replica: Replica, ended?: Request): void
}

/** Calls that hang, with none ended meanwhile, by which more than one request is to blame. */
const MANY = 10
/** One of several instances, and how busy it is. */
export class Replica {
  readonly #handler: Remote
  readonly #settings: ReplicaSettings
  /** Requests it handles now. */
  load = 0
  /** How many it answered, and failed at. */
  answered = 0
  failed = 0
  /** Since when it is stuck, on the clock for durations: it was told to stop, and ended nothing for long. */
  stuckSince: number | undefined
  readonly lingering: Lingering
  #look: ReturnType<typeof setTimeout> | undefined
  /** It is being given what waits for it. */
  dealing = false
  /** Milliseconds an answer took lately. */
  #time = 0
  #measured = 0
  /** When it last answered, or began when it had nothing to do. */
  #since = 0

  /** Milliseconds that it took to see that it is out of reach: of several, who is seen soonest is asked first. */
  #absence = 0
  /** Until when it has too much to do. */
  #busyUntil = 0

  constructor(handler: Remote, settings: ReplicaSettings) {
    this.#handler = handler
    this.#settings = settings
    this.lingering = new Lingering(Math.min(settings.concurrency, MOST_LINGERING))
  }

  /** Whether it may be given one more: at most twice as many as `concurrency` run then, and where that is no bound, no more that hang than may. */
  get hasRoom(): boolean {
    const { load, lingering } = this
    const { concurrency } = this.#settings
    return load - lingering.count < concurrency && (concurrency !== Infinity || lingering.count < lingering.most)
  }

  /** Whether nothing is to be expected of it. One call that hangs, in a night in which nobody asks for anything else, says nothing of the next. */
  get isHopeless(): boolean {
    return this.stuckSince !== undefined && (!this.hasRoom || this.lingering.told >= MANY)
  }

  /** Who answers sooner: 0, it may; 1, what it is given waits until it is begun anew; 2, it refuses it. */
  get distance(): 0 | 1 | 2 {
    const { isUnhealthy, isDown } = this.#handler
    return isUnhealthy === true ? 2 : isDown === true ? 1 : 0
  }

  get isElsewhere(): boolean {
    return this.#handler.breaker !== undefined
  }

  /** Whether nobody waits for what it does, and it goes on: so nothing says when it has a place. */
  get isAbandoned(): boolean {
    return this.lingering.told > 0 && this.lingering.told === this.load
  }

  status({ addresses, afar }: Look): ReplicaStatus {
    const { load, lingering, answered, failed, stuckSince } = this
    const { breaker, poll } = this.#handler
    const said = afar ? poll?.look(addresses) : undefined
    const { address, state, since, reason } = breaker ?? {}
    return {
      replica: this.#settings.at,
      ...(addresses && address !== undefined && { address }),
      state: stuckSince !== undefined ? 'stuck' : breaker?.isAway === true || state === 'open' ? 'away' : 'ok',
      ...{ inFlight: load, lingering: lingering.count, answered, failed },
      milliseconds: Math.round(this.#time * 10) / 10,
      ...(state !== undefined && { breaker: { state, since, reason: addresses ? reason : undefined } }),
      ...(said !== undefined && { said }),
    }
  }

  /** Nobody looks any more whether it is stuck. */
  close(): void {
    clearTimeout(this.#look)
    this.#look = undefined
    this.stuckSince = undefined
  }

  /** Looks whether it is stuck, as long as it has been told to stop. @param time milliseconds until then */
  #watchOut(time: number): void {
    if (this.#look !== undefined || time === 0 || this.stuckSince !== undefined) return
    this.#look = setTimeout(() => {
      this.#look = undefined
      const { told, since } = this.lingering
      if (told === 0) return
      const { name, at, stuckAfter, logger } = this.#settings
      const time = now()
      const idle = time - Math.max(since, this.#since)
      if (idle < stuckAfter) return this.#watchOut(Math.ceil(stuckAfter - idle))
      this.stuckSince = time
      tell(logger, 'executor.stuck', { executor: name, replica: at, calls: told, milliseconds: Math.round(idle) })
    }, time)
    ;(this.#look as { unref?(): void }).unref?.()
  }

  /** It has ended something. */
  #freed(end: number): void {
    const { name, at, logger } = this.#settings
    tell(logger, 'executor.freed', { executor: name, replica: at, milliseconds: Math.round(end - this.stuckSince!) })
    this.stuckSince = undefined
  }

  /** How long it would take for one more answer, as far as can be told: less is better. The 1 stands for what no clock shows. */
  cost(at: number): number {
    const { breaker } = this.#handler
    const away = breaker?.isAway === true
    if (away) breaker.lookAfter(at)
    let time = this.#time
    // One that hangs is never measured.
    if (this.load > 0) time = Math.max(time, at - this.#since)
    else if (time >= 1) time /= 2 ** ((at - this.#measured) / HALF_LIFE)
    return (this.load + 1) * (time + 1) + (away ? AWAY + this.#absence : at < this.#busyUntil ? BUSY : 0) + (this.stuckSince === undefined ? 0 : STUCK)
  }

  handle(request: Request, start: number): void | Promise<void> {
    const { onRoom, onTold, stuckAfter } = this.#settings
    if (this.load++ === 0) this.#since = start
    // Who asks how it is, each second, sends it nothing to do.
    const isProbe = request.header.execEndpoint === DRY_RUN
    let over: (() => boolean) | undefined
    const leave = (): void => {
      const end = now()
      this.#busyUntil = 0
      if (!isProbe) this.answered++
      this.#time += (end - start - this.#time) * (this.#measured === 0 ? 1 : WEIGHT)
      free(end)
    }
    const fail = (error: unknown): void => {
      const end = now()
      // That tells nothing of how long it takes.
      if (error === PASSED_ON) return free(end, this.#measured)
      if (!isProbe) this.failed++
      // Whoever gave a request up may have said why in the same words: a client that left, another branch that failed. It tells how long there was no answer.
      if (request.scope.aborted) this.#time = Math.max(this.#time, end - start)
      // How fast one is that cannot be reached, or is asked for nothing, is not known.
      else if (this.#handler.breaker !== undefined && isAway(error)) {
        if (isBusy(error)) this.#busyUntil = end + (retryAfter(error) ?? 0)
        else if (!isUnasked(error)) this.#absence = end - start
      }
      // Who fails at once is not fast.
      else this.#time = Math.min(MOST, Math.max(end - start, 2 * this.#time, FAILED))
      free(end)
    }
    const free = (end: number, measured = end): void => {
      this.load--
      this.#measured = measured
      this.#since = end
      over?.()
      if (this.stuckSince !== undefined) this.#freed(end)
      if (this.lingering.told > 0) this.#watchOut(stuckAfter)
      onRoom(this, request)
    }
    let pending: void | Promise<void>
    try {
      pending = this.#handler.handle(request)
    } catch (error) {
      fail(error)
      throw error
    }
    if (pending === undefined) return leave()
    over = this.lingering.watch(
      request.scope,
      () => onRoom(this),
      () => {
        this.#watchOut(stuckAfter)
        onTold()
      },
    )
    return pending.then(leave, (error) => {
      fail(error)
      throw error
    })
  }
}
