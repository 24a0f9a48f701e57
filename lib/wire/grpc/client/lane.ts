import { type ClientDuplexStream, status as Code, type ServiceError } from '@grpc/grpc-js'
import { ConnectionError, say } from '../../../errors.js'
import type { Request } from '../../../request/request.js'
import type { Scope } from '../../../stream/scope.js'
import { type Message, outgoing, partOf } from '../../message.js'
import { WINDOW } from '../methods.js'
import { Outbox } from '../outbox.js'
import { troubleOf } from './trouble.js'

/** Milliseconds for which a stream waits for more, for each request that it carried, and at most. */
const LINGER = 10
const LINGER_AT_MOST = 1000

export interface LaneOptions {
  readonly address: string
  encode(message: Message): Uint8Array
  decode(bytes: Uint8Array): Message
  /** Says how many partial answers of a request were taken. */
  taken(requestId: string, count: number): void
}

interface Waiting {
  readonly request: Request
  resolve(answer: Message): void
  reject(reason: unknown): void
  /** Hands on partial answers one by one. */
  parts: Promise<void> | undefined
  /** What Jina's gateway sends before it ends the stream with an error; an answer only if it does not. */
  shell: Message | undefined
  over: boolean
}

/** One stream to a server, for requests that belong together: answers find their requests by id. */
export class Lane {
  readonly #call: ClientDuplexStream<Buffer, Buffer>
  readonly #outbox: Outbox
  readonly #options: LaneOptions
  readonly #waiting = new Map<string, Waiting>()
  /** Given up, but maybe still answered. */
  readonly #gone = new Set<string>()
  readonly #queue: Waiting[] = []
  readonly #unwatch: () => void
  #served = 0
  #begun = false
  #open = true
  #writing = false
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(call: ClientDuplexStream<Buffer, Buffer>, scope: Scope, options: LaneOptions) {
    this.#call = call
    this.#outbox = new Outbox(call)
    this.#options = options
    call.on('metadata', () => {
      this.#begun = true
    })
    call.on('data', (bytes: Buffer) => this.#receive(bytes))
    call.on('error', (error: ServiceError) => {
      const fail = (): void => this.#fail(troubleOf(options.address, error, this.#begun))
      // Answers that came before the error are taken before it.
      if (call.readableLength > 0) setImmediate(fail)
      else fail()
    })
    call.on('end', () => this.#end())
    this.#unwatch = scope.watch((reason) => {
      this.#fail(reason)
      call.cancel()
    })
  }

  /** Whether a request can go this way: another with its id, from another branch, must not be on it. */
  takes(request: Request): boolean {
    return this.#open && !this.#waiting.has(request.id) && !this.#gone.has(request.id)
  }

  ask(request: Request): Promise<Message> {
    clearTimeout(this.#timer)
    this.#served++
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { request, resolve, reject, parts: undefined, shell: undefined, over: false }
      this.#waiting.set(request.id, waiting)
      this.#queue.push(waiting)
      if (!this.#writing) void this.#write()
    })
  }

  /** Nobody waits for the answer any more. */
  forget({ id }: Request): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    waiting.over = true
    this.#waiting.delete(id)
    this.#gone.add(id)
    this.#rest()
  }

  /** Ends it now, whoever waits. */
  close(reason: unknown): void {
    this.#fail(reason)
    this.#call.cancel()
  }

  /** Writes what waits, as fast as it is read; what is not written yet is not in bytes yet either. */
  async #write(): Promise<void> {
    this.#writing = true
    for (let waiting = this.#queue.shift(); waiting !== undefined; waiting = this.#queue.shift()) {
      const { request } = waiting
      if (this.#waiting.get(request.id) !== waiting) {
        this.#gone.delete(request.id)
        continue
      }
      try {
        const full = this.#outbox.send(this.#options.encode(outgoing(request)))
        if (full !== undefined) await full
      } catch (error) {
        this.#waiting.delete(request.id)
        waiting.reject(error)
        this.#rest()
      }
    }
    this.#writing = false
  }

  /** No event of grpc-js may throw. */
  #receive(bytes: Buffer): void {
    this.#begun = true
    let message: Message
    try {
      message = this.#options.decode(bytes)
    } catch (cause) {
      return this.close(new ConnectionError('ERR_PROTOCOL', this.#options.address, `it sent what cannot be read: ${say(cause)}`, { cause }))
    }
    const { requestId } = message
    const waiting = this.#waiting.get(requestId)
    if (waiting === undefined) {
      if (message.ordinal === undefined) this.#gone.delete(requestId)
    } else if (message.ordinal !== undefined) this.#part(waiting, message)
    else if (isShell(message)) {
      waiting.shell = message
      this.#finish()
    } else this.#answer(waiting, message)
  }

  #answer(waiting: Waiting, message: Message): void {
    this.#waiting.delete(waiting.request.id)
    if (waiting.parts === undefined) waiting.resolve(message)
    else waiting.parts.then(() => waiting.resolve(message), waiting.reject)
    this.#rest()
  }

  /** The consumer takes them in its own time; the server is told, now and then, that it did. */
  #part(waiting: Waiting, message: Message): void {
    const { request } = waiting
    const before = waiting.parts ?? Promise.resolve()
    waiting.parts = before.then(async () => {
      if (waiting.over) return
      await request.emit?.(partOf(request, message))
      const count = message.ordinal! + 1
      if (count % (WINDOW / 2) === 0) this.#options.taken(request.id, count)
    })
    // Who waits for the answer hears of it.
    waiting.parts.catch(() => {})
  }

  /** When nothing is under way, waits for more, the longer the more there was; then ends. */
  #rest(): void {
    if (this.#waiting.size > 0 || !this.#open) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => {
        if (this.#gone.size > 0) this.close(undefined)
        else this.#finish()
      },
      Math.min(LINGER_AT_MOST, this.#served * LINGER),
    )
    this.#timer.unref?.()
  }

  /** Sends nothing more; what is under way is still answered. */
  #finish(): void {
    if (!this.#open) return
    this.#open = false
    this.#call.end()
  }

  #end(): void {
    for (const waiting of [...this.#waiting.values()]) if (waiting.shell !== undefined) this.#answer(waiting, waiting.shell)
    // An error, if there is one, comes right after the end.
    setImmediate(() => this.#fail(troubleOf(this.#options.address, { code: Code.ABORTED, details: 'the stream ended' }, this.#begun)))
  }

  #fail(reason: unknown): void {
    this.#open = false
    clearTimeout(this.#timer)
    this.#unwatch()
    for (const waiting of this.#waiting.values()) {
      waiting.over = true
      waiting.reject(reason)
    }
    this.#waiting.clear()
    this.#queue.length = 0
  }
}

/** A request id, and nothing else: a real answer has been somewhere. */
function isShell({ execEndpoint, status, routes, docs }: Message): boolean {
  return execEndpoint === undefined && status === undefined && routes.length === 0 && docs.length === 0
}
