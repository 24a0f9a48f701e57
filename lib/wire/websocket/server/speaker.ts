import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { clearInterval, clearTimeout, setInterval, setTimeout } from '../../../base/clock.js'
import { packageOfNode } from '../../../base/node.js'
import type { Handler } from '../../../request/handler.js'
import { Register } from '../../../stream/register.js'
import { Scope } from '../../../stream/scope.js'
import { ignore } from '../../../stream/thenable.js'
import { type Authenticator, CHALLENGE, type Denial } from '../../authentication.js'
import { NodeCaller } from '../../caller.js'
import { readHeaders, tenantOf } from '../../context-headers.js'
import { Drain } from '../../drain.js'
import { namesSeveralHosts } from '../../hosts.js'
import type { Identity } from '../../identity.js'
import { againHeaders, whenAgain } from '../../retry-after.js'
import type { Speaker } from '../../speaker.js'
import { type Settings, settings, type WebSocketSpeakerOptions } from '../options.js'
import { HANDSHAKE, statusFor } from '../status.js'
import { dryRun } from './dry-run.js'
import { cut } from './failures.js'
import { type Asked, asked, choose, wantsWebSocket } from './handshake.js'
import { Session } from './session.js'

const ARRIVAL = { protocol: 'websocket', method: '/' } as const

/** Milliseconds that a client has to say goodbye when the server closes, or does not let it in. */
const GOODBYE = 500

/** What a server of Node hands over when a client wants another protocol. */
export type UpgradeTaken = [request: IncomingMessage, stream: Duplex, head: Buffer]

/**
 * Answers by WebSocket, as Jina's gateway does: at `/`, and whether it is ready at `/dry_run`. Messages are JSON in text frames, or
 * `DataRequestProto` in binary ones for clients that ask for the subprotocol `bytes`.
 * @param authenticator who decides who comes in, for other wires as well
 */
export async function speak(handler: Handler, options: WebSocketSpeakerOptions, authenticator: Authenticator): Promise<Speaker<UpgradeTaken>> {
  const all = settings(options)
  const { WebSocketServer } = await packageOfNode('ws')
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: all.maxMessageBytes,
    handleProtocols: choose,
    // Without context takeover, a connection keeps no window of its own between messages.
    perMessageDeflate: all.compression && { threshold: 1024, serverNoContextTakeover: true, clientNoContextTakeover: true, concurrencyLimit: 4 },
  })
  return new WebSocketSpeaker(handler, all, server, authenticator)
}

class WebSocketSpeaker implements Speaker<UpgradeTaken> {
  readonly #sessions = new Register<Session>()
  readonly #sockets = new Register<WebSocket>()
  readonly #ticker: ReturnType<typeof setInterval> | undefined
  readonly #drain = new Drain()

  constructor(
    private readonly handler: Handler,
    private readonly settings: Settings,
    private readonly server: WebSocketServer,
    private readonly authenticator: Authenticator,
  ) {
    if (settings.keepalive > 0) this.#ticker = setInterval(() => this.#tick(), settings.keepalive).unref()
  }

  /** @returns whether the client wants this protocol */
  take(request: IncomingMessage, stream: Duplex, head: Buffer): boolean {
    if (!wantsWebSocket(request)) return false
    const wanted = asked(request)
    // Until the connection stands, nobody else listens.
    stream.on('error', ignore)
    if (wanted === undefined) refuse(stream, 'unimplemented', 'Nothing here. WebSockets are at / and /dry_run')
    else if (namesSeveralHosts(request)) refuse(stream, 'malformed', 'A request names one host')
    else void this.#admit(request, stream, head, wanted)
    return true
  }

