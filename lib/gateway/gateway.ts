import { clearTimeout, setTimeout } from '../base/clock.js'
import { ConnectionError, ExecutorError, say } from '../base/errors.js'
import { checkNamed } from '../base/misspelled.js'
import { Limiter } from '../handler/limits.js'
import type { Handler } from '../request/handler.js'
import type { Protocol } from '../wire/address.js'
import { Authenticator, CLOSERS } from '../wire/authentication.js'
import { heard } from '../wire/error-listener.js'
import { warmUp } from '../wire/warm-up.js'
import { Keys } from './certificates.js'
import type { GatewayOptions } from './options.js'
import { checkGatewayOptions, GATEWAY_RULES, MAX_IN_FLIGHT, plan } from './options.js'
import { Port } from './port.js'
import { wiresOf } from './wires.js'

const SCHEMES: Record<Protocol, string> = { grpc: 'grpc', http: 'http', websocket: 'ws' }

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
  /** Where it can be reached, by protocol: `{ grpc: 'grpc://127.0.0.1:51000' }`. */
  readonly addresses: Readonly<Record<string, string>>
  readonly #ports: readonly Port[]
  readonly #limited: Limiter
  readonly #keys: Keys
  #closing: Promise<void> | undefined

  private constructor(options: GatewayOptions, addresses: Readonly<Record<string, string>>, ports: readonly Port[], limited: Limiter, keys: Keys) {
    this.options = options
    this.addresses = addresses
    this.#ports = ports
    this.#limited = limited
    this.#keys = keys
  }

  /**
   * Listens, and resolves when clients can connect.
   * @throws TypeError or RangeError for options; ConfigError for a key or certificate that cannot be read; ConnectionError for a port that cannot
   * be had (`ERR_REFUSED`) and a key that is none (`ERR_TLS`). Then nothing listens
   */
  static async serve(peer: Handler, options: GatewayOptions = {}): Promise<Gateway> {
    const { sslKeyfile: _key, sslCertfile: _cert, ...given } = checkGatewayOptions(options)
    const keys = await Keys.open(options)
    const all = { ...given, tls: keys.tls, onError: heard(listener(options), options.logger) }
    // Nothing is kept that tokens could be read from.
    const { timeout, maxInFlight = MAX_IN_FLIGHT, logger, token: _, ...told } = all
    const limited = new Limiter(peer, { timeout, maxInFlight, logger })
    const authenticator = new Authenticator(all, all.host, (error) => all.onError(error))
    await authenticator.open()
    const ports: Port[] = []
    const addresses: Partial<Record<Protocol, string>> = {}
    await warmUp()
    try {
      for (const { port, protocols } of plan(all)) {
        const opened = await Port.open(port, await wiresOf(limited, protocols, told, authenticator), { ...told, logger }, authenticator)
        ports.push(opened)
        for (const protocol of protocols) addresses[protocol] = `${SCHEMES[protocol]}${told.tls === undefined ? '' : 's'}://${opened.authority}`
      }
    } catch (cause) {
      await Promise.all(ports.map((port) => port.close()))
      throw failure(cause, all)
    }
    keys.watch((tls) => {
      for (const port of ports) port.renew(tls)
    }, all.onError)
    return new Gateway({ ...told, timeout, maxInFlight: all.maxInFlight, logger }, addresses as Record<string, string>, ports, limited, keys)
  }

  /** The first port. */
  get port(): number {
    return this.#ports[0]!.port
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
    for (const port of this.#ports) port.unready()
    if (drainDelay > 0) await new Promise((resolve) => setTimeout(resolve, drainDelay))
    draining?.()
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeout)
    })
    await Promise.race([Promise.all(this.#ports.map((port) => port.drain(timeout))), late])
    clearTimeout(timer)
    this.#keys.close()
    await Promise.all(this.#ports.map((port) => port.close()))
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
  const { syscall, code = '', port } = cause as { syscall?: string; code?: string; port?: number }
  const where = `${host}${port === undefined ? '' : `:${port}`}`
  if (syscall === 'listen' || syscall === 'getaddrinfo') {
    const reason = REASONS[code] ?? say(cause)
    return new ConnectionError('ERR_REFUSED', where, `the Flow cannot be served there: ${reason}`, { cause })
  }
  return cause
}

const REASONS: Record<string, string> = {
  EADDRINUSE: 'the port is taken (EADDRINUSE). Stop what listens there, take another, or 0 for one that is free',
  EACCES: 'the port is not for everybody (EACCES). Take one from 1024 on',
  EADDRNOTAVAIL: 'this machine has no such address (EADDRNOTAVAIL). 127.0.0.1 is this machine only, 0.0.0.0 everybody who can reach it',
  ENOTFOUND: 'there is no such host (ENOTFOUND). 127.0.0.1 is this machine only, 0.0.0.0 everybody who can reach it',
}
