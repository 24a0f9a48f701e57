import type { PeerCertificate } from 'node:tls'
import { callback, flag, milliseconds } from '../base/check.js'
import { clearTimeout, now, setTimeout } from '../base/clock.js'
import { isError, OptionTypeError, say } from '../base/errors.js'
import { type Logger, log } from '../base/logger.js'
import { Scope } from '../stream/scope.js'
import { IDENTITY_HEADER } from './context-headers.js'
import { AUTH_TIMEOUT } from './defaults.js'
import { heard } from './error-listener.js'
import { Hosts, type HostsOption, hostsRule, isForeign } from './hosts.js'
import { type Identity, identityOf, readIdentity, textOf } from './identity.js'
import { type TokenOption, Tokens, tokenFileRule, tokenRule } from './tokens.js'

/** What `authenticate` gets to know of who asks, before anything of a body is read. */
export interface Asking {
  readonly wire: 'grpc' | 'http' | 'websocket' | 'graphql' | 'nats'
  /** By name, in lower case. gRPC's are its metadata. */
  readonly headers: Readonly<Record<string, string>>
  /** Of the other end of the connection, which may be a proxy's; undefined where a server does not say it. */
  readonly address: string | undefined
  /** The client's certificate, if `tls` has a `ca` that it was held against. */
  readonly peerCertificate: PeerCertificate | undefined
  /** Aborts when the answer is too late, or nobody waits for it. */
  readonly signal: AbortSignal
}

/** Who may come in, on every wire. */
export interface AuthenticationOptions {
  /**
   * Says who asks: what it returns, or resolves with, is `identity` to executors: a text, or an object, that is JSON, of 4096 bytes at most. Nothing (undefined, null, false, an
   * empty text), what it throws, and what is no identity (a list, a number, an empty object: `onError` hears of it), is a refusal: 401, UNAUTHENTICATED, 4401. Default: everybody may come in.
   */
  authenticate?: ((asking: Asking) => unknown) | undefined
  /** Milliseconds in which `authenticate` must have its answer. Default 5000. */
  authTimeout?: number | undefined
  /**
   * Lets in who brings it as `Authorization: Bearer`: one, several, or several by name. Executors see `{ token: name }`, or its place from 0. With
   * `authenticate` beside it, who brings none of them is asked about there.
   */
  token?: TokenOption | undefined
  /** Files of tokens, `token` or `name: token` a line. Looked at again once a second, while somebody asks. Where one is emptied, broken or gone, its
   * tokens hold on for 10 s, in case it is half-way written. */
  tokenFile?: string | readonly string[] | undefined
  /** Whether health (`/`, `/healthz`, `/ready`, gRPC's health service) is told to everybody. Default `true`. */
  openHealth?: boolean | undefined
  /**
   * Hosts that requests may name, such as `['flow.example']`, beside localhost, 127.0.0.1, [::1] and `host`; `true` is any. Default: where it listens
   * for this machine only and without TLS, no others, as pages whose name is bent to this machine name theirs; elsewhere any.
   */
  allowedHosts?: HostsOption | undefined
}

export const AUTHENTICATION_RULES: Record<keyof AuthenticationOptions, (name: string, value: any) => void> = {
  authenticate: callback,
  authTimeout: milliseconds,
  token: tokenRule,
  tokenFile: tokenFileRule,
  openHealth: flag,
  allowedHosts: hostsRule,
}

/** Without them, everybody may come in. */
export const CLOSERS = ['token', 'tokenFile', 'authenticate'] as const

/** Who asks, as a wire brings it. */
export interface Caller extends Pick<Asking, 'wire'> {
  /** @param name in lower case */
  header(name: string): string | undefined
  headers(): Record<string, string>
  readonly host: string | undefined
  /** Behind the `?` of the address. */
  readonly query: string
  readonly address: string | undefined
  readonly peerCertificate: PeerCertificate | undefined
  readonly secure: boolean
  /** Whether it came in where only this machine can. */
  readonly near: boolean
}

/** Why somebody is not let in: nobody knows who it is, or whoever it is may not. */
export interface Denial {
  readonly kind: 'unauthenticated' | 'forbidden'
  readonly reason: string
}

export interface Verdict {
  readonly denied?: Denial
  readonly identity?: Identity | undefined
}

/** What is asked for. */
export interface Aim {
  /** How it is, which everybody may know with `openHealth`. */
  readonly health?: boolean
  /** What a browser asks before it asks: it brings nothing by which it could be known. */
  readonly preflight?: boolean
  /** Executors may run for it: so pages of other origins may not ask for it, but for those that are granted. */
  readonly runs?: boolean
  /** Whether pages of an origin may; '' is one that is not said. */
  granted?(origin: string): boolean
}

