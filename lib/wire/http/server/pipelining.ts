import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The requests of each connection that are not answered yet. */
const inside = new WeakMap<Socket, number>()

/**
 * Notes a request until it is answered, whoever answers it. Answers leave in order, so a client gains nothing by asking ahead; only memory would be lost.
 * @returns whether there are more on its connection than may be: then the connection is to be ended
 */
export function isTooFarAhead(socket: Socket, response: ServerResponse, most: number): boolean {
  const under = (inside.get(socket) ?? 0) + 1
  inside.set(socket, under)
  // A response closes once. To have the listener taken away then, too, would cost more than to call it.
  response.on('close', () => inside.set(socket, inside.get(socket)! - 1))
  return under > most
}
