import { clearTimeout, setTimeout } from '../base/clock.js'
import { ConnectionError } from '../base/errors.js'
import { Scope } from '../stream/scope.js'
import { notLetIn } from '../wire/credentials.js'
import { CONNECT_TIMEOUT } from '../wire/defaults.js'
import { wayTo } from '../wire/http/client/connect.js'
import { failureOf } from '../wire/http/client/failures.js'
import type { Sending, Streamed, Transport } from '../wire/http/client/transport.js'
import { kindOf } from '../wire/http/status.js'
import { failure } from '../wire/outcome.js'

/** Bytes of an answer of a daemon, and milliseconds without any of what is sent having gone, or for the answer. */
const MOST = 16 << 20
const PATIENCE = 30_000

interface Question extends Pick<Sending<Streamed>, 'method' | 'headers' | 'body'> {
  /** Where it is, with what stands in front of all its paths behind a proxy, if anything does. Errors name it so. */
  readonly address: string
  readonly path: string
  /** What fails, for errors: `its daemon does not take gpu`. */
  readonly about: string
  /** Ends it. */
  readonly life: Scope
  /** Milliseconds. */
  readonly time?: number
}

/** What a daemon answers over HTTP. @throws ConnectionError that says why it does not */
export async function ask(transport: Transport<Streamed>, { address, path, about, life, time = PATIENCE, body, ...sending }: Question): Promise<unknown> {
  const scope = life.child()
  let timer: ReturnType<typeof setTimeout>
  const wait = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => scope.abort(new ConnectionError('ERR_TIMEOUT', address, `no answer within ${time} ms`)), time)
  }
  wait()
  try {
    const received = await transport.send(
      { ...sending, body: typeof body === 'object' && 'read' in body ? told(body, wait) : body, url: new URL(address + path) },
      scope,
    )
    const text = new TextDecoder().decode(await received.whole(MOST))
    if (received.status === 200) return JSON.parse(text)
    const kind = kindOf(received.status)
    throw kind === 'unauthenticated' ? notLetIn(address) : failure(kind, address, `${about}: ${saidIn(text) ?? `HTTP ${received.status}`}`)
  } catch (error) {
    if (scope.aborted) throw scope.reason
    if (error instanceof SyntaxError) throw failure('unimplemented', address, 'who answers there is no daemon of sluice', { cause: error })
    throw failureOf(address, error, false)
  } finally {
    clearTimeout(timer!)
    scope.close()
  }
}

/** Tells of each piece that goes. */
function told({ length, read }: Streamed, goes: () => void): Streamed {
  return {
    length,
    async *read() {
      for await (const piece of read()) {
        goes()
        yield piece
      }
    },
  }
}

function saidIn(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    return typeof detail === 'string' ? detail : undefined
  } catch {
    return undefined
  }
}

/**
 * What a daemon says of itself: see `DaemonStatus`.
 * @throws OptionRangeError for what is no address; ConnectionError
 */
export async function askStatus(address: string, token: string | undefined, ca: string | undefined): Promise<unknown> {
  const { url, transport } = wayTo(address, { connectTimeout: CONNECT_TIMEOUT, ...(ca !== undefined && { tls: { ca } }) })
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const at = url.href.replace(/\/$/, '')
  try {
    return await ask(transport, { method: 'GET', headers, body: undefined, address: at, path: '/status', about: 'it does not say', life: new Scope() })
  } finally {
    await transport.close()
  }
}
