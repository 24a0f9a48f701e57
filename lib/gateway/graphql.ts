import type { IncomingMessage, ServerResponse } from 'node:http'
import { clearTimeout, setTimeout } from '../base/clock.js'
import { DEFAULT_PREFETCH } from '../post/options.js'
import type { Handler } from '../request/handler.js'
import type { Entrance } from '../wire/authentication.js'
import { Cors, type CorsOption } from '../wire/cors.js'
import type { GraphQLHandler, GraphQLOptions } from '../wire/graphql/index.js'
import { isTooFarAhead } from '../wire/http/server/pipelining.js'
import type { GatewayOptions } from './options.js'
import { given, type Speaker } from './speaker.js'

const AHEAD = { message: 'Too many requests ahead on one connection', extensions: { code: 'TOO_MANY_REQUESTS' } }
const DRAINING = { message: 'Shutting down: ask again, or ask another instance', extensions: { code: 'SERVICE_UNAVAILABLE' } }

/** GraphQL beside HTTP: counts what is under way, so that operations and subscriptions are let finish. */
export class GraphQLSpeaker implements Speaker {
  readonly #handler: GraphQLHandler
  readonly #cors: Cors | undefined
  readonly #bodyTimeout: number
  /** The most requests of one connection. */
  readonly #prefetch: number
  readonly #onError: (error: Error) => void
  readonly #active = new Set<ServerResponse>()
  #draining = false
  #empty: (() => void)[] = []

  private constructor(
    handler: GraphQLHandler,
    cors: CorsOption | undefined,
    { bodyTimeout = 60_000, prefetch = DEFAULT_PREFETCH, onError = () => {} }: GatewayOptions,
  ) {
    this.#handler = handler
    this.#cors = cors ? new Cors(cors) : undefined
    this.#bodyTimeout = bodyTimeout
    this.#prefetch = prefetch === 0 ? Infinity : prefetch
    this.#onError = onError
  }

  static async open(peer: Handler, options: GatewayOptions, entrance: Entrance): Promise<GraphQLSpeaker> {
    const { graphQLBehind } = await import('../wire/graphql/server/fetch.js')
    const all = {
      ...given({ prefetch: options.prefetch, maxDocuments: options.maxDocuments, cors: options.cors, onError: options.onError as GraphQLOptions['onError'] }),
      ...(typeof options.graphql === 'object' && options.graphql),
    }
    return new GraphQLSpeaker(graphQLBehind(peer, all, entrance), all.cors, options)
  }

  /** Whether a path is GraphQL's, with what lies below it. */
  hasPath(path: string): boolean {
    return path === this.#handler.path || path.startsWith(`${this.#handler.path.replace(/\/$/, '')}/`)
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    // Without a listener, what a connection dies of would end the process.
    request.on('error', ignore)
    response.on('error', ignore)
    if (isTooFarAhead(request.socket, response, this.#prefetch)) return this.#refuse(request, response, 429, AHEAD)
    if (this.#draining) return this.#refuse(request, response, 503, DRAINING)
    endLate(request, this.#bodyTimeout)
    this.#active.add(response)
    response.once('close', () => this.#left(response))
    this.#handler(request, response).catch((error) => {
      this.#onError(error)
      response.destroy()
    })
  }

  #refuse({ headers }: IncomingMessage, response: ServerResponse, status: 429 | 503, error: object): void {
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      connection: 'close',
      'retry-after': '1',
      ...this.#cors?.granted(headers.origin),
    })
    response.end(JSON.stringify({ errors: [error] }))
  }

  #left(response: ServerResponse): void {
    this.#active.delete(response)
    if (this.#active.size > 0) return
    for (const resolve of this.#empty) resolve()
    this.#empty = []
  }

  async drain(): Promise<void> {
    this.#draining = true
    // Whoever asks on after this would be cut off.
    for (const response of this.#active) if (!response.headersSent) response.setHeader('connection', 'close')
    if (this.#active.size > 0) await new Promise<void>((resolve) => this.#empty.push(resolve))
  }

  /** Hangs up on what is still under way, by which its executors are told. */
  close(): void {
    this.#draining = true
    for (const response of this.#active) response.destroy()
  }
}

/** Hangs up on who does not send a body in time. */
function endLate(request: IncomingMessage, time: number): void {
  if (request.complete || time === 0) return
  const timer = setTimeout(() => request.complete || request.socket.destroy(), time)
  const over = (): void => clearTimeout(timer)
  request.once('end', over).once('close', over)
}

function ignore(): void {}
