// Clients that send much, or ask for much and do not read it, on every wire, by hand: a library would keep copies of what it sends.
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { DocumentArray } from '../../lib/doc/array.js'
import { METADATA, METHODS } from '../../lib/wire/grpc/methods.js'
import { emptyMessage, type Message } from '../../lib/wire/message.js'
import { decodeMessage, encodeMessage } from '../../lib/wire/proto/index.js'
import { frame, raw } from '../wire/websocket/support.js'

/** What became of one: answered, refused for want of bytes, or otherwise. */
export type Fate = 'answered' | 'busy' | string

const documents = (bytes: number): string[] => Array.from({ length: Math.max(1, Math.floor(bytes / 1024)) }, (_, at) => String(at).padEnd(1000, 'x'))

const json = (endpoint: string, bytes: number): Buffer =>
  Buffer.from(JSON.stringify({ execEndpoint: endpoint, data: documents(bytes).map((text) => ({ text })) }))
const lines = (bytes: number): Buffer =>
  Buffer.from(
    documents(bytes)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(''),
  )
const proto = (endpoint: string, bytes: number, requestId = 'r'): Buffer =>
  Buffer.from(encodeMessage(emptyMessage({ requestId, execEndpoint: endpoint, docs: DocumentArray.from(documents(bytes)) })))
const graphql = (endpoint: string, bytes: number): Buffer =>
  Buffer.from(
    JSON.stringify({
      query: 'mutation ($data: [StrawberryDocumentInput!], $on: String!) { docs(data: $data, execEndpoint: $on) { id text } }',
      variables: { on: endpoint, data: documents(bytes).map((text) => ({ text })) },
    }),
  )

const prefixed = (message: Buffer): Buffer => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** One request over HTTP. @param isChunked whether nobody says how long it is */
async function http(port: number, path: string, type: string, body: Buffer, isChunked: boolean, reads: boolean): Promise<Fate> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  const length = isChunked ? 'transfer-encoding: chunked' : `content-length: ${body.length}`
  socket.write(`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: ${type}\r\nconnection: close\r\n${length}\r\n\r\n`)
  if (isChunked) {
    for (let at = 0; at < body.length; at += 65_536) {
      const piece = body.subarray(at, at + 65_536)
      socket.write(`${piece.length.toString(16)}\r\n`)
      socket.write(piece)
      socket.write('\r\n')
    }
    socket.write('0\r\n\r\n')
  } else socket.write(body)
  const said = await told(socket, reads)
  const [, status] = /^HTTP\/1\.1 (\d+)/.exec(said) ?? []
  if (status === '200') return /Busy: /.test(said) ? 'busy' : 'answered'
  return status === '503' && /maxBytesInFlight/.test(said) ? 'busy' : `HTTP ${status}: ${said.slice(0, 300)}`
}

/** What comes until the end; nothing is read of it by who does not read. */
function told(socket: Socket, reads: boolean): Promise<string> {
  let said = ''
  if (!reads) socket.pause()
  else socket.on('data', (bytes) => said.length < 2000 && (said += bytes.toString('latin1')))
  return new Promise((resolve) => socket.once('close', () => resolve(said)))
}

async function websocket(port: number, isBinary: boolean, message: Buffer, reads: boolean): Promise<Fate> {
  const socket = await raw(port, isBinary ? 'Sec-WebSocket-Protocol: bytes\r\n' : '').catch(() => undefined)
  if (socket === undefined) return 'not let in'
  socket.write(frame(isBinary ? 2 : 1, '', { claim: message.length }))
  socket.write(message)
  if (!reads) return told(socket, false)
  let said = Buffer.alloc(0)
  return new Promise((resolve) => {
    const look = (): void => {
      const opcode = said[0]! & 15
      const code = opcode === 8 && said.length >= 4 ? said.readUInt16BE(2) : undefined
      socket.destroy()
      resolve(
        code === undefined ? (opcode === 1 || opcode === 2 ? 'answered' : `closed after ${said.length} bytes`) : code === 1013 ? 'busy' : `closed with ${code}`,
      )
    }
    socket.on('data', (bytes) => {
      said = Buffer.concat([said, bytes])
      // Pings and pongs are not meant.
      while (said.length >= 2 && (said[0]! & 15) > 8) said = said.subarray(2)
      if (said.length >= 4) look()
    })
    socket.on('close', look)
    socket.resume()
  })
}

function grpc(port: number, method: string, message: Buffer, reads: boolean): Promise<Fate> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  return new Promise((resolve) => {
    const stream = session.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' })
    let fate: Fate = 'no status'
    const status = (headers: Record<string, unknown>): void => {
      const code = headers['grpc-status']
      if (code !== undefined)
        fate =
          code === '0' ? 'answered' : code === '8' && /maxBytesInFlight/.test(String(headers['grpc-message'])) ? 'busy' : `${code}: ${headers['grpc-message']}`
    }
    stream
      .on('response', status)
      .on('trailers', status)
      .on('error', () => {})
    stream.on('close', () => {
      session.destroy()
      resolve(stream.rstCode === 11 ? 'busy' : fate)
    })
    session.on('close', () => resolve(fate))
    if (reads) stream.resume()
    stream.end(message)
  })
}

