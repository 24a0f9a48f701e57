import type { Server as NetServer, Socket } from 'node:net'
import { clearTimeout, nextTick, setTimeout } from '../base/clock.js'
import { node } from '../base/node.js'
import { ignore } from '../stream/thenable.js'
import type { ServerTls } from '../wire/tls-options.js'
import { secureOptions } from './certificates.js'

/** What HTTP/2 begins with, which is no method of HTTP/1. */
const PRI = 'PRI'

/** Pieces of a stream leave when they are there: servers of HTTP see to that by themselves, but not for connections that they are handed. */
const NOW = { noDelay: true }

/**
 * A server for connections that speak gRPC or something else.
 * @param time milliseconds in which a client must say what it speaks; 0 is for ever
 * @param hand gets a connection once that is known
 */
export async function plain(time: number, hand: (socket: Socket, isHttp2: boolean) => void): Promise<NetServer> {
  const { createServer } = await node('net')
  return createServer(NOW, (socket) => {
    let said: Buffer = Buffer.alloc(0)
    const timer = time > 0 ? setTimeout(() => socket.destroy(), time) : undefined
    const gone = (): void => clearTimeout(timer)
    const listen = (chunk: Buffer): void => {
      said = said.length === 0 ? chunk : Buffer.concat([said, chunk])
      const begin = said.toString('latin1', 0, PRI.length)
      if (begin.length < PRI.length && PRI.startsWith(begin)) return
      clearTimeout(timer)
      socket.pause()
      socket.off('data', listen).off('error', ignore).off('close', gone)
      socket.unshift(said)
      hand(socket, begin === PRI)
      nextTick!(() => socket.resume())
    }
    socket.on('data', listen).on('error', ignore).on('close', gone)
  })
}

/** The same with TLS, in which clients say beforehand what they will speak. */
export async function secure(
  tls: ServerTls,
  time: number,
  grpc: boolean,
  http: boolean,
  hand: (socket: Socket, isHttp2: boolean) => void,
  refused: (error: Error) => void = ignore,
): Promise<NetServer> {
  const { createServer } = await node('tls')
  // Who speaks both, as browsers do, wants HTTP/1: HTTP/2 is for gRPC alone.
  const choose = ({ protocols }: { protocols: string[] }): string | undefined =>
    http && protocols.includes('http/1.1') ? 'http/1.1' : grpc && protocols.includes('h2') ? 'h2' : undefined
  const options = {
    ...NOW,
    ...secureOptions(tls),
    ALPNCallback: choose,
    ...(time > 0 && { handshakeTimeout: time }),
  }
  const server = createServer(options as object, (socket) => hand(socket, socket.alpnProtocol === 'h2'))
  // Node says that a handshake went wrong or took too long, and leaves the connection as it is.
  return server.on('tlsClientError', (error, socket) => {
    const { authorizationError } = socket
    // A client's certificate that is not trusted, or missing, is worth a word; that somebody left, or says what is no TLS, is not.
    const reason = authorizationError
      ? String(authorizationError)
      : /PEER_DID_NOT_RETURN|CERT/.test((error as NodeJS.ErrnoException).code ?? '') && error.message
    if (reason) refused(new Error(`the certificate of a client is missing, or not trusted (${reason})`, { cause: error }))
    socket.destroy()
  })
}
