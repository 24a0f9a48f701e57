import { clearTimeout, setTimeout } from '../../../base/clock.js'
import type { Request } from '../../../request/request.js'
import { TimeLeft } from '../../../stream/deadlines.js'
import type { Scope } from '../../../stream/scope.js'
import type { Connection } from '../../connection.js'
import { untilSeen } from '../../unseen.js'
import { bytes, type Dialect, json } from '../subprotocol.js'
import { Turns } from './one-by-one.js'
import type { ClientSettings } from './options.js'
import type { Line } from './socket.js'
import { open, Stream } from './stream.js'

/** Milliseconds for which a socket without requests is kept for the next. */
const IDLE = 1000

/** See {@link connect}. */
export class WebSocketConnection implements Connection {
  readonly address: string
  readonly #dialect: Dialect
  readonly #turns: Turns | undefined
  readonly #all = new Set<Stream>()
  readonly #free = new Map<Stream, ReturnType<typeof setTimeout>>()
  readonly #of = new WeakMap<Scope, Stream>()

  constructor(private readonly settings: ClientSettings) {
    this.address = settings.address
    this.#dialect = settings.mode === 'bytes' ? bytes : json
    this.#turns = settings.mode === 'json' ? new Turns() : undefined
  }

  /** Connects, unless it is. @throws ConnectionError when nobody is there */
  async open(): Promise<void> {
    const [standing] = this.#all
    // It may still be on its way.
    if (standing !== undefined) return standing.opened()
    const stream = new Stream(this.settings, this.#dialect, this.#turns, this.#forget)
    this.#all.add(stream)
    await stream.opened()
    this.#rest(stream)
  }

  close(reason?: unknown): void {
    for (const stream of this.#all) {
      if (stream.isIdle && stream.isOpen) stream.close()
      else stream.fail(reason)
    }
  }

  accepts(): boolean {
    return true
  }

  handle(request: Request): Promise<void> {
    const { emitted } = request
    const { timeout } = this.settings
    // For all of it, however often it is sent.
    const time = timeout === undefined ? undefined : new TimeLeft(timeout)
    return untilSeen(
      () => this.#ask(request, time),
      () => request.emitted === emitted,
    )
  }

  async #ask(request: Request, time: TimeLeft | undefined): Promise<void> {
    const { scope } = request
    if (scope.aborted) throw scope.reason
    const stream = this.#streamFor(request)
    try {
      await stream.ask(request, time)
    } finally {
      if (stream.isIdle) this.#release(stream, scope)
    }
  }

  async isReady({ signal, timeout = this.settings.connectTimeout }: { signal?: AbortSignal; timeout?: number } = {}): Promise<boolean> {
    const { settings } = this
    let line: Promise<Line> | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let leave: (() => void) | undefined
    try {
      return await new Promise<boolean>((resolve, reject) => {
        const no = () => resolve(false)
        leave = no
        timer = setTimeout(no, timeout)
        signal?.addEventListener('abort', no)
        if (signal?.aborted) return no()
        line = open(settings.dryRunUrl, settings, {
          open() {},
          message: (data) => {
            try {
              resolve(this.#dialect.readStatus(data).code === 'SUCCESS')
            } catch (error) {
              reject(error)
            }
          },
          closed: no,
        })
        line.catch(no)
      })
    } catch {
      return false
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave!)
      line?.then(
        (line) => line.destroy(),
        () => {},
      )
    }
  }

  /** The socket of a scope; or, if an answer for the same id is due on it, another one. */
  #streamFor({ scope, id, identity }: Request): Stream {
    const own = this.#of.get(scope)
    const key = this.settings.credentials?.keyOf(identity) ?? ''
    if (own !== undefined && !own.over && !own.has(id) && own.key === key) {
      this.#take(own)
      return own
    }
    let free: Stream | undefined
    for (const one of this.#free.keys()) if (one.key === key) free ??= one
    const stream = free ?? new Stream(this.settings, this.#dialect, this.#turns, this.#forget, identity)
    this.#all.add(stream)
    this.#take(stream)
    this.#of.set(scope, stream)
    stream.release = scope.watch((reason) => stream.fail(reason))
    return stream
  }

  #take(stream: Stream): void {
    clearTimeout(this.#free.get(stream))
    if (this.#free.delete(stream)) stream.hold(true)
  }

  #release(stream: Stream, scope: Scope): void {
    stream.release?.()
    stream.release = undefined
    if (this.#of.get(scope) === stream) this.#of.delete(scope)
    this.#rest(stream)
  }

  /** Keeps it for a while, but no process alive. */
  #rest(stream: Stream): void {
    if (stream.over || !stream.isIdle || this.#free.has(stream)) return
    const timer = setTimeout(() => stream.close(), IDLE) as ReturnType<typeof setTimeout> & { unref?(): void }
    timer.unref?.()
    stream.hold(false)
    this.#free.set(stream, timer)
  }

  readonly #forget = (stream: Stream): void => {
    this.#take(stream)
    this.#all.delete(stream)
  }
}
