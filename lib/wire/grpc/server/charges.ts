import type { ServerHttp2Stream } from 'node:http2'
import type { ByteBudget, Hold } from '../../../stream/byte-budget.js'
import { Fifo } from '../../../stream/fifo.js'
import { Numbered } from '../../../stream/numbered.js'
import { Scope } from '../../../stream/scope.js'
import { type Deciding, type Framing, MessageGate } from '../../message-gate.js'
import { endOf } from './failures.js'
import { turnAway } from './turn-away.js'

/** A call is noted in its headers by this name, so that what grpc-js makes of it is known again. Clients cannot say it. */
export const CALL_HEADER = 'sluice-call'

/** Of HTTP/2, what clients of gRPC take for RESOURCE_EXHAUSTED. */
const ENHANCE_YOUR_CALM = 11
/** Bytes of answers that wait without being charged: those on their way. */
const FREE = 16 * 1024

/** What a message is charged to. */
export interface Charge {
  readonly hold: Hold
  /** Why there was no room for it, of which only the head is here. */
  refused: unknown
}

/** Of gRPC: whether a message is packed, and its length in four bytes. */
export const FRAMING: Framing = {
  most: 5,
  due: () => 5,
  length: ([, one, two, three, four]) => ((one! * 256 + two!) * 256 + three!) * 256 + four!,
  shortened([packed], length) {
    if (packed !== 0) return undefined
    const header = new Uint8Array(5)
    new DataView(header.buffer).setUint32(1, length)
    return header
  },
  plain: (_, bytes) => bytes,
}

/** What is known of a call before its messages come. */
export interface About {
  readonly tenant: string | undefined
  /** Whether its messages are requests, each of which may be answered by itself. */
  readonly several: boolean
  /** Milliseconds that one waits for room before it is refused. Default: as anybody does. */
  readonly patience?: number | undefined
}

/**
 * Charges the messages of a call when they begin, and its answers until they are taken. Where there is no room for a message, no more of the call is read until there is, or until it is refused: by
 * itself, where it is one of several.
 */
export class Charges implements Deciding {
  readonly #come = new Fifo<Charge>()
  readonly #read = new Fifo<Charge>()
  readonly #scope = new Scope()
  readonly #answers: Hold
  readonly #gate: MessageGate
  #last: Charge | undefined
  #made = 0
  #sending = 0
  /** It is not read for now, and whether grpc-js would. */
  #paused = false
  #wanted = false
  #over = false
  /** It has been answered here, and is closed in a moment. */
  #turnedAway = false
  readonly #resume: () => ServerHttp2Stream
  #told: (paused: boolean) => void = () => {}

