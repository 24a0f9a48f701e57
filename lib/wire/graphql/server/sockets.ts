import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout } from '../../../base/clock.js'
import { node } from '../../../base/node.js'
import { ignore } from '../../../stream/thenable.js'

/** What is said to who wants GraphQL by WebSocket. A close frame has room for 123 bytes. */
export const SOCKETS = 'GraphQL subscriptions come by server-sent events (graphql-sse), not by WebSocket: see docs/graphql.md'

/** The protocols of GraphQL by WebSocket: of graphql-ws, and the older one of subscriptions-transport-ws. */
const PROTOCOLS = ['graphql-transport-ws', 'graphql-ws']

/** "Subprotocol not acceptable", to both protocols: their clients give up, and show the reason, where they would try again after others. */
const NOT_ACCEPTABLE = 4406

/** Of RFC 6455, by which a server shows that it knows what a WebSocket is. */
const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Milliseconds that a client has to say goodbye. */
const GOODBYE = 500

type Take = (request: IncomingMessage, stream: Duplex, head: Buffer) => boolean

/**
 * Opens WebSockets that want GraphQL, and closes them at once with why: clients show the reason of a close, and of a refused handshake nothing.
 * Nothing is read of what they send, so it does not matter who they are.
 * @param path of GraphQL; elsewhere, those are meant that offer a protocol of GraphQL
 */
export async function closeSockets(path: string): Promise<Take> {
  const { createHash } = await node('crypto')
  return ({ url = '/', headers }, stream) => {
    const key = headers['sec-websocket-key']
    if (key === undefined || headers.upgrade?.toLowerCase() !== 'websocket') return false
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    const protocol = PROTOCOLS.find((name) => offered.includes(name))
    const asked = url.split('?', 1)[0]!
    // Where GraphQL has no path of its own, a WebSocket may want documents.
    if (protocol === undefined && (path === '/' || (asked !== path && asked !== `${path}/`))) return false
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${createHash('sha1')
        .update(key + MAGIC)
        .digest('base64')}`,
      // Browsers hang up on a server that keeps silent about what they offered.
      ...((protocol ?? offered[0]) ? [`Sec-WebSocket-Protocol: ${protocol ?? offered[0]}`] : []),
    ]
    const reason = Buffer.from(SOCKETS)
    // The last frame, of a close; a server's is not masked.
    const frame = Buffer.from([0x88, reason.length + 2, NOT_ACCEPTABLE >> 8, NOT_ACCEPTABLE & 0xff])
    stream.on('error', ignore)
    stream.resume()
    stream.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), frame, reason]))
    setTimeout(() => stream.destroy(), GOODBYE).unref()
    return true
  }
}
