// Clients that cost as little as they can: what they send is prepared, and of what comes back they only see where it ends. A client of a
// library would need more time than most servers here, and be what is measured.
import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'

/** How long each request took, in milliseconds, and how long all of them. */
export interface Load {
  readonly latencies: readonly number[]
  readonly wall: number
}

export interface Driver {
  /** Keeps requests in flight for so many milliseconds, and resolves when all are answered. */
  run(milliseconds: number): Promise<Load>
  close(): void
}

/** Tells how long a message is, head included, that begins at a position; nothing while its head is not whole. */
type Measure = (bytes: Buffer, at: number) => number | undefined

/** Sends one request for each answer, so that `depth` are in flight, until it is time. */
class Lane {
  readonly latencies: number[] = []
  readonly done: Promise<void>
  readonly #send: () => void
  readonly #times: Float64Array
  readonly #until: number
  #sent = 0
  #finish!: () => void

  constructor(send: () => void, depth: number, until: number) {
    this.#send = send
    this.#times = new Float64Array(depth)
    this.#until = until
    this.done = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  start(): void {
    for (let i = 0; i < this.#times.length; i++) this.#next(performance.now())
  }

  /** Answers are taken for those of the oldest requests. */
  answered(): void {
    const now = performance.now()
    this.latencies.push(now - this.#times[this.latencies.length % this.#times.length]!)
    if (now < this.#until) this.#next(now)
    else if (this.latencies.length === this.#sent) this.#finish()
  }

  #next(now: number): void {
    this.#times[this.#sent++ % this.#times.length] = now
    this.#send()
  }
}

/** Calls back for each answer in what comes. `least` is what a whole answer has: errors are shorter. */
function cut(measure: Measure, least: number, answered: () => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined
  let left = 0
  let counts = false
  return (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
    rest = undefined
    let at = 0
    while (at < bytes.length) {
      if (left === 0) {
        const size = measure(bytes, at)
        if (size === undefined) {
          rest = bytes.subarray(at)
          return
        }
        left = size
        counts = size >= least
        // A ping of a WebSocket.
        if (!counts && size > 2) throw new Error(`An answer is too short: ${bytes.subarray(at, at + 500)}`)
      }
      const taken = Math.min(left, bytes.length - at)
      left -= taken
      at += taken
      if (left === 0 && counts) answered()
    }
  }
}

async function run(lanes: readonly Lane[], start: number): Promise<Load> {
  for (const lane of lanes) lane.start()
  await Promise.all(lanes.map(({ done }) => done))
  return { latencies: lanes.flatMap(({ latencies }) => latencies), wall: performance.now() - start }
}

// ── sockets ──────────────────────────────────────────────────────────────────────────────────────────────

async function open(address: string): Promise<Socket> {
  const { hostname, port } = new URL(address)
  const socket = connectSocket({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  return socket
}

function driver(sockets: readonly Socket[], depth: number, request: Buffer, measure: Measure, least: number): Driver {
  return {
    run(milliseconds) {
      const start = performance.now()
      const lanes = sockets.map((socket) => {
        const lane = new Lane(() => socket.write(request), depth, start + milliseconds)
        const take = cut(measure, least, () => lane.answered())
        socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
          socket.cork()
          take(chunk)
          socket.uncork()
        })
        return lane
      })
      return run(lanes, start)
    },
    close() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

const HEAD_END = Buffer.from('\r\n\r\n')

const measureHttp: Measure = (bytes, at) => {
  const end = bytes.indexOf(HEAD_END, at)
  if (end === -1) return undefined
  const head = bytes.toString('latin1', at, end)
  const [, length] = /\r\ncontent-length: (\d+)/i.exec(head) ?? []
  if (!head.startsWith('HTTP/1.1 200 ') || length === undefined) throw new Error(`No answer: ${head}`)
  return end + 4 - at + Number(length)
}

/**
 * HTTP: as many connections as requests in flight.
 * @param path what is asked for
 * @param least how long an answer is at least. Default: as what is sent
 */
export async function http(address: string, inFlight: number, body: string, path = '/post', least = Buffer.byteLength(body)): Promise<Driver> {
  const { host } = new URL(address)
  const length = Buffer.byteLength(body)
  const head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\naccept: application/json\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
  const sockets = await Promise.all(Array.from({ length: inFlight }, () => open(address)))
  return driver(sockets, 1, Buffer.from(head + body), measureHttp, least)
}

const measureFrame: Measure = (bytes, at) => {
  if (bytes.length < at + 2) return undefined
  const opcode = bytes[at]! & 0x0f
  if (opcode === 8) throw new Error(`Closed: ${bytes.subarray(at + 4)}`)
  const short = bytes[at + 1]!
  if (short < 126) return 2 + short
  if (bytes.length < at + (short === 126 ? 4 : 10)) return undefined
  return short === 126 ? 4 + bytes.readUInt16BE(at + 2) : 10 + Number(bytes.readBigUInt64BE(at + 2))
}

/** A frame of a client. Its mask is of zeros, which need not be worked in; the server does not look. */
function frame(payload: Buffer, opcode: number): Buffer {
  const { length } = payload
  const head = Buffer.alloc(14)
  head[0] = 0x80 | opcode
  let size = 2
  if (length < 126) head[1] = 0x80 | length
  else if (length < 65_536) {
    head[1] = 0x80 | 126
    size = head.writeUInt16BE(length, 2)
  } else {
    head[1] = 0x80 | 127
    size = head.writeBigUInt64BE(BigInt(length), 2)
  }
  return Buffer.concat([head.subarray(0, size + 4), payload])
}

/** WebSocket: one connection. Texts are JSON, bytes go as the subprotocol `bytes`. */
export async function websocket(address: string, inFlight: number, payload: string | Uint8Array): Promise<Driver> {
  const socket = await open(address.replace('ws:', 'http:'))
  const protocol = typeof payload === 'string' ? 'json' : 'bytes'
  const offered = protocol === 'bytes' ? 'sec-websocket-protocol: bytes\r\n' : ''
  socket.write(
    `GET / HTTP/1.1\r\nhost: ${new URL(address).host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${offered}\r\n`,
  )
  const [answer] = await once(socket, 'data')
  if (!String(answer).startsWith('HTTP/1.1 101 ')) throw new Error(`No WebSocket: ${answer}`)
  const bytes = Buffer.from(payload as Uint8Array)
  return driver([socket], inFlight, frame(bytes, protocol === 'json' ? 1 : 2), measureFrame, bytes.length)
}

// ── gRPC ─────────────────────────────────────────────────────────────────────────────────────────────────

const WINDOW = 64 * 1024 * 1024

const measureMessage: Measure = (bytes, at) => (bytes.length < at + 5 ? undefined : 5 + bytes.readUInt32BE(at + 1))

async function session(address: string): Promise<ClientHttp2Session> {
  const session = connectHttp2(address.replace('grpc:', 'http:'), { settings: { initialWindowSize: WINDOW, enablePush: false } })
  await once(session, 'remoteSettings')
  session.setLocalWindowSize(WINDOW)
  return session
}

function call(session: ClientHttp2Session, path: string, take: (chunk: Buffer) => void) {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' })
  let status: unknown
  stream.on('data', take)
  stream.on('response', (headers) => (status ??= headers['grpc-status']))
  stream.on('trailers', (headers) => (status ??= headers['grpc-status']))
  stream.on('end', () => {
    if (Number(status) !== 0) throw new Error(`${path} ended with the status ${status}`)
  })
  return stream
}

/** gRPC: one stream of requests, or a call for each. */
export async function grpc(address: string, inFlight: number, message: Uint8Array, way: 'stream' | 'unary'): Promise<Driver> {
  const connection = await session(address)
  const request = Buffer.alloc(5 + message.length)
  request.writeUInt32BE(message.length, 1)
  request.set(message, 5)
  return {
    async run(milliseconds) {
      const start = performance.now()
      if (way === 'stream') {
        const lane: Lane = new Lane(() => stream.write(request), inFlight, start + milliseconds)
        const stream = call(
          connection,
          '/jina.JinaRPC/Call',
          cut(measureMessage, message.length, () => lane.answered()),
        )
        const load = await run([lane], start)
        stream.end()
        await once(stream, 'close')
        return load
      }
      const lanes = Array.from({ length: inFlight }, () => {
        const lane: Lane = new Lane(send, 1, start + milliseconds)
        function send(): void {
          const take = cut(measureMessage, message.length, () => {})
          call(connection, '/jina.JinaSingleDataRequestRPC/process_single_data', take)
            .on('close', () => lane.answered())
            .end(request)
        }
        return lane
      })
      return run(lanes, start)
    },
    close: () => connection.destroy(),
  }
}