export interface Way {
  /** One that sends so many bytes, and reads what is answered. */
  send(port: number): Promise<Fate>
  /** One that asks for much and does not read it. */
  ask(port: number): Promise<Fate>
}

/** All ways in, for requests of so many bytes. */
export function ways(bytes: number): Record<string, Way> {
  const sent = { json: json('/in', bytes), lines: lines(bytes), proto: proto('/in', bytes), graphql: graphql('/in', bytes) }
  const asked = { json: json('/big', 0), lines: lines(0), proto: proto('/big', 0), graphql: graphql('/big', 0) }
  const ndjson = 'application/x-ndjson'
  const plain = 'application/json'
  const over =
    (path: string, type: string, isChunked: boolean, kind: 'json' | 'graphql') =>
    (body: typeof sent, reads: boolean) =>
    (port: number): Promise<Fate> =>
      http(port, path, type, body[kind], isChunked, reads)
  const way = (make: (body: typeof sent, reads: boolean) => (port: number) => Promise<Fate>): Way => ({ send: make(sent, true), ask: make(asked, false) })
  const upload = (isChunked: boolean): Way => ({
    send: (port) => http(port, '/post?execEndpoint=/in', ndjson, sent.lines, isChunked, true),
    ask: (port) => http(port, '/post?execEndpoint=/big', ndjson, asked.lines, isChunked, false),
  })
  return {
    'http json': way(over('/post', plain, false, 'json')),
    'http json, chunked': way(over('/post', plain, true, 'json')),
    'http ndjson': upload(false),
    'http ndjson, chunked': upload(true),
    graphql: way(over('/graphql', plain, false, 'graphql')),
    'graphql, chunked': way(over('/graphql', plain, true, 'graphql')),
    'websocket json': way((body, reads) => (port) => websocket(port, false, body.json, reads)),
    'websocket bytes': way((body, reads) => (port) => websocket(port, true, body.proto, reads)),
    'grpc unary': way((body, reads) => (port) => grpc(port, METHODS.single, prefixed(body.proto), reads)),
    'grpc stream': way((body, reads) => (port) => grpc(port, METHODS.call, prefixed(body.proto), reads)),
  }
}

/** What posts of a Client share, by hand. */
export interface Shared {
  send(id: string, endpoint: string, bytes: number): void
  /** The next answers, by id: so many. */
  answers(count: number): Promise<Record<string, Message>>
  close(): void
}

function shared(write: (message: Buffer) => void, close: () => void): Shared & { hear(message: Uint8Array): void } {
  let come: Record<string, Message> = {}
  let heard = (): void => {}
  return {
    send: (id, endpoint, bytes) => write(proto(endpoint, bytes, id)),
    hear(bytes) {
      const message = decodeMessage(bytes)
      if (message.requestId !== '') come[message.requestId] = message
      heard()
    },
    async answers(count) {
      while (Object.keys(come).length < count)
        await new Promise<void>((resolve) => {
          heard = resolve
        })
      const all = come
      come = {}
      return all
    },
    close,
  }
}

/** Hears messages, each of which has a header before it. */
function hearing(header: number, length: (bytes: Buffer) => { readonly header: number; readonly length: number }, hear: (message: Uint8Array) => void) {
  let here = Buffer.alloc(0)
  return (chunk: Buffer): void => {
    here = Buffer.concat([here, chunk])
    while (here.length >= header) {
      const next = length(here)
      if (here.length < next.header + next.length) return
      if (next.length > 0) hear(Buffer.from(here.subarray(next.header, next.header + next.length)))
      here = here.subarray(next.header + next.length)
    }
  }
}

/** Streams as Clients share them that know of none for large requests. */
export const sharing: Record<'grpc' | 'websocket', (port: number) => Promise<Shared>> = {
  async grpc(port) {
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    const about = { [METADATA.shared]: '1', [METADATA.partial]: '1', [METADATA.window]: '16' }
    const stream = session.request({ ':method': 'POST', ':path': METHODS.call, 'content-type': 'application/grpc', te: 'trailers', ...about })
    stream.on('error', () => {})
    const it = shared(
      (message) => stream.write(prefixed(message)),
      () => session.destroy(),
    )
    stream.on(
      'data',
      hearing(5, (bytes) => ({ header: 5, length: bytes.readUInt32BE(1) }), it.hear),
    )
    return it
  },
  async websocket(port) {
    const socket = await raw(port, 'Sec-WebSocket-Protocol: bytes\r\n', '/?partial=1&window=16')
    const it = shared(
      (message) => socket.write(frame(2, message)),
      () => socket.destroy(),
    )
    const length = (bytes: Buffer) => {
      const said = bytes[1]! & 127
      if (said < 126) return { header: 2, length: (bytes[0]! & 15) < 8 ? said : 0 }
      return said === 126 ? { header: 4, length: bytes.readUInt16BE(2) } : { header: 10, length: Number(bytes.readBigUInt64BE(2)) }
    }
    socket.on('data', hearing(4, length, it.hear))
    socket.resume()
    return it
  },
}