/** Goes with 401, which must say how to come in. */
export const CHALLENGE = { 'www-authenticate': 'Bearer realm="sluice"' } as const
/** What a browser's WebSocket can bring a token in. */
const BEARER = 'sluice.bearer.'

const IN: Verdict = {}
const unknown = (reason: string): Verdict => ({ denied: { kind: 'unauthenticated', reason } })
const MISSING = unknown('Who asks is not known. Bring a token: Authorization: Bearer …')
const WRONG = unknown('Not let in: what was brought to show who asks means nothing here')
const LATE = unknown('Not let in: who asks was not found out in time')
const IN_ADDRESS = unknown('A token has no place in an address, where logs see it, and is not read there. Send it as Authorization: Bearer …')
const HOST: Verdict = { denied: { kind: 'forbidden', reason: 'This service is not asked for under this host. Name the host in allowedHosts if it is' } }
export const STRANGER = 'A page of another origin asks for this, which only this service may. Name its origin in cors'
const PAGE: Verdict = { denied: { kind: 'forbidden', reason: STRANGER } }

/** Decides who comes in, for all wires: each brings who asks, and says a refusal in its own words. Before anything of a body is read. */
export class Authenticator {
  /** Whether it listens for this machine only, where connections do not say it themselves. */
  near: boolean | undefined
  readonly #hosts: Hosts
  readonly #tokens: Tokens | undefined
  readonly #authenticate: ((asking: Asking) => unknown) | undefined
  readonly #time: number
  readonly #openHealth: boolean
  readonly #onError: (error: Error) => void
  readonly #logger: Logger | undefined
  #lastTold = Number.NEGATIVE_INFINITY

  /**
   * @param own the host that was given to listen at
   * @param onError told what is wrong with `authenticate`, and with files of tokens
   * @throws OptionTypeError for what would let in, and is given as undefined: most often a variable of the environment that is not set
   */
  constructor(options: AuthenticationOptions & { readonly logger?: Logger | undefined }, own: string | undefined, onError: (error: Error) => void) {
    // Without them everybody may come in, which nobody wants who names them.
    const unset = CLOSERS.every((name) => options[name] === undefined) && CLOSERS.find((name) => Object.hasOwn(options, name))
    if (unset)
      throw new OptionTypeError(
        `${unset} is given as undefined, which would let everybody in. Is the variable set that it comes from? Leave it out if everybody may come in`,
      )
    const { authenticate, authTimeout = AUTH_TIMEOUT, token, tokenFile, openHealth = true, allowedHosts, logger } = options
    this.#logger = logger
    this.#hosts = new Hosts(allowedHosts, own)
    this.#onError = heard(onError)
    this.#tokens = token === undefined && tokenFile === undefined ? undefined : new Tokens(token, tokenFile, this.#onError)
    this.#authenticate = authenticate
    this.#time = authTimeout
    this.#openHealth = openHealth
  }

  /** Whether who comes in has to say who it is. */
  get asks(): boolean {
    return this.#tokens !== undefined || this.#authenticate !== undefined
  }

  /** Reads the files of tokens; who does not wait for it has them read for the first who asks. @throws ConfigError */
  async open(): Promise<void> {
    await this.#tokens?.open()
  }