  constructor(
    private readonly budget: ByteBudget,
    private readonly about: About,
    private readonly stream: ServerHttp2Stream,
    private readonly most: number,
  ) {
    this.#answers = budget.hold(about.tenant, true)
    this.#resume = stream.resume.bind(stream)
    const pause = stream.pause.bind(stream)
    // grpc-js reads on when it wants the next message, which is here when there is room for it.
    stream.resume = () => {
      if (!this.#paused) return this.#resume()
      this.#wanted = true
      return stream
    }
    stream.pause = () => {
      this.#wanted = false
      return pause()
    }
    this.#gate = new MessageGate(stream, FRAMING, this)
    stream.once('close', () => this.#end())
  }

  /** @param told hears whether the call is not read for now, and when that changes */
  onPause(told: (paused: boolean) => void): void {
    this.#told = told
    if (this.#paused) told(true)
  }

  begins(length: number): void | Promise<boolean> {
    // What is too large is refused by grpc-js.
    if (this.#over || length > this.most) return
    const charge: Charge = { hold: this.budget.hold(this.about.tenant), refused: undefined }
    this.#last = charge
    this.#come.push(charge)
    const refused = (reason: unknown): boolean => {
      if (this.about.several) charge.refused = reason
      else this.#break(reason)
      return false
    }
    let room: void | Promise<void>
    try {
      room = charge.hold.ask(this.#scope, length, this.about.patience)
    } catch (reason) {
      room = Promise.reject(reason)
    }
    if (room === undefined) return
    if (!this.#paused) {
      const wanted = !this.stream.isPaused()
      this.stream.pause()
      this.#paused = true
      this.#wanted = wanted
      this.#told(true)
    }
    return room.then(() => true, refused)
  }

  goesOn(): void {
    this.#paused = false
    this.#told(false)
    if (this.#wanted) this.#resume()
  }

  half(): void {
    this.#last?.hold.watch(this.#cut)
  }

  ends(): void {
    this.#last?.hold.unwatch()
  }

  unknown(): void {
    this.#cut()
  }

  readonly #cut = (): void => this.#break(this.budget.busy())

  #break(reason: unknown): void {
    const { stream } = this
    if (this.#over || this.#turnedAway || stream.closed) return
    this.#gate.end()
    // Once it is being answered, it can only be broken off.
    if (stream.headersSent) return stream.close(ENHANCE_YOUR_CALM)
    const { code, details } = endOf(reason, () => {})
    this.#turnedAway = true
    // grpc-js answers a call that ends without a message, and Node throws at whoever answers one twice. Node has no listener of its own here yet: that
    // comes when the stream closes.
    stream.removeAllListeners('end')
    turnAway(stream, code, details)
  }

  /** The next message is taken from the wire. @param dropped nobody works on it */
  taken(dropped: boolean): void {
    if (this.#come.length === 0) return
    const charge = this.#come.shift()
    if (dropped) charge.hold.leave()
    else this.#read.push(charge)
  }

  /** The charge of the next of those that were taken. @param length as it is unpacked */
  next(length: number): Charge | undefined {
    if (this.#read.length === 0) return undefined
    const charge = this.#read.shift()
    const { hold } = charge
    if (hold.bytes > 0 && hold.bytes < length) hold.set(length)
    return charge
  }

  /** An answer is made. */
  answered({ execEndpoint }: { readonly execEndpoint: string | undefined }, { length }: { readonly length: number }): void {
    this.budget.answered(execEndpoint || '/', length)
  }

  /** So many bytes more, or fewer, wait for their turn to be sent. */
  made(more: number): void {
    this.#made += more
    if (more > 0) this.answers(this.#sending)
  }

  /** So much waits for the wire. */
  answers(sending: number): void {
    this.#sending = sending
    const waiting = sending + this.#made
    if (this.#over || (waiting <= FREE && this.#answers.bytes === 0)) return
    if (this.#answers.bytes === 0) this.#answers.watch(this.#cut)
    this.#answers.set(waiting > FREE ? waiting : 0)
    if (this.#answers.bytes === 0) this.#answers.unwatch()
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#scope.abort(new DOMException('The client left', 'AbortError'))
    this.#answers.leave()
    for (const fifo of [this.#come, this.#read]) while (fifo.length > 0) fifo.shift().hold.leave()
  }
}

/** Those of a server, by what its calls are noted by. */
export class CallCharges {
  readonly #charges = new Numbered<Charges>()

  /** @param most bytes of a message */
  constructor(
    private readonly budget: ByteBudget,
    private readonly most: number,
  ) {}

  /** A call begins. @returns what its messages are charged to, and what it is noted by */
  open(stream: ServerHttp2Stream, about: About): string {
    const number = this.#charges.add(new Charges(this.budget, about, stream, this.most))
    stream.once('close', () => this.#charges.delete(number))
    return String(number)
  }

  of(id: string | undefined): Charges | undefined {
    return id === undefined ? undefined : this.#charges.get(Number(id))
  }
}

/** Has a message answered, and is done with it then. */
export async function charged<T>(charge: Charge | undefined, work: (charge: Charge | undefined) => Promise<T>): Promise<T> {
  if (charge === undefined) return work(undefined)
  try {
    return await work(charge)
  } finally {
    charge.hold.leave()
  }
}
