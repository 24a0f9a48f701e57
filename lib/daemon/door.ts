import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import { isError, say } from '../base/errors.js'
import type { Granted } from '../place/daemon-protocol.js'
import { ignore } from '../stream/thenable.js'
import { type Authenticator, CHALLENGE, type Denial } from '../wire/authentication.js'
import { NodeCaller } from '../wire/caller.js'
import { namesSeveralHosts } from '../wire/hosts.js'
import { collect, decode } from '../wire/http/body.js'
import { HttpRefusal } from '../wire/http/refusal.js'
import { statusFor } from '../wire/http/status.js'
import { endSoon, leaveUnread } from '../wire/http/unread.js'
import { type Kind, Refusal } from '../wire/outcome.js'
import type { Speaker } from '../wire/speaker.js'
import type { Entry } from './entry.js'
import type { Strangers } from './strangers.js'
import { isId, sentOf } from './wanted.js'

/** Bytes of what is said of an executor. */
const MAX_WANTED = 64 << 10
/** Milliseconds that somebody has to read why he is refused. */
const GOODBYE = 500
/** Milliseconds of silence after which TCP asks whether somebody is there. */
const KEEPALIVE = 10_000

/** What those want who were let in. */
export interface Desk {
  /** As JSON has it. */
  readonly status: object
  /** Begins an executor, whose files come next. @throws Refusal */
  grant(id: string, said: unknown): Promise<Granted>
  /** @throws Refusal */
  find(id: string): Entry
  /** One that can be connected to. @throws Refusal */
  findReady(id: string): Entry
  finish(id: string): Promise<void>
}

const noDrain = { unready() {}, drain: async () => {}, close: async () => {} }

/** Who comes in, and what they get. Nobody's body is read before. */
export class Door {
  /** Whom they come to: nobody, while it is just starting. */
  desk: Desk | undefined
  readonly #authenticator: Authenticator
  readonly #sockets: WebSocketServer
  readonly #strangers: Strangers
  readonly #onError: (error: Error) => void

  constructor(authenticator: Authenticator, sockets: WebSocketServer, strangers: Strangers, onError: (error: Error) => void) {
    this.#authenticator = authenticator
    this.#sockets = sockets
    this.#strangers = strangers
    this.#onError = onError
  }

  readonly requests: Speaker<[IncomingMessage, ServerResponse]> = {
    ...noDrain,
    take: (request, response) => {
      request.on('error', ignore)
      response.on('error', ignore)
      void this.#answer(request, response)
      return true
    },
  }

  readonly upgrades: Speaker<[IncomingMessage, Duplex, Buffer]> = {
    ...noDrain,
    take: (request, stream, head) => {
      stream.on('error', ignore)
      void this.#connect(request, stream as Socket, head)
      return true
    },
  }

  async #denied(request: IncomingMessage): Promise<Denial | undefined> {
    const { denied } = await this.#authenticator.admit(new NodeCaller(request, 'http'), undefined, { runs: true })
    if (denied === undefined) this.#strangers.known(request.socket)
    return denied
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = (status: number, value: unknown, headers: Record<string, string> = {}): void => {
      if (!request.complete) response.setHeader('connection', 'close')
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
    }
    try {
      const denied = namesSeveralHosts(request) ? ONE_HOST : await this.#denied(request)
      if (denied !== undefined) {
        leaveUnread(request)
        reply(statusFor(denied.kind), { detail: denied.reason }, denied.kind === 'unauthenticated' ? CHALLENGE : {})
      } else reply(200, await this.#run(request, response))
    } catch (error) {
      const { kind, reason } = this.#refusalOf(error)
      leaveUnread(request)
      if (!response.headersSent) reply(statusFor(kind), { detail: reason })
    }
    if (!request.complete && !request.destroyed) endSoon(request)
  }

