import type { Readable } from 'node:stream'
import type { ByteBudget, Hold } from '../../../stream/byte-budget.js'
import { Fifo } from '../../../stream/fifo.js'
import type { Scope } from '../../../stream/scope.js'
import { type Deciding, MessageGate } from '../../message-gate.js'
import { FRAMING, roleOf } from './framing.js'

/** What a message is charged to. */
export interface Charge {
  readonly hold: Hold
  /** Why there was no room for it, of which only the head is here. */
  refused: unknown
}

/** What is known of a connection before its messages come. */
export interface About {
  readonly tenant: string | undefined
  /** Ends with it. */
  readonly scope: Scope
  /** For how many bytes one counts. */
  readonly weight: number
  /** Whether each of its messages may be refused by itself. */
  readonly shared: boolean
  /** Milliseconds that one waits for room before it is refused. Default: as anybody does. */
  readonly patience: number | undefined
}

/** Charges the messages of a connection when they begin. Where there is no room for one, no more is read until there is, or until it is refused. */
export class Charges implements Deciding {
  readonly #gate: MessageGate
  readonly #come = new Fifo<Charge>()
  readonly #taken = new Fifo<Charge>()
  #last: Charge | undefined
  /** Whether a message has begun that is not whole, in several frames. */
  #isOpen = false
  #over = false

  /**
   * @param pause told when there is no room, and when there is again
   * @param refuse ends the connection: nobody waits with half a message, as all might wait for each other
   */
  constructor(
    private readonly budget: ByteBudget,
    private readonly about: About,
    stream: Readable,
    private readonly pause: (short: boolean) => void,
    private readonly refuse: (reason: unknown) => void,
  ) {
    this.#gate = new MessageGate(stream, FRAMING, this)
  }

  begins(length: number, header: Uint8Array): void | Promise<boolean> {
    const { isControl, isMore, isLast, isPacked } = roleOf(header)
    if (this.#over || isControl) return
    const { tenant, scope, weight, shared, patience } = this.about
    const bytes = length * weight
    this.#isOpen = !isLast
    if (isMore) {
      if (this.#last !== undefined && !this.#last.hold.more(bytes)) this.#refuse(this.budget.refused())
      return
    }
    const charge: Charge = { hold: this.budget.hold(tenant, false, weight), refused: undefined }
    this.#last = charge
    this.#come.push(charge)
    const refused = (reason: unknown): boolean => {
      if (shared && isLast && !isPacked) charge.refused = reason
      else this.#refuse(reason)
      return false
    }
    let room: void | Promise<void>
    try {
      room = charge.hold.ask(scope, bytes, patience)
    } catch (reason) {
      room = Promise.reject(reason)
    }
    if (room === undefined) return
    this.pause(true)
    return room.then(() => true, refused)
  }

  goesOn(): void {
    this.pause(false)
  }

  half(): void {
    this.#watch()
  }

  ends(): void {
    // Somebody has to send the rest.
    if (this.#isOpen) this.#watch()
  }

  unknown(): void {
    this.#refuse(this.budget.busy())
  }

  #watch(): void {
    this.#last?.hold.watch(() => this.#refuse(this.budget.busy()))
  }

  #refuse(reason: unknown): void {
    this.#gate.end()
    this.refuse(reason)
  }

  /** The message that is whole now is for its turn. @param length in bytes, which may be more than came, where it was packed */
  taken(length: number): void {
    if (this.#come.length === 0) return
    const charge = this.#come.shift()
    const { hold } = charge
    const bytes = length * this.about.weight
    if (hold.bytes > 0 && hold.bytes < bytes) hold.set(bytes)
    this.#taken.push(charge)
  }

  /** A message is whole. @param isTaken whether it was said of it that it is for its turn */
  whole(isTaken: boolean): void {
    if (!isTaken && this.#come.length > 0) this.#come.shift().hold.leave()
    if (this.#come.length === 0) this.#last?.hold.unwatch()
  }

  /** The charge of the next message that somebody takes. */
  next(): Charge | undefined {
    return this.#taken.length === 0 ? undefined : this.#taken.shift()
  }

  /** Nothing of what still comes is taken. @param all nor is what has come */
  end(all: boolean): void {
    this.#over = true
    this.#last?.hold.unwatch()
    if (all) for (const fifo of [this.#come, this.#taken]) while (fifo.length > 0) fifo.shift().hold.leave()
  }
}
