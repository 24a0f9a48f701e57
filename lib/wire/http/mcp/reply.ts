import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server'
import { publishBytes } from '../../../base/events.js'
import { streamHeaders } from '../server/answer-stream.js'
import type { Exchange, Headers, Reply, Sink } from '../server/exchange.js'
import { Heartbeat } from '../server/heartbeat.js'

/** What a client takes as an answer. */
export interface Takes {
  readonly json: boolean
  readonly events: boolean
}

/**
 * The answer to one message, as the SDK's end of a connection: JSON where nothing comes before the answer, and events where something does, or it takes long.
 * There is one for each message: what belongs to one client can get to no other.
 */
export class McpReply implements Transport {
  onclose: Transport['onclose']
  onerror: Transport['onerror']
  onmessage: Transport['onmessage']
  /** Resolves with an answer in one piece, or with nothing where it came in events, or is not to come any more. */
  readonly done: Promise<Reply | undefined>
  readonly #exchange: Exchange
  readonly #headers: Headers
  readonly #heartbeat: Heartbeat | undefined
  #sink: Sink | undefined
  #end!: (reply: Reply | undefined) => void

  /** @param heartbeat milliseconds */
  constructor(exchange: Exchange, headers: Headers, heartbeat: number, takes: Takes) {
    this.#exchange = exchange
    this.#headers = headers
    this.done = new Promise((resolve) => {
      this.#end = resolve
    })
    if (!takes.json) this.#begin()
    if (takes.events) this.#heartbeat = new Heartbeat(exchange, heartbeat, () => this.#begin().write(':\n\n'))
  }

  get begun(): boolean {
    return this.#sink !== undefined
  }

  #begin(): Sink {
    this.#sink ??= this.#exchange.open(200, { ...this.#headers, ...streamHeaders('sse') })
    return this.#sink
  }

  async start(): Promise<void> {}

  /** Resolves when the next is welcome. */
  async send(message: JSONRPCMessage): Promise<void> {
    const text = JSON.stringify(message)
    const isAnswer = !('method' in message)
    publishBytes('server', 'sent', 'http', text)
    if (isAnswer) this.#heartbeat?.close()
    if (isAnswer && !this.begun) return this.#end({ status: 200, headers: this.#headers, body: text })
    await this.#begin().write(`event: message\ndata: ${text}\n\n`)
    if (isAnswer) this.#end(undefined)
  }

  async close(): Promise<void> {
    this.#heartbeat?.close()
    this.#end(undefined)
    this.onclose?.()
  }
}
