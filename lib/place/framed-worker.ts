import { clearTimeout, nextTurn, now, setTimeout } from '../base/clock.js'
import { say } from '../base/errors.js'
import type { Request } from '../request/request.js'
import { Numbered } from '../stream/numbered.js'
import { readAnswer, readPart, readRefusal, writeCall } from '../wire/port/calls.js'
import { readError, unwritten, writeError } from '../wire/port/errors.js'
import { FRAME, type Frame, frameReader, jsonFrame, jsonIn, frame as made, Outbox, put, take, WINDOW } from '../wire/port/frames.js'
import { keepShared } from '../wire/port/shared-memory.js'
import type { Writer } from '../wire/proto/index.js'
import type { Host, Link, WorkerSettings } from './host.js'
import type { WorkerDescription, WorkerSpec } from './spec.js'
import type { LifeEvents, Sent, Worker } from './worker-life.js'

/** Requests from which on they go before the turn ends, as soon as they are a part of all that it has: both sides compute then, and neither waits for the other. */
const EARLY = 12
const PART = 1 / 6

/** Something beside calls that waits for what the worker says. */
interface Asked {
  resolve(value: any): void
  reject(error: unknown): void
}

/** A worker that is spoken with by frames: a thread, a process. */
export class FramedWorker implements Worker {
  readonly calls = new Numbered<Sent>()
  readonly #host: Host
  readonly #spec: WorkerSpec
  /** What executors of the Flow go by in parameters; all are there when it opens. */
  readonly #others: ReadonlySet<string>
  readonly #model: WorkerSpec['model']
  readonly #events: LifeEvents
  readonly #link: Link
  readonly #out: Outbox
  readonly #address: string
  #names: readonly string[] = []
  /** Bytes that the worker has not said to have begun with. */
  #onWay = 0
  #asked: Asked | undefined
  readonly #readyTimeout: number | undefined
  /** Milliseconds that are left of it. */
  #left: number | undefined
  #late: ReturnType<typeof setTimeout> | undefined
  #over = false

  constructor(host: Host, spec: WorkerSpec, settings: WorkerSettings, others: ReadonlySet<string>, address: string, events: LifeEvents) {
    this.#host = host
    this.#spec = spec
    this.#others = others
    this.#model = spec.model
    this.#address = address
    this.#events = events
    this.#left = settings.readyTimeout
    this.#readyTimeout = settings.readyTimeout
    const read = frameReader((frame) => this.#take(frame))
    const link: Link = host.start(settings, {
      receive: (bytes) => {
        try {
          read(bytes)
        } catch (error) {
          link.kill(`said what is no frame: ${say(error)}`)
        }
      },
      end: (end) => {
        this.#over = true
        clearTimeout(this.#late)
        events.end(end)
      },
    })
    this.#link = link
    // Who takes answers asks anew in a few steps of a turn.
    this.#out = new Outbox((bytes) => link.send(bytes), nextTurn)
  }

  readonly #write = (writer: Writer, request: Request): void => writeCall(writer, request, this.#names, this.#model)

  get hasRoom(): boolean {
    return this.#onWay < WINDOW
  }

  async make(): Promise<WorkerDescription> {
    void keepShared()
    const description: WorkerDescription = await this.#inTime('make', this.#ask(made(FRAME.make, 0, this.#host.write(this.#spec))))
    const { name } = this.#spec
    this.#names = [...new Set([name, description.metas?.name ?? name])]
    return description
  }

  open(): Promise<unknown> {
    return this.#inTime('open', this.#ask(jsonFrame(FRAME.open, [...this.#others])))
  }

  close(): Promise<unknown> {
    return this.#ask(made(FRAME.close))
  }

  send(sent: Sent): void {
    // It has its number first: what is written may hold a toJSON that sends, too.
    const call = this.calls.add(sent)
    if (this.calls.size === 1) this.#link.hold(true)
    try {
      const size = this.#out.write(FRAME.call, call, this.#write, sent.request)
      this.#onWay += size
    } catch (error) {
      this.#leave(call)
      throw unwritten(error, this.#address, 'the request')
    }
    sent.call = call
    const { frames } = this.#out
    if (frames >= EARLY && frames >= this.calls.size * PART) this.#out.flush()
  }

  abort({ call }: Sent, reason: unknown): void {
    this.#out.push(jsonFrame(FRAME.abort, writeError(reason), call))
  }

  kill(how?: string): void {
    this.#link.kill(how)
  }

  hold(holds: boolean): void {
    this.#link.hold(holds)
  }

  /** Asks something beside calls: one thing at a time. */
  #ask(bytes: Uint8Array): Promise<any> {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject }
      this.#out.push(bytes)
      this.#out.flush()
    })
  }

