import type { IncomingMessage, ServerResponse } from 'node:http'
import { ConnectionError } from '../../../base/errors.js'
import { node } from '../../../base/node.js'
import type { Handler } from '../../../request/handler.js'
import { Deadlines } from '../../../stream/deadlines.js'
import { ignore } from '../../../stream/thenable.js'
import type { Authenticator } from '../../authentication.js'
import { bytesOf } from '../../charge.js'
import { BODY_TIMEOUT } from '../../defaults.js'
import { Drain } from '../../drain.js'
import { namesSeveralHosts } from '../../hosts.js'
import { againHeaders, whenAgain } from '../../retry-after.js'
import type { Speaker } from '../../speaker.js'
import { type HttpSpeakerOptions, type Settings, settings } from '../options.js'
import { STATUS } from '../status.js'
import { endSoon, leaveUnread } from '../unread.js'
import { type Around, NodeExchange } from './node-exchange.js'
import { write } from './node-reply.js'
import { isTooFarAhead } from './pipelining.js'
import { openapi, Router } from './router.js'

/** What a server of Node hands over, for `checkContinue` too. */
export type HttpTaken = [request: IncomingMessage, response: ServerResponse]

/**
 * Answers over HTTP: see `createHttp` for what it offers.
 * @param authenticator who decides who comes in, for other wires as well
 */
export async function speak(handler: Handler, options: HttpSpeakerOptions, authenticator: Authenticator): Promise<Speaker<HttpTaken>> {
  const { bodyTimeout = BODY_TIMEOUT } = options
  const all = settings(options)
  await openapi()
  return new HttpSpeaker(handler, all, authenticator, {
    zlib: await node('zlib'),
    deadlines: new Deadlines(bodyTimeout),
    compression: all.compression,
    bytes: bytesOf(handler),
  })
}

class HttpSpeaker implements Speaker<HttpTaken> {
  readonly #router: Router
  readonly #settings: Settings
  readonly #around: Around
  readonly #drain = new Drain()

  constructor(handler: Handler, settings: Settings, authenticator: Authenticator, around: Around) {
    this.#router = new Router(handler, settings, authenticator, this.#drain)
    this.#settings = settings
    this.#around = around
  }

  take(req: IncomingMessage, res: ServerResponse): boolean {
    // Without a listener, what a connection dies of would end the process.
    res.on('error', ignore)
    req.on('error', ignore)
    if (namesSeveralHosts(req)) refuse(res, STATUS.malformed, 'A request names one host')
    else if (isTooFarAhead(req.socket, res, this.#settings.prefetch))
      refuse(res, STATUS.tooMany, 'Too many requests ahead on one connection', againHeaders(whenAgain('tooMany')))
    else {
      const exchange = new NodeExchange(req, res, this.#around)
      const leave = this.#drain.enter(() => exchange.scope.abort(new ConnectionError('ERR_DISCONNECTED', 'http', 'the server closes')))
      res.on('close', leave)
      void this.#answer(exchange, req, res)
    }
    return true
  }

  async #answer(exchange: NodeExchange, req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const reply = await this.#router.answer(exchange)
      if (reply?.unread) leaveUnread(req)
      // Whoever asks on after this would be cut off.
      if (reply !== undefined && !this.#drain.ready) reply.headers.connection = 'close'
      if (reply === undefined) exchange.finish?.()
      else if (!exchange.scope.aborted || !res.destroyed)
        write(res, reply, req.headers['accept-encoding'], req.method === 'HEAD', this.#settings.compression, this.#around.zlib, exchange.wrote)
    } catch (error) {
      // Nobody is left to tell, but for the one who runs the server.
      if (!exchange.scope.aborted) this.#settings.onError(error as Error)
      res.destroy()
    }
    if (!req.complete && !req.destroyed) endSoon(req)
  }

  unready(): void {
    this.#drain.unready()
  }

  drain(time: number): Promise<void> {
    return this.#drain.drain(time)
  }

  async close(): Promise<void> {
    this.#around.deadlines.close()
    this.#drain.close()
  }
}

function refuse(res: ServerResponse, status: number, detail: string, headers: Record<string, string> = {}): void {
  res.writeHead(status, { 'content-type': 'application/json', connection: 'close', ...headers }).end(JSON.stringify({ detail }))
}
