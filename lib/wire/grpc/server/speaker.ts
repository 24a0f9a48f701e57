import type { Duplex } from 'node:stream'
import { Server as GrpcServer, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js'
import { ConnectionError, say } from '../../../base/errors.js'
import type { Handler } from '../../../request/handler.js'
import { Entrance } from '../../authentication.js'
import type { Server, ServerTls } from '../../wire.js'
import { asBuffer, METHODS } from '../methods.js'
import { type GrpcServeOptions, MAX_CALLS, serverSettings } from '../options.js'
import { doorOf } from './authentication.js'
import { Desk } from './calls-under-way.js'
import { answerDocument } from './document.js'
import { guard } from './guard.js'
import { check, watch } from './health.js'
import { reflect } from './reflect.js'
import { answerStream } from './stream.js'
import { discovery, dryRun, info, several, single } from './unary.js'

/**
 * Serves a peer over gRPC, as Jina's gateways and executors are served, with health checks and reflection.
 * @throws OptionTypeError, OptionRangeError for options; ConnectionError (`ERR_UNREACHABLE`) when the address cannot be had
 */
export async function serve(peer: Handler, options: GrpcServeOptions = {}): Promise<Server> {
  const settings = serverSettings(options)
  const { host, tls } = settings
  const desk = new Desk(peer, settings)
  const entrance = new Entrance(options, host, settings.onError)
  await entrance.open()
  const { server, drain, close } = serverFor(desk, entrance)
  const wanted = `${host.includes(':') ? `[${host}]` : host}:${settings.port}`
  const scheme = tls === undefined ? 'grpc' : 'grpcs'
  const port = await bind(server, wanted, tls).catch((cause) => {
    server.forceShutdown()
    throw new ConnectionError(
      'ERR_UNREACHABLE',
      `${scheme}://${wanted}`,
      `cannot listen there: ${say(cause)}. Choose another port, or 0 for one that is free`,
      { cause },
    )
  })
  let closing: Promise<void> | undefined
  return {
    address: `${scheme}://${wanted.slice(0, wanted.lastIndexOf(':'))}:${port}`,
    port,
    drain,
    close() {
      closing ??= close()
      return closing
    },
  }
}

/** Milliseconds to drain in, where nobody says how long it may take. */
const DRAIN = 10_000

/** gRPC on connections that somebody else accepts. */
export interface GrpcSpeaker {
  /** Takes over a connection, whose TLS, if there is any, is done. */
  inject(socket: Duplex): void
  /** Says that it is not ready any more, and goes on. */
  unready(): void
  /** @param time milliseconds until `close()`: in half of it, streams that have no end of their own are ended */
  drain(time?: number): Promise<void>
  close(): Promise<void>
}

/**
 * @param entrance who decides who comes in, for other wires as well
 * @throws OptionTypeError, OptionRangeError for options
 */
export function createGrpc(peer: Handler, options: GrpcServeOptions = {}, entrance?: Entrance): GrpcSpeaker {
  const settings = serverSettings(options)
  const desk = new Desk(peer, settings)
  const { server, drain, close } = serverFor(desk, entrance ?? new Entrance(options, undefined, settings.onError))
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  let closing: Promise<void> | undefined
  return {
    inject: (socket) => injector.injectConnection(socket),
    unready: () => desk.unready(),
    drain,
    close() {
      closing ??= close()
      return closing
    },
  }
}

function serverFor(desk: Desk, entrance: Entrance): { server: GrpcServer; drain: (time?: number) => Promise<void>; close: () => Promise<void> } {
  const { maxMessageBytes, keepalive } = desk.settings
  const server = new GrpcServer({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': MAX_CALLS,
    ...(keepalive > 0 && { 'grpc.keepalive_time_ms': keepalive, 'grpc.keepalive_timeout_ms': Math.ceil((keepalive * 2) / 3) }),
  })
  register(server, desk)
  const guarded = guard(server, doorOf(entrance))
  desk.isLate = guarded.isLate
  const drain = (time = DRAIN): Promise<void> => {
    const gone = guarded.drain()
    desk.drain(time)
    return gone
  }
  return { server, drain, close: guarded.close }
}

function register(server: GrpcServer, desk: Desk): void {
  const add = (path: string, type: 'unary' | 'serverStream' | 'bidi', handler: UntypedHandleCall): void => {
    server.register(path, handler as never, asBuffer, (bytes: Buffer) => bytes, type)
  }
  add(METHODS.call, 'bidi', (call: any) => void answerStream(call, desk))
  add(METHODS.single, 'unary', single(desk))
  add(METHODS.several, 'unary', several(desk))
  add(METHODS.document, 'serverStream', (call: any) => void answerDocument(call, desk))
  add(METHODS.endpoints, 'unary', discovery(desk))
  add(METHODS.dryRun, 'unary', dryRun(desk))
  add(METHODS.info, 'unary', info(desk))
  add(METHODS.check, 'unary', check(desk))
  add(METHODS.watch, 'serverStream', watch(desk))
  add(METHODS.reflection, 'bidi', reflect(desk))
  add(METHODS.reflectionAlpha, 'bidi', reflect(desk))
}

function bind(server: GrpcServer, address: string, tls: ServerTls | undefined): Promise<number> {
  return new Promise((resolve, reject) => server.bindAsync(address, credentialsOf(tls), (error, port) => (error ? reject(error) : resolve(port))))
}

function credentialsOf(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure()
  const { key, cert, ca } = tls
  return ServerCredentials.createSsl(
    ca === undefined ? null : Buffer.from(ca),
    [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }],
    ca !== undefined,
  )
}
