import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** Headers that are about the change of protocol alone. */
const ABOUT = new Set(['upgrade', 'http2-settings'])

/**
 * Answers a request that offers to go on in another protocol, such as `Upgrade: h2c` of curl and Java, as if it had not, which HTTP leaves to
 * servers. Node has let go of the connection by then, body unread: so it is handed over anew, beginning with the same request without the offer.
 */
export function answerAsIs(server: HttpServer, { method, url, httpVersion, rawHeaders }: IncomingMessage, stream: Duplex, head: Buffer): void {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    let value = rawHeaders[at + 1]!
    if (ABOUT.has(name.toLowerCase())) continue
    if (name.toLowerCase() === 'connection') {
      const left = value.split(',').filter((word) => !ABOUT.has(word.trim().toLowerCase()))
      if (left.length === 0) continue
      value = left.join(',')
    }
    lines.push(`${name}: ${value}`)
  }
  stream.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit('setSecureContext' in server ? 'secureConnection' : 'connection', stream)
}
