import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { ConnectionError } from '../../../base/errors.js'
import type { Request } from '../../../request/request.js'
import type { TimeLeft } from '../../../stream/deadlines.js'
import { Scope } from '../../../stream/scope.js'
import type { Connection, ToldStatus } from '../../connection.js'
import { askUntilSeen } from '../../unseen.js'
import { bytes, type Dialect, json } from '../subprotocol.js'
import { unreachable } from './failures.js'
import { Turns } from './one-by-one.js'
import type { ClientSettings } from './options.js'
import type { Line } from './socket.js'
import { type Around, open, Stream } from './stream.js'

/** Milliseconds for which a socket without requests is kept for the next. */
const IDLE = 1000

/** See {@link connect}. */
export class WebSocketConnection implements Connection {
  readonly address: string
  readonly #dialect: Dialect
  readonly #turns: Turns | undefined
  readonly #life = new Scope()
  readonly #all = new Set<Stream>()
  readonly #free = new Map<Stream, ReturnType<typeof setTimeout>>()
  readonly #of = new WeakMap<Scope, Stream>()
  /** The same for large requests. */
  readonly #largeOf = new WeakMap<Scope, Stream>()
  /** By which it is asked what it does, once it was. */
  #http: Promise<Connection> | undefined
  /** Whether the server lets several posts share a socket, as the last one told that it was known of. */
  #sharing: boolean | undefined

  constructor(private readonly settings: ClientSettings) {
    this.address = settings.address
    this.#dialect = settings.mode === 'bytes' ? bytes : json
    this.#turns = settings.mode === 'json' ? new Turns() : undefined
    if (settings.mode === 'json') this.#sharing = false
  }

  /** Connects, unless it is. @throws ConnectionError when nobody is there */
  async open(): Promise<void> {
    const [standing] = this.#all
    // It may still be on its way.
    if (standing !== undefined) return standing.opened()
    const brought = await this.#brought(undefined)
    this.#check()
    const stream = this.#begin('', brought)
    await stream.opened()
    this.#rest(stream)
  }

  close(reason?: unknown): void {
    this.#life.abort(reason)
    void this.#http?.then((http) => http.close(reason)).catch(() => {})
    for (const stream of this.#all) {
      if (stream.isIdle && stream.isOpen) stream.close()
      else stream.fail(reason)
    }
  }

  accepts(): boolean {
    return true
  }

  handle(request: Request): Promise<void> {
    return askUntilSeen(request, this.settings.timeout, (time) => this.#ask(request, time))
  }

  /** What is waited for may change all: the socket is chosen and asked in one turn, so that no other request with its id comes between the two. */
  async #ask(request: Request, time: TimeLeft | undefined): Promise<void> {
    this.#check(request.scope)
    const own = this.#own(request)
    if (own !== undefined) return this.#askOn(own, request, time)
    const brought = this.settings.credentials && (await this.#brought(request, time))
    for (;;) {
      this.#check(request.scope)
      const { stream, unknown } = this.#come(request, brought)
      if (stream !== undefined) return this.#askOn(stream, request, time)
      await this.#inTime(unknown.known, request, time)
      // What it was not to be, as nobody is there, the next would not be either.
      if (unknown.broken !== undefined) throw unknown.broken
      // Of one that was left before anybody greeted, nothing is known.
      if (unknown.isShared || !unknown.over) this.#sharing = unknown.isShared
    }
  }

  async #askOn(stream: Stream, request: Request, time: TimeLeft | undefined, data?: string | Uint8Array): Promise<void> {
    try {
      await stream.ask(request, time, data)
    } finally {
      if (stream.isIdle) this.#release(stream, request.scope)
    }
  }

  /** @throws the reason why nothing more is asked here, or for this post */
  #check(scope?: Scope): void {
    if (this.#life.aborted) throw this.#life.reason
    if (scope?.aborted) throw scope.reason
  }

  /** A port that speaks WebSocket tells that over HTTP. */
  async status(live: string): Promise<readonly ToldStatus[]> {
    this.#check()
    const { address, options } = this.settings.http
    this.#http ??= import('../../http/client/connect.js').then(({ connect }) => connect(address, options))
    const http = await this.#http
    this.#check()
    return ((await http.status!(live)) ?? []).map(({ status }) => ({ address: this.address, status }))
  }

