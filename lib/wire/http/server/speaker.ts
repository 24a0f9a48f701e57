import type { IncomingMessage, Server as NodeServer, ServerResponse } from 'node:http'
import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { ConnectionError } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import type { Handler } from '../../../request/handler.js'
import { Deadlines } from '../../../stream/deadlines.js'
import { Entrance } from '../../authentication.js'
import { namesSeveralHosts } from '../../hosts.js'
import type { Server } from '../../wire.js'
import { type HttpServeOptions, type Settings, serveSettingsOf } from '../options.js'
import { type Around, NodeExchange } from './node-exchange.js'
import { write } from './node-reply.js'
import { isTooFarAhead } from './pipelining.js'
import { Router } from './router.js'

/** How long a client that is refused before its body came has to read why. Closed at once, it would see a broken pipe instead. */
const GRACE = 1000

/** Longer than the minute that proxies keep idle connections for: who closes first must not be us. */
const KEEP_ALIVE = 65_000

/**
 * Listens with Node's own server: see `createHttp` for what it offers.
 *
 * @param peer opened and closed by its owner
 * @throws TypeError (`ERR_OPTION_TYPE`), RangeError (`ERR_OPTION_RANGE`) that name the option; the platform's error when the port is taken
 * or the certificate is none
 *
 * @example
 * const server = await serve(flow, { port: 8080, tls: { key, cert } })
 */
export async function serve(peer: Handler, options: HttpServeOptions = {}): Promise<Server> {
  const settings = serveSettingsOf(options)
  const [http, https, zlib] = await Promise.all([node('http'), node('https'), node('zlib')])
  const { host = '127.0.0.1', port = 0, tls, headersTimeout = 30_000, bodyTimeout = 60_000 } = settings
  const deadlines = new Deadlines(bodyTimeout)
  const entrance = new Entrance(settings, host, settings.onError)
  await entrance.open()
  const running = new HttpServer(new Router(peer, settings, entrance), settings, { zlib, deadlines, compression: settings.compression })
  const listener = (req: IncomingMessage, res: ServerResponse): void => running.take(req, res)
  const limits = {
    headersTimeout,
    // Of the whole request, which may be an upload without end: bodies have deadlines of their own.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE,
    connectionsCheckingInterval: Math.min(5000, Math.ceil(headersTimeout / 4) || 5000),
  }
  const secure =
    tls === undefined
      ? undefined
      : { key: pem(tls.key), cert: pem(tls.cert), ...(tls.ca !== undefined && { ca: pem(tls.ca), requestCert: true, rejectUnauthorized: true }) }
  const server = secure === undefined ? http.createServer(limits, listener) : https.createServer({ ...limits, ...secure }, listener)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  running.attach(server)
  // A body is asked for when it is wanted.
  server.on('checkContinue', listener)
  server.on('error', settings.onError)
  const address = server.address() as { port: number }
  const shown = host.includes(':') ? `[${host}]` : host
  return Object.assign(running, { port: address.port, address: `${secure === undefined ? 'http' : 'https'}://${shown}:${address.port}` })
}

/**
 * HTTP for a server that is somebody else's: `take` is its listener, for `checkContinue` too.
 * @param entrance who decides who comes in, for other wires as well
 * @throws TypeError (`ERR_OPTION_TYPE`), RangeError (`ERR_OPTION_RANGE`) that name the option
 */
export async function createListener(peer: Handler, options: HttpServeOptions = {}, entrance?: Entrance): Promise<HttpServer> {
  const settings = serveSettingsOf(options)
  const { bodyTimeout = 60_000 } = settings
  return new HttpServer(new Router(peer, settings, entrance ?? new Entrance(settings, undefined, settings.onError)), settings, {
    zlib: await node('zlib'),
    deadlines: new Deadlines(bodyTimeout),
    compression: settings.compression,
  })
}

function pem(text: string | Uint8Array): string | Buffer {
  return typeof text === 'string' ? text : Buffer.from(text.buffer, text.byteOffset, text.byteLength)
}

class HttpServer implements Pick<Server, 'drain' | 'close'> {
  readonly #router: Router
  readonly #settings: Settings
  readonly #around: Around
  readonly #active = new Set<NodeExchange>()
  #server: NodeServer | undefined
  #closing: Promise<void> | undefined
  #empty: (() => void)[] = []

  constructor(router: Router, settings: Settings, around: Around) {
    this.#router = router
    this.#settings = settings
    this.#around = around
  }

  attach(server: NodeServer): void {
    this.#server = server
  }

  take(req: IncomingMessage, res: ServerResponse): void {
    // Without a listener, what a connection dies of would end the process.
    res.on('error', () => {})
    req.on('error', () => {})
    if (namesSeveralHosts(req)) {
      res.writeHead(400, { 'content-type': 'application/json', connection: 'close' }).end('{"detail":"A request names one host"}')
      return
    }
    if (isTooFarAhead(req.socket, res, this.#settings.prefetch)) {
      res.writeHead(429, { 'content-type': 'application/json', connection: 'close' }).end('{"detail":"Too many requests ahead on one connection"}')
      return
    }
    const exchange = new NodeExchange(req, res, this.#around)
    this.#active.add(exchange)
    res.once('close', () => this.#left(exchange))
    void this.#answer(exchange, req, res)
  }

  async #answer(exchange: NodeExchange, req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const reply = await this.#router.answer(exchange)
      // Node reads over what nobody wanted, unless somebody seems to.
      if (reply?.unread && !req.complete) req.on('readable', ignore)
      // Whoever asks on after this would be cut off.
      if (reply !== undefined && (this.#router.draining || this.#router.leaving)) reply.headers.connection = 'close'
      if (reply === undefined) exchange.finish?.()
      else if (!exchange.scope.aborted || !res.destroyed)
        write(res, reply, req.headers['accept-encoding'], req.method === 'HEAD', this.#settings.compression, this.#around.zlib)
    } catch (error) {
      // Nobody is left to tell, but for the one who runs the server.
      if (!exchange.scope.aborted) this.#settings.onError(error as Error)
      res.destroy()
    }
    if (!req.complete && !req.destroyed) stopReading(req, res)
  }

  #left(exchange: NodeExchange): void {
    this.#active.delete(exchange)
    if (this.#active.size > 0) return
    for (const resolve of this.#empty) resolve()
    this.#empty = []
  }

  /** Says that it is not ready any more, and goes on. */
  unready(): void {
    this.#router.leaving = true
  }

  async drain(): Promise<void> {
    this.#router.draining = true
    if (this.#active.size > 0) await new Promise<void>((resolve) => this.#empty.push(resolve))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#router.draining = true
    this.#around.deadlines.close()
    const server = this.#server
    const closed = server && new Promise<void>((resolve) => server.close(() => resolve()))
    for (const exchange of this.#active) exchange.scope.abort(new ConnectionError('ERR_DISCONNECTED', 'http', 'the server closes'))
    server?.closeAllConnections()
    await closed
  }
}

/** The answer is written, and the body still comes: nothing more of it is read, and the connection ends when the client had time to see why. */
function stopReading(req: IncomingMessage, res: ServerResponse): void {
  const { socket } = req
  const end = setTimeout(() => {
    if (!req.complete) socket.destroy()
  }, GRACE)
  end.unref()
  // Most often, little is left of it, which Node reads over.
  res.once('close', () => {
    if (req.complete) clearTimeout(end)
  })
}

function ignore(): void {}
