import { clearTimeout, setTimeout } from '../../../base/clock.js'
import { ConnectionError, optionRange } from '../../../base/errors.js'
import type { Scope } from '../../../stream/scope.js'
import { isForeign, refusedPage } from '../../cross-origin.js'
import { collect } from '../body.js'
import type { Received, Sending, Transport, TransportOptions } from './transport.js'

/** Credentials of the page are none of this library's business. */
const INIT: RequestInit = { redirect: 'manual', credentials: 'omit', cache: 'no-store' }

/** Through the platform's `fetch`. It tells nobody when a connection stands, so the first request is preceded by a short question. */
export class FetchTransport implements Transport {
  readonly #options: TransportOptions
  readonly #fetch: typeof fetch
  #reached: Promise<unknown> | undefined

  /** @throws RangeError (`ERR_OPTION_RANGE`) for certificates, of which `fetch` knows nothing */
  constructor(options: TransportOptions) {
    const given = Object.entries(options.tls).find(([, value]) => value !== undefined)
    if (given !== undefined) throw optionRange(`tls.${given[0]}`, 'left out where only fetch is there: it trusts whom the platform trusts', '…')
    this.#options = options
    // The platform's own must not be called as a method.
    this.#fetch = (...call) => (options.fetch ?? fetch)(...call)
  }

  async send({ method, url, headers, body }: Sending, scope: Scope): Promise<Received> {
    this.#reached ??= this.#reach(url)
    await this.#reached
    const init: RequestInit = { ...INIT, method, headers: { ...headers }, signal: scope.signal }
    if (body !== undefined) init.body = body as BodyInit
    const response = await this.#fetch(url, init).catch(async (error) => {
      throw (error instanceof TypeError ? await refusedPage(url) : undefined) ?? error
    })
    return {
      status: response.status,
      header: (name) => response.headers.get(name) ?? undefined,
      chunks: () => chunksOf(response.body),
      whole: (limit, came) => collect(chunksOf(response.body), limit, came),
    }
  }

  async #reach(url: URL): Promise<void> {
    const { connectTimeout, url: root } = this.#options
    const controller = new AbortController()
    const timer = setTimeout(
      () =>
        controller.abort(
          new ConnectionError('ERR_UNREACHABLE', root.origin, `no connection within ${connectTimeout} ms. Is the server up, and is this its address?`),
        ),
      connectTimeout,
    )
    try {
      await this.#get(url, controller.signal)
    } catch (error) {
      this.#reached = undefined
      throw controller.signal.aborted ? controller.signal.reason : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Resolves when anything is answered. */
  ask(): Promise<void> {
    return this.#get(this.#options.url, AbortSignal.timeout(this.#options.connectTimeout))
  }

  async #get(url: URL, signal: AbortSignal): Promise<void> {
    // Whether a page may read the answer is another question.
    const whoever: RequestInit = isForeign(url) ? { mode: 'no-cors', redirect: 'follow' } : {}
    const response = await this.#fetch(new URL('./', url), { ...INIT, ...whoever, method: 'GET', signal })
    response.body?.cancel().catch(() => {})
  }

  close(): void {}
}

export async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return
  const reader = body.getReader()
  let over = false
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value
    over = true
  } finally {
    if (!over) reader.cancel().catch(() => {})
  }
}
