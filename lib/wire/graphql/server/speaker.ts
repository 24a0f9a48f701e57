import type { IncomingMessage, ServerResponse } from 'node:http'
import { DEFAULT_PREFETCH } from '../../../post/options.js'
import type { Handler } from '../../../request/handler.js'
import { Deadlines } from '../../../stream/deadlines.js'
import { Register } from '../../../stream/register.js'
import { ignore } from '../../../stream/thenable.js'
import type { Authenticator } from '../../authentication.js'
import { Cors } from '../../cors.js'
import { BODY_TIMEOUT } from '../../defaults.js'
import { Drain } from '../../drain.js'
import { namesSeveralHosts } from '../../hosts.js'
import { isTooFarAhead } from '../../http/server/pipelining.js'
import type { HttpTaken } from '../../http/server/speaker.js'
import { againHeaders, whenAgain } from '../../retry-after.js'
import type { Speaker } from '../../speaker.js'
import type { GraphQLOptions, PageBeside } from '../options.js'
import { STATUS } from '../status.js'
import { type GraphQLHandler, graphQLBehind, typed } from './fetch.js'

/** What the server's end is told. */
export interface GraphQLSpeakerOptions extends GraphQLOptions {
  /** Milliseconds in which a body must be here. Default 60 000; 0 for ever. */
  bodyTimeout?: number | undefined
  /** Others of the same server, to which its page leads. Default: none. */
  pages?: readonly PageBeside[] | undefined
}

/**
 * Answers GraphQL over HTTP, at its path and below.
 * @param authenticator who decides who comes in, for other wires as well
 * @throws OptionTypeError, OptionRangeError that name the option
 */
export async function speak(
  handler: Handler,
  { bodyTimeout, pages, ...options }: GraphQLSpeakerOptions,
  authenticator: Authenticator,
): Promise<Speaker<HttpTaken>> {
  await typed()
  return new GraphQLSpeaker(graphQLBehind(handler, options, authenticator, pages), { ...options, bodyTimeout })
}

class GraphQLSpeaker implements Speaker<HttpTaken> {
  readonly #handler: GraphQLHandler
  /** The start of all paths below its own. */
  readonly #below: string
  readonly #cors: Cors | undefined
  /** Of bodies. */
  readonly #deadlines: Deadlines
  /** The most requests of one connection. */
  readonly #prefetch: number
  readonly #onError: (error: Error) => void
  readonly #drain = new Drain()
  /** Answers that have not ended. */
  readonly #open = new Register<ServerResponse>()

  constructor(handler: GraphQLHandler, { cors, bodyTimeout = BODY_TIMEOUT, prefetch = DEFAULT_PREFETCH, onError = ignore }: GraphQLSpeakerOptions) {
    this.#handler = handler
    this.#below = `${handler.path.replace(/\/$/, '')}/`
    this.#cors = cors ? new Cors(cors) : undefined
    this.#deadlines = new Deadlines(bodyTimeout)
    this.#prefetch = prefetch === 0 ? Infinity : prefetch
    this.#onError = onError
    this.#drain.onUnready(() => {
      for (const response of this.#open) last(response)
    })
  }

  /** @returns whether the path is GraphQL's */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    // HTTP refuses who names several.
    if (!this.#hasPath(request) || namesSeveralHosts(request)) return false
    // Without a listener, what a connection dies of would end the process.
    request.on('error', ignore)
    response.on('error', ignore)
    if (isTooFarAhead(request.socket, response, this.#prefetch)) this.#refuse(request, response, STATUS.tooMany, 'Too many requests ahead on one connection')
    else if (this.#drain.draining) this.#refuse(request, response, STATUS.closing, 'Shutting down: ask again, or ask another instance')
    else this.#answer(request, response)
    return true
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const inTime = this.#endLate(request)
    const leave = this.#drain.enter(() => response.destroy())
    const leaveOpen = this.#open.enter(response)
    if (!this.#drain.ready) last(response)
    response.on('close', () => {
      leaveOpen()
      leave()
      inTime()
    })
    this.#handler(request, response).catch((error) => {
      this.#onError(error)
      response.destroy()
    })
  }

  /** Hangs up on who does not send a body in time. @returns for when nothing waits for it any more: of a body that is cut off behind its answer, the request never hears */
  #endLate(request: IncomingMessage): () => void {
    if (request.complete) return ignore
    const deadline = this.#deadlines.set(() => request.complete || request.socket.destroy())
    const over = (): void => this.#deadlines.clear(deadline)
    request.on('end', over).on('close', over)
    return over
  }

  #hasPath({ url = '/' }: IncomingMessage): boolean {
    const { path } = this.#handler
    if (url === path) return true
    const mark = url.indexOf('?')
    const asked = mark === -1 ? url : url.slice(0, mark)
    return asked === path || asked.startsWith(this.#below)
  }

  #refuse({ headers }: IncomingMessage, response: ServerResponse, { status, code }: { status: number; code: string }, message: string): void {
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      connection: 'close',
      ...againHeaders(whenAgain('closing')),
      ...this.#cors?.granted(headers.origin),
    })
    response.end(JSON.stringify({ errors: [{ message, extensions: { code } }] }))
  }

  unready(): void {
    this.#drain.unready()
  }

  drain(time: number): Promise<void> {
    return this.#drain.drain(time)
  }

  async close(): Promise<void> {
    this.#deadlines.close()
    this.#drain.close()
  }
}

/** Whoever asks on after this would be cut off. */
function last(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}
