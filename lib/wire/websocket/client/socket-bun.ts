import { failureOf, refusedWith } from './failures.js'
import type { Line, LineOptions, Listener } from './socket.js'
import { lineOfWeb } from './socket-web.js'

/** Whether this is Bun, where `ws` is Bun's own: it knows nothing of a protocol that was asked for by a header, and leaves when it is said back. */
export const onBun = typeof (globalThis as { process?: { versions?: { bun?: string } } }).process?.versions?.bun === 'string'

/** Bun's socket is a browser's that can send headers, show certificates and say what went wrong. */
export async function lineOfBun(url: string, options: LineOptions, listener: Listener): Promise<Line> {
  const { address, protocol, headers, tlsNow } = options
  const { ca, key, cert, serverName } = await tlsNow()
  const secure = {
    ...(ca !== undefined && { ca }),
    ...(key !== undefined && { key }),
    ...(cert !== undefined && { cert }),
    ...(serverName !== undefined && { serverName }),
  }
  const Socket = WebSocket as unknown as new (url: string, options: object) => WebSocket
  const socket = new Socket(url, { headers, ...(protocol !== undefined && { protocols: [protocol] }), ...(url.startsWith('wss:') && { tls: secure }) })
  return lineOfWeb(url, options, listener, socket, (message) => {
    const status = /status code: (\d+)/.exec(message)?.[1]
    return status === undefined ? failureOf(address, new Error(message), false) : refusedWith(address, Number(status))
  })
}
