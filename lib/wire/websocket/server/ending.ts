import { ConnectionError, FlowStateError, say } from '../../../base/errors.js'
import type { Status } from '../../../request/status.js'
import { Malformed } from '../subprotocol.js'

/** How a connection is closed: a code of RFC 6455, and a reason. */
export interface Ending {
  readonly code: number
  readonly reason: string
}

export const DONE: Ending = { code: 1000, reason: '' }
export const CLOSING: Ending = { code: 1001, reason: 'The server is closing' }
export const BROKEN: Ending = { code: 1011, reason: 'Something is wrong inside the server' }

/** An executor is out of reach, and the client knows no way to hear of it but the end of the connection. */
export class OutOfReach extends Error {
  constructor({ description, exception }: Status) {
    const { executor = '', args = [] } = exception ?? {}
    // Who it is and where comes first: there is not room for all.
    super(executor === '' || args[0] === undefined || args[0].startsWith(executor) ? description : `${executor}: ${args[0]}`)
  }
}

/** @returns how to close after something that concerns the whole connection; undefined for what should not have happened */
export function endingOf(error: unknown): Ending | undefined {
  if (error instanceof Malformed) return { code: error.code, reason: cut(error.message) }
  // Jina's code for what is not there behind its gateway, which its client says as a ConnectionError.
  if (error instanceof OutOfReach || error instanceof ConnectionError) return { code: 1011, reason: cut(error.message) }
  if (error instanceof FlowStateError) return { code: error.code === 'ERR_FLOW_CLOSED' ? 1001 : 1011, reason: cut(say(error)) }
  return undefined
}

/** A close frame has room for 123 bytes of reason. */
export function cut(reason: string): string {
  if (new TextEncoder().encode(reason).length <= 123) return reason
  const room = new Uint8Array(120)
  const { read } = new TextEncoder().encodeInto(reason, room)
  return `${reason.slice(0, read)}…`
}
