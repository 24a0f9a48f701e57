import type { Status } from '../request/status.js'
import type { Message } from './message.js'

/** A message without stacks, which tell of the inside. */
export function sealed(message: Message): Message {
  const { status, routes } = message
  if (status?.exception === undefined && routes.every(({ status }) => status === undefined)) return message
  return { ...message, status: seal(status), routes: routes.map((stop) => ({ ...stop, status: seal(stop.status) })) }
}

export function seal<S extends Status | undefined>(status: S): S {
  return status?.exception === undefined ? status : { ...status, exception: { ...status.exception, stacks: [] } }
}
