import { setTimeout } from '../../../base/clock.js'
import type { ConnectionError } from '../../../base/errors.js'
import { base64url } from '../../identity.js'
import { failure } from '../../outcome.js'
import { closedWith, unreachable } from './failures.js'
import { type Line, type LineOptions, type Listener, MARK } from './socket.js'

/** Milliseconds between looks at what waits to be sent: browsers do not tell when it has left. */
const LOOK = 10

/** A page's own socket. */
function socketOf(url: string, { protocol, headers }: LineOptions): WebSocket {
  // It cannot send headers: a token goes as one more protocol, beside one that the server says back.
  const token = headers.authorization?.replace(/^Bearer /, '')
  const own = protocol === undefined ? [] : [protocol]
  return new WebSocket(url, token === undefined ? own : [protocol ?? 'json', `sluice.bearer.${base64url(token)}`])
}

/** A browser's own socket. It does not say why it could not connect, and cannot be paused. */
export function lineOfWeb(url: string, options: LineOptions, listener: Listener): Line {
  const { address, maxMessageBytes } = options
  const socket = socketOf(url, options)
  socket.binaryType = 'arraybuffer'
  let open = false
  let over = false
  const end = (error: ConnectionError): void => {
    if (over) return
    over = true
    listener.closed(error)
  }
  socket.onopen = () => {
    open = true
    listener.open()
  }
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
    if (over) return
    const message = typeof data === 'string' ? data : new Uint8Array(data)
    if (message.length <= maxMessageBytes) return listener.message(message)
    end(failure('tooLarge', address, 'an answer is larger than maxMessageBytes'))
    socket.close()
  }
  // An error is said again, as a close. Sockets of the package ws, which may stand in the place of a browser's, throw one that nobody listens to.
  socket.onerror = () => {}
  socket.onclose = ({ code, reason }) =>
    end(open ? closedWith(address, code, reason) : unreachable(address, 'no connection; browsers do not say why, their consoles sometimes do'))

  return {
    send: (data) => socket.send(data as string | Uint8Array<ArrayBuffer>),
    room() {
      if (socket.bufferedAmount < MARK) return undefined
      return new Promise((resolve) => {
        const look = (): void => {
          if (socket.readyState !== socket.OPEN || socket.bufferedAmount < MARK) resolve()
          else setTimeout(look, LOOK)
        }
        look()
      })
    },
    pause() {},
    hold() {},
    close: () => socket.close(1000),
    destroy: () => socket.close(),
  }
}
