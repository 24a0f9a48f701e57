import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { Permits } from './permits.js'
import type { Scope } from './scope.js'

/** How many may wait for bytes: each costs a connection that is not read for now. Beyond that, what comes is refused. */
const MOST_WAITING = 16_384
/**
 * Milliseconds that somebody at the other end has, while others wait for bytes, to send what was let in, or to take what was sent; and how many bytes a millisecond it is
 * to send or take beyond that: about 1 MiB a second. Who is slower has its bytes taken away, but only then.
 */
const PATIENCE = 2000
const RATE = 1024
/** Milliseconds that what is to be answered waits at most until clients have taken what was. Who does not take it is hung up on before, unless it was very large. */
const LONGEST = 30_000
/** Milliseconds between looks for those who are slower. */
const LOOK = 250
/** The part of all that is taken back in one look, at least. */
const SOME = 8
/** Bytes that nobody is hung up on for. */
const FEW = 16 * 1024
/** Bytes of what does not wait for what is larger: where others hold too much, it has a part of its own, beside what is inside. */
export const SMALL = 64 * 1024
const SMALLS = 8

/** The part of all that answers may take while they are made, beside what is inside. */
const ANSWERS = 4
/** For how many bytes one of an answer counts while it is made: there are documents, and what is written of them. */
const MADE = 2
/** For how many bytes an answer counts of which nothing is known: large ones are rare. Where there is little, eight at a time are made of all kinds. */
const GUESS = 2 * 1024 * 1024
const NEW = 8
/**
 * Milliseconds for which none of the answers that are made is done, before more are made beside them, and how many more. It is for those of a moment that they come one by one; where they take
 * long, they take as many places as there are, and one that hangs holds nobody up. Where answers are known to be large: a quarter of those that may be.
 */
const STILL = 1000
const MORE = 4
/** The same where nothing is known of those that wait, which are most often small: half as many as there are. So a model of which hundreds ask for the first time is busy within a second. */
const STILL_NEW = 250
const MORE_NEW = 0.5
/** How fast what is expected of an answer follows what is seen: up, and down. */
const GROWS = 0.5
const SHRINKS = 0.1
/** Of how many endpoints it is known. */
const ENDPOINTS = 256

/**
 * Bytes that are inside: of what came and is not done with, and of what was sent and is not taken. No more of what can wait or be refused is let in than may be
 * inside; what is there anyway, as answers are, is counted, and what comes then waits for it. Bytes are permits, so tenants share them as they share those.
 *
 * Who waits for whom, so that nobody waits for itself: what came (`ask`) has nothing yet. With what it brought it waits until clients have taken answers (`room`), and then for the bytes of its
 * own (`expect`). Who has those waits for an executor, and then for its client, who is hung up on at last. What grows (`more`) does not wait with half of it; an upload does, and is hung up on
 * where most of what is inside is of such.
 */
export class ByteBudget {
  readonly #permits: Permits
  /** Those of small ones, beside the others. */
  readonly #small: Permits
  readonly #parts: Parts
  /** What answers are expected to take that are being made. */
  readonly #answers: Permits
  /** Bytes of an answer, by what was asked for. */
  readonly #expected = new Map<string, number>()
  /** Those who wait for somebody at the other end. */
  readonly #moving = new Set<Hold>()
  #looking = false
  #cut = 0
  #refusals = 0
  /** Those who wait here, who hear of its end. */
  readonly #waits = new Set<Scope>()
  #ended: { readonly reason: unknown } | undefined
  /** When some were last given back. */
  #moved = 0
  /** Of those inside, those of answers that clients have not taken. */
  readonly #owed: Permits
  /** When an answer was last made of those for which others wait. */
  #made = 0
  #stepping = false
  /** How many wait of whose answers nothing is known. */
  #unknown = 0
  /** How many answers are being made of which nothing is known, by what was asked for. */
  readonly #new = new Map<string, number>()