  /** Ends it, where it is not ready when its time for that is up. What comes between making and opening is the time of others. */
  async #inTime<T>(doing: 'make' | 'open', answer: Promise<T>): Promise<T> {
    if (this.#left === undefined) return answer
    if (this.#link.begun !== undefined) await this.#link.begun
    const start = now()
    if (!this.#over)
      this.#late = setTimeout(() => this.kill(`did not ${doing} its executor within ${this.#readyTimeout} ms (readyTimeout)`), Math.max(0, this.#left))
    try {
      return await answer
    } finally {
      clearTimeout(this.#late)
      this.#left -= now() - start
    }
  }

  #answerAsked(): Asked | undefined {
    const asked = this.#asked
    this.#asked = undefined
    return asked
  }

  #take(frame: Frame): void {
    if (this.#over) return
    switch (frame.kind) {
      case FRAME.answer:
      case FRAME.refusal:
        return this.#end(frame)
      case FRAME.part:
        return this.#part(frame)
      case FRAME.begun:
        this.#onWay = Math.max(0, this.#onWay - take(frame.bytes, frame.at))
        return this.#events.ready()
      case FRAME.failed:
        return this.#answerAsked()?.reject(readError(jsonIn(frame)))
      case FRAME.made:
      case FRAME.opened:
      case FRAME.closed:
        return this.#answerAsked()?.resolve(jsonIn(frame))
    }
  }

  #end(frame: Frame): void {
    const sent = this.calls.get(frame.call)
    if (sent === undefined) return
    this.#leave(frame.call)
    this.#events.answered(sent)
    if (sent.parts === undefined) this.#settle(sent, frame)
    else {
      const own = { ...frame, reader: frame.reader }
      sent.parts.then(() => this.#settle(sent, own))
    }
    this.#events.ready()
  }

  #leave(call: number): void {
    this.calls.delete(call)
    if (this.calls.size === 0) this.#link.hold(false)
  }

  #settle({ request, resolve, reject }: Sent, frame: Frame): void {
    try {
      if (frame.kind === FRAME.refusal) return reject(readRefusal(request, frame, this.#model))
      readAnswer(request, frame, this.#model)
    } catch (error) {
      return reject(error)
    }
    resolve()
  }

  #part(frame: Frame): void {
    const { call } = frame
    const sent = this.calls.get(call)
    const { emit } = sent?.request ?? {}
    if (sent === undefined || emit === undefined) return
    sent.parted = true
    const own = { ...frame, reader: frame.reader }
    const hand = async (): Promise<void> => {
      const { request } = sent
      if (request.scope.aborted) return
      try {
        await emit(readPart(request, own, this.#model, this.#address))
      } catch (error) {
        // Its executor hears what became of the piece, as it would in this process.
        if (!request.scope.aborted && !this.#over) this.abort(sent, error)
      }
      if (this.#over) return
      const said = made(FRAME.took, call, new Uint8Array(4))
      put(said, said.length - 4, 1)
      this.#out.push(said)
    }
    sent.parts = sent.parts === undefined ? hand() : sent.parts.then(hand)
  }
}
