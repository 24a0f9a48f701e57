import { now, setTimeout } from '../base/clock.js'
import type { Scope } from './scope.js'
import { type Asking, WaitQueue } from './wait-queue.js'

/** Of how many permits one is kept for others than who has most. */
const KEPT = 8
/** Milliseconds after a request of another in which some are kept: one who is alone has them all. */
const LATELY = 10_000

/**
 * A number of permits, and those who wait for one: no more of them than may. Where several tenants ask, no one can hold all permits, nor all places in the line:
 * who comes alone does not wait for what another has begun.
 */
export class Permits<Who extends Asking = Asking> {
  #free: number
  readonly #kept: number
  readonly #mostWaiting: number
  readonly #queue = new WaitQueue<Who>()
  /** Permits of each tenant. */
  readonly #held = new Map<string, number>()
  #last: string | undefined
  /** When two who followed each other were not the same. */
  #mixed = -Infinity
  #giving = false
  #timed = false

  /**
   * @param count how many there are
   * @param mostWaiting how many may wait
   */
  constructor(count: number, mostWaiting: number) {
    this.#free = count
    this.#kept = Math.floor(count / KEPT)
    this.#mostWaiting = mostWaiting
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size
  }

  /** Takes a permit. @returns whether there was one */
  take(tenant?: string): boolean {
    if (tenant !== this.#last) {
      if (this.#last !== undefined) this.#mixed = now()
      this.#last = tenant
    }
    // Nobody passes by those who wait for the same.
    if (this.#queue.size > 0) {
      this.#serve()
      if (this.#queue.holds(tenant)) return false
    }
    return this.#grant(tenant)
  }

  readonly #grant = (tenant: string | undefined): boolean => {
    if (this.#free === 0) return false
    if (tenant !== undefined) {
      const held = this.#held.get(tenant) ?? 0
      if (this.#free <= this.#kept && held >= this.#kept && now() - this.#mixed < LATELY) return false
      this.#held.set(tenant, held + 1)
    }
    this.#free--
    return true
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
    if (this.#timed || this.#free === 0 || this.#queue.size === 0) return
    this.#timed = true
    const timer = setTimeout(
      () => {
        this.#timed = false
        this.#serve()
        this.#serveLater()
      },
      Math.max(1, Math.ceil(this.#mixed + LATELY - now())),
    )
    timer.unref?.()
  }

  /**
   * Gives a permit back, to the first who waits and may have it.
   * @param deadline until when what had it was waited for
   */
  give(tenant?: string, deadline?: Scope['deadline']): void {
    this.#free++
    this.#queue.note(deadline, tenant)
    if (tenant !== undefined) {
      const held = this.#held.get(tenant)! - 1
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
    while (this.#free > 0 && this.#queue.shift(undefined, this.#grant));
    this.#giving = false
  }
}
