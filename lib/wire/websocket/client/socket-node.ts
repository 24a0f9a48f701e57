import type { Socket } from 'node:net'
import type { RawData } from 'ws'
import { clearInterval, setInterval, setTimeout } from '../../../base/clock.js'
import { publish } from '../../../base/events.js'
import { packageOfNode } from '../../../base/node.js'
import { ignore } from '../../../stream/thenable.js'
import { lookedUp, socketTo } from '../../address.js'
import { isAlive, Liveness, silence } from '../../liveness.js'
import { failure } from '../../outcome.js'
import { isHungUp, platformCode } from '../../platform-errors.js'
import { hungUp, OPTIONS } from '../../probe.js'
import { secureTo } from '../../tls.js'
import { closedWith, failureOf, refusedWith } from './failures.js'
import { type Line, type LineOptions, type Listener, MARK } from './socket.js'

/** A socket by `ws`, which can all that browsers' cannot: headers, certificates, a pause. */
export async function lineOfNode(url: string, options: LineOptions, listener: Listener): Promise<Line> {
  const { WebSocket } = await packageOfNode('ws')
  const { address, protocol, headers, tlsNow, compression, maxMessageBytes, keepalive, connectTimeout, at } = options
  const tls = await tlsNow()
  const socket = new WebSocket(url, {
    // As a plain header: Jina's gateway says nothing back about it, and whoever had asked in due form would have to leave.
    headers: { ...headers, ...(protocol !== undefined && { 'sec-websocket-protocol': protocol }) },
    maxPayload: maxMessageBytes,
    perMessageDeflate: compression,
    ...secureTo(tls),
    ...lookedUp(at),
  })
  let stream: Socket | undefined
  let open = false
  let over = false
  let broken: Error | undefined
  let asking: Promise<void> | undefined
  let waiting: Promise<void> | undefined
  let heartbeat: ReturnType<typeof setInterval> | undefined

  // Sockets live no longer than their requests, but for a moment. What is paused is not read, so nothing is known of it.
  const liveness = new Liveness(
    () => stream!.bytesRead,
    async () => {
      if (socket.isPaused || over) return true
      socket.ping('', true, ignore)
      const { host, port, secure } = socketTo(new URL(url))
      return isAlive(at ?? host, port, secure, OPTIONS)
    },
    () => {
      end(silence(address))
      socket.terminate()
    },
  )
  const end = (error: ReturnType<typeof closedWith>): void => {
    if (over) return
    over = true
    clearInterval(heartbeat)
    liveness.leave()
    liveness.close()
    if (open) publish('connection', () => ({ side: 'client', address, state: 'closed', error: broken }))
    listener.closed(error)
  }
  socket.on('upgrade', (response) => {
    delete response.headers['sec-websocket-protocol']
    stream = response.socket
  })
  socket.on('open', () => {
    open = true
    publish('connection', () => ({ side: 'client', address, state: 'open' }))
    heartbeat = keepalive > 0 ? heart(socket, stream!, keepalive) : undefined
    if (keepalive > 0) liveness.enter()
    listener.open()
  })
  socket.on('unexpected-response', (request, response) => {
    end(refusedWith(address, response.statusCode, response.headers))
    response.resume()
    request.destroy()
  })
  socket.on('message', (data: RawData, isBinary) => listener.message(isBinary ? (data as Buffer) : String(data)))
  socket.on('error', (error) => {
    broken = error
    if (open) return
    if (!isHungUp(platformCode(error).code)) return end(failureOf(address, error, false))
    // Without a word: maybe it heard another language than it expected, or does not trust who asks.
    asking = hungUp({ url: new URL(url), tls, wanted: 'WebSocket', secure: 'wss', timeout: connectTimeout }).then((found) => {
      end(found === undefined ? failureOf(address, error, false) : failure(found.kind, address, found.reason, { cause: error }))
    })
  })
  socket.on('close', (code, reason) => {
    if (asking === undefined) end(broken === undefined ? closedWith(address, code, String(reason)) : failureOf(address, broken, true))
  })

  return {
    send: (data) => socket.send(data, ignore),
    room() {
      if (socket.bufferedAmount < MARK || socket.readyState !== socket.OPEN) return undefined
      // A pong is sent when all before it has been.
      waiting ??= new Promise<void>((resolve) => socket.pong('', undefined, () => resolve())).then(() => {
        waiting = undefined
      })
      return waiting
    },
    pause: (paused) => (paused ? socket.pause() : socket.resume()),
    hold: (alive) => void (alive ? stream?.ref() : stream?.unref()),
    close() {
      socket.close(1000)
      // Who does not say goodbye in turn is left.
      setTimeout(() => socket.terminate(), GOODBYE).unref()
    },
    destroy: () => socket.terminate(),
  }
}

const GOODBYE = 1000

/** Asks for a sign of life now and then, and leaves who gives none. */
function heart(socket: import('ws').WebSocket, stream: Socket, interval: number): ReturnType<typeof setInterval> {
  let seen = -1
  return setInterval(() => {
    if (socket.isPaused) seen = -1
    else if (stream.bytesRead === seen) return socket.terminate()
    else seen = stream.bytesRead
    socket.ping('', true, ignore)
  }, interval).unref()
}
