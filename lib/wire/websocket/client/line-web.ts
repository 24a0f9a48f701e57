import { setTimeout } from '../../../base/clock.js'
import { ConnectionError } from '../../../errors.js'
import { base64url } from '../../identity.js'
import { closedWith, unreachable } from './failures.js'
import { type Line, type LineOptions, type Listener, MARK } from './line.js'

/** Milliseconds between looks at what waits to be sent: browsers do not tell when it has left. */
const LOOK = 10

/** A browser's own socket. It does not say why it could not connect, and cannot be paused. */
export function lineOfWeb(url: string, { address, protocol, headers, maxMessageBytes }: LineOptions, listener: Listener): Line {
  // It cannot send headers: a token goes as one more protocol, beside one that the server says back.
  const token = headers.authorization?.replace(/^Bearer /, '')
  const own = protocol === undefined ? [] : [protocol]
  const socket = new WebSocket(url, token === undefined ? own : [protocol ?? 'json', `sluice.bearer.${base64url(token)}`])
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
    end(new ConnectionError('ERR_TOO_LARGE', address, 'an answer is larger than maxMessageBytes'))
    socket.close()
  }
  // An error is said again, in its own way, as a close.
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
