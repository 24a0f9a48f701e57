import { failure } from '../../outcome.js'
import { isHungUp } from '../../platform-errors.js'
import { hungUp } from '../../probe.js'
import { failureOf, refusedWith } from './failures.js'
import type { Line, LineOptions, Listener } from './socket.js'
import { lineOfWeb } from './socket-web.js'

/**
 * Bun's socket is a browser's that can send headers, show certificates and say what went wrong. Its `ws` is its own: that knows nothing of a protocol
 * that was asked for by a header, and leaves when it is said back.
 */
export async function lineOfBun(url: string, options: LineOptions, listener: Listener): Promise<Line> {
  const { address, protocol, headers, tlsNow, connectTimeout } = options
  const tls = await tlsNow()
  const { ca, key, cert, serverName } = tls
  const secure = {
    ...(ca !== undefined && { ca }),
    ...(key !== undefined && { key }),
    ...(cert !== undefined && { cert }),
    ...(serverName !== undefined && { serverName }),
  }
  const Socket = WebSocket as unknown as new (url: string, options: object) => WebSocket
  const socket = new Socket(url, { headers, ...(protocol !== undefined && { protocols: [protocol] }), ...(url.startsWith('wss:') && { tls: secure }) })
  return lineOfWeb(url, options, listener, socket, async (message) => {
    const status = /status code: (\d+)/.exec(message)?.[1]
    if (status !== undefined) return refusedWith(address, Number(status))
    const error = platformError(message)
    const found = isHungUp(error.code) && (await hungUp({ url: new URL(url), tls, wanted: 'WebSocket', secure: 'wss', timeout: connectTimeout }))
    return found ? failure(found.kind, address, found.reason, { cause: error }) : failureOf(address, error, false)
  })
}

/** What Bun says in words alone, with the code that others have for it. */
function platformError(message: string): Error & { code?: string } {
  const [, said, insecure] = /^WebSocket connection to '.*?' failed: ((?:TLS handshake failed: (.*))?.*)$/s.exec(message) ?? []
  const code = insecure !== undefined ? 'EPROTO' : said === 'Connection ended' ? 'ECONNRESET' : said === 'Failed to connect' ? 'ECONNREFUSED' : undefined
  return Object.assign(new Error(insecure ?? said ?? message), code && { code })
}
