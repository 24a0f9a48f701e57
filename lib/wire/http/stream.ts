import type { Message } from '../message.js'
import type { Exchange, Headers, Sink } from './exchange.js'
import { type Format, MEDIA } from './media.js'
import { answerText } from './write.js'

/** What a line or an event is about. */
type Kind = 'response' | 'partial' | 'error'

/** An answer line by line, or event by event. It begins with the first of them: until then, it can still become a refusal. */
export class Stream {
  readonly #exchange: Exchange
  readonly #format: 'ndjson' | 'sse'
  readonly #headers: Headers
  readonly #stacks: boolean
  #sink: Sink | undefined

  constructor(exchange: Exchange, format: 'ndjson' | 'sse', headers: Headers, stacks: boolean) {
    this.#exchange = exchange
    this.#format = format
    this.#headers = headers
    this.#stacks = stacks
  }

  get begun(): boolean {
    return this.#sink !== undefined
  }

  async send(message: Message): Promise<void> {
    const kind = message.ordinal !== undefined ? 'partial' : message.status?.code === 'ERROR' ? 'error' : 'response'
    await this.begin().write(framed(this.#format, kind, answerText(message, this.#stacks)))
  }

  async end(): Promise<void> {
    if (this.#format === 'sse') await this.begin().write(END)
  }

  begin(): Sink {
    this.#sink ??= this.#exchange.open(200, { ...this.#headers, ...streamHeaders(this.#format) })
    return this.#sink
  }
}

/** Answers come as they are made: nobody in between shall keep them back. */
export function streamHeaders(format: Format): Headers {
  return { 'content-type': MEDIA[format], 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
}

const END = 'event: end\ndata: {}\n\n'

function framed(format: 'ndjson' | 'sse', kind: Kind, text: string): string {
  return format === 'ndjson' ? `${text}\n` : `event: ${kind}\ndata: ${text}\n\n`
}

/** The only answer to a request, in the format it was asked for. */
export function whole(format: Format, message: Message, stacks: boolean): string {
  const text = answerText(message, stacks)
  if (format === 'json') return text
  const kind = message.status?.code === 'ERROR' ? 'error' : 'response'
  return format === 'ndjson' ? `${text}\n` : framed('sse', kind, text) + END
}