  /**
   * @param busy what is said where there are no bytes
   * @param onLoss told when somebody is refused or hung up on
   */
  constructor(
    limit: number,
    readonly busy: () => Error,
    private readonly onLoss: () => void = () => {},
  ) {
    this.#permits = new Permits(limit, MOST_WAITING)
    this.#small = new Permits(Math.max(1, Math.floor(limit / SMALLS)), MOST_WAITING)
    this.#answers = new Permits(Math.max(1, Math.floor(limit / ANSWERS)), MOST_WAITING)
    this.#owed = new Permits(limit, MOST_WAITING)
    this.#parts = { permits: this.#permits, small: this.#small, answers: this.#answers, owed: this.#owed, moving: this.#moving }
  }

  /** How many there may be inside. */
  get limit(): number {
    return this.#permits.count
  }

  /** How many are, but for those of small requests that have a part of their own. */
  get inside(): number {
    return this.#permits.out
  }

  /** Somebody is refused. @returns what it is told */
  readonly refused = (): Error => {
    this.#refusals++
    this.onLoss()
    return this.busy()
  }

  /** How it is, and how often somebody was refused and hung up on for want of bytes. */
  get state(): BytesState {
    const { limit, inside, waiting } = this
    return { limit, inside: inside + this.#small.out, waiting: waiting + this.#small.waiting + this.#answers.waiting, refused: this.#refusals, cut: this.#cut }
  }

  /** All who wait hear this, and who comes later. @returns how many did */
  end(reason: unknown): number {
    this.#ended = { reason }
    const waits = [...this.#waits]
    for (const wait of waits) wait.abort(reason)
    return waits.length
  }

  /** How many wait until there are fewer. */
  get waiting(): number {
    return this.#permits.waiting + this.#owed.waiting
  }

  /** How often somebody was hung up on who held bytes that others waited for. */
  get cut(): number {
    return this.#cut
  }

  /** Whether so much is inside that nothing else is to begin. */
  get isSpent(): boolean {
    return this.#permits.out >= this.#permits.count
  }

  /** Whether so much was answered and is not taken that nothing else is to be. */
  get isOwed(): boolean {
    return this.#owed.out >= this.#owed.count
  }

  /** Begins to hold bytes: none yet. @param isOwed whether they are of answers that wait for their client @param weight for how many bytes one of them counts */
  hold(tenant: string | undefined, isOwed = false, weight = 1): Hold {
    return new Hold(this, this.#parts, tenant, isOwed, weight)
  }

  /** Some are given back. */
  give(tenant: string | undefined, bytes: number): void {
    this.#moved = now()
    this.#permits.give(tenant, undefined, bytes)
  }

  /** An answer is made that had so many bytes of those. */
  made(tenant: string | undefined, bytes: number): void {
    const answers = this.#answers
    this.#made = now()
    // What is made beside the others is no more of a part for those behind.
    answers.count = Math.max(this.#base, answers.count - bytes)
    answers.give(tenant, undefined, bytes)
  }

  /**
   * Resolves when something may be answered: when clients have taken enough of what was.
   * @throws where as many wait as may; rejects with the reason of the scope, and with what is said where there are no bytes after 30 s
   */
  async room(scope: Scope, tenant: string | undefined): Promise<void> {
    this.lookLater()
    try {
      await this.patiently(scope, LONGEST, (scope) => this.#owed.wait({ scope, tenant, weight: 0 }, done, this.refused))
    } catch (error) {
      throw error === PATIENT ? this.refused() : error
    }
  }

  /**
   * Before an answer is made, of which is known how large it was before. Of one that was never made, some are made at first, and one whatever else is inside: small ones would stand behind large
   * ones that nobody takes, as nobody knew that they are small. Others wait for what is seen then, but not for long.
   * @returns a promise where it has to wait; as {@link room} does
   */
  expect(hold: Hold, scope: Scope, endpoint: string): void | Promise<void> {
    const expected = this.#expected.get(endpoint)
    if (expected === undefined) return this.#expectNew(hold, scope, endpoint)
    if (MADE * expected <= FEW) return
    if (this.#answers.waiting === 0) this.#made = now()
    const room = hold.expect(scope, Math.min(this.#base, Math.ceil(MADE * expected)))
    if (room !== undefined) this.#stepLater()
    return room
  }

  /** Some are made, and the others wait for what is seen then. */
  #expectNew(hold: Hold, scope: Scope, endpoint: string): void | Promise<void> {
    if (this.#answers.waiting === 0) this.#made = now()
    const bytes = Math.min(GUESS, Math.ceil(this.#base / NEW))
    if (!this.#new.has(endpoint) && this.#new.size < NEW) {
      hold.expectNow(bytes)
      return this.#beginNew(hold, endpoint)
    }
    const room = hold.expect(scope, bytes)
    if (room === undefined) return this.#beginNew(hold, endpoint)
    this.#unknown++
    this.#stepLater()
    return room
      .finally(() => this.#unknown--)
      .then(() => {
        if (!this.isKnown(endpoint)) return this.#beginNew(hold, endpoint)
        hold.made()
        return this.expect(hold, scope, endpoint)
      })
  }

  #beginNew(hold: Hold, endpoint: string): void {
    this.#new.set(endpoint, (this.#new.get(endpoint) ?? 0) + 1)
    hold.begins(() => {
      const others = this.#new.get(endpoint)! - 1
      if (others === 0) this.#new.delete(endpoint)
      else this.#new.set(endpoint, others)
    })
  }

  get #base(): number {
    return Math.max(1, Math.floor(this.limit / ANSWERS))
  }

  /** Has more answers made, as long as none of those is done that others wait for. */
  #stepLater(): void {
    if (this.#stepping) return
    this.#stepping = true
    const timer = setTimeout(() => {
      this.#stepping = false
      if (this.#answers.waiting === 0) return
      const isNew = this.#unknown > 0
      const more = Math.floor(isNew ? this.#answers.count * MORE_NEW : this.#base / MORE)
      if (now() - this.#made >= (isNew ? STILL_NEW : STILL) && !this.isOwed) this.#answers.count += Math.max(1, more)
      this.#stepLater()
    }, LOOK)
    timer.unref?.()
  }

  /** Whether it is known how large its answers are. */
  isKnown(endpoint: string): boolean {
    return this.#expected.has(endpoint)
  }

  /** Whether what is asked for is known to have a small answer, for which there is always room. */
  isSmall(endpoint: string): boolean {
    return MADE * (this.#expected.get(endpoint) ?? Infinity) <= FEW
  }

  /** An answer is made: so large it is. */
  answered(endpoint: string, bytes: number): void {
    const before = this.#expected.get(endpoint)
    if (before === undefined && this.#expected.size >= ENDPOINTS) this.#expected.delete(this.#expected.keys().next().value!)
    this.#expected.set(endpoint, before === undefined ? bytes : before + (bytes > before ? GROWS : SHRINKS) * (bytes - before))
  }

  /** @param milliseconds for which it waits at most @throws what says that it was patient enough, the reason of the scope, or that of the end */
  async patiently(scope: Scope, milliseconds: number, wait: (scope: Scope) => Promise<void>): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended.reason
    const own = scope.child()
    const timer = milliseconds === Infinity ? undefined : setTimeout(() => own.abort(PATIENT), milliseconds)
    this.#waits.add(own)
    try {
      await wait(own)
    } finally {
      this.#waits.delete(own)
      clearTimeout(timer)
      own.close()
    }
  }

  /** Looks after those who are slow, as long as somebody waits for what they hold. */
  lookLater(): void {
    if (this.#looking || this.#moving.size === 0) return
    this.#looking = true
    const timer = setTimeout(() => {
      this.#looking = false
      if (this.waiting === 0 && !this.isSpent) return
      this.#look()
      this.lookLater()
    }, LOOK)
    timer.unref?.()
  }

  /** Hangs up on those who are late by most, on some at a time: connections take a moment to end. */
  #look(): void {
    const time = now()
    const all = [...this.#moving]
    // Who is not read can do nothing for it, unless such hold most of what is inside, and nobody else goes on.
    const paused = all.reduce((sum, hold) => sum + (hold.paused ? hold.bytes : 0), 0)
    const stuck = time - this.#moved > PATIENCE && 2 * paused >= this.inside
    const moving = all.filter((hold) => stuck || !hold.paused)
    const large = moving.filter((hold) => hold.bytes > FEW)
    // Where nobody holds much, those who hold little are so many that they have it all.
    const late = (large.length > 0 || !this.isSpent ? large : moving).filter((hold) => hold.bytes > 0 && hold.due < time)
    let some = Math.max(this.limit / SOME, this.inside - this.limit)
    for (const hold of late.sort((one, other) => one.due - other.due)) {
      some -= hold.bytes
      this.#cut++
      this.onLoss()
      hold.cut()
      if (some <= 0) return
    }
  }
}

/** Bytes inside, as a status tells it. */
export interface BytesState {
  readonly limit: number
  readonly inside: number
  readonly waiting: number
  readonly refused: number
  readonly cut: number
}

interface Parts {
  readonly permits: Permits
  readonly small: Permits
  readonly answers: Permits
  readonly owed: Permits
  readonly moving: Set<Hold>
}

const done = (): void => {}
const PATIENT = new Error('It has waited long enough')

/** What one message, one answer or one connection holds of a budget. It may be of several, and is given back when the last is done with it. */
export class Hold {
  #bytes = 0
  #users = 1
  #since = 0
  #cut: (() => void) | undefined
  #expected = 0
  #begun: (() => void) | undefined
  #small = 0
  /** Of what it asked for, what is not there yet. */
  #spare = 0
  /** It is not read for now, for want of bytes. */
  paused = false

  constructor(
    private readonly budget: ByteBudget,
    private readonly parts: Parts,
    private readonly tenant: string | undefined,
    private readonly isOwed: boolean,
    private readonly weight: number,
  ) {}

  get bytes(): number {
    return this.#bytes
  }

  /** When it is late, where somebody is to move. */
  get due(): number {
    return this.#since + PATIENCE + this.#bytes / this.weight / RATE
  }

  /**
   * Asks for bytes before anything of them is here.
   * @param patience milliseconds after which it is refused. Default: never, as long as somebody waits for it
   * @returns a promise where there are not so many: it resolves when there are
   * @throws where as many wait as may; rejects with the reason of the scope
   */
  ask(scope: Scope, bytes: number, patience = Infinity): void | Promise<void> {
    const { permits, small } = this.parts
    if (permits.take(this.tenant, bytes)) {
      this.#bytes += bytes
      return
    }
    this.budget.lookLater()
    if (bytes <= SMALL && small.take(this.tenant, bytes)) {
      this.#small += bytes
      return
    }
    const got = (): void => {
      this.#bytes += bytes
      this.#since = now()
      // Who asked has left meanwhile.
      if (this.#users === 0) this.#settle()
    }
    return this.#waitFor(permits, scope, bytes, got, patience, true)
  }

  /** As {@link ask}, of what nobody says the length of: so much at least. */
  begin(scope: Scope): void | Promise<void> {
    this.#spare = SMALL
    return this.ask(scope, SMALL)
  }

  /** Takes more, of what nobody said the length of. @returns false where there are none: it should be given up, as others may wait for each other otherwise */
  more(bytes: number): boolean {
    const spare = Math.min(this.#spare, bytes)
    this.#spare -= spare
    const more = bytes - spare
    if (more > 0 && !this.parts.permits.more(this.tenant, more, this.#bytes)) {
      this.budget.lookLater()
      return false
    }
    this.#bytes += more
    return true
  }

  /** Holds so many from now on, whether there are as many or not: they are here. */
  set(bytes: number): void {
    const more = bytes - this.#bytes
    if (more === 0) return
    if (more < 0) {
      // It moves.
      this.#since = now()
      this.#bytes = bytes
      this.#give(-more)
    } else {
      if (this.#bytes === 0) this.#since = now()
      this.#bytes = bytes
      this.parts.permits.overdraw(this.tenant, more)
      if (this.isOwed) this.parts.owed.overdraw(this.tenant, more)
      if (this.budget.isSpent) this.budget.lookLater()
    }
  }

  /** As {@link expect}, where it need not wait. @returns whether there are so many */
  expectNow(bytes: number): boolean {
    const got = this.parts.answers.take(this.tenant, bytes)
    if (got) this.#expected += bytes
    return got
  }

  /** Takes bytes of others, that are expected. @param patience milliseconds after which it goes on without @returns a promise where it has to wait */
  expect(scope: Scope, bytes: number, patience = Infinity): void | Promise<void> {
    if (this.expectNow(bytes)) return
    const got = (): void => {
      this.#expected += bytes
      if (this.#users === 0) this.#settle()
    }
    return this.#waitFor(this.parts.answers, scope, bytes, got, patience, false)
  }

  /** Waits for so long at most. @param must whether it is refused then; else it goes on without */
  async #waitFor(permits: Permits, scope: Scope, weight: number, got: () => void, patience: number, must: boolean): Promise<void> {
    const { budget, tenant } = this
    try {
      await budget.patiently(scope, patience, (scope) => permits.wait({ scope, tenant, weight }, got, budget.refused))
    } catch (error) {
      if (error !== PATIENT) throw error
      if (must) throw budget.refused()
    }
  }

  get isExpecting(): boolean {
    return this.#expected > 0 || this.#begun !== undefined
  }

  /** Its answer is made, of which nothing is known. @param over told when it is there */
  begins(over: () => void): void {
    const other = this.#begun
    // One message may ask for several.
    this.#begun =
      other === undefined
        ? over
        : () => {
            other()
            over()
          }
    // Who asked has left meanwhile.
    if (this.#users === 0) this.made()
  }

  /** What was expected is there, or begins to be. */
  made(): void {
    this.#begun?.()
    this.#begun = undefined
    const expected = this.#expected
    this.#expected = 0
    if (expected > 0) this.budget.made(this.tenant, expected)
  }

  /** Another that holds so many of these. */
  split(bytes: number): Hold {
    const other = new Hold(this.budget, this.parts, this.tenant, this.isOwed, this.weight)
    other.#bytes = bytes
    this.#bytes -= bytes
    this.#since = now()
    return other
  }

  /** Somebody at the other end has to move: to send the rest, or to take it. @param cut ends that, should it take too long while others wait */
  watch(cut: () => void): void {
    if (this.#cut !== undefined) return
    this.#cut = cut
    this.#since = now()
    this.parts.moving.add(this)
    if (this.budget.isSpent || this.budget.waiting > 0) this.budget.lookLater()
  }

  unwatch(): void {
    this.#cut = undefined
    this.parts.moving.delete(this)
  }

  /** Takes what it holds away from who is too slow. */
  cut(): void {
    const cut = this.#cut
    this.unwatch()
    cut?.()
  }

  /** One more is busy with it. */
  enter(): void {
    this.#users++
  }

  /** One is done with it. */
  leave(): void {
    if (--this.#users === 0) this.#settle()
  }

  #give(bytes: number): void {
    this.budget.give(this.tenant, bytes)
    if (this.isOwed) this.parts.owed.give(this.tenant, undefined, bytes)
  }

  #settle(): void {
    this.unwatch()
    const bytes = this.#bytes
    this.#bytes = 0
    this.made()
    if (bytes > 0) this.#give(bytes)
    const small = this.#small
    this.#small = 0
    if (small > 0) this.parts.small.give(this.tenant, undefined, small)
  }
}
