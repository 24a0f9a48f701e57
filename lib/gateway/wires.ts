import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Describing } from '../executor/schemas.js'
import { type Limiter, limiterOf } from '../handler/limits.js'
import type { Handler } from '../request/handler.js'
import type { Protocol } from '../wire/address.js'
import type { Authenticator } from '../wire/authentication.js'
import { originsIn } from '../wire/cors.js'
import type { GraphQLOptions } from '../wire/graphql/index.js'
import type { HttpSpeakerOptions, LiveView } from '../wire/http/options.js'
import type { HttpTaken } from '../wire/http/server/speaker.js'
import { statusAsked } from '../wire/service-status.js'
import type { Speaker } from '../wire/speaker.js'
import type { UpgradeTaken } from '../wire/websocket/server/speaker.js'
import type { GatewayOptions } from './options.js'

/** What is spoken at a port, by what it is handed. */
export interface Wires {
  /** HTTP/2. */
  readonly grpc?: Speaker<[socket: Duplex]> | undefined
  /** Requests of HTTP/1, each to the first that takes it. */
  readonly http?: readonly Speaker<HttpTaken>[] | undefined
  /** Of these, those that want another protocol. */
  readonly websocket?: Speaker<UpgradeTaken> | undefined
  /** Those that want GraphQL by WebSocket, and hear that it is not spoken. */
  readonly graphqlSockets?: ((...taken: UpgradeTaken) => boolean) | undefined
}

/** Jina's metrics, as Prometheus reads them. */
type Metrics = () => string

/** The servers' ends of the protocols that are spoken at one port. */
export async function wiresOf(
  peer: Limiter,
  protocols: readonly Protocol[],
  options: GatewayOptions,
  authenticator: Authenticator,
  metrics: Metrics | undefined,
  live: LiveView | undefined,
): Promise<Wires> {
  return {
    grpc: protocols.includes('grpc') ? await grpc(peer.by('grpc'), options, authenticator) : undefined,
    http: protocols.includes('http')
      ? await http(peer, options, authenticator, metrics, live)
      : protocols.includes('websocket')
        ? [await probes(peer, options, authenticator, metrics)]
        : undefined,
    websocket: protocols.includes('websocket') ? await websocket(peer.by('websocket'), options, authenticator) : undefined,
    graphqlSockets: options.graphql && protocols.includes('http') ? await graphqlSockets(options) : undefined,
  }
}

export function speakersOf({ grpc, http = [], websocket }: Wires): Speaker<any>[] {
  return [grpc, ...http, websocket].filter((speaker) => speaker !== undefined)
}

async function grpc(peer: Handler, options: GatewayOptions, authenticator: Authenticator): Promise<Speaker<[socket: Duplex]>> {
  const { speak } = await import('../wire/grpc/server/speaker.js')
  const status = statusOf(limiterOf(peer)!, options, authenticator)
  return speak(peer, { ...options, status, endpoints: () => peer.endpoints ?? [], describe: () => (peer as Partial<Describing>).describe?.() }, authenticator)
}

/** What a service says that it does, where it may be asked. */
function statusOf(
  limiter: Limiter,
  { noDebugEndpoints }: GatewayOptions,
  { asks }: Authenticator,
): ((live: string | undefined) => Promise<object>) | undefined {
  return noDebugEndpoints ? undefined : (live) => statusAsked(limiter, asks, live)
}

/** NATS, which needs no port. */
export async function overNats(peer: Limiter, options: GatewayOptions, authenticator: Authenticator) {
  const { speak } = await import('../wire/nats/server/speaker.js')
  const { keepalive, logger } = options
  const handler = peer.by('nats')
  const status = statusOf(limiterOf(handler)!, options, authenticator)
  return speak(handler, { ...common(options), ...given({ keepalive, logger, status }), nats: options.nats! }, authenticator)
}

async function websocket(peer: Handler, options: GatewayOptions, authenticator: Authenticator): Promise<Speaker<UpgradeTaken>> {
  const { speak } = await import('../wire/websocket/server/speaker.js')
  const { keepalive, stallTimeout, compression } = options
  return speak(peer, { ...common(options), ...given({ keepalive, stallTimeout, compression }), origins: originsIn(options.cors ?? false) }, authenticator)
}

