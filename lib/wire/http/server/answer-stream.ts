import { publishBytes } from '../../../base/events.js'
import { ignore } from '../../../stream/thenable.js'
import type { Message } from '../../message.js'
import { type Format, MEDIA } from '../media.js'
import type { Settings } from '../options.js'
import { type Answered, answered } from '../write.js'
import type { Exchange, Headers, Sink } from './exchange.js'
import { Heartbeat } from './heartbeat.js'

/** What a line or an event is about. */
type Kind = 'response' | 'partial' | 'delta' | 'error'

/** An answer line by line, or event by event. It begins with the first of them: until then, it can still become a refusal. */
export class Stream {
  readonly #exchange: Exchange
  readonly #format: 'ndjson' | 'sse'
  readonly #headers: Headers
  readonly #stacks: boolean
  readonly #report: (error: Error) => void
  readonly #heartbeat: Heartbeat
  #sink: Sink | undefined
  /** Texts that take several turns to write, and those behind them: branches and replicas hand on their pieces side by side. */
  #writing: Promise<unknown> | undefined

  constructor(exchange: Exchange, format: 'ndjson' | 'sse', headers: Headers, { exposeStacks, onError, heartbeat }: Settings) {
    this.#exchange = exchange
    this.#format = format
    this.#headers = headers
    this.#stacks = exposeStacks
    this.#report = onError
    // A comment of events and a blank line mean nothing to who reads them.
    this.#heartbeat = new Heartbeat(exchange, heartbeat, () => this.begin().write(format === 'sse' ? ':\n\n' : '\n'))
  }

  /** Nothing is said any more. */
  close(): void {
    this.#heartbeat.close()
  }

  get begun(): boolean {
    return this.#sink !== undefined
  }

  /** @throws what says why a partial answer cannot be written */
  write(message: Message): Answered | Promise<Answered> {
    return answered(message, this.#stacks, this.#report)
  }

  /**
   * @param said where it is written already
   * @param given told how long it is, once it is the platform's and charged as what waits for its client: who does not read is not waited for
   */
  async send(message: Message, said = this.write(message), given?: (length: number) => void): Promise<void> {
    const { text, failed } = await this.#inOrder(said)
    const kind = failed ? 'error' : message.deltas !== undefined ? 'delta' : message.ordinal !== undefined ? 'partial' : 'response'
    publishBytes('server', 'sent', 'http', text)
    const taken = this.begin().write(framed(this.#format, kind, text))
    given?.(text.length)
    await taken
  }

  #inOrder(next: Answered | Promise<Answered>): Answered | Promise<Answered> {
    if (!(next instanceof Promise) && this.#writing === undefined) return next
    const take = (): Answered | Promise<Answered> => next
    // What cannot be written is told to who sends it, and holds up nobody.
    if (next instanceof Promise) next.catch(ignore)
    const turn = (this.#writing ?? Promise.resolve()).then(take, take)
    this.#writing = turn
    const done = (): void => {
      if (this.#writing === turn) this.#writing = undefined
    }
    turn.then(done, done)
    return turn
  }

  async end(): Promise<void> {
    if (this.#format === 'sse') await this.begin().write(END)
  }

  begin(): Sink {
    this.#sink ??= this.#exchange.open(200, Object.assign({}, this.#headers, streamHeaders(this.#format)))
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
export function whole(format: Format, message: Message, { exposeStacks, onError }: Settings): string | Promise<string> {
  const said = answered(message, exposeStacks, onError)
  return said instanceof Promise ? said.then((said) => alone(format, said)) : alone(format, said)
}

function alone(format: Format, { text, failed }: Answered): string {
  if (format === 'json') return text
  const kind = failed ? 'error' : 'response'
  return format === 'ndjson' ? `${text}\n` : framed('sse', kind, text) + END
}
