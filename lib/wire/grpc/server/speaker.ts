import type { Duplex } from 'node:stream'
import { Server as GrpcServer, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js'
import type { Handler } from '../../../request/handler.js'
import type { Entrance } from '../../authentication.js'
import { Drain } from '../../drain.js'
import type { Speaker } from '../../speaker.js'
import { asBuffer, METHODS } from '../methods.js'
import { type GrpcSpeakerOptions, MAX_CALLS, serverSettings } from '../options.js'
import { doorOf } from './authentication.js'
import { Desk } from './calls-under-way.js'
import { answerDocument } from './document.js'
import { type Guard, guard } from './guard.js'
import { check, watch } from './health.js'
import { reflect } from './reflect.js'
import { answerStream } from './stream.js'
import { discovery, dryRun, info, several, single } from './unary.js'

/**
 * Answers over gRPC, as Jina's gateways and executors do, with health checks and reflection, on connections whose TLS, if there is any, is done.
 * @param entrance who decides who comes in, for other wires as well
 */
export async function speak(handler: Handler, options: GrpcSpeakerOptions, entrance: Entrance): Promise<Speaker<[socket: Duplex]>> {
  return new GrpcSpeaker(new Desk(handler, serverSettings(options), new Drain()), entrance)
}

class GrpcSpeaker implements Speaker<[socket: Duplex]> {
  readonly #drain: Drain
  readonly #guard: Guard
  readonly #injector: ReturnType<GrpcServer['createConnectionInjector']>
  #closing: Promise<void> | undefined

  constructor(desk: Desk, entrance: Entrance) {
    const { maxMessageBytes, keepalive } = desk.settings
    const server = new GrpcServer({
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': MAX_CALLS,
      ...(keepalive > 0 && { 'grpc.keepalive_time_ms': keepalive, 'grpc.keepalive_timeout_ms': Math.ceil((keepalive * 2) / 3) }),
    })
    register(server, desk)
    this.#drain = desk.drain
    this.#guard = guard(server, doorOf(entrance), desk.drain)
    desk.isLate = this.#guard.isLate
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
