// HTTP/2 by hand: frames that no library would write.
import { connect, type Socket } from 'node:net'

export const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const
export const FLAG = { ack: 1, endStream: 1, endHeaders: 4 } as const

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header as HPACK writes it without tables: name and value with their lengths. */
export function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  const length: number[] = []
  let rest = bytes.length - 127
  if (rest < 0) length.push(bytes.length)
  else {
    length.push(127)
    for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128)
    length.push(rest)
  }
  return Buffer.concat([Buffer.from(length), bytes])
}

/** What a call begins with. */
export function call(path: string, type = 'application/grpc'): Buffer {
  const fields = { ':method': 'POST', ':scheme': 'http', ':path': path, ':authority': 'localhost', 'content-type': type, te: 'trailers' }
  return Buffer.concat(Object.entries(fields).map(([name, value]) => field(name, value)))
}

/** A connection that says what it is told to, and notes what it hears. */
export class Wire {
  readonly socket: Socket
  readonly closed: Promise<void>
  /** How many frames of each type came, by type. */
  readonly heard = new Map<number, number>()
  /** The code of the last GOAWAY. */
  goaway: number | undefined
  #rest = Buffer.alloc(0)

  constructor(port: number, preface = true) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('error', () => {})
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
    if (preface) this.say('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', frame(TYPE.settings, 0, 0))
  }

  say(...parts: (Uint8Array | string)[]): this {
    for (const part of parts) this.socket.write(part)
    return this
  }

  /** Writes one chunk after the other, no faster than they are read. @returns how many, until the other side closed */
  async pour(chunks: Iterable<Uint8Array>): Promise<number> {
    let poured = 0
    for (const chunk of chunks) {
      if (this.socket.destroyed) break
      poured++
      if (!this.socket.write(chunk)) await Promise.race([this.closed, new Promise((resolve) => this.socket.once('drain', resolve))])
    }
    return poured
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    for (;;) {
      if (this.#rest.length < 9) return
      const length = this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < 9 + length) return
      const type = this.#rest[3]!
      this.heard.set(type, (this.heard.get(type) ?? 0) + 1)
      if (type === TYPE.goaway) this.goaway = this.#rest.readUInt32BE(13)
      this.#rest = this.#rest.subarray(9 + length)
    }
  }
}
