import { ConnectionError, OptionRangeError, OptionTypeError, say } from '../base/errors.js'
import { IDENTITY_HEADER } from './context-headers.js'
import { type Identity, writeIdentity } from './identity.js'
import { failure } from './outcome.js'

/** What shows who asks: a token, or a function that gives the one of now, for tokens that change. */
export type BearerOption = string | (() => string | Promise<string>)

/** What may be told to stop: a scope, for instance. */
interface Stoppable {
  watch(stop: (reason: unknown) => void): () => void
}

/** @throws OptionTypeError, OptionRangeError that name the option, and show nothing of what it holds */
export function bearerRule(name: string, value: unknown): void {
  if (typeof value === 'function') return
  if (typeof value !== 'string') throw new OptionTypeError(`${name} must be a text, or a function that gives one`)
  if (!isBearer(value))
    throw new OptionRangeError(`${name} must be letters, digits and -._~+/ with = at the end, and not be empty. Is the variable set that it comes from?`)
}

function isBearer(text: unknown): text is string {
  return typeof text === 'string' && /^[\w.~+/-]+=*$/.test(text)
}

/** What goes with each call, so that it is let in, and for whom it is made. */
export class Credentials {
  readonly #address: string
  readonly #token: BearerOption | undefined
  readonly #forward: boolean

  /** Nothing, where there is nothing to bring. */
  static of(address: string, { token, forwardIdentity }: { token?: BearerOption | undefined; forwardIdentity?: boolean | undefined }): Credentials | undefined {
    return token === undefined && !forwardIdentity ? undefined : new Credentials(address, token, forwardIdentity ?? false)
  }

  private constructor(address: string, token: BearerOption | undefined, forward: boolean) {
    this.#address = address
    this.#token = token
    this.#forward = forward
  }

  /** What calls for the same have in common. */
  keyOf(identity: Identity | undefined): string {
    return this.#forward && identity !== undefined ? JSON.stringify(identity) : ''
  }

  /**
   * @param wanted ends the wait for a token
   * @throws ConnectionError (`ERR_REFUSED`) when no token can be had; the reason why it is not wanted any more
   */
  async headers(identity: Identity | undefined, wanted: Stoppable): Promise<Record<string, string>> {
    const token = typeof this.#token === 'function' ? await unlessStopped(wanted, this.#now(this.#token)) : this.#token
    return {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(this.#forward && identity !== undefined && { [IDENTITY_HEADER]: writeIdentity(identity) }),
    }
  }

  async #now(token: () => string | Promise<string>): Promise<string> {
    let given: unknown
    try {
      given = await token()
    } catch (cause) {
      throw new ConnectionError('ERR_REFUSED', this.#address, `there is no token to bring: ${say(cause)}`, { cause })
    }
    if (!isBearer(given)) throw new ConnectionError('ERR_REFUSED', this.#address, 'there is no token to bring: what the function gave is none')
    return given
  }
}

async function unlessStopped<V>(wanted: Stoppable, work: Promise<V>): Promise<V> {
  let unwatch: (() => void) | undefined
  try {
    return await new Promise<V>((resolve, reject) => {
      unwatch = wanted.watch(reject)
      work.then(resolve, reject)
    })
  } finally {
    // Not once the work is done, which it may never be.
    unwatch?.()
  }
}

/** The same on every wire: 401, UNAUTHENTICATED, 4401. */
export function notLetIn(address: string, cause?: unknown): ConnectionError {
  const reason = 'it does not let in whom it does not know (401). Give the token that it wants, by the option token'
  return failure('unauthenticated', address, reason, cause === undefined ? undefined : { cause })
}
