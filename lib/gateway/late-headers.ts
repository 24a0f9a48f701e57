import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { clearTimeout, setTimeout } from '../base/clock.js'

/** Bun looks for who is late only where a server listens by itself: here, a request whose headers are not whole in time ends as in Node. */
export function endLate(server: Server, headersTimeout: number, keepAlive: number): void {
  const timers = new WeakMap<object, ReturnType<typeof setTimeout>>()
  /** How many requests of a connection are not answered yet. */
  const open = new WeakMap<object, number>()
  const wait = (socket: Socket, time: number): void => {
    clearTimeout(timers.get(socket))
    const late = (): void => void socket.end('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n', () => socket.destroy())
    timers.set(socket, setTimeout(late, time))
  }
  const came = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    clearTimeout(timers.get(socket))
    open.set(socket, (open.get(socket) ?? 0) + 1)
    response.once('finish', () => {
      const left = open.get(socket)! - 1
      open.set(socket, left)
      // The next one may begin late, and then has its time.
      if (left === 0 && !socket.destroyed) wait(socket, keepAlive + headersTimeout)
    })
  }
  server.on('connection', (socket: Socket) => {
    wait(socket, headersTimeout)
    socket.once('close', () => clearTimeout(timers.get(socket)))
  })
  server.on('request', came)
  server.on('checkContinue', came)
  // Who listens takes what offers another protocol: where nobody else does, it is answered as any request.
  if (server.listenerCount('upgrade') > 0) server.on('upgrade', ({ socket }) => clearTimeout(timers.get(socket)))
}
