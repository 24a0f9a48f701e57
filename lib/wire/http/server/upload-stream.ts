import { asError, ExecutorError } from '../../../base/errors.js'
import { Refused } from '../../../handler/refused.js'
import { post } from '../../../post/post.js'
import type { Handler } from '../../../request/handler.js'
import type { Request } from '../../../request/request.js'
import { GATEWAY } from '../../../request/route.js'
import type { Hold } from '../../../stream/byte-budget.js'
import { bytesOf, chargeDocuments, UploadCharge } from '../../charge.js'
import type { CallContext } from '../../context-headers.js'
import { DELTAS_HEADER, type Numbering, numbering } from '../../deltas.js'
import { answerOf, askedBy, type Message, writerFor } from '../../message.js'
import { checkNames } from '../../names.js'
import { formatOf } from '../media.js'
import type { Settings } from '../options.js'
import { HttpRefusal } from '../refusal.js'
import type { Answered } from '../write.js'
import { Stream, streamHeaders } from './answer-stream.js'
import type { Exchange, Headers, Reply } from './exchange.js'
import { failed, failureOf } from './failures.js'
import { documentsOf, uploadOptions } from './upload.js'

/**
 * Streams documents of an upload through the peer, and the answers back. At most `prefetch` requests are between the two: so a client
 * that does not read is not read from.
 */
export async function upload(
  peer: Handler,
  settings: Settings,
  endpoint: string | undefined,
  query: string,
  exchange: Exchange,
  headers: Headers,
  context: CallContext | undefined,
): Promise<Reply | undefined> {
  const { execEndpoint, ...options } = await uploadOptions(query, (name) => exchange.header(name), settings.prefetch)
  const format = formatOf(exchange.header('accept')) ?? 'ndjson'
  if (format === 'json')
    throw new HttpRefusal('unsupported', 'What comes as application/x-ndjson is answered as application/x-ndjson or text/event-stream', {}, 406)
  const on = endpoint ?? (execEndpoint || '/')
  const stream = new Stream(exchange, format, headers, settings)
  const bytes = bytesOf(peer)
  const charge = bytes && new UploadCharge(bytes, context?.tenant, exchange.scope, () => exchange.scope.abort(bytes.busy()))
  const { handler, written, leave } = writing(askedBy(peer, context), stream, charge, exchange.header(DELTAS_HEADER) === '1' ? numbering() : undefined)
  checkNames({ execEndpoint: on })
  const responses = post(handler, on, () => documentsOf(exchange.chunks(), settings.maxJsonBytes, charge), {
    ...options,
    prefetch: options.prefetch === Infinity ? 0 : options.prefetch,
    signal: exchange.scope.signal,
  })
  try {
    for await (const response of responses) {
      const { message, text } = written.get(response) ?? { message: answerOf(response) }
      await stream.send(message, text, (length) => {
        if (response.partial) return
        bytes?.answered(on, length)
        leave(response.header.requestId)
      })
    }
    if (!stream.begun) return { status: 200, headers: { ...headers, ...streamHeaders(format) }, body: format === 'sse' ? 'event: end\ndata: {}\n\n' : '' }
    await stream.end()
  } catch (error) {
    const about = { requestId: headers['x-request-id']!, execEndpoint: on, targetExecutor: options.targetExecutor, parameters: options.parameters ?? {} }
    // An executor's failure is an answer; what else goes wrong before there is one has a status of its own. Who was cut off behind it must see no end.
    const isCut = exchange.scope.aborted && error instanceof Refused
    if (isCut || (!stream.begun && (!(error instanceof ExecutorError) || error.executor === GATEWAY))) throw error
    await failLate(stream, error, about, settings, exchange)
  } finally {
    stream.close()
    leave()
    charge?.end()
  }
  return undefined
}

interface Piece {
  readonly message: Message
  readonly text?: Answered
}

/** Pieces are written as they are handed on: an executor that makes one that cannot be is not run on, but fails of it, as on every wire. */
function writing(
  peer: Handler,
  stream: Stream,
  charge: UploadCharge | undefined,
  deltas: Numbering | undefined,
): { handler: Handler; written: WeakMap<object, Piece>; leave(id?: string): void } {
  const written = new WeakMap<object, Piece>()
  // What a request holds stands for its answer too, until that is written: else the next would be made before anybody knows how much waits for the client.
  const holds = new Map<string, Hold>()
  const leave = (id?: string): void => {
    for (const one of id === undefined ? [...holds.keys()] : [id]) {
      holds.get(one)?.leave()
      holds.delete(one)
    }
  }
  const handle = (request: Request): void | Promise<void> => {
    const { emit } = request
    const write = writerFor(deltas)
    if (emit !== undefined)
      request.emit = async (piece) => {
        const message = write(piece)
        written.set(piece, { message, text: await stream.write(message) })
        return emit(piece)
      }
    if (charge === undefined) return peer.handle(request)
    const hold = charge.taken()
    chargeDocuments(hold, request.docs.length)
    request.hold = hold
    holds.set(request.id, hold)
    return peer.handle(request)
  }
  return { handler: { accepts: (endpoint) => peer.accepts(endpoint), handle }, written, leave }
}

/** The last line of a stream that went wrong half-way: an envelope with the status ERROR. */
export async function failLate(stream: Stream, error: unknown, about: Partial<Message>, settings: Settings, exchange: Exchange): Promise<void> {
  if (exchange.scope.aborted && error === exchange.scope.reason) return
  if (error instanceof ExecutorError) {
    const { requestId = about.requestId } = error
    await stream.send(failed(error, { ...about, requestId: requestId ?? '' }))
  } else {
    const failure = failureOf(error, about, exchange.scope.aborted ? () => {} : settings.onError)
    await stream.send(failure instanceof HttpRefusal ? failed(asError(error), about) : failure.message)
  }
  await stream.end()
}
