import type { Server as HttpServer, IncomingMessage, RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { node } from '../../../base/node.js'
import type { Handler } from '../../../request/handler.js'
import { Scope } from '../../../stream/scope.js'
import { CHALLENGE, Entrance } from '../../authentication.js'
import { NodeKnock } from '../../caller.js'
import { namesSeveralHosts } from '../../hosts.js'
import type { Server } from '../../wire.js'
import { statusJson } from '../json.js'
import { Door, nothingHere } from './door.js'
import { dryRun } from './dry-run.js'
import { type AttachOptions, settings, type WebSocketServeOptions } from './options.js'
import { answerAsIs, wantsWebSocket } from './other-upgrade.js'

/** A WebSocket endpoint on an HTTP server that is somebody else's. */
export interface Attached {
  /** Lets nobody in any more, and resolves when nothing is under way. */
  drain(): Promise<void>
  /** Closes all its connections, and lets go of the server, which goes on. */
  close(): Promise<void>
}

/**
 * Serves a peer by WebSocket, as Jina's gateway does: at `/`, and whether it is ready at `/dry_run`. Messages are JSON in text frames, or
 * `DataRequestProto` in binary ones for clients that ask for the subprotocol `bytes`. By HTTP, it answers the same two paths.
 *
 * @throws OptionTypeError, OptionRangeError that name the option; the platform's error when it cannot listen
 */
export async function serve(peer: Handler, options: WebSocketServeOptions = {}): Promise<Server> {
  const { host = '127.0.0.1', port = 0, tls } = options
  const set = settings('serve()', options)
  const entrance = new Entrance(set, host, set.onError)
  await entrance.open()
  const listener = answerHttp(peer, entrance)
  // What it costs to hold a connection open without a request is bounded by the platform's own limits, of which this is the loosest.
  const limits = { headersTimeout: 10_000 }
  const server: HttpServer = tls
    ? (await node('https')).createServer({ ...limits, ...credentials(tls), requestCert: tls.ca !== undefined }, listener)
    : (await node('http')).createServer(limits, listener)
  const attached = await attachTo(server, peer, set, true, entrance)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', set.onError)
  const { port: bound } = server.address() as AddressInfo
  return {
    address: `${tls ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    drain: () => attached.drain(),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      await attached.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/**
 * Serves a peer by WebSocket on a server that answers HTTP. Requests for other paths are left to who else listens for `'upgrade'`, or
 * refused with 404 if nobody does. So are those that want another protocol, such as h2c, left to them; if nobody listens, they are answered as
 * if they did not want it.
 *
 * @param entrance who decides who comes in, for other wires as well
 * @throws OptionTypeError, OptionRangeError that name the option
 */
export function attach(server: HttpServer, peer: Handler, options: AttachOptions = {}, entrance?: Entrance): Promise<Attached> {
  return attachTo(server, peer, settings('attach()', options), false, entrance)
}

async function attachTo(server: HttpServer, peer: Handler, set: ReturnType<typeof settings>, own: boolean, given?: Entrance): Promise<Attached> {
  const entrance = given ?? new Entrance(set, undefined, set.onError)
  if (given === undefined) await entrance.open()
  const door = await Door.open(peer, set, entrance)
  const onUpgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    const alone = own || server.listenerCount('upgrade') === 1
    // An earlier request on it is not answered yet, and the answers would mix.
    if (alone && (stream as { _httpMessage?: unknown })._httpMessage) return void stream.destroy()
    if (!wantsWebSocket(request)) {
      if (alone) answerAsIs(server, request, stream, head)
    } else if (!door.upgrade(request, stream, head) && alone) nothingHere(stream)
  }
  server.on('upgrade', onUpgrade)
  return {
    drain: () => door.drain(),
    async close() {
      await door.close()
      server.off('upgrade', onUpgrade)
    },
  }
}

function credentials({ key, cert, ca }: NonNullable<WebSocketServeOptions['tls']>) {
  const text = (pem: string | Uint8Array) => (typeof pem === 'string' ? pem : Buffer.from(pem))
  return { key: text(key), cert: text(cert), ...(ca !== undefined && { ca: text(ca) }) }
}

/** Health for who cannot speak WebSocket, with the paths of Jina's gateway. */
function answerHttp(peer: Handler, entrance: Entrance): RequestListener {
  return async (request, response) => {
    const { url, method } = request
    const send = (status: number, body: object, headers: object = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(JSON.stringify(body))
    }
    if (namesSeveralHosts(request)) return send(400, { detail: 'A request names one host' }, { connection: 'close' })
    const scope = new Scope()
    response.once('close', () => scope.abort(new DOMException('The client left', 'AbortError')))
    const { turned, identity } = await entrance.admit(new NodeKnock(request, 'websocket'), scope, { health: url === '/', runs: url === '/dry_run' })
    if (turned?.kind === 'forbidden') return send(403, { detail: turned.reason })
    if (turned !== undefined) return send(401, { detail: turned.reason }, CHALLENGE)
    if (method !== 'GET') return send(405, { detail: 'Method Not Allowed' })
    if (url === '/') return send(200, {})
    if (url === '/dry_run') return send(200, statusJson(await dryRun(peer, scope, identity)))
    send(404, { detail: 'Not Found. This is a WebSocket endpoint' })
  }
}
