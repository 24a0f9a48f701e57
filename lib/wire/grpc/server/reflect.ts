import type { ServerDuplexStream } from '@grpc/grpc-js'
import { Outbox } from '../outbox.js'
import { Reflection } from '../reflection/answer.js'
import type { CallsUnderWay } from './calls-under-way.js'
import { endOf } from './failures.js'
import { Inbox } from './inbox.js'

/** `grpc.reflection.*.ServerReflection`: answers one question after the other. */
export function reflect(underWay: CallsUnderWay): (call: ServerDuplexStream<Buffer, Buffer>) => Promise<void> {
  const reflection = new Reflection(underWay.settings.model)
  return async (call) => {
    const inbox = new Inbox(call)
    const undrain = underWay.drain.onDrain(() => inbox.stop())
    try {
      const outbox = new Outbox(call)
      for await (const request of inbox) await outbox.send(underWay.understand(() => reflection.answer(request)))
      call.end()
    } catch (error) {
      call.emit('error', endOf(error, underWay.settings.onError))
    } finally {
      undrain()
    }
  }
}
