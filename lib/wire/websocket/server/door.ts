import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { clearInterval, clearTimeout, setInterval, setTimeout } from '../../../base/clock.js'
import { packageOfNode } from '../../../base/node.js'
import type { Handler } from '../../../request/handler.js'
import { Scope } from '../../../stream/scope.js'
import { CHALLENGE, type Entrance, type Turned } from '../../authentication.js'
import { NodeKnock } from '../../caller.js'
import { namesSeveralHosts } from '../../hosts.js'
import type { Identity } from '../../identity.js'
import { dryRun } from './dry-run.js'
import { cut } from './ending.js'
import { type Asked, asked, choose } from './handshake.js'
import type { Settings } from './options.js'
import { Session } from './session.js'

/** Milliseconds that a client has to say goodbye when the server closes, or does not let it in. */
const GOODBYE = 500
/** The code of a connection whose client is not known, as 401 is over HTTP. */
const UNKNOWN = 4401

/** Lets clients in, and keeps account of who is there. */
export class Door {
  readonly #sessions = new Set<Session>()
  readonly #sockets = new Set<WebSocket>()
  readonly #ticker: ReturnType<typeof setInterval> | undefined
  #draining = false

  private constructor(
    private readonly peer: Handler,
    private readonly settings: Settings,
    private readonly server: WebSocketServer,
    private readonly entrance: Entrance,
  ) {
    if (settings.pingInterval > 0) this.#ticker = setInterval(() => this.#tick(), settings.pingInterval).unref()
  }

  static async open(peer: Handler, settings: Settings, entrance: Entrance): Promise<Door> {
    const { WebSocketServer } = await packageOfNode('ws')
    const server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: settings.maxMessageBytes,
      handleProtocols: choose,
      // Without context takeover, a connection keeps no window of its own between messages.
      perMessageDeflate: settings.compression && { threshold: 1024, serverNoContextTakeover: true, clientNoContextTakeover: true, concurrencyLimit: 4 },
    })
    return new Door(peer, settings, server, entrance)
  }

  /** @returns whether the request was for this place */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): boolean {
    const wanted = asked(request)
    if (wanted === undefined) return false
    // Until the connection stands, nobody else listens.
    stream.on('error', ignore)
    if (namesSeveralHosts(request)) refuse(stream, 400, 'A request names one host')
    else void this.#admit(request, stream, head, wanted)
    return true
  }

  async #admit(request: IncomingMessage, stream: Duplex, head: Buffer, wanted: Asked): Promise<void> {
    const { origins } = this.settings
    const scope = new Scope()
    const left = (): void => scope.abort(new DOMException('The client left', 'AbortError'))
    stream.once('close', left)
    const granted = (origin: string): boolean => origins === '*' || origins.includes(origin)
    let verdict = this.entrance.admit(new NodeKnock(request, 'websocket'), scope, { runs: true, granted })
    if (verdict instanceof Promise) verdict = await verdict
    stream.off('close', left)
    const { turned, identity } = verdict
    // Pages are not told with which status they were refused, but with which code a connection was closed.
    const heard = turned?.kind === 'unknown' && request.headers.origin !== undefined
    if (stream.destroyed) return
    if (this.#draining) refuse(stream, 503, 'Closing')
    else if (turned?.kind === 'forbidden') refuse(stream, 403, turned.reason)
    else if (turned !== undefined && !heard) refuse(stream, 401, turned.reason, CHALLENGE)
    else
      this.server.handleUpgrade(request, stream, head, (socket) => {
        stream.off('error', ignore)
        if (turned === undefined) this.#enter(socket, stream as Socket, wanted, identity)
        else this.#turnAway(socket, turned)
      })
  }

  #turnAway(socket: WebSocket, { reason }: Turned): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', ignore)
    socket.close(UNKNOWN, cut(reason))
    setTimeout(() => socket.terminate(), GOODBYE).unref()
  }

  /** Lets nobody in any more, and resolves when nothing is under way. */
  async drain(): Promise<void> {
    this.#draining = true
    for (const session of this.#sessions) session.drain()
    await Promise.all([...this.#sessions].map(({ done }) => done))
  }

  /** Closes all connections, and resolves when they are. */
  async close(): Promise<void> {
    this.#draining = true
    clearInterval(this.#ticker)
    const closed = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    for (const session of this.#sessions) session.close()
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.terminate()
    }, GOODBYE)
    await Promise.all(closed)
    clearTimeout(late)
  }

  #enter(socket: WebSocket, stream: Socket, wanted: Asked, identity: Identity | undefined): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    if (wanted.dryRun) return void this.#dryRun(socket, wanted, identity)
    const session = new Session(this.peer, socket, stream, wanted, this.settings, identity)
    this.#sessions.add(session)
    socket.on('close', () => this.#sessions.delete(session))
  }

  async #dryRun(socket: WebSocket, { dialect }: Asked, identity: Identity | undefined): Promise<void> {
    const scope = new Scope()
    socket.on('error', ignore)
    socket.on('close', () => scope.abort(new DOMException('The client left', 'AbortError')))
    const status = await dryRun(this.peer, scope, identity)
    if (socket.readyState === socket.OPEN) socket.send(dialect.writeStatus(status))
    socket.close(1000)
  }

  /** Asks everybody for a sign of life, and leaves those who gave none since they were last asked. */
  #tick(): void {
    for (const session of this.#sessions) {
      const { bytesRead } = session.stream
      // Who is not read cannot give a sign; for that, there is the time that a write may take.
      if (session.seen === bytesRead && !session.paused) session.socket.terminate()
      else session.socket.ping('', false, ignore)
      session.seen = session.paused ? -1 : bytesRead
    }
  }
}

function refuse(stream: Duplex, status: 400 | 401 | 403 | 404 | 503, text: string, headers: Readonly<Record<string, string>> = {}): void {
  const name = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 503: 'Service Unavailable' }[status]
  const more = Object.entries(headers).map(([header, value]) => `${header}: ${value}\r\n`)
  const length = Buffer.byteLength(text)
  stream.end(
    `HTTP/1.1 ${status} ${name}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n${more.join('')}Content-Length: ${length}\r\n\r\n${text}`,
  )
  // Nobody else has an eye on it: what still comes is read over, until its end is seen, and who does not leave is left.
  stream.resume()
  const late = setTimeout(() => stream.destroy(), GOODBYE)
  late.unref()
  stream.once('close', () => clearTimeout(late))
}

export function nothingHere(stream: Duplex): void {
  stream.on('error', ignore)
  refuse(stream, 404, 'Nothing here. WebSockets are at / and /dry_run')
}

function ignore(): void {}