  async isReady({ signal, timeout = this.settings.connectTimeout }: { signal?: AbortSignal; timeout?: number } = {}): Promise<boolean> {
    const { settings } = this
    let line: Promise<Line> | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let leave: (() => void) | undefined
    const scope = new Scope()
    try {
      return await new Promise<boolean>((resolve, reject) => {
        const no = () => resolve(false)
        leave = no
        timer = setTimeout(no, timeout)
        signal?.addEventListener('abort', no)
        if (signal?.aborted) return no()
        line = this.#brought({ scope, identity: undefined }).then((brought) =>
          open(settings.dryRunUrl, settings, brought, {
            open() {},
            message: (data) => {
              try {
                resolve(this.#dialect.readStatus(data).code === 'SUCCESS')
              } catch (error) {
                reject(error)
              }
            },
            closed: no,
          }),
        )
        line.catch(no)
      })
    } catch {
      return false
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave!)
      scope.abort(undefined)
      line?.then(
        (line) => line.destroy(),
        () => {},
      )
    }
  }

  // ── which socket ───────────────────────────────────────────────────────────────────────────────────────

  /** The socket that its post is on, if it takes the request: of another with its id, the answer would be taken for this one's. */
  #own(request: Request): Stream | undefined {
    const own = this.#of.get(request.scope)
    if (own === undefined || !own.takes(request.id, this.#who(request))) return undefined
    // What goes on for long, as floating executors do, asks for its token again.
    if (own.isOld && this.settings.credentials !== undefined) return undefined
    this.#take(own)
    return own
  }

  /** Its own; another's, if it is shared, or stands idle; or a new one. Else one of which it is not known yet whether it is shared. */
  #come(request: Request, brought: Record<string, string> | undefined): { stream: Stream; unknown?: never } | { stream?: never; unknown: Stream } {
    const { scope, id } = request
    const own = this.#own(request)
    if (own !== undefined) return { stream: own }
    const who = this.#who(request)
    const text = asText(brought)
    let unknown: Stream | undefined
    for (const one of this.#all) {
      if (one.who !== who || one.brought !== text || one.isLarge) continue
      if (one.isShared) this.#sharing = true
      if (one.isShared ? one.welcomes(id) : this.#free.has(one) && one.takes(id, who)) return { stream: this.#enter(scope, one) }
      if (!one.isKnown) unknown = one
    }
    if (unknown === undefined || this.#sharing === false) return { stream: this.#enter(scope, this.#begin(who, brought)) }
    return { unknown }
  }

  /** @throws the reason of the scope, or that there is no time left */
  #inTime(known: Promise<void>, { scope }: Request, time: TimeLeft | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = time && setTimeout(() => reject(this.#late()), Math.max(1, time.left))
      const unwatch = scope.watch(reject)
      known.then(resolve).finally(() => {
        clearTimeout(timer)
        unwatch()
      })
    })
  }

  #begin(who: string, brought: Record<string, string> | undefined, isLarge = false): Stream {
    const stream = new Stream(this.settings, this.#dialect, this.#turns, this.#around, who, brought, asText(brought), isLarge)
    this.#all.add(stream)
    return stream
  }

  /** The one that its post has for large requests; another's; or a new one. */
  readonly #aside = ({ who, brought, headers }: Stream, request: Request, time: TimeLeft | undefined, data: string | Uint8Array): Promise<void> => {
    const { scope, id } = request
    const own = this.#largeOf.get(scope)
    const isWelcome = (one: Stream): boolean => one.isLarge && one.who === who && one.brought === brought && one.welcomes(id)
    const stream = own?.takes(id, who) ? own : ([...this.#all].find(isWelcome) ?? this.#begin(who, headers, true))
    this.#take(stream)
    if (stream !== own) this.#largeOf.set(scope, stream)
    if (!stream.isShared) stream.release ??= scope.watch((reason) => stream.isShared || stream.fail(reason))
    return this.#askOn(stream, request, time, data)
  }

  readonly #around: Around = {
    mayShare: () => this.#sharing !== false,
    aside: this.#aside,
    onOver: (stream) => {
      this.#take(stream)
      this.#all.delete(stream)
    },
  }

  #enter(scope: Scope, stream: Stream): Stream {
    this.#take(stream)
    this.#of.set(scope, stream)
    // On what others share, each request is taken back by itself.
    if (!stream.isShared) stream.release = scope.watch((reason) => stream.isShared || stream.fail(reason))
    return stream
  }

  #who({ identity }: Request): string {
    return this.settings.credentials?.keyOf(identity) ?? ''
  }

  #late(): ConnectionError {
    return new ConnectionError('ERR_TIMEOUT', this.address, `no answer within ${this.settings.timeout} ms`)
  }

  /** What is to be brought, within the time that a connection may take, and that of who asks. */
  async #brought(request: Pick<Request, 'identity' | 'scope'> | undefined, { left } = { left: Infinity }): Promise<Record<string, string> | undefined> {
    const { credentials, connectTimeout, address } = this.settings
    return credentials?.headers(request?.identity, {
      watch: (stop) => {
        const late = (): void => stop(left < connectTimeout ? this.#late() : unreachable(address, `no connection within ${connectTimeout} ms`))
        const timer = setTimeout(late, Math.max(1, Math.min(left, connectTimeout)))
        const unwatch = [this.#life.watch(stop), request?.scope.watch(stop)]
        return () => {
          clearTimeout(timer)
          for (const one of unwatch) one?.()
        }
      },
    })
  }

  #take(stream: Stream): void {
    clearTimeout(this.#free.get(stream))
    if (this.#free.delete(stream)) stream.hold(true)
  }

  #release(stream: Stream, scope: Scope): void {
    stream.release?.()
    stream.release = undefined
    if (this.#of.get(scope) === stream) this.#of.delete(scope)
    if (this.#largeOf.get(scope) === stream) this.#largeOf.delete(scope)
    this.#rest(stream)
  }

  /** Keeps it for a while, but no process alive. */
  #rest(stream: Stream): void {
    if (stream.over || !stream.isIdle || this.#free.has(stream)) return
    if (stream.isDone) return stream.close()
    const timer = setTimeout(() => stream.close(), IDLE) as ReturnType<typeof setTimeout> & { unref?(): void }
    timer.unref?.()
    stream.hold(false)
    this.#free.set(stream, timer)
  }
}

const asText = (brought: Record<string, string> | undefined): string => (brought === undefined ? '' : JSON.stringify(brought))
