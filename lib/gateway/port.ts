import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import type { Handler } from '../request/handler.js'
import type { Protocol } from '../wire/address.js'
import type { Entrance } from '../wire/authentication.js'
import { originsIn } from '../wire/cors.js'
import { isLoopback } from '../wire/hosts.js'
import type { ServerTls } from '../wire/wire.js'
import { secureOptions } from './certificates.js'
import { httpListener, httpServer, probeListener } from './http-server.js'
import type { GatewayOptions } from './options.js'
import { plain, secure } from './sockets.js'
import { common, given, type Speaker } from './speaker.js'

/** What a gateway was told, with its keys as texts. */
type PortOptions = Omit<GatewayOptions, 'tls'> & { readonly tls?: ServerTls | undefined }

/** One port, behind which protocols are told apart by what clients say first: HTTP/2 is gRPC, the rest HTTP, of which some become WebSockets. */
export class Port {
  readonly addresses: Readonly<Record<string, string>>
  readonly port: number
  readonly #server: NetServer
  readonly #speakers: readonly Speaker[]
  readonly #sockets: Set<Socket>

  private constructor(addresses: Readonly<Record<string, string>>, port: number, server: NetServer, speakers: readonly Speaker[], sockets: Set<Socket>) {
    this.addresses = addresses
    this.port = port
    this.#server = server
    this.#speakers = speakers
    this.#sockets = sockets
  }

  static async open(peer: Handler, port: number, protocols: readonly Protocol[], options: PortOptions, entrance: Entrance): Promise<Port> {
    const { host = '127.0.0.1', tls, headersTimeout = 30_000 } = options
    const speakers: Speaker[] = []
    let grpc: ((socket: Socket) => void) | undefined
    let http: HttpServer | undefined
    if (protocols.includes('grpc')) {
      const { createGrpc } = await import('../wire/grpc/server/speaker.js')
      const speaker = createGrpc(peer, { ...common(options), ...given({ docarray: options.docarray }), endpoints: () => peer.endpoints ?? [] }, entrance)
      speakers.push(speaker)
      grpc = (socket) => speaker.inject(socket)
    }
    if (protocols.includes('http') || protocols.includes('websocket')) {
      const listener = protocols.includes('http') ? httpListener : probeListener
      const own = await httpServer(await listener(peer, options, speakers, entrance), headersTimeout)
      speakers.push({ drain: async () => {}, close: () => void own.close() })
      http = own
      if (protocols.includes('websocket')) {
        const { attach } = await import('../wire/websocket/server/speaker.js')
        speakers.push(await attach(http, peer, { ...common(options), origins: originsIn(options.cors ?? false) }, entrance))
      }
    }
    const sockets = new Set<Socket>()
    const hand = (socket: Socket, isHttp2: boolean): void => {
      if (isHttp2 && grpc !== undefined) grpc(socket)
      else if (http !== undefined) http.emit('connection', socket)
      else socket.destroy()
    }
    const server = tls === undefined ? await plain(headersTimeout, hand) : await secure(tls, headersTimeout, grpc !== undefined, http !== undefined, hand)
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, () => {
        server.off('error', reject)
        server.on('error', (error) => options.onError?.(error))
        resolve()
      })
    })
    const { address, port: taken } = server.address() as AddressInfo
    // Servers that are handed their connections know nothing of it.
    entrance.near = isLoopback(address)
    const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
    const schemes: Record<Protocol, string> = { grpc: 'grpc', http: 'http', websocket: 'ws' }
    const addresses = Object.fromEntries(protocols.map((protocol) => [protocol, `${schemes[protocol]}${tls === undefined ? '' : 's'}://${shown}:${taken}`]))
    return new Port(addresses, taken, server, speakers, sockets)
  }

  /** Later connections get these keys and certificates; those that stand stay as they are. */
  renew(tls: ServerTls): void {
    ;(this.#server as Partial<TlsServer>).setSecureContext?.(secureOptions(tls))
  }

  unready(): void {
    for (const speaker of this.#speakers) speaker.unready?.()
  }

  async drain(time: number): Promise<void> {
    this.#server.close()
    await Promise.all(this.#speakers.map((speaker) => speaker.drain(time)))
  }

  async close(): Promise<void> {
    await Promise.all(this.#speakers.map((speaker) => speaker.close()))
    const closed = new Promise<void>((resolve) => (this.#server.listening ? this.#server.close(() => resolve()) : resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
