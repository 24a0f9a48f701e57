import type { Status } from '../../../request/status.js'
import { outcome, Refusal } from '../../outcome.js'
import { publicMessage } from '../../public-message.js'
import { outcomeIn } from '../../status.js'
import { NOT_BEGUN } from '../../unseen.js'
import { STATUS, statusFor } from '../status.js'

/** How a connection is closed: a code of RFC 6455, and a reason. */
export interface Close {
  readonly code: number
  readonly reason: string
}

export const DONE: Close = { code: 1000, reason: '' }
export const closing = (): Close => ({ code: STATUS.closing, reason: 'The server is closing' })
/** All that it took is answered. */
export const drained = (): Close => ({ code: STATUS.closing, reason: NOT_BEGUN })
export const broken = (): Close => ({ code: STATUS.internal, reason: 'Something is wrong inside the server' })

/** An executor is out of reach, and the client knows no way to hear of it but the end of the connection. */
export function outOfReach(status: Status): Refusal {
  const { description, exception } = status
  const { executor = '', args = [] } = exception ?? {}
  // Who it is and where comes first: there is not room for all.
  const reason = executor === '' || args[0] === undefined || args[0].startsWith(executor) ? description : `${executor}: ${args[0]}`
  return new Refusal(outcomeIn(status)?.kind ?? 'internal', reason)
}

/** @returns how to close after something that concerns the whole connection; undefined for what should not have happened */
export function closeOf(error: unknown): Close | undefined {
  const { kind } = outcome(error)
  return kind === 'internal' ? undefined : { code: statusFor(kind), reason: cut(publicMessage(error)) }
}

/** A close frame has room for 123 bytes of reason. */
export function cut(reason: string): string {
  if (new TextEncoder().encode(reason).length <= 123) return reason
  const room = new Uint8Array(120)
  const { read } = new TextEncoder().encodeInto(reason, room)
  return `${reason.slice(0, read)}…`
}
