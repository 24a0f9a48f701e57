import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import { node } from '../host.js'
import type { Peer } from '../peer.js'
import type { GraphQLOptions } from '../wire/graphql/index.js'
import { namesSeveralHosts } from '../wire/hosts.js'
import type { GatewayOptions } from './options.js'
import { common, given, type Speaker } from './speaker.js'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** Longer than the minute that proxies keep idle connections for: who closes first must not be us. */
const KEEP_ALIVE = 65_000

/** A server of HTTP that is handed its connections. */
export async function httpServer(listener: Listener | undefined, headersTimeout: number): Promise<HttpServer> {
  const { createServer } = await node('http')
  const limits = {
    headersTimeout,
    // Of the whole request, which may be an upload without end: bodies have deadlines of their own.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE,
    connectionsCheckingInterval: Math.min(5000, Math.ceil(headersTimeout / 4) || 5000),
  }
  const server = createServer(limits, listener ?? ((_, response) => void response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end(ONLY)))
  // Node looks for connections that are late once it listens, which this server never does by itself.
  server.emit('listening')
  return server
}

const ONLY = 'This port speaks WebSocket.'

/** HTTP's own routes, and GraphQL's. */
export async function httpListener(peer: Peer, options: GatewayOptions, speakers: Speaker[]): Promise<Listener> {
  const { createListener } = await import('../wire/http/serve.js')
  const { cors, title, description, noDebugEndpoints, noCrudEndpoints, exposeEndpoints, timeout, bodyTimeout = 60_000 } = options
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
      bodyTimeout,
    }),
  )
  speakers.push(http)
  const listener: Listener = (request, response) => http.take(request, response)
  if (!options.graphql) return listener
  const { createGraphQL } = await import('../wire/graphql/index.js')
  const graphql = createGraphQL(peer, {
    ...given({ prefetch: options.prefetch, cors, onError: options.onError as GraphQLOptions['onError'] }),
    ...(typeof options.graphql === 'object' && options.graphql),
  })
  return (request, response) => {
    const path = request.url?.split('?', 1)[0]
    const isGraphQL = path === graphql.path || path?.startsWith(`${graphql.path}/`)
    if (!isGraphQL || namesSeveralHosts(request)) return listener(request, response)
    endLate(request, bodyTimeout)
    void graphql(request, response)
  }
}

/** Hangs up on who does not send a body in time. */
function endLate(request: IncomingMessage, time: number): void {
  if (request.complete || time === 0) return
  const timer = setTimeout(() => request.complete || request.socket.destroy(), time)
  const over = (): void => clearTimeout(timer)
  request.once('end', over).once('close', over)
}
