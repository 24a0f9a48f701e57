import { now, setTimeout } from '../base/clock.js'
import type { Scope } from './scope.js'
import { type Asking, WaitQueue } from './wait-queue.js'

/** Of how many permits one is kept for others than who has most. */
const KEPT = 8
/** Milliseconds after a request of another in which some are kept: one who is alone has them all. */
const LATELY = 10_000

/** Milliseconds for which others may pass by one that wants more permits than there are, and for which, in turn, nobody may. */
const PASSING = 1000

/** Somebody who waits for permits. */
export interface Wanting extends Asking {
  /** For how many. Default 1. */
  readonly weight?: number | undefined
}

/**
 * A number of permits, and those who wait for some: no more of them than may. Where several tenants ask, no one can hold all permits, nor all places in the line:
 * who comes alone does not wait for what another has begun. Who wants more than there ever are gets them once hardly any are out, so nobody waits for ever.
 */
export class Permits<Who extends Wanting = Wanting> {
  #count: number
  #free: number
  #kept: number
  readonly #mostWaiting: number
  readonly #queue = new WaitQueue<Who>()
  /** Permits of each tenant. */
  readonly #held = new Map<string, number>()
  #last: string | undefined
  /** When two who followed each other were not the same. */
  #mixed = -Infinity
  #giving = false
  #timed = false
  /** Since when the first in turn waits for more permits than are free. */
  #blocked: number | undefined
  #first = false

  /**
   * @param count how many there are
   * @param mostWaiting how many may wait
   */
  constructor(count: number, mostWaiting: number) {
    this.#count = count
    this.#free = count
    this.#kept = Math.floor(count / KEPT)
    this.#mostWaiting = mostWaiting
  }

  /** How many there are. */
  get count(): number {
    return this.#count
  }

  /** There are more from now on, or fewer: what is out stays out until it is given back. */
  set count(count: number) {
    this.#free += count - this.#count
    this.#count = count
    this.#kept = Math.floor(count / KEPT)
    this.#serve()
  }

  /** How many are out. */
  get out(): number {
    return this.#count - this.#free
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size
  }

  /** Takes permits. @returns whether there were so many */
  take(tenant?: string, weight = 1): boolean {
    if (tenant !== this.#last) {
      if (this.#last !== undefined) this.#mixed = now()
      this.#last = tenant
    }
    // Nobody passes by those who wait for the same.
    if (this.#queue.size > 0) {
      this.#serve()
      if (this.#queue.holds(tenant)) return false
    }
    return !this.#isHeldUp() && this.#grant(tenant, weight)
  }

  /**
   * Takes more of them for who has begun with some, and would not be done without: nobody in line was promised these.
   * @param own how many it has
   * @returns whether there were so many. To who has nearly all that are out, there always are
   */
  more(tenant: string | undefined, weight: number, own: number): boolean {
    if (this.out - own <= this.#kept) {
      this.overdraw(tenant, weight)
      return true
    }
    return this.#grant(tenant, weight)
  }

  /** Takes permits that there may not be, for what cannot be undone. */
  overdraw(tenant: string | undefined, weight: number): void {
    this.#free -= weight
    if (tenant !== undefined) this.#held.set(tenant, (this.#held.get(tenant) ?? 0) + weight)
  }

  #grant(tenant: string | undefined, weight: number): boolean {
    if (this.#isShort(weight)) return false
    if (tenant !== undefined) {
      const held = this.#held.get(tenant) ?? 0
      if (this.#free - weight < this.#kept && held + weight > this.#kept && held > 0 && now() - this.#mixed < LATELY) return false
      this.#held.set(tenant, held + weight)
    }
    this.#free -= weight
    return true
  }

  /** Who wants more than there ever are has them once the others have hardly any. */
  #isShort(weight: number): boolean {
    return this.#free < Math.min(weight, this.#count - this.#kept)
  }

  /** Of those whose turn it is, the first one first. */
  readonly #may = (tenant: string | undefined, { weight = 1 }: Who): boolean => {
    const isFirst = this.#first
    this.#first = false
    if (!isFirst) return !this.#isHeldUp() && this.#grant(tenant, weight)
    const granted = this.#grant(tenant, weight)
    if (granted) this.#blocked = undefined
    else if (this.#isShort(weight)) this.#blocked ??= now()
    return granted
  }

  /** Whether nobody passes by the first for now, who wants more than are free. What hangs on its permits holds up others half of the time only. */
  #isHeldUp(): boolean {
    if (this.#blocked === undefined) return false
    if (this.#queue.size > 0) return (now() - this.#blocked) % (2 * PASSING) >= PASSING
    this.#blocked = undefined
    return false
  }

  /**
   * Waits for a permit, and runs with it.
   * @param refuse what is said where nobody more may wait: to who has most waiting
   * @throws that
   */
  wait<R>(who: Who, run: () => R | Promise<R>, refuse: (who: Who) => unknown): Promise<R> {
    if (this.#queue.size >= this.#mostWaiting && !this.#queue.makeRoom(who.tenant, refuse)) throw refuse(who)
    const waiting = this.#queue.join(who, run)
    this.#serveLater()
    return waiting
  }

  /** What was kept is for all once nobody else has asked for a while. */
  #serveLater(): void {
    if (this.#timed || this.#free <= 0 || this.#queue.size === 0) return
    this.#timed = true
    const timer = setTimeout(
      () => {
        this.#timed = false
        this.#serve()
        this.#serveLater()
      },
      this.#blocked === undefined ? Math.max(1, Math.ceil(this.#mixed + LATELY - now())) : PASSING,
    )
    timer.unref?.()
  }

  /**
   * Gives permits back, to the first who waits and may have them.
   * @param deadline until when what had them was waited for
   */
  give(tenant?: string, deadline?: Scope['deadline'], weight = 1): void {
    this.#free += weight
    this.#queue.note(deadline, tenant)
    if (tenant !== undefined) {
      const held = this.#held.get(tenant)! - weight
      if (held === 0) this.#held.delete(tenant)
      else this.#held.set(tenant, held)
    }
    this.#serve()
    if (this.#free > 0 && this.#queue.size > 0) this.#serveLater()
  }

  #serve(): void {
    // Whoever is done at once gives while it is given: one loop for a whole queue of them.
    if (this.#giving) return
    this.#giving = true
    do this.#first = true
    while (this.#free > 0 && this.#queue.shift(undefined, this.#may))
    this.#giving = false
  }
}
