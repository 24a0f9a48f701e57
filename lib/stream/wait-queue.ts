import { now } from '../base/clock.js'
import { here } from '../base/context.js'
import { Keyed } from './keyed.js'
import { type Linked, LinkedList } from './linked-list.js'
import { Pace } from './pace.js'
import type { Scope } from './scope.js'

// In which order those who wait get their turn.
//
// Between tenants: round robin, so that who sends much waits behind itself. Who comes alone is next after one turn of each of the others.
//
// Of one tenant: first come, first served, as long as that serves. Once the time of some was up, here or behind it, more comes than is served: in the order in
// which they came, each would then get its turn when its time is nearly over, and all work would be for nobody. So for as long as that
// goes on, those who came last go first; they have the most time left. Not those that were given more: one that has more time left than who came last goes before it.
// Who has no time to keep is not passed by for ever: it is served once nobody who came before it waits. (Adaptive LIFO: see "Fail at Scale", ACM Queue 2015.)
//
// Those whom so many have passed by that their turn will not come in time are told so then, and not when their time is over: they can ask elsewhere meanwhile, and keep the
// connection that who gives up hangs up on. Who let them in decides whether they leave for that (handler/limits); the newest go first in any case.

/** Somebody who waits, until nobody wants what comes of it any more. */
export interface Asking {
  readonly scope: Scope
  /** Whose turns it takes: of those who have the same, one waits for the other. */
  readonly tenant?: string | undefined
}

/** Milliseconds of its time that one may have left when it leaves, and have left as it was over: servers end a little after their clients. Of short times, a tenth. */
const NEARLY = 50
const isOver = ({ left, given = Infinity }: NonNullable<Scope['deadline']>): boolean => left < Math.min(NEARLY, given / 10)
/** Milliseconds after the last one whose time was up in line in which the newest go first. */
const OVERLOADED = 1000

/** How many times the time that one has left it must take, as it seems, until all have been served who wait: it is not known that well. */
const HOPELESS = 2

/** One who waits. */
class Waiter<Who extends Asking, Given> implements Linked {
  declare before: this | undefined
  declare after: this | undefined
  /** When it came. */
  readonly at = now()

  constructor(
    readonly who: Who,
    readonly since: number,
    /** Where it stands. */
    readonly list: LinkedList<Waiter<Who, Given>>,
    readonly line: Line<Who, Given>,
    readonly go: (given: Given) => void,
    readonly fail: (reason: unknown) => void,
  ) {}
}

/** Those of one tenant. Never empty while it stands in the queue. */
class Line<Who extends Asking, Given> implements Linked {
  declare before: this | undefined
  declare after: this | undefined
  /** They have all the time in the world. */
  readonly patient = new LinkedList<Waiter<Who, Given>>()
  /** They have not. */
  readonly pressed = new LinkedList<Waiter<Who, Given>>()
  /** When the time of one was last up. */
  lapsed = -Infinity

  constructor(readonly tenant: string | undefined) {}

  get length(): number {
    return this.patient.length + this.pressed.length
  }

  /** Who came first. */
  get oldest(): Waiter<Who, Given> {
    const [one, other] = [this.patient.first, this.pressed.first]
    return one === undefined || (other !== undefined && other.at < one.at) ? other! : one
  }

  /** Who came last. */
  get newest(): Waiter<Who, Given> {
    const [one, other] = [this.patient.last, this.pressed.last]
    return one === undefined || (other !== undefined && other.at >= one.at) ? other! : one
  }

  /** Who is next. Undefined where the time of all is up, who leave in this very turn: nothing is begun for them. */
  get next(): Waiter<Who, Given> | undefined {
    const one = this.patient.first
    let other = this.pressed.first
    while (other?.who.scope.deadline?.watched && other.who.scope.deadline.left <= 0) other = other.after
    if (other === undefined || (one !== undefined && one.at <= other.at)) return one
    const newest = this.pressed.last!
    return now() - this.lapsed < OVERLOADED && leftOf(other) <= leftOf(newest) ? newest : other
  }
}

const leftOf = ({ who }: Waiter<any, any>): number => who.scope.deadline?.left ?? Infinity

/** Those who wait for their turn. Who is no longer wanted leaves at once. */
export class WaitQueue<Who extends Asking, Given = void> {
  readonly #lines = new Keyed<string | undefined, Line<Who, Given>>()
  /** Whose turn it is, first. */
  readonly #turns = new LinkedList<Line<Who, Given>>()
  readonly #pace = new Pace()
  #size = 0
  /** No other line was longer when it was looked at, and none of the others is now than so much. */
  #longest: Line<Who, Given> | undefined
  #others = 0

  get size(): number {
    return this.#size
  }

