import type { ServerSurfaceCall } from '@grpc/grpc-js/build/src/server-call.js'
import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { TimeLeft } from '../../../stream/deadlines.js'

/** Longer timers fire at once. */
const LONGEST = 0x7fffffff

/** How much time a call has, by its `grpc-timeout`; {@link onLeave} ends it then. */
export function timeLeftOf(call: { getDeadline(): Date | number }): TimeLeft | undefined {
  const left = Number(call.getDeadline()) - Date.now()
  return left < Infinity ? new TimeLeft(left, true) : undefined
}

/**
 * Calls back when nobody wants the answer any more: the client left, or its deadline has passed. grpc-js says of every call that it was
 * cancelled, also of those that ended well; then nothing is left to stop.
 * @returns lets go of it
 */
export function onLeave(call: ServerSurfaceCall, left: (reason: DOMException) => void): () => void {
  const cancelled = (): void => left(new DOMException('The client left', 'AbortError'))
  if (call.cancelled) cancelled()
  else call.on('cancelled', cancelled)
  const deadline = Number(call.getDeadline())
  let timer: ReturnType<typeof setTimeout> | undefined
  // grpc-js ends the call then, but says so only once the client has read what was sent before.
  if (deadline - Date.now() < LONGEST)
    timer = setTimeout(() => left(new DOMException('The deadline of the call has passed', 'TimeoutError')), Math.max(0, deadline - Date.now()))
  return () => {
    clearTimeout(timer)
    call.off('cancelled', cancelled)
  }
}
