import { Metadata, type ServerWritableStream } from '@grpc/grpc-js'
import { publishBytes } from '../../../base/events.js'
import { DocumentArray } from '../../../doc/array.js'
import { Scope } from '../../../stream/scope.js'
import { type Message, unwritten } from '../../message.js'
import { decodeSingle, encodeSingle } from '../../proto/index.js'
import { Outbox } from '../outbox.js'
import { contextOf } from './authentication.js'
import type { CallsUnderWay } from './calls-under-way.js'
import { onLeave } from './cancellation.js'
import { charged } from './charges.js'
import { endOf, refusalBehind } from './failures.js'

/**
 * `stream_doc`: one document comes, and those that an async generator yields for it go, each when it is there. An executor that is no
 * generator answers with what it has at its end.
 */
export async function answerDocument(call: ServerWritableStream<Buffer, Buffer>, underWay: CallsUnderWay): Promise<void> {
  const scope = new Scope()
  const stay = onLeave(call, (reason) => scope.abort(reason))
  let leave: (() => void) | undefined
  try {
    const { charges, share, leave: out } = underWay.enter(call)
    leave = out
    charges?.taken(false)
    call.sendMetadata(new Metadata())
    const outbox = new Outbox(call, charges && ((waiting) => charges.answers(waiting)))
    let sent = 0
    let length = 0
    let last: string | undefined
    const charge = charges?.next(call.request.length)
    const message = { context: Object.assign({}, contextOf(call), { hold: charge?.hold }), ...underWay.decode(call.request, decodeSingle) }
    // Where it was before it came here, only a whole answer says.
    const passed = new Set(message.routes.map(({ executor }) => executor))
    const lastOf = ({ routes }: Message): string | undefined => routes.findLast(({ executor }) => !passed.has(executor))?.executor
    const send = async (answer: Message): Promise<void> => {
      last = lastOf(answer)
      for (const doc of answer.docs) {
        if (scope.aborted) return
        sent++
        const bytes = encode({ ...answer, docs: DocumentArray.from([doc]) }, underWay)
        length += bytes.length
        publishBytes('server', 'sent', 'grpc', bytes)
        await outbox.send(bytes)
      }
    }
    const answer = await charged(charge, () => underWay.answer(message, scope, share, send))
    const refusal = refusalBehind(answer)
    if (refusal !== undefined) throw refusal
    if (answer.status?.code === 'ERROR') await outbox.send(encode({ ...answer, docs: new DocumentArray() }, underWay))
    // Pieces are what the generator made: the whole follows where executors behind it have worked on it.
    else if (sent === 0 || lastOf(answer) !== last) await send(answer)
    charges?.answered(message, { length })
    call.end()
  } catch (error) {
    if (!scope.aborted) call.emit('error', endOf(error, underWay.settings.onError))
  } finally {
    leave?.()
    stay()
  }
}

function encode(message: Message, { settings }: CallsUnderWay): Uint8Array {
  try {
    return encodeSingle(message, settings)
  } catch (error) {
    if (message.ordinal !== undefined) throw error
    return encodeSingle(unwritten(message, error, settings.onError), settings)
  }
}
