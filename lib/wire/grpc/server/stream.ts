import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js'
import { inFlight } from '../../../stream/in-flight.js'
import type { Scope } from '../../../stream/scope.js'
import { numbering } from '../../deltas.js'
import { emptyMessage, type Message } from '../../message.js'
import { isOfRequest, outcome, Refusal } from '../../outcome.js'
import { decodeMessage, ProtoError } from '../../proto/index.js'
import { refusedStatus } from '../../status.js'
import { NOT_BEGUN } from '../../unseen.js'
import { AHEAD, METADATA } from '../methods.js'
import { Outbox } from '../outbox.js'
import { contextOf } from './authentication.js'
import type { CallsUnderWay } from './calls-under-way.js'
import { onLeave } from './cancellation.js'
import { Credits } from './credits.js'
import { endOf, isAnswered, refusalBehind } from './failures.js'
import { Inbox } from './inbox.js'
import type { Share } from './share.js'
import { streamOptionsOf } from './stream-options.js'

type Call = ServerDuplexStream<Buffer, Buffer>

/** `Call`: requests come and answers go, no more than `prefetch` between them. Never throws: what goes wrong ends the call. */
export async function answerStream(call: Call, underWay: CallsUnderWay): Promise<void> {
  const left = new AbortController()
  const stay = onLeave(call, (reason) => left.abort(reason))
  let leave: (() => void) | undefined
  try {
    const entered = underWay.enter(call)
    leave = entered.leave
    await converse(call, underWay, entered.share, left.signal)
    call.end()
  } catch (error) {
    // To who left, nothing can be said; after a deadline, grpc-js has said it.
    if (!left.signal.aborted) call.emit('error', endOf(error, underWay.settings.onError))
  } finally {
    leave?.()
    stay()
  }
}

/** @throws what ends the call before its time */
async function converse(call: Call, underWay: CallsUnderWay, share: Share, signal: AbortSignal): Promise<void> {
  const { limit, ordered, parts, deltas, window } = streamOptionsOf(call.metadata, underWay.settings.prefetch)
  const context = contextOf(call)
  const credits = new Credits(parts ? window : 0)
  // What a client says that it took comes behind requests that are not begun, so those are read.
  const ahead = limit === Infinity ? 0 : Math.max(AHEAD, 2 * limit)
  const inbox = new Inbox(call, parts && window > 0 ? { most: ahead || Infinity, hear: (bytes) => acknowledges(bytes, credits) } : undefined)
  call.on('end', () => credits.end())
  const outbox = new Outbox(call)
  let begun = 0
  const numbers = deltas ? numbering() : undefined
  // Our own clients ask elsewhere for what is not begun. Others would fail: theirs is let finish, unless it has no end.
  const undrain = underWay.drain.onDrain((time) => (parts ? inbox.stop() : inbox.wane(() => begun > 0, time / 2)))
  try {
    // Who waits for the first answer knows by this that somebody is there.
    const metadata = new Metadata()
    if (window > 0) metadata.set(METADATA.ahead, String(ahead))
    call.sendMetadata(metadata)
    const answers = inFlight<Buffer, Uint8Array>(
      inbox,
      async (bytes, work, emit) => {
        let message: Message
        try {
          const decoded = underWay.decodeInTurns(bytes)
          message = { ...(decoded instanceof Promise ? await decoded : decoded), context }
        } catch (error) {
          const unfit = unfitFor(error)
          if (unfit === undefined) throw error
          return underWay.encode(unfit)
        }
        const { requestId } = message
        const account = credits.open(requestId)
        const partial = async (part: Message): Promise<void> => {
          await account?.credit.spend()
          await emit(underWay.encode(part))
        }
        begun++
        try {
          const answer = await underWay.answer(message, work as Scope, share, parts ? partial : undefined, numbers)
          // Our own clients take it for what it is, and go on. To others it is said as Jina's gateway says it, unless this server says it of itself, or it is wrong with this request.
          const refusal = parts || isAnswered(answer) ? undefined : refusalBehind(answer)
          if (refusal === undefined) return underWay.encodeInTurns(answer)
          await emit(underWay.encode(emptyMessage({ requestId })))
          throw refusal
        } catch (error) {
          // As for a message that cannot be read: it is wrong with this request, and the others of its stream go on.
          if (error instanceof Refusal || !isOfRequest(outcome(error).kind)) throw error
          return underWay.encode(emptyMessage({ requestId, status: refusedStatus(error as Error) }))
        } finally {
          begun--
          account?.close()
        }
      },
      { limit, ordered, signal },
    )
    for await (const bytes of answers) {
      const full = outbox.send(bytes)
      if (full !== undefined) await full
    }
    if (!inbox.ended) throw new Refusal('closing', NOT_BEGUN)
  } finally {
    undrain()
    credits.end()
  }
}

/** Takes a message that says how many partial answers of a request were taken: one without documents, whose header has an ordinal. @returns whether it is one */
function acknowledges(bytes: Buffer, credits: Credits): boolean {
  // Most are told by their end, without being read: parameters that are empty, and nothing behind them.
  if (bytes.at(-2) !== 0x12 || bytes.at(-1) !== 0) return false
  try {
    const { requestId, ordinal } = decodeMessage(bytes)
    if (ordinal === undefined) return false
    credits.taken(requestId, ordinal + 1)
    return true
  } catch {
    return false
  }
}

/** The answer to a request of which only the documents cannot be read: the others of its stream go on. */
function unfitFor(error: unknown): Message | undefined {
  const cause = error instanceof Refusal ? error.cause : undefined
  if (!(cause instanceof ProtoError) || cause.requestId === '') return undefined
  return emptyMessage({ requestId: cause.requestId, status: refusedStatus(cause) })
}
