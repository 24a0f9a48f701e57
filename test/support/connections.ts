import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** Counts the connections that this process makes to a port of its machine, whether they come about or not. */
export function connections(port: number): Disposable & { readonly count: number } {
  let count = 0
  const known = new WeakSet<Socket>()
  const note = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    // Some versions of Node tell of one twice, and not at the same moment: before it is connected, or within.
    if (known.has(socket)) return
    known.add(socket)
    socket.on('connectionAttempt', (_: string, to: number) => {
      if (to === port) count++
    })
  }
  subscribe('net.client.socket', note)
  return {
    get count() {
      return count
    },
    [Symbol.dispose]() {
      unsubscribe('net.client.socket', note)
    },
  }
}
