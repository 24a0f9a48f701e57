import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js'
import { clearTimeout, nextTurn, now, setTimeout } from '../../../base/clock.js'
import { Register } from '../../../stream/register.js'
import { ignore } from '../../../stream/thenable.js'
import { tenantOf } from '../../context-headers.js'
import type { Drain } from '../../drain.js'
import type { Identity } from '../../identity.js'
import { PATIENCE_SHARED } from '../../sharing.js'
import { METADATA, METHODS } from '../methods.js'
import { MAX_CALLS } from '../options.js'
import { type About, CALL_HEADER, type CallCharges } from './charges.js'
import { checkFraming } from './framing.js'

/**
 * Calls that one connection may give up at once, and per second from then on, before new ones have to go by another. At 1000, nghttp2 stops
 * listening, and never hangs up: there must be room for most of those that are open then.
 */
const RESETS = 400
const RESETS_PER_SECOND = 30

/** What grpc-js keeps to itself. */
interface Inside {
  createHttp2Server(credentials: ServerCredentials): Http2Server
}

/** Milliseconds for what is said last to leave. */
const GOODBYE = 500

type OnStream = (this: Http2Server, stream: ServerHttp2Stream, ...more: unknown[]) => void

/** Lets a call in: now, or when it is known who calls. */
export type LetIn = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, socket: Socket, go: (identity?: Identity) => void) => void

/** What stands between HTTP/2 and grpc-js. */
export interface Guard {
  /** Whether a client came after the draining began. @param peer its address, as grpc-js has it */
  isLate(peer: string): boolean
  /** Closes the server, with all connections. */
  close(): Promise<void>
}

/**
 * Stands between HTTP/2 and grpc-js, for connections that mean no good, and for answers that are to leave before their connection ends: grpc-js says
 * that a call is over when its answer waits to be written. When the server drains, clients are told to make new calls on other connections, by
 * GOAWAY, and a connection is under way until what was asked on it is answered, and the answer has left.
 * @param charges given where bytes are counted
 */
export function guard(server: GrpcServer, letIn: LetIn, drain: Drain, charges?: CallCharges): Guard {
  const inside = server as unknown as Inside
  const create = inside.createHttp2Server.bind(server)
  const servers: Http2Server[] = []
  const sockets = new Register<Socket>()
  const late = new Set<string>()
  const behind = new WeakMap<object, Socket>()
  inside.createHttp2Server = (credentials) => {
    const http2 = create(credentials)
    servers.push(http2)
    let socket: Socket
    const note = (connection: Socket): void => {
      socket = connection
      connection.once('close', sockets.enter(connection))
    }
    http2.prependListener('connection', note).prependListener('secureConnection', note)
    http2.on('session', (session) => {
      // A session is made while its connection is told of.
      behind.set(session, socket)
      const { remoteAddress, remotePort } = socket
      limitResets(session, socket)
      if (drain.draining) {
        const peer = `${remoteAddress}:${remotePort}`
        late.add(peer)
        session.once('close', () => late.delete(peer))
        return
      }
      const leave = drain.enter(ignore)
      const unwatch = drain.onDrain(() => session.close())
      session.once('close', () => {
        unwatch()
        leave()
      })
    })
    const listeners = http2.listeners('stream') as OnStream[]
    http2.removeAllListeners('stream')
    http2.on('stream', (stream, headers, ...more) => {
      stream.on('error', ignore)
      // Reset before grpc-js hears of it: it would answer some, those of methods that are not there for instance, and Node throws at
      // whoever answers such a stream. Two frames in one packet would end the process.
      if (stream.destroyed || stream.closed) return
      const socket = behind.get(stream.session!)!
      letIn(stream, headers, socket, (identity) => {
        if (charges !== undefined) headers[CALL_HEADER] = charges.open(stream, aboutCall(headers, tenantOf(identity, socket.remoteAddress)))
        for (const listener of listeners) listener.call(http2, stream, headers, ...more)
        if (stream.listenerCount('data') > 0) checkFraming(stream, (headers['grpc-encoding'] ?? 'identity') !== 'identity')
      })
    })
    return http2
  }
  return {
    isLate: (peer) => late.has(peer),
    // grpc-js waits for sessions to close that are gone already.
    async close() {
      const closed = [...servers.filter(({ listening }) => listening), ...sockets].map((one) => new Promise<void>((resolve) => one.once('close', resolve)))
      server.forceShutdown()
      const kill = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, GOODBYE)
      await Promise.all(closed)
      clearTimeout(kill)
    },
  }
}

function aboutCall(headers: IncomingHttpHeaders, tenant: string | undefined): About {
  const several = headers[':path'] === METHODS.call
  const isShared = several && headers[METADATA.shared] === '1' && headers[METADATA.large] !== '1'
  return { tenant, several, patience: isShared ? PATIENCE_SHARED : undefined }
}

/**
 * Opening calls and giving them up costs a client nothing, and those that mean well do it too: whoever breaks, aborts or has a deadline. Who
 * does it often is told to make new calls elsewhere, and those under way are answered; who does not care is hung up on.
 */
function limitResets(session: ServerHttp2Session, socket: Socket): void {
  let left = RESETS
  let last = now()
  let open = 0
  let leaving = false
  // Not from within: Node still reads what came, and its own checks would end the process. And not by the session's own way to close,
  // which waits for ever where nghttp2 has stopped listening.
  const hangUp = (): void => void nextTurn(() => socket.destroy())
  const given = (): void => {
    const time = now()
    left = Math.min(RESETS, left + ((time - last) / 1000) * RESETS_PER_SECOND) - 1
    last = time
    // More than can have been open when it was told.
    if (left < -MAX_CALLS) hangUp()
    if (left >= 0 || leaving) return
    leaving = true
    nextTurn(() => session.destroyed || session.close())
  }
  session.on('stream', (stream) => {
    open++
    stream.once('close', () => {
      open--
      if (stream.rstCode !== 0) given()
      if (leaving && open === 0) setTimeout(() => socket.destroy(), GOODBYE).unref?.()
    })
  })
}
