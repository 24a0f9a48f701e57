import { ConnectionError } from '../../../base/errors.js'
import type { Handler } from '../../../request/handler.js'
import { Scope } from '../../../stream/scope.js'
import { Authenticator } from '../../authentication.js'
import { FetchCaller } from '../../caller.js'
import { Drain } from '../../drain.js'
import { warmUpMeanwhile } from '../../warm-up.js'
import { collect, decode, packing } from '../body.js'
import { codingOf } from '../media.js'
import { type HttpOptions, type Settings, settingsOf } from '../options.js'
import { HttpRefusal, malformed, tooLarge, unsupported } from '../refusal.js'
import type { Exchange, Headers, Reply, Sink } from './exchange.js'
import { openapi, Router } from './router.js'

/** HTTP for any server that speaks in the platform's Request and Response. */
export interface HttpHandler {
  fetch(request: globalThis.Request): Promise<globalThis.Response>
}

/**
 * Offers a Flow, or any other peer, as Jina's gateway does over HTTP, to whatever server there is. For a server of its own, see `Gateway`.
 *
 * - `/post`, `/index`, `/search` by POST, `/update` by PUT, `/delete` by DELETE, and what `exposeEndpoints` names: JSON in Jina's
 *   shape, or NDJSON with a document on each line, which is streamed through `post()`. Answers are JSON, NDJSON or server-sent events,
 *   by `accept`.
 * - With `mcp`, endpoints as tools for agents, at `/mcp`.
 * - `/` and `/healthz` (alive), `/ready`, `/status`, `/dry_run`, `/openapi.json`, and `/docs`, a page that tries requests.
 *
 * Safe by default: only JSON bodies, which no page of another origin can send unasked; no CORS grant; limits on bodies, packed ones too;
 * no stack goes over the wire.
 *
 * @param peer opened and closed by its owner
 * @throws TypeError (`ERR_OPTION_TYPE`), RangeError (`ERR_OPTION_RANGE`) that name the option
 *
 * @example
 * Bun.serve({ fetch: createHttp(flow).fetch })
 * Deno.serve(createHttp(flow).fetch)
 */
export function createHttp(peer: Handler, options: HttpOptions = {}): HttpHandler {
  const settings = settingsOf(options)
  const router = new Router(peer, settings, new Authenticator(settings, undefined, settings.onError), new Drain())
  warmUpMeanwhile(openapi)
  return { fetch: (request) => answer(router, request, settings) }
}

/** Resolves with the head of the answer: of one piece by piece, with its first piece. */
function answer(router: Router, request: globalThis.Request, settings: Settings): Promise<globalThis.Response> {
  return new Promise((resolve, reject) => {
    const exchange = new FetchExchange(request, resolve)
    router
      .answer(exchange)
      .then(async (reply) => {
        if (reply === undefined) return exchange.end()
        exchange.done()
        resolve(await responseOf(request, reply, settings))
      })
      .catch(reject)
  })
}

async function responseOf(request: globalThis.Request, { status, headers, body }: Reply, { compression }: Settings): Promise<globalThis.Response> {
  if (request.method === 'HEAD' || status === 204) return new Response(null, { status, headers })
  if (body.length < PACK_FROM || !compression || typeof CompressionStream !== 'function') return new Response(body, { status, headers })
  const coding = codingOf(request.headers.get('accept-encoding') ?? undefined, ['gzip', 'deflate'])
  const vary = headers.vary === undefined ? 'accept-encoding' : `${headers.vary}, accept-encoding`
  if (coding === undefined) return new Response(body, { status, headers: { ...headers, vary } })
  const packed = new Blob([body]).stream().pipeThrough(new CompressionStream(coding))
  return new Response(packed, { status, headers: { ...headers, vary, 'content-encoding': coding } })
}

/** Bytes from which packing is worth its while. */
export const PACK_FROM = 1024

class FetchExchange implements Exchange {
  readonly method: string
  readonly target: string
  readonly scope = new Scope()
  readonly caller: FetchCaller
  readonly #request: globalThis.Request
  readonly #answer: (response: globalThis.Response) => void
  readonly #left: () => void
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  /** End the waits for the reader: branches and replicas hand on their pieces side by side. */
  #waiting: (() => void)[] = []

  constructor(request: globalThis.Request, answer: (response: globalThis.Response) => void) {
    this.#request = request
    this.#answer = answer
    this.caller = new FetchCaller(request, 'http')
    this.method = request.method
    const { pathname, search } = new URL(request.url)
    this.target = pathname + search
    this.#left = () => this.leave()
    request.signal?.addEventListener('abort', this.#left)
    if (request.signal?.aborted) this.leave()
  }

  leave(): void {
    this.done()
    this.scope.abort(new ConnectionError('ERR_DISCONNECTED', 'http', 'the client left'))
    this.#pulled()
  }

  #pulled(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }

  done(): void {
    this.#request.signal?.removeEventListener('abort', this.#left)
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }

  async text(limit: number): Promise<string> {
    if (Number(this.header('content-length')) > limit && packing(this.header('content-encoding')) === undefined) {
      this.#request.body?.cancel().catch(() => {})
      throw tooLarge(limit)
    }
    return decode(await collect(this.chunks(), limit))
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { body } = this.#request
    if (body === null) return
    const kind = packing(this.header('content-encoding'))
    const packed = kind === 'br' || kind === 'unknown' || (kind !== undefined && typeof DecompressionStream !== 'function')
    if (packed) throw unsupported('Send the body as it is, or packed with gzip or deflate')
    const stream = kind === undefined ? body : body.pipeThrough(new DecompressionStream(kind as 'gzip') as ReadableWritablePair<any, any>)
    const reader = stream.getReader()
    let over = false
    try {
      for (;;) {
        const step = await reader.read()
        if (step.done) {
          over = true
          return
        }
        yield step.value
      }
    } catch (error) {
      if (error instanceof HttpRefusal) throw error
      throw malformed(kind === undefined ? 'The body ended early' : `The body is not ${kind}`)
    } finally {
      if (!over) reader.cancel().catch(() => {})
    }
  }

  open(status: number, headers: Headers): Sink {
    const encoder = new TextEncoder()
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller
      },
      pull: () => this.#pulled(),
      cancel: () => {
        this.#controller = undefined
        this.leave()
      },
    })
    this.#answer(new Response(stream, { status, headers }))
    return {
      write: (text) => {
        if (this.scope.aborted) throw this.scope.reason
        this.#controller!.enqueue(typeof text === 'string' ? encoder.encode(text) : text)
        if ((this.#controller!.desiredSize ?? 0) > 0) return
        return new Promise<void>((resolve) => this.#waiting.push(resolve))
      },
    }
  }

  end(): void {
    this.done()
    try {
      if (this.scope.aborted) this.#controller?.error(this.scope.reason)
      else this.#controller?.close()
    } catch {
      // Closed by its reader.
    }
  }
}
