import { ConnectionError, say } from '../errors.js'
import type { Peer } from '../peer.js'
import { checkGatewayOptions, GATEWAY_RULES, type GatewayOptions, plan } from './options.js'
import { Port } from './port.js'

/** Of many options, those of a gateway. */
export function only(options: GatewayOptions): GatewayOptions {
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => name in GATEWAY_RULES && value !== undefined))
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
  readonly #ports: readonly Port[]
  #closing: Promise<void> | undefined

  private constructor(options: GatewayOptions, ports: readonly Port[]) {
    this.options = options
    this.#ports = ports
  }

  /**
   * Listens, and resolves when clients can connect.
   * @throws TypeError or RangeError for options; ConnectionError (`ERR_REFUSED`) for a port that cannot be had, when nothing listens
   */
  static async serve(peer: Peer, options: GatewayOptions = {}): Promise<Gateway> {
    const all = { onError: (error: Error) => console.error(`sluice: gateway: ${say(error)}`), ...checkGatewayOptions(options) }
    const ports: Port[] = []
    try {
      for (const { port, protocols } of plan(all)) ports.push(await Port.open(peer, port, protocols, all))
    } catch (cause) {
      await Promise.all(ports.map((port) => port.close()))
      throw (cause as { syscall?: unknown }).syscall === 'listen' ? new ConnectionError('ERR_REFUSED', all.host ?? '127.0.0.1', say(cause), { cause }) : cause
    }
    return new Gateway(all, ports)
  }

  /** Where it can be reached, by protocol: `{ grpc: 'grpc://127.0.0.1:51000' }`. */
  get addresses(): Readonly<Record<string, string>> {
    return Object.assign({}, ...this.#ports.map(({ addresses }) => addresses))
  }

  /** The first port. */
  get port(): number {
    return this.#ports[0]!.port
  }

  /**
   * Says that it is not ready any more, refuses requests after `drainDelay`, lets those under way finish, for `timeout` milliseconds at
   * most (default 10 000), and ends. Called twice, it is one shutdown.
   */
  close(timeout = 10_000): Promise<void> {
    this.#closing ??= this.#close(timeout)
    return this.#closing
  }

  async #close(timeout: number): Promise<void> {
    const { drainDelay = 0 } = this.options
    for (const port of this.#ports) port.unready()
    if (drainDelay > 0) await new Promise((resolve) => setTimeout(resolve, drainDelay))
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeout)
    })
    await Promise.race([Promise.all(this.#ports.map((port) => port.drain())), late])
    clearTimeout(timer)
    await Promise.all(this.#ports.map((port) => port.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