  /** When the first of whose turn it is came, as it said itself. Infinity when nobody waits. */
  get since(): number {
    return this.#turns.first?.oldest.since ?? Infinity
  }

  /**
   * @param run what to do when it is their turn
   * @returns what comes of it; rejects with the reason of the scope
   */
  join<R>(who: Who, run: (given: Given) => R | Promise<R>, since = 0): Promise<R> {
    // Whoever is done gives its turn away, and must not lend its context too.
    const context = here()
    return new Promise((resolve, reject) => {
      const { tenant, scope } = who
      if (scope.aborted) return reject(scope.reason)
      const line = this.#lineOf(tenant)
      const go = (given: Given): void => {
        unwatch()
        try {
          resolve(context.runInAsyncScope(run, undefined, given))
        } catch (error) {
          reject(error)
        }
      }
      const fail = (reason: unknown): void => {
        unwatch()
        reject(reason)
      }
      const waiter = new Waiter(who, since, scope.deadline === undefined ? line.patient : line.pressed, line, go, fail)
      waiter.list.push(waiter)
      if (this.#size++ === 0) this.#pace.begin()
      this.#grown(line)
      const unwatch = scope.watch((reason) => {
        this.note(scope.deadline, tenant)
        this.#leave(waiter)
        reject(reason)
      })
      if (now() - line.lapsed < OVERLOADED) this.#shed(line)
    })
  }

  /** Sends those away whose turn will not come in time, as long as the newest go first. */
  #shed(line: Line<Who, Given>): void {
    const { pressed } = line
    let last: Waiter<Who, Given> | undefined
    // Whoever is told so leaves at once.
    while (pressed.first !== undefined && pressed.first !== last) {
      const { left, shed } = (last = pressed.first).who.scope.deadline ?? {}
      const time = this.#pace.until(pressed.length * this.#lines.size)
      if (!shed || !time || time < HOPELESS * left!) return
      line.lapsed = now()
      shed(time)
    }
  }

  /** One ends, that waits here or had its turn. If its time is up, those who came last are next for a while. */
  note(deadline: Scope['deadline'], tenant?: string): void {
    const line = this.#lines.get(tenant)
    if (line !== undefined && deadline !== undefined && isOver(deadline)) line.lapsed = now()
  }

  /**
   * Gives one its turn: of the first tenant in turn that may have one.
   * @returns whether there was one
   */
  shift(given: Given, may?: (tenant: string | undefined, who: Who) => boolean): boolean {
    let line = this.#turns.first
    let waiter = line?.next
    while (line !== undefined && (waiter === undefined || may?.(line.tenant, waiter.who) === false)) {
      line = line.after
      waiter = line?.next
    }
    if (line === undefined || waiter === undefined) return false
    this.#leave(waiter)
    this.#pace.note()
    // The others are next.
    if (line.length > 0) {
      this.#turns.delete(line)
      this.#turns.push(line)
    }
    waiter.go(given)
    return true
  }

  /** Whether one of this tenant waits. */
  holds(tenant: string | undefined): boolean {
    return this.#lines.has(tenant)
  }

  /**
   * Makes room for one more of this tenant, where another has more waiting: of who has most, the last that came leaves.
   * @param refuse what it is told
   * @returns whether there is room
   */
  makeRoom(tenant: string | undefined, refuse: (who: Who) => unknown): boolean {
    const own = this.#lines.get(tenant)?.length ?? 0
    if (!this.#longest?.length || this.#longest.length < this.#others) this.#measure()
    const { newest, length } = this.#longest!
    if (length <= own + 1) return false
    this.#leave(newest)
    newest.fail(refuse(newest.who))
    return true
  }

  /** A line is longer by one. */
  #grown(line: Line<Who, Given>): void {
    if (line === this.#longest) return
    const { length = 0 } = this.#longest ?? {}
    this.#others = Math.max(this.#others, Math.min(length, line.length))
    if (line.length > length) this.#longest = line
  }

  #measure(): void {
    this.#longest = undefined
    this.#others = 0
    for (let line = this.#turns.first; line !== undefined; line = line.after) this.#grown(line)
  }

  *[Symbol.iterator](): Generator<Who> {
    for (const { patient, pressed } of this.#turns) for (const list of [patient, pressed]) for (const { who } of list) yield who
  }

  #lineOf(tenant: string | undefined): Line<Who, Given> {
    let line = this.#lines.get(tenant)
    if (line === undefined) {
      line = new Line(tenant)
      this.#lines.set(tenant, line)
      this.#turns.push(line)
    }
    return line
  }

  #leave(waiter: Waiter<Who, Given>): void {
    const { line } = waiter
    waiter.list.delete(waiter)
    this.#size--
    if (line.length > 0) return
    this.#lines.delete(line.tenant)
    this.#turns.delete(line)
  }
}
