import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { clearTimeout, now, setTimeout } from '../../../base/clock.js'
import { ConnectionError } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import { lookedUp } from '../../address.js'
import { failure } from '../../outcome.js'
import { isHungUp, platformCode } from '../../platform-errors.js'
import { hungUp } from '../../probe.js'
import { secureTo } from '../../tls.js'
import type { ClientTls } from '../../tls-options.js'
import { hasCrossed, markUnseen, untilSeen } from '../../unseen.js'
import { packing } from '../body.js'
import type { Received, Sending, Streamed, Transport, TransportOptions } from './transport.js'

/** Idle connections are let go before servers do: one closed as it is used again would fail a request. uvicorn, which runs Jina, closes after 5 s. */
const IDLE = 4000

type Zlib = typeof import('node:zlib')

/** Through Node's own client, which says when a connection stands, and knows certificates. */
export async function nodeTransport({ url, tlsNow, connectTimeout, at }: TransportOptions): Promise<Transport<Streamed>> {
  const [http, https, zlib] = await Promise.all([node('http'), node('https'), node('zlib')])
  const secure = url.protocol === 'https:'
  const agent = secure ? new https.Agent({ keepAlive: true, timeout: IDLE }) : new http.Agent({ keepAlive: true, timeout: IDLE })
  const { request } = secure ? https : http

  // Connections of other certificates are others to the agent.
  const sendOnce = (tls: ClientTls, { method, url, headers, body }: Sending<Streamed>, signal: AbortSignal): Promise<Received> =>
    new Promise((resolve, reject) => {
      // While this room was loaded.
      if (signal.aborted) return reject(signal.reason)
      const streamed = typeof body === 'object' && 'read' in body ? body : undefined
      const length = body === undefined ? {} : { 'content-length': String(streamed?.length ?? Buffer.byteLength(body as Uint8Array)) }
      const req = request(url, { method, agent, headers: { ...headers, ...length }, ...secureTo(tls), ...lookedUp(at) })
      let timer: ReturnType<typeof setTimeout> | undefined
      let [written, heard] = [0, 0]
      const abort = (): void => {
        // Without the reason: a socket that has just been given back has nobody who would hear of it, and would end the process.
        req.destroy()
        reject(signal.reason)
      }
      const settle = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
      }
      signal.addEventListener('abort', abort)
      req.once('socket', (socket: Socket) => {
        written = now()
        heard = socket.bytesRead
        if (!socket.connecting) return
        const late = (): void => {
          const reason = `no connection within ${connectTimeout} ms. Is the server up, and is this its address?`
          req.destroy(new ConnectionError('ERR_UNREACHABLE', url.origin, reason))
        }
        timer = setTimeout(late, connectTimeout)
        socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer))
      })
      req.on('error', (error) => {
        settle()
        const lost = isHungUp(platformCode(error).code) && !signal.aborted
        if (lost && req.reusedSocket && req.socket?.bytesRead === heard && hasCrossed(written)) {
          // What stands there idle has most likely ended as well.
          for (const idle of Object.values(agent.freeSockets).flat()) idle?.destroy()
          return reject(markUnseen(error))
        }
        // Of what came by TLS, the handshake is a part.
        if (!lost || req.reusedSocket || (!secure && req.socket?.bytesRead)) return reject(error)
        // Without a word: maybe it heard another language than it expected, or does not trust who asks.
        hungUp({ url, tls, wanted: 'HTTP or GraphQL', secure: 'https', timeout: connectTimeout }).then((found) => {
          reject(found === undefined ? error : failure(found.kind, url.origin, found.reason, { cause: error }))
        }, reject)
      })
      req.once('response', (res: IncomingMessage) => {
        clearTimeout(timer)
        // Some close after it without saying so, as uvicorn does.
        if (res.statusCode === 500) req.shouldKeepAlive = false
        res.once('close', settle)
        resolve(received(res, zlib))
      })
      if (streamed === undefined) req.end(body)
      else void pour(streamed, req)
    })
  return {
    send: async (...call) => {
      const tls = secure ? await tlsNow() : {}
      return untilSeen(() => sendOnce(tls, ...call))
    },
    close: () => agent.destroy(),
  }
}

/** Writes a body no faster than it goes. What goes wrong, the request says. */
async function pour(body: Streamed, req: ClientRequest): Promise<void> {
  let goOn: () => void = () => {}
  req.on('drain', () => goOn()).on('close', () => goOn())
  try {
    for await (const piece of body.read()) {
      if (!req.destroyed && !req.write(piece)) await new Promise<void>((resolve) => (goOn = resolve))
      if (req.destroyed) return
    }
    req.end()
  } catch (error) {
    req.destroy(error as Error)
  }
}

function received(res: IncomingMessage, zlib: Zlib): Received {
  // Heard by whoever reads; without a listener it would end the process when nobody does.
  res.on('error', () => {})
  return {
    status: res.statusCode!,
    header(name) {
      const value = res.headers[name]
      return Array.isArray(value) ? value[0] : value
    },
    chunks() {
      const kind = packing(res.headers['content-encoding'])
      // Some say "none", of what is not packed.
      if (kind === undefined || kind === 'unknown') return res
      const unpack = kind === 'gzip' ? zlib.createGunzip() : kind === 'br' ? zlib.createBrotliDecompress() : zlib.createInflate()
      res.once('close', () => {
        if (!res.complete) unpack.destroy(new Error('The answer ended early'))
      })
      return res.pipe(unpack)
    },
  }
}
