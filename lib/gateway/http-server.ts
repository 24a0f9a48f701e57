import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { now } from '../base/clock.js'
import { node } from '../base/node.js'
import { endLate } from './late-headers.js'
import { answerAsIs } from './other-upgrade.js'
import type { Wires } from './wires.js'

/** Longer than the minute that proxies keep idle connections for: who closes first must not be us. */
const KEEP_ALIVE = 65_000

/** By how much the age of one connection differs from that of another: those that came together need not come back together. */
const SPREAD = 0.1

/**
 * A server of HTTP that is handed its connections.
 * @param maxAge milliseconds after which a connection ends with its next answer; 0: never
 */
export async function httpServer({ http = [], websocket, graphqlSockets }: Wires, headersTimeout: number, maxAge: number): Promise<HttpServer> {
  const { createServer } = await node('http')
  const limits = {
    headersTimeout,
    // Of the whole request, which may be an upload without end: bodies have deadlines of their own.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE,
    connectionsCheckingInterval: Math.min(5000, Math.ceil(headersTimeout / 4) || 5000),
  }
  const ends = new WeakMap<object, number>()
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    // Node says so in the answer.
    if (maxAge > 0 && now() >= ends.get(request.socket)!) response.shouldKeepAlive = false
    if (http.some((speaker) => speaker.take(request, response))) return
    response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end('This port speaks WebSocket.')
  }
  const server = createServer(limits, listener)
  if (maxAge > 0) server.on('connection', (socket) => ends.set(socket, now() + maxAge * (1 + SPREAD * (2 * Math.random() - 1))))
  // A body is asked for when it is wanted: who is not let in never sends it.
  server.on('checkContinue', listener)
  if ((websocket ?? graphqlSockets) !== undefined)
    server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      // An earlier request on it is not answered yet, and the answers would mix.
      if ((stream as { _httpMessage?: unknown })._httpMessage) stream.destroy()
      else if (!graphqlSockets?.(request, stream, head) && !websocket?.take(request, stream, head)) answerAsIs(server, request, stream, head)
    })
  // Node looks for connections that are late once it listens, which this server never does by itself.
  server.emit('listening')
  if ('Bun' in globalThis && headersTimeout > 0) endLate(server, headersTimeout, KEEP_ALIVE)
  return server
}
