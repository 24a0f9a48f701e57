import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { ConnectionError } from '../../../base/errors.js'
import type { Request } from '../../../request/request.js'
import type { TimeLeft } from '../../../stream/deadlines.js'
import { Scope } from '../../../stream/scope.js'
import type { Connection, ToldStatus } from '../../connection.js'
import { Credentials } from '../../credentials.js'
import { failure } from '../../outcome.js'
import { failureIn } from '../../status.js'
import { askUntilSeen } from '../../unseen.js'
import type { ClientSettings } from '../options.js'
import { Line, NOBODY } from './line.js'

/** Milliseconds in which those under a name say what they do. */
const SAYS = 300

/** See {@link connect}. */
export class NatsConnection implements Connection {
  readonly address: string
  readonly #credentials: Credentials | undefined
  readonly #life = new Scope()
  #line: Line | undefined
  #opening: Promise<Line> | undefined

  constructor(private readonly settings: ClientSettings) {
    this.address = settings.address
    this.#credentials = Credentials.of(settings.address, settings)
  }

  /** Connects. @throws ConnectionError when nobody is there */
  async open(): Promise<void> {
    await this.#here('', false)
  }

  async enter(): Promise<void> {
    await this.#here('enter', true)
  }

  async #here(what: '' | 'enter', brings: boolean): Promise<void> {
    this.#check()
    const scope = new Scope()
    const line = await this.#ready(scope, undefined)
    // Requests wait there, whether anybody answers now or not.
    if (this.settings.nats.durable) return this.#within(line.hasQueue(), scope, undefined, this.settings.connectTimeout)
    const brought = brings ? await this.#brought({ scope, identity: undefined }, undefined) : undefined
    const status = await this.#unlessClosed(line.here(what, brought, this.settings.connectTimeout))
    if (status === NOBODY) throw this.#nobody()
    // Who computes does not answer, and is there.
    if (status?.code === 'ERROR') throw failureIn(status, { endpoint: '/', requestId: '' })
  }

  async close(reason?: unknown): Promise<void> {
    this.#life.abort(reason)
    const line = this.#line ?? (await this.#opening?.catch(() => undefined))
    await line?.close(reason)
  }

  accepts(): boolean {
    return true
  }

  async isReady({ signal, timeout = this.settings.connectTimeout }: { signal?: AbortSignal; timeout?: number } = {}): Promise<boolean> {
    const scope = new Scope()
    const stop = (): void => scope.abort(signal?.reason)
    signal?.addEventListener('abort', stop)
    const late = setTimeout(() => scope.abort(new Error('not in time')), timeout)
    try {
      if (signal?.aborted) return false
      const line = await this.#ready(scope, undefined)
      if (this.settings.nats.durable) {
        await this.#within(line.hasQueue(), scope, undefined, timeout)
        return true
      }
      const brought = await this.#brought({ scope, identity: undefined }, undefined)
      const status = await line.here('ready', brought, timeout, scope)
      return status !== NOBODY && status?.code === 'SUCCESS'
    } catch {
      return false
    } finally {
      clearTimeout(late)
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Each of those under its name. */
  async status(live: string): Promise<readonly ToldStatus[]> {
    const scope = new Scope()
    const line = await this.#ready(scope, undefined)
    const all = await line.said(live, await this.#brought({ scope, identity: undefined }, undefined), SAYS)
    return all.map(({ at, status }) => ({ address: `${this.address}#${at.slice(at.lastIndexOf('.') + 1)}`, status }))
  }

  handle(request: Request): Promise<void> {
    return askUntilSeen(request, this.settings.timeout, (time) => this.#ask(request, time))
  }

  async #ask(request: Request, time: TimeLeft | undefined): Promise<void> {
    const { scope } = request
    this.#check(scope)
    let line = this.#line
    if (line === undefined || !line.isUp) line = await this.#ready(scope, time)
    const brought = this.#credentials && (await this.#brought(request, time))
    this.#check(scope)
    await (this.settings.nats.durable ? line.put(request, brought, time) : line.ask(request, brought, time))
  }

  /** @throws the reason why nothing more is asked here, or for this post */
  #check(scope?: Scope): void {
    if (this.#life.aborted) throw this.#life.reason
    if (scope?.aborted) throw scope.reason
  }

  /** A connection that stands, within the time that one may take. @throws ConnectionError */
  async #ready(scope: Scope, time: TimeLeft | undefined): Promise<Line> {
    const { connectTimeout } = this.settings
    const line = this.#line
    if (line?.isUp) return line
    if (line !== undefined && !line.isOver) {
      await this.#within(line.returned, scope, time, connectTimeout)
      if (line.isUp) return line
    }
    this.#opening ??= Line.open(this.settings).then(
      (line) => {
        this.#opening = undefined
        this.#line = line
        if (this.#life.aborted) void line.close(this.#life.reason)
        return line
      },
      (error) => {
        this.#opening = undefined
        throw error
      },
    )
    return this.#within(this.#opening, scope, time, Infinity)
  }

  #within<V>(work: Promise<V>, scope: Scope, time: TimeLeft | undefined, most: number): Promise<V> {
    return new Promise((resolve, reject) => {
      const left = Math.min(time?.left ?? Infinity, most)
      const late = (): void =>
        reject(
          time !== undefined && time.left <= most
            ? this.#late()
            : failure('unreachable', this.address, this.#line?.refusal ?? `the server of NATS was not back within ${most} ms`),
        )
      const timer = left === Infinity ? undefined : setTimeout(late, Math.max(1, left))
      const unwatch = [scope.watch(reject), this.#life.watch(reject)]
      work.then(resolve, reject).finally(() => {
        clearTimeout(timer)
        for (const one of unwatch) one()
      })
    })
  }

  #unlessClosed<V>(work: Promise<V>): Promise<V> {
    return this.#within(work, new Scope(), undefined, Infinity)
  }

  async #brought({ identity, scope }: Pick<Request, 'identity' | 'scope'>, time: TimeLeft | undefined): Promise<Record<string, string> | undefined> {
    const { connectTimeout } = this.settings
    return this.#credentials?.headers(identity, {
      watch: (stop) => {
        const left = time?.left ?? Infinity
        const late = (): void => stop(left < connectTimeout ? this.#late() : failure('unreachable', this.address, `no token within ${connectTimeout} ms`))
        const timer = setTimeout(late, Math.max(1, Math.min(left, connectTimeout)))
        const unwatch = [this.#life.watch(stop), scope.watch(stop)]
        return () => {
          clearTimeout(timer)
          for (const one of unwatch) one()
        }
      },
    })
  }

  #late(): ConnectionError {
    return new ConnectionError('ERR_TIMEOUT', this.address, `no answer within ${this.settings.timeout} ms`)
  }

  #nobody(): ConnectionError {
    return failure(
      'unreachable',
      this.address,
      'nobody answers there under that name. See whether the executor runs, and is told the same server, name and prefix',
    )
  }
}
