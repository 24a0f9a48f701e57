import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Server as NetServer, Socket } from 'node:net'
import { node } from '../host.js'
import type { Peer } from '../peer.js'
import type { Protocol } from '../wire/address.js'
import { originsIn } from '../wire/cors.js'
import type { GraphQLOptions } from '../wire/graphql/index.js'
import type { GatewayOptions } from './options.js'

/** Milliseconds in which whoever connects must say which protocol it speaks. */
const FIRST_BYTES = 10_000
/** What a client of HTTP/2 says first. */
const HTTP2 = 'PRI'

/** What a protocol brings to a port. */
interface Speaker {
  /** It says that it is not ready any more, where it can, and goes on. */
  unready?(): void
  drain(): Promise<void>
  close(): Promise<void> | void
}

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

  static async open(peer: Peer, port: number, protocols: readonly Protocol[], options: GatewayOptions): Promise<Port> {
    const { host = '127.0.0.1', tls } = options
    const speakers: Speaker[] = []
    let grpc: ((socket: Socket) => void) | undefined
    let http: HttpServer | undefined
    if (protocols.includes('grpc')) {
      const { createGrpc } = await import('../wire/grpc/server/serve.js')
      const speaker = createGrpc(peer, { ...common(options), ...given({ docarray: options.docarray }), endpoints: () => peer.endpoints ?? [] })
      speakers.push(speaker)
      grpc = (socket) => speaker.inject(socket)
    }
    if (protocols.includes('http') || protocols.includes('websocket')) {
      const { createServer } = await node('http')
      const listener = protocols.includes('http') ? await httpListener(peer, options, speakers) : undefined
      http = createServer(
        listener ?? ((_, response) => void response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end('This port speaks WebSocket.')),
      )
      if (protocols.includes('websocket')) {
        const { attach } = await import('../wire/websocket/server/serve.js')
        speakers.push(await attach(http, peer, { ...common(options), origins: originsIn(options.cors ?? false) }))
      }
    }
    const sockets = new Set<Socket>()
    const hand = (socket: Socket, isHttp2: boolean): void => {
      if (isHttp2 && grpc !== undefined) grpc(socket)
      else if (http !== undefined) http.emit('connection', socket)
      else socket.destroy()
    }
    const server = tls === undefined ? await plain(hand) : await secure(tls, grpc !== undefined, http !== undefined, hand)
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
    const taken = (server.address() as AddressInfo).port
    const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
    const schemes: Record<Protocol, string> = { grpc: 'grpc', http: 'http', websocket: 'ws' }
    const addresses = Object.fromEntries(protocols.map((protocol) => [protocol, `${schemes[protocol]}${tls === undefined ? '' : 's'}://${shown}:${taken}`]))
    return new Port(addresses, taken, server, speakers, sockets)
  }

  unready(): void {
    for (const speaker of this.#speakers) speaker.unready?.()
  }

  async drain(): Promise<void> {
    this.#server.close()
    await Promise.all(this.#speakers.map((speaker) => speaker.drain()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#speakers.map((speaker) => speaker.close()))
    const closed = new Promise<void>((resolve) => (this.#server.listening ? this.#server.close(() => resolve()) : resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

/** What every wire is told. */
function common({ prefetch, maxMessageBytes, exposeStacks, onError }: GatewayOptions) {
  return given({ prefetch, maxMessageBytes, exposeStacks, onError })
}

/** Wires refuse words they do not know, also with nothing behind them. */
function given<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as O
}

/** HTTP's own routes, and GraphQL's. */
async function httpListener(peer: Peer, options: GatewayOptions, speakers: Speaker[]): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const { createListener } = await import('../wire/http/serve.js')
  const { cors, title, description, noDebugEndpoints, noCrudEndpoints, exposeEndpoints, timeout } = options
  const http = await createListener(
    peer,
    given({
      ...common(options),
      cors,
      title,
      description,
      noDebugEndpoints,
      noCrudEndpoints,
      exposeEndpoints,
      timeout,
    }),
  )
  speakers.push(http)
  const listener = (request: IncomingMessage, response: ServerResponse): void => http.take(request, response)
  if (!options.graphql) return listener
  const { createGraphQL } = await import('../wire/graphql/index.js')
  const graphql = createGraphQL(peer, {
    ...given({ prefetch: options.prefetch, cors, onError: options.onError as GraphQLOptions['onError'] }),
    ...(typeof options.graphql === 'object' && options.graphql),
  })
  return (request, response) => {
    const path = request.url?.split('?', 1)[0]
    if (path === graphql.path || path?.startsWith(`${graphql.path}/`)) void graphql(request, response)
    else listener(request, response)
  }
}

async function plain(hand: (socket: Socket, isHttp2: boolean) => void): Promise<NetServer> {
  const { createServer } = await node('net')
  return createServer((socket) => {
    const timer = setTimeout(() => socket.destroy(), FIRST_BYTES)
    socket.on('error', ignore)
    socket.once('close', () => clearTimeout(timer))
    let seen: Buffer = Buffer.alloc(0)
    const look = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      // HTTP/2 begins with PRI, which is no method of HTTP/1. It may come byte by byte, as anything may.
      if (seen.length < HTTP2.length && HTTP2.startsWith(seen.toString('latin1'))) return
      clearTimeout(timer)
      socket.off('data', look)
      socket.pause()
      socket.unshift(seen)
      socket.off('error', ignore)
      hand(socket, seen.toString('latin1', 0, HTTP2.length) === HTTP2)
      process.nextTick(() => socket.resume())
    }
    socket.on('data', look)
  })
}

async function secure(
  { key, cert, ca }: NonNullable<GatewayOptions['tls']>,
  grpc: boolean,
  http: boolean,
  hand: (socket: Socket, isHttp2: boolean) => void,
): Promise<NetServer> {
  const { createServer } = await node('tls')
  // Who speaks both, as browsers do, wants HTTP/1: HTTP/2 is for gRPC alone.
  const choose = ({ protocols }: { protocols: string[] }): string | undefined =>
    http && protocols.includes('http/1.1') ? 'http/1.1' : grpc && protocols.includes('h2') ? 'h2' : undefined
  const options = {
    key: pem(key),
    cert: pem(cert),
    ...(ca !== undefined && { ca: pem(ca), requestCert: true, rejectUnauthorized: true }),
    ALPNCallback: choose,
  }
  return createServer(options as object, (socket) => hand(socket, socket.alpnProtocol === 'h2'))
}

function pem(given: string | Uint8Array): string | Buffer {
  return typeof given === 'string' ? given : Buffer.from(given)
}

function ignore(): void {}
