import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { clearTimeout, now, setTimeout } from '../../../base/clock.js'
import { ConnectionError } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import type { Scope } from '../../../stream/scope.js'
import { ignore } from '../../../stream/thenable.js'
import { lookedUp, socketTo } from '../../address.js'
import { failure } from '../../outcome.js'
import { isHungUp, platformCode } from '../../platform-errors.js'
import { hungUp } from '../../probe.js'
import { secureTo } from '../../tls.js'
import type { ClientTls } from '../../tls-options.js'
import { hasCrossed, markUnseen, untilSeen } from '../../unseen.js'
import { collect, join, packing } from '../body.js'
import { tooLarge } from '../refusal.js'
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

  // As Node has it: most requests are for one URL, which need not be taken apart for each.
  let last: { readonly url: URL; readonly to: object } | undefined
  const optionsOf = (url: URL): object => {
    if (last?.url !== url) {
      const { host, port } = socketTo(url)
      last = { url, to: { agent, host, port, path: url.pathname + url.search, ...lookedUp(at) } }
    }
    return last.to
  }
  // Connections of other certificates are others to the agent.
  const sendOnce = (tls: ClientTls | undefined, { method, url, headers, body }: Sending<Streamed>, scope: Scope): Promise<Received> =>
    new Promise((resolve, reject) => {
      // While this room was loaded.
      if (scope.aborted) return reject(scope.reason)
      const streamed = typeof body === 'object' && 'read' in body ? body : undefined
      const all = body === undefined ? headers : { 'content-length': String(streamed?.length ?? Buffer.byteLength(body as Uint8Array)), ...headers }
      const req = request({ method, headers: all, ...optionsOf(url), ...(tls && secureTo(tls)) })
      let timer: ReturnType<typeof setTimeout> | undefined
      let [written, heard] = [0, 0]
      const release = scope.watch((reason) => {
        // Without the reason: a socket that has just been given back has nobody who would hear of it, and would end the process.
        req.destroy()
        reject(reason)
      })
      const settle = (): void => {
        clearTimeout(timer)
        release()
      }
      // Each comes once, and to have its listener taken away then, too, would cost more than to call it.
      req.on('socket', (socket: Socket) => {
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
        const lost = isHungUp(platformCode(error).code) && !scope.aborted
        if (lost && req.reusedSocket && req.socket?.bytesRead === heard && hasCrossed(written)) {
          // What stands there idle has most likely ended as well.
          for (const idle of Object.values(agent.freeSockets).flat()) idle?.destroy()
          return reject(markUnseen(error))
        }
        // Of what came by TLS, the handshake is a part.
        if (!lost || req.reusedSocket || (!secure && req.socket?.bytesRead)) return reject(error)
        // Without a word: maybe it heard another language than it expected, or does not trust who asks.
        hungUp({ url, tls: tls ?? {}, wanted: 'HTTP or GraphQL', secure: 'https', timeout: connectTimeout }).then((found) => {
          reject(found === undefined ? error : failure(found.kind, url.origin, found.reason, { cause: error }))
        }, reject)
      })
      req.on('response', (res: IncomingMessage) => {
        clearTimeout(timer)
        // Some close after it without saying so, as uvicorn does.
        if (res.statusCode === 500) req.shouldKeepAlive = false
        res.on('close', settle)
        resolve(received(res, zlib))
      })
      // With nobody who listens, Node ends the connection and says nothing.
      req.on('upgrade', (_, socket: Socket) => {
        socket.destroy()
        settle()
        reject(failure('unimplemented', url.origin, 'it went over to another protocol (101), for which nobody had asked'))
      })
      if (streamed === undefined) req.end(body)
      else void pour(streamed, req)
    })
  return {
    send: async (sending, scope) => {
      const tls = secure ? await tlsNow() : undefined
      return untilSeen(() => sendOnce(tls, sending, scope))
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
  res.on('error', ignore)
  const { headers } = res
  // Some say "none", of what is not packed.
  const kind = packing(headers['content-encoding'])
  const plain = kind === undefined || kind === 'unknown'
  const said = plain ? headers['content-length'] : undefined
  const chunks = (): AsyncIterable<Uint8Array> => {
    if (plain) return res
    const unpack = kind === 'gzip' ? zlib.createGunzip() : kind === 'br' ? zlib.createBrotliDecompress() : zlib.createInflate()
    res.once('close', () => {
      if (!res.complete) unpack.destroy(new Error(EARLY))
    })
    return res.pipe(unpack)
  }
  return {
    status: res.statusCode!,
    length: said === undefined ? undefined : Number(said),
    header(name) {
      const value = headers[name]
      return Array.isArray(value) ? value[0] : value
    },
    chunks,
    whole: (limit, came) => (plain ? all(res, limit, came) : collect(chunks(), limit, came)),
  }
}

const EARLY = 'The answer ended early'

/** By hand: the iterator of a stream costs more than to read most answers. */
function all(res: IncomingMessage, limit: number, came?: () => void): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let size = 0
    res.on('data', (chunk: Uint8Array) => {
      came?.()
      size += chunk.length
      if (size <= limit) return chunks.push(chunk)
      reject(tooLarge(limit))
      res.destroy()
    })
    res.on('end', () => resolve(join(chunks, size)))
    res.on('error', reject)
    res.on('close', () => reject(new Error(EARLY)))
    if (res.destroyed) reject(res.errored ?? new Error(EARLY))
  })
}
