import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import { now } from '../base/clock.js'
import { publish } from '../base/events.js'
import { type Logger, log } from '../base/logger.js'
import { shortage } from '../base/shortage.js'
import { Register } from '../stream/register.js'
import type { Authenticator } from '../wire/authentication.js'
import { HEADERS_TIMEOUT } from '../wire/defaults.js'
import { isLoopback } from '../wire/hosts.js'
import type { ServerTls } from '../wire/tls-options.js'
import { secureOptions } from './certificates.js'
import { httpServer } from './http-server.js'
import { answerLiveness } from './liveness.js'
import type { GatewayOptions } from './options.js'
import { plain, secure } from './sockets.js'
import { speakersOf, type Wires } from './wires.js'

/** Where and how to listen. */
export interface PortOptions extends Pick<GatewayOptions, 'host' | 'headersTimeout' | 'maxConnectionAge' | 'onError' | 'logger'> {
  /** With its keys as texts. */
  readonly tls?: ServerTls | undefined
  /** Hears of each connection before anything of it is read. */
  readonly onConnection?: ((socket: Socket) => void) | undefined
}

/** One port, behind which protocols are told apart by what clients say first: HTTP/2 is gRPC, the rest HTTP, of which some become WebSockets. */
export class Port {
  readonly #server: NetServer
  readonly #wires: Wires
  readonly #sockets: Register<Socket>
  readonly #alive: Promise<() => void>

  private constructor(
    /** Where it is listened at, as addresses have it: `127.0.0.1:8080`. */
    readonly authority: string,
    readonly port: number,
    server: NetServer,
    wires: Wires,
    sockets: Register<Socket>,
  ) {
    this.#server = server
    this.#wires = wires
    this.#sockets = sockets
    this.#alive = answerLiveness((server.address() as AddressInfo).address, port)
  }

  static async open(port: number, wires: Wires, options: PortOptions, authenticator: Authenticator): Promise<Port> {
    const { host = '127.0.0.1', tls, headersTimeout = HEADERS_TIMEOUT, maxConnectionAge = 0 } = options
    const { grpc } = wires
    const http = wires.http === undefined && wires.websocket === undefined ? undefined : await httpServer(wires, headersTimeout, maxConnectionAge)
    const sockets = new Register<Socket>()
    const hand = (socket: Socket, isHttp2: boolean): void => {
      if (isHttp2 && grpc !== undefined) grpc.take(socket)
      else if (http !== undefined) http.emit('connection', socket)
      else socket.destroy()
    }
    const server =
      tls === undefined
        ? await plain(headersTimeout, hand)
        : await secure(tls, headersTimeout, grpc !== undefined, http !== undefined, hand, refusals(options.logger))
    server.on('connection', (socket: Socket) => {
      const leave = sockets.enter(socket)
      options.onConnection?.(socket)
      const { remoteAddress, remotePort } = socket
      const tell = (state: 'open' | 'closed'): void => publish('connection', () => ({ side: 'server', address: `${remoteAddress}:${remotePort}`, state }))
      tell('open')
      socket.once('close', () => {
        leave()
        tell('closed')
      })
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        // That there are no handles left is told once, and not with each connection: see handles.
        server.on('error', (error) => shortage(error) === undefined && options.onError?.(error))
        resolve()
      })
    })
    const { address, port: taken } = server.address() as AddressInfo
    // Servers that are handed their connections know nothing of it.
    authenticator.near = isLoopback(address)
    const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
    return new Port(`${shown}:${taken}`, taken, server, wires, sockets)
  }

  /** Later connections get these keys and certificates; those that stand stay as they are. */
  renew(tls: ServerTls): void {
    ;(this.#server as Partial<TlsServer>).setSecureContext?.(secureOptions(tls))
  }

  unready(): void {
    for (const speaker of speakersOf(this.#wires)) speaker.unready()
  }

  async drain(time: number): Promise<void> {
    this.#server.close()
    await Promise.all(speakersOf(this.#wires).map((speaker) => speaker.drain(time)))
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => (this.#server.listening ? this.#server.close(() => resolve()) : resolve()))
    await Promise.all(speakersOf(this.#wires).map((speaker) => speaker.close()))
    for (const socket of this.#sockets) socket.destroy()
    ;(await this.#alive)()
    await closed
  }
}

/** Milliseconds for which one client that is turned away is told of, and no other, whatever the reason. */
const QUIET = 10_000

/** Tells of clients whose certificates are not taken: who comes again and again fills no log. */
function refusals(logger: Logger | undefined): (error: Error) => void {
  let quiet = -Infinity
  return (error) => {
    if (now() < quiet) return
    quiet = now() + QUIET
    log(logger, 'warn', 'tls.refused', { error })
  }
}