  async #admit(request: IncomingMessage, stream: Duplex, head: Buffer, wanted: Asked): Promise<void> {
    const { origins } = this.settings
    const scope = new Scope()
    const left = (): void => scope.abort(new DOMException('The client left', 'AbortError'))
    stream.once('close', left)
    const granted = (origin: string): boolean => origins === '*' || origins.includes(origin)
    let verdict = this.authenticator.admit(new NodeCaller(request, 'websocket'), scope, { runs: true, granted })
    if (verdict instanceof Promise) verdict = await verdict
    stream.off('close', left)
    const { denied, identity } = verdict
    // Pages are not told with which status they were refused, but with which code a connection was closed.
    const heard = denied?.kind === 'unauthenticated' && request.headers.origin !== undefined
    if (stream.destroyed) return
    if (this.#drain.draining) refuse(stream, 'closing', 'Closing', againHeaders(whenAgain('closing')))
    else if (denied !== undefined && !heard) refuse(stream, denied.kind, denied.reason, denied.kind === 'unauthenticated' ? CHALLENGE : {})
    else
      this.server.handleUpgrade(request, stream, head, (socket) => {
        stream.off('error', ignore)
        if (denied === undefined) this.#enter(socket, stream as Socket, wanted, identity, request)
        else this.#turnAway(socket, denied)
      })
  }

  #turnAway(socket: WebSocket, { kind, reason }: Denial): void {
    socket.on('close', this.#sockets.enter(socket))
    socket.on('error', ignore)
    socket.close(statusFor(kind), cut(reason))
    setTimeout(() => socket.terminate(), GOODBYE).unref()
  }

  unready(): void {
    this.#drain.unready()
  }

  drain(time: number): Promise<void> {
    return this.#drain.drain(time)
  }

  /** Closes all connections, and resolves when they are. */
  async close(): Promise<void> {
    clearInterval(this.#ticker)
    const closed = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    this.#drain.close()
    for (const session of this.#sessions) session.close()
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.terminate()
    }, GOODBYE)
    await Promise.all(closed)
    clearTimeout(late)
  }

  #enter(socket: WebSocket, stream: Socket, wanted: Asked, identity: Identity | undefined, { headers }: IncomingMessage): void {
    socket.on('close', this.#sockets.enter(socket))
    if (wanted.dryRun) return void this.#dryRun(socket, wanted, identity)
    // A time for all requests there would ever be means nothing: each says its own.
    const tenant = tenantOf(identity, stream.remoteAddress)
    // A tracer may have put there the trace of whoever opened what others share.
    const context = { arrival: ARRIVAL, identity, tenant, headers: wanted.window > 0 ? undefined : readHeaders((name) => headers[name]) }
    const session = new Session(this.handler, socket, stream, wanted, this.settings, context)
    const leaveSessions = this.#sessions.enter(session)
    const leave = this.#drain.enter(() => session.close())
    const unwatch = this.#drain.onDrain(() => session.drain())
    socket.on('close', () => {
      leaveSessions()
      unwatch()
    })
    void session.done.then(leave)
  }

  async #dryRun(socket: WebSocket, { dialect }: Asked, identity: Identity | undefined): Promise<void> {
    const scope = new Scope()
    socket.on('error', ignore)
    socket.on('close', () => scope.abort(new DOMException('The client left', 'AbortError')))
    const status = await dryRun(this.handler, scope, identity)
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

function refuse(stream: Duplex, kind: keyof typeof HANDSHAKE, text: string, headers: Readonly<Record<string, string>> = {}): void {
  const more = Object.entries(headers).map(([header, value]) => `${header}: ${value}\r\n`)
  const length = Buffer.byteLength(text)
  stream.end(
    `HTTP/1.1 ${HANDSHAKE[kind]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n${more.join('')}Content-Length: ${length}\r\n\r\n${text}`,
  )
  // Nobody else has an eye on it: what still comes is read over, until its end is seen, and who does not leave is left.
  stream.resume()
  const late = setTimeout(() => stream.destroy(), GOODBYE)
  late.unref()
  stream.once('close', () => clearTimeout(late))
}
