import { clearTimeout, now, onWall, setTimeout } from '../base/clock.js'
import { ConnectionError, isError } from '../base/errors.js'
import { tell } from '../base/incidents.js'
import type { Logger } from '../base/logger.js'
import { isAway, isBusy, markUnasked } from '../base/retry-policy.js'
import { shortage } from '../base/shortage.js'
import { backoff } from './backoff.js'
import type { Scope } from './scope.js'

// Whether an address is asked at all.
//
//   closed      it is. Nothing else is the case until it fails:
//                 5 requests in a row find nobody there, over at least 200 ms;
//                 or of those within a second four in five, once it is half over and ten have
//   open        nobody is sent there, until it is time for a look
//   half-open   somebody looks whether it is back, one at a time: by connecting. Who comes meanwhile waits for that, for a moment. When a connection stands, requests
//               go there again; the first that is answered closes it, the first that finds nobody opens it
//
// To find nobody is to be refused a connection, to have one broken off, to hear of a proxy that nobody is behind it (502, 503), UNAVAILABLE. All else is an answer, also
// what an executor failed at, what is refused for the fault of whoever asks, that there is too much to do, and the first piece of an answer: whoever says so is there.
//
// What is late says neither. In an overload most of it is, and those who are answered would not be; one endpoint may hang beside others that do not; and what waits here, and
// was never sent, is late as well. Who is silent is found by the pings of a connection (`wire/liveness`, keepalive), and is gone then. Nor does it say anything where this
// process has no file handle left to connect with.
//
// Looks are 100 ms apart at first, then longer, up to a second; none is made while nobody asks.

/** Requests in a row that find nobody, and the milliseconds that they take at least: of many at once, one restart may fail all. */
const ABSENT = 5
const ABSENT_FOR = 200
/** Requests within a second that find nobody, for each that is answered; and how many at least, in the milliseconds that it took at least. */
const MOST = 4
const SAMPLE = 10
const SAMPLED = 500
const WINDOW = 1000
/** Between looks. */
const LOOKS = { delay: 100, maxDelay: 1000, growth: 2 }
/** Milliseconds for which a request waits for the outcome of a look: a connection stands by then if it will. */
const PATIENCE = 250

/** What is known of an address. */
export interface BreakerStatus {
  readonly address: string
  /** `'closed'`: it is asked. `'open'`: it is not. `'half-open'`: it is looked at whether it may be. */
  readonly state: 'closed' | 'open' | 'half-open'
  /** When it was opened, or closed again, in milliseconds since the epoch; undefined where it never was open. */
  readonly since: number | undefined
  /** Why it is open. */
  readonly reason: string | undefined
}

/** Asks nobody where nobody is: the circuit breaker of one address, and whether others are to be asked first. */
export class Breaker implements BreakerStatus {
  readonly address: string
  readonly #look: () => Promise<unknown>
  readonly #opens: boolean
  readonly #logger: Logger | undefined
  state: BreakerStatus['state'] = 'closed'
  since: number | undefined
  reason: string | undefined
  /** Why the last request failed. */
  #cause: unknown
  /** Requests since the last answer that found nobody; when the first of them failed. */
  #absent = 0
  #from = 0
  /** Within the second that began then. */
  #window = -Infinity
  #failed = 0
  #answered = 0
  /** Nobody was there when it was last asked. */
  isAway = false
  #opened = 0
  /** Looks since the last answer. */
  #looks = 0
  #due = 0
  #looking: Promise<void> | undefined

  /**
   * @param look resolves when somebody is there, or fails with what says so
   * @param opens whether it may: else it says only that others are to be asked first
   * @param logger told when it opens, and when it is closed again: `'breaker.opened'`, `'breaker.closed'`
   */
  constructor(address: string, look: () => Promise<unknown>, opens = true, logger?: Logger) {
    this.address = address
    this.#look = look
    this.#opens = opens
    this.#logger = logger
  }

