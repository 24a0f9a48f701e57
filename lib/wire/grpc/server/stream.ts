import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js'
import { asError } from '../../../base/errors.js'
import { publishBytes } from '../../../base/events.js'
import { inFlight } from '../../../stream/in-flight.js'
import type { Scope } from '../../../stream/scope.js'
import { chargeDocuments } from '../../charge.js'
import { Credits } from '../../credits.js'
import { numbering } from '../../deltas.js'
import { emptyMessage, headed, type Message } from '../../message.js'
import { isOfRequest, outcome, Refusal, told } from '../../outcome.js'
import { ProtoError } from '../../proto/index.js'
import { isAside, Revocable } from '../../revocable.js'
import { AHEAD, closingMessage, notBegun } from '../../sharing.js'
import { refusedStatus } from '../../status.js'
import { NOT_BEGUN } from '../../unseen.js'
import { METADATA } from '../methods.js'
import { Outbox } from '../outbox.js'
import { contextOf } from './authentication.js'
import type { CallsUnderWay } from './calls-under-way.js'
import { onLeave } from './cancellation.js'
import { charged } from './charges.js'
import { endOf, isAnswered, refusalBehind } from './failures.js'
import { Inbox } from './inbox.js'
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
    await converse(call, underWay, entered, left.signal)
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
async function converse(call: Call, underWay: CallsUnderWay, { share, charges }: ReturnType<CallsUnderWay['enter']>, signal: AbortSignal): Promise<void> {
  const { limit, ordered, parts, deltas, window, shared } = streamOptionsOf(call.metadata, underWay.settings.prefetch)
  const ofCall = contextOf(call)
  // A tracer may have put there the trace of whoever opened what others share.
  const context = shared ? { ...ofCall, headers: undefined } : ofCall
  const credits = new Credits(parts ? window : 0)
  const revocable = shared ? new Revocable() : undefined
  // What a client says of what it has sent comes behind requests that are not begun, so those are read. On what is shared, it sends no more than are begun.
  const ahead = limit === Infinity ? 0 : shared ? limit : Math.max(AHEAD, 2 * limit)
  const hear = (bytes: Buffer): boolean => isAside(bytes, credits, revocable)
  const aside = (parts && window > 0) || shared ? { most: (shared ? AHEAD : ahead) || Infinity, hear } : undefined
  const inbox = new Inbox(call, aside, charges && ((heard) => charges.taken(heard)))
  charges?.onPause((paused) => credits.lift(paused))
  call.on('end', () => credits.end())
  const outbox = new Outbox(call, charges && ((waiting) => charges.answers(waiting)))
  /** What waits for its turn to be sent is charged as what waits for the wire. */
  const made = (bytes: Uint8Array): Uint8Array => {
    charges?.made(bytes.length)
    publishBytes('server', 'sent', 'grpc', bytes)
    return bytes
  }
  let begun = 0
  let draining = false
  const numbers = deltas ? numbering() : undefined
  // Our own clients ask elsewhere for what is not begun. Others would fail: theirs is let finish, unless it has no end.
  const undrain = underWay.drain.onDrain((time) => {
    if (!shared) return parts ? inbox.stop() : inbox.wane(() => begun > 0, time / 2)
    // Who shares it hears of it at once: nobody waits for the slowest of the others.
    draining = true
    void outbox.send(underWay.encode(closingMessage()))
  })
  try {
    // Who waits for the first answer knows by this that somebody is there.
    const metadata = new Metadata()
    if (window > 0) metadata.set(METADATA.ahead, String(ahead))
    if (shared) metadata.set(METADATA.shared, '1')
    call.sendMetadata(metadata)
    const work = async (message: Message, scope: Scope, partial: ((part: Message) => Promise<void>) | undefined): Promise<Message> => {
      if (draining) return notBegun(message.requestId)
      return underWay.answer(message, scope, share, partial, numbers)
    }
    const answers = inFlight<Buffer, Uint8Array>(
      inbox,
      (bytes, of, emit) => {
        const turn = revocable?.next() ?? 0
        return charged(charges?.next(bytes.length), async (charge) => {
          const hold = charge?.hold
          let message: Message
          try {
            const decoded = underWay.decodeInTurns(bytes)
            message = {
              context: hold === undefined ? context : Object.assign({}, context, { hold }),
              ...(decoded instanceof Promise ? await decoded : decoded),
            }
          } catch (error) {
            const unfit = unfitFor(error)
            if (unfit === undefined) throw error
            return made(underWay.encode(unfit))
          }
          // Of itself it says so, as of requests of which there are too many.
          if (charge?.refused !== undefined) return made(underWay.encode(refusalOf(message.requestId, charge.refused)))
          chargeDocuments(hold, message.docs.length)
          const { requestId } = message
          const account = credits.open(requestId)
          const partial = async (part: Message): Promise<void> => {
            await account?.credit.spend()
            await emit(made(underWay.encode(part)))
          }
          begun++
          try {
            const given = parts ? partial : undefined
            const answer = await (revocable?.run(requestId, turn, of as Scope, (own) => work(message, own, given)) ?? work(message, of as Scope, given))
            // Our own clients take it for what it is, and go on. To others it is said as Jina's gateway says it, unless this server says it of itself, or it is wrong with this request.
            const refusal = parts || isAnswered(answer) ? undefined : refusalBehind(answer)
            if (refusal === undefined) {
              const bytes = await underWay.encodeInTurns(answer)
              charges?.answered(message, bytes)
              hold?.made()
              return made(bytes)
            }
            await emit(made(underWay.encode(emptyMessage({ requestId }))))
            throw refusal
          } catch (error) {
            // As for a message that cannot be read: it is wrong with this request, and the others of its stream go on.
            if (signal.aborted || (!shared && (error instanceof Refusal || !isOfRequest(outcome(error).kind)))) throw error
            return made(underWay.encode(emptyMessage({ requestId, status: refusedStatus(told(error, underWay.settings.onError)) })))
          } finally {
            begun--
            account?.close()
          }
        })
      },
      { limit, ordered, signal },
    )
    for await (const bytes of answers) {
      charges?.made(-bytes.length)
      const full = outbox.send(bytes)
      if (full !== undefined) await full
    }
    if (!inbox.ended) throw new Refusal('closing', NOT_BEGUN)
  } finally {
    undrain()
    credits.end()
  }
}

/** The answer to a request for which there was no room. */
function refusalOf(requestId: string, reason: unknown): Message {
  const error = asError(reason)
  return emptyMessage({ requestId, status: refusedStatus(error), ...headed(error) })
}

/** The answer to a request of which only the documents cannot be read: the others of its stream go on. */
function unfitFor(error: unknown): Message | undefined {
  const cause = error instanceof Refusal ? error.cause : undefined
  if (!(cause instanceof ProtoError) || cause.requestId === '') return undefined
  return emptyMessage({ requestId: cause.requestId, status: refusedStatus(cause) })
}
