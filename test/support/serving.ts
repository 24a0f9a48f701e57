import type { Server as HttpServer } from 'node:http'
import { Port } from '../../lib/gateway/port.js'
import type { Wires } from '../../lib/gateway/wires.js'
import type { Handler } from '../../lib/request/handler.js'
import { type AuthenticationOptions, Authenticator } from '../../lib/wire/authentication.js'
import type { GrpcSpeakerOptions } from '../../lib/wire/grpc/options.js'
import { speak as speakGrpc } from '../../lib/wire/grpc/server/speaker.js'
import type { HttpSpeakerOptions } from '../../lib/wire/http/options.js'
import { speak as speakHttp } from '../../lib/wire/http/server/speaker.js'
import type { ServerTls } from '../../lib/wire/tls-options.js'
import type { WebSocketSpeakerOptions } from '../../lib/wire/websocket/options.js'
import { speak as speakWebSocket } from '../../lib/wire/websocket/server/speaker.js'

/** Where to listen, and who may come in. */
export interface Listening extends AuthenticationOptions {
  host?: string
  port?: number
  tls?: ServerTls | undefined
  headersTimeout?: number
}

/** One wire at one port, with settings that a gateway keeps to itself. */
export interface Served {
  readonly address: string
  readonly port: number
  unready(): void
  drain(): Promise<void>
  close(): Promise<void>
}

export const serveGrpc = (handler: Handler, options: GrpcSpeakerOptions & Listening = {}): Promise<Served> =>
  serve('grpc', options, async (authenticator) => ({ grpc: await speakGrpc(handler, options, authenticator) }))

export const serveHttp = (handler: Handler, options: HttpSpeakerOptions & Listening = {}): Promise<Served> =>
  serve('http', options, async (authenticator) => ({ http: [await speakHttp(handler, options, authenticator)] }))

export const serveWebSocket = (handler: Handler, options: WebSocketSpeakerOptions & Listening = {}): Promise<Served> =>
  serve('ws', options, async (authenticator) => ({
    http: [await speakHttp(handler, { noCrudEndpoints: true, onError: options.onError }, authenticator)],
    websocket: await speakWebSocket(handler, options, authenticator),
  }))

export const serving = { grpc: serveGrpc, http: serveHttp, websocket: serveWebSocket } as const

/** WebSockets on a server of Node that is the test's own. */
export async function attach(server: HttpServer, handler: Handler, options: WebSocketSpeakerOptions = {}) {
  const speaker = await speakWebSocket(handler, options, new Authenticator({}, undefined, () => {}))
  server.on('upgrade', (request, stream, head) => speaker.take(request, stream, head))
  return speaker
}

async function serve(
  scheme: string,
  options: Listening & { onError?: ((error: Error) => void) | undefined },
  wires: (authenticator: Authenticator) => Promise<Wires>,
): Promise<Served> {
  const { port = 0, tls, onError = () => {} } = options
  const authenticator = new Authenticator(options, options.host, onError)
  await authenticator.open()
  const opened = await Port.open(port, await wires(authenticator), options, authenticator)
  return {
    address: `${scheme}${tls === undefined ? '' : 's'}://${opened.authority}`,
    port: opened.port,
    unready: () => opened.unready(),
    drain: () => opened.drain(10_000),
    close: () => opened.close(),
  }
}
