import { now } from '../base/clock.js'

// How many requests are to be inside at once, found from what is done.
//
// What waits in a service is seen in its latency, but latency alone tells little: it differs from request to request and from endpoint to endpoint, batches make it fall when more
// comes, and what it would be without a queue is not known, or drifts. (Limits that go by the quotient of a least, or a long, latency and the present one, as those of Netflix and of Envoy
// do, have to find that out again and again, and shrink what is slow and well.) So the limit itself is tried: a little more or less of it, for as long as it takes to see what becomes of it.
// If more inside does more, more may be inside. If less inside does as much, what is inside waits for each other, and less is to be.
//
// What is done is counted in time that it takes as a rule, by endpoint: one that is slow counts as many that are quick. What fails, or is late, is not done. While nobody
// waits to come in, a limit changes nothing, so nothing is learned from it.

/** Milliseconds that a try lasts at least and at most. */
const SHORTEST = 200
const LONGEST = 10_000
/** How many must be done in a try: of a change by all, so many; of a quarter of that, four times as many. */
const ENOUGH = 16
/** The same for what varies, by the square of how much it does. */
const VARYING = 25
/** How many tries pass with nothing new between two that change something. */
const RESTS = 3
/** Of a change of the limit, the part that must be seen in what is done. */
const SEEN = 0.4
/** Steps up and down: the next in the same direction is larger. */
const UP = 1.25
const DOWN = 0.8
/** How fast what is usual follows what is seen. */
const FOLLOWS = 0.2
/** Endpoints that are told apart. */
const ENDPOINTS = 256
/** The part of a try that one request may count for: of what takes longer, a try sees now one and now none. */
const PART = 0.25

/** What requests to one endpoint take. */
interface Usual {
  /** What it takes as a rule, in milliseconds. */
  latency: number
  /** What each counts for in this round of tries. */
  weight: number
}

type Try = 'as it is' | 'more' | 'less'

/** A limit that finds itself. */
export class AdaptiveLimit {
  /** Where it begins. */
  static readonly FIRST = 16
  /** Within which it stays. Below, requests wait that could be begun while others are written; above, a process has more than it bears, whatever they wait for. */
  static readonly LEAST = 4
  static readonly MOST = 1024
  #limit = AdaptiveLimit.FIRST
  /** The limit between tries. */
  #settled = AdaptiveLimit.FIRST
  #try: Try = 'as it is'
  /** What is done in a millisecond at the settled limit, once it is known. */
  #pace: number | undefined
  #up = 2
  #down = DOWN
  #rests = 0
  #next: 'more' | 'less' = 'more'
  readonly #usual = new Map<string, Usual>()
  /** Of all that end, what they take. */
  #latency = 0
  /** The square of how much that differs from what is usual at their endpoint. */
  #variance = 0
  /** When the try began, and since when what it changes is seen. */
  #began = now()
  #since = Infinity
  #done = 0
  #ended = 0
  #work = 0
  /** How many ended while nobody waited. */
  #free = 0

  /** @param changed told of the limit when it changes */
  constructor(private readonly changed: (limit: number) => void) {}

  get limit(): number {
    return this.#limit
  }

  /**
   * A request has ended that was inside.
   * @param endpoint what it asked for
   * @param began when it came in
   * @param isDone whether it was done well, and wanted
   * @param isFull whether others wait to come in
   */
  end(endpoint: string, began: number, isDone: boolean, isFull: boolean): void {
    const time = now()
    const took = time - began
    if (isDone) {
      this.#latency = this.#latency === 0 ? took : this.#latency + FOLLOWS * (took - this.#latency)
      const usual = this.#usualOf(endpoint, took)
      const differs = took / (usual.latency || 1) - 1
      this.#variance += (FOLLOWS / 4) * (Math.min(differs * differs, 25) - this.#variance)
      usual.latency += FOLLOWS * (took - usual.latency)
      if (time >= this.#since) {
        this.#work += usual.weight
        this.#done++
      }
    }
    // What began before says what was before.
    if (this.#since === Infinity) {
      if (began < this.#began || time - this.#began < Math.min(this.#latency, LONGEST)) return
      this.#since = time
      return
    }
    this.#ended++
    if (!isFull) this.#free++
    const lasts = time - this.#since
    const isLong =
      lasts >= Math.max(SHORTEST, this.#latency) && this.#done >= Math.max(this.#limit, ENOUGH / this.#change, (VARYING * this.#variance) / this.#change ** 2)
    if (isLong || lasts >= LONGEST) this.#judge(this.#work / lasts, this.#free * 5 < this.#ended)
  }

  #usualOf(endpoint: string, took: number): Usual {
    let usual = this.#usual.get(endpoint)
    if (usual === undefined) {
      if (this.#usual.size >= ENDPOINTS) this.#usual.delete(this.#usual.keys().next().value!)
      usual = { latency: took, weight: Math.min(took, SHORTEST * PART) }
      this.#usual.set(endpoint, usual)
    }
    return usual
  }

  /** By how much the limit differs in this try, or does in most others. */
  get #change(): number {
    return Math.abs(this.#limit / this.#settled - 1) || 1 - DOWN
  }

  /** @param isSeen whether others waited, so that the limit was what bounded it */
  #judge(pace: number, isSeen: boolean): void {
    const tried = this.#try
    const before = this.#pace
    if (!isSeen || before === undefined || tried === 'as it is') {
      // Where it is not bounded, what was found stays.
      this.#pace = isSeen ? pace : undefined
      if (!isSeen || this.#rests-- > 0) return this.#begin('as it is', this.#settled)
      return this.#go(this.#next)
    }
    const change = this.#limit / this.#settled - 1
    const seen = pace / before - 1
    const isGood = tried === 'more' ? seen >= SEEN * change : seen >= SEEN * change * 0.75
    if (isGood) {
      this.#settled = this.#limit
      this.#pace = pace
      if (tried === 'more') {
        this.#up = Math.min(2, this.#up * UP)
        this.#down = DOWN
      } else this.#down = Math.max(0.5, this.#down * 0.9)
      return this.#go(tried)
    }
    this.#next = tried === 'more' ? 'less' : 'more'
    this.#up = UP
    this.#down = DOWN
    this.#rests = tried === 'less' ? RESTS : 0
    this.#pace = undefined
    this.#begin('as it is', this.#settled)
  }

  #go(next: 'more' | 'less'): void {
    const limit =
      next === 'more'
        ? Math.min(AdaptiveLimit.MOST, Math.ceil(this.#settled * this.#up))
        : Math.max(AdaptiveLimit.LEAST, Math.min(this.#settled - 1, Math.floor(this.#settled * this.#down)))
    if (limit === this.#settled) {
      this.#next = next === 'more' ? 'less' : 'more'
      this.#rests = RESTS
      return this.#begin('as it is', this.#settled)
    }
    this.#begin(next, limit)
  }

  #begin(what: Try, limit: number): void {
    // In one round, each counts for the same.
    if (what === 'as it is') {
      const most = PART * Math.max(SHORTEST, this.#latency)
      for (const usual of this.#usual.values()) usual.weight = Math.min(usual.latency, most)
    }
    this.#try = what
    this.#began = now()
    this.#since = Infinity
    this.#done = this.#ended = this.#free = this.#work = 0
    if (limit === this.#limit) return
    this.#limit = limit
    this.changed(limit)
  }
}
