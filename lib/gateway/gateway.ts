import { now, setTimeout } from '../base/clock.js'
import { ConnectionError, ExecutorError, FlowStateError, say, sayOf } from '../base/errors.js'
import { tell } from '../base/incidents.js'
import { isDone } from '../base/is-done.js'
import { checkNamed } from '../base/misspelled.js'
import { Limiter } from '../handler/limits.js'
import type { Handler } from '../request/handler.js'
import { type Telemetry, wantsTelemetry } from '../telemetry/options.js'
import type { Protocol } from '../wire/address.js'
import { Authenticator, CLOSERS } from '../wire/authentication.js'
import { heard } from '../wire/error-listener.js'
import type { Speaker } from '../wire/speaker.js'
import { warmUp } from '../wire/warm-up.js'
import { Keys } from './certificates.js'
import { defaultBytesInFlight } from './default-bytes.js'
import { watchHandles } from './handles.js'
import type { Live } from './live.js'
import type { GatewayOptions } from './options.js'
import { checkGatewayOptions, GATEWAY_RULES, MAX_IN_FLIGHT, plan } from './options.js'
import { Port } from './port.js'
import { metricsAlone, overNats, wiresOf } from './wires.js'

/** Milliseconds in which clients are told that they are cut off, before they are hung up on. */
const FAREWELL = 300

const SCHEMES: Record<Protocol, string> = { grpc: 'grpc', http: 'http', websocket: 'ws', nats: 'nats' }

/**
 * What a gateway is told: of the many options of a Flow, those that concern it, and over them what is said when it opens.
 * @throws TypeError (`ERR_OPTION_TYPE`) or RangeError (`ERR_OPTION_RANGE`)
 */
export function only(options: GatewayOptions, over: GatewayOptions = {}): GatewayOptions {
  const all = { ...options, ...checkNamed('serve', over, GATEWAY_RULES) }
  return Object.fromEntries(
    Object.entries(all).filter(([name, value]) => Object.hasOwn(GATEWAY_RULES, name) && (value !== undefined || CLOSERS.some((closer) => closer === name))),
  )
}

/**
 * Serves a Flow, or any other peer, to clients over gRPC, HTTP and WebSocket, also all of them at one port, and GraphQL beside HTTP.
 * The peer is opened and closed by its owner; close the gateway first, so that what is under way can finish.
 *
 * @example
 * await using flow = await new Flow().add({ uses: Encoder }).open()
 * await using gateway = await Gateway.serve(flow, { protocol: ['grpc', 'http', 'websocket'], port: 8080, graphql: true })
 */
export class Gateway implements AsyncDisposable {
  readonly options: Readonly<GatewayOptions>
  /**
   * Where it can be reached, by protocol: `{ grpc: 'grpc://127.0.0.1:51000' }`. Under `metrics`, where those are read that have a port of their own (`monitoring`):
   * `http://127.0.0.1:9090/metrics`.
   */
  readonly addresses: Readonly<Record<string, string>>
  readonly #telemetry: Telemetry | undefined
  readonly #ports: readonly Port[]
  /** What answers without a port. */
  readonly #speakers: readonly Speaker<[]>[]
  readonly #limited: Limiter
  readonly #keys: Keys
  readonly #live: Live | undefined
  readonly #unwatch: () => void
  #closing: Promise<void> | undefined

  private constructor(
    options: GatewayOptions,
    addresses: Readonly<Record<string, string>>,
    ports: readonly Port[],
    speakers: readonly Speaker<[]>[],
    limited: Limiter,
    keys: Keys,
    unwatch: () => void,
    telemetry: Telemetry | undefined,
    live: Live | undefined,
  ) {
    this.options = options
    this.addresses = addresses
    this.#ports = ports
    this.#speakers = speakers
    this.#limited = limited
    this.#keys = keys
    this.#unwatch = unwatch
    this.#telemetry = telemetry
    this.#live = live
  }

