import { ConnectionError, say } from '../../../base/errors.js'
import { DocumentArray } from '../../../doc/array.js'
import type { Request } from '../../../request/request.js'
import type { Scope } from '../../../stream/scope.js'
import { timeGiven, writeHeaders } from '../../context-headers.js'
import { emptyMessage, type Message, outgoing, partOf } from '../../message.js'
import { decodeSingle, encodeSingle } from '../../proto/index.js'
import { asBuffer, METHODS } from '../methods.js'
import type { Calls } from './calls.js'

/**
 * Asks an async generator of Jina for each document of a request, one after the other, as it takes one alone. What it yields is handed on as a
 * partial answer when it is there, and asked for no faster than that is taken; the answer has it all.
 */
export async function askForEach(calls: Calls, request: Request, deadline: Scope['deadline']): Promise<Message> {
  const { model } = calls.settings
  const message: Message = { ...outgoing(request), headers: undefined }
  const docs = new DocumentArray()
  for (const document of message.docs) {
    const bytes = asBuffer(encodeSingle({ ...message, docs: DocumentArray.from([document]) }, { model }))
    for await (const answer of calls.askForMany(METHODS.document, bytes, request.scope, timeGiven(deadline), writeHeaders(request), request.identity)) {
      let piece: Message
      try {
        piece = decodeSingle(answer, { model })
      } catch (cause) {
        throw new ConnectionError('ERR_PROTOCOL', calls.address, `it sent what cannot be read: ${say(cause)}`, { cause })
      }
      if (piece.status?.code === 'ERROR') return { ...piece, docs: message.docs }
      docs.push(...piece.docs)
      await request.emit?.(partOf(request, piece, { address: calls.address, limit: calls.settings.maxMessageBytes }))
    }
  }
  return emptyMessage({ requestId: message.requestId, docs })
}
