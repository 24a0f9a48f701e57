import { connect as connectTcp, type Socket } from 'node:net'
import type { Executor } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import { connect } from '../../../lib/wire/websocket/client/connect.js'
import type { WebSocketConnectOptions } from '../../../lib/wire/websocket/client/options.js'
import type { WebSocketSpeakerOptions } from '../../../lib/wire/websocket/options.js'
import { type Listening, serveWebSocket as serve } from '../../support/serving.js'

/** A Flow of one executor, behind a real server on loopback. */
export async function serving(uses: ((call: any) => unknown) | (new (...args: any[]) => Executor), options: WebSocketSpeakerOptions & Listening = {}) {
  const flow = await new Flow({ closeTimeout: 100 }).add({ name: 'it', uses: uses as any }).open()
  const reported: Error[] = []
  const server = await serve(flow, { onError: (error) => reported.push(error), ...options })
  const connections: { close(): unknown }[] = []
  return {
    flow,
    server,
    reported,
    connect(options: WebSocketConnectOptions = {}) {
      const connection = connect(server.address, options)
      connections.push(connection)
      return connection
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.close()
      await server.close()
      await flow.close()
    },
  }
}

/** Connects by hand, so that frames can be written that no library would write. */
export async function raw(port: number, headers = '', path = '/'): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
  )
  let head = Buffer.alloc(0)
  while (!head.includes('\r\n\r\n')) {
    head = Buffer.concat([
      head,
      await new Promise<Buffer>((resolve, reject) => {
        socket.once('data', resolve)
        socket.once('close', () => reject(new Error(`closed after ${head}`)))
      }),
    ])
  }
  socket.pause()
  if (!String(head).startsWith('HTTP/1.1 101')) throw new Error(String(head))
  const rest = head.subarray(head.indexOf('\r\n\r\n') + 4)
  if (rest.length > 0) socket.unshift(rest)
  return socket
}

/** A frame as clients write it; masked with zeros, unless told otherwise. */
export function frame(opcode: number, payload: Uint8Array | string, { fin = true, rsv = 0, masked = true, claim = 0, key = [0, 0, 0, 0] } = {}): Buffer {
  const data = Buffer.from(Buffer.from(payload as string).map((byte, at) => byte ^ key[at % 4]!))
  const length = claim || data.length
  const size = length < 126 ? Buffer.of(length) : length < 65_536 ? Buffer.of(126, length >> 8, length & 255) : Buffer.alloc(9)
  if (length >= 65_536) {
    size[0] = 127
    size.writeBigUInt64BE(BigInt(length), 1)
  }
  size[0]! |= masked ? 0x80 : 0
  return Buffer.concat([Buffer.of((fin ? 0x80 : 0) | (rsv << 4) | opcode), size, masked ? Buffer.from(key) : Buffer.alloc(0), data])
}

/** The frames that a server wrote until it hung up: the code of its close frame, and the texts before. */
export async function heard(socket: Socket): Promise<{ code: number | undefined; reason: string; texts: string[] }> {
  let data = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    data = Buffer.concat([data, chunk])
    // Goodbye for goodbye.
    if (parse(data).code !== undefined) socket.end()
  })
  socket.resume()
  if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve))
  return parse(data)
}

function parse(data: Buffer): { code: number | undefined; reason: string; texts: string[] } {
  const texts: string[] = []
  for (let at = 0; at + 2 <= data.length; ) {
    const opcode = data[at]! & 15
    let length = data[at + 1]! & 127
    let start = at + 2
    if (length === 126) {
      length = data.readUInt16BE(start)
      start += 2
    } else if (length === 127) {
      length = Number(data.readBigUInt64BE(start))
      start += 8
    }
    const payload = data.subarray(start, start + length)
    if (payload.length < length) break
    if (opcode === 8) return { code: length < 2 ? 1005 : payload.readUInt16BE(0), reason: String(payload.subarray(2)), texts }
    if (opcode === 1) texts.push(String(payload))
    at = start + length
  }
  return { code: undefined, reason: '', texts }
}