  /**
   * Listens, and resolves when clients can connect.
   * @param owned what is told of it already: who began that, ends it. Without, the gateway begins what its options say, and ends it when it closes
   * @throws TypeError or RangeError for options; ConfigError for a key or certificate that cannot be read; ConnectionError for a port that cannot
   * be had (`ERR_REFUSED`) and a key that is none (`ERR_TLS`). Then nothing listens
   */
  static async serve(peer: Handler, options: GatewayOptions = {}, owned?: Telemetry): Promise<Gateway> {
    const { sslKeyfile: _key, sslCertfile: _cert, ...given } = checkGatewayOptions(options)
    const keys = await Keys.open(options)
    const all = { ...given, tls: keys.tls, onError: heard(listener(options), options.logger) }
    // Nothing is kept that tokens could be read from.
    const { timeout, maxInFlight = MAX_IN_FLIGHT, maxBytesInFlight = await defaultBytesInFlight(), logger, token: _, ...told } = all
    const limited = new Limiter(peer, { timeout, maxInFlight, maxBytesInFlight, logger })
    const authenticator = new Authenticator(all, all.host, (error) => all.onError(error))
    await authenticator.open()
    const ports: Port[] = []
    const speakers: Speaker<[]>[] = []
    const addresses: Record<string, string> = {}
    await warmUp()
    const telemetry =
      owned === undefined && wantsTelemetry(all) ? await (await import('../telemetry/instrument.js')).telemetryOf(all.title ?? 'gateway', all) : undefined
    const source = owned ?? telemetry
    const metrics = source && (() => source.prometheus())
    const live = all.ui ? await (await import('./live.js')).Live.of(limited, all, authenticator.asks) : undefined
    try {
      for (const { port, protocols } of plan(all)) {
        const wires = await wiresOf(limited, protocols, told, authenticator, all.metrics ? metrics : undefined, live)
        const opened = await Port.open(port, wires, { ...told, logger }, authenticator)
        ports.push(opened)
        for (const protocol of protocols) addresses[protocol] = `${SCHEMES[protocol]}${told.tls === undefined ? '' : 's'}://${opened.authority}`
      }
      if (metrics !== undefined && (all.monitoring || (all.portMonitoring !== undefined && all.monitoring !== false))) {
        const wires = { http: [await metricsAlone(limited, told, authenticator, metrics)] }
        const opened = await Port.open(all.portMonitoring ?? 0, wires, { ...told, logger }, authenticator)
        ports.push(opened)
        addresses.metrics = `http${told.tls === undefined ? '' : 's'}://${opened.authority}/metrics`
      }
      if (told.nats !== undefined) {
        const speaker = await overNats(limited, { ...told, logger }, authenticator)
        speakers.push(speaker)
        addresses.nats = speaker.address
      }
    } catch (cause) {
      // Ports first: nobody is let in while a collector is waited for.
      await Promise.all([...ports, ...speakers].map((end) => end.close()))
      await telemetry?.close()
      throw failure(cause, all)
    }
    keys.watch((tls) => {
      for (const port of ports) port.renew(tls)
    }, all.onError)
    const unwatch = await watchHandles(logger, listener(options))
    const kept = { ...told, timeout, maxInFlight: all.maxInFlight, logger, ...(told.nats !== undefined && { nats: addresses.nats! }) }
    return new Gateway(kept, addresses, ports, speakers, limited, keys, unwatch, telemetry, live)
  }

  /** The first port; 0 where it listens at none. */
  get port(): number {
    return this.#ports[0]?.port ?? 0
  }

  /**
   * Says that it is not ready any more, refuses requests after `drainDelay`, lets those under way finish, for `timeout` milliseconds at
   * most (default 10 000), and ends. Called twice, it is one shutdown.
   * @param draining called when requests begin to be refused: nothing that is inside need wait for others then
   */
  close(timeout = 10_000, draining?: () => void): Promise<void> {
    this.#closing ??= this.#close(timeout, draining)
    return this.#closing
  }

  async #close(timeout: number, draining?: () => void): Promise<void> {
    const { drainDelay = 0 } = this.options
    this.#limited.leaving = true
    const ends = [...this.#ports, ...this.#speakers]
    for (const end of ends) end.unready()
    if (drainDelay > 0) await new Promise((resolve) => setTimeout(resolve, drainDelay))
    draining?.()
    // Who looks on would be waited for.
    this.#live?.close()
    const { logger } = this.options
    const start = now()
    const { inFlight, waiting } = this.#limited.load
    tell(logger, 'drain.began', { requests: inFlight, waiting, milliseconds: timeout })
    const drained = Promise.all(ends.map((end) => end.drain(timeout)))
    if (!(await isDone(drained, timeout))) {
      this.#limited.cut(new FlowStateError('ERR_FLOW_CLOSED', 'Cut off: this service shuts down, and this was not done in the time that it had (closeTimeout)'))
      await isDone(drained, FAREWELL)
    }
    this.#keys.close()
    this.#unwatch()
    this.#limited.close()
    await Promise.all(ends.map((end) => end.close()))
    await this.#telemetry?.close()
    tell(logger, 'drain.ended', { milliseconds: Math.round(now() - start) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Who hears of what is wrong with the server itself, beside the logger. */
function listener({ onError, logger }: GatewayOptions): (error: Error) => void {
  return onError ?? (logger === undefined ? written : () => {})
}

function written(error: Error): void {
  if (!(error instanceof ExecutorError)) console.error(`sluice: gateway: ${say(error)}`)
}

/** Why a port does not listen, in words for who asked for it. */
function failure(cause: unknown, { host = '127.0.0.1' }: GatewayOptions): unknown {
  const { syscall, code = '', port, message = '' } = cause as { syscall?: string; code?: string; port?: number; message?: string }
  const where = `${host}${port === undefined ? '' : `:${port}`}`
  // Bun says of a host that there is none in a sentence alone.
  if (syscall === 'listen' || syscall === 'getaddrinfo' || message.startsWith('Failed to listen')) {
    const reason = REASONS[code] ?? sayOf(cause)
    return new ConnectionError('ERR_REFUSED', where, `the Flow cannot be served there: ${reason}`, { cause })
  }
  return cause
}

export const REASONS: Record<string, string> = {
  EADDRINUSE: 'the port is taken (EADDRINUSE). Stop what listens there, take another, or 0 for one that is free',
  EACCES: 'the port is not for everybody (EACCES). Take one from 1024 on',
  EADDRNOTAVAIL: 'this machine has no such address (EADDRNOTAVAIL). 127.0.0.1 is this machine only, 0.0.0.0 everybody who can reach it',
  ENOTFOUND: 'there is no such host (ENOTFOUND). 127.0.0.1 is this machine only, 0.0.0.0 everybody who can reach it',
}
