import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** Counts the connections that this process makes to a port of its machine, whether they come about or not. */
export function connections(port: number): Disposable & { readonly count: number } {
  let count = 0
  const note = (message: unknown): void => {
    const { socket } = message as { socket: Socket & { _host?: string } }
    const { connect } = socket
    // It is told of as it is made, and where it goes is said a moment later.
    socket.connect = ((...args: any[]) => {
      const [first] = Array.isArray(args[0]) ? args[0] : args
      if (Number(typeof first === 'object' ? first?.port : first) === port) count++
      return connect.apply(socket, args as never)
    }) as typeof connect
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
