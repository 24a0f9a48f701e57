import { asError, ExecutorError } from '../../../base/errors.js'
import { post } from '../../../post/post.js'
import type { Handler } from '../../../request/handler.js'
import { GATEWAY } from '../../../request/route.js'
import type { CallContext } from '../../context-headers.js'
import { answerOf, askedBy, type Message, unwritten } from '../../message.js'
import { checkNames } from '../../names.js'
import { formatOf } from '../media.js'
import type { Settings } from '../options.js'
import { HttpRefusal } from '../refusal.js'
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
  /** Requests with a piece that could not be written. Their executors are past it, so that what follows is left out. */
  const lost = new Set<string>()
  const lose = (piece: Message, error: unknown): Promise<void> => {
    if (piece.ordinal === undefined) throw error
    lost.add(piece.requestId)
    return stream.send(unwritten(piece, error, settings.onError))
  }
  checkNames({ execEndpoint: on })
  const responses = post(askedBy(peer, context), on, () => documentsOf(exchange.chunks(), settings.maxJsonBytes), {
    ...options,
    prefetch: options.prefetch === Infinity ? 0 : options.prefetch,
    signal: exchange.scope.signal,
  })
  try {
    for await (const response of responses) {
      const message = answerOf(response)
      if (!lost.has(message.requestId)) await stream.send(message).catch((error) => lose(message, error))
      else if (!response.partial) lost.delete(message.requestId)
    }
    if (!stream.begun) return { status: 200, headers: { ...headers, ...streamHeaders(format) }, body: format === 'sse' ? 'event: end\ndata: {}\n\n' : '' }
    await stream.end()
  } catch (error) {
    const about = { requestId: headers['x-request-id']!, execEndpoint: on, targetExecutor: options.targetExecutor, parameters: options.parameters ?? {} }
    // An executor's failure is an answer; what else goes wrong before there is one has a status of its own.
    if (!stream.begun && (!(error instanceof ExecutorError) || error.executor === GATEWAY)) throw error
    await failLate(stream, error, about, settings, exchange)
  } finally {
    stream.close()
  }
  return undefined
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
