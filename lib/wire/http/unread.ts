import type { IncomingMessage } from 'node:http'
import { setTimeout } from '../../base/clock.js'
import { ignore } from '../../stream/thenable.js'

/** Milliseconds that a client who sends what is not wanted has to read that it is not: closed at once, it would see a broken pipe instead. */
const GRACE = 1000

/** Leaves what still comes of a body unread: Node reads over what nobody wanted, however much it is, unless somebody seems to. */
export function leaveUnread(req: IncomingMessage): void {
  if (!req.complete) req.on('readable', ignore)
}

/** Ends the connection of somebody whose body is not read on, unless all of it came by then: what is asked on it next may be another's. */
export function endSoon(req: IncomingMessage): void {
  const { socket } = req
  setTimeout(() => {
    if (!req.complete) socket.destroy()
    // It came, and nobody reads it: unread, it has no end, and whoever waits for that would keep it.
    else req.off('readable', ignore).resume()
  }, GRACE).unref()
}
