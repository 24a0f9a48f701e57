import { connect as dial, type Socket } from 'node:net'
import { type ExecutorFunction, executorOf } from '../../../lib/executor/executor.js'
import { Flow } from '../../../lib/flow/flow.js'
import type { HttpSpeakerOptions } from '../../../lib/wire/http/options.js'
import { type Listening, type Served, serveHttp as serve } from '../../support/serving.js'

/** A Flow of one executor, `echo`, behind a server. `await using` ends both. */
export async function started(
  uses: ExecutorFunction<any, any>,
  options: HttpSpeakerOptions & Listening = {},
): Promise<{ flow: Flow<any>; server: Served; url: string; port: number } & AsyncDisposable> {
  const flow = await new Flow().add({ name: 'echo', uses: executorOf(uses) as any }).open()
  const server = await serve(flow, options)
  return {
    flow,
    server,
    url: server.address,
    port: server.port,
    async [Symbol.asyncDispose]() {
      await server.close()
      await flow.close()
    },
  }
}

export const JSON_TYPE = { 'content-type': 'application/json' }
export const NDJSON_TYPE = { 'content-type': 'application/x-ndjson' }

/** POSTs a value as JSON, or a text as it is. */
export function send(url: string, body: unknown, init: { method?: string; headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<Response> {
  const { method = 'POST', headers = {}, ...rest } = init
  return fetch(url, { method, headers: { ...JSON_TYPE, ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body), ...rest })
}

/** A connection of one's own: what is said, as it is, and what comes back until the other side ends it. */
export class Raw {
  readonly socket: Socket
  received = ''
  readonly #closed: Promise<void>

  constructor(port: number) {
    this.socket = dial(port, '127.0.0.1')
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text) => {
      this.received += text
    })
    this.socket.on('error', () => {})
    this.#closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
  }

  say(text: string | Uint8Array): this {
    this.socket.write(text)
    return this
  }

  /** All that came, once the other side closed. */
  async closed(): Promise<string> {
    await this.#closed
    return this.received
  }

  /** Waits for a text. */
  async until(text: string): Promise<string> {
    while (!this.received.includes(text)) {
      if (this.socket.destroyed) throw new Error(`The connection closed before ${text} came:\n${this.received}`)
      await new Promise((resolve) => {
        this.socket.once('data', resolve)
        this.socket.once('close', resolve)
      })
    }
    return this.received
  }
}

/** The lines of a streamed answer, parsed, as they come. */
export async function* linesOf(response: Response): AsyncGenerator<any> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream() as any) as unknown as AsyncIterable<string>) {
    text += chunk
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
      const line = text.slice(0, end)
      text = text.slice(end + 1)
      yield JSON.parse(line)
    }
  }
}