  async #run(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const { method, url = '/' } = request
    const [path] = url.split('?', 1) as [string]
    const [, room, id = '', what, ...rest] = path.split('/')
    const { desk } = this
    if (desk === undefined) throw new Refusal('closing', 'It is just starting')
    if (method === 'GET' && path === '/status') return desk.status
    if (method !== 'POST' || room !== 'executors' || !isId(id)) throw NOTHING
    if (request.headers.expect !== undefined) response.writeContinue()
    if (what === undefined) return desk.grant(id, await jsonOf(request))
    if (what === 'end' && rest.length === 0) return (await desk.finish(id)) ?? {}
    if (what === 'ready' && rest.length === 0) {
      const sent = sentOf(await jsonOf(request))
      await desk.find(id).ready(sent)
      return {}
    }
    if (what !== 'files' || rest.length === 0) throw NOTHING
    await desk.find(id).take(decoded(rest), request)
    return {}
  }

  async #connect(request: IncomingMessage, stream: Socket, head: Buffer): Promise<void> {
    try {
      const denied = namesSeveralHosts(request) ? ONE_HOST : await this.#denied(request)
      if (denied !== undefined) return turnAway(stream, denied.kind, denied.reason)
      const [, room, id = '', what, shard = '', ...rest] = (request.url ?? '').split('/')
      if (this.desk === undefined) return turnAway(stream, 'closing', 'It is just starting')
      if (request.method !== 'GET' || room !== 'executors' || !isId(id) || what !== 'replicas' || !/^\d{1,4}$/.test(shard) || rest.length > 0) throw NOTHING
      const entry = this.desk.findReady(id)
      const shardId = Number(shard)
      if (shardId >= entry.wanted.replicas) throw NOTHING
      await entry.vacate(shardId)
      if (stream.destroyed) return
      // It may have ended meanwhile, and another be there by its name.
      if (this.desk.findReady(id) !== entry) throw NOTHING
      this.#sockets.handleUpgrade(request, stream, head, (socket) => {
        stream.off('error', ignore)
        // Of one that is not read for a while, nobody else finds out that its machine is gone.
        stream.setKeepAlive(true, KEEPALIVE)
        entry.attach(shardId, socket)
      })
    } catch (error) {
      const { kind, reason } = this.#refusalOf(error)
      turnAway(stream, kind, reason)
    }
  }

  #refusalOf(error: unknown): { kind: Kind; reason: string } {
    if (error instanceof Refusal) return { kind: error.kind, reason: error.message }
    if (error instanceof HttpRefusal) return { kind: error.kind, reason: 'What came is over a limit, or no text' }
    this.#onError(isError(error) ? error : new Error(say(error)))
    return { kind: 'internal', reason: say(error) }
  }
}

const NOTHING = new Refusal('unimplemented', 'Nothing is here. A daemon of sluice answers /status, and Flows with runtime: daemon')
const ONE_HOST: Denial = { kind: 'forbidden', reason: 'A request names one host' }

/** @throws Refusal for what is no JSON */
async function jsonOf(body: AsyncIterable<Uint8Array>): Promise<unknown> {
  try {
    return JSON.parse(decode(await collect(body, MAX_WANTED)))
  } catch (error) {
    if (error instanceof HttpRefusal) throw error
    throw new Refusal('malformed', `It is not JSON: ${say(error)}`)
  }
}

/** @throws Refusal for what is no text */
function decoded(parts: readonly string[]): string {
  try {
    // Of each by itself: what is written as %2F is a part of a name, and none that can be.
    return parts.map((part) => decodeURIComponent(part).replaceAll('/', '\0')).join('/')
  } catch {
    throw new Refusal('malformed', 'The path is no text')
  }
}

function turnAway(stream: Socket, kind: Kind, reason: string): void {
  if (stream.destroyed) return
  const text = JSON.stringify({ detail: reason })
  const status = statusFor(kind)
  const challenge = kind === 'unauthenticated' ? `WWW-Authenticate: ${CHALLENGE['www-authenticate']}\r\n` : ''
  stream.end(
    `HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Type: application/json\r\n${challenge}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
  stream.resume()
  stream.setTimeout(GOODBYE, () => stream.destroy())
}
