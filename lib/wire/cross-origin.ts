import type { ConnectionError } from '../base/errors.js'
import { failure } from './outcome.js'

/** Milliseconds for each further question. */
const ASK = 3000

/** Whether code runs in a page of another origin than that of the address. */
export function isForeign({ origin: asked }: URL): boolean {
  const { origin } = (globalThis as { location?: { origin?: string } }).location ?? {}
  return origin !== undefined && origin !== asked
}

/**
 * Why `fetch` failed for a page. Browsers tell it nothing but that it did. Whether somebody answers who does not let this page read, a question
 * shows whose answer nobody may read, and the same once more for reading.
 * @returns nothing where that is not the reason
 */
export async function refusedPage(url: URL): Promise<ConnectionError | undefined> {
  if (!isForeign(url)) return undefined
  const ask = (mode: RequestMode): Promise<boolean> =>
    fetch(url, { mode, credentials: 'omit', cache: 'no-store', signal: AbortSignal.timeout(ASK) }).then(
      () => true,
      () => false,
    )
  if (!(await ask('no-cors')) || (await ask('cors'))) return undefined
  const reason = `the server answers, but not to pages of ${globalThis.location.origin}. Name that origin in its cors option`
  return failure('forbidden', url.origin, reason)
}
