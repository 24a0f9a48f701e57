import { type ClientDuplexStream, type ClientUnaryCall, status as Code, Metadata, type ServiceError } from '@grpc/grpc-js'
import { now, onWall } from '../../../base/clock.js'
import { Scope } from '../../../stream/scope.js'
import { Credentials } from '../../credentials.js'
import type { Identity } from '../../identity.js'
import { markUnseen } from '../../unseen.js'
import { METHODS } from '../methods.js'
import type { ClientSettings } from '../options.js'
import type { Place } from './address.js'
import { Channel } from './channel.js'
import { failureOf, LOST } from './failures.js'

const same = (bytes: Buffer): Buffer => bytes

/** @param begun whether the server had answered the call in any way before */
export type Failure = (error: Pick<ServiceError, 'code' | 'details'> & Partial<Pick<ServiceError, 'metadata'>>, begun: boolean) => unknown

/** Calls over a connection that comes and goes as it is needed. */
export class Calls {
  readonly address: string
  /** What is to be brought with each call, if anything is. */
  readonly credentials: Credentials | undefined
  readonly #channel: Channel
  readonly #life = new Scope()

  constructor(
    place: Place,
    readonly settings: ClientSettings,
  ) {
    this.address = place.address
    this.credentials = Credentials.of(place.address, settings)
    this.#channel = new Channel(place, settings)
  }

  /**
   * Resolves when a connection stands, at once if it does.
   * @throws ConnectionError that says why none does; the reason of the scope, or why all is closed
   */
  ready(scope: Scope): void | Promise<void> {
    if (this.#life.aborted) throw this.#life.reason
    if (!this.#channel.isReady) return this.#channel.ready(this.#whileOpen(scope))
  }

  /** What is to be brought, unless nobody wants it any more, or all is closed. */
  brought(credentials: Credentials, scope: Scope, identity: Identity | undefined): Promise<Record<string, string>> {
    return credentials.headers(identity, this.#whileOpen(scope))
  }

  #whileOpen(scope: Scope): Pick<Scope, 'watch'> {
    return {
      watch: (stop) => {
        const unwatch = [scope.watch(stop), this.#life.watch(stop)]
        return () => {
          for (const one of unwatch) one()
        }
      },
    }
  }

  /** Begins a stream. `failure` says what it ended with. */
  stream(metadata: Record<string, string>): { call: ClientDuplexStream<Buffer, Buffer>; ended: (then: () => void) => void; failure: Failure } {
    const failure = this.#failing()
    const call = this.#channel.client.makeBidiStreamRequest(METHODS.call, same, same, this.#metadata(metadata))
    this.#follow(call)
    call.on('data', () => this.#channel.heard())
    return { call, ended: (then) => void call.on('status', then), failure }
  }

  /** A call with one request and one answer. */
  async ask(method: string, bytes: Buffer, scope: Scope, timeout?: number, more: Record<string, string> = {}, identity?: Identity): Promise<Buffer> {
    const until = timeout === undefined ? Infinity : now() + timeout
    const connecting = this.ready(scope)
    if (connecting !== undefined) await connecting
    const brought = this.credentials && (await this.brought(this.credentials, scope, identity))
    const failure = this.#failing(scope)
    return new Promise((resolve, reject) => {
      let begun = false
      const deadline = onWall(until)
      const call = this.#channel.client.makeUnaryRequest(method, same, same, bytes, this.#metadata({ ...more, ...brought }), { deadline }, (error, answer) => {
        unwatch()
        if (error === null) resolve(answer!)
        else reject(failure(error, begun))
      })
      this.#follow(call)
      call.on('metadata', () => {
        begun = true
      })
      const unwatch = this.#whileOpen(scope).watch(() => call.cancel())
    })
  }

  /** A call with one request and as many answers as there are. Leaving the loop ends it there. */
  async *askForMany(
    method: string,
    bytes: Buffer,
    scope: Scope,
    timeout?: number,
    more: Record<string, string> = {},
    identity?: Identity,
  ): AsyncGenerator<Buffer> {
    const until = timeout === undefined ? Infinity : now() + timeout
    const connecting = this.ready(scope)
    if (connecting !== undefined) await connecting
    const brought = this.credentials && (await this.brought(this.credentials, scope, identity))
    const failure = this.#failing(scope)
    const call = this.#channel.client.makeServerStreamRequest(method, same, same, bytes, this.#metadata({ ...more, ...brought }), { deadline: onWall(until) })
    this.#follow(call)
    const unwatch = this.#whileOpen(scope).watch(() => call.cancel())
    let begun = false
    try {
      for await (const answer of call as AsyncIterable<Buffer>) {
        begun = true
        this.#channel.heard()
        yield answer
      }
    } catch (error) {
      throw failure(error as ServiceError, begun)
    } finally {
      unwatch()
      call.cancel()
    }
  }

  close(reason: unknown): void {
    this.#life.abort(reason)
    this.#channel.close()
  }

  /** What a call that begins now will have ended with. */
  #failing(scope?: Scope): Failure {
    const crossed = this.#channel.crossing()
    return (error, begun) => {
      if (scope?.aborted) return scope.reason
      if (this.#life.aborted) return this.#life.reason
      const failure = failureOf(this.address, error, begun)
      return !begun && failure.code === 'ERR_DISCONNECTED' && crossed() ? markUnseen(failure) : failure
    }
  }

  /** Ends a call when nobody is there any more. */
  #follow(call: ClientUnaryCall): void {
    const leave = this.#channel.enter(() => call.call?.cancelWithStatus(Code.UNAVAILABLE, LOST))
    call.on('metadata', () => this.#channel.heard()).on('status', leave)
  }

  #metadata(more: Record<string, string>): Metadata {
    const metadata = new Metadata()
    for (const [name, value] of Object.entries({ ...this.settings.headers, ...more })) metadata.set(name, value)
    return metadata
  }
}
