import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Describing } from '../executor/schemas.js'
import type { Handler } from '../request/handler.js'
import type { Protocol } from '../wire/address.js'
import type { Authenticator } from '../wire/authentication.js'
import { originsIn } from '../wire/cors.js'
import type { GraphQLOptions } from '../wire/graphql/index.js'
import type { HttpTaken } from '../wire/http/server/speaker.js'
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
}

/** The servers' ends of the protocols that are spoken at one port. */
export async function wiresOf(peer: Handler, protocols: readonly Protocol[], options: GatewayOptions, authenticator: Authenticator): Promise<Wires> {
  return {
    grpc: protocols.includes('grpc') ? await grpc(peer, options, authenticator) : undefined,
    http: protocols.includes('http')
      ? await http(peer, options, authenticator)
      : protocols.includes('websocket')
        ? [await probes(peer, options, authenticator)]
        : undefined,
    websocket: protocols.includes('websocket') ? await websocket(peer, options, authenticator) : undefined,
  }
}

export function speakersOf({ grpc, http = [], websocket }: Wires): Speaker<any>[] {
  return [grpc, ...http, websocket].filter((speaker) => speaker !== undefined)
}

async function grpc(peer: Handler, options: GatewayOptions, authenticator: Authenticator): Promise<Speaker<[socket: Duplex]>> {
  const { speak } = await import('../wire/grpc/server/speaker.js')
  return speak(peer, { ...options, endpoints: () => peer.endpoints ?? [], describe: () => (peer as Partial<Describing>).describe?.() }, authenticator)
}

async function websocket(peer: Handler, options: GatewayOptions, authenticator: Authenticator): Promise<Speaker<UpgradeTaken>> {
  const { speak } = await import('../wire/websocket/server/speaker.js')
  const { keepalive, stallTimeout, compression } = options
  return speak(peer, { ...common(options), ...given({ keepalive, stallTimeout, compression }), origins: originsIn(options.cors ?? false) }, authenticator)
}

/** HTTP's own routes, and GraphQL's before them. */
async function http(peer: Handler, options: GatewayOptions, authenticator: Authenticator): Promise<Speaker<HttpTaken>[]> {
  const { noCrudEndpoints, exposeEndpoints } = options
  const own = await routes(peer, options, { noCrudEndpoints, exposeEndpoints }, authenticator)
  return options.graphql ? [await graphql(peer, options, authenticator), own] : [own]
}

async function graphql(peer: Handler, options: GatewayOptions, authenticator: Authenticator): Promise<Speaker<HttpTaken>> {
  const { speak } = await import('../wire/graphql/server/speaker.js')
  const { prefetch, maxDocuments, cors, bodyTimeout, onError } = options
  const all = {
    ...given({ prefetch, maxDocuments, cors, onError: onError as GraphQLOptions['onError'] }),
    ...(typeof options.graphql === 'object' && options.graphql),
  }
  return speak(peer, { ...all, bodyTimeout }, authenticator)
}

const PROBES = new Set(['/', '/healthz', '/ready', '/dry_run', '/status'])

/** What a port that speaks WebSocket tells those who do not: how it is, as over HTTP and at Jina's gateway. */
async function probes(peer: Handler, options: GatewayOptions, authenticator: Authenticator): Promise<Speaker<HttpTaken>> {
  const own = await routes(peer, options, { noCrudEndpoints: true }, authenticator)
  return {
    take: (request, response) => PROBES.has(pathOf(request)) && own.take(request, response),
    unready: () => own.unready(),
    drain: (time) => own.drain(time),
    close: () => own.close(),
  }
}

async function routes(
  peer: Handler,
  options: GatewayOptions,
  which: Pick<GatewayOptions, 'noCrudEndpoints' | 'exposeEndpoints'>,
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