  /**
   * Lets a request go there.
   * @throws ConnectionError (`ERR_UNREACHABLE`) where it does not; the reason of the scope
   */
  enter(scope: Scope): void | Promise<void> {
    if (this.state === 'closed') return
    if (this.#looking !== undefined) return this.#wait(this.#looking, scope)
    // A connection stands, or stood.
    if (this.state === 'half-open') return
    if (now() < this.#due) throw this.#refusal()
    return this.#wait(this.#lookNow(), scope)
  }

  async #wait(looking: Promise<void>, scope: Scope): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer)
        unwatch()
        resolve()
      }
      const timer = setTimeout(leave, PATIENCE)
      const unwatch = scope.watch((reason) => {
        clearTimeout(timer)
        reject(reason)
      })
      looking.then(leave)
    })
    if (this.state === 'open' || this.#looking !== undefined) throw this.#refusal()
  }

  /** It answered, whatever it said; a piece is enough. */
  answered(): void {
    this.#absent = 0
    this.#answered++
    this.isAway = false
    if (this.state !== 'closed') this.#close()
  }

  /**
   * A request failed.
   * @param scope in which it was: who left, or had no more time, has learned nothing
   */
  failed(error: unknown, scope: Scope): void {
    if (scope.aborted || isUnheard(error)) return
    if (!isAbsent(error)) return this.answered()
    const time = now()
    if (this.#absent++ === 0) this.#from = time
    this.#cause = error
    if (!this.isAway) this.#due = time + LOOKS.delay
    this.isAway = true
    if (this.state === 'half-open') this.#open(time)
    else if (this.state === 'closed' && this.#opens) {
      if (this.#absent >= ABSENT && time - this.#from >= ABSENT_FOR) this.#open(time, `${this.#absent} requests in a row found nobody there`)
      else if (this.#failsMost(time)) this.#open(time, `${this.#failed} of ${this.#failed + this.#answered} requests found nobody there`)
    }
  }

  #failsMost(time: number): boolean {
    // What was answered is counted from a failure on: it costs no look at the clock then.
    if (time - this.#window > WINDOW) {
      this.#window = time
      this.#failed = this.#answered = 0
    }
    return ++this.#failed >= SAMPLE && this.#failed >= MOST * this.#answered && time - this.#window >= SAMPLED
  }

  /** Looks whether somebody is there again, if it is time to: of several addresses, no request has to find out. */
  lookAfter(time: number): void {
    if (this.#looking === undefined && time >= this.#due) void this.#lookNow()
  }

  #lookNow(): Promise<void> {
    if (this.state === 'open') this.#become('half-open')
    this.#looking = this.#look().then(
      () => this.#found(undefined),
      (error) => this.#found(error),
    )
    return this.#looking
  }

  /** What a look found. Who refuses is there. */
  #found(error: unknown): void {
    this.#looking = undefined
    const time = now()
    if (!isAbsent(error)) this.isAway = false
    else if (this.state === 'half-open') {
      this.#cause = error
      this.#open(time)
    } else this.#due = time + backoff(LOOKS, this.#looks++)
  }

  #open(time: number, reason = this.reason): void {
    if (this.state === 'closed') this.#opened = time
    this.#due = time + backoff(LOOKS, this.#looks++)
    this.reason = reason
    this.#become('open')
  }

  #close(): void {
    this.#looks = 0
    this.#window = -Infinity
    this.reason = undefined
    this.#become('closed')
  }

  #become(state: BreakerStatus['state']): void {
    const before = this.state
    this.state = state
    // Looks in between are no news.
    if (state !== 'closed' && before !== 'closed') return
    const { address, reason } = this
    const time = now()
    this.since = onWall(time)
    if (state === 'closed') tell(this.#logger, 'breaker.closed', { address, milliseconds: Math.round(time - this.#opened) })
    else tell(this.#logger, 'breaker.opened', { address, reason: `${reason}: ${saying(this.#cause)}` })
  }

  #refusal(): ConnectionError {
    // What it finds is not known yet: whoever asks again and again would ask all the time.
    const looking = this.#looking !== undefined
    const wait = looking ? LOOKS.delay : Math.max(1, Math.ceil(this.#due - now()))
    const soon = looking ? 'It is being looked at whether it is back' : `It is looked at again in ${wait} ms`
    const reason = `${saying(this.#cause)}. It was not asked now: its circuit breaker is open, as ${this.reason}. ${soon}`
    const error = new ConnectionError('ERR_UNREACHABLE', this.address, reason, { cause: this.#cause })
    return markUnasked(Object.defineProperty(error, 'retryAfter', { value: wait }))
  }
}

/** Whether nobody is there. Who has too much to do is. */
function isAbsent(error: unknown): boolean {
  return isAway(error) && !isBusy(error)
}

/** Whether it says nothing of whoever is there: it was not answered in time, or this process could not ask. */
function isUnheard(error: unknown): boolean {
  return isError(error) && error instanceof ConnectionError && (error.code === 'ERR_TIMEOUT' || isOwnShortage(error.cause))
}

/** Whether no connection could be made as something has run out here. @param cause what the system said may be deep below */
function isOwnShortage(cause: unknown): boolean {
  let at = cause
  for (let depth = 0; depth < 8 && typeof at === 'object' && at !== null; depth++) {
    if (shortage(at) !== undefined) return true
    const { cause, errors } = at as { cause?: unknown; errors?: unknown }
    at = cause ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
  return false
}

/** What failed, without the address, which stands before it. */
function saying(error: unknown): string {
  if (!isError(error)) return String(error)
  const { message, address } = error as Partial<ConnectionError> & Error
  return address !== undefined && message.startsWith(`${address}: `) ? message.slice(address.length + 2) : message
}