/** HTTP's own routes, and GraphQL's before them. */
async function http(
  peer: Limiter,
  options: GatewayOptions,
  authenticator: Authenticator,
  metrics: Metrics | undefined,
  live: LiveView | undefined,
): Promise<Speaker<HttpTaken>[]> {
  const { noCrudEndpoints, exposeEndpoints, mcp } = options
  // Now, and not when an agent asks: who starts it hears of a package that is missing.
  if (mcp) await (await import('../wire/http/mcp/sdk.js')).loadSdk()
  const own = await routes(peer.by('http'), options, { noCrudEndpoints, exposeEndpoints, metrics, live, mcp }, authenticator)
  return options.graphql ? [await graphql(peer.by('graphql'), options, authenticator), own] : [own]
}

async function graphql(peer: Handler, options: GatewayOptions, authenticator: Authenticator): Promise<Speaker<HttpTaken>> {
  const { speak } = await import('../wire/graphql/server/speaker.js')
  const { prefetch, maxDocuments, cors, bodyTimeout, onError } = options
  const all = {
    ...given({ prefetch, maxDocuments, cors, onError: onError as GraphQLOptions['onError'] }),
    ...(typeof options.graphql === 'object' && options.graphql),
  }
  const pages = [{ path: '/docs', name: 'HTTP API' }, ...(options.ui ? [{ path: '/ui', name: 'Live page' }] : [])]
  return speak(peer, { ...all, bodyTimeout, pages }, authenticator)
}

async function graphqlSockets({ graphql }: GatewayOptions) {
  const [{ closeSockets }, { settings }] = await Promise.all([import('../wire/graphql/server/sockets.js'), import('../wire/graphql/options.js')])
  return closeSockets(settings(typeof graphql === 'object' ? graphql : {}).path)
}

const PROBES = new Set(['/', '/healthz', '/ready', '/dry_run', '/status', '/metrics'])

/** What a port that speaks WebSocket tells those who do not: how it is, as over HTTP and at Jina's gateway. */
async function probes(peer: Limiter, options: GatewayOptions, authenticator: Authenticator, metrics: Metrics | undefined): Promise<Speaker<HttpTaken>> {
  return among(PROBES, await routes(peer.by('http'), options, { noCrudEndpoints: true, metrics }, authenticator))
}

/** What a port says that has metrics alone, and whether it is up. */
export async function metricsAlone(peer: Limiter, options: GatewayOptions, authenticator: Authenticator, metrics: Metrics): Promise<Speaker<HttpTaken>> {
  const own = among(new Set(['/healthz', '/metrics']), await routes(peer.by('http'), options, { noCrudEndpoints: true, metrics }, authenticator))
  const take = (...taken: HttpTaken): boolean => {
    if (!own.take(...taken)) taken[1].writeHead(404, { 'content-type': 'text/plain' }).end('Metrics are at /metrics.\n')
    return true
  }
  return { ...own, take }
}

/** Some of what is offered by HTTP. */
function among(paths: ReadonlySet<string>, own: Speaker<HttpTaken>): Speaker<HttpTaken> {
  return {
    take: (request, response) => paths.has(pathOf(request)) && own.take(request, response),
    unready: () => own.unready(),
    drain: (time) => own.drain(time),
    close: () => own.close(),
  }
}

async function routes(
  peer: Handler,
  options: GatewayOptions,
  which: Pick<HttpSpeakerOptions, 'noCrudEndpoints' | 'exposeEndpoints' | 'metrics' | 'live' | 'mcp'>,
  authenticator: Authenticator,
) {
  const { speak } = await import('../wire/http/server/speaker.js')
  const { cors, title, description, noDebugEndpoints, bodyTimeout, heartbeat, compression } = options
  return speak(
    peer,
    { ...common(options), ...which, cors, title, description, noDebugEndpoints, bodyTimeout, ...given({ heartbeat, compression }) },
    authenticator,
  )
}

/** What every wire is told. */
function common({ prefetch, maxMessageBytes, maxDocuments, maxJsonBytes, exposeStacks, onError }: GatewayOptions) {
  return given({ prefetch, maxMessageBytes, maxDocuments, maxJsonBytes, exposeStacks, onError })
}

/** Without what is not said. */
function given<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as O
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0]!
}
