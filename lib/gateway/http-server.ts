import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import { node } from '../base/node.js'
import type { Handler } from '../request/handler.js'
import type { Entrance } from '../wire/authentication.js'
import { namesSeveralHosts } from '../wire/hosts.js'
import { GraphQLSpeaker } from './graphql.js'
import type { GatewayOptions } from './options.js'
import { common, given, type Speaker } from './speaker.js'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** Longer than the minute that proxies keep idle connections for: who closes first must not be us. */
const KEEP_ALIVE = 65_000

/** A server of HTTP that is handed its connections. */
export async function httpServer(listener: Listener, headersTimeout: number): Promise<HttpServer> {
  const { createServer } = await node('http')
  const limits = {
    headersTimeout,
    // Of the whole request, which may be an upload without end: bodies have deadlines of their own.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE,
    connectionsCheckingInterval: Math.min(5000, Math.ceil(headersTimeout / 4) || 5000),
  }
  const server = createServer(limits, listener)
  // A body is asked for when it is wanted: who is not let in never sends it.
  server.on('checkContinue', listener)
  // Node looks for connections that are late once it listens, which this server never does by itself.
  server.emit('listening')
  return server
}

/** HTTP's own routes, and GraphQL's. */
export async function httpListener(peer: Handler, options: GatewayOptions, speakers: Speaker[], entrance: Entrance): Promise<Listener> {
  const { noCrudEndpoints, exposeEndpoints } = options
  const http = await routes(peer, options, { noCrudEndpoints, exposeEndpoints }, entrance)
  speakers.push(http)
  const listener: Listener = (request, response) => http.take(request, response)
  if (!options.graphql) return listener
  const graphql = await GraphQLSpeaker.open(peer, options, entrance)
  speakers.push(graphql)
  return (request, response) => {
    const isGraphQL = graphql.hasPath(pathOf(request)) && !namesSeveralHosts(request)
    if (isGraphQL) graphql.take(request, response)
    else listener(request, response)
  }
}

/** What a port that speaks WebSocket tells those who do not: how it is, as over HTTP and at Jina's gateway. */
export async function probeListener(peer: Handler, options: GatewayOptions, speakers: Speaker[], entrance: Entrance): Promise<Listener> {
  const http = await routes(peer, options, { noCrudEndpoints: true }, entrance)
  speakers.push(http)
  return (request, response) => {
    if (PROBES.has(pathOf(request))) return http.take(request, response)
    response.writeHead(426, { upgrade: 'websocket', connection: 'close' }).end('This port speaks WebSocket.')
  }
}

const PROBES = new Set(['/', '/healthz', '/ready', '/dry_run', '/status'])

async function routes(peer: Handler, options: GatewayOptions, which: Pick<GatewayOptions, 'noCrudEndpoints' | 'exposeEndpoints'>, entrance: Entrance) {
  const { createListener } = await import('../wire/http/server/speaker.js')
  const { cors, title, description, noDebugEndpoints, bodyTimeout = 60_000 } = options
  return createListener(peer, given({ ...common(options), ...which, cors, title, description, noDebugEndpoints, bodyTimeout }), entrance)
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0]!
}