  /**
   * Whether somebody comes in, and as whom: at once, unless files are looked at, or `authenticate` takes its time. Never throws.
   * @param scope when it is told to stop, so is `authenticate`
   */
  admit(caller: Caller, scope: Scope | undefined, aim: Aim): Verdict | Promise<Verdict> {
    const verdict = this.#verdict(caller, scope, aim)
    return verdict instanceof Promise ? verdict.then((verdict) => this.#told(verdict, caller)) : this.#told(verdict, caller)
  }

  /** A remark for the log on who is not let in: of what was brought it tells nothing. */
  #told(verdict: Verdict, { wire, address }: Caller): Verdict {
    if (verdict.denied !== undefined && this.#logger !== undefined)
      log(this.#logger, 'debug', 'request.refused', { error: new Error(`${address ?? 'somebody'} over ${wire}: ${verdict.denied.reason}`) })
    return verdict
  }

  #verdict(caller: Caller, scope: Scope | undefined, { health, preflight, runs, granted }: Aim): Verdict | Promise<Verdict> {
    if (!this.#hosts.allows(caller.host, (this.near ?? caller.near) && !caller.secure)) return HOST
    if (runs && isStranger(caller, granted)) return PAGE
    if (preflight || (health && this.#openHealth)) return IN
    const tokens = this.#tokens
    if (tokens === undefined && this.#authenticate === undefined)
      return caller.header(IDENTITY_HEADER) === undefined || caller.peerCertificate === undefined ? IN : this.#as(undefined, caller)
    if (/(^|&)(access_|auth_)?token=/i.test(caller.query)) return IN_ADDRESS
    const bearer = bearerOf(caller)
    if (tokens === undefined || bearer === undefined) return this.#ask(caller, scope)
    const holder = tokens.holder(bearer)
    if (!(holder instanceof Promise)) return holder === undefined ? this.#ask(caller, scope) : this.#as(holder, caller)
    return holder.then(
      (holder) => (holder === undefined ? this.#ask(caller, scope) : this.#as(holder, caller)),
      (error) => {
        this.#onError(error as Error)
        return WRONG
      },
    )
  }

  /** Who came in by a token or a certificate may speak for others. */
  #as(identity: Identity | undefined, caller: Caller): Verdict {
    const said = caller.header(IDENTITY_HEADER)
    if (said === undefined) return identity === undefined ? IN : { identity }
    try {
      return { identity: readIdentity(said) }
    } catch (error) {
      return unknown(`Not let in: ${say(error)}`)
    }
  }

  #ask(caller: Caller, scope: Scope | undefined): Verdict | Promise<Verdict> {
    const authenticate = this.#authenticate
    if (authenticate === undefined) return caller.header('authorization') === undefined && bearerOf(caller) === undefined ? MISSING : WRONG
    const own = new Scope()
    const { wire, address, peerCertificate } = caller
    let answer: unknown
    try {
      const asking: Asking = {
        wire,
        address,
        peerCertificate,
        headers: caller.headers(),
        get signal() {
          return own.signal
        },
      }
      answer = authenticate(asking)
    } catch (error) {
      return this.#thrown(error)
    }
    if (typeof (answer as PromiseLike<unknown>)?.then !== 'function') return this.#identified(answer)
    return new Promise((resolve) => {
      const end = (verdict: Verdict): void => {
        clearTimeout(timer)
        unwatch?.()
        resolve(verdict)
      }
      const timer = setTimeout(() => {
        const late = new DOMException(`authenticate took longer than ${this.#time} ms (authTimeout)`, 'TimeoutError')
        own.abort(late)
        this.#tell(late)
        end(LATE)
      }, this.#time)
      const unwatch = scope?.watch((reason) => {
        own.abort(reason)
        end(LATE)
      })
      ;(answer as PromiseLike<unknown>).then(
        (value) => end(this.#identified(value)),
        (error) => end(this.#thrown(error)),
      )
    })
  }

  /** What is thrown is a refusal; what the language throws is most often a fault of `authenticate`, which would let nobody in without a word. */
  #thrown(error: unknown): Verdict {
    if (isError(error) && (error.name === 'TypeError' || error.name === 'ReferenceError')) this.#tell(error)
    return WRONG
  }

  /** Once a second at most: whoever asks could fill the log. */
  #tell(error: unknown): void {
    const time = now()
    if (time - this.#lastTold < 1000) return
    this.#lastTold = time
    this.#onError(new Error(`authenticate: ${say(error)}`, { cause: error }))
  }

  #identified(value: unknown): Verdict {
    if (!value) return WRONG
    try {
      return { identity: identityOf(value) }
    } catch (error) {
      this.#tell(error)
      return WRONG
    }
  }
}

/** Whether a page of another origin asks, which is not granted. */
export function isStranger(caller: Caller, granted: Aim['granted']): boolean {
  const [origin, site] = [caller.header('origin'), caller.header('sec-fetch-site')]
  if (origin === undefined && site === undefined) return false
  return isForeign({ origin, site, host: caller.host, secure: caller.secure }) && !granted?.(origin ?? '')
}

/** The token that somebody brings. */
function bearerOf(caller: Caller): string | undefined {
  const [, token] = /^Bearer +(\S+) *$/i.exec(caller.header('authorization') ?? '') ?? []
  if (token !== undefined || caller.wire !== 'websocket') return token
  const offered = caller
    .header('sec-websocket-protocol')
    ?.split(',')
    .find((name) => name.trim().startsWith(BEARER))
  try {
    return offered && textOf(offered.trim().slice(BEARER.length))
  } catch {
    return undefined
  }
}
