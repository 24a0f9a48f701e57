import type { Duplex } from 'node:stream'
import { Server as GrpcServer, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js'
import type { Handler } from '../../../request/handler.js'
import type { Authenticator } from '../../authentication.js'
import { Drain } from '../../drain.js'
import type { Speaker } from '../../speaker.js'
import { asBuffer, METHODS } from '../methods.js'
import { type GrpcSpeakerOptions, MAX_CALLS, serverSettings } from '../options.js'
import { doorOf } from './authentication.js'
import { CallsUnderWay } from './calls-under-way.js'
import { answerDocument } from './document.js'
import { type Guard, guard } from './guard.js'
import { check, watch } from './health.js'
import { reflect } from './reflect.js'
import { answerStream } from './stream.js'
import { discovery, dryRun, info, models, several, single } from './unary.js'

/**
 * Answers over gRPC, as Jina's gateways and executors do, with health checks and reflection, on connections whose TLS, if there is any, is done.
 * @param authenticator who decides who comes in, for other wires as well
 */
export async function speak(handler: Handler, options: GrpcSpeakerOptions, authenticator: Authenticator): Promise<Speaker<[socket: Duplex]>> {
  const settings = serverSettings(options)
  if (settings.model === 'v2') await models()
  return new GrpcSpeaker(new CallsUnderWay(handler, settings, new Drain()), authenticator)
}

/** Milliseconds: a tenth more is the longest timer there is. */
const OLDEST = 1_950_000_000

class GrpcSpeaker implements Speaker<[socket: Duplex]> {
  readonly #drain: Drain
  readonly #guard: Guard
  readonly #injector: ReturnType<GrpcServer['createConnectionInjector']>
  #closing: Promise<void> | undefined

  constructor(underWay: CallsUnderWay, authenticator: Authenticator) {
    const { maxMessageBytes, keepalive, maxConnectionAge } = underWay.settings
    const server = new GrpcServer({
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': MAX_CALLS,
      ...(keepalive > 0 && { 'grpc.keepalive_time_ms': keepalive, 'grpc.keepalive_timeout_ms': Math.ceil((keepalive * 2) / 3) }),
      // By GOAWAY, after which clients make new calls on other connections.
      ...(maxConnectionAge > 0 && { 'grpc.max_connection_age_ms': Math.min(maxConnectionAge, OLDEST) }),
    })
    register(server, underWay)
    this.#drain = underWay.drain
    this.#guard = guard(server, doorOf(authenticator), underWay.drain, underWay.charges)
    underWay.isLate = this.#guard.isLate
    this.#injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  }

  take(socket: Duplex): boolean {
    this.#injector.injectConnection(socket)
    return true
  }

  unready(): void {
    this.#drain.unready()
  }

  drain(time: number): Promise<void> {
    return this.#drain.drain(time)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#drain.close()
    await this.#guard.close()
  }
}

function register(server: GrpcServer, underWay: CallsUnderWay): void {
  const add = (path: string, type: 'unary' | 'serverStream' | 'bidi', handler: UntypedHandleCall): void => {
    server.register(path, handler as never, asBuffer, (bytes: Buffer) => bytes, type)
  }
  add(METHODS.call, 'bidi', (call: any) => void answerStream(call, underWay))
  add(METHODS.single, 'unary', single(underWay))
  add(METHODS.several, 'unary', several(underWay))
  add(METHODS.document, 'serverStream', (call: any) => void answerDocument(call, underWay))
  add(METHODS.endpoints, 'unary', discovery(underWay))
  add(METHODS.dryRun, 'unary', dryRun(underWay))
  add(METHODS.info, 'unary', info(underWay))
  add(METHODS.check, 'unary', check(underWay))
  add(METHODS.watch, 'serverStream', watch(underWay))
  add(METHODS.reflection, 'bidi', reflect(underWay))
  add(METHODS.reflectionAlpha, 'bidi', reflect(underWay))
}
