import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { within } from './within.js'

/** A connection on which requests are written as they are, letter by letter. */
export class RawHttp {
  readonly socket: Socket
  #text = ''
  #wake: (() => void) | undefined

  constructor(port: number, isSecure = false, host = '127.0.0.1') {
    this.socket = isSecure ? connectTls({ port, host, rejectUnauthorized: false }) : connect(port, host)
    this.socket.setEncoding('latin1')
    const wake = (): void => this.#wake?.()
    this.socket.on('data', (text: string) => {
      this.#text += text
      wake()
    })
    this.socket.on('close', wake).on('error', wake)
  }

  /** Sends a request, and takes one whole answer: head and body of a `content-length`, or what came until the connection ended. */
  ask(request: string): Promise<string> {
    if (request !== '') this.socket.write(request)
    return within(5000, this.#answer())
  }

  async #answer(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf('\r\n\r\n') + 4
      const head = this.#text.slice(0, end)
      const length = /^content-length: (\d+)\r$/im.exec(head)?.[1] ?? (/^transfer-encoding: chunked\r$/im.test(head) ? undefined : end >= 4 ? '0' : undefined)
      if (length !== undefined && this.#text.length >= end + Number(length)) return this.#take(end + Number(length))
      const chunked = length === undefined && end >= 4 ? this.#text.indexOf('0\r\n\r\n', end) : -1
      if (chunked !== -1) return this.#take(chunked + 5)
      if (this.socket.destroyed) return this.#take(this.#text.length)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #take(length: number): string {
    const answer = this.#text.slice(0, length)
    this.#text = this.#text.slice(length)
    return answer
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}
